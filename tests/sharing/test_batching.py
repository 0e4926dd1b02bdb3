"""What many policies of a process have for one store goes there in one question."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import pytest

from resilient.sharing.batching import budgets_of, circuits_of
from resilient.sharing.memory import MemoryState
from resilient.sharing.retry_budget import Budget
from resilient.sharing.shapes import BudgetReport, BudgetView
from resilient.sharing.shared import SharedState
from resilient.stores.bytes_store import StoreFailed
from resilient.testing import FakeClock


class Store(MemoryState):
    __slots__ = ("asked", "is_down")

    def __init__(self) -> None:
        super().__init__("memory")
        self.asked: list[int] = []
        self.is_down = False

    def budgets(self, reports: Sequence[BudgetReport]) -> Sequence[BudgetView]:
        self.asked.append(len(reports))
        if self.is_down:
            raise StoreFailed("it is down")
        return super().budgets(reports)


class Member:
    def __init__(self, name: str) -> None:
        self.name = name
        self.views: list[BudgetView | None] = []

    def report(self) -> BudgetReport:
        return BudgetReport(self.name, 60.0, calls=1)

    def heard(self, view: BudgetView | None, asked: float) -> None:
        self.views.append(view)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def state(store: Store, clock: FakeClock) -> SharedState:
    return SharedState(store, 0.25)


def test_each_member_hears_its_own_answer(state: SharedState, store: Store) -> None:
    members = [Member("a"), Member("b")]
    for member in members:
        budgets_of(state).add(member)
    state.step_now()
    state.step_now()
    assert store.asked == [2, 2]
    assert [member.views[-1] for member in members] == [
        BudgetView("a", 2, 0),
        BudgetView("b", 2, 0),
    ]


def test_all_hear_that_the_store_is_down(state: SharedState, store: Store) -> None:
    members = [Member("a"), Member("b")]
    for member in members:
        budgets_of(state).add(member)
    store.is_down = True
    state.step_now()
    assert [member.views for member in members] == [[None], [None]]


def test_who_is_gone_or_was_removed_takes_no_part(state: SharedState, store: Store) -> None:
    gone, removed = Member("gone"), Member("removed")
    budgets_of(state).add(gone)
    budgets_of(state).add(removed)
    budgets_of(state).remove(removed)
    del gone
    gc.collect()
    state.step_now()
    assert store.asked == []


def test_a_store_has_one_batch_of_a_kind(state: SharedState) -> None:
    assert budgets_of(state) is budgets_of(state)
    assert circuits_of(state) is not budgets_of(state)


def test_batches_keep_no_store_alive(clock: FakeClock) -> None:
    store = MemoryState("memory")
    state = SharedState(store, 0.25)
    batch = budgets_of(state)
    del state
    gc.collect()
    batch.step()
    assert batch._state is not None
    assert batch._state() is None


def test_a_budget_that_moves_to_another_store_tells_the_old_one_nothing(
    state: SharedState, store: Store
) -> None:
    budget = Budget(0.2)
    budget.share_in(state, "github")
    other = SharedState(Store(), 0.25)
    budget.share_in(other, "github")
    state.step_now()
    assert store.asked == []
    other.step_now()
    assert budget._view is not None


def test_steps_that_are_asked_for_early_come_no_closer_than_they_may(
    state: SharedState, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurried: list[float] = []
    monkeypatch.setattr(state, "hurry", lambda member: hurried.append(clock.monotonic()))
    batch = budgets_of(state)
    for _ in range(100):
        batch.hurry()
        clock.advance(0.01)
    assert 10 <= len(hurried) <= 20
    batch.hurry(is_urgent=True)
    batch.hurry(is_urgent=True)
    assert hurried[-1] == hurried[-2]
