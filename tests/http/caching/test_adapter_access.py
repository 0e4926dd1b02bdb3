"""Nobody's answer is given to somebody else, and no secret is kept."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from resilient.call import Call
from resilient.http.caching.cache import HttpCache
from resilient.http.caching.messages import Defaults
from resilient.stores.bytes_store import StoreFailed
from resilient.stores.opening import open_store
from resilient.stores.shared import SharedStore
from resilient.testing import FakeClock, RecordedSteps
from tests.http.caching.origin import Origin, cached_target, fresh, say, through

MakeOrigin = Callable[..., Origin]

KEY = b"a key of the tests: 32 bytes long"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SharedStore]:
    store = open_store(f"sqlite:///{tmp_path}/cache.db", key=KEY, timeout=5)
    yield store
    store.close()


def echo(head: bytes) -> bytes:
    """Answers with the whole request: whoever sees it sees whose it was."""
    return say(head, cache_control="max-age=60")


def as_user(how: str, name: str) -> dict[str, Any]:
    token = f"{name}-secret"
    options: dict[str, dict[str, Any]] = {
        "bearer": {"headers": {"aUTHORIZATION": f"Bearer {token}"}},
        "basic": {"auth": (name, "secret")},
        "cookie": {"cookies": {"session": token}},
        "header": {"headers": {"X-API-Key": token}},
        "query": {"params": {"api_key": token}},
        "certificate": {"cert": f"/tmp/{token}.pem"},
    }
    return options[how]


HOW = ["bearer", "basic", "cookie", "header", "query"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("kept", ["memory", "shared"])
def test_two_users_never_see_each_others_answer(
    how: str, kept: str, origin: MakeOrigin, store: SharedStore
) -> None:
    cache = HttpCache("vendor.fetch", store=store if kept == "shared" else None)
    server = origin(echo)
    with through(cache), requests.Session() as ann, requests.Session() as bob:
        answers = [
            session.get(server.url, **as_user(how, name)).content
            for session, name in [(ann, "ann"), (bob, "bob"), (ann, "ann"), (bob, "bob")]
        ]
        anybody = requests.get(server.url)
    assert answers[0] == answers[2]
    assert answers[1] == answers[3]
    assert answers[0] != answers[1]
    assert server.count == 3
    assert not anybody.from_cache  # type: ignore[attr-defined]


class Pizza(AuthBase):
    """An authentication of somebody's own, as in the documentation of requests."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["X-Pizza"] = f"{self.name}-secret"
        return request


@pytest.mark.parametrize("path", ["", "moved"])
def test_what_an_auth_object_sends_is_a_credential_whatever_its_name(
    path: str, origin: MakeOrigin, cache: HttpCache
) -> None:
    server = origin(echo)
    server.paths["/moved"] = lambda head: say(status="302 Found", location="/there")
    answers = []
    for name in ("ann", "bob", "ann"):
        with through(cache), requests.Session() as session:
            answers.append(session.get(server.url + path, auth=Pizza(name)).content)
    assert answers[0] == answers[2] != answers[1]
    assert b"ann-secret" in answers[0]


class Changing(HTTPAdapter):
    """An adapter of somebody's own that puts a token into the session's request."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def add_headers(self, request: requests.PreparedRequest, **_: Any) -> None:
        request.headers["Authorization"] = f"Bearer {self.name}-secret"


class Copying(Changing):
    """The same into a copy."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> Any:
        return super().send(request.copy(), *args, **options)


class Addressing(HTTPAdapter):
    """The same into the URL, when it is sent."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def request_url(self, *args: Any) -> str:
        return f"{super().request_url(*args)}?api_key={self.name}-secret"


@pytest.mark.parametrize("adapter", [Changing, Copying, Addressing])
def test_an_answer_to_a_credential_that_an_adapter_adds_is_not_kept_and_that_is_told_once(
    adapter: Callable[[str], HTTPAdapter],
    origin: MakeOrigin,
    cache: HttpCache,
    steps: RecordedSteps,
) -> None:
    server = origin(echo)
    for name in ("ann", "bob", "ann"):
        with through(cache), requests.Session() as session:
            session.mount("http://", adapter(name))
            assert f"{name}-secret".encode() in session.get(server.url).content
    assert server.count == 3
    assert len(cache) == 0
    assert steps.kinds() == ["uncacheable"]
    assert "secret" not in str(steps[0])


def test_such_an_answer_takes_nothing_from_others_and_none_of_theirs_stands_in_for_it(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    stale = say(b"for all", cache_control="max-age=9, stale-if-error=999", age="60", etag='"1"')
    server = origin(stale, say(status="503 Down"), fresh(b"ann's"))
    with through(cache), requests.Session() as anns:
        anns.mount("http://", Changing("ann"))
        session.get(server.url)
        assert anns.get(server.url).status_code == 503
        assert anns.get(server.url).content == b"ann's"
    assert len(cache) == 1


def test_a_scope_answers_for_what_an_adapter_adds(origin: MakeOrigin) -> None:
    cache = HttpCache("vendor.fetch", scope=lambda call: b"ann")
    server = origin(echo)
    for _ in range(2):
        with through(cache), requests.Session() as session:
            session.mount("http://", Changing("ann"))
            session.get(server.url)
    assert server.count == 1


def test_sites_of_one_address_have_answers_of_their_own_9110_7_1(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(echo)
    own = server.url.split("/")[2]
    with through(cache):
        answers = [
            session.get(server.url, headers={"Host": site}).content
            for site in ("a.test", "b.test", "A.test", own)
        ]
        assert session.get(server.url).from_cache  # type: ignore[attr-defined]
    assert answers[0] == answers[2]
    assert len(set(answers)) == server.count == 3


def test_two_client_certificates_have_answers_of_their_own(
    cache: HttpCache, session: requests.Session, observing: None
) -> None:
    with through(cache) as call:
        keys = {
            cache.key_of(call, "https://vendor.test/", {}, cert, True)
            for cert in ("/tmp/ann.pem", ("/tmp/bob.pem", "/tmp/key.pem"), None)
        }
    assert len(keys) == 3


def test_what_came_unverified_is_not_given_to_who_asks_for_proof(cache: HttpCache) -> None:
    with through(cache) as call:
        keys = [
            cache.key_of(call, "https://vendor.test/", {}, None, verify)
            for verify in (True, "/etc/bundle.pem", False)
        ]
    assert keys[0] == keys[1] != keys[2]


def test_a_scope_keeps_users_apart_that_send_the_same(origin: MakeOrigin) -> None:
    def scope(call: Call) -> bytes:
        return str(call.args[0]).encode()

    cache = HttpCache("vendor.fetch", scope=scope)
    target = cached_target(cache)
    server = origin(fresh())
    for name in ("ann", "bob", "ann"):
        with through(cache, target, name), requests.Session() as session:
            session.get(server.url)
    assert server.count == 2


def test_a_scope_that_raises_sends_requests_past_the_cache_and_is_told_once(
    origin: MakeOrigin, session: requests.Session, steps: RecordedSteps
) -> None:
    def scope(call: Call) -> bytes:
        raise KeyError("ann")

    cache = HttpCache("vendor.fetch", scope=scope)
    server = origin(fresh())
    with through(cache):
        assert session.get(server.url).content == b"hello"
        assert session.get(server.url).content == b"hello"
    assert server.count == 2
    assert [step.kind for step in steps] == ["uncacheable"]
    assert "KeyError" in steps[0].text
    assert "ann" not in steps[0].text


@pytest.mark.parametrize("how", HOW)
def test_no_secret_of_a_request_is_in_a_shared_store(
    how: str, origin: MakeOrigin, session: requests.Session, store: SharedStore, tmp_path: Path
) -> None:
    cache = HttpCache("vendor.fetch", store=store)
    vary = "Authorization, Cookie, X-API-Key, Accept"
    server = origin(fresh(vary=vary, set_cookie="session=minted-secret"))
    with through(cache):
        session.get(server.url, **as_user(how, "ann"))
        assert len(cache) == 1
        session.cookies.clear()
        again = session.get(server.url, **as_user(how, "ann"))
        assert again.from_cache  # type: ignore[attr-defined]
        assert "Set-Cookie" not in again.headers
    store.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"hello" not in kept or b"max-age" in kept  # it is there in clear, and
    for secret in (b"ann-secret", b"minted-secret", base64.b64encode(b"ann:secret")):
        assert secret not in kept
        assert base64.b64encode(secret) not in kept
    assert server.url.encode() not in kept


def test_another_process_is_answered_from_the_shared_store_and_hears_of_what_is_void(
    origin: MakeOrigin, session: requests.Session, store: SharedStore, tmp_path: Path
) -> None:
    other_store = open_store(f"sqlite:///{tmp_path}/cache.db", key=KEY, timeout=5)
    one, other = (HttpCache("vendor.fetch", store=kept) for kept in (store, other_store))
    unlike = HttpCache("vendor.other", store=other_store)
    server = origin(fresh(etag='"1"'))
    with through(one):
        session.get(server.url)
    with through(other):
        response = session.get(server.url)
        assert response.from_cache  # type: ignore[attr-defined]
        assert response.headers["ETag"] == '"1"'
        assert (len(one), len(other), len(unlike)) == (1, 1, 0)
    with through(unlike):
        session.get(server.url)
    assert server.count == 2
    with through(one):
        session.delete(server.url)
    assert (len(one), len(other), len(unlike)) == (0, 0, 1)
    with through(other):
        session.get(server.url)
    assert server.count == 4
    other.clear()
    assert (len(one), len(unlike)) == (0, 1)
    other_store.close()


def test_a_shared_store_keeps_what_can_be_validated_for_longer_than_it_is_fresh(
    origin: MakeOrigin, session: requests.Session, store: SharedStore, clock: FakeClock
) -> None:
    cache = HttpCache("vendor.fetch", store=store, defaults=Defaults())
    confirmed = fresh(b"", status="304 Not Modified", etag='"1"', content_length="")
    server = origin(fresh(etag='"1"'), confirmed)
    with through(cache):
        session.get(server.url)
        clock.advance(3600)
        assert session.get(server.url).content == b"hello"
        assert session.get(server.url).headers["Age"] == "0"
    assert server.count == 2


def test_what_is_forgotten_while_it_is_on_its_way_is_not_kept_in_a_shared_store(
    origin: MakeOrigin, session: requests.Session, store: SharedStore
) -> None:
    cache = HttpCache("vendor.fetch", store=store)

    def answer(head: bytes) -> bytes:
        cache.invalidate(server.url)
        return say(b"old", cache_control="max-age=60")

    server = origin(answer)
    with through(cache):
        assert session.get(server.url).content == b"old"
    assert len(cache) == 0


@pytest.mark.parametrize("forgotten", ["url", "all"])
def test_what_is_forgotten_while_the_store_is_down_is_not_given_when_it_is_back(
    forgotten: str,
    origin: MakeOrigin,
    session: requests.Session,
    store: SharedStore,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise StoreFailed("down")

    cache = HttpCache("vendor.fetch", store=store)
    server = origin(fresh(b"old", seconds=3600), fresh(b"new", seconds=3600))
    with through(cache):
        session.get(server.url)
        clock.advance(1)
        with monkeypatch.context() as down:
            for name in ("get", "set", "drop", "delete", "epochs"):
                down.setattr(type(store._raw), name, fail)
            if forgotten == "url":
                cache.invalidate(server.url)
            else:
                cache.clear()
        clock.advance(60)
        assert session.get(server.url).content == b"new"
    assert server.count == 2


def test_a_shared_store_that_holds_something_else_is_a_miss(
    origin: MakeOrigin, session: requests.Session, store: SharedStore
) -> None:
    cache = HttpCache("vendor.fetch", store=store)
    server = origin(fresh())
    with through(cache) as call:
        sent = session.prepare_request(requests.Request("GET", server.url))
        key = cache.key_of(call, server.url, list(sent.headers.lower_items()), None, True)
        for odd in ([1, 2], "text", [["GET"]], {"a": 1}):
            store.set(key, odd, lives=60)
            assert session.get(server.url).content == b"hello"
            assert session.get(server.url).from_cache  # type: ignore[attr-defined]
            store.delete(key)
    assert server.count == 4
