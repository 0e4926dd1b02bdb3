"""Times in every form that vendors write."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.http.dialects.moments import YEAR, ServerTime, duration_of, latest_of, seconds_until
from resilient.testing import fake_clock

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z, a Thursday
OURS = ServerTime(None, now=NOW)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        *[("0", 0), ("30", 30), ("30.25", 30.25), (" 30 ", 30), ('"30"', 30), ("+30", 30)],
        *[("1e3", 1000), ("86400", 86400), ("2592000", 2592000), (str(int(YEAR)), YEAR)],
    ],
)
def test_a_small_number_is_seconds_from_now(told: str, seconds: float) -> None:
    assert seconds_until(told, OURS) == seconds


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        *[("1767225620", 20), ("1767225620.5", 20.5), ("1.76722563e9", 30)],
        *[("1767225620000", 20), ("1767225601250", 1.25)],
        *[("1767225620000000", 20), ("1767225620000000000", 20)],
        *[("1767225600", 0), ("1767225500", 0), ("1000000000", 0), ("1767225600123456", 0.123456)],
    ],
)
def test_a_large_number_is_a_unix_time_in_the_unit_of_its_magnitude(
    told: str, seconds: float
) -> None:
    assert seconds_until(told, OURS) == seconds


@pytest.mark.parametrize(
    "told",
    [
        *["999999999", "31622401", "5000000000", "99999999999999999999", str(int(NOW + 2 * YEAR))],
        *["9999-12-31T23:59:59Z", "400d", "-5", "-5s", "nan", "inf", "", " ", "null", "soon"],
    ],
)
def test_what_nobody_can_mean_counts_as_absent(told: str) -> None:
    assert seconds_until(told, OURS) is None


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        *[("6m0s", 360), ("1h2m3.5s", 3723.5), ("120ms", 0.12), ("2m59.56s", 179.56), ("0s", 0)],
        *[("1d2h", 93600), ("250µs", 0.00025), ("250μs", 0.00025), ("250Âµs", 0.00025)],
        *[
            ("500us", 0.0005),
            ("30 s", 30),
            ("1.5s", 1.5),
            ("5 minutes", 300),
            ("1 hour 5 min", 3900),
        ],
        *[("1 Hour, 5 Minutes", 3900), ("1w", 604800)],
        *[("PT30S", 30), ("PT1M30S", 90), ("P1DT1H", 90000), ("PT0.5S", 0.5), ("P1W", 604800)],
        *[("00:00:05", 5), ("01:30:00", 5400), ("1.00:00:00.5", 86400.5)],
    ],
)
def test_a_duration_is_read(told: str, seconds: float) -> None:
    assert seconds_until(told, OURS) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "told", ["", "3x", "s", "5", "1m30", "P", "PT", "PT1X", "12:30", "1:2:3", "--1s", "1s" * 99]
)
def test_what_is_no_duration_counts_as_absent(told: str) -> None:
    assert duration_of(told) is None


@pytest.mark.parametrize(
    "told",
    [
        *["2026-01-01T00:00:30Z", "2026-01-01T00:00:30z", "2026-01-01 00:00:30"],
        *["2026-01-01T00:00:30.000Z", "2026-01-01T00:00:30,0000000Z", "2026-01-01 00:00:30 UTC"],
        *["2026-01-01T01:00:30+01:00", "2026-01-01T01:00:30+0100", "2025-12-31T19:00:30-05"],
        *["2026-01-01 02:30:30 +0230"],
        *["Thu, 01 Jan 2026 00:00:30 GMT", "Thursday, 01-Jan-26 00:00:30 GMT"],
        *[
            "Thu Jan  1 00:00:30 2026",
            "01 Jan 2026 00:00:30 GMT",
            "Thu, 01 Jan 2026 01:00:30 +0100",
        ],
        *["Thu Jan 01 2026 01:00:30 GMT+0100 (Central European Standard Time)"],
        *["Thu Jan 01 2026 00:00:30 GMT+0000"],
    ],
)
def test_a_date_is_read_in_every_form(told: str) -> None:
    assert seconds_until(told, OURS) == 30


def test_a_date_may_leave_out_what_is_zero() -> None:
    assert seconds_until("2026-01-01T00:01Z", OURS) == 60
    assert seconds_until("2026-01-02", OURS) == 86400
    assert seconds_until("2026-01-01T00:00:00.25Z", OURS) == 0.25


@pytest.mark.parametrize(
    "told",
    [
        *["2026-02-30T00:00:00Z", "2026-01-01T25:00:00Z", "2026-13-01", "0000-01-01T00:00:00Z"],
        *["2026-01-01T00:00:30+99:99", "Tue, 31 Nov 2026 00:00:30 GMT", "2026-01-01T"],
        *[
            "Thu Jan 32 2026 01:00:30 GMT+0100",
            "٢٠٢٦-٠١-٠١T00:00:30Z",
            "Thu, ٠١ Jan 2026 00:00:30 GMT",
        ],
    ],
)
def test_a_date_that_does_not_exist_counts_as_absent(told: str) -> None:
    assert seconds_until(told, OURS) is None


@pytest.mark.parametrize(("scale", "seconds"), [(1e-3, 1.5), (60.0, 90000), (1.0, 1500)])
def test_a_bare_number_has_the_unit_that_the_fields_name_tells(
    scale: float, seconds: float
) -> None:
    assert seconds_until("1500", OURS, scale) == seconds
    assert seconds_until("1767225630000", OURS, scale) == 30, "a Unix time all the same"
    assert seconds_until("2s", OURS, scale) == 2


def test_of_a_field_that_came_several_times_the_latest_counts() -> None:
    assert latest_of("30, 60", OURS) == 60
    assert latest_of("soon, 60, -1", OURS) == 60
    assert latest_of("soon, later", OURS) is None
    assert latest_of("Thu, 01 Jan 2026 00:00:30 GMT", OURS) == 30


def test_the_servers_clock_counts_before_ours() -> None:
    told = str(int(NOW + 30))
    for ours in (NOW - 9000, NOW, NOW + 9000):
        server = ServerTime(formatdate(NOW, usegmt=True), now=ours)
        assert seconds_until(told, server) == 30
        assert seconds_until("30", server) == 30
    assert seconds_until(told, ServerTime("yesterday", now=NOW + 10)) == 20


def test_the_age_of_a_cached_answer_is_added_to_its_date() -> None:
    server = ServerTime(formatdate(NOW - 120, usegmt=True), age=120, now=0)
    assert seconds_until(str(int(NOW + 30)), server) == 30


def test_without_any_clock_handed_in_the_systems_is_asked() -> None:
    with fake_clock(unix=NOW + 10):
        assert seconds_until(str(int(NOW + 30)), ServerTime(None)) == 20


@given(st.text(max_size=200) | st.text("0123456789-:.,TZ +PSMHdhmsµGMTJan", max_size=60))
def test_no_text_makes_the_reader_raise_or_leave_its_bounds(told: str) -> None:
    for scale in (1.0, 1e-3):
        until = latest_of(told, OURS, scale)
        assert until is None or 0 <= until <= YEAR
    lasting = duration_of(told)
    assert lasting is None or lasting >= 0
