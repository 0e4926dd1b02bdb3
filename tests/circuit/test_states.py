"""States and admission: clocks that jump, half-open circuits and their probes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pybreaker
import pytest
from pybreaker import STATE_CLOSED, STATE_OPEN, CircuitBreakerError

from resilient.circuit import CircuitBreaker
from resilient.errors import BreakerOpen
from resilient.testing import FakeClock
from tests.circuit.breakers import PATIENCE, Recorder, failing, fine, in_threads, redis, trip


def test_jumps_of_the_wall_clock_do_not_matter(clock: FakeClock) -> None:
    breaker = CircuitBreaker(fail_max=1, reset_timeout=60)
    trip(breaker)
    clock.jump(3600)
    with pytest.raises(BreakerOpen):
        breaker.call(pytest.fail)
    clock.jump(-7200)
    clock.advance(59)
    with pytest.raises(BreakerOpen) as refused:
        breaker.call(pytest.fail)
    assert refused.value.retry_after == pytest.approx(1)
    clock.advance(1)
    breaker.call(fine)
    assert breaker.current_state == STATE_CLOSED


def test_jump_of_the_wall_clock_closes_nothing_early_with_redis_either(clock: FakeClock) -> None:
    breaker = CircuitBreaker(fail_max=1, reset_timeout=60, state_storage=redis())
    clock.advance(0.7)  # Redis cuts the fraction off, ours must not take that for another moment
    trip(breaker)
    clock.jump(3600)
    with pytest.raises(BreakerOpen):
        breaker.call(pytest.fail)
    clock.advance(59.9)
    with pytest.raises(BreakerOpen):
        breaker.call(pytest.fail)
    clock.advance(0.1)
    breaker.call(fine)


def test_pybreaker_goes_by_the_wall_clock() -> None:
    breaker = pybreaker.CircuitBreaker(fail_max=1, reset_timeout=60)
    trip(breaker)
    # What it reads after NTP has set the clock forward by two minutes.
    breaker._state_storage.opened_at -= timedelta(minutes=2)  # type: ignore[operator]
    breaker.call(fine)
    assert breaker.current_state == STATE_CLOSED


def test_age_of_an_opening_elsewhere_is_read_once_and_goes_on_monotonic(clock: FakeClock) -> None:
    shared = redis()
    breaker = CircuitBreaker(fail_max=1, reset_timeout=60, state_storage=shared)
    shared.opened_at = datetime.fromtimestamp(clock.unix - 20, timezone.utc)
    shared.state = STATE_OPEN
    assert breaker.remaining() == pytest.approx(40)
    clock.jump(3600)
    clock.advance(30)
    assert breaker.remaining() == pytest.approx(10)
    clock.advance(10)
    breaker.call(fine)
    assert breaker.current_state == STATE_CLOSED


def test_opening_dated_in_the_future_is_open_for_no_longer_than_the_timeout(
    clock: FakeClock,
) -> None:
    shared = redis()
    breaker = CircuitBreaker(fail_max=1, reset_timeout=60, state_storage=shared)
    shared.opened_at = datetime.fromtimestamp(clock.unix + 86400, timezone.utc)
    shared.state = STATE_OPEN
    assert breaker.remaining() == pytest.approx(60)
    clock.advance(60)
    breaker.call(fine)


def test_moment_without_a_time_zone_counts_as_utc(clock: FakeClock) -> None:
    storage = pybreaker.CircuitMemoryStorage(STATE_OPEN)
    storage.opened_at = datetime.fromtimestamp(clock.unix - 20, timezone.utc).replace(tzinfo=None)
    breaker = CircuitBreaker(reset_timeout=60, state_storage=storage)
    assert breaker.remaining() == pytest.approx(40)


def test_only_one_probe_is_under_way_while_others_are_refused() -> None:
    breaker = CircuitBreaker()
    breaker.half_open()
    inside, leave = threading.Event(), threading.Event()

    def probe() -> str:
        inside.set()
        assert leave.wait(PATIENCE)
        return "back"

    def others() -> list[str]:
        assert inside.wait(PATIENCE)
        texts = []
        for _ in range(3):
            with pytest.raises(BreakerOpen) as refused:
                breaker.call(pytest.fail)
            texts.append(str(refused.value))
        leave.set()
        return texts

    result, texts = in_threads(lambda: breaker.call(probe), others)
    assert result == "back"
    assert texts == ["Trial call under way, circuit breaker still half-open"] * 3
    assert breaker.current_state == STATE_CLOSED


def test_as_many_probes_as_allowed_run_at_once_and_no_more() -> None:
    breaker = CircuitBreaker(probes=3, success_threshold=3)
    breaker.half_open()
    three_inside = threading.Barrier(3)
    leave = threading.Event()
    refusals = []
    all_refused = threading.Semaphore(0)

    def probe() -> None:
        three_inside.wait(PATIENCE)
        assert leave.wait(PATIENCE)

    def call() -> None:
        try:
            breaker.call(probe)
        except BreakerOpen as refused:
            refusals.append(refused)
            all_refused.release()

    def release() -> None:
        for _ in range(5):
            assert all_refused.acquire(timeout=PATIENCE)
        leave.set()

    in_threads(*[call] * 8, release)
    assert len(refusals) == 5
    assert breaker.current_state == STATE_CLOSED


def test_lost_probe_gives_up_its_place_after_the_reset_timeout(clock: FakeClock) -> None:
    breaker = CircuitBreaker(reset_timeout=60)
    breaker.half_open()
    lost = breaker._admit()
    clock.advance(59)
    with pytest.raises(BreakerOpen):
        breaker.call(pytest.fail)
    clock.advance(1)
    breaker.call(fine)
    assert breaker.current_state == STATE_CLOSED
    assert lost.is_probe


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (lambda breaker, late: breaker._succeed(late), STATE_CLOSED),
        (lambda breaker, late: breaker._fail(late, OSError(), "OSError"), STATE_OPEN),
    ],
    ids=["success", "failure"],
)
def test_late_probe_still_counts_while_the_circuit_is_half_open(
    clock: FakeClock, end: Callable[[Any, Any], Any], state: str
) -> None:
    breaker = CircuitBreaker(reset_timeout=60)
    breaker.half_open()
    late = breaker._admit()
    clock.advance(100)
    second = breaker._admit()
    end(breaker, late)
    assert breaker.current_state == state
    end(breaker, second)  # of an era that is over by now
    assert breaker.current_state == state


def test_results_of_calls_admitted_before_the_circuit_opened_do_not_count() -> None:
    recorder = Recorder()
    breaker = CircuitBreaker(fail_max=1, success_threshold=1, listeners=[recorder])
    late_success, late_failure = breaker._admit(), breaker._admit()
    trip(breaker)
    counter = breaker.fail_counter
    breaker._succeed(late_success)
    breaker._fail(late_failure, OSError("late"), "OSError")
    assert (breaker.current_state, breaker.fail_counter) == (STATE_OPEN, counter)
    # but who listens hears how every call ended
    assert recorder.heard[-2:] == ["success", "failure OSError('late')"]


def test_remaining_is_zero_unless_open(clock: FakeClock) -> None:
    breaker = CircuitBreaker(fail_max=1, reset_timeout=60)
    assert breaker.remaining() == 0
    trip(breaker)
    clock.advance(20)
    assert breaker.remaining() == 40
    breaker.half_open()
    assert breaker.remaining() == 0
    breaker.open()
    breaker.close()
    assert breaker.remaining() == 0


@pytest.mark.stress
def test_many_threads_through_many_states_keep_probes_bounded_and_events_in_order() -> None:
    class Chain(pybreaker.CircuitBreakerListener):
        def __init__(self) -> None:
            self.broken = 0
            self.last = STATE_CLOSED

        def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
            self.broken += old_state.name != self.last
            self.last = new_state.name

    chain = Chain()
    breaker = CircuitBreaker(fail_max=3, reset_timeout=0.002, probes=2, listeners=[chain])
    together = threading.Barrier(8)

    def work() -> None:
        together.wait(PATIENCE)
        for turn in range(2000):
            with contextlib.suppress(OSError, CircuitBreakerError):
                breaker.call(failing if turn % 3 else fine)

    in_threads(*[work] * 8)
    assert chain.broken == 0
    assert chain.last == breaker.current_state
    assert breaker._probes_out == []
    assert breaker._depth == 0
    assert breaker._collecting is None
