"""Interim answers, which http.client takes for final ones but for 100 (RFC 9110 15.2)."""

from __future__ import annotations

import http.client
import socket
import urllib.request
from collections.abc import Callable

import pytest
import requests

from resilient.http import observe
from tests.http.loopback import LOCAL, Vendor, opened
from tests.real_time import real_time

pytestmark = pytest.mark.usefixtures("observing")

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
WAIT = b"HTTP/1.1 102 Processing\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-One: 1\r\n%b\r\nok"


def test_the_final_answer_is_given_and_filed_after_interim_ones(
    vendor: Callable[..., Vendor],
) -> None:
    server = vendor(lambda line, _: line.sendall(HINTS + WAIT + WAIT + OK % b""))
    with requests.Session() as session, opened(deadline=20) as call:
        for _ in range(2):
            response = session.get(server.url)
            assert (response.status_code, response.content) == (200, b"ok")
            assert response.headers["X-One"] == "1"
            assert "Link" not in response.headers
    assert [exchange.status for exchange in call.exchanges] == [200, 200]
    assert server.connections == 1
    assert observe.errors == 0


def test_a_connection_that_ends_with_the_final_answer_is_not_used_again(
    vendor: Callable[..., Vendor],
) -> None:
    def answer(line: socket.socket, _: bytes) -> None:
        line.sendall(HINTS + OK % b"Connection: close\r\n")
        server.over.wait(20)

    server = vendor(answer)
    with requests.Session() as session, opened():
        assert [session.get(server.url).content for _ in range(2)] == [b"ok", b"ok"]
    assert server.connections == 2


@real_time
def test_the_final_answer_that_never_comes_is_cut_off(vendor: Callable[..., Vendor]) -> None:
    def answer(line: socket.socket, _: bytes) -> None:
        line.sendall(HINTS)
        server.drip(line)

    server = vendor(answer)
    with opened(deadline=0.2), pytest.raises(requests.RequestException):
        requests.get(server.url)


def test_urllib_and_http_client_get_the_final_answer_too(vendor: Callable[..., Vendor]) -> None:
    server = vendor(lambda line, _: line.sendall(HINTS + OK % b""))
    with opened():
        with urllib.request.urlopen(server.url) as response:
            assert response.read() == b"ok"
        connection = http.client.HTTPConnection(LOCAL, server.port)
        for _ in range(2):
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"ok"
        connection.close()


def test_switching_protocols_is_a_final_answer(vendor: Callable[..., Vendor]) -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"
    server = vendor(lambda line, _: line.sendall(head))
    with opened():
        connection = http.client.HTTPConnection(LOCAL, server.port)
        connection.request("GET", "/", headers={"Upgrade": "x", "Connection": "Upgrade"})
        assert connection.getresponse().status == 101
        connection.close()


def test_interim_answers_without_end_are_given_up(vendor: Callable[..., Vendor]) -> None:
    server = vendor(lambda line, _: line.sendall(WAIT * 40))
    with opened():
        connection = http.client.HTTPConnection(LOCAL, server.port)
        connection.request("GET", "/")
        assert connection.getresponse().status == 102
        connection.close()
