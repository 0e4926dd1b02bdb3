"""Many who ask the same at once, and what is made void while it is on its way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from resilient.call import Call, Target
from resilient.errors import DeadlineExceeded
from resilient.http.caching.cache import HttpCache
from resilient.http.caching.flights import Flight, flight_key
from resilient.http.caching.messages import Request
from resilient.refreshing import Refreshes
from resilient.testing import RecordedSteps
from tests.http.caching.origin import Origin, cached_target, fresh, say, through
from tests.real_time import real_time
from tests.threads import StartThread, until

MakeOrigin = Callable[..., Origin]

BUSY = say(b"busy", status="503 Service Unavailable")


class Crowd:
    """Threads that ask, each in a call and with a session of its own, and what they got."""

    def __init__(self, cache: HttpCache, in_thread: StartThread, target: Target) -> None:
        self.cache = cache
        self.target = target
        self.calls: list[Call] = []
        self.responses: list[Any] = []
        self.errors: list[Exception] = []
        self._in_thread = in_thread

    def ask(self, url: str, count: int = 1, deadline: float | None = None, **options: Any) -> None:
        for _ in range(count):
            self._in_thread(lambda: self._ask(url, deadline, options))

    def _ask(self, url: str, deadline: float | None, options: dict[str, Any]) -> None:
        with requests.Session() as session, through(self.cache, self.target) as call:
            if deadline is not None:
                call.deadline = call.started + deadline
            self.calls.append(call)
            try:
                self.responses.append(session.get(url, **options))
            except Exception as error:
                self.errors.append(error)

    def wait(self, count: int) -> None:
        until(lambda: len(self.responses) + len(self.errors) == count)


@pytest.fixture
def crowd(cache: HttpCache, in_thread: StartThread) -> Crowd:
    return Crowd(cache, in_thread, cached_target(cache))


def waiting(cache: HttpCache) -> int:
    """How many threads wait for what is on its way."""
    return sum(len(flight.landed._cond._waiters) for flight in cache.flights._leading.values())  # type: ignore[attr-defined]


def test_fifty_threads_with_one_cold_key_make_one_request(
    origin: MakeOrigin, cache: HttpCache, crowd: Crowd
) -> None:
    server = origin(fresh())
    server.held.clear()
    crowd.ask(server.url, 50)
    until(lambda: waiting(cache) == 49)
    server.held.set()
    crowd.wait(50)
    assert server.count == 1
    assert [response.content for response in crowd.responses] == [b"hello"] * 50
    assert sum(response.from_cache for response in crowd.responses) == 49
    assert sum(len(call.exchanges) for call in crowd.calls) == 1
    assert len(crowd.target.http_saved or ()) == 49
    assert len(crowd.target.http_missed or ()) == 1


def test_twenty_stale_hits_make_one_refresh(origin: MakeOrigin, in_thread: StartThread) -> None:
    pool = Refreshes()
    cache = HttpCache("vendor.fetch", pool=pool)
    crowd = Crowd(cache, in_thread, cached_target(cache))
    stale = {"cache_control": "max-age=1, stale-while-revalidate=600", "age": "5"}
    server = origin(say(b"old", **stale), fresh(b"new"))
    crowd.ask(server.url)
    crowd.wait(1)
    server.held.clear()
    crowd.ask(server.url, 20)
    crowd.wait(21)
    server.held.set()
    assert pool.flush()
    assert server.count == 2
    assert {response.content for response in crowd.responses} == {b"old"}


def test_followers_share_the_failure_of_their_leader(
    origin: MakeOrigin, cache: HttpCache, crowd: Crowd
) -> None:
    server = origin(b"")
    server.held.clear()
    crowd.ask(server.url, 10)
    until(lambda: waiting(cache) == 9)
    server.held.set()
    crowd.wait(10)
    assert server.count == 1
    assert {type(error) for error in crowd.errors} == {requests.ConnectionError}


def test_followers_share_the_503_of_their_leader_and_are_judged_by_it(
    origin: MakeOrigin, cache: HttpCache, crowd: Crowd
) -> None:
    server = origin(BUSY)
    server.held.clear()
    crowd.ask(server.url, 10)
    until(lambda: waiting(cache) == 9)
    server.held.set()
    crowd.wait(10)
    assert server.count == 1
    assert {response.content for response in crowd.responses} == {b"busy"}
    assert {response.status_code for response in crowd.responses} == {503}
    assert not any(response.from_cache for response in crowd.responses)
    assert [[one.status for one in call.exchanges] for call in crowd.calls] == [[503]] * 10
    assert len(cache) == 0


def test_followers_of_a_failed_leader_get_the_stale_answer(
    origin: MakeOrigin, cache: HttpCache, crowd: Crowd
) -> None:
    stale = say(b"old", cache_control="max-age=1, stale-if-error=600", age="5")
    server = origin(stale, BUSY)
    crowd.ask(server.url)
    crowd.wait(1)
    server.held.clear()
    crowd.ask(server.url, 10)
    until(lambda: waiting(cache) == 9)
    server.held.set()
    crowd.wait(11)
    assert server.count == 2
    assert {response.content for response in crowd.responses} == {b"old"}
    assert sum(call.degraded for call in crowd.calls) == 10


def test_followers_get_a_stale_answer_that_is_no_success_too(
    origin: MakeOrigin, cache: HttpCache, crowd: Crowd
) -> None:
    stale = say(
        b"none", status="404 Not Found", cache_control="max-age=1, stale-if-error=600", age="5"
    )
    server = origin(stale, BUSY)
    crowd.ask(server.url)
    crowd.wait(1)
    server.held.clear()
    crowd.ask(server.url, 5)
    until(lambda: waiting(cache) == 4)
    server.held.set()
    crowd.wait(6)
    assert {response.content for response in crowd.responses} == {b"none"}


def test_an_answer_for_nobody_else_is_asked_for_by_each_at_once(
    origin: MakeOrigin, cache: HttpCache, crowd: Crowd
) -> None:
    server = origin(say(cache_control="no-store"))
    server.held.clear()
    crowd.ask(server.url, 5)
    until(lambda: waiting(cache) == 4)
    server.held.set()
    crowd.wait(5)
    assert server.count == 5
    assert not crowd.errors


def test_who_asks_for_another_part_does_not_wait(
    origin: MakeOrigin, cache: HttpCache, crowd: Crowd
) -> None:
    server = origin(fresh())
    server.held.clear()
    crowd.ask(server.url)
    until(lambda: server.count == 1)
    crowd.ask(server.url, headers={"Range": "bytes=0-1"})
    crowd.ask(server.url, headers={"If-None-Match": '"1"'})
    until(lambda: server.count == 3)
    server.held.set()
    crowd.wait(3)


def test_who_needs_another_variant_goes_himself_after_waiting(
    origin: MakeOrigin, cache: HttpCache, crowd: Crowd
) -> None:
    server = origin(lambda head: fresh(b"de" if b"Lang: de" in head else b"en", vary="Lang")(head))  # type: ignore[operator]
    server.held.clear()
    crowd.ask(server.url, headers={"Lang": "de"})
    until(lambda: server.count == 1)
    crowd.ask(server.url, headers={"Lang": "en"})
    until(lambda: waiting(cache) == 1)
    server.held.set()
    crowd.wait(2)
    assert {response.content for response in crowd.responses} == {b"de", b"en"}
    assert server.count == 2
    crowd.ask(server.url, headers={"Lang": "en"})
    crowd.wait(3)
    assert server.count == 2


def test_a_503_to_another_variant_is_not_shared_but_names_of_traces_tell_nothing_apart() -> None:
    def flight(**fields: str) -> Flight:
        return Flight(Call.of(cached_target(None)), fields)

    assert flight(lang="de", traceparent="1").asked_the_same({"lang": "de", "traceparent": "2"})
    assert not flight(lang="de").asked_the_same({"lang": "en"})


def test_waiting_ends_with_max_wait(
    origin: MakeOrigin, in_thread: StartThread, steps: RecordedSteps
) -> None:
    cache = HttpCache("vendor.fetch", max_wait=0.0)
    crowd = Crowd(cache, in_thread, cached_target(cache))
    server = origin(fresh())
    server.held.clear()
    crowd.ask(server.url, 2)
    until(lambda: server.count == 2)
    server.held.set()
    crowd.wait(2)
    assert [step.text.endswith("in vain") for step in steps.of("coalesced")] == [True]


def test_waiting_ends_at_the_deadline_with_something_stale_or_a_refusal(
    origin: MakeOrigin, cache: HttpCache, crowd: Crowd
) -> None:
    stale = say(b"old", cache_control="max-age=1, stale-if-error=600", age="5")
    server = origin(stale, fresh())
    crowd.ask(server.url)
    crowd.wait(1)
    server.held.clear()
    crowd.ask(server.url)
    crowd.ask(server.url + "other")
    until(lambda: server.count == 3)
    crowd.ask(server.url, deadline=0.05)
    crowd.ask(server.url + "other", deadline=0.05)
    crowd.wait(3)
    assert {response.content for response in crowd.responses} == {b"old"}
    assert [type(error) for error in crowd.errors] == [DeadlineExceeded]
    assert "the same request of another thread" in str(crowd.errors[0])
    server.held.set()
    crowd.wait(5)


@real_time
def test_a_leader_that_ran_out_of_time_does_not_fail_those_who_have_more(
    origin: MakeOrigin, cache: HttpCache, crowd: Crowd
) -> None:
    server = origin(fresh())
    server.held.clear()
    crowd.ask(server.url, deadline=0.2)
    until(lambda: server.count == 1)
    crowd.ask(server.url, 3)
    until(lambda: waiting(cache) == 3)
    until(lambda: server.count == 2)
    server.held.set()
    crowd.wait(4)
    assert len(crowd.errors) == 1
    assert server.count == 2


def test_a_leader_that_was_interrupted_leaves_the_lead_to_another(
    origin: MakeOrigin, cache: HttpCache, crowd: Crowd, session: requests.Session
) -> None:
    server = origin(fresh())
    with through(cache) as call:
        adapter = session.get_adapter(server.url)
        assert adapter.cache is cache  # type: ignore[attr-defined]
    lost = Flight(call, {})
    sent = session.prepare_request(requests.Request("GET", server.url))
    headers = list(sent.headers.lower_items())
    key = cache.key_of(call, server.url, headers, None, True)
    fields = cache.fields_of(headers)
    name = flight_key(key, Request("GET", server.url, fields))
    assert cache.flights.join(name, lost) is lost
    lost.thread = -1
    crowd.ask(server.url, 3)
    crowd.wait(3)
    assert server.count == 1
    assert lost.landed.is_set()


def test_a_request_that_its_own_adapter_makes_again_does_not_wait_for_itself(
    origin: MakeOrigin, cache: HttpCache, session: requests.Session
) -> None:
    server = origin(fresh())

    class Asking(requests.adapters.HTTPAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> requests.Response:
            requests.get(server.url, headers=dict(request.headers))
            return super().send(request, *args, **options)

    session.mount(server.url, Asking())
    started = time.monotonic()
    with through(cache):
        assert session.get(server.url).content == b"hello"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("how", ["clear", "invalidate", "post"])
def test_what_is_forgotten_while_it_is_on_its_way_is_not_kept(
    how: str, origin: MakeOrigin, cache: HttpCache, crowd: Crowd, session: requests.Session
) -> None:
    held = threading.Event()

    def slow(head: bytes) -> bytes:
        held.wait(20)
        return say(b"old", cache_control="max-age=60")

    server = origin(say(b"", location="/"))
    server.paths["/"] = slow
    crowd.ask(server.url)
    until(lambda: server.count == 1)
    if how == "clear":
        cache.clear()
    elif how == "invalidate":
        cache.invalidate(server.url)
    else:
        with through(cache):
            session.post(server.url + "form")
    held.set()
    crowd.wait(1)
    assert crowd.responses[0].content == b"old"
    assert len(cache) == 0


def test_a_stream_neither_leads_nor_follows(
    origin: MakeOrigin, cache: HttpCache, crowd: Crowd
) -> None:
    server = origin(fresh())
    server.held.clear()
    crowd.ask(server.url, stream=True)
    until(lambda: server.count == 1)
    crowd.ask(server.url)
    crowd.ask(server.url, stream=True)
    until(lambda: server.count == 3)
    server.held.set()
    crowd.wait(3)
    for response in crowd.responses:
        response.close()


def test_a_forked_child_has_no_flights(cache: HttpCache) -> None:
    flight = Flight(Call.of(cached_target(cache)), {})
    cache.flights.join("key", flight)
    cache.renew_in_child()
    other = Flight(Call.of(cached_target(cache)), {})
    assert cache.flights.join("key", other) is other


@pytest.mark.stress
def test_a_busy_crowd_gets_whole_and_right_answers(
    origin: MakeOrigin, in_thread: StartThread
) -> None:
    cache = HttpCache("vendor.fetch", max_entries=8, max_bytes=20_000)
    server = origin(b"")
    for number in range(16):
        body = b"%d " % number * 100
        etag = f'"{number}"'

        def answer(head: bytes, body: bytes = body, etag: str = etag) -> bytes:
            if etag.encode() in head:
                return say(b"", status="304 Not Modified", etag=etag, content_length="")
            return say(body, cache_control="max-age=0", etag=etag)

        server.paths[f"/{number}"] = answer
    wrong: list[object] = []

    def work() -> None:
        with requests.Session() as session, through(cache):
            for turn in range(60):
                number = turn * 7 % 16
                if turn % 20 == 19:
                    cache.clear()
                response = session.get(f"{server.url}{number}")
                if response.content != b"%d " % number * 100 or response.status_code != 200:
                    wrong.append(response)

    threads = [in_thread(work) for _ in range(8)]
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert len(cache) <= 8
