"""When a store is left alone, and when it is tried again."""

from __future__ import annotations

from resilient.stores.guard import Guard
from resilient.testing import FakeClock, RecordedSteps


def test_pauses_grow_from_one_second_to_thirty(clock: FakeClock) -> None:
    guard = Guard("store", "it")
    guard.failed("broken", clock.now)
    pauses = []
    for _ in range(7):
        began = clock.now
        while not guard.may_ask():
            clock.advance(0.5)
        pauses.append(clock.now - began)
        guard.failed("broken", clock.now)
    assert pauses == [1, 2, 4, 8, 16, 30, 30]


def test_one_caller_tries(clock: FakeClock) -> None:
    guard = Guard("store", "it")
    guard.failed("broken", clock.now)
    clock.advance(1)
    assert [guard.may_ask() for _ in range(3)] == [True, False, False]
    assert guard.skipped == 2


def test_another_one_tries_if_the_first_is_never_heard_of_again(clock: FakeClock) -> None:
    guard = Guard("store", "it")
    guard.failed("broken", clock.now)
    clock.advance(1)
    assert guard.may_ask()
    clock.advance(1)
    assert guard.may_ask()


def test_failures_of_calls_that_were_under_way_together_are_one(clock: FakeClock) -> None:
    guard = Guard("store", "it")
    began = clock.now
    clock.advance(0.2)
    for _ in range(5):
        guard.failed("broken", began)
    clock.advance(1)
    assert guard.may_ask()


def test_what_began_before_the_failure_does_not_bring_it_back(clock: FakeClock) -> None:
    guard = Guard("store", "it")
    began = clock.now
    clock.advance(0.1)
    guard.failed("broken", clock.now)
    assert not guard.worked(began)
    clock.advance(1)
    assert guard.worked(clock.now)
    assert not guard.worked(clock.now)
    assert guard.may_ask()


def test_each_outage_is_told_of_twice(clock: FakeClock, steps: RecordedSteps) -> None:
    guard = Guard("store", "it")
    for _ in range(2):
        for _ in range(3):
            guard.failed("broken", clock.now)
            clock.advance(40)
        guard.worked(clock.now)
        clock.advance(1)
    assert steps.kinds() == ["degraded", "restored"] * 2
