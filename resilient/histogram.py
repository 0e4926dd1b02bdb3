"""Durations in buckets: quantiles of any number of them in bounded memory."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

ERROR = 0.02
"""How far a quantile may be off, relative to its true value."""

_GROWTH = (1 + ERROR) / (1 - ERROR)
_LOWEST, _HIGHEST = (math.ceil(math.log(seconds, _GROWTH)) for seconds in (1e-9, 1e6))
# Bucket i holds durations up to the i-th power of _GROWTH: looked up here, which costs half of a
# logarithm.
_BOUNDS = [*(_GROWTH**index for index in range(_LOWEST, _HIGHEST)), math.inf]

_TOLD = (0.5, 0.95, 0.99)
_NONE = (0.0, 0.0, 0.0)


class Histogram:
    """Durations in buckets that grow by a constant factor: quantiles within 2 %, mergeable.

    The relative-error bound and the merge are those of DDSketch (Masson, Rim, Lee: "DDSketch: A
    Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", VLDB 2019).

    Not locked: its owner is.
    """

    __slots__ = ("_told", "_told_at", "buckets", "count", "largest", "total")

    def __init__(self) -> None:
        self.buckets: Counter[int] = Counter()
        self.count = 0
        self.total = 0.0
        self.largest = 0.0
        self._told: Sequence[float] = _NONE
        """The quantiles of the last snapshot, and of how many durations they are: most functions
        have no call between two snapshots."""
        self._told_at = 0

    def add(self, durations: list[float]) -> None:
        """Count durations in seconds; what is under a nanosecond counts as one."""
        if not durations:
            return
        # This is what stats cost a healthy call. Sorted, the durations of one bucket stand
        # together, and those of a fast function fill only a few buckets.
        ordered = sorted(durations)
        buckets, start, count = self.buckets, 0, len(ordered)
        while start < count:
            place = bisect_left(_BOUNDS, ordered[start])
            end = bisect_right(ordered, _BOUNDS[place], start + 1)
            buckets[place + _LOWEST] += end - start
            start = end
        self.count += count
        self.total += math.fsum(ordered)
        self.largest = max(self.largest, ordered[-1])

    def merge(self, other: Histogram) -> None:
        """Add the other's figures to these; the same as if all had been added here."""
        if self.buckets:
            for index, count in other.buckets.items():
                self.buckets[index] += count
        else:
            dict.update(self.buckets, other.buckets)  # ten times faster than a Counter's own
        self.count += other.count
        self.total += other.total
        self.largest = max(self.largest, other.largest)

    def quantile(self, share: float) -> float:
        """The duration that `share` (0..1) of all stay within, at most 2 % off; 0.0 if empty."""
        if not self.count:
            return 0.0
        return self._quantiles((share,))[0]

    def _quantiles(self, shares: Sequence[float]) -> list[float]:
        """Several at once, which takes little longer than one. Not of an empty histogram."""
        ordered = sorted(self.buckets)
        seen = list(accumulate(map(self.buckets.__getitem__, ordered)))
        found = []
        for share in shares:
            place = bisect_right(seen, share * (self.count - 1))
            middle = _middle(ordered[place]) if place < len(ordered) else self.largest
            found.append(min(middle, self.largest))
        return found

    def spread(self, bounds: Sequence[float]) -> list[int]:
        """How many durations lie within each of some ascending bounds, but beyond the one before.

        Returns: one more count than bounds, for what lies beyond the last. A bound is met to 2 %.
        """
        counts = [0] * (len(bounds) + 1)
        for index, count in self.buckets.items():
            counts[bisect_left(bounds, _middle(index))] += count
        return counts

    def snapshot(self) -> dict[str, Any]:
        """Plain data: count, and mean, p50, p95, p99, max in seconds; buckets by index."""
        if self.count != self._told_at:
            self._told = self._quantiles(_TOLD) if self.count else _NONE
            self._told_at = self.count
        p50, p95, p99 = self._told
        return {
            "count": self.count,
            "mean": self.total / self.count if self.count else 0.0,
            "p50": p50,
            "p95": p95,
            "p99": p99,
            "max": self.largest,
            "total": self.total,
            "buckets": dict(self.buckets),
        }

    @classmethod
    def of_snapshot(cls, data: Mapping[str, Any]) -> Histogram:
        """Read back what `snapshot` gave, also after a way through JSON."""
        histogram = cls()
        histogram.buckets.update({int(index): count for index, count in data["buckets"].items()})
        histogram.count = data["count"]
        histogram.total = data["total"]
        histogram.largest = data["max"]
        return histogram


def _middle(index: int) -> float:
    """The duration that stands for all of a bucket, at most 2 % off."""
    return 2 * _GROWTH**index / (_GROWTH + 1)
