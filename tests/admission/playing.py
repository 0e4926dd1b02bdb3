"""Calls as events, for tests that hold what admits them against a plain model."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

# Whole seconds, so that sums and differences are exact.
CALLS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30), st.integers(0, 30)), max_size=60)


def played(calls: list[tuple[int, int, int]], costs: list[int]) -> Iterator[tuple[Any, ...]]:
    """The calls as events in their order: ("start", at, call, cost) and ("end", at, call, cost)."""
    now = 0
    ends: list[tuple[int, int, int]] = []
    for number, (gap, duration, _) in enumerate(calls):
        now += gap
        while ends and ends[0][0] <= now:
            at, ended, cost = heapq.heappop(ends)
            yield "end", at, ended, cost
        cost = costs[number % len(costs)]
        yield "start", now, number, cost
        heapq.heappush(ends, (now + duration, number, cost))
    for at, ended, cost in sorted(ends):
        yield "end", at, ended, cost
