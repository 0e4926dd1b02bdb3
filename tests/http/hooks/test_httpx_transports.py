"""httpx and httpx2 on real loopback HTTP: seen, admitted, and kept inside the call's time."""

from __future__ import annotations

import contextlib
import importlib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from resilient.call import Call, Gate
from resilient.errors import DeadlineExceeded, RateLimited
from resilient.http import deadline, observe
from resilient.testing import ScriptedVendor
from tests.http.loopback import LOCAL, OK, Vendor, opened
from tests.real_time import real_time

pytestmark = pytest.mark.usefixtures("observing")

MakeVendor = Callable[..., Vendor]
ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["httpx", "httpx2"])
def httpx(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param)


@pytest.fixture
def httpcore(httpx: Any) -> Any:
    return importlib.import_module(httpx.__name__.replace("x", "core"))


@pytest.fixture
def client(httpx: Any) -> Iterator[Any]:
    # verify=False where nothing is encrypted: to read all certificates takes longer than the test.
    with httpx.Client(verify=False, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def granted(httpcore: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float | None]]:
    """The timeouts that each step on a socket was given."""
    seen: list[tuple[str, float | None]] = []
    streams = sys.modules[httpcore.__name__ + "._backends.sync"]
    observe.uninstall()

    def record(owner: type, name: str) -> None:
        original = vars(owner)[name]

        def step(self: Any, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
            seen.append((name, timeout))
            return original(self, *args, timeout=timeout, **kwargs)

        step.__name__ = name
        monkeypatch.setattr(owner, name, step)

    record(httpcore.SyncBackend, "connect_tcp")
    record(streams.SyncStream, "read")
    record(streams.SyncStream, "write")
    observe.install()
    return seen


class Counting(Gate):
    def __init__(self, error: Exception | None = None) -> None:
        self.asked = 0
        self.error = error

    def next_request(self, call: Call) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error


def test_an_exchange_is_filed_once_with_status_headers_and_time(
    client: Any, vendor: MakeVendor
) -> None:
    server = vendor()
    with opened() as call:
        assert client.get(server.url).text == "ok"
    (exchange,) = call.exchanges
    assert (exchange.method, exchange.host, exchange.status) == ("GET", LOCAL, 200)
    assert exchange.headers is not None
    assert exchange.headers["x-ratelimit-remaining"] == exchange.headers["X-RateLimit-Remaining"]
    assert exchange.elapsed is not None
    assert 0 < exchange.elapsed < 20
    assert observe.errors == 0


def test_traffic_outside_a_call_is_left_alone(
    httpx: Any, client: Any, vendor: MakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a hook went on without an open call")

    monkeypatch.setattr(deadline, "Limit", fail)
    request = client.build_request("GET", vendor().url)
    own = request.extensions
    assert client.send(request).text == "ok"
    assert request.extensions is own


def test_redirects_and_each_try_of_a_retrying_transport_show(
    httpx: Any, vendor: MakeVendor
) -> None:
    class Retrying(httpx.BaseTransport):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.inner = httpx.HTTPTransport()

        def handle_request(self, request: Any) -> Any:
            while (answer := self.inner.handle_request(request)).status_code == 503:
                answer.close()
            return answer

        def close(self) -> None:
            self.inner.close()

    def answer(line: socket.socket, head: bytes) -> None:
        if head.startswith(b"GET /old"):
            line.sendall(b"HTTP/1.1 302 Found\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n")
        elif len(server.heads) < 4:
            line.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        else:
            line.sendall(OK)

    server = vendor(answer)
    with httpx.Client(transport=Retrying(), follow_redirects=True) as client, opened() as call:
        assert client.get(server.url + "old").status_code == 200
    assert [exchange.status for exchange in call.exchanges] == [302, 503, 503, 200]


def test_a_transport_that_inherits_or_wraps_is_one_exchange(httpx: Any, vendor: MakeVendor) -> None:
    class Mine(httpx.HTTPTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            return super().handle_request(request)

    inner = Mine()
    outer = httpx.MockTransport(inner.handle_request)
    with httpx.Client(transport=outer) as client, contextlib.closing(inner), opened() as call:
        assert client.get(vendor().url).text == "ok"
    assert [exchange.status for exchange in call.exchanges] == [200]


def test_an_idempotency_key_makes_a_post_repeatable(client: Any, vendor: MakeVendor) -> None:
    server = vendor()
    with opened() as call:
        client.post(server.url, json={})
        client.post(server.url, json={}, headers={"IDEMPOTENCY-Key": "7"})
    assert [(seen.method, seen.repeatable) for seen in call.exchanges] == [
        ("POST", False),
        ("POST", True),
    ]


def test_the_first_request_is_admitted_and_each_further_one_asks(
    client: Any, vendor: MakeVendor
) -> None:
    server, gate = vendor(), Counting()
    with opened(gates=(gate,)):
        client.get(server.url)
        assert gate.asked == 0
        client.get(server.url)
        requests.get(server.url, timeout=20)
    assert gate.asked == 2


def test_a_refusal_reaches_the_caller_as_it_is_and_nothing_leaves(
    client: Any, vendor: MakeVendor
) -> None:
    server, refusal = vendor(), RateLimited("vendor: no room", retry_after=3)
    with (
        opened(gates=(Counting(refusal),), admitted=False) as call,
        pytest.raises(RateLimited) as caught,
    ):
        client.get(server.url)
    assert caught.value is refusal
    assert not call.exchanges
    assert not server.heads


def test_a_request_after_the_deadline_is_not_sent(client: Any, vendor: MakeVendor) -> None:
    server = vendor()
    with opened(deadline=-1) as call, pytest.raises(DeadlineExceeded):
        client.get(server.url)
    assert not call.exchanges
    assert not server.heads


def test_a_request_without_a_timeout_gets_the_services(
    client: Any, vendor: MakeVendor, granted: list[tuple[str, float | None]]
) -> None:
    with opened(timeout=7):
        client.get(vendor().url, timeout=None)
    assert {name for name, _ in granted} == {"connect_tcp", "write", "read"}
    assert {seconds for _, seconds in granted} == {7.0}


def test_each_phase_keeps_its_own_timeout_which_is_never_lengthened(
    httpx: Any, client: Any, vendor: MakeVendor, granted: list[tuple[str, float | None]]
) -> None:
    own = httpx.Timeout(connect=2, read=3, write=None, pool=1)
    with opened(timeout=7, deadline=60):
        request = client.build_request("GET", vendor().url, timeout=own)
        client.send(request)
    assert set(granted) == {("connect_tcp", 2), ("read", 3), ("write", 7)}
    assert request.extensions["timeout"] == own.as_dict()


def test_a_deadline_shortens_every_phase(
    client: Any, vendor: MakeVendor, granted: list[tuple[str, float | None]]
) -> None:
    with opened(deadline=5):
        client.get(vendor().url)
    assert all(seconds is not None and 0 < seconds <= 5 for _, seconds in granted)


def test_a_call_that_observes_records_and_does_nothing_else(
    client: Any, vendor: MakeVendor, granted: list[tuple[str, float | None]]
) -> None:
    gate = Counting()
    with opened(deadline=-1, timeout=0.001, gates=(gate,), admitted=False, observing=True) as call:
        client.get(vendor().url, timeout=None)
    assert [exchange.status for exchange in call.exchanges] == [200]
    assert {seconds for _, seconds in granted} == {None}
    assert gate.asked == 1


def hangs(line: socket.socket, server: Vendor) -> None:
    server.over.wait()


def drips_headers(line: socket.socket, server: Vendor) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    server.drip(line)


def drips_a_body(line: socket.socket, server: Vendor) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    server.drip(line)


def drips_then_hangs(line: socket.socket, server: Vendor) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx")
    server.over.wait()


def sends_headers_for_ever(line: socket.socket, server: Vendor) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\n")
    while not server.over.wait(0.02):
        line.sendall(b"X-More: and more\r\n")


@real_time
@pytest.mark.parametrize(
    ("liar", "status"),
    [
        (hangs, None),
        (drips_headers, None),
        (sends_headers_for_ever, None),
        (drips_a_body, 200),
        (drips_then_hangs, 200),
    ],
)
def test_the_deadline_cuts_a_liar_off(
    liar: Callable[[socket.socket, Vendor], None],
    status: int | None,
    httpx: Any,
    client: Any,
    vendor: MakeVendor,
) -> None:
    server: Vendor = vendor(lambda line, _: liar(line, server))
    started = time.monotonic()
    with opened(deadline=0.2) as call, pytest.raises(httpx.ReadTimeout, match="deadline is over"):
        client.get(server.url)
    assert time.monotonic() - started < 5
    assert [exchange.status for exchange in call.exchanges] == [status]


def test_a_reset_is_the_error_it_always_was(httpx: Any, client: Any, vendor: MakeVendor) -> None:
    def answer(line: socket.socket, _: bytes) -> None:
        line.shutdown(socket.SHUT_RDWR)

    server = vendor(answer)
    with opened(deadline=20) as call, pytest.raises(httpx.RemoteProtocolError):
        client.get(server.url)
    assert [exchange.status for exchange in call.exchanges] == [None]


@real_time
def test_the_deadline_cuts_off_a_streamed_body_between_two_reads(
    httpx: Any, client: Any, vendor: MakeVendor
) -> None:
    server: Vendor = vendor(lambda line, _: drips_a_body(line, server))
    with opened(deadline=0.2), client.stream("GET", server.url) as answer:
        with pytest.raises(httpx.ReadTimeout, match="deadline is over"):
            for _ in answer.iter_raw():
                pass


@real_time
def test_the_deadline_cuts_off_a_vendor_that_does_not_read(httpx: Any, client: Any) -> None:
    # A listener accepts by itself, and nobody ever reads what is sent.
    with socket.create_server((LOCAL, 0)) as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with opened(deadline=0.3), pytest.raises((httpx.WriteTimeout, httpx.ReadTimeout)):
            client.post(f"http://{LOCAL}:{silent.getsockname()[1]}/", content=b"x" * 30_000_000)


def test_a_long_write_looks_at_the_deadline_now_and_then(
    client: Any, vendor: MakeVendor, granted: list[tuple[str, float | None]]
) -> None:
    server = vendor()
    with opened(deadline=30):
        assert client.post(server.url, content=b"x" * 1_000_000).text == "ok"
    writes = [seconds for name, seconds in granted if name == "write" and seconds is not None]
    assert len(writes) > 10
    assert writes == sorted(writes, reverse=True)
    assert b"content-length: 1000000" in server.heads[0].lower()


@real_time
def test_the_deadline_bounds_the_wait_for_a_place_in_the_pool(
    httpx: Any, vendor: MakeVendor
) -> None:
    server: Vendor = vendor(lambda line, _: drips_a_body(line, server))
    limits = httpx.Limits(max_connections=1)
    with httpx.Client(limits=limits, timeout=20, verify=False, trust_env=False) as client:
        with client.stream("GET", server.url), opened(deadline=0.2):
            with pytest.raises(httpx.PoolTimeout):
                client.get(server.url)


def test_a_body_read_after_the_call_has_the_clients_own_timeouts_again(
    client: Any, vendor: MakeVendor, granted: list[tuple[str, float | None]]
) -> None:
    reading = threading.Event()

    def answer(line: socket.socket, _: bytes) -> None:
        line.sendall(OK[:-2])
        assert reading.wait(20)
        line.sendall(b"ok")

    server = vendor(answer)
    with contextlib.ExitStack() as streaming:
        with opened(deadline=30) as call:
            response = streaming.enter_context(client.stream("GET", server.url))
        call.deadline = call.started  # long over
        reading.set()
        assert response.read() == b"ok"


@real_time
def test_a_deadline_reaches_through_tls(
    httpx: Any, vendor: MakeVendor, tls: ssl.SSLContext, certificate: Path
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    server = vendor(tls=tls)
    with httpx.Client(verify=trusting, trust_env=False) as client:
        with opened(deadline=20) as call:
            assert client.get(server.url).text == "ok"
        assert [exchange.status for exchange in call.exchanges] == [200]
        slow: Vendor = vendor(lambda line, _: drips_a_body(line, slow), tls=tls)
        with opened(deadline=0.5), pytest.raises(httpx.ReadTimeout):
            client.get(slow.url, timeout=60)


@real_time
def test_the_deadline_cuts_off_a_hung_handshake(httpx: Any, client: Any) -> None:
    with (
        socket.create_server((LOCAL, 0)) as silent,
        opened(deadline=0.2),
        pytest.raises(httpx.ConnectTimeout, match="deadline is over"),
    ):
        client.get(f"https://{LOCAL}:{silent.getsockname()[1]}/")


@pytest.mark.parametrize("fails", [False, True])
def test_a_connection_that_is_made_too_late_for_its_handshake_is_closed(
    fails: bool, httpcore: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = sys.modules[httpcore.__name__ + "._backends.sync"].SyncStream
    connect, close, made = httpcore.SyncBackend.connect_tcp, stream.close, []

    def slow(*args: Any, **kwargs: Any) -> Any:
        made.append(connect(*args, **kwargs))
        call.deadline = call.started - 1
        return made[-1]

    def closing(one: Any) -> None:
        close(one)
        if fails:
            raise OSError("the network is gone")

    with socket.create_server((LOCAL, 0)) as silent, opened(deadline=20) as call:
        monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", slow)
        monkeypatch.setattr(stream, "close", closing)
        with pytest.raises(DeadlineExceeded):
            client.get(f"https://{LOCAL}:{silent.getsockname()[1]}/")
    assert made[0].get_extra_info("socket").fileno() == -1
    assert observe.errors == fails


@real_time
def test_http_2_is_seen_and_cut_off(httpx: Any, certificate: Path, vendor: MakeVendor) -> None:
    h2 = pytest.importorskip("h2.connection")
    config = pytest.importorskip("h2.config")
    events = pytest.importorskip("h2.events")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2"])
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as plain:
            with context.wrap_socket(plain, server_side=True) as line:
                state = h2.H2Connection(config.H2Configuration(client_side=False))
                state.initiate_connection()
                line.sendall(state.data_to_send())
                while data := line.recv(65536):
                    for event in state.receive_data(data):
                        if not isinstance(event, events.RequestReceived):
                            continue
                        path = dict(event.headers)[b":path"]
                        state.send_headers(event.stream_id, [(":status", "200")])
                        if path == b"/":
                            state.send_data(event.stream_id, b"ok", end_stream=True)
                        line.sendall(state.data_to_send())
                        while path == b"/drip" and not over.wait(0.02):
                            state.send_data(event.stream_id, b"x")
                            line.sendall(state.data_to_send())
                    line.sendall(state.data_to_send())

    trusting = ssl.create_default_context(cafile=str(certificate))
    with socket.create_server((LOCAL, 0)) as listener:
        serving = threading.Thread(target=serve, args=(listener,))
        serving.start()
        url = f"https://{LOCAL}:{listener.getsockname()[1]}/"
        with httpx.Client(http2=True, http1=False, verify=trusting, trust_env=False) as client:
            with opened(deadline=20) as call:
                answer = client.get(url)
            assert (answer.http_version, answer.text) == ("HTTP/2", "ok")
            assert [exchange.status for exchange in call.exchanges] == [200]
            with opened(deadline=0.3) as call, pytest.raises(httpx.TimeoutException):
                client.get(url + "drip", timeout=60)
            assert [exchange.status for exchange in call.exchanges] == [200]
        over.set()
        serving.join()


@pytest.mark.parametrize("kind", ["MockTransport", "WSGITransport"])
def test_the_transports_for_tests_are_seen_and_held_too(kind: str, httpx: Any) -> None:
    def app(environ: dict[str, Any], start: Callable[..., object]) -> list[bytes]:
        start("403 No", [("Content-Type", "application/json")])
        return [b'{"code": "rate_limit"}']

    def handler(request: Any) -> Any:
        return httpx.Response(403, json={"code": "rate_limit"})

    made = httpx.MockTransport(handler) if kind == "MockTransport" else httpx.WSGITransport(app)
    gate = Counting(RateLimited("vendor: no room", retry_after=3))
    with httpx.Client(transport=made) as client, opened(gates=(gate,)) as call:
        answer = client.get("http://api.example.org/repos")
        assert answer.json() == {"code": "rate_limit"}
        with pytest.raises(RateLimited):
            client.get("http://api.example.org/repos")
    (exchange,) = call.exchanges
    assert (exchange.host, exchange.status) == ("api.example.org", 403)
    assert b"rate_limit" in exchange.excerpt


def test_threads_keep_their_exchanges_apart(client: Any, vendor: MakeVendor) -> None:
    together = threading.Barrier(6, timeout=30)

    def answer(line: socket.socket, _: bytes) -> None:
        together.wait()
        line.sendall(OK)

    server = vendor(answer)
    seen: list[list[int | None]] = []

    def work() -> None:
        with opened(deadline=30) as call:
            for _ in range(3):
                client.get(server.url)
        seen.append([exchange.status for exchange in call.exchanges])

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [[200, 200, 200]] * 6


@pytest.mark.parametrize("step", ["Limit", "is_over", "time_left", "Limit.binds", "Limit.allowed"])
def test_no_step_of_a_hook_can_break_a_request(
    step: str, client: Any, vendor: MakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = vendor()

    def broken(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    with opened(deadline=30) as call:
        monkeypatch.setattr(f"resilient.http.deadline.{step}", broken)
        assert client.get(server.url).text == "ok"
    assert len(call.exchanges) == 1
    assert observe.errors > 0


def test_a_scripted_vendor_shows_each_answer(client: Any) -> None:
    with ScriptedVendor("429 retry-after=3, 503, 200") as vendor, opened() as call:
        statuses = [client.get(vendor.url).status_code for _ in range(3)]
    assert statuses == [exchange.status for exchange in call.exchanges] == [429, 503, 200]
    assert call.exchanges[0].headers is not None
    assert call.exchanges[0].headers["retry-after"] == "3"


def test_uninstalling_restores_the_originals(httpx: Any, httpcore: Any) -> None:
    stream = sys.modules[httpcore.__name__ + "._backends.sync"].SyncStream
    hooked = [vars(httpx.HTTPTransport)["handle_request"], vars(stream)["read"]]
    observe.uninstall()
    plain = [vars(httpx.HTTPTransport)["handle_request"], vars(stream)["read"]]
    assert plain == [hook.__wrapped__ for hook in hooked]
    assert not any(hasattr(original, "__wrapped__") for original in plain)


def test_a_library_imported_inside_the_decorated_function_is_seen(httpx: Any) -> None:
    script = f"""
import sys
from resilient.call import current
from resilient import service
from resilient.testing import ScriptedVendor

def fetch(url):
    import {httpx.__name__}
    status = {httpx.__name__}.get(url, trust_env=False).status_code
    return status, [exchange.status for exchange in current.get().exchanges]

fetch = service("vendor")(fetch)
assert not any(name.startswith(("httpx", "httpcore", "s3transfer")) for name in sys.modules)
with ScriptedVendor("418") as vendor:
    assert fetch(vendor.url) == (418, [418])
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, cwd=ROOT)
