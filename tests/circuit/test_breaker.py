"""What happens to calls: where pybreaker does something else, that is shown first."""

from __future__ import annotations

import abc
import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

import pybreaker
import pytest
from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN, CircuitBreakerError

from resilient.circuit import CircuitBreaker
from resilient.errors import BreakerOpen, ConfigurationError
from resilient.testing import record_steps
from tests.circuit.breakers import PATIENCE, excluded, failing, fine, in_threads, trip


def test_function_runs_outside_the_lock() -> None:
    def runs_meanwhile(breaker: Any) -> bool:
        def outer() -> bool:
            other = threading.Thread(target=breaker.call, args=(fine,))
            other.start()
            other.join(0.1 if type(breaker) is pybreaker.CircuitBreaker else PATIENCE)
            return not other.is_alive()

        return bool(breaker.call(outer))

    assert not runs_meanwhile(pybreaker.CircuitBreaker())
    assert runs_meanwhile(CircuitBreaker())


def test_eight_threads_are_inside_the_function_at_once() -> None:
    breaker = CircuitBreaker()
    together = threading.Barrier(8)
    results = in_threads(*[lambda: breaker.call(together.wait, PATIENCE)] * 8)
    assert sorted(results) == list(range(8))


def test_two_breakers_nested_either_way_do_not_deadlock() -> None:
    first, second = CircuitBreaker(), CircuitBreaker()
    both_inside = threading.Barrier(2)

    def nested(outer: Any, inner: Any) -> Any:
        def body() -> Any:
            both_inside.wait(PATIENCE)
            return inner.call(fine)

        return outer.call(body)

    results = in_threads(lambda: nested(first, second), lambda: nested(second, first))
    assert results == [((), {}), ((), {})]


@pytest.mark.parametrize("exit_error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_exits_are_not_counted(exit_error: type[BaseException]) -> None:
    def interrupted() -> None:
        raise exit_error

    theirs, ours = pybreaker.CircuitBreaker(), CircuitBreaker()
    for breaker in (theirs, ours):
        with pytest.raises(exit_error):
            breaker.call(interrupted)
    assert (theirs.fail_counter, ours.fail_counter) == (1, 0)


@pytest.mark.parametrize("exit_error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_interrupted_probe_gives_its_place_back(exit_error: type[BaseException]) -> None:
    def interrupted() -> None:
        raise exit_error

    theirs, ours = pybreaker.CircuitBreaker(), CircuitBreaker()
    for breaker in (theirs, ours):
        breaker.half_open()
        with pytest.raises((exit_error, CircuitBreakerError)):
            breaker.call(interrupted)
    assert (theirs.current_state, ours.current_state) == (STATE_OPEN, STATE_HALF_OPEN)
    ours.call(fine)
    assert ours.current_state == STATE_CLOSED


def test_interrupted_body_and_abandoned_generator_give_the_probe_back() -> None:
    breaker = CircuitBreaker(success_threshold=2)
    breaker.half_open()
    with pytest.raises(KeyboardInterrupt), breaker.calling():
        raise KeyboardInterrupt

    @breaker
    def pages() -> Iterator[int]:
        yield 1
        yield 2

    half_read = pages()
    next(half_read)
    half_read.close()
    breaker.call(fine)
    assert (breaker.current_state, breaker.success_counter) == (STATE_HALF_OPEN, 1)


def test_exit_thrown_into_a_generator_reaches_it() -> None:
    breaker = CircuitBreaker()
    seen = []

    @contextlib.contextmanager
    @breaker
    def transaction() -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            seen.append(type(error))
            raise

    with pytest.raises(KeyboardInterrupt), transaction():
        raise KeyboardInterrupt
    assert seen == [KeyboardInterrupt]


def test_error_that_a_generator_swallows_is_gone_but_counted() -> None:
    def tolerating(breaker: Any) -> Any:
        @contextlib.contextmanager
        @breaker
        def tolerant() -> Iterator[None]:
            with contextlib.suppress(OSError):
                yield

        return tolerant()

    with pytest.raises(RuntimeError, match="StopIteration"), tolerating(pybreaker.CircuitBreaker()):
        failing()
    breaker = CircuitBreaker()
    with tolerating(breaker):
        failing()
    assert breaker.fail_counter == 1


def test_generator_is_cleaned_up_before_a_trip_replaces_its_error() -> None:
    breaker = CircuitBreaker(fail_max=1)
    steps = []

    @contextlib.contextmanager
    @breaker
    def connection() -> Iterator[None]:
        try:
            yield
        finally:
            steps.append("closed")

    with pytest.raises(BreakerOpen) as tripped:
        with connection():
            failing()
    assert steps == ["closed"]
    assert isinstance(tripped.value.__cause__, OSError)


def test_excluded_exception_does_not_close_a_half_open_circuit() -> None:
    theirs = pybreaker.CircuitBreaker(exclude=[LookupError])
    ours = CircuitBreaker(exclude=[LookupError])
    for breaker in (theirs, ours):
        trip(breaker)
        breaker.half_open()
        with pytest.raises(LookupError):
            breaker.call(excluded)
    assert (theirs.current_state, ours.current_state) == (STATE_CLOSED, STATE_HALF_OPEN)
    assert (theirs.fail_counter, ours.fail_counter) == (0, 5)
    # and its place is free again
    ours.call(fine)
    assert ours.current_state == STATE_CLOSED


class AbstractError(Exception, metaclass=abc.ABCMeta):
    """Its metaclass makes `type(AbstractError) is type` false."""

    def __init__(self, code: int) -> None:
        self.code = code


class ConcreteError(AbstractError):
    pass


def test_exception_class_with_a_metaclass_is_an_exclusion() -> None:
    theirs = pybreaker.CircuitBreaker(exclude=[ConcreteError])
    ours = CircuitBreaker(exclude=[ConcreteError])
    # pybreaker takes the class for a predicate: whatever it is called with, the result is true.
    assert not theirs.is_system_error(OSError())
    assert ours.is_system_error(OSError())
    assert not ours.is_system_error(ConcreteError(1))
    assert ours.is_system_error(AbstractError(1))


def test_predicate_that_raises_excludes_nothing_and_replaces_nothing() -> None:
    def clumsy(error: Any) -> bool:
        return bool(error.response.ok)

    theirs, ours = pybreaker.CircuitBreaker(exclude=[clumsy]), CircuitBreaker(exclude=[clumsy])
    with pytest.raises(AttributeError):
        theirs.call(failing)
    with record_steps() as steps, pytest.raises(OSError, match="down"):
        ours.call(failing)
    assert ours.fail_counter == 1
    assert [step.text for step in steps] == [
        "a predicate in exclude= of the breaker raised AttributeError; calls go on without it"
    ]


@pytest.mark.parametrize("growth", [0.5, 101, float("nan")])
def test_growth_out_of_range_is_refused(growth: float) -> None:
    with pytest.raises(ConfigurationError, match=r"breaker\(growth=.*use a factor from 1 to 100"):
        CircuitBreaker(growth=growth)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_is_not_held_up_by_a_lock_that_another_thread_held() -> None:
    breaker = CircuitBreaker()
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with breaker._lock:
            held.set()
            over.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    child = os.fork()
    if child == 0:
        threading.Timer(20, os._exit, [2]).start()  # a child that hangs must not stay
        os._exit(0 if breaker.call(lambda: 5) == 5 else 1)
    _, status = os.waitpid(child, 0)
    over.set()
    holder.join(60)
    assert os.waitstatus_to_exitcode(status) == 0
