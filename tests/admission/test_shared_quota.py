"""A quota that workers share: its slots, what the vendor told, and a store that fails."""

from __future__ import annotations

import contextlib
import math
import random
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.admission.answer import Answer
from resilient.admission.bucket import Told
from resilient.admission.permit import Permit
from resilient.admission.rates import Rate
from resilient.admission.shared_quota import SharedQuota, StoreOutOfReach
from resilient.call import listeners
from resilient.sharing.shapes import Ask, Grant, Word
from resilient.testing import FakeClock, RecordedSteps, fake_clock
from tests.admission.workers import Store, Worker
from tests.threads import REAL_LIMIT, StartThread, until

HOST = "vendor.example"


@pytest.fixture
def store(clock: FakeClock) -> Store:
    return Store()


def workers_of(store: Store, count: int, *rates: Rate, **options: Any) -> list[Worker]:
    return [Worker(store, *rates, **options) for _ in range(count)]


def worker_with_slots_at_hand(clock: FakeClock, store: Store) -> Worker:
    (one,) = workers_of(store, 1, Rate(1000, 1))
    while len(one.quota._account.leases.slots) < 2:
        one.give(*one.takes(1))
        clock.advance(0.001)
    return one


def said(
    clock: FakeClock,
    remaining: float | None = None,
    reset_in: float | None = 60.0,
    *,
    refused: bool = False,
    wait: float | None = 0.0,
    limit: float | None = 100.0,
    **facts: Any,
) -> Answer:
    now = clock.now
    windows = []
    if remaining is not None:
        resets_at = None if reset_in is None else now + reset_in
        windows.append(("", Told(remaining, limit, resets_at, now, now, refused), True))
    return Answer("f", HOST, now, now, refused, wait, "429" if refused else "200", windows, **facts)


# Slots.


def test_workers_together_take_no_more_than_the_rate(clock: FakeClock, store: Store) -> None:
    one, two = workers_of(store, 2, Rate(10, 60))
    assert len(one.takes(4)) == 4
    assert len(two.takes()) == 6
    assert not one.takes()


def test_a_slot_is_free_for_another_worker_one_period_after_its_request_was_done(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(1, 10))
    permit = one.take()
    assert permit
    clock.advance(3)
    one.step()
    one.give(permit)
    one.step()
    clock.advance(9.74)
    assert not two.take()
    clock.advance(0.02)
    assert two.take()


def test_who_may_wait_is_given_the_slot_that_is_free_next_and_asks_no_more(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(1, 10))
    permit = one.take()
    assert permit
    one.give(permit)
    one.step()
    waiting = Permit(two.quota, 1, "f")
    waiting.until = clock.now + 60
    assert two.quota.take(waiting, clock.now)
    assert two.quota.at_least(waiting, clock.now) == pytest.approx(9.75)
    while wait := two.quota.take(waiting, clock.now):
        clock.advance(wait)
    assert clock.now == pytest.approx(10)
    assert [ask.want for ask in store.asks if ask.want] == [1, 1]


def test_a_worker_that_falls_silent_loses_what_it_holds_one_period_after_its_life(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(5, 10))
    assert len(one.takes()) == 5
    clock.advance(10.9)
    assert not two.takes()
    clock.advance(0.7)  # a life of 1 s, and the period
    assert len(two.takes()) == 5


def test_calls_that_run_for_long_keep_their_slots_alive(clock: FakeClock, store: Store) -> None:
    one, two = workers_of(store, 2, Rate(5, 10))
    held = one.takes()
    for _ in range(200):
        clock.advance(0.2)
        one.step()
    assert not two.takes()
    one.give(*held)
    one.step()
    clock.advance(9.7)
    assert not two.takes()
    clock.advance(0.1)
    assert len(two.takes()) == 5


def test_busy_workers_are_given_slots_ahead_and_bring_back_those_they_did_not_use(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(1000, 1))
    for _ in range(400):
        permit = one.take()
        assert permit
        one.give(permit)
        clock.advance(0.001)
    assert len(store.asks) < 60
    clock.advance(0.2)
    one.step()
    clock.advance(0.2)
    one.step()
    clock.advance(1.0)
    one.step()
    assert len(two.takes(2000)) == 1000


def test_at_a_low_rate_nobody_holds_what_another_worker_could_use(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(10, 60))
    for _ in range(5):
        assert one.take()
        clock.advance(1)
        one.step()
    assert len(two.takes()) == 5


def test_a_worker_in_a_burst_holds_little_of_what_is_left(clock: FakeClock, store: Store) -> None:
    one, two = workers_of(store, 2, Rate(100, 3600))
    for _ in range(60):
        one.give(*one.takes(1))
        clock.advance(0.001)
    assert len(two.takes()) >= 30


def test_what_costs_several_slots_takes_all_or_nothing(clock: FakeClock, store: Store) -> None:
    one, two = workers_of(store, 2, Rate(5, 60))
    assert one.take(cost=3)
    assert not two.take(cost=3)
    assert two.take(cost=2)


def test_several_rates_hold_together_over_all_workers(clock: FakeClock, store: Store) -> None:
    one, two = workers_of(store, 2, Rate(3, 1), Rate(4, 60))
    one.give(*one.takes())
    one.step()
    clock.advance(1.2)
    assert len(two.takes()) == 1


def test_a_reserve_is_kept_from_calls_without_priority_over_all_workers(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(10, 60), reserve=0.2)
    assert len(one.takes()) == 8
    assert not two.takes()
    assert len(two.takes(urgent=True)) == 2


def test_a_spread_pace_is_that_of_all_workers(clock: FakeClock, store: Store) -> None:
    workers = workers_of(store, 2, Rate(600, 600), spread=True)
    taken = []
    for _ in range(200):
        clock.advance(0.1)
        for worker in workers:
            taken += worker.takes(1)
    assert 18 <= len(taken) <= 23


def test_what_an_inner_call_inherits_is_given_back_once(clock: FakeClock, store: Store) -> None:
    (one,) = workers_of(store, 1, Rate(1, 10))
    outer = one.take()
    inner = Permit(one.quota, 1, "g")
    assert outer
    one.quota.hand_over(outer, inner)
    one.give(inner)
    one.give(outer)
    clock.advance(0.2)
    one.step()
    assert [count for ask in store.asks for count, _ in ask.done] == [1]


def test_the_seconds_that_a_caller_waits_at_the_least_are_the_stores(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(1, 100))
    permit = one.take()
    assert permit
    one.give(permit)
    one.step()
    refused = Permit(two.quota, 1, "f")
    refused.until = clock.now
    two.quota.take(refused, clock.now)
    assert two.quota.at_least(refused, clock.now) == pytest.approx(99.75)


def test_a_quota_that_holds_or_has_something_to_tell_is_not_idle(
    clock: FakeClock, store: Store
) -> None:
    (one,) = workers_of(store, 1, Rate(1, 0.1))
    assert one.quota.is_idle
    permit = one.take()
    assert permit
    assert not one.quota.is_idle
    one.give(permit)
    clock.advance(0.2)
    assert not one.quota.is_idle
    one.step()
    assert one.quota.is_idle


# What the vendor told.


def test_a_pause_that_one_worker_was_told_of_holds_for_all(
    clock: FakeClock, store: Store, steps: RecordedSteps
) -> None:
    one, two = workers_of(store, 2, Rate(100, 1))
    two.give(*two.takes(1))
    one.quota.hear(None, said(clock, refused=True, wait=30.0))
    one.step()
    clock.advance(0.3)
    two.step()
    assert not two.take()
    assert two.quota.paused_until == pytest.approx(30, abs=0.1)
    assert [step.kind for step in steps] == ["paused"]
    clock.advance(30)
    assert two.take()


def test_a_pause_is_not_made_longer_by_being_passed_on(clock: FakeClock, store: Store) -> None:
    one, two = workers_of(store, 2, Rate(100, 1))
    one.quota.hear(None, said(clock, refused=True, wait=30.0))
    store.before = lambda ask: clock.advance(0.01)
    for _ in range(50):
        for worker in (one, two):
            worker.take()
            worker.quota._account._was_used = True
            worker.step()
        clock.advance(0.3)
    assert two.quota.paused_until < 30.1


def test_a_worker_that_starts_anew_hears_of_the_pause_before_it_sends_anything(
    clock: FakeClock, store: Store
) -> None:
    (one,) = workers_of(store, 1, Rate(100, 1))
    one.quota.hear(None, said(clock, refused=True, wait=3600.0))
    one.step()
    del one
    clock.advance(10)
    (new,) = workers_of(store, 1, Rate(100, 1))
    assert not new.take()
    assert new.quota.paused_until == pytest.approx(3600)


@pytest.mark.parametrize("rates", [[Rate(100, 1)], []], ids=["rates", "the vendor's alone"])
def test_what_is_left_by_one_workers_answers_bounds_all(
    clock: FakeClock, store: Store, rates: list[Rate]
) -> None:
    one, two = workers_of(store, 2, *rates)
    one.quota.hear(None, said(clock, 5.0))
    one.step()
    taken = one.takes() + two.takes()
    assert len(taken) <= 5
    assert len(taken) >= 3


def test_others_words_survive_a_restart_of_all_workers(clock: FakeClock, store: Store) -> None:
    (one,) = workers_of(store, 1)
    one.quota.hear(None, said(clock, 0.0, reset_in=50.0))
    one.step()
    clock.advance(20)
    (new,) = workers_of(store, 1)
    assert not new.take()
    clock.advance(31)
    assert new.take()


def test_refusals_without_a_word_slow_all_workers_down(
    clock: FakeClock, store: Store, steps: RecordedSteps
) -> None:
    one, two = workers_of(store, 2, Rate(1000, 1))
    two.give(*two.takes(20))
    one.quota.hear(None, said(clock, refused=True, wait=None))
    one.step()
    clock.advance(0.2)
    two.step()
    assert two.quota.cubic is not None
    assert "slowed" in [step.kind for step in steps]


def test_what_other_workers_spend_is_not_taken_for_somebody_elses(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(100, 60))
    for left in range(99, 49, -1):
        permit = (one, two)[left % 2].take()
        assert permit
        permit.quota.hear(permit, said(clock, float(left)))
        permit.quota.give(permit)
        clock.advance(0.02)
    assert all(bucket.others == 0 for bucket in one.quota.buckets.all.values())


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "null",
        "nonsense",
        '{"by": "x", "who": "f", "host": "h", "scope": "", "why": "", "took": -1}',
        '{"by": "x", "who": "f", "host": "h", "scope": "", "why": "", "took": 1e999, "name": ""}',
        '{"by":"x","who":"f","host":"h","scope":"","why":"","took":0,"name":"","resets":null,'
        '"limit":null,"left":"all","refused":false,"counts":true}',
        "[" * 3000,
        "x" * 100_000,
    ],
)
def test_words_that_make_no_sense_change_nothing(clock: FakeClock, store: Store, text: str) -> None:
    (one,) = workers_of(store, 1, Rate(5, 60))
    assert one.take()
    store.trade(Ask("q", "stranger", words=[Word("key", text, 0.0)]))
    assert len(one.takes()) == 4
    assert not one.quota.buckets.all


# A store that fails.


def test_without_the_store_each_worker_goes_on_with_its_share(
    clock: FakeClock, store: Store, steps: RecordedSteps
) -> None:
    workers = workers_of(store, 4, Rate(100, 60))
    for _ in range(2):  # each has to see the others
        for worker in workers:
            worker.give(*worker.takes(1))
    store.is_out = True
    clock.advance(61)
    for worker in workers:
        assert len(worker.takes()) == 25
    kinds = [step.kind for step in steps]
    assert kinds == ["degraded"] * 4  # once a worker


def test_without_the_store_a_worker_that_never_saw_it_has_all_of_the_rate(
    clock: FakeClock, store: Store
) -> None:
    store.is_out = True
    (one,) = workers_of(store, 1, Rate(10, 60))
    assert len(one.takes()) == 10


def test_a_share_is_at_least_one_call(clock: FakeClock, store: Store) -> None:
    workers = workers_of(store, 3, Rate(3, 60), Rate(2, 1))
    for worker in workers:
        worker.give(*worker.takes(1))
    for worker in workers:
        worker.step()
    store.is_out = True
    clock.advance(61)
    assert [len(worker.takes()) for worker in workers] == [1, 1, 1]


def test_what_went_without_the_store_is_told_when_it_is_back(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(100, 60))
    for worker in (one, two, one):
        worker.give(*worker.takes(1))
    clock.advance(61)
    store.is_out = True
    one.give(*one.takes())
    assert len(one.takes(1)) == 0
    store.is_out = False
    clock.advance(5)
    one.step()
    clock.advance(1)
    one.step()
    assert len(two.takes(200)) == 50
    clock.advance(58)
    assert len(two.takes(200)) == 50


def test_a_worker_refuses_without_the_store_if_it_was_told_to(
    clock: FakeClock, store: Store
) -> None:
    (one,) = workers_of(store, 1, Rate(100, 60), refuses=True)
    assert one.take()
    store.is_out = True
    with pytest.raises(StoreOutOfReach):
        one.take()
    with pytest.raises(StoreOutOfReach):
        one.take()
    store.is_out = False
    clock.advance(5)
    assert one.take()


@pytest.mark.parametrize("swallows", [True, False])
def test_a_question_whose_answer_is_lost_never_gives_a_slot_twice(
    clock: FakeClock, store: Store, swallows: bool
) -> None:
    one, two = workers_of(store, 2, Rate(10, 10))
    held = one.takes(5)
    assert two.take()
    one.give(*held[:2])
    store.is_out, store.swallows = True, swallows
    one.takes(0)
    assert one.quota.take(Permit(one.quota, 1, "f"), clock.now) in (0.0, pytest.approx(10, abs=1))
    store.is_out = False
    clock.advance(3)
    one.step()
    one.give(*held[2:])
    clock.advance(0.5)
    one.step()
    # 9 at the most count until the first ones are old enough.
    assert len(one.takes()) + len(two.takes()) <= 4


def test_a_store_that_has_forgotten_everything_is_told_again(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(10, 60))
    held = one.takes(3)
    one.give(*one.takes(3))
    one.quota.pause(50.0)
    store.forget()
    clock.advance(0.3)
    one.step()
    clock.advance(0.3)
    one.step()
    assert not two.take()
    clock.advance(50)
    one.step()
    assert len(two.takes()) <= 4
    one.give(*held)


def test_slots_that_a_forgetful_store_gives_are_used_only_once_it_knows_everything(
    clock: FakeClock, store: Store
) -> None:
    (one,) = workers_of(store, 1, Rate(4, 60))
    one.give(*one.takes(2))
    store.forget()
    assert len(one.takes()) == 2


def test_a_used_up_quota_is_not_used_once_more_when_the_store_is_emptied(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(10, 60))
    two.give(*two.takes(2))
    one.give(*one.takes(8))
    for worker in (two, one):
        assert not worker.take()
        worker.step()
    store.forget()
    clock.advance(0.3)
    assert not two.take()  # five are its share, but the other one has had some of those


def test_an_idle_worker_tells_an_emptied_store_what_it_has_done(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(100, 3600))
    one.give(*one.takes(70))
    for _ in range(3):
        one.step()
    clock.advance(600)
    store.forget()
    one.step()
    one.step()
    assert len(two.takes(100)) == 30


def test_a_loss_that_one_quota_finds_makes_all_of_that_process_look(
    clock: FakeClock, store: Store
) -> None:
    (one,) = workers_of(store, 1, Rate(10, 3600))
    other = SharedQuota([Rate(10, 3600)], 100, one.state, name="other")
    permit = Permit(other, 1, "f")
    assert not other.take(permit, clock.monotonic())
    other.give(permit)
    one.give(*one.takes(1))
    for _ in range(3):
        one.step()
    store.forget()
    one.give(*one.takes(1))
    assert not any(ask.quota == "other" and ask.spent for ask in store.asks)
    one.step()
    one.step()
    assert [ask.spent for ask in store.asks if ask.quota == "other"][-1]


def test_an_idle_quota_asks_nothing_as_long_as_another_one_of_its_process_does(
    clock: FakeClock, store: Store
) -> None:
    (one,) = workers_of(store, 1, Rate(1000, 3600))
    other = SharedQuota([Rate(10, 3600)], 100, one.state, name="other")
    permit = Permit(other, 1, "f")
    assert not other.take(permit, clock.monotonic())
    other.give(permit)
    for _ in range(3):
        one.step()
    asked = len([ask for ask in store.asks if ask.quota == "other"])
    for _ in range(20):
        one.give(*one.takes(1))
        one.step()
    assert len([ask for ask in store.asks if ask.quota == "other"]) == asked


def test_what_went_before_the_quota_was_shared_is_told_with_the_first_question(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(10, 60))
    one.quota.note_spent([clock.now - 30, clock.now - 1])
    assert len(one.takes(4)) == 4
    assert len(two.takes()) == 4
    clock.advance(31)
    assert len(two.takes()) == 1


def test_nobody_asks_a_store_that_is_down_but_the_step(clock: FakeClock, store: Store) -> None:
    (one,) = workers_of(store, 1, Rate(1000, 60))
    one.take()
    store.is_out = True
    asked: list[Ask] = []
    store.before = asked.append
    one.takes(100)
    assert len(asked) == 1
    clock.advance(2)
    one.takes(100)
    assert len(asked) == 1
    one.step()
    assert len(asked) == 2


def test_without_the_store_a_used_up_quota_is_not_used_once_more(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(10, 5))
    two.give(*two.takes(1))
    one.give(*one.takes(), *two.takes())
    for worker in (one, two):
        worker.step()
    store.is_out = True
    assert not one.takes()
    assert not two.takes()
    clock.advance(
        4.8
    )  # nine of one's slots are free, of which five are its share, and one of two's
    assert len(one.takes()) == 5
    assert len(two.takes()) == 1
    clock.advance(0.3)
    assert len(two.takes()) == 4


def test_a_worker_that_is_back_first_does_not_take_what_others_still_use(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(100, 60))
    for worker in (one, two, one):
        worker.give(*worker.takes(1))
    clock.advance(61)
    store.is_out = True
    assert [len(worker.takes(100)) for worker in (one, two)] == [50, 50]
    store.is_out = False
    clock.advance(2)
    one.step()
    assert not one.takes()


def test_listeners_may_call_what_is_throttled(clock: FakeClock, store: Store) -> None:
    one, two = workers_of(store, 2, Rate(100, 1))
    one.quota.hear(None, said(clock, refused=True, wait=30.0))
    one.step()
    heard: list[object] = []

    def call_again(call: object, step: object) -> None:
        heard.append(two.take())

    listeners.add(call_again)
    try:
        two.take()
    finally:
        listeners.remove(call_again)
    assert heard == [None]


# Threads and forks.


def test_a_caller_who_never_waits_still_waits_for_the_answer_that_another_one_asked_for(
    clock: FakeClock, store: Store, in_thread: StartThread
) -> None:
    (one,) = workers_of(store, 1, Rate(10, 60))
    asked, answer = threading.Event(), threading.Event()

    def hold(ask: Ask) -> None:
        asked.set()
        answer.wait(REAL_LIMIT)

    store.before = hold
    got: list[Permit | None] = []
    in_thread(lambda: got.append(one.take()))
    asked.wait(REAL_LIMIT)
    for _ in range(3):
        in_thread(lambda: got.append(one.take()))
    until(lambda: one.quota._account.demand.wanted == 3)
    answer.set()
    until(lambda: len(got) == 4)
    assert all(got)
    assert len(store.asks) == 2  # the three were asked for at once


def test_a_thread_that_is_interrupted_while_it_asks_leaves_the_quota_usable(
    clock: FakeClock, store: Store
) -> None:
    (one,) = workers_of(store, 1, Rate(10, 60))

    def interrupt(ask: Ask) -> None:
        store.before = None
        raise KeyboardInterrupt

    store.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        one.take()
    assert one.take()
    assert not one.quota._account.asking


def test_a_slot_that_the_store_may_have_taken_back_is_at_nobodys_hand(
    clock: FakeClock, store: Store
) -> None:
    one = worker_with_slots_at_hand(clock, store)
    assert one.quota.take_at_hand(Permit(one.quota), clock.now)
    clock.advance(0.4)  # of its life of 0.5 s
    assert not one.quota.take_at_hand(Permit(one.quota), clock.now)
    assert not one.quota._account.leases.slots


def test_a_slot_at_hand_waits_for_the_end_of_a_pause(clock: FakeClock, store: Store) -> None:
    one = worker_with_slots_at_hand(clock, store)
    one.quota.pause(10)
    assert not one.quota.take_at_hand(Permit(one.quota), clock.now)


def test_a_slot_at_hand_is_not_beyond_what_this_worker_knows_itself(
    clock: FakeClock, store: Store
) -> None:
    one = worker_with_slots_at_hand(clock, store)
    (log,) = one.quota.logs
    log.take_some(log.free, clock.now)
    assert not one.quota.take_at_hand(Permit(one.quota), clock.now)


def test_a_slot_at_hand_may_be_more_than_the_share_while_others_miss_the_store(
    clock: FakeClock, store: Store
) -> None:
    one = worker_with_slots_at_hand(clock, store)
    one.quota._account.outage.end(clock.now)
    assert not one.quota.take_at_hand(Permit(one.quota), clock.now)
    clock.advance(0.3)
    assert one.take()


def test_a_forked_child_that_never_reaches_the_store_takes_its_share(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(90, 60))
    for worker in (two, one):
        worker.give(*worker.takes(1))
    clock.advance(61)
    one.quota.renew_in_child()
    store.is_out = True
    assert len(one.takes(90)) == 30


def test_a_forked_child_holds_nothing_and_is_a_worker_of_its_own(
    clock: FakeClock, store: Store
) -> None:
    one, two = workers_of(store, 2, Rate(10, 60))
    held = one.takes(4)
    parent = store.asks[-1].holder
    one.state.worker = "child"
    one.quota.renew_in_child()
    one.give(*held)
    assert len(one.takes(2)) == 2
    assert store.asks[-1].holder != parent
    assert store.asks[-1].holder.startswith("child")
    assert sum(count for ask in store.asks for count, _ in (*ask.done, *ask.spent)) == 0
    assert len(two.takes()) == 4


# Any interleaving.


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 8), st.sampled_from([0.5, 1.0, 10.0]))
def test_no_window_ever_sees_more_than_the_rate_whatever_workers_do(
    seed: int, calls: int, period: float
) -> None:
    chance = random.Random(seed)
    with fake_clock() as clock:
        store = Store()
        workers = workers_of(store, 3, Rate(calls, period), refuses=True)
        seen: list[float] = []
        running: list[tuple[Worker, Permit]] = []

        def pass_time(seconds: float) -> None:
            for _ in range(1 + int(seconds / 0.1)):
                clock.advance(min(seconds, 0.1))
                for one in workers:
                    one.state.step_now()

        for _ in range(80):
            worker = chance.choice(workers)
            action = chance.random()
            if action < 0.45:
                with contextlib.suppress(StoreOutOfReach):
                    permit = worker.take(within=chance.choice([0.0, period]))
                    if permit:
                        running.append((worker, permit))
            elif action < 0.7 and running:
                # The vendor counts it at any moment until it is done.
                worker, permit = running.pop(chance.randrange(len(running)))
                seen.append(clock.now)
                worker.give(permit)
            elif action < 0.73 and not any(worker is busy for busy, _ in running):
                # Nobody goes on alone meanwhile: what all send then is not exact.
                store.is_out = store.swallows = True
                with contextlib.suppress(StoreOutOfReach):
                    worker.take()
                store.is_out = False
            else:
                pass_time(chance.random() * period / 4)
        for first, moment in enumerate(seen):
            inside = [at for at in seen[first:] if at < moment + period]
            assert len(inside) <= calls


def test_no_answer_of_a_store_is_taken_for_an_endless_wait(clock: FakeClock, store: Store) -> None:
    (one,) = workers_of(store, 1, Rate(5, 1))
    one.state.trade = lambda ask: Grant((), math.nan, born="x")  # type: ignore[method-assign]
    wait = one.quota.take(Permit(one.quota, 1, "f"), clock.now)
    assert 0 < wait <= 1
