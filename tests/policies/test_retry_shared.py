"""@retry(store=…): one budget for all workers, here several stores over one memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from resilient import ConfigurationError, retry, service
from resilient.sharing import opening
from resilient.sharing.memory import MemoryState
from resilient.sharing.retry_budget import Budget
from resilient.sharing.shapes import BudgetReport
from resilient.sharing.shared import SharedState
from resilient.stores.bytes_store import StoreFailed
from resilient.testing import FakeClock, RecordedSteps


class Store(MemoryState):
    """A memory that can be down."""

    __slots__ = ("asked", "is_down")

    def __init__(self) -> None:
        super().__init__("memory")
        self.is_down = False
        self.asked = 0

    def budgets(self, reports: Any) -> Any:
        self.asked += 1
        if self.is_down:
            raise StoreFailed("it is down")
        return super().budgets(reports)


class Worker:
    """One of several processes: a store of its own over the same memory, and a function."""

    def __init__(self, store: Store, **options: Any) -> None:
        self.state = SharedState(store, 0.25)
        self.retry = retry(2, wait=0, store=self.state, name="github", **options)
        self.tries = 0
        self.is_up = True

        @service("github")
        @self.retry
        def repos() -> str:
            self.tries += 1
            if not self.is_up:
                raise ConnectionError("reset by peer")
            return "fine"

        self.function = repos

    def call(self, times: int = 1) -> None:
        for _ in range(times):
            self.function()

    def fails(self, times: int = 1) -> int:
        """Call a vendor that is down; how many retries were made."""
        self.is_up = False
        before = self.tries
        for _ in range(times):
            with pytest.raises(ConnectionError):
                self.function()
        self.is_up = True
        return self.tries - before - times


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def workers(store: Store, clock: FakeClock) -> Callable[..., list[Worker]]:
    return lambda count, **options: [Worker(store, **options) for _ in range(count)]


def step(*workers: Worker) -> None:
    for worker in workers:
        worker.state.step_now()


def test_the_calls_of_all_workers_allow_retries(workers: Callable[..., list[Worker]]) -> None:
    busy, failing = workers(2)
    busy.call(200)
    step(busy, failing)
    assert failing.fails(100) == 0.2 * (200 + 100)


def test_the_retries_of_all_workers_use_it_up(
    workers: Callable[..., list[Worker]], steps: RecordedSteps
) -> None:
    one, other = workers(2)
    assert one.fails(30) == Budget.FLOOR
    step(one, other)
    assert other.fails(5) == 0
    assert steps.of("retry_refused")[-1].text == (
        "not repeated after ConnectionError: retries are 20% of recent calls already"
    )


def test_before_the_store_has_answered_a_worker_goes_by_its_own_calls(
    workers: Callable[..., list[Worker]],
) -> None:
    (worker,) = workers(1)
    assert worker.fails(30) == Budget.FLOOR


def test_no_call_asks_the_store(workers: Callable[..., list[Worker]], store: Store) -> None:
    (worker,) = workers(1)
    worker.call(500)
    worker.fails(30)
    assert store.asked == 0


def test_what_is_told_is_told_once(workers: Callable[..., list[Worker]], store: Store) -> None:
    (worker,) = workers(1)
    worker.call(100)
    worker.fails(3)
    step(worker)
    step(worker)
    (view,) = store.budgets([BudgetReport("retry:github", 60.0)])
    assert (view.calls, view.retries) == (103, 3)


def test_calls_and_retries_leave_the_window(
    workers: Callable[..., list[Worker]], clock: FakeClock
) -> None:
    one, other = workers(2)
    one.fails(30)
    step(one, other)
    clock.advance(2 * Budget.WINDOW)
    step(one, other)
    assert other.fails(30) == Budget.FLOOR


def test_while_the_store_is_down_each_goes_by_its_own_calls(
    workers: Callable[..., list[Worker]], store: Store, clock: FakeClock
) -> None:
    one, other = workers(2)
    one.fails(30)
    step(one, other)
    store.is_down = True
    step(one, other)
    assert other.fails(30) == Budget.FLOOR
    store.is_down = False
    clock.advance(5)
    step(one, other)
    (view,) = store.budgets([BudgetReport("retry:github", 60.0)])
    assert view.retries == 2 * Budget.FLOOR


def test_what_was_made_long_ago_is_not_told_when_the_store_is_back(
    workers: Callable[..., list[Worker]], store: Store, clock: FakeClock
) -> None:
    (worker,) = workers(1)
    store.is_down = True
    worker.call(1000)
    step(worker)
    clock.advance(2 * Budget.WINDOW)
    store.is_down = False
    step(worker)
    (view,) = store.budgets([BudgetReport("retry:github", 60.0)])
    assert view.calls == 0


def test_refusing_while_the_store_is_down(
    workers: Callable[..., list[Worker]], store: Store, clock: FakeClock, steps: RecordedSteps
) -> None:
    (worker,) = workers(1, on_store_error="refuse")
    store.is_down = True
    step(worker)
    assert worker.fails() == 0
    assert steps.of("retry_refused")[-1].text == (
        "not repeated after ConnectionError: the store of the retry budget can't be reached"
    )
    store.is_down = False
    clock.advance(5)
    step(worker)
    assert worker.fails() == 1


def test_a_forked_child_tells_nothing_of_its_parents_calls(
    workers: Callable[..., list[Worker]], store: Store
) -> None:
    (worker,) = workers(1)
    worker.call(100)
    assert worker.retry.budget is not None
    worker.retry.budget.renew_in_child()
    step(worker)
    (view,) = store.budgets([BudgetReport("retry:github", 60.0)])
    assert view.calls == 0


def test_the_default_store_is_used(store: Store) -> None:
    opening.set_default(SharedState(store, 0.25))
    try:
        shared, local, without = retry(name="a"), retry(store="local"), retry(budget=None)
        for policy in (shared, local, without):
            policy(lambda: None)
        assert shared.settings()["store"] == "memory"
        assert "store" not in local.settings()
        assert "store" not in without.settings()
    finally:
        opening.set_default(None)


def test_a_budget_that_a_service_bundles_is_called_as_the_service(store: Store) -> None:
    policy = retry(store=SharedState(store, 0.25))
    service("stripe", policy)(lambda: None)
    assert policy.budget is not None
    assert policy.budget.report().name == "retry:stripe"


@pytest.mark.parametrize(
    "options", [{"on_store_error": "panic"}, {"store": "memory"}, {"name": ""}, {"name": 5}]
)
def test_bad_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"retry\("):
        retry(**options)


def test_a_policy_that_takes_over_goes_on_with_the_budget(clock: FakeClock) -> None:
    old, new = retry(2, wait=0), retry(2, wait=0, budget=0.1)
    assert old.budget is not None
    assert new.budget is not None
    for _ in range(Budget.FLOOR):
        old.budget.take()
    new.take_over(old)
    assert not new.budget.take()


def test_a_budget_whose_default_store_is_gone_goes_by_its_own_calls(store: Store) -> None:
    policy = retry(2, wait=0, name="github")
    state = SharedState(store, 0.25)
    opening.set_default(state)
    try:
        policy(lambda: None)
    finally:
        opening.set_default(None)
    policy(lambda: None)
    assert policy.budget is not None
    assert policy.budget.shared_in is None
    assert policy.budget.take()
    state.step_now()
    assert policy.budget.take()
