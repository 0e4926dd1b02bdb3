"""The shapes of the values of limit, remaining, used and reset."""

from __future__ import annotations

import pytest

from resilient.http.dialects.moments import ServerTime
from resilient.http.dialects.plans import Bucket
from resilient.http.dialects.windows import Row, period_of, read_bucket

BUCKET = Bucket("b", "x-rate", True, None, limit=0, remaining=1, used=2, resets=((3, 1.0),))


def told(limit: str = "", remaining: str = "", used: str = "", reset: str = "") -> list[object]:
    """Limit, remaining, reset and period of each window."""
    rows = read_bucket(BUCKET, [limit, remaining, used, reset], ServerTime(None, now=0), [])
    assert all(row.window().name == "b" for row in rows)
    return [tuple(row.window())[1:5] for row in rows]


@pytest.mark.parametrize(
    ("values", "windows"),
    [
        (("60", "5", "", "30"), [(60, 5, 30, None)]),
        (("60", "", "55"), [(60, 5, None, None)]),
        (("60", "", "65"), [(60, 0, None, None)]),
        (("", "5", "55"), [(60, 5, None, None)]),
        (("", "", "55"), []),
        (("30,000", "29,000"), [(30000, 29000, None, None)]),
        (("100 requests", "42 requests", "", "30 s"), [(100, 42, 30, None)]),
        (("100", "many"), [(100, None, None, None)]),
        (("unlimited", "unlimited", "", "60"), [(None, None, 60, None)]),
        (("60", "-1", "", "20"), [(60, 0, 20, None)]),
        (("", "-1"), []),
        (("-1", "-1", "", "0"), []),
        (("0", "0"), []),
        (("0", "0", "", "9"), [(None, None, 9, None)]),
        (("0", "3"), [(0, 3, None, None)]),
        (("100;w=60", "7"), [(100, 7, None, 60)]),
        (("100;window=60", "7"), [(100, 7, None, 60)]),
        (("60/minute", "7"), [(60, 7, None, 60)]),
        (("10 per 15 seconds",), [(10, None, None, 15)]),
        (("10 requests per hour",), [(10, None, None, 3600)]),
        (("32/40",), [(40, 8, None, None)]),
        (("", "8/40"), [(40, 8, None, None)]),
        (("", "", "32/40"), [(40, 8, None, None)]),
        (("990, 100", "7, 3", "", "9, 2"), [(990, 7, 9, None), (100, 3, 2, None)]),
        (("100", "7, 3", "", "9"), [(100, 7, 9, None), (100, 3, 9, None)]),
        (("5, 5", "3, 3", "", "9, 9"), [(5, 3, 9, None)]),
        (("100,1000", "", "101,567"), [(100, 0, None, None), (1000, 433, None, None)]),
        (("20:1,100:120", "", "1:1,90:120"), [(20, 19, None, 1), (100, 10, None, 120)]),
    ],
)
def test_values_tell_of_windows(values: tuple[str, ...], windows: list[object]) -> None:
    assert told(*values) == windows


def test_policies_behind_the_limit_in_force_are_kept_apart() -> None:
    policies: list[Row] = []
    values = ['10, 10;w=1;name="per-ip", 1000;w=3600', "7", "", "1"]
    rows = read_bucket(BUCKET, values, ServerTime(None, now=0), policies)
    assert [(row.limit, row.remaining, row.period) for row in rows] == [(10, 7, None)]
    assert [(row.name, row.limit, row.period) for row in policies] == [
        ("per-ip", 10, 1),
        ("", 1000, 3600),
    ]


def test_what_is_left_of_policies_with_names_has_the_periods_of_the_names() -> None:
    values = ["", "Microsoft.Compute/Read3Min;107, Write30Min;587, Other;5, ;;", "", ""]
    rows = read_bucket(BUCKET, values, ServerTime(None, now=0), [])
    assert [(row.name, row.remaining, row.period) for row in rows] == [
        ("Read3Min", 107, 180),
        ("Write30Min", 587, 1800),
        ("Other", 5, None),
    ]


def test_of_several_resets_the_first_readable_one_counts() -> None:
    bucket = BUCKET._replace(resets=((0, 1.0), (1, 1e-3)), limit=-1, remaining=2, used=-1)
    for values, reset in [(["10.5", "99", "1"], 10.5), (["?", "1500", "1"], 1.5)]:
        [row] = read_bucket(bucket, values, ServerTime(None, now=0), [])
        assert row.reset == reset


def test_a_whole_quota_in_the_limits_field_is_left_to_others() -> None:
    alone = Bucket("b", "rate", True, None, limit=0, limit_is_field=True)
    assert read_bucket(alone, ['"d";r=1'], ServerTime(None, now=0), []) == []
    assert read_bucket(alone, ["700"], ServerTime(None, now=0), [])[0].limit == 700
    beside = alone._replace(remaining=1)
    [row] = read_bucket(beside, ["limit=5", "3"], ServerTime(None, now=0), [])
    assert (row.limit, row.remaining) == (None, 3)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("60", 60), ("1s", 1), ("PT1M", 60), ("0", None), ("-1", None), ("", None), ("9" * 12, None)],
)
def test_a_period_is_seconds_or_a_duration(told: str, seconds: float | None) -> None:
    assert period_of(told) == seconds
    assert period_of("1500", 1e-3) == 1.5
