from __future__ import annotations

import math

import pytest

from resilient.sharing.rules.ledger import IDLE, LATE, MOST_LOST, Ledger, longest_life
from resilient.sharing.rules.words import DAY
from resilient.sharing.shapes import Ask, Grant, Word

THREE_A_SECOND = ((3, 1.0),)


class Worker:
    """Trades at moments that a test chooses."""

    def __init__(self, ledger: Ledger, name: str, rates: tuple[tuple[int, float], ...]) -> None:
        self._ledger = ledger
        self._name = name
        self.rates = rates

    def trade(self, now: float, **facts: object) -> Grant:
        ask = Ask("q", self._name, self.rates)._replace(**facts)  # type: ignore[arg-type]
        return self._ledger.trade(ask, now)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def one(ledger: Ledger) -> Worker:
    return Worker(ledger, "one", THREE_A_SECOND)


@pytest.fixture
def other(ledger: Ledger) -> Worker:
    return Worker(ledger, "other", THREE_A_SECOND)


def starts_of(grant: Grant) -> list[float]:
    return list(grant.starts)


def test_no_more_slots_are_given_than_the_rate_has(one: Worker, other: Worker) -> None:
    assert starts_of(one.trade(0, want=2)) == [0, 0]
    grant = other.trade(0, want=2)
    assert starts_of(grant) == [0]
    assert grant.wait == math.inf  # running calls have the rest


def test_slot_is_free_a_period_after_its_request_was_done(one: Worker, other: Worker) -> None:
    one.trade(0, want=3)
    one.trade(0.5, done=[(3, 0.25)])  # that was at 0.25
    assert other.trade(1.0, want=1).wait == pytest.approx(0.25)
    assert starts_of(other.trade(1.25, want=3)) == [0, 0, 0]


def test_unused_slot_is_free_at_once(one: Worker, other: Worker) -> None:
    one.trade(0, want=3)
    one.trade(0.25, unused=2)
    assert starts_of(other.trade(0.25, want=3)) == [0, 0]


def test_unused_slot_that_was_given_ahead_of_time_is_free_when_it_would_have_been(
    one: Worker, other: Worker
) -> None:
    one.trade(0, want=3)
    one.trade(0, done=[(3, 0)])
    assert starts_of(one.trade(0.5, want=1, within=0.5)) == [0.5]
    one.trade(0.5, unused=1)
    assert other.trade(0.5, want=1).wait == 0.5


def test_slot_that_is_free_soon_is_given_with_its_start(one: Worker, other: Worker) -> None:
    one.trade(0, want=3)
    one.trade(0.25, done=[(1, 0.25), (1, 0.125), (1, 0)])  # at 0, 0.125 and 0.25
    grant = other.trade(0.5, want=3, within=0.625)
    assert starts_of(grant) == [0.5, 0.625]
    assert grant.wait == 0.75


def test_those_who_wait_are_given_one_slot_each_in_their_order(one: Worker, other: Worker) -> None:
    one.trade(0, want=3)
    one.trade(0.25, done=[(1, 0.25), (2, 0)])
    assert starts_of(other.trade(0.25, want=1, within=5)) == [0.75]
    assert starts_of(one.trade(0.25, want=1, within=5)) == [1.0]


def test_the_rate_that_takes_longest_decides_when_a_slot_starts(ledger: Ledger) -> None:
    worker = Worker(ledger, "one", ((2, 1.0), (3, 10.0)))
    worker.trade(0, want=2)
    worker.trade(0, done=[(2, 0)])
    assert starts_of(worker.trade(1, want=2)) == [0]
    worker.trade(1, done=[(1, 0)])
    assert starts_of(worker.trade(2, want=4, within=10)) == [8, 8]


def test_whole_is_given_or_nothing(one: Worker, other: Worker) -> None:
    one.trade(0, want=2)
    grant = other.trade(0, want=2, whole=True)
    assert (starts_of(grant), grant.wait) == ([], math.inf)
    one.trade(0, done=[(1, 0)])
    grant = other.trade(0, want=2, whole=True)
    assert (starts_of(grant), grant.wait) == ([], 1)
    assert starts_of(other.trade(0, want=2, whole=True, within=1)) == [0, 1]


def test_kept_slots_stay_free_for_those_who_keep_none(one: Worker, other: Worker) -> None:
    assert starts_of(one.trade(0, want=3, kept=(2,))) == [0]
    assert starts_of(other.trade(0, want=3)) == [0, 0]


def test_slots_of_a_silent_worker_count_as_done_when_its_life_ends(
    one: Worker, other: Worker
) -> None:
    one.trade(0, want=3, lives=0.5)
    assert other.trade(0.4375, want=1).wait == math.inf
    assert other.trade(0.75, want=1).wait == 0.75
    assert starts_of(other.trade(1.5, want=3)) == [0, 0, 0]


def test_each_trade_renews_a_life(one: Worker, other: Worker) -> None:
    one.trade(0, want=3, lives=0.5)
    one.trade(0.25, lives=0.5)
    assert other.trade(0.625, want=1).wait == math.inf


def test_workers_are_those_who_were_heard_of(one: Worker, other: Worker) -> None:
    assert one.trade(0, lives=1).workers == 1
    assert other.trade(0.5, lives=1).workers == 2
    assert other.trade(1, lives=1).workers == 1


def test_worker_that_was_taken_for_dead_brings_back_what_it_had(one: Worker, other: Worker) -> None:
    one.trade(0, want=2, lives=0.5)
    assert starts_of(one.trade(1.5, want=1)) == [0]
    # The two were done long before their life's end, when they were taken as done.
    one.trade(1.5, done=[(2, 1.25)])
    grant = other.trade(1.5, want=3)
    assert (len(grant.starts), grant.wait) == (2, math.inf)


def test_request_that_was_done_later_than_it_was_taken_for_takes_its_slot_again(
    one: Worker, other: Worker
) -> None:
    one.trade(0, want=3, lives=0.5)
    one.trade(1.75, done=[(3, 0.25)])  # at 1.5, when it had been free again
    assert other.trade(1.75, want=1).wait == 0.75


def test_unused_slots_of_a_worker_that_was_taken_for_dead_free_none_that_it_has(
    one: Worker, other: Worker
) -> None:
    one.trade(0, want=2, lives=0.5)
    one.trade(1.5, want=3, lives=0.5)
    one.trade(1.5, unused=2)
    assert other.trade(1.5, want=1).wait == math.inf


def test_worker_that_lives_on_may_bring_back_what_it_had_very_late(
    one: Worker, other: Worker
) -> None:
    one.trade(0, want=2, lives=0.5)
    one.trade(2, want=2, lives=2 * LATE)
    one.trade(1.5 * LATE, done=[(2, 0)])
    assert len(other.trade(1.5 * LATE, want=3).starts) == 0


def test_who_was_lost_is_forgotten_in_the_end(ledger: Ledger, one: Worker, other: Worker) -> None:
    one.trade(0, want=2, lives=0.5)
    other.trade(1)
    assert ledger.lost
    other.trade(1 + LATE)
    assert not ledger.lost


def test_those_who_were_lost_are_bounded(ledger: Ledger) -> None:
    for number in range(3 * MOST_LOST):
        Worker(ledger, f"worker{number}", ((1000, 0.25),)).trade(number, want=1, lives=0.5)
    assert len(ledger.lost) == MOST_LOST
    assert f"worker{3 * MOST_LOST - 2}" in ledger.lost


def test_requests_made_behind_the_stores_back_take_the_slots_that_are_free(
    one: Worker, other: Worker
) -> None:
    one.trade(0, want=1)
    other.trade(0.5, spent=[(1, 0.25)])
    grant = other.trade(0.5, want=3)
    assert (len(grant.starts), grant.wait) == (1, 0.75)


def test_more_spent_than_the_rate_has_delays_by_a_period_and_no_more(one: Worker) -> None:
    one.trade(0.5, spent=[(3, 0.5), (500, 0.25), (4, 0)])
    grant = one.trade(0.5, want=3, within=5)
    assert starts_of(grant) == [1, 1, 1]
    one.trade(1, unused=3)
    assert starts_of(one.trade(1.5, want=3)) == [0, 0, 0]


def test_more_spent_than_anybody_can_send_is_no_error(one: Worker) -> None:
    assert one.trade(0, spent=[(2**40, 0), (2**40, 0)], want=1).wait == 1
    assert len(one.trade(1, want=3).starts) == 3


def test_done_requests_that_were_never_given_take_slots(one: Worker, other: Worker) -> None:
    one.trade(0, done=[(2, 0)])
    assert len(other.trade(0, want=3).starts) == 1


def test_what_was_done_a_period_ago_takes_nothing(one: Worker) -> None:
    assert len(one.trade(5, spent=[(3, 1.0)], want=3).starts) == 3


@pytest.mark.parametrize("age", [-5.0, math.nan], ids=["negative", "nan"])
def test_nonsense_age_counts_as_now(one: Worker, age: float) -> None:
    assert one.trade(0, spent=[(3, age)], want=1).wait == 1


@pytest.mark.parametrize("facts", [{"unused": -2}, {"done": [(-2, 0)]}, {"spent": [(-2, 0)]}])
def test_nonsense_counts_count_nothing(one: Worker, facts: dict[str, object]) -> None:
    one.trade(0, want=2)
    one.trade(0, **facts)
    assert len(one.trade(0, want=3).starts) == 1


def test_rate_that_grows_has_more_slots_at_once(ledger: Ledger, one: Worker) -> None:
    one.trade(0, want=3)
    assert len(Worker(ledger, "one", ((5, 1.0),)).trade(0, want=5).starts) == 2


def test_rate_that_shrinks_keeps_what_is_held(ledger: Ledger, one: Worker, other: Worker) -> None:
    one.trade(0, want=2)
    one.trade(0, done=[(1, 0)])
    other.rates = ((2, 1.0),)
    assert other.trade(0, want=1).wait == 1
    one.trade(0, done=[(1, 0)])
    assert starts_of(other.trade(1, want=3)) == [0, 0]


def test_period_that_changes_keeps_what_was_done(ledger: Ledger, one: Worker) -> None:
    one.trade(0, want=3)
    one.trade(0, done=[(3, 0)])
    for period in (0.5, 2.0):
        longer = Worker(ledger, "two", ((3, period),))
        assert longer.trade(0.25, want=1).wait == period - 0.25


def test_workers_that_disagree_about_the_rate_are_each_held_to_their_own(ledger: Ledger) -> None:
    slow = Worker(ledger, "slow", ((1, 4.0),))
    fast = Worker(ledger, "fast", ((2, 1.0),))
    fast.trade(0, want=1)
    fast.trade(0, done=[(1, 0)])
    assert slow.trade(0, want=1).wait == 4
    assert len(fast.trade(0, want=2).starts) == 1


def test_periods_that_nobody_names_any_more_are_forgotten(ledger: Ledger, one: Worker) -> None:
    for number in range(100):
        Worker(ledger, "other", ((3, 2.0 + number),)).trade(0)
    assert len(ledger.logs) <= 16
    one.trade(IDLE + 200)
    assert list(ledger.logs) == [1.0]


def test_quota_without_rates_gives_what_is_wanted(ledger: Ledger) -> None:
    assert starts_of(Worker(ledger, "one", ()).trade(0, want=50)) == [0] * 50


def test_heartbeat_takes_nothing(one: Worker) -> None:
    grant = one.trade(0)
    assert (starts_of(grant), grant.wait, grant.workers) == ([], 0, 1)
    assert len(one.trade(0, want=3).starts) == 3


def test_pause_holds_everybody_back(one: Worker, other: Worker) -> None:
    one.trade(0, words=[Word("k", "", 0.0, pause=2.0)])
    grant = other.trade(0.5, want=1)
    assert (starts_of(grant), grant.wait, grant.pause) == ([], 1.5, 1.5)
    assert starts_of(other.trade(0.5, want=1, within=2)) == [1.5]


def test_quota_is_kept_for_as_long_as_it_says_anything() -> None:
    assert longest_life(Ask("q", "one", THREE_A_SECOND)) == IDLE
    assert longest_life(Ask("q", "one", ((3, 86_400.0),))) == 2 * 86_400
    assert longest_life(Ask("q", "one", words=[Word("k", "", 0.0)])) > DAY


def test_another_ledger_has_another_name(one: Worker) -> None:
    born = one.trade(0).born
    assert one.trade(1).born == born
    assert Ledger().born != born


def test_million_a_day_is_exact_and_small(ledger: Ledger) -> None:
    rate = (1_000_000, 86_400.0)
    worker = Worker(ledger, "one", (rate,))
    for second in range(0, 86_400, 24):
        worker.trade(second, spent=[(250, 0.5)])
    log = ledger.logs[86_400.0]
    assert log.total == 900_000
    assert len(log.moments) < 1200
    grant = worker.trade(86_400, want=200_000)
    assert 99_000 <= len(grant.starts) <= 100_250
