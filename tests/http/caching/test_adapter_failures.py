"""Stale answers in place of failures, refreshes behind the caller's back, and calls offline."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
import requests

from resilient.call import FINE, Call, Exchange, Gate, Verdict
from resilient.errors import BreakerOpen, RateLimited
from resilient.http.caching.cache import HttpCache
from resilient.http.caching.messages import Defaults
from resilient.refreshing import Refreshes
from resilient.testing import FakeClock, RecordedSteps
from tests.http.caching.origin import (
    Origin,
    Said,
    cached_target,
    fresh,
    hung_up_after,
    say,
    through,
)
from tests.http.loopback import LOCAL

MakeOrigin = Callable[..., Origin]

BUSY = say(b"busy", status="503 Service Unavailable")
OLD = {"cache_control": "max-age=60, stale-if-error=600"}
BEHIND = {"cache_control": "max-age=60, stale-while-revalidate=600"}


def aged(body: bytes = b"hello", **fields: str) -> Said:
    return lambda head: say(body, **fields)


def test_a_stale_answer_stands_in_for_a_failing_server(
    origin: MakeOrigin,
    cache: HttpCache,
    session: requests.Session,
    clock: FakeClock,
    steps: RecordedSteps,
) -> None:
    server = origin(aged(**OLD), BUSY)
    with through(cache) as call:
        session.get(server.url)
        clock.advance(100)
        response = session.get(server.url)
        assert (response.status_code, response.content) == (200, b"hello")
        assert response.headers["Age"] == "100"
    assert [exchange.status for exchange in call.exchanges] == [200, 503]  # for the breaker
    assert call.degraded
    assert [step.text for step in steps] == ["answered with a response stale for 40 s after 503"]


def test_a_stale_answer_stands_in_for_a_server_that_can_not_be_reached(
    origin: MakeOrigin,
    cache: HttpCache,
    session: requests.Session,
    clock: FakeClock,
    steps: RecordedSteps,
) -> None:
    server = origin(aged(connection="close", **OLD), b"")
    with through(cache) as call:
        session.get(server.url)
        assert call.outcome is FINE
        clock.advance(100)
        assert session.get(server.url).content == b"hello"
    assert call.degraded
    assert call.outcome.verdict is Verdict.TRANSIENT
    assert [step.text for step in steps] == [
        "answered with a response stale for 40 s after ConnectionError"
    ]


def test_a_stale_answer_stands_in_for_one_that_breaks_off(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session, clock: FakeClock
) -> None:
    half = say(b"half", content_length="8", connection="close", **OLD)
    server = origin(aged(b"whole", **OLD), half)
    with through(cache):
        session.get(server.url)
        clock.advance(100)
        assert session.get(server.url).content == b"whole"


def test_a_stale_answer_stands_in_for_one_whose_head_breaks_off(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session, clock: FakeClock
) -> None:
    confirmed = fresh(b"", status="304 Not Modified", content_length="")
    server = origin(
        aged(b"whole", etag='"1"', **OLD), hung_up_after("X-", "404 Not Found"), confirmed
    )
    with through(cache) as call:
        session.get(server.url)
        clock.advance(100)
        assert session.get(server.url).content == b"whole"
        assert call.outcome.verdict is Verdict.TRANSIENT
        # It said nothing about what is stored.
        assert session.get(server.url).content == b"whole"
        assert server.fields()["if-none-match"] == '"1"'


def test_no_stale_answer_where_the_origin_forbids_it(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session, clock: FakeClock
) -> None:
    server = origin(
        aged(cache_control="max-age=60, stale-if-error=600, must-revalidate"), BUSY, b""
    )
    with through(cache) as call:
        session.get(server.url)
        clock.advance(100)
        assert session.get(server.url).status_code == 503
        with pytest.raises(requests.ConnectionError):
            session.get(server.url)
    assert not call.degraded


def test_no_stale_answer_when_it_is_too_old_or_the_answer_is_no_failure(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session, clock: FakeClock
) -> None:
    busy = say(b"", status="429 Too Many Requests")
    server = origin(aged(**OLD), busy, say(b"", status="401 Unauthorized"), BUSY)
    with through(cache):
        session.get(server.url)
        clock.advance(100)
        assert session.get(server.url).status_code == 429
        assert session.get(server.url).status_code == 401
        clock.advance(600)
        assert session.get(server.url).status_code == 503


def test_the_decorators_stale_if_error_counts_where_the_origin_is_silent(
    origin: MakeOrigin, session: requests.Session, clock: FakeClock
) -> None:
    cache = HttpCache("vendor.fetch", defaults=Defaults(ttl=60, stale_if_error=600))
    server = origin(aged(), BUSY)
    with through(cache):
        session.get(server.url)
        clock.advance(100)
        assert session.get(server.url).content == b"hello"


def test_a_mistake_in_the_request_is_told_and_no_stale_answer_given(
    cache: HttpCache, session: requests.Session, observing: None
) -> None:
    with through(cache):
        with pytest.raises(requests.exceptions.InvalidHeader):
            session.get("http://vendor.test/", headers={"X-One": "a\nb"})
        with pytest.raises(requests.exceptions.InvalidSchema):
            session.get("made-up://vendor.test/")


class Full(Gate):
    """Lets the first requests of each call through."""

    def __init__(self, allowed: int = 0) -> None:
        self.allowed = allowed
        self.asked: list[Call] = []

    def next_request(self, call: Call) -> None:
        self.asked.append(call)
        self.allowed -= 1
        if self.allowed < 0:
            raise RateLimited("vendor: no room", retry_after=3)

    def answered(self, call: Call, exchange: Exchange) -> None:
        """Nothing to learn."""


def test_a_hit_asks_no_gate_and_a_stale_answer_stands_in_for_a_refusal(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session, clock: FakeClock
) -> None:
    server = origin(aged(**OLD))
    gate = Full(1)
    target = cached_target(cache)
    target.gates = (gate,)
    with through(cache, target) as call:
        call.admitted_from = -1
        session.get(server.url)
        session.get(server.url)
        assert len(gate.asked) == 1
        clock.advance(100)
        assert session.get(server.url).content == b"hello"
        assert call.degraded
        assert call.outcome.verdict is Verdict.REFUSED
        with pytest.raises(RateLimited):
            session.get(server.url + "other")
    assert server.count == 1


# Calls that may not send.


def test_a_call_offline_is_answered_from_the_cache_alone(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session, clock: FakeClock
) -> None:
    server = origin(aged(**OLD))
    refusal = BreakerOpen("vendor: open", retry_after=9)
    with through(cache):
        session.get(server.url)
    with through(cache) as call:
        call.offline = refusal
        assert session.get(server.url).content == b"hello"
        assert not call.degraded
        clock.advance(100)
        assert session.get(server.url).content == b"hello"
        assert call.degraded
        clock.advance(600)
        for method, url in [("GET", ""), ("GET", "other"), ("POST", ""), ("OPTIONS", "")]:
            with pytest.raises(BreakerOpen) as caught:
                session.request(method, server.url + url)
            assert caught.value is refusal
        with pytest.raises(BreakerOpen):
            session.get(server.url + "other", stream=True)
    assert server.count == 1


def test_a_call_offline_sends_nothing_by_another_library_either(
    origin: MakeOrigin, cache: HttpCache
) -> None:
    import urllib.request

    server = origin(fresh())
    with through(cache) as call:
        call.offline = BreakerOpen("vendor: open")
        with pytest.raises(BreakerOpen):
            urllib.request.urlopen(server.url)
    assert server.count == 0


def test_an_inner_call_is_offline_when_the_one_around_is(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh())
    with through(cache) as outer, through(None):
        outer.offline = BreakerOpen("vendor: open")
        with pytest.raises(BreakerOpen):
            session.get(server.url)
    assert server.count == 0


# Answers that are refreshed behind the caller's back (RFC 5861 3).


def test_a_stale_answer_is_given_at_once_and_refreshed_behind(
    origin: MakeOrigin, session: requests.Session, clock: FakeClock, steps: RecordedSteps
) -> None:
    recorded: list[Call] = []
    pool = Refreshes()
    cache = HttpCache("vendor.fetch", pool=pool, record=recorded.append)
    server = origin(aged(b"old", **BEHIND), aged(b"new", **BEHIND))
    with through(cache) as call:
        session.get(server.url)
        clock.advance(100)
        server.held.clear()
        assert [session.get(server.url).content for _ in range(20)] == [b"old"] * 20
        server.held.set()
        assert pool.flush()
        assert session.get(server.url).content == b"new"
    assert server.count == 2
    assert not call.degraded
    assert len(call.exchanges) == 1
    (behind,) = recorded
    assert behind.target is call.target
    assert behind.parent is None
    assert behind.closed
    assert [exchange.status for exchange in behind.exchanges] == [200]
    assert steps.kinds() == ["refreshing", "refreshed"]
    assert len(call.target.http_saved or ()) == 21
    assert len(call.target.http_missed or ()) == 1


def test_a_refresh_validates_and_asks_the_gates(
    origin: MakeOrigin, session: requests.Session, clock: FakeClock, steps: RecordedSteps
) -> None:
    pool = Refreshes()
    cache = HttpCache("vendor.fetch", pool=pool)
    confirmed = fresh(b"", status="304 Not Modified", etag='"1"', content_length="")
    server = origin(aged(etag='"1"', **BEHIND), confirmed)
    gate = Full(5)
    target = cached_target(cache)
    target.gates = (gate,)
    with through(cache, target) as call:
        session.get(server.url)
        clock.advance(100)
        session.get(server.url)
        assert pool.flush()
        assert server.fields()["if-none-match"] == '"1"'
        assert session.get(server.url).headers["Age"] == "0"
    assert [asked is call for asked in gate.asked] == [False]
    assert sorted(steps.kinds()) == ["refreshed", "refreshing", "revalidated"]


@pytest.mark.parametrize("failing", [BUSY, b""], ids=["503", "hangs up"])
def test_a_refresh_that_fails_is_told_and_not_tried_again_at_once(
    failing: bytes,
    origin: MakeOrigin,
    session: requests.Session,
    clock: FakeClock,
    steps: RecordedSteps,
) -> None:
    pool = Refreshes()
    cache = HttpCache("vendor.fetch", pool=pool)
    server = origin(aged(connection="close", **BEHIND), failing)
    with through(cache) as call:
        session.get(server.url)
        clock.advance(100)
        for _ in range(3):
            assert session.get(server.url).content == b"hello"
            assert pool.flush()
        count = server.count
        assert sorted(steps.kinds()) == ["refresh_failed", "refreshing"]
        clock.advance(2)
        assert session.get(server.url).content == b"hello"
        assert pool.flush()
        assert server.count > count
    assert not call.degraded


def test_what_the_caller_changes_meanwhile_does_not_change_the_refresh(
    origin: MakeOrigin, session: requests.Session, clock: FakeClock
) -> None:
    pool = Refreshes(workers=1)
    cache = HttpCache("vendor.fetch", pool=pool)
    server = origin(aged(**BEHIND))
    with through(cache):
        session.get(server.url)
        clock.advance(100)
        server.held.clear()
        pool.submit("before", lambda: server.held.wait(20))
        response = session.get(server.url)
        response.request.headers["X-One"] = "1"
        response.request.url = "http://nowhere.test/"
        server.held.set()
        assert pool.flush()
    assert server.count == 2
    assert "x-one" not in server.fields()


def test_a_call_offline_refreshes_nothing(
    origin: MakeOrigin, session: requests.Session, clock: FakeClock
) -> None:
    pool = Refreshes()
    cache = HttpCache("vendor.fetch", pool=pool)
    server = origin(aged(**BEHIND))
    with through(cache) as call:
        session.get(server.url)
        clock.advance(100)
        call.offline = BreakerOpen("vendor: open")
        assert session.get(server.url).content == b"hello"
        assert pool.flush()
    assert server.count == 1


def test_nobody_listening_is_a_failure_like_any_other(
    cache: HttpCache, session: requests.Session, observing: None
) -> None:
    with socket.create_server((LOCAL, 0)) as nobody:
        port = nobody.getsockname()[1]
    with through(cache) as call:
        with pytest.raises(requests.ConnectionError):
            session.get(f"http://{LOCAL}:{port}/")
    assert call.outcome is FINE  # judged by whoever it is raised to
    assert len(call.target.http_missed or ()) == 1
