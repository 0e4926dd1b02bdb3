"""The fake clock: what it replaces, how time moves, and who wakes when."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.errors import ConfigurationError
from resilient.testing import FakeClock, fake_clock
from resilient.testing.clock import active_clock
from resilient.timing import chance, clock
from tests.threads import REAL_LIMIT, StartThread


@pytest.fixture
def fake() -> Iterator[FakeClock]:
    with fake_clock() as fake:
        yield fake


def in_force() -> tuple[object, ...]:
    return (clock.monotonic, clock.time, clock.sleep, clock.wait, chance.uniform)


SYSTEM = (time.monotonic, time.time, time.sleep, threading.Event.wait, random.uniform)


def test_the_system_clock_is_back_after_the_block() -> None:
    with fake_clock() as fake:
        assert active_clock() is fake
        assert clock.monotonic() == 0.0
    assert in_force() == SYSTEM
    assert active_clock() is None


def test_the_system_clock_is_back_after_an_exception() -> None:
    with pytest.raises(KeyboardInterrupt), fake_clock():
        raise KeyboardInterrupt
    assert in_force() == SYSTEM


def test_a_clock_that_was_in_force_before_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def mine(seconds: float) -> None:
        raise AssertionError(seconds)

    monkeypatch.setattr(clock, "sleep", mine)
    with fake_clock():
        clock.sleep(1)
    assert clock.sleep is mine


def test_a_second_clock_is_refused_and_changes_nothing(fake: FakeClock) -> None:
    before = in_force()
    with pytest.raises(RuntimeError, match="in force already"), FakeClock():
        pass
    assert in_force() == before
    with pytest.raises(RuntimeError, match="in force already"), fake:
        pass
    assert active_clock() is fake


def test_a_clock_entered_again_goes_on_where_it_stood() -> None:
    fake = FakeClock(100)
    with fake:
        clock.sleep(5)
    assert "not in force" in repr(fake)
    with fake:
        assert clock.monotonic() == 105
        assert repr(fake) == "<FakeClock at 105 s, in force>"


def test_leaving_a_clock_that_was_never_entered_leaves_the_one_in_force(fake: FakeClock) -> None:
    FakeClock().__exit__(None, None, None)
    assert active_clock() is fake


def test_sleep_moves_both_times_and_is_listed(fake: FakeClock) -> None:
    unix = clock.time()
    clock.sleep(3)
    clock.sleep(0.5)
    assert clock.monotonic() == fake.now == 3.5
    assert clock.time() == fake.unix == unix + 3.5
    assert fake.slept == [3, 0.5]
    assert fake.total == 3.5


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_sleep_that_can_not_be_is_refused(fake: FakeClock, seconds: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        clock.sleep(seconds)
    assert fake.now == 0
    assert fake.slept == []


def test_start_and_unix_time_can_be_chosen() -> None:
    with FakeClock(7, unix=1000) as fake:
        assert (clock.monotonic(), clock.time()) == (7, 1000)
        fake.advance(timedelta(minutes=1))
        assert (clock.monotonic(), clock.time()) == (67, 1060)
        assert fake.slept == []


def test_a_clock_does_not_go_back(fake: FakeClock) -> None:
    with pytest.raises(ConfigurationError, match="advance=-1"):
        fake.advance(-1)


def test_a_jump_moves_the_unix_time_only(fake: FakeClock) -> None:
    unix = clock.time()
    fake.jump(-3600)
    assert clock.time() == unix - 3600
    fake.jump(timedelta(hours=2))
    assert clock.time() == unix + 3600
    assert clock.monotonic() == 0


def test_chance_draws_the_upper_bound_unless_told_otherwise() -> None:
    with fake_clock():
        assert chance.uniform(1, 5) == 5
    with fake_clock(uniform=min):
        assert chance.uniform(1, 5) == 1
    with fake_clock(uniform=None):
        assert chance.uniform is SYSTEM[-1]


@given(st.lists(st.floats(0, 1e6), max_size=20))
def test_time_is_the_sum_of_what_was_slept(sleeps: list[float]) -> None:
    with fake_clock() as fake:
        for seconds in sleeps:
            clock.sleep(seconds)
    assert fake.now == pytest.approx(sum(sleeps))
    assert fake.slept == sleeps


def test_a_sleep_too_short_for_a_float_moves_the_time_all_the_same() -> None:
    with fake_clock(1e9) as fake:
        clock.sleep(1e-12)
        assert fake.now > 1e9
        before = fake.now
        clock.wait(threading.Event(), 1e-12)
        assert fake.now > before


def test_a_wait_for_a_set_event_takes_no_time(fake: FakeClock) -> None:
    event = threading.Event()
    event.set()
    assert clock.wait(event, 5)
    assert clock.wait(event, None)
    assert fake.now == 0
    assert fake.slept == []


def test_a_wait_that_runs_out_moves_the_time_to_its_end(fake: FakeClock) -> None:
    assert not clock.wait(threading.Event(), 5)
    assert fake.now == 5
    assert fake.slept == [5]


def test_a_wait_of_no_time_only_looks(fake: FakeClock) -> None:
    assert not clock.wait(threading.Event(), 0)
    assert fake.now == 0
    assert fake.slept == []


def test_an_event_that_another_thread_sets_ends_the_wait_before_time_moves(
    in_thread: StartThread,
) -> None:
    event, waiting = threading.Event(), threading.Event()
    with fake_clock(patience=REAL_LIMIT) as fake:

        def set_it() -> None:
            waiting.wait(REAL_LIMIT)
            event.set()

        in_thread(set_it)
        waiting.set()
        assert clock.wait(event, 5)
        assert fake.now == 0


def test_a_wait_without_a_timeout_is_real(fake: FakeClock, in_thread: StartThread) -> None:
    event = threading.Event()
    in_thread(event.set)
    assert clock.wait(event, None)
    assert fake.now == 0


def started_wait(
    fake: FakeClock, in_thread: StartThread, timeout: float, woke: list[tuple[float, float]]
) -> None:
    """Start a thread that waits `timeout` in vain; return once it does."""
    before = len(fake._ends)

    def work() -> None:
        clock.wait(threading.Event(), timeout)
        woke.append((timeout, clock.monotonic()))

    in_thread(work)
    limit = time.monotonic() + REAL_LIMIT
    while len(fake._ends) == before:
        assert time.monotonic() < limit
        time.sleep(0)


def test_waits_wake_at_their_own_time_when_another_thread_moves_the_clock(
    in_thread: StartThread,
) -> None:
    woke: list[tuple[float, float]] = []
    with fake_clock(patience=0.2) as fake:
        for timeout in (20.0, 10.0, 30.0):
            started_wait(fake, in_thread, timeout, woke)
        fake.advance(60)
        assert woke == [(10, 10), (20, 20), (30, 30)]
        assert fake.now == 60


def test_of_several_waits_the_one_that_ends_first_goes_first(in_thread: StartThread) -> None:
    woke: list[tuple[float, float]] = []
    with fake_clock(patience=0.2) as fake:
        for timeout in (30.0, 10.0):
            started_wait(fake, in_thread, timeout, woke)
        assert not clock.wait(threading.Event(), 40)
        assert woke == [(10, 10), (30, 30)]
        assert fake.now == 40
        assert fake.slept == [10, 30, 40]


def test_a_sleep_lets_a_shorter_wait_end_on_the_way(in_thread: StartThread) -> None:
    woke: list[tuple[float, float]] = []
    with fake_clock(patience=0.2) as fake:
        started_wait(fake, in_thread, 3.0, woke)
        clock.sleep(10)
        assert woke == [(3, 3)]
        assert fake.slept == [3, 10]


def test_sleeps_of_many_threads_add_up(fake: FakeClock, in_thread: StartThread) -> None:
    together = threading.Barrier(8)

    def work() -> None:
        together.wait(REAL_LIMIT)
        for _ in range(100):
            clock.sleep(1)

    threads = [in_thread(work) for _ in range(8)]
    for thread in threads:
        thread.join(REAL_LIMIT)
    assert fake.now == 800
    assert fake.slept == [1] * 800
