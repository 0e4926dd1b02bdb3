"""What a worker holds of a shared quota, and what it has to tell of it."""

from __future__ import annotations

import itertools
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.admission.leases import Leases, Moments


def held(*starts: float, asked: float = 0.0, lives: float = 4.0) -> Leases:
    leases = Leases("worker", 0.001)
    leases.renew(asked, lives, asked)
    leases.add(starts)
    return leases


def test_two_holders_of_one_worker_have_names_of_their_own() -> None:
    assert Leases("worker", 0.0).name != Leases("worker", 0.0).name


def test_slots_are_used_in_the_order_in_which_they_are_free() -> None:
    leases = held(2.0, 0.5)
    leases.add([1.0])
    assert [leases.lacks(cost, 0.0) for cost in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, None]
    leases.use(2)
    assert leases.slots == [2.0]
    assert leases.running == 2


def test_slots_are_given_up_before_the_store_takes_them_back() -> None:
    leases = held(0.0, asked=10.0, lives=4.0)
    assert leases.lapses_at == 14.0
    assert leases.lacks(1, 12.9) == 0
    assert leases.lacks(1, 13.0) is None
    assert leases.unused == 1


def test_slots_that_the_store_may_have_taken_back_meanwhile_are_given_up() -> None:
    leases = held(0.0, 1.0, asked=10.0, lives=4.0)
    leases.renew(13.0, 4.0, answered=13.9)
    assert len(leases.slots) == 2
    leases.renew(16.0, 4.0, answered=17.0)
    assert (leases.slots, leases.unused) == ([], 2)
    assert leases.lapses_at == 20.0


def test_of_a_surplus_the_latest_slots_go_back() -> None:
    leases = held(1.0, 2.0, 3.0)
    leases.give_up_surplus(1)
    assert (leases.slots, leases.unused) == ([1.0], 2)
    leases.give_up_surplus(0)
    assert (leases.slots, leases.unused) == ([], 3)


def test_moments_within_a_grain_count_as_the_newest_of_them() -> None:
    moments = Moments(1.0)
    for moment in (10.0, 10.4, 11.0, 11.5):
        moments.add(moment)
    assert moments.take(12.0) == [(3, 1.0), (1, 0.5)]
    assert not moments


def test_what_is_too_old_to_matter_is_not_told() -> None:
    moments = Moments(0.1, longest=5.0)
    moments.add(0.0)
    moments.add(4.0)
    assert moments.take(6.0) == [(1, 2.0)]


def test_what_could_not_be_told_is_told_with_the_next_question() -> None:
    moments = Moments(0.1)
    moments.add(1.0)
    told = moments.take(2.0)
    moments.add(3.0)
    moments.put_back(told, 2.0)
    assert moments.take(4.0) == [(1, 3.0), (1, 1.0)]


@settings(max_examples=30)
@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=40), st.integers(1, 100))
def test_however_many_are_told_of_none_is_lost_or_told_too_old(
    gaps: list[float], times: int
) -> None:
    moments = Moments(0.0001)
    all_of_them = list(itertools.accumulate(gaps * times))
    for moment in all_of_them:
        moments.add(moment)
    now = all_of_them[-1]
    told = moments.take(now)
    assert len(told) <= 1000
    assert sum(count for count, _ in told) == len(all_of_them)
    ages = [age for count, age in told for _ in range(count)]
    for moment, age in zip(all_of_them, ages, strict=True):
        assert now - age >= moment - 1e-9
    assert all(math.isfinite(age) and age >= 0 for age in ages)
