"""What a session's requests get from a cache, and what stays as it was."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import pytest
import requests
import requests_cache
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.auth import AuthBase, HTTPDigestAuth

from resilient.http import observe
from resilient.http.caching import passage
from resilient.http.caching.cache import HttpCache
from resilient.http.caching.messages import Defaults
from resilient.testing import FakeClock, RecordedSteps
from tests.http.caching.origin import (
    Origin,
    cached_target,
    fresh,
    hung_up_after,
    say,
    through,
)

MakeOrigin = Callable[..., Origin]


def test_the_second_request_is_answered_from_the_cache_and_is_no_exchange(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh(b"hello", x_one="1"))
    with through(cache) as call:
        first, second = (session.get(server.url) for _ in range(2))
    assert server.count == 1
    assert [first.content, second.content] == [b"hello", b"hello"]
    assert [first.from_cache, second.from_cache] == [False, True]  # type: ignore[attr-defined]
    assert second.headers["X-One"] == "1"
    assert second.headers["Age"] == "0"
    assert second.url == server.url
    assert second.request.url == server.url
    assert len(call.exchanges) == 1
    assert len(call.target.http_saved or ()) == len(call.target.http_missed or ()) == 1


def test_outside_of_a_call_with_a_cache_nothing_is_kept_or_given(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh())
    session.get(server.url)
    with through(None):
        session.get(server.url)
    assert len(cache) == 0
    with through(cache):
        session.get(server.url)
    session.get(server.url)
    assert server.count == 4


def test_the_cache_of_a_call_around_is_used(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh())
    with through(cache) as outer, through(None):
        session.get(server.url)
        session.get(server.url)
    assert server.count == 1
    assert len(outer.target.http_saved or ()) == 1


def test_the_sessions_own_adapter_sends_with_the_sessions_own_options(
    cache: HttpCache, session: requests.Session, observing: None
) -> None:
    seen: list[dict[str, Any]] = []

    class Own(BaseAdapter):
        spare = "part"

        def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            seen.append(options)
            response = requests.Response()
            response.status_code, response.url = 200, str(request.url)
            response.headers["Cache-Control"] = "max-age=60"
            response._content = b"own"
            response.request = request
            return response

        def close(self) -> None:
            """Nothing is open."""

    session.mount("http://own.test", Own())
    with through(cache):
        assert session.get_adapter("http://own.test/").spare == "part"  # type: ignore[attr-defined]
        answers = [
            session.get("http://own.test/", timeout=7, proxies={"http": "http://proxy.test"})
            for _ in range(2)
        ]
    assert [answer.content for answer in answers] == [b"own", b"own"]
    (options,) = seen
    assert options["timeout"] == 7
    assert options["proxies"]["http"] == "http://proxy.test"
    assert options.keys() == {"timeout", "proxies", "stream", "verify", "cert"}


def test_an_adapter_that_is_kept_beyond_the_call_sends_by_itself(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh())
    with through(cache):
        session.get(server.url)
        adapter = session.get_adapter(server.url)
    request = session.prepare_request(requests.Request("GET", server.url))
    assert adapter.send(request, stream=False, timeout=20).content == b"hello"
    assert server.count == 2


def test_hooks_auth_and_headers_of_the_session_stay(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    class Signed(AuthBase):
        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["X-Signed"] = "yes"
            return request

    heard: list[bool] = []

    def hook(response: Any, **options: Any) -> None:
        heard.append(response.from_cache)

    server = origin(fresh())
    session.auth = Signed()
    session.hooks["response"].append(hook)
    with through(cache):
        session.get(server.url)
        session.get(server.url)
    assert heard == [False, True]  # once each
    assert server.fields()["x-signed"] == "yes"


def test_what_a_caller_does_to_a_response_never_shows_in_the_cache(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh(b"good", x_one="1"))
    with through(cache):
        for _ in range(3):
            response = session.get(server.url)
            assert response.content == b"good"
            assert response.headers["X-One"] == "1"
            assert response.history == []
            assert response.encoding is None
            response.headers["X-One"] = "2"
            response.headers.clear()
            response.history.append(response)
            response._content = b"bad"
            response.encoding = "utf-16"
            response.request.headers["X-Two"] = "2"
            response.status_code = 500
    assert server.count == 1


def test_a_hit_has_what_a_response_of_requests_has(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    body = '{"name": "Ärger"}'.encode()
    server = origin(fresh(body, content_type="application/json; charset=utf-8", vary="Accept"))
    with through(cache):
        first, second = (session.get(server.url) for _ in range(2))
    assert isinstance(second, requests_cache.CachedResponse)
    for name in ("status_code", "reason", "encoding", "apparent_encoding", "text", "ok", "links"):
        assert getattr(second, name) == getattr(first, name)
    assert second.json() == {"name": "Ärger"}
    assert list(second.iter_lines()) == [body]
    assert second.raw.read(4) + second.raw.read() == body
    assert second.raw.status == 200
    assert second.raw.headers["vary"] == "Accept"
    assert second.elapsed.total_seconds() >= 0
    assert not second.is_redirect
    assert second.next is None
    assert second.expires is not None
    assert second.created_at is not None
    assert (second.expires - second.created_at).total_seconds() == pytest.approx(60, abs=2)
    assert not second.is_expired
    assert repr(second) == str(second) == "<Response [200]>"
    assert "Accept" not in repr(second.raw)
    assert second in {second}
    assert second != session
    second.raw.close()
    second.close()
    with pytest.raises(AttributeError, match="nonsense"):
        second.nonsense  # noqa: B018
    with pytest.raises(AttributeError, match="nonsense"):
        second.raw.nonsense  # noqa: B018


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))]
)
def test_a_hit_can_be_copied_and_pickled(
    copied: Callable[[Any], Any], origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh(b"hello", x_one="1", set_cookie="a=b"))
    with through(cache):
        session.get(server.url)
        session.cookies.clear()
        response = session.get(server.url)
    again = copied(response)
    assert again.content == again.raw.read() == b"hello"
    assert again.headers == response.headers
    assert again.request.url == server.url
    assert again.from_cache
    assert again.expires == response.expires  # type: ignore[attr-defined]
    assert again.cookies.get_dict() == {"a": "b"}


def test_cookies_are_there_for_the_caller_and_not_put_into_the_jar_again(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    cookies = "one=1\r\nSet-Cookie: two=2; Expires=Wed, 09 Jun 2100 10:18:14 GMT"
    server = origin(fresh(set_cookie=cookies))
    with through(cache):
        session.get(server.url, headers={"Cookie": "who=me"})
        assert session.cookies.get_dict() == {"one": "1", "two": "2"}
        session.cookies.clear()
        response = session.get(server.url, headers={"Cookie": "who=me"})
    assert server.count == 1
    assert response.cookies.get_dict() == {"one": "1", "two": "2"}
    assert session.cookies.get_dict() == {}


def test_each_hop_of_a_redirect_is_kept_by_itself(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh(b"new"))
    server.paths["/old"] = fresh(b"", status="301 Moved", location="/new")
    with through(cache):
        for _ in range(2):
            response = session.get(server.url + "old")
            assert response.content == b"new"
            assert [hop.status_code for hop in response.history] == [301]
        assert server.count == 2
        hop: Any = session.get(server.url + "old", allow_redirects=False)
        assert hop.status_code == 301
        assert hop.next.url == server.url + "new"
        assert session.send(hop.next).content == b"new"
    assert server.count == 2


def test_a_stale_answer_is_validated_and_its_headers_are_updated(
    origin: MakeOrigin,
    cache: HttpCache,
    session: requests.Session,
    clock: FakeClock,
    steps: RecordedSteps,
) -> None:
    server = origin(
        fresh(b"hello", etag='"1"', x_version="1"),
        fresh(b"", status="304 Not Modified", etag='"1"', x_version="2", content_length=""),
    )
    with through(cache) as call:
        session.get(server.url)
        clock.advance(61)
        response: Any = session.get(server.url)
        assert server.fields()["if-none-match"] == '"1"'
        assert (response.status_code, response.content) == (200, b"hello")
        assert response.headers["X-Version"] == "2"
        assert response.headers["Content-Length"] == "5"
        assert response.from_cache
        assert response.revalidated
        assert "If-None-Match" not in response.request.headers
        clock.advance(59)
        assert session.get(server.url).headers["Age"] == "59"
    assert server.count == 2
    assert steps.kinds() == ["revalidated"]
    assert len(call.target.http_missed or ()) == 2


def test_a_304_that_tells_of_a_transfer_coding_has_no_body_to_wait_for_9112_6_1(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session, clock: FakeClock
) -> None:
    confirmed = fresh(
        b"", status="304 Not Modified", etag='"1"', transfer_encoding="chunked", content_length=""
    )
    server = origin(fresh(b"hello", etag='"1"'), confirmed)
    with through(cache):
        session.get(server.url)
        clock.advance(61)
        response: Any = session.get(server.url)
        assert (response.content, response.revalidated) == (b"hello", True)
        clock.advance(59)
        assert session.get(server.url).content == b"hello"
        assert server.count == 2
        # To a condition of the caller's own, too.
        clock.advance(2)
        response = session.get(server.url, headers={"If-None-Match": '"1"'})
        assert (response.status_code, response.content) == (304, b"")
    assert server.count == 3


def test_an_answer_that_has_changed_takes_the_place_of_the_stale_one(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session, clock: FakeClock
) -> None:
    server = origin(fresh(b"old", etag='"1"'), fresh(b"new", etag='"2"'))
    with through(cache):
        session.get(server.url)
        clock.advance(61)
        response = session.get(server.url)
        assert response.content == b"new"
        assert "If-None-Match" not in response.request.headers
        assert session.get(server.url).content == b"new"
    assert server.count == 2
    assert len(cache) == 1


def test_an_answer_that_may_not_be_kept_ends_the_one_that_was(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session, clock: FakeClock
) -> None:
    server = origin(fresh(b"old", etag='"1"'), say(b"new", cache_control="no-store"))
    with through(cache):
        session.get(server.url)
        clock.advance(61)
        session.get(server.url)
    assert len(cache) == 0


def test_a_304_about_nothing_that_is_stored_is_asked_again_without_conditions(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session, clock: FakeClock
) -> None:
    server = origin(
        fresh(b"old", etag='"1"'),
        say(b"", status="304 Not Modified", etag='"other"', content_length=""),
        fresh(b"new", etag='"2"'),
    )
    with through(cache):
        session.get(server.url)
        clock.advance(61)
        assert session.get(server.url).content == b"new"
    assert "if-none-match" not in server.fields()
    assert server.count == 3


def test_a_304_with_a_strong_tag_for_a_weak_one_gives_what_is_stored_as_it_is_4_3_4(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session, clock: FakeClock
) -> None:
    # As of an origin behind something that compresses: the tag of a 200 is made weak there.
    confirmation = fresh(
        b"", status="304 Not Modified", etag='"1"', x_version="2", content_length=""
    )
    server = origin(fresh(b"hello", etag='W/"1"', x_version="1"), confirmation)
    with through(cache):
        session.get(server.url)
        for count in (2, 3):
            clock.advance(61)
            response: Any = session.get(server.url)
            assert (response.content, response.revalidated) == (b"hello", True)
            assert response.headers["X-Version"] == "1"
            assert server.count == count
            assert server.fields()["if-none-match"] == 'W/"1"'


def test_a_304_without_end_is_given_to_the_caller(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session, clock: FakeClock
) -> None:
    server = origin(
        fresh(b"old", etag='"1"'),
        say(b"", status="304 Not Modified", etag='"other"', content_length=""),
    )
    with through(cache):
        session.get(server.url)
        clock.advance(61)
        assert session.get(server.url).status_code == 304
    assert server.count == 3


def test_a_callers_own_condition_is_answered_with_304_from_the_cache(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh(etag='"1"'))
    with through(cache):
        session.get(server.url)
        response = session.get(server.url, headers={"If-None-Match": '"1"'})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["ETag"] == '"1"'
        assert session.get(server.url, headers={"If-None-Match": '"2"'}).status_code == 200
    assert server.count == 1


def test_a_callers_own_condition_goes_to_the_origin_when_nothing_is_stored(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(say(b"", status="304 Not Modified", etag='"1"', content_length=""))
    with through(cache):
        response = session.get(server.url, headers={"If-None-Match": '"1"'})
    assert response.status_code == 304
    assert len(cache) == 0


def test_a_head_is_answered_by_what_a_get_left(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh(b"hello"))
    with through(cache):
        session.get(server.url)
        response = session.head(server.url)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Content-Length"] == "5"
    assert server.count == 1


def test_a_head_that_shows_another_version_ends_the_stored_one(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session, clock: FakeClock
) -> None:
    server = origin(fresh(b"old", etag='"1"'), fresh(b"newer", etag='"2"'), fresh(b"newer"))
    with through(cache):
        session.get(server.url)
        clock.advance(61)
        session.head(server.url)
        assert session.get(server.url).content == b"newer"
    assert server.count == 3


def test_a_part_is_answered_from_the_whole(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh(b"0123456789"))
    with through(cache):
        session.get(server.url)
        response = session.get(server.url, headers={"Range": "bytes=2-4"})
    assert (response.status_code, response.content) == (206, b"234")
    assert server.count == 1


def test_a_part_that_can_not_be_kept_leaves_the_whole_in_place(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    part = say(b"--x--", status="206 Partial Content", content_type="multipart/byteranges")
    server = origin(fresh(b"0123456789"), part)
    with through(cache):
        session.get(server.url)
        session.get(server.url, headers={"Range": "bytes=0-1,4-5"})
        assert session.get(server.url).content == b"0123456789"
    assert server.count == 2


def test_a_stream_that_is_not_stored_is_left_alone(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh(b"hello"))
    with through(cache):
        with session.get(server.url, stream=True) as response:
            assert response._content is False
            assert response.raw.read(2) == b"he"
            assert response.raw.read() == b"llo"
        assert len(cache) == 0
        session.get(server.url)
        with session.get(server.url, stream=True) as response:
            assert response.raw.read(2) == b"he"
            assert b"".join(response.iter_content(2)) == b"hello"
    assert server.count == 2


@pytest.mark.parametrize("closes", [True, False], ids=["urllib3-2", "urllib3-1"])
def test_an_answer_that_ends_too_early_is_not_kept(
    closes: bool,
    origin: MakeOrigin,
    cache: HttpCache,
    session: requests.Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = origin(
        say(b"half", cache_control="max-age=60", content_length="8", connection="close")
    )
    if not closes:  # as urllib3 1 does under requests: nobody looks at the length
        monkeypatch.setattr("urllib3.response.HTTPResponse.length_remaining", 0, raising=False)
        original = HTTPAdapter.send

        def send(self: Any, *args: Any, **options: Any) -> Any:
            response = original(self, *args, **options)
            response.raw.enforce_content_length = False
            return response

        monkeypatch.setattr(HTTPAdapter, "send", send)
    with through(cache):
        if closes:
            with pytest.raises(requests.RequestException):
                session.get(server.url)
        else:
            assert session.get(server.url).content == b"half"
    assert len(cache) == 0


@pytest.mark.parametrize(
    "head",
    [
        "Cache-Control: max-age=60\r\n",
        "Cache-Control: max-age=60\r\nX-",
        "Cache-Control: max-age=6",
    ],
    ids=["between lines", "in a name", "in a value"],
)
def test_an_answer_whose_head_was_cut_off_is_not_kept_9112_8(
    head: str, origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(hung_up_after(head), fresh(b"whole"))
    with through(cache):
        assert session.get(server.url).content == b""  # as requests takes it
        assert session.get(server.url).content == b"whole"


@pytest.mark.parametrize("connection", ["close", ""])
@pytest.mark.parametrize("body", [b"", b"hello"])
def test_an_answer_with_a_length_is_whole_though_its_connection_ends(
    body: bytes, connection: str, origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh(body, connection=connection))
    with through(cache):
        assert session.get(server.url).content == session.get(server.url).content == body
    assert server.count == 1


def test_a_body_that_is_gzipped_is_given_readable(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    import gzip

    server = origin(fresh(gzip.compress(b"hello"), content_encoding="gzip"))
    with through(cache):
        answers = [session.get(server.url) for _ in range(2)]
        with session.get(server.url, stream=True) as stream:
            assert stream.raw.read() == b"hello"
    assert [answer.content for answer in answers] == [b"hello", b"hello"]
    assert server.count == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "MADE-UP"])
def test_an_unsafe_request_ends_what_is_stored(
    method: str, origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh())
    other = server.url + "other"
    server.paths["/"] = lambda head: (
        fresh()(head) if head.startswith(b"GET") else say(b"", location="/other")  # type: ignore[operator]
    )
    with through(cache):
        session.get(server.url)
        session.get(other)
        session.get(other, headers={"Authorization": "Bearer 1"})
        session.request(method, server.url)
    assert len(cache) == 0


def test_an_unsafe_request_that_failed_ends_nothing(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh(), say(b"", status="500 Internal Server Error"))
    with through(cache):
        session.get(server.url)
        session.post(server.url)
        session.options(server.url)
    assert len(cache) == 1
    assert server.count == 3


def test_the_answer_to_a_post_that_says_what_it_is_answers_a_get(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh(b"made", content_location="/"))
    with through(cache):
        session.post(server.url, data=b"x")
        assert session.get(server.url).content == b"made"
        session.post(server.url, data=b"x")
    assert server.count == 2


def test_a_get_with_a_body_goes_past_the_cache(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh())
    with through(cache):
        for query in ("one", "two"):
            session.get(server.url, json={"query": query})
    assert server.count == 2
    assert len(cache) == 0


def test_only_if_cached_never_asks(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh())
    with through(cache):
        response = session.get(server.url, headers={"Cache-Control": "only-if-cached"})
    assert response.status_code == 504
    assert not response.from_cache  # type: ignore[attr-defined]
    assert server.count == 0


def test_the_decorators_ttl_counts_where_the_origin_is_silent(
    origin: MakeOrigin, session: requests.Session, clock: FakeClock
) -> None:
    cache = HttpCache("vendor.fetch", defaults=Defaults(ttl=10))
    server = origin(lambda head: say())
    with through(cache):
        session.get(server.url)
        clock.advance(9)
        session.get(server.url)
        assert server.count == 1
        clock.advance(2)
        session.get(server.url)
    assert server.count == 2


def test_digest_authentication_still_works(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'

    def answer(head: bytes) -> bytes:
        if b"authorization: digest" in head.lower():
            return say(b"secret", cache_control="max-age=60")
        return say(b"", status="401 Unauthorized", www_authenticate=challenge)

    server = origin(answer)
    session.auth = HTTPDigestAuth("user", "password")
    with through(cache):
        assert session.get(server.url).content == b"secret"
        session.auth = None
        assert session.get(server.url).status_code == 401


def test_what_digest_authentication_posts_ends_what_is_stored(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'

    def answer(head: bytes) -> bytes:
        if head.startswith(b"GET") or b"authorization: digest" in head.lower():
            return say(b"ok", cache_control="max-age=60")
        return say(b"", status="401 Unauthorized", www_authenticate=challenge)

    server = origin(answer)
    with through(cache):
        session.get(server.url)
        assert session.post(server.url, auth=HTTPDigestAuth("user", "password")).status_code == 200
    assert len(cache) == 0


def test_a_session_of_requests_cache_goes_on_working(origin: MakeOrigin, cache: HttpCache) -> None:
    server = origin(fresh())
    with requests_cache.CachedSession(backend="memory") as session, through(cache):
        first, second = (session.get(server.url) for _ in range(2))
        session.cache.clear()
        third = session.get(server.url)
    assert [one.content for one in (first, second, third)] == [b"hello"] * 3
    assert server.count == 1


def test_an_error_of_ours_costs_a_hit_and_not_the_answer(
    origin: MakeOrigin,
    cache: HttpCache,
    session: requests.Session,
    monkeypatch: pytest.MonkeyPatch,
    steps: RecordedSteps,
) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(passage, "decide", broken)
    server = origin(fresh())
    with through(cache):
        assert session.get(server.url).content == b"hello"
    monkeypatch.undo()
    monkeypatch.setattr("resilient.http.caching.asking.stored_of", broken)
    with through(cache):
        assert session.get(server.url).content == b"hello"
    assert observe.errors == 2
    assert steps.kinds() == ["degraded"]


def test_an_adapter_that_answers_with_a_mock_is_let_be(
    cache: HttpCache, session: requests.Session, observing: None
) -> None:
    class Mocked(BaseAdapter):
        def send(self, *args: Any, **options: Any) -> Any:
            return response

        def close(self) -> None:
            """Nothing is open."""

    session.mount("http://mock.test", Mocked())
    request = session.prepare_request(requests.Request("GET", "http://mock.test/"))
    with through(cache):
        for response in (MagicMock(), MagicMock(status_code=200), object(), None):
            adapter = session.get_adapter("http://mock.test/")
            assert adapter.send(request, stream=False) is response
            request.method = "POST"
            assert adapter.send(request) is response
            request.method = "GET"
    assert len(cache) == 0


def test_in_observe_mode_all_is_asked_for_and_what_would_be_a_hit_is_told(
    origin: MakeOrigin,
    cache: HttpCache,
    session: requests.Session,
    steps: RecordedSteps,
    clock: FakeClock,
) -> None:
    server = origin(fresh(etag='"1"'))
    for observed in (HttpCache("vendor.fetch", observing=True), cache):
        steps.clear()
        with through(observed, cached_target(observed, observing=observed is cache)):
            for seconds in (0, 10, 100):
                clock.advance(seconds)
                response = session.get(server.url)
                assert not response.from_cache  # type: ignore[attr-defined]
                assert "if-none-match" not in server.fields()
        assert steps.kinds() == ["would_hit"]
    assert server.count == 6


def test_other_schemes_go_past_the_cache(cache: HttpCache, session: requests.Session) -> None:
    class Files(BaseAdapter):
        def send(self, *args: Any, **options: Any) -> requests.Response:
            response = requests.Response()
            response.status_code = 200
            response._content = b"file"
            return response

        def close(self) -> None:
            """Nothing is open."""

    session.mount("file://", Files())
    with through(cache):
        assert session.get("file:///etc/motd").content == b"file"
    assert len(cache) == 0


def test_a_kept_answer_can_be_forgotten_by_its_url(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh())
    with through(cache, cached_target(cache)):
        session.get(server.url + "a?x=1")
        session.get(server.url + "b")
        assert len(cache) == 2
        cache.invalidate(server.url.replace("http", "HTTP") + "a?x=1#part")
        assert len(cache) == 1
        cache.clear()
        assert len(cache) == 0
