"""The log of admissions, held against a plain model."""

from __future__ import annotations

import heapq
import math
from collections import deque

from hypothesis import example, given
from hypothesis import strategies as st

from resilient.admission.log import AdmissionLog
from resilient.admission.rates import Rate
from tests.admission.playing import CALLS, played


@given(CALLS, st.integers(1, 5), st.integers(1, 12))
@example([(0, 0, 0)] * 5, 2, 3)
def test_exactly_the_calls_that_fit_into_every_window_are_admitted(
    calls: list[tuple[int, int, int]], limit: int, period: int
) -> None:
    log = AdmissionLog(Rate(limit, period))
    taken: dict[int, float] = {}  # call: when its slot is free again
    seen: list[int] = []
    for kind, now, number, _ in played(calls, [1]):
        if kind == "end":
            if number in taken:
                taken[number] = now + period
                log.give(now + period)
            continue
        busy = sorted(at for at in taken.values() if at > now)
        wait = log.take(now)
        assert (wait == 0) == (len(busy) < limit)
        if wait == 0:
            taken[number] = math.inf
            _, duration, latency = calls[number]
            seen.append(now + min(latency, duration))
        else:
            assert wait == busy[0] - now
    # Whenever between its start and its end the vendor counts a request.
    seen.sort()
    assert all(later - sooner >= period for sooner, later in zip(seen, seen[limit:], strict=False))


@given(CALLS, st.integers(1, 4), st.integers(1, 12), st.integers(0, 8))
def test_nobody_is_told_to_wait_longer_than_needed(
    calls: list[tuple[int, int, int]], limit: int, period: int, place: int
) -> None:
    """`at_least` refuses calls at once: it must never say more than the wait would have been."""
    log = AdmissionLog(Rate(limit, period))
    frees: list[float] = []  # when each slot in use is free again
    running = now = 0
    for gap, duration, _ in calls:
        now += gap
        if log.take(now) == 0:
            if duration > 15:  # it is not done when we look
                running += 1
            else:
                frees = [at for at in frees if at > now] + [now + period]
                log.give(now + period)
    slots = [at for at in frees if at > now] + [now + period] * running
    slots += [0.0] * (limit - len(slots))
    heapq.heapify(slots)
    for _ in range(place):  # those in front take the soonest slot each, for no time at all
        heapq.heapreplace(slots, max(slots[0], now) + period)
    assert log.at_least(place, now) <= max(slots[0] - now, 0)


def test_the_wait_for_a_running_call_is_at_least_one_period() -> None:
    log = AdmissionLog(Rate(1, 10))
    assert log.take(0) == 0
    assert log.take(1) == math.inf
    assert log.at_least(0, 1) == 10
    assert log.at_least(2, 1) == 30


class Raced(deque[float]):
    """Another thread takes the first slot just before this one does."""

    def popleft(self) -> float:
        super().popleft()
        return super().popleft()


def test_a_slot_that_two_threads_reach_for_is_neither_lost_nor_kept_back_nor_doubled() -> None:
    log = AdmissionLog(Rate(3, 100))
    assert [log.take(0) for _ in range(3)] == [0, 0, 0]
    log._free_at = Raced([1, 50, 90])  # given back by three calls
    assert log.take(2) == 48  # the other thread got the 1; this one must not have the 50
    log._free_at = deque(log._free_at)
    assert log.at_least(0, 2) <= 48
    assert not log.is_idle(200)
    log.give(102)  # the other thread's
    assert log.take(49) == 1
    assert log.take(50) == 0
    assert log.take(50) == 40
    assert [log.take(102), log.take(102), log.take(102)] == [0, 0, math.inf]


def test_a_thread_that_loses_the_last_slot_to_another_is_refused() -> None:
    class Emptied(deque[float]):
        def popleft(self) -> float:
            self.clear()
            return super().popleft()

    log = AdmissionLog(Rate(1, 100))
    log.take(0)
    log._free_at = Emptied([1])
    assert log.take(2) == math.inf


def test_memory_is_bounded_by_the_rate_and_by_what_is_called() -> None:
    log = AdmissionLog(Rate(10**9, 1))
    for now in range(100):
        assert log.take(now) == 0
        log.give(now + 1)
    assert len(log._free_at) == 1
    small = AdmissionLog(Rate(3, 5))
    for now in range(1000):
        if small.take(now) == 0:
            small.give(now + 5)
        assert len(small._free_at) <= 3
