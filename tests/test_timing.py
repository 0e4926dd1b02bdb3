"""The clock in force, and counts over a rolling window."""

from __future__ import annotations

import random
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.timing import BATCH, Chance, Clock, RollingWindow, drained

MOMENTS = st.lists(st.floats(0, 1000), max_size=200)


def test_a_clock_starts_with_the_machines_own_time() -> None:
    clock = Clock()
    assert clock.monotonic is time.monotonic
    assert clock.time is time.time
    assert clock.sleep is time.sleep
    assert clock.wait is threading.Event.wait
    assert Chance().uniform == random.uniform


@given(MOMENTS, st.floats(0.5, 100))
def test_a_window_covers_its_length_and_at_most_a_tenth_more(
    moments: list[float], length: float
) -> None:
    window = RollingWindow(length)
    now = 0.0
    for moment in sorted(moments):
        now = moment
        window.add(now)
        slack = 1e-9 * (now + 1)
        inside = sum(now - length + slack <= one for one in moments if one <= now)
        around = sum(now - length * 1.1 - slack <= one for one in moments if one <= now)
        assert inside - moments.count(now) + 1 <= window.total(now) <= around
    assert window.total(now + length * 1.1 + 1e-6) == 0


@given(MOMENTS, st.integers(1, 30))
def test_events_count_the_same_whether_folded_one_by_one_or_in_batches(
    moments: list[float], batch: int
) -> None:
    each, batched = RollingWindow(50), RollingWindow(50)
    for number, moment in enumerate(sorted(moments)):
        each.add(moment)
        each.fold()
        batched.pending.append(moment)
        if number % batch == 0:
            batched.fold()
    now = max(moments, default=0)
    assert each.total(now) == batched.total(now)


def test_an_event_counts_until_the_window_has_passed() -> None:
    window = RollingWindow(10)
    window.add(5.0)
    assert [window.total(now) for now in (5, 10, 14.999, 15)] == [1, 1, 1, 1]
    assert window.total(16.001) == 0


def test_memory_stays_bounded_when_nobody_asks_for_the_total() -> None:
    window = RollingWindow(60)
    for now in range(100_000):
        window.add(float(now))
        assert len(window.pending) < BATCH
        assert len(window._buckets) <= 2 * window.SLICES
    assert 60 <= window.total(99_999) <= 67


def test_a_cleared_window_has_forgotten_everything() -> None:
    window = RollingWindow(60)
    for _ in range(BATCH + 1):
        window.add(1.0)
    window.clear()
    assert window.total(1.0) == 0


def test_draining_takes_what_is_there_and_leaves_what_comes_meanwhile() -> None:
    class Busy(list[int]):
        def __getitem__(self, index: object) -> list[int]:  # type: ignore[override]
            taken = list(self)
            self.append(3)
            return taken

    pending = Busy([1, 2])
    assert drained(pending) == [1, 2]
    assert list(pending) == [3]


@pytest.mark.stress
def test_sixteen_threads_add_and_every_event_is_counted() -> None:
    window = RollingWindow(3600)
    start = threading.Barrier(16)

    def work() -> None:
        start.wait()
        for _ in range(5000):
            window.add(7.0)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        window.total(7.0)
    for thread in threads:
        thread.join()
    assert window.total(7.0) == 16 * 5000
