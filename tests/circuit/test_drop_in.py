"""Where resilient.CircuitBreaker must agree with pybreaker's, run with both."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

import pybreaker
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN, CircuitBreakerError

import resilient
from resilient.circuit import CircuitBreaker
from tests.circuit.breakers import (
    STORAGES,
    Recorder,
    excluded,
    failing,
    fine,
    let_the_timeout_pass,
    memory,
    redis,
    trip,
)


def test_constructor_takes_what_pybreakers_takes_in_the_same_places() -> None:
    theirs = list(inspect.signature(pybreaker.CircuitBreaker).parameters.values())
    ours = list(inspect.signature(CircuitBreaker).parameters.values())
    assert [(p.name, p.default, p.kind) for p in ours[: len(theirs)]] == [
        (p.name, p.default, p.kind) for p in theirs
    ]
    assert all(p.kind is p.KEYWORD_ONLY for p in ours[len(theirs) :])


def test_defaults_are_pybreakers(kind: Any) -> None:
    breaker = kind()
    assert (breaker.fail_max, breaker.reset_timeout, breaker.success_threshold) == (5, 60, 1)
    assert (breaker.fail_counter, breaker.success_counter) == (0, 0)
    assert breaker.current_state == breaker.state.name == STATE_CLOSED
    assert breaker.excluded_exceptions == breaker.listeners == ()
    assert breaker.name is None


def test_properties_can_be_set(kind: Any) -> None:
    breaker = kind(2, 3, 4, name="first")
    assert (breaker.fail_max, breaker.reset_timeout, breaker.success_threshold) == (2, 3, 4)
    assert breaker.name == "first"
    breaker.fail_max, breaker.reset_timeout, breaker.success_threshold = 7, 8, 9
    breaker.name = "second"
    assert (breaker.fail_max, breaker.reset_timeout, breaker.success_threshold) == (7, 8, 9)
    assert breaker.name == "second"


def test_it_is_a_pybreaker_and_the_public_name() -> None:
    assert issubclass(CircuitBreaker, pybreaker.CircuitBreaker)
    assert resilient.CircuitBreaker is CircuitBreaker


def test_arguments_and_result_pass_through_every_way_of_calling(kind: Any) -> None:
    breaker = kind()
    expected = ((1, 2), {"a": 3})
    assert breaker.call(fine, 1, 2, a=3) == expected
    assert breaker(fine)(1, 2, a=3) == expected
    assert breaker()(fine)(1, 2, a=3) == expected
    assert breaker(fine).__name__ == "fine"


@STORAGES
def test_failures_in_a_row_open_it_with_pybreakers_words(kind: Any, storage: Any) -> None:
    breaker = kind(fail_max=2, state_storage=storage())
    with pytest.raises(OSError, match="down"):
        breaker.call(failing)
    with pytest.raises(CircuitBreakerError) as tripped:
        breaker.call(failing)
    assert tripped.value.args == ("Failures threshold reached, circuit breaker opened",)
    assert isinstance(tripped.value.__context__, OSError)
    assert (breaker.current_state, breaker.fail_counter) == (STATE_OPEN, 2)
    with pytest.raises(CircuitBreakerError) as refused:
        breaker.call(pytest.fail)
    assert refused.value.args == ("Timeout not elapsed yet, circuit breaker still open",)


@STORAGES
def test_success_forgets_the_failures_before_it(kind: Any, storage: Any) -> None:
    breaker = kind(fail_max=2, state_storage=storage())
    for _ in range(3):
        with pytest.raises(OSError, match="down"):
            breaker.call(failing)
        assert breaker.fail_counter == 1
        breaker.call(fine)
        assert breaker.fail_counter == 0
    assert breaker.current_state == STATE_CLOSED


def test_original_error_is_raised_on_trip_if_wanted(kind: Any) -> None:
    breaker = kind(fail_max=1, throw_new_error_on_trip=False)
    with pytest.raises(OSError, match="down"):
        breaker.call(failing)
    assert breaker.current_state == STATE_OPEN
    breaker.half_open()
    with pytest.raises(OSError, match="down"):
        breaker.call(failing)
    assert breaker.current_state == STATE_OPEN


def test_failed_probe_opens_it_again_with_pybreakers_words(kind: Any) -> None:
    breaker = kind(fail_max=2)
    breaker.half_open()
    with pytest.raises(CircuitBreakerError) as tripped:
        breaker.call(failing)
    assert tripped.value.args == ("Trial call failed, circuit breaker opened",)
    assert (breaker.current_state, breaker.fail_counter) == (STATE_OPEN, 1)


@STORAGES
def test_as_many_probes_as_the_threshold_close_it(kind: Any, storage: Any) -> None:
    breaker = kind(fail_max=1, success_threshold=2, state_storage=storage())
    trip(breaker)
    let_the_timeout_pass(breaker)
    breaker.call(fine)
    assert (breaker.current_state, breaker.success_counter) == (STATE_HALF_OPEN, 1)
    breaker.call(fine)
    assert (breaker.current_state, breaker.success_counter) == (STATE_CLOSED, 0)
    assert breaker.fail_counter == 0


def test_unknown_state_is_refused_with_pybreakers_words(kind: Any) -> None:
    breaker = kind()
    with pytest.raises(ValueError, match="Unknown state 'ajar', valid states: closed, open, half"):
        breaker.state = "ajar"
    assert breaker.current_state == STATE_CLOSED
    assert getattr(breaker, "storage_errors", 0) == 0
    breaker.call(fine)


@pytest.mark.parametrize("state", [STATE_CLOSED, STATE_OPEN, STATE_HALF_OPEN])
def test_state_and_counters_of_the_storage_are_taken_over(kind: Any, state: str) -> None:
    storage = pybreaker.CircuitMemoryStorage(state)
    storage.increment_counter()
    recorder = Recorder()
    breaker = kind(state_storage=storage, listeners=[recorder])
    assert (breaker.state.name, breaker.fail_counter) == (state, 1)
    assert recorder.heard == []


def test_open_storage_that_knows_no_moment_admits_a_probe_at_once(kind: Any) -> None:
    breaker = kind(state_storage=pybreaker.CircuitMemoryStorage(STATE_OPEN))
    breaker.call(fine)
    assert breaker.current_state == STATE_CLOSED


@STORAGES
def test_breakers_on_one_storage_share_the_state_and_tell_their_own(
    kind: Any, storage: Any
) -> None:
    shared = storage()
    recorder = Recorder()
    one = kind(fail_max=1, state_storage=shared)
    other = kind(fail_max=1, state_storage=shared, listeners=[recorder])
    trip(one)
    with pytest.raises(CircuitBreakerError, match="Timeout not elapsed yet"):
        other.call(pytest.fail)
    assert recorder.heard == ["closed -> open"]
    one.close()
    assert other.state.name == STATE_CLOSED
    assert recorder.heard == ["closed -> open", "open -> closed"]


def test_listeners_and_exclusions_come_and_go(kind: Any) -> None:
    breaker = kind()
    first, second = Recorder(), Recorder()
    breaker.add_listeners(first, second)
    assert breaker.listeners == (first, second)
    breaker.remove_listener(first)
    assert breaker.listeners == (second,)
    breaker.add_excluded_exceptions(LookupError, ValueError)
    breaker.remove_excluded_exception(LookupError)
    assert breaker.excluded_exceptions == (ValueError,)
    breaker.call(fine)
    assert (first.heard, second.heard) == ([], ["before () {}", "success"])


class Marker:
    """A class that says "ours" of the exceptions below it."""


class MarkedError(Marker, Exception):
    pass


@pytest.mark.parametrize(
    "exclusion",
    [LookupError, lambda error: isinstance(error, KeyError), Marker, "nonsense"],
    ids=["a class above", "a predicate", "no exception class", "nothing that applies"],
)
@pytest.mark.parametrize("error", [KeyError, MarkedError, OSError])
def test_exclusions_mean_what_they_mean_to_pybreaker(exclusion: Any, error: Any) -> None:
    theirs = pybreaker.CircuitBreaker(exclude=[exclusion])
    ours = CircuitBreaker(exclude=[exclusion])
    assert ours.is_system_error(error()) == theirs.is_system_error(error())


def test_excluded_exception_ends_a_row_of_failures(kind: Any) -> None:
    recorder = Recorder()
    breaker = kind(fail_max=2, exclude=[LookupError], listeners=[recorder])
    with pytest.raises(OSError, match="down"):
        breaker.call(failing)
    with pytest.raises(LookupError):
        breaker.call(excluded)
    assert breaker.fail_counter == 0
    assert recorder.heard[-1] == "success"


def test_context_manager_counts_its_body(kind: Any) -> None:
    breaker = kind(fail_max=2)
    with breaker.calling():
        pass
    with pytest.raises(OSError, match="down"), breaker.calling():
        failing()
    assert breaker.fail_counter == 1
    with pytest.raises(CircuitBreakerError, match="Failures threshold"), breaker.calling():
        failing()
    with pytest.raises(CircuitBreakerError, match="Timeout not elapsed"), breaker.calling():
        pytest.fail("ran in an open circuit")


def test_generator_is_counted_when_it_ends(kind: Any) -> None:
    breaker = kind()

    @breaker
    def pages(end: Exception | None) -> Iterator[Any]:
        said = yield 1
        yield said
        if end is not None:
            raise end

    broken = pages(OSError("down"))
    assert (next(broken), broken.send("sent")) == (1, "sent")
    with pytest.raises(OSError, match="down"):
        next(broken)
    assert breaker.fail_counter == 1
    assert list(pages(None)) == [1, None]
    assert breaker.fail_counter == 0


def test_what_is_thrown_into_a_generator_reaches_it(kind: Any) -> None:
    breaker = kind()
    caught = []

    @contextlib.contextmanager
    @breaker
    def transaction() -> Iterator[None]:
        try:
            yield
        except OSError as error:
            caught.append(error)
            raise ValueError("rolled back") from error

    with pytest.raises(ValueError, match="rolled back"), transaction():
        failing()
    assert [str(error) for error in caught] == ["down"]
    assert breaker.fail_counter == 1


def counted_with(breaker: Any, step: str) -> str:
    """Do one step to a breaker; what came of it."""
    try:
        if step in ("ok", "fail"):
            return repr(breaker.call(fine if step == "ok" else failing))
        if step in ("with ok", "with fail"):
            with breaker.calling():
                return fine() if step == "with ok" else failing()  # type: ignore[func-returns-value]
        if step == "excluded":
            # On purpose different: it closes pybreaker's half-open circuit.
            if breaker.current_state == STATE_CLOSED:
                breaker.call(excluded)
            return ""
        if step == "later":
            let_the_timeout_pass(breaker)
            return ""
        breaker.reset_timeout = 60
        return repr(getattr(breaker, step)())
    except CircuitBreakerError as error:
        return f"refused: {error}"
    except (OSError, LookupError) as error:
        return repr(error)


STEPS = (
    "ok", "fail", "with ok", "with fail", "excluded", "later", "open", "half_open", "close",
)  # fmt: skip


@pytest.mark.parametrize("storage", [memory, redis])
@given(
    steps=st.lists(st.sampled_from(STEPS), max_size=25),
    fail_max=st.integers(1, 3),
    threshold=st.integers(1, 3),
    throws=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_sequence_of_steps_goes_as_with_pybreaker(
    storage: Any, steps: list[str], fail_max: int, threshold: int, throws: bool
) -> None:
    logs = []
    for make in (pybreaker.CircuitBreaker, CircuitBreaker):
        recorder = Recorder()
        breaker = make(
            fail_max=fail_max,
            success_threshold=threshold,
            exclude=[LookupError],
            listeners=[recorder],
            state_storage=storage(),
            throw_new_error_on_trip=throws,
        )
        log = []
        for step in steps:
            came_of_it = counted_with(breaker, step)
            counters = breaker.fail_counter, breaker.success_counter
            log.append((step, came_of_it, breaker.current_state, breaker.state.name, counters))
        logs.append((log, recorder.heard))
    assert logs[1] == logs[0]
