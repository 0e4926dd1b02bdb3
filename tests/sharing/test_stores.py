"""What every store of shared state does: memory and SQLite here, Redis in test_redis."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resilient.sharing.memory import MemoryState
from resilient.sharing.protocol import StateStore
from resilient.sharing.shapes import Ask, BudgetReport, CircuitReport, CircuitTerms
from resilient.sharing.sqlite.state import open_sqlite
from resilient.testing import FakeClock
from tests.threads import StartThread

TERMS = CircuitTerms(fail_max=3, reset_timeout=30.0, probes=1, success_threshold=1)
THREE_A_SECOND = ((3, 1.0),)

Opens = Callable[[], StateStore]


@pytest.fixture(params=["memory", "sqlite"])
def opens(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Opens]:
    """Opens the same store at each call, as another process would."""
    memory = MemoryState()
    opened: list[StateStore] = []

    def open_it() -> StateStore:
        one = memory if request.param == "memory" else open_sqlite(tmp_path / "state.db", 1.0)
        opened.append(one)
        return one

    yield open_it
    for one in opened:
        one.close()


@pytest.fixture
def state(opens: Opens) -> StateStore:
    return opens()


def test_label_names_the_store(state: StateStore) -> None:
    assert state.label in ("memory", "sqlite:state.db")


def test_workers_share_a_quota(opens: Opens, clock: FakeClock) -> None:
    one, other = opens(), opens()
    assert len(one.trade(Ask("q", "one", THREE_A_SECOND, want=2)).starts) == 2
    grant = other.trade(Ask("q", "other", THREE_A_SECOND, want=2))
    assert (len(grant.starts), grant.workers) == (1, 2)
    one.trade(Ask("q", "one", THREE_A_SECOND, done=[(2, 0.0)]))
    clock.advance(0.25)
    grant = other.trade(Ask("q", "other", THREE_A_SECOND, want=1, within=5))
    assert list(grant.starts) == [pytest.approx(0.75)]


def test_quotas_know_nothing_of_each_other(state: StateStore) -> None:
    state.trade(Ask("q", "one", THREE_A_SECOND, want=3))
    assert len(state.trade(Ask("r", "one", THREE_A_SECOND, want=3)).starts) == 3


def test_quota_that_nobody_used_for_long_begins_anew(state: StateStore, clock: FakeClock) -> None:
    born = state.trade(Ask("q", "one", THREE_A_SECOND, want=3, lives=1e9)).born
    clock.advance(3600)
    grant = state.trade(Ask("q", "other", THREE_A_SECOND, want=3))
    assert len(grant.starts) == 3
    assert grant.born != born


def test_quota_in_use_is_kept(state: StateStore, clock: FakeClock) -> None:
    born = state.trade(Ask("q", "one", THREE_A_SECOND)).born
    for _ in range(5):
        clock.advance(3000)
        assert state.trade(Ask("q", "one", THREE_A_SECOND)).born == born


def test_trip_of_one_worker_is_seen_by_the_others(opens: Opens, clock: FakeClock) -> None:
    one, other = opens(), opens()
    look = CircuitReport("c", TERMS)
    assert [view.state for view in other.circuits("other", [look])] == ["closed"]
    one.circuits("one", [CircuitReport("c", TERMS, failed=1, opens=30.0, why="down")])
    (view,) = other.circuits("other", [look])
    assert (view.name, view.state, view.why) == ("c", "open", "down")
    clock.advance(10)
    assert other.circuits("other", [look])[0].open_for == pytest.approx(20)


def test_reports_are_answered_in_their_order(state: StateStore) -> None:
    reports = [
        CircuitReport("a", TERMS),
        CircuitReport("b", TERMS, failed=1, opens=30.0),
        CircuitReport("a", TERMS, ok=2),
    ]
    views = state.circuits("one", reports)
    assert [(view.name, view.state, view.calls) for view in views] == [
        ("a", "closed", 0),
        ("b", "open", 0),
        ("a", "closed", 2),
    ]


def test_probes_are_bounded_over_all_workers(opens: Opens, clock: FakeClock) -> None:
    one, other = opens(), opens()
    one.circuits("one", [CircuitReport("c", TERMS, failed=1, opens=30.0)])
    assert other.probe("c", "other", TERMS, 10.0).number is None
    clock.advance(31)
    first = one.probe("c", "one", TERMS, 10.0)
    second = other.probe("c", "other", TERMS, 10.0)
    assert first.number is not None
    assert second.number is None
    assert second.view.state == "half-open"
    assert one.probed("c", first.number, TERMS, "ok", 0.0, "").state == "closed"
    assert other.circuits("other", [CircuitReport("c", TERMS)])[0].state == "closed"


def test_circuit_that_nobody_changed_for_long_is_forgotten(
    state: StateStore, clock: FakeClock
) -> None:
    state.circuits("one", [CircuitReport("c", TERMS, failed=1, opens=30.0)])
    clock.advance(4000)
    assert state.circuits("one", [CircuitReport("c", TERMS)])[0].state == "closed"


def test_isolated_circuit_stays_so(state: StateStore, clock: FakeClock) -> None:
    state.circuits("one", [CircuitReport("c", TERMS, forces="isolated")])
    clock.advance(30 * 86_400)
    assert state.circuits("one", [CircuitReport("c", TERMS)])[0].forced == "isolated"


def test_calls_and_retries_of_all_workers_are_one_budget(opens: Opens, clock: FakeClock) -> None:
    one, other = opens(), opens()
    one.budgets([BudgetReport("b", 10, calls=5, retries=1)])
    views = other.budgets([BudgetReport("b", 10, calls=2), BudgetReport("c", 10)])
    assert [(view.name, view.calls, view.retries) for view in views] == [("b", 7, 1), ("c", 0, 0)]
    clock.advance(12)
    assert other.budgets([BudgetReport("b", 10)])[0].calls == 0


def test_figures_are_kept_for_as_long_as_they_live(opens: Opens, clock: FakeClock) -> None:
    one, other = opens(), opens()
    one.try_to_write()
    one.publish("host/1", b"first", 10)
    one.publish("host/1", b"second", 10)
    other.publish("host/2", b"\x00\xff", 20)
    assert other.published() == {"host/1": b"second", "host/2": b"\x00\xff"}
    clock.advance(15)
    assert one.published() == {"host/2": b"\x00\xff"}


def test_threads_take_each_slot_once(opens: Opens, in_thread: StartThread) -> None:
    states = [opens(), opens()]
    given: list[int] = []
    together = threading.Barrier(8)

    def work(number: int) -> None:
        together.wait()
        ask = Ask("q", f"worker{number}", ((100, 60.0),), want=1, lives=60.0)
        for _ in range(20):
            given.append(len(states[number % 2].trade(ask).starts))

    threads = [in_thread(lambda number=number: work(number)) for number in range(8)]
    for thread in threads:
        thread.join()
    assert sum(given) == 100
