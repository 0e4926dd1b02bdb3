"""A store of shared state is out of reach: how much each worker may use meanwhile."""

from __future__ import annotations

import math
from collections.abc import Sequence

from resilient.admission.log import AdmissionLog
from resilient.admission.rates import Rate

TOGETHER = 2.5
"""Seconds after which all workers know that the store is back, if one does."""

STRICT = 10.0
"""Seconds for which nobody uses more than before, at the most, when the store has gone."""

LOOK = 0.25
"""Seconds after which those in line look again whether they may use more."""


class Outage:
    """Each worker goes on with its share of the rates: without the store, and after it is back, as
    long as others may not know that yet.

    Where the quota was all but used up, what is free here may be taken elsewhere. So at first a
    worker only uses slots again that it has used before, for together they are no more than the
    rate; who has more than its share gets down to that meanwhile, and then the others get up.

    is_on: is the store not asked? Times are monotonic. Guarded by the lock of a quota.
    """

    __slots__ = ("_capped_until", "_short_at", "_used_before", "is_on")

    def __init__(self) -> None:
        self.is_on = False
        self._capped_until = -math.inf
        self._short_at = -math.inf
        self._used_before: dict[Rate, tuple[int, float]] = {}

    def caps(self, now: float) -> bool:
        """May each worker use no more than its share?"""
        return self.is_on or now < self._capped_until

    def note_shortage(self, now: float) -> None:
        """There was less than somebody wanted."""
        self._short_at = now

    def begin(self, logs: Sequence[AdmissionLog], now: float) -> None:
        """The store can't be asked from now on."""
        if self.is_on:
            return
        self.is_on = True
        if now < self._capped_until:
            return  # nobody has more than its share
        for log in logs:
            if now - self._short_at < log.rate.period:
                until = now + min(log.rate.period, STRICT)
                self._used_before[log.rate] = log.rate.calls - log.free, until

    def end(self, now: float) -> None:
        """The store is back."""
        self.is_on = False
        self._capped_until = now + TOGETHER

    def most(self, rate: Rate, workers: int, cost: int, now: float) -> int:
        """Slots that this worker may have taken at once; cost: of the call that wants to go."""
        share = max(1, rate.calls // workers)
        used, until = self._used_before.get(rate, (share, -math.inf))
        return min(share, used) if now < until else max(share, cost)
