from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.sharing.rules.done_log import DoneLog

counts = st.integers(1, 3)
moments = st.floats(0, 50, allow_nan=False)


def filled(entries: list[tuple[int, float]], period: float = 10.0) -> DoneLog:
    log = DoneLog(period, 0.0)
    for count, moment in entries:
        log.add(count, moment)
    return log


def test_slots_that_were_never_used_are_free_for_ever() -> None:
    assert list(DoneLog(10, 0).free_times(2)) == [-math.inf, -math.inf]


def test_the_oldest_are_free_first_in_whatever_order_they_were_told() -> None:
    log = filled([(1, 3), (2, 1), (1, 2)])
    assert list(log.free_times(5)) == [-math.inf, 11, 11, 12, 13]
    assert list(log.free_times(2)) == [12, 13]
    assert list(log.free_times(0)) == list(log.free_times(-3)) == []


def test_those_of_one_moment_are_one_entry() -> None:
    assert list(filled([(1, 2), (1, 2)]).counts) == [2]


def test_slot_is_forgotten_when_it_is_free_and_not_before() -> None:
    log = filled([(2, 1), (1, 2)])
    log.forget(math.nextafter(11, 0))
    assert log.total == 3
    log.forget(11)
    assert (log.total, list(log.moments)) == (1, [2])


def test_copy_for_another_period_is_one_of_its_own() -> None:
    log = filled([(2, 1)])
    other = log.copied_for(20, 5)
    other.add(1, 3)
    assert (other.period, other.total, log.total) == (20, 3, 2)


@given(st.lists(st.tuples(counts, moments), max_size=40))
def test_times_are_those_of_a_plain_list(entries: list[tuple[int, float]]) -> None:
    log = filled(entries)
    plain = sorted(moment + 10 for count, moment in entries for _ in range(count))
    assert log.total == len(plain)
    assert list(log.free_times(len(plain))) == plain


@pytest.mark.parametrize("seed", range(3))
def test_many_entries_are_rounded_up_by_a_thousandth_of_the_period(seed: int) -> None:
    chance = random.Random(seed)
    told = [chance.uniform(0, 50) for _ in range(3000)]
    log = filled([(1, moment) for moment in told], 50)
    kept = [free_at - 50 for free_at in log.free_times(log.total)]
    assert len(log.moments) <= log.EXACT + log.STEPS + 1
    for one, exact in zip(kept, sorted(told), strict=True):
        assert -1e-9 <= one - exact <= 50 / log.STEPS + 1e-9
