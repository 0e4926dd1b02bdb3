"""The log of admissions that holds one rate.

A vendor's window may start at any moment and latency varies, so the promise is the strongest one:
at most `calls` in *any* window of `period`, as the vendor sees them. A slot counts as taken from
its admission and is free again one period after its request was done.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
import math
import operator
import threading
from collections import deque

from resilient.admission.rates import Rate
from resilient.timing import clock


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
        self._free_at.extend([now + self.rate.period] * self.running)

    @property
    def running(self) -> int:
        """How many slots are with calls that still run."""
        back = len(self._free_at) + len(self._early)
        return max(0, self.rate.calls - self._left() - back)

    @property
    def free(self) -> int:
        """How many slots nobody has taken, or has brought back long enough ago."""
        now = clock.monotonic()
        early = sum(at <= now for at in self._early.copy()) if self._early else 0
        return self._left() + self._done_by(now) + early

    @property
    def full_at(self) -> float:
        """When all slots that were brought back are free (monotonic seconds)."""
        try:
            newest = [self._free_at[-1]]
        except IndexError:
            newest = []
        return max(newest + self._early, default=clock.monotonic())

    def newest(self, count: int) -> list[float]:
        """When the newest `count` calls were done (monotonic seconds), the oldest first."""
        moments = list(itertools.islice(reversed(self._free_at.copy()), count))
        return [at - self.rate.period for at in reversed(moments)]

    def since(self, moment: float) -> list[float]:
        """When calls were done that still count at `moment` (monotonic seconds), oldest first."""
        taken = sorted((*self._free_at.copy(), *self._early))
        return [at - self.rate.period for at in taken if at > moment]

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

    def _done_by(self, moment: float) -> int:
        """How many slots were brought back that are free at a moment."""
        try:
            if self._free_at[0] > moment:
                return 0
            return bisect.bisect_right(self._free_at, moment)
        except IndexError:  # there are none, or others take some meanwhile
            return bisect.bisect_right(self._free_at.copy(), moment)

    def _left(self) -> int:
        return operator.length_hint(self._fresh)


_SOON = 1e-6
"""Seconds until a slot that was given back meanwhile is looked at again."""
