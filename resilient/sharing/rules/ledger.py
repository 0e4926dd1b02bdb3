"""The slots of a quota that workers share: who holds them, and when each is free again.

The promise is that of admission.log, over all workers: at most `calls` in any window of `period`,
as the vendor sees them. A slot is taken from its giving, and free again one period after its
request was done. A store loads a ledger, lets one worker trade and keeps it, in one step that
nothing comes between.

Moments are seconds of the store's clock, which never goes back.
"""

from __future__ import annotations

import itertools
import secrets
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from resilient.sharing.rules.done_log import DoneLog
from resilient.sharing.rules.words import DAY, Words
from resilient.sharing.shapes import NEVER, Ask, Grant

MOST_LOGS = 16
"""Periods that are kept in mind while workers disagree about them."""

IDLE = 3600.0
"""Seconds after which a quota that nobody uses is forgotten, at the least."""

LATE = 300.0
"""Seconds in which who was taken for dead may come back with what it had."""

MOST_LOST = 64
"""Workers that may; of more, those who died first may not."""

_NOTHING = itertools.repeat(0)

_ROUNDING = 1e-6
"""Seconds that a slot may be late: sums of floats are."""


class Holder:
    """What one worker has: `held` slots, until it `ends`, if it is not heard of before that."""

    __slots__ = ("ends", "held")

    def __init__(self, ends: float, held: int = 0) -> None:
        self.ends = ends
        self.held = held


class Lost:
    """Slots of a worker that was taken for dead: they were taken as done when its life ended.

    If it lives after all, it brings them back like any others.
    """

    __slots__ = ("at", "count")

    def __init__(self, count: int, at: float) -> None:
        self.count = count
        self.at = at


class Ledger:
    """One quota. Who uses it sees to it that nobody else does.

    logs: by period. holders: who is alive, by name. held: slots that they have, all together. lost:
    by the name of who is not. born: names this ledger.
    """

    __slots__ = ("born", "held", "holders", "logs", "lost", "words")

    def __init__(self, born: str | None = None) -> None:
        self.born = born or secrets.token_hex(6)
        self.logs: dict[float, DoneLog] = {}
        self.holders: dict[str, Holder] = {}
        self.lost: dict[str, Lost] = {}
        self.held = 0
        self.words = Words()

    def trade(self, ask: Ask, now: float) -> Grant:
        """Take back what one worker brings, and give it what it wants as far as that is free."""
        holders, words, want = self.holders, self.words, ask.want
        # Stores pay for each of these steps with every trade: what is rare stands elsewhere.
        for holder in holders.values():
            if holder.ends <= now:
                self._bury(now)
                break
        if self.lost:
            self._forget_lost(now)
        self._keep_logs(ask, now)
        mine = holders.get(ask.holder)
        if mine is None:
            mine = holders[ask.holder] = Holder(now)
        mine.ends = now + ask.lives
        if ask.unused > 0:
            self._take_back_unused(ask.holder, ask.unused)
        for count, age in ask.done:
            if count > 0:
                self._take_back_done(ask.holder, count, now - max(0.0, age), now)
        for count, age in ask.spent:
            if count > 0:
                self._note_done(count, now - max(0.0, age), now)
        for log in self.logs.values():
            log.forget(now)
        told = words.told
        if ask.words or words.by_key:
            words.hear(ask.words, self.held, now)
        starts: Sequence[float] = ()
        wait = 0.0
        if want > 0:
            starts, wait = self._free(ask, now)
            given = len(starts)
            mine.held += given
            self.held += given
            if words.by_key:
                words.gave(given)
        news = words.news(ask.seen, told, now) if words.by_key else ()
        pause = max(0.0, words.paused_until - now)
        return Grant(starts, wait, pause, news, words.told, len(holders), self.born)

    def _bury(self, now: float) -> None:
        """Take as done what those hold who were not heard of for too long."""
        dead = [name for name, holder in self.holders.items() if holder.ends <= now]
        for name in dead:
            holder = self.holders.pop(name)
            if holder.held:
                self._note_done(holder.held, holder.ends, now)
                self.held -= holder.held
                former = self.lost.get(name)
                count = holder.held + (former.count if former else 0)
                self.lost[name] = Lost(count, holder.ends)

    def _forget_lost(self, now: float) -> None:
        for name, lost in list(self.lost.items()):
            if name not in self.holders and lost.at + LATE <= now:
                del self.lost[name]
        while len(self.lost) > MOST_LOST:
            del self.lost[next(iter(self.lost))]

    def _keep_logs(self, ask: Ask, now: float) -> None:
        logs = self.logs
        for _, period in ask.rates:
            log = logs.get(period)
            if log is not None:
                log.asked_at = now
            elif logs:
                # What another rate knows of the past holds for a new one too.
                logs[period] = logs[max(logs)].copied_for(period, now)
            else:
                logs[period] = DoneLog(period, now)
        if len(logs) > len(ask.rates):
            # Other workers may still go by a former configuration.
            for period, log in list(logs.items()):
                if log.asked_at + max(period, IDLE) <= now:
                    del logs[period]
            while len(logs) > max(MOST_LOGS, len(ask.rates)):
                del logs[min(logs.values(), key=lambda log: log.asked_at).period]

    def _take_back_unused(self, name: str, count: int) -> None:
        # First those that were taken as done: no slot is free that may be with a running call.
        lost, _ = self._find_lost(name, count)
        self.words.gave(-lost - self._let_go(name, count - lost))

    def _take_back_done(self, name: str, count: int, moment: float, now: float) -> None:
        if self.lost:
            lost, at = self._find_lost(name, count)
            if moment > at:  # later than they were taken for
                self._note_done(lost, moment, now)
            count -= lost
        # More than it holds went without this ledger's knowledge, and took slots all the same.
        self._let_go(name, count)
        self._note_done(count, moment, now)

    def _find_lost(self, name: str, count: int) -> tuple[int, float]:
        """How many of these were lost, and when they were taken as done."""
        lost = self.lost.get(name)
        if lost is None:
            return 0, 0.0
        found = min(lost.count, count)
        lost.count -= found
        if not lost.count:
            del self.lost[name]
        return found, lost.at

    def _let_go(self, name: str, count: int) -> int:
        holder = self.holders[name]
        count = min(holder.held, count)
        holder.held -= count
        self.held -= count
        return count

    def _note_done(self, count: int, moment: float, now: float) -> None:
        if count:
            for log in self.logs.values():
                if moment + log.period > now:
                    log.add(count, moment)

    def _free(self, ask: Ask, now: float) -> tuple[Sequence[float], float]:
        """Seconds until each slot that is given may be used, and until more may be given."""
        want = ask.want
        paused_until = self.words.paused_until
        if paused_until <= now and not ask.spends and self._free_now(ask) >= want:
            return (0.0,) * want, 0.0
        times = self._free_times(ask, max(now, paused_until))
        waits = [moment - now for moment in itertools.islice(times, want)]
        in_time = bisect_right(waits, ask.within + _ROUNDING)
        most, until = self.words.most(ask, self.held, now)
        given = min(in_time, most)
        if given == want:
            return waits, 0.0
        # The first slot that is not given is what it waits for; of a whole, the last one.
        lacking = want - 1 if ask.whole else given
        # What is not in the list is with running calls.
        wait = waits[lacking] if lacking < len(waits) else NEVER
        if most <= lacking:
            wait = max(wait, until)
        return ((), wait) if ask.whole else (waits[:given], wait)

    def _free_now(self, ask: Ask) -> int:
        """Slots that may be used at once, without heed to words."""
        free = ask.want
        for (calls, period), kept in _with_kept(ask):
            left = calls - kept - self.held - self.logs[period].total
            if left < free:
                free = left
        return free

    def _free_times(self, ask: Ask, earliest: float) -> Iterator[float]:
        """When each slot that nobody holds may be used, ascending."""
        if not ask.rates:
            return itertools.repeat(earliest)
        streams = [
            self.logs[period].free_times(calls - kept - self.held)
            for (calls, period), kept in _with_kept(ask)
        ]
        return map(max, itertools.repeat(earliest), *streams)


def longest_life(ask: Ask) -> float:
    """Seconds for which a ledger has to be kept after this, or longer if that was asked before."""
    longest = 0.0
    for _, period in ask.rates:
        longest = max(longest, 2 * period)
    return max(longest, DAY + Words.UNSURE if ask.words else IDLE)


def _with_kept(ask: Ask) -> Iterable[tuple[tuple[int, float], int]]:
    """Each rate with the slots of it that must stay free."""
    kept = itertools.chain(ask.kept, _NOTHING) if ask.kept else _NOTHING
    return zip(ask.rates, kept, strict=False)
