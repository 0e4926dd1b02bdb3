"""How much each worker may use while the store is out of reach."""

from __future__ import annotations

from resilient.admission.log import AdmissionLog
from resilient.admission.outage import STRICT, TOGETHER, Outage
from resilient.admission.rates import Rate
from resilient.testing import FakeClock

RATE = Rate(100, 20.0)


def log_of(clock: FakeClock, used: int) -> AdmissionLog:
    log = AdmissionLog(RATE)
    for _ in range(used):
        log.take(clock.now)
        log.give(clock.now + RATE.period)
    return log


def test_nothing_is_capped_as_long_as_the_store_answers() -> None:
    assert not Outage().caps(0.0)


def test_a_share_is_that_of_the_workers_that_there_were(clock: FakeClock) -> None:
    outage = Outage()
    outage.begin([log_of(clock, 80)], 0.0)
    assert outage.caps(1e9)
    assert outage.most(RATE, 4, 1, 0.0) == 25
    assert outage.most(RATE, 1000, 1, 0.0) == 1


def test_a_call_that_costs_more_than_the_share_may_go_when_nothing_else_does(
    clock: FakeClock,
) -> None:
    outage = Outage()
    outage.begin([log_of(clock, 0)], 0.0)
    assert outage.most(RATE, 50, 10, 0.0) == 10


def test_after_a_shortage_nobody_uses_more_than_before_for_a_while(clock: FakeClock) -> None:
    greedy, modest = Outage(), Outage()
    for outage, used in ((greedy, 90), (modest, 10)):
        outage.note_shortage(-1.0)
        outage.begin([log_of(clock, used)], 0.0)
    assert greedy.most(RATE, 2, 1, 0.0) == 50
    assert modest.most(RATE, 2, 1, 0.0) == 10
    assert modest.most(RATE, 2, 1, STRICT) == 50


def test_a_shortage_of_long_ago_does_not_matter(clock: FakeClock) -> None:
    outage = Outage()
    outage.note_shortage(-RATE.period)
    outage.begin([log_of(clock, 10)], 0.0)
    assert outage.most(RATE, 2, 1, 0.0) == 50


def test_the_cap_stays_until_all_workers_may_know_that_the_store_is_back(
    clock: FakeClock,
) -> None:
    outage = Outage()
    outage.begin([log_of(clock, 10)], 0.0)
    outage.end(5.0)
    assert outage.caps(5.0 + TOGETHER - 0.01)
    assert not outage.caps(5.0 + TOGETHER)
