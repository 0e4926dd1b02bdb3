"""How long an answer may be used, by its headers."""

from __future__ import annotations

import http.client
import time
from email.message import Message
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from resilient.call import Exchange
from resilient.http.freshness import Freshness, directives_of, freshness_of, kept_until

NOON = "Thu, 01 Jan 2026 12:00:00 GMT"
ONE = "Thu, 01 Jan 2026 13:00:00 GMT"
NOON_UNIX = 1_767_268_800.0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (None, True)),
        ({"Cache-Control": "max-age=60"}, (60, True)),
        ({"cache-control": "MAX-AGE=60"}, (60, True)),
        ({"Cache-Control": 'private, max-age="60"'}, (60, True)),
        ({"Cache-Control": "max-age=60, max-age=5"}, (60, True)),
        # RFC 9111 5.2.2.10: s-maxage is for shared caches only.
        ({"Cache-Control": "s-maxage=600, max-age=60"}, (60, True)),
        ({"Cache-Control": "s-maxage=600"}, (None, True)),
        ({"Cache-Control": "public"}, (None, True)),
        ({"Cache-Control": "max-age=60, must-revalidate"}, (60, False)),
        ({"Cache-Control": "no-store, max-age=60"}, (0, False)),
        ({"Cache-Control": "no-cache"}, (0, False)),
        ({"Cache-Control": 'no-cache="set-cookie", max-age=60'}, (0, False)),
        ({"Cache-Control": 'ext="no-store", max-age=60'}, (60, True)),
        # RFC 9111 4.2.1: what can't be read counts as stale.
        ({"Cache-Control": "max-age=soon"}, (0, True)),
        ({"Cache-Control": "max-age=-5"}, (0, True)),
        ({"Cache-Control": "max-age=6_0"}, (0, True)),
        ({"Cache-Control": "max-age=1e9"}, (0, True)),
        ({"Cache-Control": "max-age"}, (0, True)),
        ({"Cache-Control": "max-age=" + "9" * 400}, (2**31, True)),
        # RFC 9111 5.3: max-age counts where both are there.
        ({"Cache-Control": "max-age=60", "Expires": "0"}, (60, True)),
        ({"Expires": ONE, "Date": NOON}, (3600, True)),
        ({"Expires": NOON, "Date": ONE}, (0, True)),
        ({"Expires": ONE}, (3600, True)),
        ({"Expires": ONE, "Date": "yesterday"}, (3600, True)),
        ({"Expires": "0", "Date": NOON}, (0, True)),
        ({"Expires": "-1"}, (0, True)),
        ({"Expires": ""}, (0, True)),
        ({"Expires": "Thu Jan  1 13:00:00 2026", "Date": NOON}, (3600, True)),
        ({"Expires": "Thursday, 01-Jan-26 13:00:00 GMT", "Date": NOON}, (3600, True)),
        ({"Cache-Control": "max-age=60", "Age": "20"}, (40, True)),
        ({"Cache-Control": "max-age=60", "Age": "100"}, (0, True)),
        ({"Cache-Control": "max-age=60", "Age": "20, 50"}, (40, True)),
        ({"Cache-Control": "max-age=60", "Age": "old"}, (60, True)),
        ({"Cache-Control": "max-age=60", "Age": "-20"}, (60, True)),
        ({"Expires": ONE, "Date": NOON, "Age": "600"}, (3000, True)),
        ({"Age": "20"}, (None, True)),
    ],
    ids=str,
)
def test_the_headers_decide(headers: dict[str, str], expected: tuple[Any, bool]) -> None:
    assert freshness_of(headers, NOON_UNIX) == Freshness(*expected)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_a_date_without_a_zone_is_in_gmt(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        says = freshness_of({"Expires": "Thu Jan  1 13:00:00 2026"}, NOON_UNIX)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert says.lifetime == 3600


@pytest.mark.parametrize("kind", [dict, CaseInsensitiveDict, Message, http.client.HTTPMessage])
def test_headers_are_read_however_a_library_keeps_them(kind: Any) -> None:
    headers = kind()
    headers["cache-CONTROL"] = "max-age=60"
    headers["AGE"] = "10"
    assert freshness_of(headers).lifetime == 50


@given(st.dictionaries(st.sampled_from(["Cache-Control", "Expires", "Date", "Age"]), st.text()))
def test_no_header_raises(headers: dict[str, str]) -> None:
    lifetime, _ = freshness_of(headers, NOON_UNIX)
    assert lifetime is None or 0 <= lifetime <= 2**31 or "Expires" in headers


def test_directives_are_read_apart() -> None:
    text = 'Private, max-age=5 , ext="a, b=c",,foo=bar;no-store'
    assert directives_of(text) == {
        "private": "",
        "max-age": "5",
        "ext": "a, b=c",
        "foo": "bar",
        "no-store": "",
    }
    assert directives_of(None) == {}


def exchange(status: int | None = 200, started: float = 100.0, control: str = "") -> Exchange:
    made = Exchange("GET", "vendor", started)
    made.status = status
    if status is not None:
        made.headers = {"Cache-Control": control} if control else {}
    return made


@pytest.mark.parametrize(
    ("exchanges", "ttl", "expected"),
    [
        ([], 10, 120),
        ([], None, None),
        ([exchange()], 10, 120),
        ([exchange()], None, None),
        ([exchange(control="max-age=60")], 10, 160),
        ([exchange(control="max-age=60")], None, 160),
        ([exchange(control="max-age=5")], 10, None),
        ([exchange(control="no-store")], 10, None),
        ([exchange(control="max-age=60"), exchange(control="max-age=30")], 10, 130),
        ([exchange(control="max-age=60"), exchange()], 10, 120),
        ([exchange(control="max-age=60"), exchange()], None, None),
        ([exchange(), exchange(control="max-age=60")], None, None),
        ([exchange(302), exchange(control="max-age=60")], None, 160),
        ([exchange(302, control="no-store"), exchange(control="max-age=60")], None, None),
        ([exchange(503, control="no-store"), exchange(control="max-age=60")], None, 160),
        ([exchange(None), exchange(control="max-age=60")], None, 160),
        ([exchange(401), exchange()], 10, 120),
        ([exchange(), exchange(None)], 10, None),
        ([exchange(401)], 10, None),
        ([exchange(403, control="max-age=60")], None, 160),
        ([exchange(404)], 10, 120),
        ([exchange(400)], 10, None),
    ],
    ids=["nothing seen", "nothing known", "silent", "silent, no ttl", "said", "said, no ttl"]
    + ["used up", "no-store", "the first to expire", "the silent one by ttl", "silent page"]
    + ["silent first", "silent redirect", "redirect", "repeated", "lost", "logged in first"]
    + ["unanswered", "401", "403 that says so", "404", "400"],
)
def test_a_result_is_as_fresh_as_the_first_answer_to_expire(
    exchanges: list[Exchange], ttl: float | None, expected: float | None
) -> None:
    until = kept_until(exchanges, ttl, 0.0, now=110.0)
    assert until == (None if expected is None else (expected, expected))


def test_one_answer_that_must_be_validated_forbids_stale_use() -> None:
    loose, strict = exchange(control="max-age=60"), exchange(control="max-age=60, must-revalidate")
    assert kept_until([loose], None, 100.0, now=110.0) == (160.0, 260.0)
    assert kept_until([loose, strict, loose], None, 100.0, now=110.0) == (160.0, 160.0)


def test_what_is_stale_at_once_is_kept_for_failures_alone() -> None:
    at_once = exchange(control="max-age=0")
    assert kept_until([at_once], 10, 100.0, now=110.0) == (100.0, 200.0)
    assert kept_until([at_once], 10, 0.0, now=110.0) is None
    assert kept_until([exchange(control="no-store")], 10, 100.0, now=110.0) is None


def test_headers_can_be_left_out_of_it() -> None:
    assert kept_until(
        [exchange(control="no-store")], 10, 5.0, now=110.0, respect_headers=False
    ) == (120.0, 125.0)
