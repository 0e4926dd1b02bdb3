"""RFC 9110 5.6.7 and RFC 9111 4.2: dates."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.http.caching.dates import date_of, date_text
from tests.http.caching.made import NOON

RFC_EXAMPLE = 784_111_777.0


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "sun, 06 nov 1994 08:49:37 gmt",
        "SUNDAY, 06-NOV-94 08:49:37 GMT",
        " Sun, 06 Nov 1994 08:49:37 GMT ",
        "Mon, 06 Nov 1994 08:49:37 GMT",
    ],
    ids=["IMF", "RFC 850", "asctime", "lower", "upper", "padded", "another weekday"],
)
def test_the_three_forms_are_read_in_any_case_4_2(text: str) -> None:
    assert date_of(text, NOON) == RFC_EXAMPLE


@pytest.mark.parametrize(
    "text",
    [
        *["", "0", "-1", "soon", "784111777", "1994-11-06T08:49:37Z"],
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 EST",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        "06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
    ],
)
def test_what_is_malformed_is_no_date_4_2(text: str) -> None:
    assert date_of(text, NOON) is None
    assert date_of(None, NOON) is None


def test_a_leap_second_is_no_later_than_said_4_2() -> None:
    assert date_of("Sun, 06 Nov 1994 08:49:60 GMT", NOON) == RFC_EXAMPLE + 22


@pytest.mark.parametrize(
    ("year", "meant"), [("26", 2026), ("76", 2076), ("77", 1977), ("00", 2000)]
)
def test_a_year_of_two_digits_is_at_most_50_years_ahead_5_6_7(year: str, meant: int) -> None:
    assert date_of(f"Thursday, 01-Jan-{year} 00:00:00 GMT", NOON) == date_of(
        f"Thu, 01 Jan {meant} 00:00:00 GMT", NOON
    )


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_the_local_zone_does_not_count_4_2(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert date_of("Sun Nov  6 08:49:37 1994 ", NOON) == RFC_EXAMPLE
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.text() | st.from_regex(r"[MSTFW][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT"))
def test_no_text_is_too_odd(text: str) -> None:
    date_of(text, NOON)


@given(st.integers(0, 253_402_300_799))
def test_what_is_written_is_read_again(seconds: int) -> None:
    assert date_of(date_text(seconds), NOON) == seconds


@pytest.mark.parametrize("seconds", [-1.0, 1e18, float("inf")])
def test_any_time_can_be_written(seconds: float) -> None:
    assert date_of(date_text(seconds), NOON) is not None
