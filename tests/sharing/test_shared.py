"""A store of shared state that may fail."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from resilient.sharing.shapes import Ask, BudgetReport, CircuitTerms, Grant
from resilient.sharing.shared import SharedState
from resilient.stores.bytes_store import StoreFailed
from resilient.testing import FakeClock, RecordedSteps
from tests.threads import until

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


class Scripted:
    """Answers as it is told to."""

    label = "scripted"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails = False
        self.is_read_only = False
        self.before: Callable[[], object] = lambda: None

    def __getattr__(self, name: str) -> Any:
        def answer(*_: object) -> Any:
            self.asked.append(name)
            self.before()
            if self.fails:
                raise StoreFailed("it is down")
            if self.is_read_only and name in ("trade", "try_to_write"):
                raise StoreFailed("it is read-only", only_writes=True)
            return Grant((0.0,)) if name == "trade" else name

        return answer


ASK = Ask("quota", "me", want=1)


@pytest.fixture
def raw() -> Scripted:
    return Scripted()


@pytest.fixture
def state(raw: Scripted) -> SharedState:
    return SharedState(raw, 0.25)


def test_what_the_store_answers_is_passed_on(state: SharedState, clock: FakeClock) -> None:
    assert state.trade(ASK) == Grant((0.0,))
    assert state.circuits(()) == "circuits"
    assert state.probe("c", CircuitTerms(), 1.0) == "probe"
    assert state.probed("c", 1, CircuitTerms(), "ok", 0.0, "") == "probed"
    assert state.budgets([BudgetReport("b", 60)]) == "budgets"
    assert state.publish(b"figures", 60)
    assert state.published() == "published"


def test_one_that_is_down_is_left_alone_and_told_of_once(
    state: SharedState, raw: Scripted, clock: FakeClock, steps: RecordedSteps
) -> None:
    raw.fails = True
    assert [state.trade(ASK) for _ in range(5)] == [None] * 5
    assert not state.publish(b"figures", 60)
    assert state.is_down
    assert raw.asked == ["trade"]
    assert (state.failures, state.skipped) == (1, 5)
    assert steps.kinds() == ["degraded"]
    assert "it is down; calls go on without shared state" in steps[0].text


def test_one_that_is_back_is_told_of_and_counted(
    state: SharedState, raw: Scripted, clock: FakeClock, steps: RecordedSteps
) -> None:
    raw.fails = True
    state.trade(ASK)
    raw.fails = False
    clock.advance(1)
    assert state.trade(ASK) is not None
    assert state.returns == 1
    assert not state.is_down
    assert steps.kinds() == ["degraded", "restored"]


def test_it_is_tried_again_every_two_seconds_at_least(
    state: SharedState, raw: Scripted, clock: FakeClock
) -> None:
    raw.fails = True
    for _ in range(600):
        state.trade(ASK)
        clock.advance(0.1)
    assert len(raw.asked) >= 29


def test_answers_that_came_late_count_and_after_two_in_a_row_nobody_waits(
    state: SharedState, raw: Scripted, clock: FakeClock, steps: RecordedSteps
) -> None:
    raw.before = lambda: clock.advance(0.3)
    assert state.trade(ASK) == Grant((0.0,))
    assert state.trade(ASK) == Grant((0.0,))
    assert state.trade(ASK) is None
    assert "it took 0.30 s, more than the 0.25 s" in steps[0].text


def test_one_late_answer_may_be_this_process_that_was_stopped(
    state: SharedState, raw: Scripted, clock: FakeClock, steps: RecordedSteps
) -> None:
    for _ in range(3):
        raw.before = lambda: clock.advance(0.3)
        assert state.trade(ASK)
        raw.before = lambda: None
        assert state.trade(ASK)
    assert not state.is_down
    assert not steps


def test_of_late_answers_that_were_under_way_together_one_counts(
    state: SharedState, raw: Scripted, clock: FakeClock
) -> None:
    def stopped_with_another_one() -> None:
        raw.before = lambda: clock.advance(0.3)
        state.budgets(())

    raw.before = stopped_with_another_one
    assert state.trade(ASK)
    assert not state.is_down


def test_one_that_can_only_be_read_from_is_not_back_by_that(
    state: SharedState, raw: Scripted, clock: FakeClock, steps: RecordedSteps
) -> None:
    raw.is_read_only = True
    assert state.trade(ASK) is None
    for _ in range(10):
        clock.advance(2.0)
        assert state.budgets(()) is None
    assert [step.kind for step in steps] == ["degraded"]
    raw.is_read_only = False
    clock.advance(2.0)
    assert state.budgets(()) == "budgets"
    assert [step.kind for step in steps] == ["degraded", "restored"]


def test_a_program_that_can_have_no_thread_goes_without(
    state: SharedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    class Member:
        def step(self) -> None: ...

        def renew_in_child(self) -> None: ...

    monkeypatch.setattr(threading.Thread, "start", fails)
    state.in_step(Member())
    assert not state.is_stepping


def test_a_mistake_of_ours_is_not_taken_for_a_failure(
    state: SharedState, raw: Scripted, clock: FakeClock
) -> None:
    def fault() -> None:
        raise TypeError

    raw.before = fault
    with pytest.raises(TypeError):
        state.trade(ASK)
    assert not state.is_down


class Member:
    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        self.steps = 0
        self._then = then

    def step(self) -> None:
        try:
            self._then()
        finally:
            self.steps += 1


def test_all_members_take_their_steps(state: SharedState, clock: FakeClock) -> None:
    members = [Member(), Member()]
    for member in members:
        state.in_step(member)
    state.step_now()
    state.step_now()
    assert [member.steps for member in members] == [2, 2]


def test_no_thread_runs_under_a_fake_clock(state: SharedState, clock: FakeClock) -> None:
    member = Member()
    state.in_step(member)
    assert not state._ticker.is_running


def test_a_state_that_nobody_keeps_goes_with_its_thread(raw: Scripted) -> None:
    state = SharedState(raw, 0.25)
    member = Member()
    state.in_step(member, 0.001)
    thread = state._ticker._thread
    assert thread is not None
    until(lambda: member.steps)
    del state
    until(lambda: gc.collect() is not None and not thread.is_alive())


def test_a_member_s_error_is_told_once_and_stops_nobody(
    state: SharedState, clock: FakeClock, steps: RecordedSteps
) -> None:
    def fault() -> None:
        raise RuntimeError("secret")

    bad, good = Member(fault), Member()
    state.in_step(bad)
    state.in_step(good)
    state.step_now()
    state.step_now()
    assert good.steps == bad.steps == 2
    assert [step.text for step in steps] == [
        "a step of its shared state raised RuntimeError (told once)"
    ]


def test_a_member_that_nobody_keeps_is_forgotten(state: SharedState, clock: FakeClock) -> None:
    member = Member()
    state.in_step(member)
    del member
    gc.collect()
    state.step_now()
    assert not state._members._due


def test_in_real_time_steps_come_by_themselves_and_at_once_for_who_hurries(
    state: SharedState,
) -> None:
    often, rarely = Member(), Member()
    state.in_step(often, 0.001)
    state.in_step(rarely, 3600)
    until(lambda: often.steps >= 2)
    assert not rarely.steps
    state.hurry()
    until(lambda: rarely.steps == 1)
    state.close()


@forks
def test_a_forked_child_is_another_worker_and_goes_on_stepping(state: SharedState) -> None:
    read, write = os.pipe()
    member = Member(lambda: os.write(write, b"%d %s\n" % (os.getpid(), state.worker.encode())))
    state.in_step(member, 0.001)
    child = os.fork()
    if not child:
        before = member.steps
        try:
            until(lambda: member.steps > before)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    state.close()
    os.close(write)
    with os.fdopen(read) as told:
        workers = {tuple(line.split()) for line in told}
    assert {pid for pid, _ in workers} >= {str(child)}
    assert len({worker for _, worker in workers}) == len({pid for pid, _ in workers})


def test_it_does_not_show_more_than_its_label(state: SharedState) -> None:
    assert repr(state) == "<shared state in scripted>"


def test_at_the_end_of_the_program_everybody_steps_once_more(state: SharedState) -> None:
    one, other = Member(), Member()
    state.in_step(one, 3600)
    state.in_step(other, 3600)
    state.end()
    assert (one.steps, other.steps, state.is_ending) == (1, 1, True)
    state.end()
    assert (one.steps, state.is_stepping) == (1, False)


def test_the_end_of_the_program_waits_for_nobody_but_who_steps_already(state: SharedState) -> None:
    class Slow(Member):
        def step(self) -> None:
            super().step()
            state._members.until = 0.0  # as if the time were over

    slow = [Slow() for _ in range(3)]
    for one in slow:
        state.in_step(one, 3600)
    state.end()
    assert sum(one.steps for one in slow) == 1


def test_a_store_that_is_down_does_not_delay_the_end_of_the_program(
    raw: Scripted, state: SharedState
) -> None:
    member = Member()
    state.in_step(member, 3600)
    raw.fails = True
    state.trade(ASK)
    state.end()
    assert not member.steps
    raw.fails = False
    state.close()
