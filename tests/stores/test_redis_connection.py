"""Connections to Redis that answer or fail within a bound."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from resilient.stores.redis_connection import BoundedSocket
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
