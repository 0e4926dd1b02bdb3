from __future__ import annotations

import gc

from resilient.sharing.stepping import Members
from resilient.testing import FakeClock


class Member:
    def __init__(self) -> None:
        self.steps = 0

    def step(self) -> None:
        self.steps += 1


def test_a_member_steps_as_often_as_it_said_last(clock: FakeClock) -> None:
    members, member = Members("store"), Member()
    members.add(member, 0.1)
    members.add(member, 2.0)
    for _ in range(100):
        clock.advance(0.1)
        members.step()
    assert 4 <= member.steps <= 11
    members.add(member, 0.1)
    member.steps = 0
    for _ in range(100):
        clock.advance(0.1)
        members.step()
    assert member.steps == 100


def test_who_hurries_does_not_hurry_the_others(clock: FakeClock) -> None:
    members, one, other = Members("store"), Member(), Member()
    for member in (one, other):
        members.add(member, 60.0)
    members.hurry(one)
    members.hurry(one)
    members.step()
    members.step()
    assert (one.steps, other.steps) == (1, 0)
    members.hurry()
    members.step()
    assert (one.steps, other.steps) == (2, 1)


def test_who_does_not_keep_in_step_can_not_hurry(clock: FakeClock) -> None:
    members, stranger = Members("store"), Member()
    members.hurry(stranger)
    members.step()
    assert not stranger.steps


def test_what_is_planned_stays_small_however_often_plans_change(clock: FakeClock) -> None:
    members, kept = Members("store"), [Member() for _ in range(10)]
    for _ in range(100):
        for member in kept:
            members.add(member, 0.1)
            members.hurry(member)
        clock.advance(0.1)
        members.step()
    assert len(members._queue) <= 30


def test_a_member_that_nobody_keeps_leaves_nothing_behind(clock: FakeClock) -> None:
    members = Members("store")
    for _ in range(10):
        members.add(Member(), 0.1)
    gc.collect()
    clock.advance(1)
    members.step()
    assert not members._due
    assert not members._queue


def test_a_child_steps_on_after_a_fork_in_the_midst_of_a_look(clock: FakeClock) -> None:
    members, member = Members("store"), Member()
    members.add(member, 0.1)
    members._queue.clear()
    members.renew_in_child()
    clock.advance(0.1)
    members.step()
    assert member.steps == 1
