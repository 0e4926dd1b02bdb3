"""One quota of the vendor's, told answer by answer."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.admission.bucket import BLIND, MAX_WAIT, STALE, Bucket, Told


def told(
    remaining: float,
    at: float = 0.0,
    *,
    limit: float | None = 100.0,
    resets_at: float | None = 60.0,
    took: float = 0.0,
    refused: bool = False,
) -> Told:
    return Told(remaining, limit, resets_at, at - took, at, refused)


def bucket_of(remaining: float = 100.0, **facts: Any) -> Bucket:
    options = {name: facts.pop(name) for name in ("counts_requests", "strangers") if name in facts}
    return Bucket("", told(remaining, **facts), **options)


def sent(bucket: Bucket, now: float, most: int = 1000) -> int:
    """How many may go at once now; they stay under way."""
    for number in range(most):
        if bucket.lacks(1, 0.0, now):
            return number
        bucket.ramp.enter(now)
    return most


# What is left.


def test_no_more_go_than_are_left() -> None:
    assert sent(bucket_of(8, limit=9), 0.0) == 8
    assert sent(bucket_of(0), 0.0) == 0


def test_the_last_one_of_many_is_kept_to_ask_whether_the_window_is_over() -> None:
    assert sent(bucket_of(50), 0.0) == 49
    # It makes no sense where the window's end is not told, or known to be told too early.
    late = bucket_of(50)
    late.lag = 1.0
    assert sent(late, 0.0) == 50
    assert sent(bucket_of(50, resets_at=None), 0.0) == 50


def test_what_is_under_way_counts_as_spent_until_it_is_told_of() -> None:
    bucket = bucket_of(9, limit=9)
    assert sent(bucket, 0.0, 3) == 3
    assert bucket.spare(0.0, 0.0) == 6
    bucket.learn(told(8, 0.5, limit=9, took=0.4))
    bucket.ramp.leave(fine=True)
    assert bucket.spare(0.0, 0.5) == 8 - 2


@given(st.permutations(range(6)))
def test_answers_count_in_whatever_order_they_come(order: list[int]) -> None:
    """Six requests went together; the vendor counted them one by one."""
    bucket = bucket_of(20, limit=20)
    for _ in range(6):
        bucket.ramp.enter(0.0)
    for place, number in enumerate(order):
        at = 0.5 + place / 100
        bucket.learn(Told(19 - number, 20, 60.0, 0.001, at, False))
        bucket.ramp.leave(fine=True)
        assert bucket.spare(0.0, at) <= 20 - 6 - 1  # the last one is kept
    assert bucket.left == 14


def test_an_old_answer_that_comes_late_gives_nothing_back() -> None:
    bucket = bucket_of(50)
    bucket.learn(told(40, 1.0))
    bucket.learn(told(49, 1.1, took=1.0))
    assert bucket.left == 40


def test_a_quota_that_grew_within_its_window_is_believed() -> None:
    """A vendor that raised it, or a window that ended sooner than it said."""
    bucket = bucket_of(3)
    bucket.learn(told(90, 5.0))
    assert bucket.left == 90


def test_requests_that_left_before_anything_was_known_count_until_they_are_answered() -> None:
    bucket = bucket_of(8, limit=9, strangers=3, at=1.0)
    assert sent(bucket, 1.0) == 5
    for _ in range(3):
        bucket.overhear(0.5)
    assert sent(bucket, 1.0) == 3


def test_later_requests_are_no_strangers() -> None:
    bucket = bucket_of(8, limit=9, strangers=1, at=1.0)
    bucket.overhear(1.5)
    assert bucket.spare(0.0, 1.5) == 7
    bucket.overhear(0.5)
    bucket.overhear(0.5)
    assert bucket.spare(0.0, 1.5) == 8


def test_a_share_is_kept_back() -> None:
    bucket = bucket_of(60)
    assert bucket.lacks(1, 0.5, 0.0) == 0
    assert bucket.lacks(10, 0.5, 0.0) > 0
    assert bucket.lacks(10, 0.0, 0.0) == 0


def test_units_that_are_no_requests_have_a_price_that_is_learned() -> None:
    bucket = bucket_of(1000, limit=1000, counts_requests=False)
    left = 1000.0
    for number in range(1, 31):
        bucket.ramp.enter(float(number))
        left -= 20
        bucket.learn(told(left, number + 0.5, limit=1000, took=0.4))
        bucket.ramp.leave(fine=True)
    assert bucket.price == pytest.approx(20, rel=0.05)
    assert sent(bucket, 31.0) == int(left / bucket.price)


# When it is renewed.


def test_nobody_goes_before_the_reset_and_one_goes_then() -> None:
    bucket = bucket_of(0)
    assert bucket.lacks(1, 0.0, 0.0) == 60
    assert bucket.lacks(1, 0.0, 59.0) == 1
    assert sent(bucket, 60.0) == 1
    bucket.learn(told(99, 60.1, resets_at=120.0, took=0.05))
    bucket.ramp.leave(fine=True)
    assert bucket.left == 99
    # No herd when a pause ends: two may be under way now, one after the other.
    assert [sent(bucket, at) for at in (60.2, 60.3, 60.4)] == [1, 1, 0]


def test_a_reset_that_was_told_too_early_is_learned_once() -> None:
    """Whole seconds, rounded down: the window is over up to one second later."""
    bucket = bucket_of(0, resets_at=60.0)
    assert sent(bucket, 60.0) == 1
    bucket.learn(told(0, 60.1, resets_at=60.1, took=0.05, refused=True))
    bucket.ramp.leave(fine=False)
    assert bucket.lag == 1.0
    assert bucket.due == pytest.approx(61.1)
    bucket.ramp.enter(61.2)
    bucket.learn(told(99, 61.3, resets_at=121.0, took=0.05))
    assert bucket.left == 99
    assert bucket.due == 122.0  # it will be late again


def test_lag_is_bounded() -> None:
    bucket = bucket_of(0, resets_at=1.0)
    now = 1.0
    for _ in range(50):
        now = max(now, bucket.due) + 0.1
        bucket.learn(told(0, now, resets_at=1.0, refused=True))
    assert bucket.lag == 64.0


def test_who_says_nothing_of_a_reset_is_asked_now_and_again_by_one_request() -> None:
    bucket = bucket_of(0, resets_at=None)
    assert bucket.lacks(1, 0.0, 0.0) == BLIND
    assert sent(bucket, BLIND) == 1
    bucket.learn(told(0, BLIND + 0.1, resets_at=None, took=0.05))
    bucket.ramp.leave(fine=True)
    assert bucket.lacks(1, 0.0, BLIND + 0.1) == pytest.approx(BLIND)
    assert sent(bucket, 2 * BLIND + 0.2) == 1
    bucket.learn(told(99, 2 * BLIND + 0.3, resets_at=None, took=0.05))
    bucket.ramp.leave(fine=True)
    assert bucket.lacks(1, 0.0, 2 * BLIND + 0.4) == 0


def test_the_vendors_own_word_holds_until_it_says() -> None:
    bucket = bucket_of(50)
    bucket.hold(7.0)
    assert bucket.lacks(1, 0.0, 0.0) == 7
    assert bucket.left == 0
    assert sent(bucket, 7.0) == 1


@given(
    st.lists(
        st.tuples(
            st.floats(0, 5),
            st.floats(0, 3),
            st.floats(0, 1000) | st.just(0.0),
            st.none() | st.floats(0, 1e18),
            st.none() | st.floats(-10, 100_000),
            st.booleans(),
            st.booleans(),
        ),
        max_size=40,
    ),
    st.booleans(),
)
def test_whatever_the_vendor_tells_someone_asks_in_the_end(
    words: list[tuple[float, float, float, float | None, float | None, bool, bool]],
    counts_requests: bool,
) -> None:
    now = 0.0
    bucket = bucket_of(5, counts_requests=counts_requests)
    for gap, took, remaining, limit, reset_in, refused, enters in words:
        now += gap
        wait = bucket.lacks(1, 0.0, now)
        assert 0 <= wait < math.inf
        if enters and not wait:
            bucket.ramp.enter(now)
        now += took
        resets_at = None if reset_in is None else now + reset_in
        word = told(remaining, now, limit=limit, resets_at=resets_at, took=took, refused=refused)
        bucket.learn(word)
        if bucket.ramp.under_way:
            bucket.ramp.leave(fine=not refused)
        assert 0 <= bucket.at_least(0, 0.0, now) < math.inf
        assert 0 <= bucket.interval(now) < math.inf
        bucket.forecast(now)
    # From here on nobody hears anything.
    for _ in range(200):
        wait = bucket.lacks(1, 0.0, now)
        if not wait:
            break
        assert wait < 3 * MAX_WAIT
        now += wait
    assert bucket.lacks(1, 0.0, now) == 0


@given(st.floats(0, 50), st.integers(0, 60), st.sampled_from([0.0, 0.3]), st.integers(1, 5))
def test_nobody_is_told_of_a_longer_wait_than_there_is(
    left: float, place: int, reserve: float, price: int
) -> None:
    bucket = bucket_of(left, counts_requests=price == 1)
    bucket.price = float(price)
    wait = bucket.lacks(place + 1, reserve, 0.0)
    assert bucket.at_least(place, reserve, 0.0) == wait


# Others.


def test_what_somebody_else_spends_is_noticed_and_left_to_them() -> None:
    bucket = bucket_of(100)
    for second in range(1, 11):
        bucket.ramp.enter(float(second))
        bucket.learn(told(100 - 5 * second, second + 0.01, took=0.01))
        bucket.ramp.leave(fine=True)
    assert 3 < bucket.others < 6
    assert bucket.spare(0.0, 10.1) < 49
    # After some silence they have spent what nobody told us of.
    assert bucket.spare(0.0, 10.01 + STALE) < bucket.spare(0.0, 10.02)


def test_who_is_alone_leaves_nothing_to_others() -> None:
    bucket = bucket_of(100)
    for second in range(1, 11):
        bucket.ramp.enter(float(second))
        bucket.learn(told(100 - second, second + 0.01, took=0.01))
        bucket.ramp.leave(fine=True)
    assert bucket.others == 0
    assert bucket.spare(0.0, 11.0) == 90 - 1


def test_the_margin_for_others_is_never_much_of_the_quota() -> None:
    bucket = bucket_of(99)
    bucket.others = 1e6
    assert bucket.spare(0.0, 0.0) >= 99 - 1 - 10


# What it tells.


def test_a_forecast_is_made_once_a_window_and_only_if_it_matters() -> None:
    bucket = bucket_of(1000, limit=1000, resets_at=3600.0)
    bucket.ramp.enter(0.0)
    bucket.learn(told(990, 5.0, limit=1000, resets_at=3600.0))
    assert bucket.forecast(5.0) is None  # a burst is no pace
    bucket.learn(told(900, 100.0, limit=1000, resets_at=3600.0))
    forecast = bucket.forecast(100.0)
    assert forecast is not None
    assert forecast.gone_in == pytest.approx(900)
    assert forecast.resets_in == pytest.approx(3500)
    bucket.learn(told(800, 200.0, limit=1000, resets_at=3600.0))
    assert bucket.forecast(200.0) is None
    bucket.learn(told(999, 3601.0, limit=1000, resets_at=7200.0))
    bucket.learn(told(700, 3801.0, limit=1000, resets_at=7200.0))
    assert bucket.forecast(3801.0) is not None


@pytest.mark.parametrize(
    ("left", "at", "resets_at"),
    [(990, 100.0, 3600.0), (100, 900.0, 920.0), (0, 100.0, 3600.0), (500, 1900.0, None)],
    ids=["a pace that lasts", "nothing to do about it", "it is gone", "no reset"],
)
def test_there_is_no_forecast_of_what_nobody_needs_to_know(
    left: float, at: float, resets_at: float | None
) -> None:
    bucket = bucket_of(1000, limit=1000, resets_at=resets_at)
    bucket.ramp.enter(0.0)
    bucket.learn(told(left, at, limit=1000, resets_at=resets_at))
    assert bucket.forecast(at) is None


def test_what_is_left_can_be_spread_until_the_reset() -> None:
    bucket = bucket_of(31, resets_at=60.0)
    assert bucket.interval(0.0) == pytest.approx(60 / 30)
    assert bucket.interval(30.0) == pytest.approx(30 / 30)
    assert bucket.interval(61.0) == 0
    assert bucket_of(0).interval(0.0) == 60
    assert bucket_of(5, resets_at=None).interval(0.0) == 0


def test_it_reads_as_people_say_it() -> None:
    assert str(bucket_of(7)) == "7 of 100 calls left"
    assert str(bucket_of(7, limit=None)) == "7 calls left"
    assert str(Bucket("search", told(7))) == "7 of 100 calls left (search)"
    tokens = Bucket("tokens", told(1500, limit=20_000), counts_requests=False)
    assert str(tokens) == "1500 of 20000 units left (tokens)"
    assert bucket_of(25).share_left == 0.25
    assert bucket_of(25, limit=None).share_left == math.inf


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("search", " (search)"),
        ("DeleteVMScaleSet3Min", " (DeleteVMScaleSet3Min)"),
        ("tokens-per_day", " (tokens-per_day)"),
        ("", ""),
        ("sk_live_51Hx9QuickstartSecret", ""),
        ("4111111111111111", ""),
        ("a\x1b[31mred", ""),
        ("a" * 41, ""),
        ("eyJhbGciOiJIUzI1NiJ9", ""),
    ],
)
def test_people_read_only_names_that_can_hold_no_secret(name: str, shown: str) -> None:
    bucket = Bucket(name, Told(3.0, 10.0, 60.0, 0.0, 0.0, False))
    assert str(bucket) == f"3 of 10 calls left{shown}"
