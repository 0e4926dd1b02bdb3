"""A quota takes the place of another one, since its options were changed."""

from __future__ import annotations

import pytest

from resilient.admission.inheriting import inherit
from resilient.admission.quota import Quota
from resilient.admission.rates import Rate
from resilient.testing import FakeClock
from tests.admission.workers import Store, Worker


@pytest.fixture
def store(clock: FakeClock) -> Store:
    return Store()


def goes_on_for(one: Worker, *rates: Rate) -> Worker:
    """The same worker, with other options."""
    heir = Worker(one.store, *rates, state=one.state)
    inherit(heir.quota, one.quota)
    return heir


def test_of_more_than_a_lower_rate_admits_the_newest_count(clock: FakeClock) -> None:
    old, new = (Quota([rate], 10, simple=True) for rate in (Rate(4, 60), Rate(2, 60)))
    for pause in (0, 0, 30, 0):
        clock.advance(pause)
        assert old.logs[0].take(clock.now) == 0
        old.logs[0].give(clock.now + 60)
    inherit(new, old)
    clock.advance(30)
    assert new.logs[0].take(clock.now) == 30


def test_what_went_without_the_store_counts_for_who_goes_on(clock: FakeClock, store: Store) -> None:
    store.is_out = True
    one = Worker(store, Rate(20, 60))
    one.give(*one.takes(15))
    heir = goes_on_for(one, Rate(20, 60))
    assert len(heir.takes()) == 5


def test_who_goes_on_without_the_store_has_no_more_than_its_share(
    clock: FakeClock, store: Store
) -> None:
    one, two = (Worker(store, Rate(100, 60)) for _ in range(2))
    for worker in (one, two, one):
        worker.give(*worker.takes(1))
    clock.advance(61)
    store.is_out = True
    heir = goes_on_for(one, Rate(100, 60))
    assert len(heir.takes(200)) == 50


def test_what_went_without_the_store_is_told_by_who_goes_on_and_only_once(
    clock: FakeClock, store: Store
) -> None:
    one = Worker(store, Rate(20, 60))
    assert one.take()
    clock.advance(61)
    store.is_out = True
    one.give(*one.takes(5))
    running = one.takes(2)
    heir = goes_on_for(one, Rate(20, 60))
    store.is_out = False
    clock.advance(5)
    assert heir.take()
    heir.step()
    one.step()
    told = [count for ask in store.asks for count, _ in ask.spent]
    assert sum(told) == 7
    assert running


def test_who_goes_on_tells_a_store_that_has_forgotten_everything(
    clock: FakeClock, store: Store
) -> None:
    one, two = (Worker(store, Rate(20, 60)) for _ in range(2))
    one.give(*one.takes(8))
    one.step()
    heir = goes_on_for(one, Rate(20, 60))
    del one
    heir.give(*heir.takes(1))
    heir.step()
    store.forget()
    clock.advance(2)
    heir.step()
    heir.step()
    assert len(two.takes()) == 11
