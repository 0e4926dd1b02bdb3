"""Messages as plain data, and URLs."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from resilient.http.caching.messages import (
    Stored,
    fields_of,
    has_same_origin,
    normalized,
    resolved,
)
from tests.http.caching.made import part, request, stored


@pytest.mark.parametrize(
    "url",
    [
        "http://vendor.test/a%2Fb~?q=%2f",
        "HTTP://Vendor.TEST:80/a%2fb~?q=%2F",
        "http://vendor.test:/a%2fb%7E?q=%2F#top",
        "http://user:secret@vendor.test/a%2Fb%7e?q=%2f",
    ],
)
def test_equal_urls_have_one_spelling_9110_4_2_3(url: str) -> None:
    assert normalized(url) == "http://vendor.test/a%2Fb~?q=%2F"


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("http://a/", "https://a/"),
        ("http://a/", "http://a:81/"),
        ("http://a/", "http://a:443/"),
        ("http://a/b", "http://a/B"),
        ("http://a/b", "http://a/b/"),
        ("http://a/?q=1", "http://a/?q=2"),
        ("http://a/%2F", "http://a//"),
        ("http://a/?q=a%26b", "http://a/?q=a&b"),
        ("http://a/%2541", "http://a/%41"),
        ("http://a/%%341", "http://a/%41"),
        ("http://[::1]/", "http://[::2]/"),
    ],
)
def test_other_urls_stay_apart_9110_4_2_3(url: str, other: str) -> None:
    assert normalized(url) != normalized(other)


def test_an_empty_path_is_a_slash_9110_4_2_3() -> None:
    assert normalized("https://a:443") == normalized("https://A/") == "https://a/"
    assert normalized("https://a?q=1") == "https://a/?q=1"
    assert normalized("http://[::1]:80/") == "http://[::1]/"


def test_references_are_resolved_9110_10_2_2() -> None:
    url = "http://a/b/c?q=1"
    assert resolved("d", url) == "http://a/b/d"
    assert resolved(" /d ", url) == "http://a/d"
    assert resolved("//B/d", url) == "http://b/d"
    assert resolved("", url) == url
    assert resolved("http://[::1", url) is None
    assert resolved("/\u00c3\u00a4 b", url) == "http://a/%C3%A4%20b"  # UTF-8, read as Latin-1


def test_origins_are_scheme_host_and_port_9110_4_3_1() -> None:
    assert has_same_origin("http://a/b", "http://a/c")
    assert not has_same_origin("http://a/b", "https://a/b")
    assert not has_same_origin("http://a/b", "http://a:81/b")
    assert not has_same_origin("http://a/b", "http://a.b/b")


@example("A://0::")
@example("http://a:80:80")
@example("http://[::1]:")
@given(
    st.text() | st.from_regex(r"https?://[a-zA-Z0-9@:\[\].]*(/[%0-9a-fA-F?#]*)?", fullmatch=True)
)
def test_no_url_is_too_odd(url: str) -> None:
    once = normalized(url)
    assert normalized(once) == once
    resolved(url, "http://a/b")
    resolved("b", url)


def test_lines_of_one_name_are_joined_9110_5_3() -> None:
    assert fields_of([("Vary", "a"), ("X", "1"), ("vary", "b")]) == {"vary": "a, b", "x": "1"}


@pytest.mark.parametrize(
    "one",
    [
        stored({"Vary": "Accept, X", "ETag": '"1"'}, asked=request(accept="a")),
        stored(status=204, body=b"", at=12.5, took=0.25),
        part(2, 4),
        part(2, 4, "*"),
    ],
    ids=str,
)
def test_a_stored_answer_survives_a_store(one: Stored) -> None:
    again = Stored.of_plain(one.plain())
    assert again == one
    assert again.fields == one.fields


@pytest.mark.parametrize("change", [None, 7, [], [1] * 9, "text", {"a": 1}, ["GET"] * 9])
def test_what_is_no_stored_answer_is_refused(change: Any) -> None:
    with pytest.raises(ValueError):
        Stored.of_plain(change)


@pytest.mark.parametrize("place", range(9))
@pytest.mark.parametrize("odd", [None, [None], "odd", [[1]], 1e400, [["a", "b", "c"]], [1, "a", 2]])
def test_no_odd_part_gives_anything_but_a_value_error(place: int, odd: Any) -> None:
    plain = stored({"Vary": "A"}).plain()
    plain[place] = odd
    with contextlib.suppress(ValueError):
        Stored.of_plain(plain)


def test_its_text_shows_no_secret() -> None:
    assert "secret" not in repr(stored({"Set-Cookie": "secret"}, body=b"secret"))


def test_stored_answers_are_equal_by_value_and_have_no_hash() -> None:
    assert stored() == stored()
    assert stored() != stored(body=b"")
    assert stored() != "stored"
    with pytest.raises(TypeError):
        hash(stored())
