"""Who may go now: rates, the log of admissions that holds one, and the quota made of several.

A vendor's window may start at any moment and latency varies, so the promise is the strongest one:
at most `calls` in *any* window of `period`, as the vendor sees them. A slot counts as taken from
its admission and is free again one period after its request was done.
"""

from __future__ import annotations

import heapq
import math
import operator
import re
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from resilient.errors import ConfigurationError
from resilient.timing import clock
from resilient.waiting import Line

_UNITS = {
    1.0: ("s", "sec", "secs", "second", "seconds"),
    60.0: ("min", "m", "mins", "minute", "minutes"),
    3600.0: ("hour", "h", "hours"),
    86400.0: ("day", "d", "days"),
}
_SECONDS = {name: seconds for seconds, names in _UNITS.items() for name in names}
_RATE = re.compile(
    r"\s*(?P<calls>[0-9][0-9_,]*)\s*(?:/|per\b)\s*"
    r"(?P<count>[0-9]+(?:\.[0-9]+)?)?\s*(?P<unit>[a-z]+)\s*",
    re.IGNORECASE | re.ASCII,
)


class Rate(NamedTuple):
    """At most `calls` in any `period` seconds."""

    calls: int
    period: float

    def __str__(self) -> str:
        names = _UNITS.get(self.period)
        return f"{self.calls}/{names[0]}" if names else f"{self.calls} per {self.period:g} s"


def parse_rate(text: object) -> Rate:
    """Read "10/s", "5000/hour", "15 per 15 minutes"."""
    match = _RATE.fullmatch(text) if isinstance(text, str) and len(text) < 100 else None
    unit = match and _SECONDS.get(match["unit"].lower())
    if match is None or unit is None:
        raise ConfigurationError(
            f'throttled({text!r}): no such rate; write "10/s", "5000/hour" or "15 per 15 minutes".'
        )
    calls, period = int(re.sub("[_,]", "", match["calls"])), float(match["count"] or 1) * unit
    # What counts slots holds no more than sys.maxsize.
    if not 1 <= calls <= sys.maxsize or period <= 0:
        raise ConfigurationError(
            f"throttled({text!r}): use at least 1 call in more than 0 seconds."
        )
    return Rate(calls, period)


class AdmissionLog:
    """When each slot of one rate is free again: exact, and O(1) a call.

    Every slot is in one place: never used (`_fresh`), taken by a running call, or in `_free_at` or
    `_early` with the moment from which it may be taken again (monotonic seconds). Calls are done
    in the order of their time, so `_free_at` is sorted, but for what a thread is interrupted
    between reading the clock and giving its slot back.

    `take` and `give` are lock-free: each move of a slot is one atomic step, and nothing is ever put
    back into `_free_at` from the left, which two threads could do in the wrong order. Users of
    `lacks` and `take_some` exclude each other, and don't use `take`.

    `_lock` guards `_early`.
    """

    __slots__ = ("_early", "_free_at", "_fresh", "_lock", "rate")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._free_at: deque[float] = deque()
        self._fresh = iter(range(rate.calls))
        self._early: list[float] = []
        self._lock = threading.Lock()

    def take(self, now: float) -> float:
        """Take a slot: 0.0 if there was one, else the seconds until one may be free.

        math.inf if all slots are taken by calls that still run.
        """
        free_at = self._free_at
        if free_at and free_at[0] <= now:
            try:
                at = free_at.popleft()
            except IndexError:
                at = now + 1  # another thread was faster, and this was the last
            else:
                if at <= now:
                    return 0.0
                # Another thread took the slot that was looked at, and this is the next one.
                with self._lock:
                    heapq.heappush(self._early, at)
        if next(self._fresh, None) is not None:
            return 0.0
        if self._early and self._take_early(now):
            return 0.0
        return max(0.0, self._earliest() - now) or _SOON

    def lacks(self, cost: int, now: float) -> float:
        """Seconds until `cost` slots may be free; 0.0 if they are, math.inf as `take` gives it."""
        missing = cost - self._left()
        if missing <= 0:
            return 0.0
        if len(self._free_at) < missing:
            return math.inf
        return max(0.0, *(self._free_at[place] - now for place in range(missing)))

    def take_some(self, cost: int, now: float) -> None:
        """Take what `lacks` found to be there."""
        for _ in range(cost):
            if self._free_at and self._free_at[0] <= now:
                self._free_at.popleft()
            else:
                next(self._fresh)

    def give(self, free_at: float) -> None:
        """Give a slot back that may be taken again from `free_at` (monotonic seconds) on."""
        self._free_at.append(free_at)

    def at_least(self, place: int, now: float) -> float:
        """Seconds that the caller at this place (0 is first) waits at the least."""
        rounds, place = divmod(place, self.rate.calls)
        place -= self._left() + len(self._early)
        if place < 0:
            wait = 0.0
        else:
            try:
                wait = max(0.0, self._free_at[place] - now)
            except IndexError:
                # Its slot is with a call that still runs, and is free a period after that.
                wait = self.rate.period
        # Everybody in front who takes a slot brings it back a period later.
        return wait + rounds * self.rate.period

    def give_all(self, now: float) -> None:
        """Give back what running calls have taken, as if they were all done now."""
        lost = self.rate.calls - self._left() - len(self._free_at) - len(self._early)
        self._free_at.extend([now + self.rate.period] * lost)

    def is_idle(self, now: float) -> bool:
        """Are all slots free?"""
        free_at = self._free_at
        if self._early or self._left() + len(free_at) < self.rate.calls:
            return False
        try:
            return free_at[-1] <= now
        except IndexError:
            return True

    def _take_early(self, now: float) -> bool:
        with self._lock:
            if self._early and self._early[0] <= now:
                heapq.heappop(self._early)
                return True
        return False

    def _earliest(self) -> float:
        with self._lock:
            early = self._early[0] if self._early else math.inf
        try:
            return min(early, self._free_at[0])
        except IndexError:
            return early

    def _left(self) -> int:
        return operator.length_hint(self._fresh)


_SOON = 1e-6
"""Seconds until a slot that was given back meanwhile is looked at again."""


class Quota:
    """The quota of one credential or tenant: its logs, its line, and the pause a vendor asked for.

    Calls that all take one slot of one rate are `simple`: they need no lock.

    `_lock` makes taking several slots one step, and guards writes of `paused_until` (monotonic
    seconds). `users`: calls that hold on to this quota; whoever keeps quotas guards it.
    """

    def __init__(self, rates: Sequence[Rate], max_waiting: int, *, simple: bool) -> None:
        self.logs = [AdmissionLog(rate) for rate in rates]
        self.line = Line(max_waiting)
        self.paused_until = -math.inf
        self.users = 0
        self.is_simple = simple and len(self.logs) == 1
        self._lock = threading.Lock()

    @property
    def is_idle(self) -> bool:
        """Would nothing be forgotten with this quota?"""
        now = clock.monotonic()
        return (
            not self.users
            and not self.line.waiting
            and self.paused_until <= now
            and all(log.is_idle(now) for log in self.logs)
        )

    def take(self, cost: int, now: float) -> float:
        """Take `cost` slots of every rate, or none.

        Returns: 0.0, or the seconds until trying again may help; math.inf as in AdmissionLog.take.
        """
        if self.paused_until > now:
            return self.paused_until - now
        if self.is_simple:
            return self.logs[0].take(now)
        with self._lock:
            lacking = max([log.lacks(cost, now) for log in self.logs], default=0.0)
            if not lacking:
                for log in self.logs:
                    log.take_some(cost, now)
            return lacking

    def give(self, cost: int) -> None:
        """The request is done: its slots are free again one period from now."""
        now = clock.monotonic()
        for log in self.logs:
            for _ in range(cost):
                log.give(now + log.rate.period)
        if self.line.waiting:
            self.line.wake()

    def renew_in_child(self) -> None:
        """In a forked child: the calls that run and wait are those of threads left behind."""
        now = clock.monotonic()
        for log in self.logs:
            log.give_all(now)
        self.line.waiting.clear()
        self.users = 0

    def pause(self, seconds: float) -> bool:
        """Admit nobody for some seconds; True if that is news."""
        now = clock.monotonic()
        with self._lock:
            before = self.paused_until
            self.paused_until = max(before, now + seconds)
            # Threads that were refused together are told of one pause, each a moment later.
            return before <= now or self.paused_until > before + 1.0

    def at_least(self, cost: int, now: float) -> float:
        """Seconds that somebody who joins the line now waits at the least."""
        place = len(self.line.waiting) + cost - 1
        waits = [log.at_least(place, now) for log in self.logs]
        return max([0.0, self.paused_until - now, *waits])

    def __str__(self) -> str:
        return " and ".join(str(log.rate) for log in self.logs) or "the vendor's limit"
