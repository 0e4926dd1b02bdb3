"""RFC 9111 4.4: what unsafe requests make void."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.http.caching.invalidating import invalidated_by, is_unsafe
from tests.http.caching.made import URL, request


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "MKCOL", "M-SEARCH", "get"])
@pytest.mark.parametrize("status", [200, 201, 204, 299, 302, 303])
def test_an_unsafe_method_that_worked_voids_its_url_4_4(method: str, status: int) -> None:
    assert invalidated_by(request(method), status, {}) == [URL]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY"])
def test_safe_methods_void_nothing_9110_9_2_1(method: str) -> None:
    assert not is_unsafe(method)
    assert invalidated_by(request(method), 200, {"location": "/x"}) == []


@pytest.mark.parametrize("status", [0, 100, 400, 404, 412, 500, 503])
def test_errors_void_nothing_4_4(status: int) -> None:
    assert invalidated_by(request("POST"), status, {"location": "/x"}) == []


def test_the_urls_that_the_answer_names_are_void_too_4_4() -> None:
    fields = {"location": "items/7", "content-location": "HTTP://VENDOR.test:80/other#x"}
    assert invalidated_by(request("POST"), 201, fields) == [
        URL,
        "http://vendor.test/items/7",
        "http://vendor.test/other",
    ]


@pytest.mark.parametrize(
    "other",
    ["http://evil.test/items", "https://vendor.test/items", "http://vendor.test:81/", "//evil/x"]
    + ["http://[::1", "http://vendor.test@evil.test/", "mailto:a@vendor.test", ""],
)
def test_other_origins_are_left_alone_4_4(other: str) -> None:
    for name in ("location", "content-location"):
        assert invalidated_by(request("POST"), 200, {name: other}) == [URL]


def test_the_url_is_normalized() -> None:
    url = "HTTP://user:secret@Vendor.Test:80/%7ea#x"
    assert invalidated_by(request("PUT", url), 200, {}) == ["http://vendor.test/~a"]


@given(st.text(), st.text())
def test_no_location_is_too_odd(url: str, location: str) -> None:
    invalidated_by(request("POST", url), 200, {"location": location})
    invalidated_by(request("POST"), 200, {"location": location, "content-location": url})
