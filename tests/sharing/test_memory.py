from __future__ import annotations

from resilient.sharing.memory import MemoryState
from resilient.sharing.shapes import Ask, BudgetReport, CircuitReport, CircuitTerms
from resilient.testing import FakeClock

ONE_A_SECOND = ((1, 1.0),)


def test_what_nobody_uses_is_forgotten(clock: FakeClock) -> None:
    state = MemoryState()
    state.trade(Ask("old", "one", ONE_A_SECOND))
    state.circuits("one", [CircuitReport("old", CircuitTerms(), ok=1)])
    state.budgets([BudgetReport("old", 10, calls=1)])
    state.publish("one", b"old", 10)
    clock.advance(2 * 86_400)
    state.trade(Ask("new", "one", ONE_A_SECOND))
    assert list(state._ledgers) == ["new"]
    assert (state._circuits, state._budgets, state._figures) == ({}, {}, {})


def test_child_has_nothing_of_its_parent(clock: FakeClock) -> None:
    state = MemoryState()
    state.trade(Ask("q", "one", ONE_A_SECOND, want=1))
    state.publish("one", b"figures", 10)
    state.renew_in_child()
    assert len(state.trade(Ask("q", "two", ONE_A_SECOND, want=1)).starts) == 1
    assert state.published() == {}
