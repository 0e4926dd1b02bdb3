"""When the requests of the last `period` seconds were done, in bounded memory."""

from __future__ import annotations

import itertools
import math
from array import array
from bisect import bisect_left
from collections.abc import Iterator

MOST = 2**32 - 1
"""Requests of one moment that are counted; nobody has made more."""


class DoneLog:
    """How many requests were done when, as far as that still takes slots of a rate.

    moments, counts: ascending by moment (the store's clock in seconds); total: the sum of counts.
    asked_at: when a worker last named this period.

    Up to EXACT entries are as they were told. Beyond that, moments are rounded up, so that a rate
    of a million a day takes no more than STEPS entries, which with all else fit into a page of
    SQLite's: what it costs is a slot's coming back later by up to a 256th of the period.
    """

    EXACT = 128
    STEPS = 256

    __slots__ = ("asked_at", "counts", "moments", "period", "total")

    def __init__(self, period: float, asked_at: float) -> None:
        self.period = period
        self.asked_at = asked_at
        self.moments = array("d")
        self.counts = array("I")
        self.total = 0

    def add(self, count: int, moment: float) -> None:
        """Note requests that were done then."""
        moments = self.moments
        if len(moments) >= self.EXACT:
            grain = self.period / self.STEPS
            moment = max(moment, math.ceil(moment / grain) * grain)
        if not moments or moment > moments[-1]:
            place = len(moments)
        else:
            place = bisect_left(moments, moment)
        if place == len(moments) or moments[place] != moment:
            moments.insert(place, moment)
            self.counts.insert(place, 0)
        count = min(count, MOST - self.counts[place])
        self.counts[place] += count
        self.total += count

    def forget(self, now: float) -> None:
        """Forget those whose slots are free again."""
        moments = self.moments
        gone = 0
        while gone < len(moments) and moments[gone] + self.period <= now:
            self.total -= self.counts[gone]
            gone += 1
        if gone:
            del moments[:gone]
            del self.counts[:gone]

    def free_times(self, room: int) -> Iterator[float]:
        """When each of `room` slots may be taken, ascending; -inf for those that were never used.

        room: slots of the rate that nobody holds.
        """
        hidden = self.total - room
        if hidden < 0:
            yield from itertools.repeat(-math.inf, -hidden)
            hidden = 0
        if room <= 0:
            return
        for moment, count in zip(self.moments, self.counts, strict=True):
            if hidden < count:
                yield from itertools.repeat(moment + self.period, count - hidden)
                hidden = 0
            else:
                hidden -= count

    def copied_for(self, period: float, now: float) -> DoneLog:
        """The log of another period, as far as this one knows it."""
        other = DoneLog(period, now)
        other.moments = self.moments[:]
        other.counts = self.counts[:]
        other.total = self.total
        return other
