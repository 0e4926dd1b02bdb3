"""Rates, the log of admissions, and quotas made of several: held against a plain model."""

from __future__ import annotations

import heapq
import math
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resilient.admission import AdmissionLog, Quota, Rate, parse_rate
from resilient.errors import ConfigurationError
from resilient.testing import FakeClock, fake_clock


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    with fake_clock() as fake:
        yield fake


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/s", (10, 1)),
        ("10 / sec", (10, 1)),
        ("5000/hour", (5000, 3600)),
        ("15 per 15 minutes", (15, 900)),
        ("15 PER 0.5 Seconds", (15, 0.5)),
        ("1_000/min", (1000, 60)),
        ("1,000/m", (1000, 60)),
        ("3 per day", (3, 86400)),
        ("3/2h", (3, 7200)),
        ("7 per 2 days", (7, 172800)),
    ],
)
def test_a_rate_is_read_as_people_write_it(text: str, rate: tuple[int, float]) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "s",
        "/s",
        "0/s",
        "-1/s",
        "1.5/s",
        "10/0s",
        "10 per 0.0 s",
        "10/fortnight",
        "10/ms",  # not the plural of m
        "10/ss",
        "_/s",
        "10 pers",
        "10/s please",
        "١٠/s",
        "9" * 50 + "/s",
        "9" * 5000 + "/s",
        10,
        None,
        b"10/s",
    ],
    ids=lambda text: repr(text)[:12],
)
def test_a_rate_that_cannot_be_read_is_refused_with_what_to_write(text: object) -> None:
    with pytest.raises(ConfigurationError, match=r'"10/s"|at least 1 call'):
        parse_rate(text)


@pytest.mark.parametrize("text", ["10/s", "5/min", "5000/hour", "2/day", "15 per 900 s"])
def test_a_rate_reads_back_from_its_own_text(text: str) -> None:
    assert str(parse_rate(text)) == text


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


@given(
    CALLS,
    st.lists(st.tuples(st.integers(3, 8), st.integers(1, 12)), min_size=1, max_size=3),
    st.lists(st.integers(1, 3), min_size=1, max_size=4),
)
def test_several_rates_admit_a_cost_whole_or_not_at_all(
    calls: list[tuple[int, int, int]], rates: list[tuple[int, int]], costs: list[int]
) -> None:
    with fake_clock() as clock:
        quota = Quota([Rate(*rate) for rate in rates], 10, simple=False)
        taken: dict[int, tuple[float, int]] = {}  # call: when it was done, and its cost
        for kind, now, number, cost in played(calls, costs):
            clock.advance(now - clock.now)
            if kind == "end":
                if number in taken:
                    taken[number] = (now, cost)
                    quota.give(cost)
                continue
            fits = all(
                sum(held for done, held in taken.values() if done + period > now) + cost <= limit
                for limit, period in rates
            )
            assert (quota.take(cost, now) == 0) == fits
            if fits:
                taken[number] = (math.inf, cost)


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


@pytest.mark.parametrize("simple", [True, False])
def test_a_quota_is_idle_once_forgetting_it_changes_nothing(clock: FakeClock, simple: bool) -> None:
    quota = Quota([Rate(2, 10)], 10, simple=simple)
    assert quota.is_idle
    assert quota.take(1, clock.now) == 0
    assert not quota.is_idle
    quota.give(1)
    assert not quota.is_idle
    clock.advance(10)
    assert quota.is_idle
    quota.pause(5)
    assert not quota.is_idle
    clock.advance(5)
    assert quota.is_idle
    quota.users = 1
    assert not quota.is_idle


def test_a_pause_is_news_once_and_the_longest_counts(clock: FakeClock) -> None:
    quota = Quota([], 10, simple=False)
    assert quota.pause(10)
    assert not quota.pause(10)
    assert not quota.pause(3)
    assert quota.take(1, clock.now) == 10
    assert not quota.pause(10.5)  # a thread that was refused a moment later
    assert quota.take(1, clock.now) == 10.5
    assert quota.pause(60)
    clock.advance(60)
    assert quota.take(1, clock.now) == 0
    assert quota.pause(1)


def test_a_pause_holds_back_free_slots(clock: FakeClock) -> None:
    quota = Quota([Rate(5, 10)], 10, simple=True)
    quota.pause(4)
    assert quota.at_least(1, clock.now) == 4
    assert quota.take(1, 3) == 1
    assert quota.take(1, 4) == 0


@pytest.mark.stress
@pytest.mark.parametrize("simple", [True, False], ids=["lock-free", "locked"])
def test_sixteen_threads_share_the_slots_and_lose_none(simple: bool) -> None:
    with fake_clock() as clock:
        limit = 7
        quota = Quota([Rate(limit, 0.001)], 10, simple=simple)
        start = threading.Barrier(16)
        out = []
        most = [0]

        def work() -> None:
            start.wait()
            for _ in range(3000):
                # Whoever gets a slot moves the time, so that slots come free all along.
                if quota.take(1, clock.now) == 0:
                    out.append(None)
                    most[0] = max(most[0], len(out))
                    out.pop()
                    clock._now += 0.0005  # `advance` would serialize the threads
                    quota.give(1)

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most[0] <= limit
        clock.advance(1)
        assert quota.is_idle or quota.logs[0]._early
        assert [quota.take(1, clock.now) for _ in range(limit)] == [0] * limit
        assert quota.take(1, clock.now) == math.inf
