"""The other half of a trade in Redis: slots are given, and all is kept. See `account`."""

from __future__ import annotations

import re

from resilient.sharing.redis.account import ACCOUNT
from resilient.sharing.rules.done_log import DoneLog
from resilient.sharing.rules.ledger import IDLE, LATE, MOST_LOGS
from resilient.sharing.rules.words import DAY, MOST_WORDS, Words
from resilient.stores.redis_scripts import Script

MICRO = 1_000_000
"""Units of a moment, and of all durations in the script, in a second."""

_WORDS = """
local words, told_before = {}, told
if found[3] or words_told > 0 then
    local is_list, list = pcall(cmsgpack.unpack, found[3] or '')
    for _, word in ipairs(is_list and type(list) == 'table' and list or {}) do
        if word.resets_at + UNSURE > now then
            word.used = max(0, word.used - returned)
            words[#words + 1] = word
        end
    end
    for i = 0, words_told - 1 do
        local key, at = ARGV[4 + 2 * i], first_word + 4 * i
        local sent, left, resets_in, paused = now - n[at], n[at + 1], n[at + 2], now + n[at + 3]
        pause = max(pause, paused)
        local place = #words + 1
        for j, word in ipairs(words) do
            if word.key == key then place = j end
        end
        if not words[place] or words[place].sent <= sent then
            local resets_at = sent + DAY
            if resets_in >= 0 then
                resets_at = min(resets_at, now + resets_in)
            elseif left > NOTHING then
                resets_at = max(now, sent + UNSURE)
            end
            told = told + 1
            -- The vendor may not have counted the requests of the slots that workers hold.
            words[place] = {key = key, text = ARGV[5 + 2 * i], sent = sent, left = left,
                            resets_at = resets_at, paused = paused, number = told, used = held}
        end
    end
    while #words > MOST_WORDS do
        local oldest = 1
        for i, word in ipairs(words) do
            if word.sent < words[oldest].sent then oldest = i end
        end
        table.remove(words, oldest)
    end
end
"""

_GIVE = """
local given, wait, starts = 0, 0, ''
has_room = spends == 0 and pause <= now
for i, one in ipairs(asked) do
    has_room = has_room and n[9 + 3 * i] - n[11 + 3 * i] - held - one[TOTAL] >= want
end
if want > 0 and has_room then
    given, starts = want, pack('<dd', 0, want)
elseif want > 0 then
    -- When each slot of a rate that nobody holds may be used, as runs of {moment, count}.
    local function free_times(i)
        local one, runs, count = asked[i], {}, 0
        local room = n[9 + 3 * i] - n[11 + 3 * i] - held
        local hidden = one[TOTAL] - room
        if hidden < 0 then
            runs[1] = {0, min(want, -hidden)}
            count, hidden = runs[1][2], 0
        end
        local after, at_once = '[' .. one[BEGINS], min(256, want + hidden)
        while count < want and room > 0 do
            local entries = call('ZRANGEBYLEX', log, after, '(' .. one[BEGINS] .. '\\255',
                                 'LIMIT', 0, at_once)
            if #entries == 0 then break end
            local counts = call('HMGET', state, unpack(entries))
            for j, entry in ipairs(entries) do
                local done = tonumber(counts[j] or 0)
                if hidden >= done then
                    hidden = hidden - done
                elseif count < want then
                    local free = min(done - hidden, want - count)
                    runs[#runs + 1] = {read('>d', entry, 10) + one[PERIOD], free}
                    count, hidden = count + free, 0
                end
            end
            after = '(' .. entries[#entries]
        end
        return runs
    end

    local streams, places = {}, {}
    for i = 1, rates do streams[i], places[i] = free_times(i), 1 end
    local runs, count, in_time, latest = {}, 0, 0, max(now, pause)
    while count < want do
        local length = want - count
        for i = 1, rates do
            local run = streams[i][places[i]]
            if run then
                latest, length = max(latest, run[1]), min(length, run[2])
            else
                length = 0
            end
        end
        if length == 0 then break end
        for i = 1, rates do
            local run = streams[i][places[i]]
            run[2] = run[2] - length
            if run[2] == 0 then places[i] = places[i] + 1 end
        end
        runs[#runs + 1] = {latest, length}
        count = count + length
        if latest <= now + within then in_time = count end
    end

    local most, until_more = want, 0
    for at = first_spend, first_spend + spends - 1 do
        for _, word in ipairs(words) do
            if word.key == ARGV[at] and word.left > NOTHING then
                local may, reset = whole and want or 1, math.huge
                if now < word.resets_at then
                    may, reset = math.floor(word.left) - word.used, word.resets_at - now
                elseif held > 0 then
                    may = 0
                end
                if may < want then
                    most, until_more = max(0, min(most, may)), max(until_more, reset)
                end
            end
        end
    end

    given = min(in_time, most)
    if given < want then
        -- The first slot that is not given is what it waits for; of a whole, the last one.
        local lacking, before = whole and want - 1 or given, 0
        wait = math.huge  -- What is in no run is with running calls.
        for _, run in ipairs(runs) do
            if before <= lacking and lacking < before + run[2] then wait = run[1] - now end
            before = before + run[2]
        end
        if most <= lacking then wait = max(wait, until_more) end
        if whole then given = 0 end
    end
    local left, texts = given, {}
    for _, run in ipairs(runs) do
        local length = min(left, run[2])
        if length > 0 then texts[#texts + 1] = pack('<dd', run[1] - now, length) end
        left = left - length
    end
    starts = table.concat(texts)
end
has, held = has + given, held + given
"""

_WRITE = """
if found[3] or words_told > 0 then
    for _, word in ipairs(words) do word.used = word.used + given end
    if #words > 0 then
        call('HSET', state, 'w', cmsgpack.pack(words))
    else
        call('HDEL', state, 'w')
    end
end

local its_end = now + lives
if look <= now or its_end < look then
    look = its_end
    call('ZADD', log, 0, 'h' .. pack('>d', look) .. name)
    if looks == 0 or look < looks then looks = look end
end
local idle = max(IDLE, 2 * longest)
local lasts = max(now + idle, pause)
for _, word in ipairs(words) do lasts = max(lasts, word.resets_at + UNSURE) end
local is_renewed = ends < lasts
if is_renewed then ends = lasts + idle / 4 end

kept = pack('<dddddddd', now, behind, told, held, alive, looks, ends, pause) .. born
for _, one in ipairs(logs) do
    kept = kept
           .. pack('<ddddd', one[PERIOD], one[ASKED], one[TOTAL], one[MOMENTS], one[FORGETS])
end
call('HSET', state, 's', kept,
     me, pack('<ddddddd', its_end, look, has, lost, lost_at, 1, given) .. turn)
if is_renewed then
    local milliseconds = math.ceil((ends - now) / 1000)
    call('PEXPIRE', state, milliseconds)
    call('PEXPIRE', log, milliseconds)
end

if wait == math.huge then wait = -1 end
local answer = born .. pack('<dddd', told, alive, wait, max(0, pause - now)) .. starts
if seen > told then seen = 0 end
if seen >= told_before then return answer end
local answers = {answer}
for _, word in ipairs(words) do
    if seen < word.number and word.number <= told_before and now < word.resets_at then
        answers[#answers + 1] = word.key
        answers[#answers + 1] = word.text
        answers[#answers + 1] = pack('<dddd', now - word.sent, word.left, word.resets_at - now,
                                     max(0, word.paused - now))
    end
end
return answers
"""

NOTHING = -1e300
"""In place of the `left` of a word that says nothing of it."""

_CONSTANTS = {
    "UNSURE": Words.UNSURE * MICRO,
    "DAY": DAY * MICRO,
    "IDLE": IDLE * MICRO,
    "LATE": LATE * MICRO,
    "MOST_WORDS": MOST_WORDS,
    "MOST_LOGS": MOST_LOGS,
    "EXACT": DoneLog.EXACT,
    "STEPS": DoneLog.STEPS,
    "NOTHING": NOTHING,
}


_NAMES = re.compile("|".join(rf"\b{name}\b" for name in _CONSTANTS))


def _with_constants(text: str) -> str:
    return _NAMES.sub(_constant, text)


def _constant(found: re.Match[str]) -> str:
    return f"{_CONSTANTS[found.group()]:.17g}"


TRADE = Script(_with_constants(ACCOUNT + _WORDS + _GIVE + _WRITE))
"""KEYS: state, log. ARGV: holder; turn, 12 bytes; numbers, as doubles: the moment (-1: the server's
own), lives, want, whole, within, unused, seen; how many rates, done, words and spends follow; of
each rate calls, period, kept; of each done count, age, whether the store did not know of it; of a
word age, left (NOTHING: unknown), resets_in (-1: unknown), pause. Then of each word key, text; the
keys that it spends.

A string is answered: born, 24 characters; as doubles told, workers, wait (-1: nobody knows), pause,
and start, count of each run of slots. If there are words, an array, with three strings of each word
behind that: key, text, and as doubles age, left, resets_in, pause.
"""
