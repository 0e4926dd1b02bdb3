"""RFC 9111 3.1 and 3.2: which header fields are kept, and which are replaced."""

from __future__ import annotations

import pytest

from resilient.http.caching.fields import headers_kept, updated
from resilient.http.caching.messages import fields_of
from tests.http.caching.made import NOON, date

DATE = ("Date", date())


@pytest.mark.parametrize(
    "name",
    [
        *["Connection", "Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade"],
        *["Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization", "Trailer"],
    ],
)
def test_fields_about_the_connection_are_not_kept_3_1(name: str) -> None:
    assert headers_kept([(name, "y"), (name.lower(), "y"), ("X", "1")]) == (("X", "1"),)


def test_what_connection_lists_is_not_kept_3_1() -> None:
    headers = [("Connection", "a, close"), ("connection", "B"), ("A", "1"), ("b", "2"), ("C", "3")]
    assert headers_kept(headers) == (("C", "3"),)


@pytest.mark.parametrize("name", ["Cache-Control", "Vary", "Date", "Age", "Expires"])
def test_what_restricts_the_use_is_kept_although_connection_lists_it_9110_7_6_1(name: str) -> None:
    assert headers_kept([("Connection", name), (name, "x")]) == ((name, "x"),)


def test_what_no_cache_names_is_not_kept_5_2_2_4() -> None:
    control = ("Cache-Control", 'no-cache="set-cookie, X-A", max-age=60')
    assert headers_kept([control, ("Set-Cookie", "1"), ("x-a", "1"), ("X-B", "1")]) == (
        control,
        ("X-B", "1"),
    )


def test_what_private_names_is_kept_here_5_2_2_7() -> None:
    headers = (("Cache-Control", 'private="set-cookie"'), ("Set-Cookie", "1"))
    assert headers_kept(headers) == headers


def test_a_length_that_the_transfer_coding_overrode_is_not_kept_9112_6_3() -> None:
    headers = [("Content-Length", "2"), ("Transfer-Encoding", "chunked"), ("X", "1")]
    assert headers_kept(headers) == (("X", "1"),)


def test_lines_stay_as_they_were() -> None:
    headers = (("Set-Cookie", "a=1"), ("X", "1"), ("set-cookie", "b=2"))
    assert headers_kept(headers) == headers


def test_newer_fields_replace_older_ones_3_2() -> None:
    old = (DATE, ("X-A", "1"), ("x-a", "2"), ("X-B", "1"), ("Cache-Control", "max-age=1"))
    new = [("Date", date(60)), ("x-A", "3"), ("X-C", "1"), ("Cache-Control", "max-age=9")]
    assert fields_of(updated(old, new, NOON + 60)) == {
        "date": date(60),
        "x-a": "3",
        "x-b": "1",
        "x-c": "1",
        "cache-control": "max-age=9",
    }


@pytest.mark.parametrize("name", ["Content-Length", "Content-Encoding", "Content-Range"])
def test_fields_about_the_stored_body_are_left_alone_3_2(name: str) -> None:
    assert updated((DATE, (name, "old")), [DATE, (name, "new")], NOON) == ((name, "old"), DATE)
    assert updated((DATE,), [DATE, (name, "new")], NOON) == (DATE,)


@pytest.mark.parametrize("name", ["Content-Type", "Content-Location", "ETag", "Set-Cookie"])
def test_other_fields_about_the_content_are_updated_3_2(name: str) -> None:
    assert updated((DATE, (name, "old")), [DATE, (name, "new")], NOON) == (DATE, (name, "new"))


def test_connection_fields_do_not_come_in_by_an_update_3_2() -> None:
    assert updated((DATE,), [DATE, ("Connection", "X"), ("X", "1")], NOON) == (DATE,)


def test_an_old_age_and_date_do_not_outlive_an_update_4_3_4() -> None:
    old = (("Date", date()), ("Age", "500"))
    assert updated(old, [], NOON + 60) == (("Date", date(60)),)
    assert updated(old, [("Age", "3")], NOON + 60) == (("Age", "3"), ("Date", date(60)))


def test_what_no_cache_names_only_now_is_dropped_5_2_2_4() -> None:
    now = ("Cache-Control", 'no-cache="x"')
    assert updated((("X", "1"), DATE), [DATE, now], NOON) == (DATE, now)
