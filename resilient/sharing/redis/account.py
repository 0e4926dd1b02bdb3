"""The first half of a trade in Redis: the state is read, and what a worker brings is taken back.

It is rules.ledger in Lua, on what Redis keeps sorted; `trade` has the other half.

One quota has two keys that share a hash tag, so that a cluster has them in one place:

    {namespace:quota}:s   hash: "s" the state, "w" the words, "h" + name a holder; and of a DONE,
                          how many requests were done then
    {namespace:quota}:l   sorted set, by name: the same DONEs ("d", period, moment); "h", moment,
                          name: when to look whether a holder still lives; "!", without which a
                          part of it was lost

Moments are whole microseconds of the server's clock and what it was set back by. Numbers are
doubles; those in names have their high byte first, and so their names are sorted as they are. Both
keys end together; should one be evicted, the quota begins anew, as if both were.

What every trade does stands in line, without functions: to make one is what costs most in this Lua.
"""

from __future__ import annotations

READ = """
local state, log, name, turn = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local call, max, min = redis.call, math.max, math.min
local pack, read = struct.pack, struct.unpack
local n = {read('<' .. string.rep('d', #ARGV[3] / 8), ARGV[3])}
local now, lives, want, whole, within, unused, seen = n[1], n[2], n[3], n[4] == 1, n[5], n[6], n[7]
local rates, dones, words_told, spends = n[8], n[9], n[10], n[11]
local first_done = 12 + 3 * rates
local first_word = first_done + 3 * dones
local first_spend = 4 + 2 * words_told

if now < 0 then
    local time = call('TIME')
    now = time[1] * 1000000 + time[2]
end
local me = 'h' .. name
local found = call('HMGET', state, 's', me, 'w')
local kept = found[1]
local is_new = not kept or #kept < 88 or #kept % 40 ~= 8
if is_new then kept = string.rep('\\0', 88) end
local last, behind, told, held, alive, looks, ends, pause = read('<dddddddd', kept)
local born = string.sub(kept, 65, 88)
-- A clock that is set back stands still for us, and goes on from there.
now = now + behind
if now < last then
    behind = behind + last - now
    now = last
end

if looks <= now and (is_new or not call('ZSCORE', log, '!')) then
    call('DEL', state, log)
    call('ZADD', log, 0, '!')
    born = string.gsub(turn, '.', function(one) return string.format('%02x', string.byte(one)) end)
    found, kept, told, held, alive, looks, ends, pause = {}, '', 0, 0, 0, 0, 0, 0
end

-- Of each period: {period, when a worker named it, requests done in it, their moments, when the
-- oldest may be forgotten, how its DONEs begin}.
local PERIOD, ASKED, TOTAL, MOMENTS, FORGETS, BEGINS = 1, 2, 3, 4, 5, 6
local logs, longest = {}, 0
for at = 89, #kept, 40 do
    local one = {read('<ddddd', kept, at)}
    one[BEGINS] = 'd' .. pack('>d', one[PERIOD])
    logs[#logs + 1] = one
    longest = max(longest, one[PERIOD])
end
-- Requests that were done: count, moment, count, moment …
local noted = {}
"""

BURY = """
if looks > 0 and looks <= now then
    local function bury(its_name)
        local text = call('HGET', state, 'h' .. its_name)
        if not text then return end
        local its_end, look, has, lost, lost_at, lives_on = read('<dddddd', text)
        if its_end > now then
            look = its_end
        else
            alive, lives_on = alive - lives_on, 0
            if has > 0 then
                lost, lost_at = lost + has, its_end
                noted[#noted + 1] = has
                noted[#noted + 1] = lost_at
                held, has = held - has, 0
            end
            -- It may live after all, and bring them back.
            look = lost_at + max(LATE, longest)
            if lost == 0 or look <= now then
                call('HDEL', state, 'h' .. its_name)
                return
            end
        end
        call('ZADD', log, 0, 'h' .. pack('>d', look) .. its_name)
        text = pack('<dddddd', its_end, look, has, lost, lost_at, lives_on) .. string.sub(text, 49)
        call('HSET', state, 'h' .. its_name, text)
    end
    repeat
        local due = call('ZRANGEBYLEX', log, '[h', '(h' .. pack('>d', now + 1), 'LIMIT', 0, 500)
        if #due > 0 then call('ZREM', log, unpack(due)) end
        for _, entry in ipairs(due) do bury(string.sub(entry, 10)) end
    until #due < 500
    local nearest = call('ZRANGEBYLEX', log, '[h', '(i', 'LIMIT', 0, 1)[1]
    looks = nearest and read('>d', nearest, 2) or 0
    found[2] = call('HGET', state, me)
end
"""

LOGS = """
local asked = {}
for i = 1, rates do
    local period = n[10 + 3 * i]
    for _, one in ipairs(logs) do
        if one[PERIOD] == period then
            one[ASKED] = now
            asked[i] = one
        end
    end
    if not asked[i] then
        local one = {period, now, 0, 0, 0, 'd' .. pack('>d', period)}
        -- What another rate knows of the past holds for a new one too.
        local begins = 'd' .. pack('>d', longest)
        local after = '[' .. begins
        repeat
            local entries = call('ZRANGEBYLEX', log, after, '(' .. begins .. '\\255',
                                 'LIMIT', 0, 500)
            for _, entry in ipairs(entries) do
                local moment = read('>d', entry, 10)
                local count = tonumber(call('HGET', state, entry) or 0)
                if moment + period > now then
                    local copied = one[BEGINS] .. pack('>d', moment)
                    call('HSET', state, copied, count)
                    call('ZADD', log, 0, copied)
                    one[TOTAL], one[MOMENTS] = one[TOTAL] + count, one[MOMENTS] + 1
                end
                after = '(' .. entry
            end
        until #entries < 500
        logs[#logs + 1] = one
        asked[i] = one
        longest = max(longest, period)
    end
end
if #logs > rates then
    local function drop(i)
        local begins = table.remove(logs, i)[BEGINS]
        repeat
            local entries = call('ZRANGEBYLEX', log, '[' .. begins, '(' .. begins .. '\\255',
                                 'LIMIT', 0, 500)
            if #entries > 0 then
                call('HDEL', state, unpack(entries))
                call('ZREM', log, unpack(entries))
            end
        until #entries < 500
    end
    -- Other workers may still go by a former configuration.
    for i = #logs, 1, -1 do
        if logs[i][ASKED] + max(logs[i][PERIOD], IDLE) <= now then drop(i) end
    end
    while #logs > max(MOST_LOGS, rates) do
        local oldest = 1
        for i, one in ipairs(logs) do
            if one[ASKED] < logs[oldest][ASKED] then oldest = i end
        end
        drop(oldest)
    end
end
"""

TAKE_BACK = """
local look, has, lost, lost_at, lives_on = 0, 0, 0, 0, 0
if found[2] then
    local _, gave
    _, look, has, lost, lost_at, lives_on, gave = read('<ddddddd', found[2])
    if string.sub(found[2], 57) == turn then
        -- This very trade was heard already, but its answer got lost with the connection.
        unused, dones, first_done = gave, 0, first_word
    end
end
alive = alive + 1 - lives_on

-- First those that were taken as done: no slot is free that may be with a running call.
local returned = min(lost, unused)
lost = lost - returned
local let_go = min(has, unused - returned)
has, held, returned = has - let_go, held - let_go, returned + let_go

for at = first_done, first_word - 1, 3 do
    local count, moment, is_spent = n[at], now - n[at + 1], n[at + 2] == 1
    if not is_spent then
        local back = min(lost, count)
        if back > 0 then
            lost, count = lost - back, count - back
            if moment > lost_at then
                noted[#noted + 1] = back
                noted[#noted + 1] = moment
            end
        end
        -- More than it holds went without our knowledge, and took slots all the same.
        let_go = min(has, count)
        has, held = has - let_go, held - let_go
    end
    noted[#noted + 1] = count
    noted[#noted + 1] = moment
end

for _, one in ipairs(logs) do
    for at = 1, #noted, 2 do
        local count, moment = noted[at], noted[at + 1]
        if count > 0 and moment + one[PERIOD] > now then
            if one[MOMENTS] >= EXACT then
                -- Never earlier; see rules.done_log.
                local grain = one[PERIOD] / STEPS
                moment = math.ceil(math.ceil(moment / grain) * grain)
            end
            local entry = one[BEGINS] .. pack('>d', moment)
            if call('HINCRBY', state, entry, count) == count then
                call('ZADD', log, 0, entry)
                one[MOMENTS] = one[MOMENTS] + 1
            end
            one[TOTAL] = one[TOTAL] + count
            one[FORGETS] = min(one[FORGETS], moment + one[PERIOD])
        end
    end
end
"""

FORGET = """
-- While there is room, now and then is often enough.
local has_room = spends == 0 and pause <= now
for i, one in ipairs(asked) do
    has_room = has_room and n[9 + 3 * i] - n[11 + 3 * i] - held - one[TOTAL] >= want
end
for _, one in ipairs(logs) do
    local late = has_room and one[PERIOD] / 16 or 0
    if one[TOTAL] > 0 and one[FORGETS] + late <= now then
        local first, beyond = '[' .. one[BEGINS], '(' .. one[BEGINS]
        local first_kept = beyond .. pack('>d', now - one[PERIOD] + 1)
        repeat
            local gone = call('ZRANGEBYLEX', log, first, first_kept, 'LIMIT', 0, 500)
            if #gone > 0 then
                local counts = call('HMGET', state, unpack(gone))
                for i = 1, #gone do one[TOTAL] = one[TOTAL] - (counts[i] or 0) end
                call('HDEL', state, unpack(gone))
                call('ZREM', log, unpack(gone))
                one[MOMENTS] = one[MOMENTS] - #gone
            end
        until #gone < 500
        local oldest = call('ZRANGEBYLEX', log, first, beyond .. '\\255', 'LIMIT', 0, 1)[1]
        one[FORGETS] = (oldest and read('>d', oldest, 10) or now) + one[PERIOD]
    end
end
"""

ACCOUNT = READ + BURY + LOGS + TAKE_BACK + FORGET
"""Leaves behind what `trade` goes on with: the locals of these blocks."""
