"""Connections to Redis that answer or fail within a bound."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from resilient.stores.bytes_store import StoreFailed
from resilient.stores.lookup import Lookup
from resilient.stores.redis_connection import BoundedSocket, Wire
from resilient.stores.redis_server import RedisServer
from resilient.testing import FakeClock
from resilient.timing import clock as system


@pytest.fixture
def pair() -> Iterator[tuple[BoundedSocket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield BoundedSocket(near), far


def test_whoever_was_stopped_past_the_bound_still_reads_what_has_come_in(
    pair: tuple[BoundedSocket, socket.socket],
) -> None:
    bounded, server = pair
    server.sendall(b"answer")
    bounded.end = system.monotonic() - 1
    assert bounded.recv(100) == b"answer"


def test_past_the_bound_nothing_is_waited_for(pair: tuple[BoundedSocket, socket.socket]) -> None:
    bounded, _ = pair
    bounded.end = system.monotonic() - 1
    with pytest.raises(socket.timeout):
        bounded.recv(100)
    with pytest.raises(socket.timeout):
        bounded.sendall(b"question")


def test_a_server_that_never_ends_its_answer_is_read_from_once_past_the_bound(
    pair: tuple[BoundedSocket, socket.socket],
) -> None:
    bounded, server = pair
    server.sendall(b"drip" * 10)
    bounded.end = system.monotonic() - 1
    assert bounded.recv(4) == b"drip"
    with pytest.raises(socket.timeout):
        bounded.recv(4)


def test_all_addresses_of_a_host_are_tried_within_one_bound(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = pytest.importorskip("redis")

    class Silent(socket.socket):
        """Nobody answers it."""

        def connect(self, address: Any) -> None:
            patience = self.gettimeout()
            assert patience is not None
            clock.advance(patience)
            raise socket.timeout("timed out")  # noqa: UP041  # what redis-py looks for

    def addresses(*_: Any, **__: Any) -> list[Any]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*kind, (f"192.0.2.{number}", 6379)) for number in range(1, 5)]

    monkeypatch.setattr(socket, "socket", Silent)
    monkeypatch.setattr(socket, "getaddrinfo", addresses)
    wire = Wire("redis://127.0.0.1:6379/0", bound=0.5)
    with pytest.raises((redis.ConnectionError, redis.TimeoutError)):
        wire.open()
    assert clock.now == pytest.approx(0.5, abs=0.01)


def test_a_host_whose_name_is_not_found_in_time_is_out_of_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("redis")

    def hangs(self: Lookup, end: float) -> None:
        raise TimeoutError

    monkeypatch.setattr(Lookup, "wait", hangs)
    wire = Wire("redis://cache.internal:6379/0", bound=0.5)
    with pytest.raises(StoreFailed, match="can't be reached"):
        RedisServer(wire).ask(b"")
