"""Traffic that resumes, a rate that is cut and recovers."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.admission.pacing import GAP, PATIENCE, WIDE, Backoff, Cubic, Meter, Ramp


def resumed() -> Ramp:
    ramp = Ramp()
    ramp.restart()
    return ramp


# Ramp.


def test_nothing_is_held_back_before_there_was_a_pause() -> None:
    ramp = Ramp()
    for _ in range(500):
        assert ramp.lacks(0) == 0
        ramp.enter(0)
    assert ramp.is_open


def test_traffic_that_resumes_begins_with_one_request() -> None:
    ramp = resumed()
    assert ramp.lacks(10) == 0
    ramp.enter(10)
    assert ramp.lacks(10) > 0
    ramp.leave(fine=True)
    assert ramp.lacks(10 + GAP) == 0


def test_each_answer_lets_two_more_go_as_in_a_slow_start() -> None:
    """RFC 5681 3.1: what is under way doubles with each round trip."""
    ramp = resumed()
    widths = []
    now = 0.0
    while not ramp.is_open:
        now += 1
        while not ramp.lacks(now) and not ramp.is_open:
            ramp.enter(now)
            now += GAP
        widths.append(ramp.under_way)
        for _ in range(ramp.under_way):
            ramp.leave(fine=True)
    assert widths == [1, 2, 4, 8, 16]
    assert ramp.under_way == 0


def test_a_refusal_lets_nobody_follow_sooner() -> None:
    ramp = resumed()
    ramp.enter(0)
    ramp.leave(fine=False)
    assert ramp.allowed == 1


def test_an_answer_that_never_comes_holds_nobody_back_for_good() -> None:
    ramp = resumed()
    ramp.enter(5)
    assert ramp.lacks(5) == PATIENCE
    assert ramp.lacks(5 + PATIENCE / 2) == PATIENCE / 2
    assert ramp.lacks(5 + PATIENCE) == 0
    ramp.enter(5 + PATIENCE)
    assert ramp.lacks(5 + PATIENCE) == PATIENCE


def test_requests_keep_a_distance_though_the_vendor_answers_at_once() -> None:
    ramp = resumed()
    now, moments = 0.0, []
    for _ in range(6):
        now += ramp.lacks(now)
        moments.append(now)
        ramp.enter(now)
        ramp.leave(fine=True)
    gaps = [later - sooner for sooner, later in itertools.pairwise(moments)]
    assert gaps == pytest.approx([GAP / number for number in range(1, 6)])


def test_a_wide_ramp_is_open_for_good_until_it_starts_again() -> None:
    ramp = resumed()
    for number in range(WIDE):
        ramp.enter(number)
        ramp.leave(fine=True)
    assert ramp.is_open
    ramp.restart()
    assert not ramp.is_open


@given(st.lists(st.sampled_from(["enter", "fine", "refused", "restart"]), max_size=80))
def test_a_ramp_counts_what_is_under_way_whatever_happens_and_lets_someone_go_in_time(
    events: list[str],
) -> None:
    ramp, expected = Ramp(1), 0
    for now, event in enumerate(events):
        if event == "restart":
            ramp.restart()
        elif event == "enter":
            ramp.enter(now)
            expected += 1
        elif expected:
            ramp.leave(fine=event == "fine")
            expected -= 1
        assert ramp.under_way == expected
        assert 0 <= ramp.lacks(now) <= PATIENCE


# Backoff.


def test_each_refusal_in_a_row_doubles_the_time_to_stay_away_up_to_a_bound() -> None:
    backoff, now, pauses = Backoff(), 0.0, []
    for _ in range(14):
        pause = backoff.refused(now, now)
        assert pause is not None
        pauses.append(pause)
        now += pause
    first = Backoff.FIRST
    assert pauses[:3] == [first, 2 * first, 4 * first]
    assert pauses[-1] == Backoff.MOST
    assert all(later >= sooner for sooner, later in itertools.pairwise(pauses))


def test_requests_that_were_refused_together_are_one_refusal() -> None:
    backoff = Backoff()
    assert backoff.refused(0.0, 0.5) == Backoff.FIRST
    assert backoff.refused(0.1, 0.5) is None
    assert backoff.refused(0.4, 0.55) is None
    assert backoff.is_first


def test_an_admission_makes_the_next_refusal_the_first_again() -> None:
    backoff = Backoff()
    backoff.refused(0, 0)
    backoff.refused(1, 1)
    assert not backoff.is_first
    backoff.admitted(1.05)  # it left before the newest refusal was known
    assert backoff.refused(2, 2) == 4 * Backoff.FIRST
    backoff.admitted(10)
    assert backoff.refused(11, 11) == Backoff.FIRST
    assert backoff.is_first


# Meter.


def test_the_rate_is_that_of_the_newest_admissions() -> None:
    meter = Meter()
    for number in range(200):
        meter.add(number / 20)
    assert meter.rate(10.0) == pytest.approx(20, rel=0.05)
    assert meter.newest_rate(10.0) == pytest.approx(20, abs=1)
    for number in range(100):
        meter.add(10 + number / 4)
    assert meter.rate(35.0) == pytest.approx(4, rel=0.05)
    assert not meter.is_guess(35.0)


def test_a_burst_of_an_instant_is_no_rate_of_thousands() -> None:
    meter = Meter([5.0] * 20)
    assert meter.is_guess(5.01)
    assert meter.rate(5.01) <= 20 / Meter.SPAN


def test_without_an_admission_there_is_a_rate_all_the_same() -> None:
    assert 0 < Meter().rate(100) < math.inf
    assert Meter().is_guess(100)


# Cubic.


def cut(rate: float = 100.0, *, is_guess: bool = False) -> Cubic:
    return Cubic(rate, 0.0, is_guess=is_guess)


def moments(cubic: Cubic) -> list[float]:
    return [cubic._recovery * tenth / 10 for tenth in range(31)]


def test_a_refusal_cuts_the_rate_by_a_factor() -> None:
    assert cut(100).rate(0) == pytest.approx(100 * Cubic.BETA)


def test_the_rate_recovers_along_a_cubic_curve() -> None:
    """RFC 9438 4.2: concave up to the rate it was cut from, flat there, convex beyond."""
    cubic = cut(100)
    rates = [cubic.rate(at) for at in moments(cubic)]
    steps = [later - sooner for sooner, later in itertools.pairwise(rates)]
    assert all(step > 0 for step in steps)
    assert rates[10] == pytest.approx(100)
    assert steps[:10] == sorted(steps[:10], reverse=True)
    assert steps[10:] == sorted(steps[10:])
    assert cubic.rate(cubic._recovery / 2) > 90


def test_a_slow_rate_takes_its_time_to_recover() -> None:
    """The more seconds between two requests, the longer until one more refusal is risked."""
    assert cut(0.1)._recovery == Cubic.CALLS / 0.1
    assert cut(1000)._recovery == Cubic.RECOVERY


def test_a_refusal_is_history_after_some_time_without_another() -> None:
    cubic = cut(100)
    late = Cubic.BEYOND * cubic._recovery
    assert not cubic.is_over(late - 0.1)
    assert cubic.is_over(late + 0.1)
    assert cubic.rate(late) >= 3 * 100


def test_a_second_cut_starts_below_the_rate_at_which_it_was_refused() -> None:
    cubic = cut(100)
    for _ in range(500):
        cubic.enter()
    before = cubic.rate(8.0)
    cubic.cut(80.0, 8.0)
    assert cubic.rate(8.0) < before * 0.8
    assert cubic.refused <= 500 / 8


def test_a_guess_is_left_behind_within_seconds() -> None:
    """While the refused rate is a guess, nothing keeps the rate at it."""
    cubic = cut(2.0, is_guess=True)
    assert cubic.rate(10) > 100
    cubic.cut(50.0, 5.0)
    assert cubic.rate(5.0) < 50
    assert not cubic._is_guess


@given(
    st.floats(0.001, 10_000),
    st.booleans(),
    st.lists(
        st.tuples(st.floats(0, 1000), st.floats(0.001, 10_000), st.integers(0, 3)), max_size=20
    ),
)
def test_a_rate_is_never_zero_or_endless(
    rate: float, is_guess: bool, cuts: list[tuple[float, float, int]]
) -> None:
    cubic, now = Cubic(rate, 0.0, is_guess=is_guess), 0.0
    for gap, newest, sent in cuts:
        now += gap
        for _ in range(sent):
            cubic.enter()
        assert 0 < cubic.rate(now) < math.inf
        cubic.cut(newest, now)
        assert 0 < cubic.rate(now) < math.inf
