"""What sends through http.client in its own way: httplib2, urllib3's pools, requests-cache."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests_cache
import urllib3

from resilient.call import Call, Gate
from resilient.errors import RateLimited
from resilient.http import deadline, observe
from tests.http.loopback import LOCAL, OK, Vendor, opened
from tests.real_time import real_time

pytestmark = pytest.mark.usefixtures("observing")

MakeVendor = Callable[..., Vendor]


@pytest.fixture
def httplib2() -> Any:
    return pytest.importorskip("httplib2")


@pytest.fixture
def http(httplib2: Any) -> Any:
    with contextlib.closing(httplib2.Http(timeout=20)) as http:
        yield http


def test_httplib2_is_seen_once_and_its_redirects_too(http: Any, vendor: MakeVendor) -> None:
    def answer(line: socket.socket, head: bytes) -> None:
        if head.startswith(b"GET /old"):
            line.sendall(b"HTTP/1.1 302 Found\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n")
        else:
            line.sendall(OK)

    server = vendor(answer)
    with opened(deadline=20) as call:
        assert http.request(server.url)[1] == b"ok"
        assert http.request(server.url + "old")[1] == b"ok"
    assert [exchange.status for exchange in call.exchanges] == [200, 302, 200]
    assert observe.errors == 0


def test_httplib2_sends_twice_what_was_not_answered_and_both_show(
    http: Any, vendor: MakeVendor
) -> None:
    def answer(line: socket.socket, _: bytes) -> None:
        if len(server.heads) == 2:
            line.shutdown(socket.SHUT_RDWR)
        else:
            line.sendall(OK)

    server = vendor(answer)
    with opened(deadline=20) as call:
        http.request(server.url)
        http.request(server.url)
    assert [exchange.status for exchange in call.exchanges] == [200, None, 200]


def test_httplib2_connects_within_the_deadline(
    http: Any, vendor: MakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float | None] = []

    def connect(sock: socket.socket, address: Any) -> None:
        given.append(sock.gettimeout())
        original(sock, address)

    original = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", connect)
    with opened(deadline=5):
        http.request(vendor().url)
    ours = [seconds for seconds in given if seconds is not None]
    assert ours
    assert all(0 < seconds <= 5 for seconds in ours)


@real_time
def test_the_deadline_cuts_off_a_body_that_drips_to_httplib2(http: Any, dripping: Vendor) -> None:
    with opened(deadline=0.2) as call, pytest.raises(TimeoutError):
        http.request(dripping.url)
    assert [exchange.status for exchange in call.exchanges] == [200]


def test_a_refusal_passes_through_httplib2_as_it_is(http: Any, vendor: MakeVendor) -> None:
    refusal = RateLimited("vendor: no room", retry_after=3)

    class Refusing(Gate):
        def next_request(self, call: Call) -> None:
            raise refusal

    with opened(gates=(Refusing(),), admitted=False), pytest.raises(RateLimited) as caught:
        http.request(vendor().url)
    assert caught.value is refusal


def test_what_a_cache_answers_is_no_exchange(vendor: MakeVendor) -> None:
    server = vendor()
    with requests_cache.CachedSession(backend="memory") as session, opened() as call:
        answers = [session.get(server.url, timeout=20) for _ in range(3)]
    assert [answer.from_cache for answer in answers] == [False, True, True]
    assert [exchange.status for exchange in call.exchanges] == [200]


def test_a_pool_that_sends_on_a_stale_connection_shows_both_tries(vendor: MakeVendor) -> None:
    def answer(line: socket.socket, _: bytes) -> None:
        line.sendall(OK)
        if len(server.heads) == 1:
            line.shutdown(socket.SHUT_RDWR)
            closed.set()

    closed = threading.Event()
    server = vendor(answer)
    with urllib3.PoolManager(retries=urllib3.Retry(2, backoff_factor=0)) as pool, opened() as call:
        pool.request("GET", server.url)
        assert closed.wait(20)
        pool.request("GET", server.url)
    assert [exchange.status for exchange in call.exchanges if exchange.status] == [200, 200]


def test_an_owner_that_sets_a_timeout_while_it_is_held_keeps_it() -> None:
    with socket.create_server((LOCAL, 0)) as server:
        with contextlib.closing(socket.create_connection(server.getsockname())) as sock:

            class Connection:
                timeout = 45.0

            connection: Any = Connection()
            connection.sock = sock
            with opened(deadline=20) as call:
                hold = deadline.take_hold(connection, call)
                assert hold is not None
                assert hold.tighten()
                assert sock.gettimeout() == pytest.approx(20, abs=1)
                sock.settimeout(99)
                assert hold.tighten()
                assert sock.gettimeout() == pytest.approx(20, abs=1)
                hold.release()
            assert sock.gettimeout() == 99
            assert connection.timeout == 45
