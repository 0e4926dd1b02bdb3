"""Whole quotas in one field."""

from __future__ import annotations

import pytest

from resilient.http.dialects.fields import read_field, read_policies, read_usage
from resilient.http.dialects.moments import ServerTime

SERVER = ServerTime(None, now=0)


@pytest.mark.parametrize(
    ("told", "windows"),
    [
        ('"default";r=50;t=30', [("default", None, 50, 30, None)]),
        ('"a";r=5;t=2, "b";r=0;t=9', [("a", None, 5, 2, None), ("b", None, 0, 9, None)]),
        ("default;r=50", [("default", None, 50, None, None)]),
        ('"d";q=9;w=60;r=5', [("d", 9, 5, None, 60)]),
        ("limit=100, remaining=50, reset=44", [("n", 100, 50, 44, None)]),
        ("limit=100; remaining=50; reset=44; w=60", [("n", 100, 50, 44, 60)]),
        ("total=100; remaining=0; resets=25", [("n", 100, 0, 25, None)]),
        ("limit=100, used=60", [("n", 100, 40, None, None)]),
        ("api-usage=18/5000", [("api-usage", 5000, 4982, None, None)]),
        ("api-usage=6000/5000(x=y)", [("api-usage", 5000, 0, None, None)]),
        ('"default";r=abc;t=30', []),
        ('"default";r=;t=', []),
        ('"default;r=5', []),
        ("rejected", []),
        ("5", []),
        ("a=b, c=d", []),
        ("", []),
        ("=", []),
    ],
)
def test_a_field_tells_of_whole_windows(told: str, windows: list[tuple[object, ...]]) -> None:
    assert [tuple(row.window())[:5] for row in read_field(told, "n", SERVER)] == windows


@pytest.mark.parametrize(
    ("told", "policies"),
    [
        ('"default";q=100;w=60', [("default", 100, 60, True)]),
        ("100;w=60;burst=5", [("", 100, 60, True)]),
        ("100;w=60, 5000;w=3600", [("", 100, 60, True), ("", 5000, 3600, True)]),
        ('10;w=1;name="per-ip"', [("per-ip", 10, 1, True)]),
        ('"u";q=65535;qu="content-bytes";w=10', [("u", 65535, 10, False)]),
        ('"fixed window";"api";q=500;w=300', [("api", 500, 300, True)]),
        ("daily", []),
        ('"a', []),
    ],
)
def test_policies_are_read_in_every_draft(told: str, policies: list[object]) -> None:
    for _ in range(2):  # the members are kept, and must stay what they are
        rows = read_policies(told)
        assert [(row.name, row.limit, row.period, row.counts) for row in rows] == policies


@pytest.mark.parametrize(
    ("told", "windows"),
    [
        ('{"call_count":28,"total_time":25.5}', [("n", 100, 72, None, None, False)]),
        ('{"call_count":150}', [("n", 100, 0, None, None, False)]),
        ('{"acc_id_util_pct":9.5,"reset_time_duration":100}', [("n", 100, 90.5, 100, None, False)]),
        (
            '{"1":[{"type":"pages","call_count":100,"estimated_time_to_regain_access":2}, 5]}',
            [("pages", 100, 0, 120, None, False)],
        ),
        ('{"call_count":5,"reset_time_duration":1e14}', [("n", 100, 95, None, None, False)]),
        ('{"call_count":"28"}', []),
        ('{"call_count":true}', []),
        ('{"call_count":NaN}', []),
        ('{"call_count":-1}', []),
        ('{"call_count":', []),
        ("[1]", []),
        ('"{"', []),
        ("5", []),
        ('{"1":' * 900, []),
    ],
)
def test_percentages_are_read_as_quotas_of_a_hundred(told: str, windows: list[object]) -> None:
    assert [tuple(row.window()) for row in read_usage(told, "n")] == windows
