"""What is filed of an answer, and who is told of it, under each kind of library."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import socket
import ssl
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from resilient.call import Call, Exchange, Gate
from resilient.errors import RateLimited
from resilient.http import observe
from resilient.http.hooks import http_client
from resilient.http.hooks.exchanges import EXCERPT, without_chunks
from tests.http.loopback import OK, Vendor, opened
from tests.real_time import real_time

pytestmark = pytest.mark.usefixtures("observing")

MakeVendor = Callable[..., Vendor]
Read = Callable[[str], bytes]

REFUSAL = b'{"error": {"code": "rate_limit_exceeded"}}'


def by_requests(url: str) -> bytes:
    with requests.Session() as session:
        return session.get(url, timeout=20).content


def by_urllib(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            return error.read()


def by_httpx(url: str) -> bytes:
    with httpx.Client(timeout=20, verify=False, trust_env=False) as client:
        return client.get(url).content


def by_httpx_stream(url: str) -> bytes:
    with (
        httpx.Client(timeout=20, verify=False, trust_env=False) as client,
        client.stream("GET", url) as answer,
    ):
        return b"".join(answer.iter_bytes())


every_layer = pytest.mark.parametrize(
    "read",
    [by_requests, by_urllib, by_httpx, by_httpx_stream],
    ids=["requests", "urllib", "httpx", "httpx stream"],
)
limited = pytest.mark.parametrize("limits", [{}, {"deadline": 20}], ids=["no deadline", "deadline"])


def refusal(
    body: bytes = REFUSAL, *, status: int = 403, kind: str = "application/json", more: str = ""
) -> bytes:
    head = f"HTTP/1.1 {status} No\r\nContent-Type: {kind}\r\n{more}"
    if "chunked" not in more:
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


@every_layer
@limited
def test_the_body_of_an_ambiguous_refusal_is_looked_at_and_left_to_the_client(
    read: Read, limits: dict[str, float], vendor: MakeVendor
) -> None:
    server = vendor(lambda line, _: line.sendall(refusal()))
    with opened(**limits) as call:
        assert read(server.url) == REFUSAL
    assert call.exchanges[0].excerpt == REFUSAL
    assert observe.errors == 0


@every_layer
@limited
def test_a_body_that_comes_a_little_after_its_headers_is_waited_for(
    read: Read, limits: dict[str, float], vendor: MakeVendor
) -> None:
    def answer(line: socket.socket, _: bytes) -> None:
        line.sendall(refusal()[: -len(REFUSAL)])
        server.over.wait(0.05)
        line.sendall(REFUSAL)

    server = vendor(answer)
    with opened(**limits) as call:
        assert read(server.url) == REFUSAL
    assert call.exchanges[0].excerpt == REFUSAL


@every_layer
def test_an_excerpt_is_short_and_the_body_is_whole(read: Read, vendor: MakeVendor) -> None:
    body = json.dumps(["x" * 100_000]).encode()
    server = vendor(lambda line, _: line.sendall(refusal(body, status=503)))
    with opened() as call:
        assert read(server.url) == body
    excerpt = call.exchanges[0].excerpt
    assert 0 < len(excerpt) <= EXCERPT
    assert body.startswith(excerpt)


@every_layer
def test_an_excerpt_has_no_chunk_sizes_in_it(read: Read, vendor: MakeVendor) -> None:
    chunks = b"10;x=y\r\n" + REFUSAL[:16] + b"\r\n" + b"%x\r\n" % len(REFUSAL[16:]) + REFUSAL[16:]
    whole = refusal(chunks + b"\r\n0\r\n\r\n", more="Transfer-Encoding: chunked\r\n")
    server = vendor(lambda line, _: line.sendall(whole))
    with opened() as call:
        assert read(server.url) == REFUSAL
    assert REFUSAL.startswith(call.exchanges[0].excerpt)
    assert len(call.exchanges[0].excerpt) >= 16


@every_layer
@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)], ids=lambda it: it
)
def test_a_compressed_refusal_is_read_as_far_as_an_excerpt_goes(
    read: Read, coding: str, pack: Callable[[bytes], bytes], vendor: MakeVendor
) -> None:
    body = REFUSAL + b" " * 10_000_000  # a bomb: ten thousand bytes on the wire
    answer = refusal(pack(body), more=f"Content-Encoding: {coding}\r\n")
    server = vendor(lambda line, _: line.sendall(answer))
    with opened() as call:
        read(server.url)
    assert call.exchanges[0].excerpt.rstrip() == REFUSAL
    assert len(call.exchanges[0].excerpt) <= EXCERPT


@every_layer
@pytest.mark.parametrize(
    "answer",
    [
        refusal(status=404),
        refusal(status=401),
        refusal(kind="text/event-stream"),
        refusal(kind="application/octet-stream"),
        refusal(kind="image/png"),
        refusal(more="Content-Encoding: br\r\n"),
        refusal(more="Content-Encoding: gzip\r\n"),
        refusal(b""),
    ],
    ids=["404", "401", "events", "octets", "image", "brotli", "not gzip", "empty"],
)
def test_no_other_body_is_looked_at(read: Read, answer: bytes, vendor: MakeVendor) -> None:
    server = vendor(lambda line, _: line.sendall(answer))
    with opened() as call, contextlib.suppress(OSError, httpx.HTTPError, requests.RequestException):
        read(server.url)
    assert call.exchanges[0].excerpt == b""
    assert call.exchanges[0].status is not None
    assert observe.errors == 0


@pytest.mark.parametrize("seconds", [0.2, 60])
def test_a_body_that_never_comes_costs_no_more_than_the_clients_own_timeout(
    seconds: float, vendor: MakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "PATIENCE", 0.2)

    def answer(line: socket.socket, _: bytes) -> None:
        line.sendall(refusal()[: -len(REFUSAL)])
        server.over.wait()

    server = vendor(answer)
    # A client that looks at the status alone gets its answer.
    with opened() as call, requests.Session() as session:
        response = session.get(server.url, timeout=seconds, stream=True)
        assert response.status_code == 403
        response.close()
    assert call.exchanges[0].status == 403
    assert call.exchanges[0].excerpt == b""
    assert observe.errors == 0


@real_time
def test_a_body_that_never_comes_fails_where_the_client_reads_it(vendor: MakeVendor) -> None:
    def answer(line: socket.socket, _: bytes) -> None:
        line.sendall(refusal()[: -len(REFUSAL)])
        server.over.wait()

    server = vendor(answer)
    with httpx.Client(timeout=0.2, verify=False, trust_env=False) as client, opened() as call:
        with client.stream("GET", server.url) as response:
            assert response.status_code == 403
            with pytest.raises(httpx.ReadTimeout):
                response.read()
    assert call.exchanges[0].status == 403
    assert observe.errors == 0


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_the_connection_is_as_good_as_before_the_look(method: str, vendor: MakeVendor) -> None:
    def answer(line: socket.socket, head: bytes) -> None:
        whole = refusal()
        line.sendall(whole[: -len(REFUSAL)] if head.startswith(b"HEAD") else whole)

    server = vendor(answer)
    with (
        requests.Session() as session,
        httpx.Client(verify=False, trust_env=False) as client,
        opened() as call,
    ):
        for _ in range(3):
            session.request(method, server.url, timeout=20)
            client.request(method, server.url)
    assert server.connections == 2
    assert [exchange.excerpt for exchange in call.exchanges] == [
        b"" if method == "HEAD" else REFUSAL
    ] * 6


def test_a_look_through_tls(vendor: MakeVendor, tls: ssl.SSLContext, certificate: Path) -> None:
    def answer(line: socket.socket, _: bytes) -> None:
        line.sendall(refusal()[: -len(REFUSAL)])
        server.over.wait(0.05)
        line.sendall(REFUSAL)

    server = vendor(answer, tls=tls)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with opened() as call, httpx.Client(verify=trusting, trust_env=False) as client:
        assert client.get(server.url).content == REFUSAL
        assert requests.get(server.url, verify=str(certificate), timeout=20).content == REFUSAL
    assert [exchange.excerpt for exchange in call.exchanges] == [REFUSAL, REFUSAL]
    assert observe.errors == 0


def test_the_socket_has_its_own_timeout_again_after_the_look(vendor: MakeVendor) -> None:
    server = vendor(lambda line, _: line.sendall(refusal()))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    with contextlib.closing(connection), opened() as call:
        connection.request("GET", "/")
        assert connection.getresponse().read() == REFUSAL
        assert connection.sock.gettimeout() == 20
    assert call.exchanges[0].excerpt == REFUSAL


@pytest.mark.parametrize(
    ("sent", "data"),
    [
        (b"", b""),
        (b"0\r\n\r\n", b""),
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"3;a=b\r\nabc\r\n2\r\nde", b"abcde"),
        (b"ff\r\nabc", b"abc"),
        (b"3\r\nabc\r\n-5\r\nxx", b"abc"),
        (b"nonsense", b""),
        (b"{}", b""),
    ],
)
def test_chunks_are_read_as_far_as_they_make_sense(sent: bytes, data: bytes) -> None:
    assert without_chunks(sent) == data


class Hearing(Gate):
    """Notes what it is told, and raises `error` then."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.heard: list[tuple[Call, int | None, Any, bytes]] = []
        self.error = error

    def next_request(self, call: Call) -> None:
        """Let everything pass."""

    def answered(self, call: Call, exchange: Exchange) -> None:
        assert exchange.headers is not None
        assert exchange.elapsed is not None
        remaining = exchange.headers.get("X-RateLimit-Remaining")
        self.heard.append((call, exchange.status, remaining, exchange.excerpt))
        if self.error is not None:
            raise self.error


@every_layer
def test_each_gate_hears_of_each_answer_while_the_call_runs(read: Read, vendor: MakeVendor) -> None:
    gates = (Hearing(), Hearing())
    server = vendor(lambda line, _: line.sendall(refusal() if len(server.heads) > 1 else OK))
    with opened(gates=gates) as call:
        read(server.url)
        assert [gate.heard for gate in gates] == [[(call, 200, "41", b"")]] * 2
        read(server.url)
    assert [gate.heard[1] for gate in gates] == [(call, 403, None, REFUSAL)] * 2


@every_layer
def test_a_gate_hears_before_the_body_is_read(read: Read, vendor: MakeVendor) -> None:
    heard = threading.Event()

    class Waking(Hearing):
        def answered(self, call: Call, exchange: Exchange) -> None:
            heard.set()

    def answer(line: socket.socket, _: bytes) -> None:
        line.sendall(OK[:-2])
        assert heard.wait(20)
        line.sendall(b"ok")

    server = vendor(answer)
    with opened(gates=(Waking(),)):
        assert read(server.url) == b"ok"


@every_layer
@pytest.mark.parametrize(
    "error", [ValueError("a bug in a gate"), RateLimited("too late to refuse", retry_after=1)]
)
def test_a_gate_that_raises_when_it_is_told_breaks_nothing_and_is_counted(
    read: Read, error: Exception, vendor: MakeVendor
) -> None:
    gates = (Hearing(error), Hearing())
    server = vendor()
    with opened(gates=gates) as call:
        assert read(server.url) == b"ok"
    assert [exchange.status for exchange in call.exchanges] == [200]
    assert [len(gate.heard) for gate in gates] == [1, 1]
    assert observe.errors == 1


def test_ctrl_c_while_a_gate_is_told_is_not_swallowed(vendor: MakeVendor) -> None:
    server = vendor()
    with opened(gates=(Hearing(KeyboardInterrupt()),)), pytest.raises(KeyboardInterrupt):
        by_requests(server.url)
