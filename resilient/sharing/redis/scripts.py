"""The small scripts of shared state in Redis. ARGV[1]: the moment, -1 for the server's own."""

from __future__ import annotations

from resilient.stores.redis_scripts import Script

_NOW = """
local now = ARGV[1]
if now == '-1' then
    local time = redis.call('TIME')
    now = string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2]))
end
"""

LOOK = Script(
    _NOW
    + """
local found = redis.call('MGET', unpack(KEYS))
for i = 1, #KEYS do found[i] = found[i] or '' end
table.insert(found, 1, now)
return found
"""
)
"""What is kept under each key, "" if nothing; the moment (microseconds) before all."""

SWAP = Script(
    """
local swapped = {}
for i = 1, #KEYS do
    local before, after, lives = ARGV[3 * i - 2], ARGV[3 * i - 1], ARGV[3 * i]
    local kept = redis.pcall('GET', KEYS[i])
    -- LOOK finds nothing, either, where a value is of another kind.
    if type(kept) ~= 'string' then kept = '' end
    if kept ~= before then
        swapped[i] = '0'
    else
        if lives == '0' then
            redis.call('SET', KEYS[i], after)
        else
            redis.call('SET', KEYS[i], after, 'PX', lives)
        end
        swapped[i] = '1'
    end
end
return swapped
"""
)
"""ARGV, of each key: what was found there, what to put there, milliseconds (0: for ever). "1" where
that was done, "0" where somebody else has put something there meanwhile.
"""

PUBLISH = Script(
    _NOW
    + """
local figures, ends = KEYS[1], KEYS[2]
local worker, lives = ARGV[2], tonumber(ARGV[4])
local gone = redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, 500)
if #gone > 0 then
    redis.call('HDEL', figures, unpack(gone))
    redis.call('ZREM', ends, unpack(gone))
end
redis.call('HSET', figures, worker, ARGV[3])
redis.call('ZADD', ends, string.format('%.0f', tonumber(now) + lives * 1000), worker)
for i = 1, 2 do
    if redis.call('PTTL', KEYS[i]) < lives then redis.call('PEXPIRE', KEYS[i], lives) end
end
return 1
"""
)
"""KEYS: the workers' figures, and when they end. ARGV: worker, figures, milliseconds."""

PUBLISHED = Script(
    _NOW
    + """
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. now, '+inf', 'LIMIT', 0, 5000)
local pairs = {}
for i = 1, #found do
    local figures = redis.call('HGET', KEYS[1], found[i])
    if figures then
        pairs[#pairs + 1] = found[i]
        pairs[#pairs + 1] = figures
    end
end
return pairs
"""
)
"""Worker and figures, one after the other."""

BEGIN_ANEW = Script(
    """
for i = 1, #KEYS do
    local kind = redis.call('TYPE', KEYS[i])['ok']
    if kind ~= 'none' and kind ~= ARGV[i] then return redis.call('DEL', unpack(KEYS)) end
end
return 0
"""
)
"""Delete the keys if one of them is not of its kind. ARGV: the kind of each."""

TRY_TO_WRITE = Script("return redis.call('SET', KEYS[1], '', 'PX', 1000)")
"""Write what nobody reads."""
