"""What a Redis server does in one step, in its own Lua. The time in it is the server's.

The keys of one store share a hash tag, so that a cluster has them in one place:

    {namespace}:v:KEY     a sealed entry, with its end
    {namespace}:m:GROUP   sorted set of the KEYs in a group, by their end (Unix milliseconds)
    {namespace}:e:GROUP   the group's epoch: when it was dropped (Unix microseconds)

A group holds bare KEYs: whoever can write to it can't make us delete anything but entries.
"""

from __future__ import annotations

import hashlib


class Script:
    """Lua, and the name under which the server knows it once it has seen it."""

    __slots__ = ("sha", "text")

    def __init__(self, text: str) -> None:
        self.text = text.encode()
        # The protocol's own choice; nothing secret hangs on it.
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest().encode()


_NOW = """
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
"""

SET = Script(
    """
local entry, key, payload = KEYS[1], ARGV[1], ARGV[2]
local lives, written, leeway = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local from, checks = tonumber(ARGV[6]), ARGV[7] == '1'
local groups = (#KEYS - 1) / 2
if checks then
    for i = 1, groups do
        if (redis.call('GET', KEYS[2 * i]) or '0') ~= ARGV[7 + i] then return 0 end
    end
end
local before = redis.call('GETRANGE', entry, from, from + 7)
if #before == 8 then
    local other = 0
    for i = 1, 8 do other = other * 256 + string.byte(before, i) end
    if other > written and other <= written + leeway then return 0 end
end
redis.call('SET', entry, payload, 'PX', lives)
"""
    + _NOW
    + """
for i = 1, groups do
    local members = KEYS[2 * i + 1]
    local expired = redis.call('ZRANGEBYSCORE', members, '-inf', now, 'LIMIT', 0, 64)
    if #expired > 0 then redis.call('ZREM', members, unpack(expired)) end
    redis.call('ZADD', members, now + lives, key)
    if redis.call('PTTL', members) < lives then redis.call('PEXPIRE', members, lives) end
end
return 1
"""
)
"""KEYS: the entry, then epoch and members of each group."""

BUMP = Script(
    """
for i = 1, #KEYS do
    local time = redis.call('TIME')
    local epoch = tonumber(time[1]) * 1000000 + tonumber(time[2])
    local before = tonumber(redis.call('GET', KEYS[i]) or '0') or 0
    if epoch <= before then epoch = before + 1 end
    redis.call('SET', KEYS[i], string.format('%.0f', epoch), 'PX', ARGV[1])
end
return #KEYS
"""
)
"""KEYS: epochs."""

FORGET = Script(
    """
local found = redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[2]) - 1)
if #found == 0 then return 0 end
local entries = {}
for i = 1, #found do entries[i] = ARGV[1] .. found[i] end
redis.call('UNLINK', unpack(entries))
redis.call('ZREM', KEYS[1], unpack(found))
return #found
"""
)
"""KEYS: members. Some of a group's entries, so that a large one can't block the server."""

COUNT = Script(
    _NOW
    + """
local count = redis.call('ZCOUNT', KEYS[1], now, '+inf')
local found = redis.call('ZREVRANGE', KEYS[1], 0, math.min(count, tonumber(ARGV[2])) - 1)
if count == 0 then return 0 end
for i = 1, #found do
    if redis.call('EXISTS', ARGV[1] .. found[i]) == 0 then count = count - 1 end
end
return count
"""
)
"""KEYS: members. Of so many it is known that they were not deleted, or evicted, meanwhile."""
