"""What headers say about a vendor's limits."""

from __future__ import annotations

import math
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.http.ratelimit import (
    MAX_WAIT,
    Quota,
    asked_pause,
    looks_rate_limited,
    quota_of,
    retry_after_of,
)
from resilient.testing import fake_clock

NOW = 1_767_225_600.0


def date(moment: float) -> str:
    return formatdate(moment, usegmt=True)


@pytest.mark.parametrize(("said", "wait"), [("0", 0), ("3", 3), ("0.5", 0.5), (" 120 ", 120)])
def test_retry_after_in_seconds(said: str, wait: float) -> None:
    assert retry_after_of({"Retry-After": said}) == wait


def test_retry_after_as_a_date_counts_from_the_vendors_own_clock() -> None:
    headers = {"retry-after": date(NOW + 30), "date": date(NOW)}
    for ours in (NOW - 9000, NOW, NOW + 9000):  # however wrong it is
        assert retry_after_of(headers, now=ours) == 30


def test_retry_after_as_a_date_counts_from_our_clock_where_the_vendor_gives_none() -> None:
    assert retry_after_of({"Retry-After": date(NOW + 30)}, now=NOW) == 30
    assert retry_after_of({"Retry-After": date(NOW + 30), "Date": "today"}, now=NOW) == 30
    with fake_clock(unix=NOW + 10):
        assert retry_after_of({"Retry-After": date(NOW + 30)}) == 20


def test_a_date_that_has_passed_is_no_wait() -> None:
    assert retry_after_of({"Retry-After": date(NOW - 30)}, now=NOW) == 0


@pytest.mark.parametrize("said", ["", "soon", "-5", "nan", "inf", "1e9", "3 s", "3, 3"])
def test_a_malformed_retry_after_counts_as_absent(said: str) -> None:
    assert retry_after_of({"Retry-After": said}) is None


def test_no_header_makes_anybody_wait_longer_than_a_day() -> None:
    far = date(NOW + 10 * MAX_WAIT)
    assert retry_after_of({"Retry-After": "99999999"}) == MAX_WAIT
    assert retry_after_of({"Retry-After": far}, now=NOW) == MAX_WAIT
    gone = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW + 10 * MAX_WAIT))}
    assert quota_of(gone, now=NOW) == Quota(None, 0, MAX_WAIT)


@pytest.mark.parametrize("prefix", ["RateLimit-", "X-RateLimit-", "X-Rate-Limit-", "x-ratelimit-"])
def test_the_quota_is_read_under_its_usual_names(prefix: str) -> None:
    headers = {f"{prefix}Limit": "100", f"{prefix}Remaining": "7", f"{prefix}Reset": "30"}
    assert quota_of(headers) == Quota(100, 7, 30)


@pytest.mark.parametrize(
    ("reset", "left"),
    [
        ("30", 30),
        (str(int(NOW + 30)), 30),
        (str(int(NOW + 30) * 1000), 30),
        (str(int(NOW - 30)), 0),
        ("soon", None),
        ("-1", None),
    ],
    ids=["seconds", "Unix time", "in milliseconds", "past", "malformed", "negative"],
)
def test_a_reset_is_seconds_from_now_whatever_its_form(reset: str, left: float | None) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    assert quota_of(headers, now=NOW) == Quota(None, 0, left)


def test_an_absolute_reset_counts_from_the_vendors_own_clock() -> None:
    reset = str(int(NOW + 30))
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset, "Date": date(NOW)}
    assert quota_of(headers, now=NOW + 9000) == Quota(None, 0, 30)


def test_a_limit_with_parameters_is_its_first_number() -> None:
    for limit in ("100, 100;w=60", "100;w=60"):
        headers = {"RateLimit-Limit": limit, "RateLimit-Remaining": "5"}
        assert quota_of(headers) == Quota(100, 5, None)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Rate": "5"},
        {"X-RateLimit-Limit": "5"},
        {"X-RateLimit-Remaining": "many"},
        {"X-RateLimit-Remaining": "-1"},
        {"X-RateLimit-Remaining": b"5"},
    ],
)
def test_headers_that_do_not_tell_give_no_quota(headers: dict[str, str]) -> None:
    assert quota_of(headers) is None


def test_a_malformed_dialect_does_not_hide_another() -> None:
    headers = {"RateLimit-Remaining": "?", "X-RateLimit-Remaining": "4"}
    assert quota_of(headers) == Quota(None, 4, None)


EMPTY = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9", "X-RateLimit-Limit": "60"}


@pytest.mark.parametrize(
    ("status", "headers", "limited"),
    [
        (429, {}, True),
        (403, {}, False),
        (403, EMPTY, True),
        (403, {"Retry-After": "60"}, True),  # GitHub's secondary limit
        (503, EMPTY, True),
        (503, {"Retry-After": "60"}, False),  # an outage
        (200, EMPTY, False),
        (404, EMPTY, False),
    ],
)
def test_a_refusal_for_rate_is_told_from_other_answers(
    status: int, headers: dict[str, str], limited: bool
) -> None:
    assert looks_rate_limited(status, headers) is limited


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"Retry-After": "3"}, 3),
        (503, {"Retry-After": "3"}, 3),
        (403, {"Retry-After": "3"}, 3),
        (429, EMPTY, 9),
        (429, EMPTY | {"Retry-After": "3"}, 3),
        (429, EMPTY | {"Retry-After": "0"}, 9),
        (200, EMPTY, 9),
        (404, EMPTY, 9),
    ],
)
def test_an_answer_asks_for_a_pause(status: int, headers: dict[str, str], seconds: float) -> None:
    asked = asked_pause(status, headers)
    assert asked is not None
    assert asked[0] == seconds


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {}),
        (429, {"Retry-After": "0"}),
        (202, {"Retry-After": "3"}),  # come back for the result, and not "slow down"
        (301, {"Retry-After": "3"}),
        (200, EMPTY | {"X-RateLimit-Remaining": "1"}),
        (200, {"X-RateLimit-Remaining": "0"}),  # until when, it does not say
    ],
)
def test_other_answers_ask_for_none(status: int, headers: dict[str, str]) -> None:
    assert asked_pause(status, headers) is None


NAMES = ["Retry-After", "Date", "RateLimit-Limit", "RateLimit-Remaining", "X-Ratelimit-Reset"]


@given(st.dictionaries(st.sampled_from(NAMES), st.text("0123456789-., :GMTNovSun", max_size=30)))
def test_no_headers_make_the_readers_raise_or_give_a_wait_out_of_bounds(
    headers: dict[str, str],
) -> None:
    wait = retry_after_of(headers, now=NOW)
    assert wait is None or 0 <= wait <= MAX_WAIT
    quota = quota_of(headers, now=NOW)
    if quota is not None:
        assert quota.remaining >= 0
        assert quota.reset_in is None or 0 <= quota.reset_in <= MAX_WAIT
        assert quota.limit is None or math.isfinite(quota.limit)
