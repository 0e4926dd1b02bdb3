"""A quota against random interleavings of workers, clocks, crashes and lost answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from resilient.sharing.memory import MemoryState
from resilient.sharing.protocol import StateStore
from resilient.sharing.shapes import Ask
from resilient.sharing.sqlite.state import open_sqlite
from resilient.testing import FakeClock
from resilient.timing import clock
from tests.sharing.model import TICK, Vendor, Worker

RATES = (
    ((1, 0.5),),
    ((3, 1.0),),
    ((2, 0.25), (5, 2.0)),
    ((4, 1.0), (4, 1.5), (6, 3.0)),
)

places = st.integers(0, 2)

_namespaces = itertools.count()


class Sharing(RuleBasedStateMachine):
    """Three workers at a time. opens: opens the store, which outlives whoever has it open."""

    def __init__(self, opens: Callable[[], StateStore]) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.clock.__enter__()
        self.opens = opens
        self.store = opens()

    @initialize(
        rates=st.sampled_from(RATES),
        lives=st.sampled_from((0.25, 0.5, 2.0)),
        skews=st.tuples(*[st.sampled_from((-300.0, 0.0, 17.25, 300.0))] * 3),
    )
    def begin(self, rates: Any, lives: float, skews: tuple[float, ...]) -> None:
        self.vendor = Vendor(rates)
        self.lives = lives
        self.skews = skews
        self.workers = [Worker(self.vendor, lives, skew) for skew in skews]

    @rule(ticks=st.sampled_from((1, 2, 4, 7, 16, 33, 150)))
    def time_goes_by(self, ticks: int) -> None:
        self.clock.advance(ticks * TICK)

    @rule(
        place=places,
        want=st.integers(0, 5),
        within=st.sampled_from((0.0, 0.25, 1.0, 5.0)),
        whole=st.booleans(),
    )
    def question_is_sent(self, place: int, want: int, within: float, whole: bool) -> None:
        self.workers[place].write(want, within, whole)

    @rule(place=places)
    def question_arrives(self, place: int) -> None:
        self.workers[place].reach(self.store)

    @rule(place=places)
    def answer_arrives(self, place: int) -> None:
        self.workers[place].read()

    @rule(place=places, want=st.integers(1, 5), within=st.sampled_from((0.0, 1.0)))
    def question_is_answered_at_once(self, place: int, want: int, within: float) -> None:
        worker = self.workers[place]
        worker.write(want, within, False)
        worker.reach(self.store)
        worker.read()
        for _ in range(want):
            worker.send_request()

    @rule(place=places)
    def answer_is_lost(self, place: int) -> None:
        self.workers[place].lose_letter()

    @rule(place=places)
    def request_leaves(self, place: int) -> None:
        self.workers[place].send_request()

    @rule(place=places, was_slow=st.booleans())
    def request_is_done(self, place: int, was_slow: bool) -> None:
        self.workers[place].finish_request(was_slow)

    @rule(place=places)
    def slots_are_given_back(self, place: int) -> None:
        self.workers[place].give_back()

    @rule(place=places)
    def worker_dies(self, place: int) -> None:
        self.workers[place].die()
        self.workers[place] = Worker(self.vendor, self.lives, self.skews[place])

    @rule()
    def store_is_opened_anew(self) -> None:
        self.store.close()
        self.store = self.opens()

    @invariant()
    def vendor_is_content(self) -> None:
        if hasattr(self, "vendor"):
            self.vendor.check()

    def teardown(self) -> None:
        try:
            if hasattr(self, "vendor"):
                self._all_is_free_in_the_end()
        finally:
            self.store.close()
            self.clock.__exit__(None, None, None)

    def _all_is_free_in_the_end(self) -> None:
        rates = self.vendor.rates
        for worker in self.workers:
            worker.die()
        self.clock.advance(self.lives + max(period for _, period in rates))
        most = min(calls for calls, _ in rates)
        grant = self.store.trade(Ask("q", "heir", rates, want=most + 1))
        assert list(grant.starts) == [0.0] * most
        self.vendor.check()


def let_loose(home: Callable[[], Callable[[], StateStore]], examples: int) -> None:
    """home: makes a new place for a store, and gives what opens the store there."""
    run_state_machine_as_test(
        lambda: Sharing(home()),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def memory_home() -> Callable[[], StateStore]:
    store = MemoryState()
    return lambda: store


def sqlite_homes(folder: Path) -> Callable[[], Callable[[], StateStore]]:
    numbers = itertools.count()

    def home() -> Callable[[], StateStore]:
        path = folder / f"{next(numbers)}.db"
        return lambda: open_sqlite(path, 1.0)

    return home


def redis_homes(port: int) -> Callable[[], Callable[[], StateStore]]:
    from resilient.sharing.redis.state import RedisState
    from resilient.stores.redis_connection import Wire

    def home() -> Callable[[], StateStore]:
        namespace = f"property{next(_namespaces)}"
        url = f"redis://127.0.0.1:{port}/0"
        return lambda: RedisState(Wire(url, 5.0), namespace, now=clock.monotonic)

    return home


def test_memory_is_never_over_the_quota_and_all_of_it_comes_back() -> None:
    let_loose(memory_home, 20)


def test_sqlite_is_never_over_the_quota_and_all_of_it_comes_back(tmp_path: Path) -> None:
    let_loose(sqlite_homes(tmp_path), 8)


def test_redis_is_never_over_the_quota_and_all_of_it_comes_back(server: Any) -> None:
    let_loose(redis_homes(server.port), 8)


@pytest.mark.stress
def test_memory_holds_the_quota_in_many_cases() -> None:
    let_loose(memory_home, 500)


@pytest.mark.stress
def test_sqlite_holds_the_quota_in_many_cases(tmp_path: Path) -> None:
    let_loose(sqlite_homes(tmp_path), 100)


@pytest.mark.stress
def test_redis_holds_the_quota_in_many_cases(server: Any) -> None:
    let_loose(redis_homes(server.port), 100)
