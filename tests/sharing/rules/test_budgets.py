"""Calls and retries of all workers over a window, as a store keeps them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from resilient.sharing.rules import budgets
from resilient.sharing.shapes import BudgetReport, BudgetView


class Store:
    def __init__(self) -> None:
        self.now = 1000.0
        self.state: dict[str, Any] | None = None

    def count(self, calls: int = 0, retries: int = 0) -> BudgetView:
        report = BudgetReport("github", 60.0, calls, retries)
        state, view = budgets.counted(self.state, report, self.now)
        self.state = json.loads(json.dumps(state))
        return view


@pytest.fixture
def store() -> Store:
    return Store()


def test_a_look_at_what_nobody_knows_keeps_nothing(store: Store) -> None:
    assert store.count() == BudgetView("github", 0, 0)
    assert store.state is None


def test_a_look_changes_nothing(store: Store) -> None:
    store.count(5, 1)
    state, view = budgets.counted(store.state, BudgetReport("github", 60.0), store.now)
    assert state is store.state
    assert view == BudgetView("github", 5, 1)


def test_calls_and_retries_of_all_are_summed(store: Store) -> None:
    store.count(5, 1)
    store.now += 10
    assert store.count(7, 2) == BudgetView("github", 12, 3)


def test_they_leave_the_window(store: Store) -> None:
    store.count(5, 1)
    store.now += 30
    store.count(7, 0)
    store.now += 37  # the window, and a tenth more
    assert store.count() == BudgetView("github", 7, 0)
    store.now += 60
    assert store.count(1, 0) == BudgetView("github", 1, 0)


def test_what_is_kept_is_bounded(store: Store) -> None:
    for _ in range(1000):
        store.now += 0.1
        store.count(1000, 10)
    assert len(json.dumps(store.state)) < 500


def test_what_another_version_has_kept_is_not_known(store: Store) -> None:
    store.count(5, 1)
    assert store.state is not None
    store.state["version"] = 99
    assert store.count() == BudgetView("github", 0, 0)


@pytest.mark.parametrize(
    "slices", [None, 5, [5], [[1000.0, 1]], [[1000.0, "1", 2]], [[1000.0, -1, 2]], [[None, 1, 2]]]
)
def test_what_somebody_else_has_kept_is_not_known(store: Store, slices: object) -> None:
    store.state = {"version": budgets.VERSION, "slices": slices}
    assert store.count(1, 0) == BudgetView("github", 1, 0)
    assert store.count(1, 0) == BudgetView("github", 2, 0)


def test_a_clock_that_is_set_back_does_not_keep_old_calls(store: Store) -> None:
    store.count(5, 1)
    store.now -= 3600
    assert store.count(1, 0) == BudgetView("github", 1, 0)


def test_counts_that_nobody_adds_to_may_be_forgotten_after_two_windows() -> None:
    assert budgets.lasts(BudgetReport("github", 60.0)) == 120
