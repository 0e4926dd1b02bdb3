"""The figures of the last minutes: what one snapshot has more than an earlier one."""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, NamedTuple

from resilient.registry import Histogram

Name = tuple[str, str]
"""A function's service and name."""

_FAILURES = ("transient", "broken", "throttled", "refused")


class Counts(NamedTuple):
    """What one function has come to by some moment; figures only grow.

    failed: calls that the vendor failed, or that were refused because it did: not the caller's
    mistakes. refused: those of them that we refused. raised: calls that gave their caller an error.
    asked: calls that got as far as the vendor. buckets: of the latency histogram, index and count
    in turn, an eighth of a dict's size.
    """

    calls: int
    failed: int
    refused: int
    raised: int
    asked: int
    retries: int
    buckets: array[int]


NOTHING = Counts(0, 0, 0, 0, 0, 0, array("q"))

Counted = Mapping[Name, Counts]


def counts_of(snapshot: Mapping[str, Any], before: Counted) -> dict[Name, Counts]:
    """What `registry.snapshot()` holds.

    before: an earlier answer; what has not changed since is kept once.
    """
    counted: dict[Name, Counts] = {}
    for data in snapshot["functions"]:
        name = (data["service"], data["function"])
        known = before.get(name, NOTHING)
        outcomes, retries = data["outcomes"], data["retries"]
        counts = Counts(
            calls=data["calls"],
            failed=sum(outcomes.get(verdict, 0) for verdict in _FAILURES),
            refused=outcomes.get("refused", 0),
            raised=data["raised"],
            asked=max(0, data["attempts"] - retries),
            retries=retries,
            buckets=known.buckets,
        )
        if counts == known:
            counted[name] = known
        else:
            buckets = chain.from_iterable(data["latency"]["buckets"].items())
            counted[name] = counts._replace(buckets=array("q", buckets))
    return counted


class Window:
    """What happened between two moments, to one function or to several together."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.calls = self.failed = self.refused = self.raised = self.asked = self.retries = 0
        self._buckets: list[tuple[array[int], array[int]]] = []
        self._latency: Histogram | None = None

    def add(self, then: Counts, now: Counts) -> None:
        """Count what one function did between the two."""
        if now.calls < then.calls:  # it was reset
            then = NOTHING
        self.calls += now.calls - then.calls
        self.failed += max(0, now.failed - then.failed)
        self.refused += max(0, now.refused - then.refused)
        self.raised += max(0, now.raised - then.raised)
        self.asked += max(0, now.asked - then.asked)
        self.retries += max(0, now.retries - then.retries)
        if now.buckets is not then.buckets:
            self._buckets.append((then.buckets, now.buckets))

    def quantile(self, share: float) -> float | None:
        """The duration in seconds that `share` of the calls stayed within.

        None if there is none, or most calls were refused: that takes no time, and an open breaker
        must not look like a quick vendor.
        """
        if self.refused > self.calls / 2:
            return None
        if self._latency is None:
            self._latency = _between(self._buckets)
        return self._latency.quantile(share) if self._latency.count else None

    def share(self, count: int) -> float:
        """`count` of all calls."""
        # A call is recorded a moment after its duration, and a snapshot may fall in between.
        return min(1.0, count / self.calls) if self.calls else 0.0


def _between(pairs: Iterable[tuple[array[int], array[int]]]) -> Histogram:
    """What the second of each pair holds more than the first."""
    latency = Histogram()
    latency.largest = math.inf  # unknown: the last bucket's bound will do
    for then, now in pairs:
        before = _as_dict(then).get
        more = {
            index: added
            for index, count in _as_dict(now).items()
            if (added := count - before(index, 0)) > 0
        }
        latency.buckets.update(more)
        latency.count += sum(more.values())
    return latency


def _as_dict(buckets: array[int]) -> dict[int, int]:
    return dict(zip(buckets[::2], buckets[1::2], strict=True))


class Track:
    """Snapshots, kept to look back `length` seconds. Not locked: its owner is."""

    SLICES = 10

    def __init__(self, length: float) -> None:
        self.length = length
        self._kept: deque[tuple[float, Counted]] = deque()

    @property
    def newest(self) -> Counted:
        """What was kept last."""
        return self._kept[-1][1] if self._kept else {}

    def keep(self, now: float, counted: Counted) -> None:
        """Remember this snapshot, if the last one kept is old enough; forget what is too old."""
        kept = self._kept
        if kept and now < kept[-1][0]:  # the clock was put back
            kept.clear()
        if not kept or now - kept[-1][0] >= self.length / self.SLICES:
            kept.append((now, counted))
        while len(kept) > 1 and kept[1][0] <= now - self.length:
            kept.popleft()

    def window(self, names: Iterable[Name], now: float, counted: Counted) -> Window:
        """What these functions did in the last `length` seconds, or since there is a snapshot.

        The oldest snapshot is up to a tenth older than that.
        """
        at, then = self._kept[0] if self._kept else (now, counted)
        window = Window(now - at)
        for name in names:
            if name in counted:
                window.add(then.get(name, NOTHING), counted[name])
        return window
