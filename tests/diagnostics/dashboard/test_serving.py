from __future__ import annotations

import contextlib
import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from resilient import ConfigurationError
from resilient.diagnostics.dashboard import Access, Dashboard, Live, Server, served
from resilient.diagnostics.dashboard import serving as module
from resilient.registry import Registry
from tests.diagnostics.dashboard.conftest import TOKENS
from tests.threads import REAL_LIMIT


@pytest.fixture
def board() -> Dashboard:
    return Dashboard(Live(Registry()), Access())


@pytest.fixture
def server(board: Dashboard) -> Iterator[Server]:
    with served(board) as server:
        yield server


def test_it_serves_over_a_real_socket(server: Server) -> None:
    with urllib.request.urlopen(server.address, timeout=REAL_LIMIT) as answer:
        assert b"No calls yet" in answer.read()
        assert answer.headers["Server"] == "resilient"


def test_a_name_of_somebody_else_that_leads_here_is_refused(server: Server) -> None:
    request = urllib.request.Request(server.address, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=REAL_LIMIT)
    with error.value as answer:
        assert answer.code == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_beyond_this_machine_it_takes_tokens(board: Dashboard, host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"give tokens, or use 127\.0\.0\.1"):
        Server(board, host, 0)


def test_with_tokens_it_serves_anywhere() -> None:
    server = Server(Dashboard(Live(Registry()), Access(TOKENS)), "0.0.0.0", 0)
    server.server_close()


def test_it_serves_over_ipv6(board: Dashboard) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with served(board, "::1") as server:
        assert server.address.startswith("http://[::1]:")
        with urllib.request.urlopen(server.address, timeout=REAL_LIMIT) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(
    "raw",
    [
        *(b"GET / HTTP/1.1\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n"),
        *(b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        *(b"GET /%00%ff HTTP/1.0\r\nHost: localhost\r\n\r\n", b"A" * 70_000 + b"\r\n\r\n"),
    ],
    ids=lambda raw: repr(raw[:20]),
)
def test_rubbish_does_not_harm_who_comes_next(
    server: Server, raw: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.suppress(ConnectionError):
        with socket.create_connection(server.server_address[:2], REAL_LIMIT) as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(100_000)
            assert b"Python" not in answer
            assert b"Traceback" not in answer
    with urllib.request.urlopen(server.address, timeout=REAL_LIMIT) as answer:
        assert answer.status == 200
    assert "Traceback" not in capsys.readouterr().err


def test_who_only_holds_connections_does_not_keep_all_of_them(
    board: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(module._Handler, "timeout", 0.2)
    with served(board) as server, contextlib.ExitStack() as held:
        for _ in range(2):
            held.enter_context(socket.create_connection(server.server_address[:2], REAL_LIMIT))
        for _ in range(1_000):
            with contextlib.suppress(ConnectionError, http.client.HTTPException, OSError):
                with urllib.request.urlopen(server.address, timeout=REAL_LIMIT) as answer:
                    assert answer.status == 200
                    return
        pytest.fail("nobody was let in")


def test_who_says_a_byte_now_and_then_is_cut_off(
    board: Dashboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST", 0.0)
    with served(board) as server:
        with socket.create_connection(server.server_address[:2], REAL_LIMIT) as connection:
            connection.sendall(b"GET / HTT")
            assert connection.recv(1) == b""
