"""Whose timeout a socket has, at which moment."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3

from resilient.errors import DeadlineExceeded
from resilient.http import deadline, observe
from tests.http.loopback import LOCAL, OK, Vendor, opened
from tests.real_time import real_time

pytestmark = pytest.mark.usefixtures("observing")

MakeVendor = Callable[..., Vendor]


@contextlib.contextmanager
def connected(
    server: Vendor, kind: type[http.client.HTTPConnection], **options: Any
) -> Iterator[http.client.HTTPConnection]:
    with contextlib.closing(kind(LOCAL, server.port, **options)) as connection:
        yield connection


def exchange(connection: http.client.HTTPConnection) -> bytes:
    connection.request("GET", "/")
    return connection.getresponse().read()


@pytest.mark.parametrize("own", [None, 45.0], ids=["no timeout", "45 s"])
@pytest.mark.parametrize(
    "limits", [{"deadline": 20}, {"timeout": 7}, {"deadline": 20, "timeout": 7}]
)
def test_a_kept_alive_connection_gets_its_own_timeouts_back(
    own: float | None, limits: dict[str, Any], vendor: MakeVendor
) -> None:
    server = vendor()
    with connected(server, http.client.HTTPConnection, timeout=own) as connection:
        for _ in range(2):
            with opened(**limits):
                assert exchange(connection) == b"ok"
            assert connection.timeout == own
            assert connection.sock.gettimeout() == own
            assert "response_class" not in vars(connection)
        assert exchange(connection) == b"ok"
    assert server.connections == 1


def test_the_timeout_that_a_connection_takes_from_the_socket_module_comes_back(
    vendor: MakeVendor,
) -> None:
    server = vendor()
    with connected(server, http.client.HTTPConnection) as connection:
        default = connection.timeout
        with opened(deadline=20):
            exchange(connection)
        assert connection.timeout is default
        assert connection.sock.gettimeout() is None


def test_a_tls_socket_gets_its_own_timeout_back(
    vendor: MakeVendor, tls: ssl.SSLContext, certificate: Path
) -> None:
    server = vendor(tls=tls)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with (
        connected(server, http.client.HTTPSConnection, timeout=45, context=trusting) as connection,
        opened(deadline=20),
    ):
        exchange(connection)
        assert connection.sock.gettimeout() == connection.timeout == 45


def test_a_timeout_that_a_client_chose_for_a_new_socket_comes_back(vendor: MakeVendor) -> None:
    class Patient(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            self.sock.settimeout(99)

    with connected(vendor(), Patient, timeout=45) as connection, opened(deadline=20):
        exchange(connection)
        assert connection.timeout == 45
        assert connection.sock.gettimeout() == 99


def test_timeouts_come_back_after_a_failed_connect() -> None:
    with socket.create_server((LOCAL, 0)) as server:
        port = server.getsockname()[1]
    connection = http.client.HTTPConnection(LOCAL, port, timeout=45)
    with opened(deadline=20), pytest.raises(ConnectionRefusedError):
        connection.request("GET", "/")
    assert connection.timeout == 45


def test_a_pooled_connection_is_reused_after_a_call_with_a_deadline(vendor: MakeVendor) -> None:
    server = vendor()
    with requests.Session() as session:
        with opened(deadline=20):
            session.get(server.url)
        assert session.get(server.url).content == b"ok"
        with opened():
            session.get(server.url)
    assert server.connections == 1


def test_a_response_class_of_the_connections_own_stays_in_place(vendor: MakeVendor) -> None:
    class Own(http.client.HTTPResponse):
        pass

    with connected(vendor(), http.client.HTTPConnection) as connection, opened(deadline=20):
        connection.response_class = Own
        connection.request("GET", "/")
        with connection.getresponse() as answer:
            assert isinstance(answer, Own)
            assert answer.read() == b"ok"
        assert connection.response_class is Own


def test_a_response_class_put_into_place_meanwhile_stays(vendor: MakeVendor) -> None:
    # botocore's connection resets its response class when it is closed.
    class Resetting(http.client.HTTPConnection):
        def close(self) -> None:
            super().close()
            self.response_class = http.client.HTTPResponse

    server = vendor(
        lambda line, _: line.sendall(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    )
    with connected(server, Resetting) as connection, opened(deadline=20):
        assert exchange(connection) == b"ok"
        assert connection.response_class is http.client.HTTPResponse


def test_a_streamed_body_may_be_read_after_the_call_is_over(vendor: MakeVendor) -> None:
    go_on = threading.Event()

    def answer_in_halves(line: socket.socket, _: bytes) -> None:
        line.sendall(OK[:-1])
        go_on.wait(30)
        line.sendall(OK[-1:])

    server = vendor(answer_in_halves)
    with requests.Session() as session:
        with opened(deadline=20) as call:
            answer = session.get(server.url, stream=True)
            call.deadline = call.started - 1
        go_on.set()
        assert answer.content == b"ok"


@real_time
def test_a_streamed_body_is_still_bound_by_an_open_call_around_it(dripping: Vendor) -> None:
    with requests.Session() as session, opened(deadline=0.2):
        with opened(deadline=60):
            answer = session.get(dripping.url, stream=True)
        with pytest.raises(requests.ConnectionError), answer:
            answer.content  # noqa: B018


def test_the_peers_socket_can_be_dug_out_of_a_response(vendor: MakeVendor) -> None:
    with connected(vendor(), http.client.HTTPConnection) as connection, opened(deadline=20):
        connection.request("GET", "/")
        with connection.getresponse() as answer:
            raw: Any = answer.fp.raw
            assert raw._sock is connection.sock
            assert raw.fileno() == connection.sock.fileno()
            assert answer.read() == b"ok"


@real_time
def test_a_slow_upload_is_cut_off(vendor: MakeVendor) -> None:
    # The listener takes the connection by itself and nobody reads, so its buffers fill up.
    with (
        socket.create_server((LOCAL, 0)) as silent,
        opened(deadline=0.2),
        contextlib.closing(
            http.client.HTTPConnection(LOCAL, silent.getsockname()[1], timeout=60)
        ) as connection,
        pytest.raises(TimeoutError),
    ):
        connection.request("POST", "/", body=iter([b"x" * 65536] * 1000))


def test_the_time_is_checked_before_each_piece_of_an_upload(hung: Vendor) -> None:
    with (
        opened(deadline=20) as call,
        connected(hung, http.client.HTTPConnection) as connection,
    ):
        connection.putrequest("POST", "/")
        connection.endheaders()
        call.deadline = call.started - 1
        with pytest.raises(TimeoutError, match=r"^vendor\.fetch: the deadline is over") as caught:
            connection.send(b"x")
        assert not isinstance(caught.value, DeadlineExceeded)


def test_an_answer_that_starts_after_the_deadline_is_not_waited_for(hung: Vendor) -> None:
    with opened(deadline=20) as call, connected(hung, http.client.HTTPConnection) as connection:
        connection.request("GET", "/")
        call.deadline = call.started - 1
        with pytest.raises(TimeoutError, match=r"^vendor\.fetch: the deadline is over"):
            connection.getresponse()
        assert connection.sock.gettimeout() is None


def test_no_connection_is_made_after_the_deadline(vendor: MakeVendor) -> None:
    server = vendor()
    with (
        opened(deadline=-1),
        connected(server, http.client.HTTPConnection) as connection,
        pytest.raises(DeadlineExceeded),
    ):
        connection.connect()
    assert server.connections == 0


class TestReader:
    @pytest.fixture
    def pair(self) -> Iterator[tuple[socket.socket, socket.socket]]:
        near, far = socket.socketpair()
        with near, far:
            yield near, far

    def test_what_is_not_read_as_bytes_goes_to_the_socket(
        self, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        near, far = pair
        with opened(deadline=20) as call:
            bounded = deadline.BoundedSocket(near, deadline.Limit(call))
            assert bounded.fileno() == near.fileno()
            with bounded.makefile("wb", buffering=0) as out:
                out.write(b"hello")
            assert far.recv(9) == b"hello"
            far.sendall(b"back")
            with bounded.makefile("rb", buffering=0) as back:
                assert isinstance(back, deadline.BoundedReader)
                assert back.readable()
                assert back.read(9) == b"back"

    def test_a_stand_in_for_a_socket_is_left_alone(self) -> None:
        class Canned:
            def makefile(self, mode: str) -> io.BytesIO:
                return io.BytesIO(OK)

        with opened(deadline=20) as call:
            bounded = deadline.BoundedSocket(Canned(), deadline.Limit(call))
            with http.client.HTTPResponse(bounded) as answer:  # type: ignore[arg-type]
                answer.begin()
                assert answer.read() == b"ok"

    def test_a_timeout_of_the_sockets_own_stays_what_it_is(
        self, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        near, _ = pair
        near.settimeout(0.01)
        with opened(deadline=20) as call:
            bounded = deadline.BoundedSocket(near, deadline.Limit(call))
            with bounded.makefile("rb") as lines, pytest.raises(TimeoutError, match="timed out"):
                lines.read(1)

    def test_the_default_timeout_is_not_taken_for_the_deadline(
        self, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        near, _ = pair
        with opened(deadline=20, timeout=0.01) as call:
            bounded = deadline.BoundedSocket(near, deadline.Limit(call))
            with bounded.makefile("rb") as lines, pytest.raises(TimeoutError, match="timed out"):
                lines.read(1)
        assert near.gettimeout() is None

    def test_a_half_made_reader_can_be_closed(self) -> None:
        class Unmade(deadline.BoundedReader):
            def __init__(self) -> None:
                pass

        with pytest.raises(AttributeError):
            Unmade().sock  # noqa: B018


class TestRequestsTimeouts:
    @pytest.fixture
    def sent(self, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """The timeouts that reach the adapter."""
        seen: list[Any] = []
        plain = requests.adapters.HTTPAdapter.send

        def send(adapter: Any, request: Any, **options: Any) -> Any:
            seen.append(options["timeout"])
            return plain(adapter, request, **options)

        monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
        return seen

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            pytest.param(None, 7, id="none"),
            pytest.param(3, 3, id="shorter"),
            pytest.param(45.0, 45.0, id="longer stays"),
            pytest.param((3, None), (3, 7), id="no read timeout"),
            pytest.param((None, 45), (7, 45), id="no connect timeout"),
        ],
    )
    def test_what_is_missing_is_filled_in(
        self, given: Any, expected: Any, sent: list[Any], vendor: MakeVendor
    ) -> None:
        with opened(timeout=7):
            requests.get(vendor().url, timeout=given)
        assert sent == [expected]

    @pytest.mark.parametrize("given", [None, 45, (45, None), (45, 45)], ids=repr)
    def test_what_is_longer_than_the_time_left_is_shortened(
        self, given: Any, sent: list[Any], vendor: MakeVendor
    ) -> None:
        with opened(timeout=60, deadline=20):
            requests.get(vendor().url, timeout=given)
        (timeout,) = sent
        parts = timeout if isinstance(timeout, tuple) else (timeout,)
        assert all(0 < part <= 20 for part in parts)
        assert isinstance(timeout, tuple) == isinstance(given, tuple)

    def test_urllib3s_own_timeout_is_shortened(self, sent: list[Any], vendor: MakeVendor) -> None:
        server = vendor()
        mine = urllib3.Timeout(connect=3)
        total = urllib3.Timeout(total=45)
        with opened(timeout=7):
            requests.get(server.url, timeout=mine)  # type: ignore[arg-type]
        with opened(timeout=7, deadline=20):
            requests.get(server.url, timeout=mine)  # type: ignore[arg-type]
            requests.get(server.url, timeout=total)  # type: ignore[arg-type]
        assert [timeout.connect_timeout for timeout in sent[:2]] == [3, 3]
        assert [timeout.read_timeout for timeout in sent[:1]] == [7]
        assert sent[0].total is None
        assert all(0 < timeout.total <= 20 for timeout in sent[1:])
        assert (mine.total, total.total) == (None, 45)

    @pytest.mark.parametrize("given", [(1, 2, 3), "soon", True], ids=repr)
    def test_what_is_no_timeout_is_left_for_requests_to_refuse(
        self, given: Any, vendor: MakeVendor
    ) -> None:
        with opened(timeout=7, deadline=20), pytest.raises(ValueError):
            requests.get(vendor().url, timeout=given)
        assert observe.errors == 0

    def test_a_service_may_give_no_timeout_at_all(
        self, sent: list[Any], vendor: MakeVendor
    ) -> None:
        with opened(timeout=float("inf")):
            requests.get(vendor().url)
        assert sent == [None]
