"""How `@cached(http=True)` fits clients: redirects, URLs, streams, cookies, hooks, sessions."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from resilient import cached
from resilient.testing import FakeClock
from tests.http.caching.origin import Origin, fresh, say
from tests.http.caching.scenarios import Fetch
from tests.http.loopback import LOCAL

MakeOrigin = Callable[..., Origin]


@pytest.fixture
def fetch() -> Fetch:
    """The decorated function; one cache a test."""

    @cached(http=True)
    def get(url: str, method: str = "GET", **options: Any) -> requests.Response:
        return requests.request(method, url, **options)

    return get


@pytest.fixture
def ask(session: requests.Session) -> Fetch:
    """The same with one session."""

    @cached(http=True)
    def get(url: str, method: str = "GET", **options: Any) -> requests.Response:
        return session.request(method, url, **options)

    return get


def counts(server: Origin) -> dict[str, int]:
    paths = [head.split()[1].decode() for head in server.heads]
    return {path: paths.count(path) for path in paths}


def test_each_hop_of_a_redirect_is_kept_by_its_own_rules(origin: MakeOrigin, fetch: Fetch) -> None:
    server = origin(b"")
    server.paths = {
        "/a": fresh(b"", status="301 Moved Permanently", location="/b"),
        "/b": say(b"", "302 Found", location="/c"),
        "/c": fresh(b"here"),
    }
    for _ in range(3):
        response = fetch(server.url + "a")
        assert response.content == b"here"
        assert response.url == server.url + "c"
        assert [hop.status_code for hop in response.history] == [301, 302]
    assert counts(server) == {"/a": 1, "/b": 3, "/c": 1}


def test_a_stored_redirect_is_followed_to_a_target_that_is_asked(
    origin: MakeOrigin, fetch: Fetch
) -> None:
    server = origin(b"")
    server.paths = {
        "/a": fresh(b"", status="308 Permanent Redirect", location="/b"),
        "/b": say(b"here"),
    }
    assert [fetch(server.url + "a").content for _ in range(2)] == [b"here"] * 2
    assert counts(server) == {"/a": 1, "/b": 2}


def test_what_a_post_is_redirected_to_is_kept(origin: MakeOrigin, fetch: Fetch) -> None:
    server = origin(b"")
    server.paths = {
        "/a": say(b"", "303 See Other", location="/b"),
        "/b": fresh(b"here"),
    }
    assert [fetch(server.url + "a", "POST").content for _ in range(2)] == [b"here"] * 2
    # RFC 9111 4.4: the Location of each POST made /b void.
    assert counts(server) == {"/a": 2, "/b": 2}
    assert fetch(server.url + "b").content == b"here"
    assert counts(server) == {"/a": 2, "/b": 2}


@pytest.mark.parametrize("field", ["location", "content_location"])
def test_an_unsafe_request_ends_what_an_absolute_url_of_its_origin_names(
    field: str, origin: MakeOrigin, fetch: Fetch
) -> None:
    server = origin(b"")
    server.paths = {
        "/a": say(b"", **{field: server.url.replace("http", "HTTP") + "b#x"}),
        "/b": fresh(),
    }
    fetch(server.url + "b")
    fetch(server.url + "a", "POST")
    fetch(server.url + "b")
    assert counts(server) == {"/a": 1, "/b": 2}


def test_an_unsafe_request_ends_nothing_of_another_port(origin: MakeOrigin, fetch: Fetch) -> None:
    victim, attacker = origin(fresh()), origin(b"")
    attacker.answers = [say(location=victim.url, content_location=victim.url)]
    fetch(victim.url)
    fetch(attacker.url, "POST")
    fetch(victim.url)
    assert victim.count == 1


def test_case_of_scheme_and_host_makes_no_difference(origin: MakeOrigin, fetch: Fetch) -> None:
    server = origin(fresh())
    url = server.url.replace(LOCAL, "localhost")
    fetch(url)
    assert fetch(url.replace("localhost", "LocalHost").replace("http", "HTTP"))
    assert server.count == 1


def test_params_are_part_of_the_url(origin: MakeOrigin, fetch: Fetch) -> None:
    server = origin(fresh())
    for params in ({"a": "1"}, {"a": "1"}, {"a": "2"}, None):
        fetch(server.url, params=params)
    assert server.count == 3


def test_a_hit_keeps_the_fragment_that_its_caller_asked_with(
    origin: MakeOrigin, fetch: Fetch
) -> None:
    server = origin(fresh())
    assert [fetch(server.url + part).url for part in ("#a", "#b", "")] == [
        server.url + "#a",
        server.url + "#b",
        server.url,
    ]
    assert server.count == 1


def test_a_hit_can_be_read_as_a_stream(origin: MakeOrigin, fetch: Fetch) -> None:
    body = b"one\ntwo\n" * 50_000
    server = origin(fresh(body))
    fetch(server.url)
    with fetch(server.url, stream=True) as response:
        assert b"".join(response.iter_content(1000)) == body
    with fetch(server.url, stream=True) as response:
        assert sum(1 for _ in response.iter_lines()) == 100_000
    with fetch(server.url, stream=True) as response:
        assert response.raw.read(3) == b"one"
        assert response.raw.read() == body[3:]
    assert server.count == 1


def test_a_stream_that_is_asked_for_gets_through_as_it_is(origin: MakeOrigin, fetch: Fetch) -> None:
    server = origin(fresh(b"hello"))
    with fetch(server.url, stream=True) as response:
        assert not vars(response)["_content_consumed"]
        assert response.raw.read() == b"hello"


@pytest.mark.parametrize(
    ("coding", "encoded"),
    [("gzip", gzip.compress(b"hello")), ("deflate", zlib.compress(b"hello"))],
    ids=["gzip", "deflate"],
)
def test_an_encoded_body_is_given_readable_each_time(
    coding: str, encoded: bytes, origin: MakeOrigin, fetch: Fetch
) -> None:
    server = origin(fresh(encoded, content_encoding=coding, etag='"1"'))
    for _ in range(2):
        assert fetch(server.url).content == b"hello"
    with fetch(server.url, stream=True) as response:
        assert b"".join(response.iter_content(2)) == b"hello"
    assert fetch(server.url, headers={"If-None-Match": '"1"'}).status_code == 304
    assert server.count == 1


def test_an_encoded_body_that_is_broken_is_not_kept(origin: MakeOrigin, fetch: Fetch) -> None:
    server = origin(fresh(b"no gzip", content_encoding="gzip"), fresh(b"good"))
    with pytest.raises(requests.exceptions.ContentDecodingError):
        fetch(server.url)
    assert fetch(server.url).content == b"good"


def test_cookies_are_given_again_and_the_jar_keeps_what_it_has(
    origin: MakeOrigin, ask: Fetch, session: requests.Session
) -> None:
    server = origin(fresh(set_cookie="a=1; Path=/"))
    ask(server.url)
    assert session.cookies.get("a") == "1"
    session.cookies.clear()
    response = ask(server.url)
    assert response.cookies.get("a") == "1"
    assert not session.cookies
    assert server.count == 1


def test_several_cookies_stay_several(origin: MakeOrigin, fetch: Fetch) -> None:
    def said(_: bytes) -> bytes:
        one = say(b"hello", cache_control="max-age=60", set_cookie="a=1; Path=/")
        return one.replace(b"set-cookie", b"Set-Cookie: b=2; Expires=Wed, 01 Jan 2031", 1).replace(
            b"Jan 2031: a", b"Jan 2031 00:00:00 GMT\r\nSet-Cookie: a", 1
        )

    server = origin(said)
    for _ in range(2):
        response = fetch(server.url)
        assert {**response.cookies} == {"a": "1", "b": "2"}
    assert server.count == 1


def test_hooks_are_called_once_for_each_answer(
    origin: MakeOrigin, ask: Fetch, session: requests.Session, clock: FakeClock
) -> None:
    heard: list[tuple[int, bool]] = []

    def hook(response: Any, **_: Any) -> None:
        heard.append((response.status_code, response.from_cache))

    session.hooks["response"].append(hook)
    confirmed = fresh(b"", status="304 Not Modified", etag='"1"', content_length="")
    server = origin(fresh(etag='"1"'), confirmed)
    ask(server.url)
    ask(server.url)
    clock.advance(61)
    ask(server.url)
    assert heard == [(200, False), (200, True), (200, True)]


def test_the_sessions_adapter_options_and_auth_stay(
    origin: MakeOrigin, ask: Fetch, session: requests.Session
) -> None:
    seen: list[dict[str, Any]] = []

    class Own(HTTPAdapter):
        def send(self, *args: Any, **options: Any) -> requests.Response:
            seen.append(options)
            return super().send(*args, **options)

    server = origin(fresh())
    session.mount("http://", Own(max_retries=2))
    session.auth = ("user", "word")
    session.headers["X-Own"] = "1"
    session.verify = "/nowhere.pem"
    for _ in range(2):
        ask(server.url, timeout=(3, 7), headers={"X-Call": "2"}, params={"q": "ä"})
    (options,) = seen
    assert options["timeout"] == (3, 7)
    assert server.fields()["x-own"] == "1"
    assert server.fields()["x-call"] == "2"
    assert server.fields()["authorization"].startswith("Basic ")
    assert server.count == 1


def test_a_proxy_is_asked_once(origin: MakeOrigin, ask: Fetch, session: requests.Session) -> None:
    proxy = origin(fresh(b"by proxy"))
    session.proxies["http"] = proxy.url
    for _ in range(2):
        assert ask("http://vendor.test/a").content == b"by proxy"
    (head,) = proxy.heads
    assert head.startswith(b"GET http://vendor.test/a HTTP/1.1")


def test_informational_answers_leave_a_connection_in_order(
    origin: MakeOrigin, ask: Fetch, clock: FakeClock
) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

    def said(head: bytes) -> bytes:
        if b"If-None-Match" in head:
            return early + early + b"HTTP/1.1 304 Not Modified\r\n\r\n"
        return early + say(b"hello", etag='"1"', cache_control="max-age=60")

    server = origin(said)
    for _ in range(3):
        assert ask(server.url).content == b"hello"
        clock.advance(61)
    assert server.count == 3
    assert server._vendor.connections == 1


def test_one_connection_serves_what_is_validated(
    origin: MakeOrigin, ask: Fetch, clock: FakeClock
) -> None:
    confirmed = fresh(b"", status="304 Not Modified", content_length="")
    server = origin(fresh(etag='"1"'), confirmed)
    for _ in range(4):
        assert ask(server.url).content == b"hello"
        clock.advance(61)
    assert server.count == 4
    assert server._vendor.connections == 1


def test_a_kept_failure_raises_for_status(origin: MakeOrigin, fetch: Fetch) -> None:
    server = origin(fresh(b"no such", status="404 Not Here"))
    for _ in range(2):
        with pytest.raises(requests.HTTPError, match="404 Client Error: Not Here"):
            fetch(server.url).raise_for_status()
    assert server.count == 1


def test_a_read_that_times_out_gets_something_stale(
    origin: MakeOrigin, fetch: Fetch, clock: FakeClock
) -> None:
    server = origin(fresh())
    fetch(server.url)
    clock.advance(61)
    server.held.clear()
    response = fetch(server.url, timeout=(5, 0.05))
    server.held.set()
    assert response.content == b"hello"
    assert response.headers["Age"] == "61"


def test_a_vendor_that_is_gone_is_stood_in_for(
    origin: MakeOrigin, fetch: Fetch, clock: FakeClock
) -> None:
    server = origin(fresh(connection="close"))
    fetch(server.url)
    clock.advance(61)
    server._vendor.close()
    assert fetch(server.url).content == b"hello"


@pytest.mark.parametrize("method", ["GET", "QUERY", "REPORT"])
def test_what_is_asked_for_by_a_body_is_not_kept(
    method: str, origin: MakeOrigin, fetch: Fetch
) -> None:
    server = origin(fresh())
    for _ in range(2):
        fetch(server.url, method, data=b"x")
    assert server.count == 2
