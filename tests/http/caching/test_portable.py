"""Responses as plain data, for results that are kept in a shared store."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest
import requests

from resilient.http.caching.portable import register_responses
from resilient.stores.plain import Unstorable, dumps, loads
from tests.http.caching.origin import Origin, fresh, through

register_responses()


def test_a_response_comes_back_as_callers_read_it(
    origin: Callable[..., Origin], session: requests.Session
) -> None:
    server = origin(fresh(b'{"a": 1}', content_type="application/json; charset=utf-8", x_one="1"))
    server.paths["/old?api_key=s3cret&page=2"] = fresh(b"", status="302 Found", location="/new")
    response = session.get(server.url + "old", params={"api_key": "s3cret", "page": "2"})
    kept = dumps([response])
    (again,) = loads(kept)
    assert type(again) is requests.Response
    for name in ("status_code", "reason", "content", "encoding", "headers", "url", "elapsed", "ok"):
        assert getattr(again, name) == getattr(response, name)
    assert again.json() == {"a": 1}
    assert again.raw.read() == b'{"a": 1}'
    assert again.request.method == "GET"
    assert list(again.iter_content(4)) == [b'{"a"', b": 1}"]
    (hop,) = again.history
    assert hop.status_code == 302
    assert hop.url == server.url + "old?page=2"
    assert b"s3cret" not in kept


def test_no_secret_of_the_request_and_no_cookie_is_kept(
    origin: Callable[..., Origin], session: requests.Session
) -> None:
    server = origin(fresh(set_cookie="session=c00kie"))
    session.headers["Authorization"] = "Bearer t0ken"
    url = server.url.replace("://", "://user:passw0rd@")
    kept = dumps(session.post(url, data=b"b0dy", cookies={"a": "c00kie"}))
    for secret in (b"t0ken", b"c00kie", b"passw0rd", b"b0dy"):
        assert secret not in kept


def test_a_body_that_nobody_has_read_is_not_read_for_the_store(
    origin: Callable[..., Origin], session: requests.Session
) -> None:
    server = origin(fresh())
    with session.get(server.url, stream=True) as response:
        with pytest.raises(Unstorable, match="stream=True"):
            dumps(response)
        assert response.content == b"hello"


def test_a_response_made_by_hand_is_kept_as_well() -> None:
    response = requests.Response()
    response.status_code, response._content = 204, b""
    again = loads(dumps(response))
    assert (again.status_code, again.content, again.url) == (204, b"", None)
    assert again.elapsed == datetime.timedelta(0)
    with through(None):
        assert again.ok
