"""Durations in buckets: quantiles of any number of them in bounded memory."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

ERROR = 0.02
"""How far a quantile may be off, relative to its true value."""

_GROWTH = (1 + ERROR) / (1 - ERROR)
_LOWEST, _HIGHEST = (math.ceil(math.log(seconds, _GROWTH)) for seconds in (1e-9, 1e6))
# Bucket i holds durations up to the i-th power of _GROWTH: looked up here, which costs half of a
# logarithm.
_BOUNDS = [*(_GROWTH**index for index in range(_LOWEST, _HIGHEST)), math.inf]
# All histograms share these numbers: a thousand of them, each with its own, would not fit into a
# processor's cache.
_INDEXES = [*range(_LOWEST, _HIGHEST + 1)]

_TOLD = (0.5, 0.95, 0.99)
_NONE = (0.0, 0.0, 0.0)

_NEAR = 16
"""Buckets that are looked at before all of them are put in order, which costs as much."""

_FEW = 8
"""Durations that are counted faster one by one than sorted."""


class Histogram:
    """Durations in buckets that grow by a constant factor: quantiles within 2 %, mergeable.

    The relative-error bound and the merge are those of DDSketch (Masson, Rim, Lee: "DDSketch: A
    Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", VLDB 2019).

    Not locked: its owner is.
    """

    __slots__ = ("_in_order", "_marks", "_told", "_told_at", "buckets", "count", "largest", "total")

    def __init__(self) -> None:
        self.buckets: Counter[int] = Counter()
        self.count = 0
        self.total = 0.0
        self.largest = 0.0
        self._in_order = 0
        """How many buckets there were when they were put in order; each new one undoes that."""
        self._told: Sequence[float] = _NONE
        """The quantiles of the last snapshot, and of how many durations they are: most functions
        have no call between two snapshots."""
        self._told_at = 0
        self._marks: list[int] = []
        """For each of these quantiles its bucket, and how many durations lie below that: with the
        next snapshot it is there or nearby. Empty if it is not known."""

    def add(self, durations: list[float]) -> None:
        """Count durations in seconds; what is under a nanosecond counts as one."""
        if not durations:
            return
        buckets, marks, count = self.buckets, self._marks, len(durations)
        if count <= _FEW:
            for duration in durations:
                index = _INDEXES[bisect_left(_BOUNDS, duration)]
                buckets[index] += 1
                if marks and index < marks[4]:
                    marks[5] += 1
                    if index < marks[2]:
                        marks[3] += 1
                        if index < marks[0]:
                            marks[1] += 1
            largest = max(durations)
        else:
            # This is what stats cost a healthy call. Sorted, the durations of one bucket stand
            # together, and those of a fast function fill only a few buckets.
            ordered, start = sorted(durations), 0
            while start < count:
                place = bisect_left(_BOUNDS, ordered[start])
                end = bisect_right(ordered, _BOUNDS[place], start + 1)
                buckets[_INDEXES[place]] += end - start
                start = end
            largest = ordered[-1]
            for place in range(0, len(marks), 2):
                lowest = marks[place] - _LOWEST
                marks[place + 1] += bisect_right(ordered, _BOUNDS[lowest - 1]) if lowest else 0
        self.count += count
        self.total += math.fsum(durations)
        if largest > self.largest:
            self.largest = largest

    def merge(self, other: Histogram) -> None:
        """Add the other's figures to these; the same as if all had been added here."""
        if self.buckets:
            for index, count in other.buckets.items():
                self.buckets[index] += count
        else:
            dict.update(self.buckets, other.buckets)  # ten times faster than a Counter's own
        self._marks = []
        self.count += other.count
        self.total += other.total
        self.largest = max(self.largest, other.largest)

    def remove(self, other: Histogram) -> None:
        """Take figures out that were added; the longest duration stays, since it was one."""
        for index, count in other.buckets.items():
            self.buckets[index] -= count
            if self.buckets[index] <= 0:
                del self.buckets[index]
        self._in_order = 0
        self._told_at = -1
        self._marks = []
        self.count = max(0, self.count - other.count)
        self.total = max(0.0, self.total - other.total) if self.count else 0.0

    def quantile(self, share: float) -> float:
        """The duration that `share` (0..1) of all stay within, at most 2 % off; 0.0 if empty."""
        if not self.count:
            return 0.0
        return self._at(self._places((share,)))[0]

    def _places(self, shares: Sequence[float]) -> list[int]:
        """For each share the bucket of its quantile, and how many durations lie below that.

        Several at once take little longer than one. Not of an empty histogram.
        """
        buckets = self.buckets
        if self._in_order != len(buckets):
            ordered = dict.fromkeys(sorted(buckets), 0)
            ordered.update(buckets)
            buckets.clear()
            dict.update(buckets, ordered)
            self._in_order = len(buckets)
        seen, indexes = list(accumulate(buckets.values())), list(buckets)
        last = self.count - 1
        places: list[int] = []
        for share in shares:
            place = bisect_right(seen, share * last)
            # A log may tell of more durations than buckets.
            index = indexes[place] if place < len(indexes) else _HIGHEST
            places += (index, seen[place - 1] if place else 0)
        return places

    def _at(self, places: Sequence[int]) -> list[float]:
        # The longest duration is known, and no other is longer.
        largest = self.largest
        return [min(_middle(index), largest) for index in places[::2]]

    def _follow(self) -> bool:
        """Let the marks follow their quantiles; False if one of these is not nearby."""
        marks, last, count_of = self._marks, self.count - 1, self.buckets.get
        if not marks:
            return False
        for place, share in enumerate(_TOLD):
            rank, index, below = share * last, marks[2 * place], marks[2 * place + 1]
            for _ in range(_NEAR):
                here = count_of(index, 0)
                if rank < below:
                    index -= 1
                    below -= count_of(index, 0)
                elif rank >= below + here:
                    index += 1
                    below += here
                else:
                    break
            else:
                return False
            marks[2 * place : 2 * place + 2] = index, below
        return True

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
            self._told_at = self.count
            if not self._follow():
                self._marks = self._places(_TOLD) if self.count else []
            self._told = self._at(self._marks) or _NONE
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


@lru_cache(maxsize=1_024)
def _middle(index: int) -> float:
    """The duration that stands for all of a bucket, at most 2 % off; in as few digits as do."""
    return float(f"{2 * _GROWTH**index / (_GROWTH + 1):.6g}")
