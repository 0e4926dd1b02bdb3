"""The call: what it knows of itself, its deadline and its story, and who hears of its steps."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from resilient.call import (
    DEFAULT_TIMEOUT,
    FINE,
    Call,
    Exchange,
    Gate,
    Listeners,
    Outcome,
    Step,
    Target,
    Verdict,
    listeners,
)
from resilient.testing import FakeClock, fake_clock, record_steps


@pytest.fixture(autouse=True)
def clock() -> Iterator[FakeClock]:
    with fake_clock(start=100.0) as clock:
        yield clock


def opened(parent: Call | None = None, **facts: Any) -> Call:
    """A call, as the wrapper opens it."""
    call = Call.of(Target(opened, service="vendor", name="fetch", **facts))
    call.parent = parent
    return call


def test_only_a_failing_vendor_is_a_failure() -> None:
    failures = {verdict for verdict in Verdict if verdict.is_failure}
    assert failures == {Verdict.TRANSIENT, Verdict.BROKEN}


def test_two_calls_share_nothing_that_can_be_changed() -> None:
    one, other = opened(), opened()
    one.add_exchange(Exchange("GET", "localhost", 0.0))
    one.report("retry", "again")
    one.next_attempt()
    assert (other.exchanges, other.steps, other.attempt) == ((), (), 1)
    assert one.id != other.id


def test_the_id_of_a_call_is_made_once_whoever_asks() -> None:
    call = opened()
    start = threading.Barrier(8)
    seen: list[str] = []

    def ask() -> None:
        start.wait(10)
        seen.append(call.id)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(seen) == 8
    assert set(seen) == {call.id}
    assert int(call.id, 16) >= 0
    assert len(call.id) == 8


@pytest.mark.parametrize(
    ("own", "around", "left"),
    [
        (None, None, None),
        (130.0, None, 30.0),
        (None, 130.0, 30.0),
        (130.0, 110.0, 10.0),
        (110.0, 130.0, 10.0),
        (95.0, 130.0, -5.0),
    ],
)
def test_the_nearest_deadline_tells_what_is_left(
    own: float | None, around: float | None, left: float | None
) -> None:
    outer = opened()
    outer.deadline = around
    call = opened(parent=opened(parent=outer))
    call.deadline = own
    assert call.time_left() == left


@pytest.mark.parametrize(
    ("own", "around", "timeout"),
    [
        (None, None, DEFAULT_TIMEOUT),
        (5.0, None, 5.0),
        (None, 7.0, 7.0),
        (5.0, 7.0, 5.0),
        (None, math.inf, None),
        (math.inf, 7.0, None),
        (5.0, math.inf, 5.0),
    ],
)
def test_the_innermost_service_says_the_timeout(
    own: float | None, around: float | None, timeout: float | None
) -> None:
    call = opened(parent=opened(timeout=around), timeout=own)
    assert call.request_timeout() == timeout


def test_a_new_attempt_forgets_the_outcome_of_the_last() -> None:
    call = opened()
    first, second = (Exchange("GET", "localhost", 0.0) for _ in range(2))
    call.add_exchange(first)
    assert call.attempt_exchanges() == [first]
    call.outcome, call.judged, call.repeated = Outcome(Verdict.BROKEN), ValueError(), 3
    call.next_attempt()
    assert (call.attempt, call.outcome, call.judged, call.repeated) == (2, FINE, None, 0)
    assert call.attempt_exchanges() == []
    call.add_exchange(second)
    assert call.attempt_exchanges() == [second]
    assert call.exchanges == [first, second]


def test_gates_are_asked_from_the_second_request_of_an_admission_on() -> None:
    asked: list[Call] = []

    class Asked(Gate):
        def next_request(self, call: Call) -> None:
            asked.append(call)

    call = opened()
    call.target.gates = (Asked(), Asked())
    call.admit_request()
    assert asked == []
    call.add_exchange(Exchange("GET", "localhost", 0.0))
    call.admit_request()
    assert asked == [call, call]
    call.admitted_from = 1  # admitted anew
    call.admit_request()
    assert len(asked) == 2
    with pytest.raises(NotImplementedError):
        Gate().next_request(call)


@pytest.mark.parametrize(
    ("method", "repeatable"),
    [("GET", True), ("HEAD", True), ("PUT", True), ("DELETE", True), ("OPTIONS", True)]
    + [("TRACE", True), ("POST", False), ("PATCH", False), ("PURGE", False)],
)
def test_idempotent_methods_may_be_sent_twice(method: str, repeatable: bool) -> None:
    exchange = Exchange(method, "localhost", 0.0)
    assert exchange.repeatable is repeatable
    assert repr(exchange) == f"<Exchange {method} localhost unanswered>"
    exchange.status = 204
    assert repr(exchange) == f"<Exchange {method} localhost 204>"


def test_steps_are_told_and_kept_for_the_story(clock: FakeClock) -> None:
    call = opened()
    with record_steps() as steps:
        clock.advance(2)
        call.report("retry", "try 1 failed", waited=1.0)
        call.report("gave_up", "gave up")
    assert steps == call.steps
    assert steps[0] == Step("retry", "vendor.fetch", "try 1 failed", {"waited": 1.0}, 2.0)
    assert call.story() == "try 1 failed → gave up"


def test_a_listener_is_told_once_and_until_it_is_removed() -> None:
    heard: list[tuple[Call | None, str]] = []

    def hear(call: Call | None, step: Step) -> None:
        heard.append((call, step.kind))

    told = Listeners()
    told.add(hear)
    told.add(hear)
    told.announce("first", "vendor", "text")
    call = opened()
    told.tell(call, Step("second", "vendor", "text", {}, 0.0))
    told.remove(hear)
    told.remove(hear)
    told.announce("third", "vendor", "text")
    assert heard == [(None, "first"), (call, "second")]


def test_a_listener_that_raises_is_counted_and_told_of_once() -> None:
    heard: list[Step] = []
    told = Listeners()

    def broken(call: Call | None, step: Step) -> None:
        raise ValueError

    told.add(broken)
    told.add(lambda call, step: heard.append(step))
    for _ in range(3):
        told.announce("step", "vendor", "text")
    assert [step.kind for step in heard if step.kind == "step"] == ["step"] * 3
    (complaint,) = (step for step in heard if step.kind == "degraded")
    assert "broken raised ValueError" in complaint.text
    # Three steps and the complaint itself, which the listener could not bear either.
    assert told.errors == 4


def test_a_listener_may_remove_itself_while_it_is_told() -> None:
    heard: list[str] = []
    told = Listeners()

    def once(call: Call | None, step: Step) -> None:
        heard.append(step.kind)
        told.remove(once)

    told.add(once)
    told.add(lambda call, step: heard.append("other"))
    told.announce("first", "vendor", "text")
    told.announce("second", "vendor", "text")
    assert heard == ["first", "other", "other"]


def test_what_is_told_of_while_listening_does_not_recurse_for_ever() -> None:
    call = opened()

    def broken(call: Call | None, step: Step) -> None:
        raise KeyError

    before = listeners.errors
    listeners.add(broken)
    try:
        for _ in range(2):
            call.report("retry", "again")
    finally:
        listeners.remove(broken)
    assert listeners.errors > before
    assert len(call.steps) == 2
