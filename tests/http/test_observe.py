"""The observer on real loopback HTTP, under each of the libraries it has to see through."""

from __future__ import annotations

import contextlib
import contextvars
import http.client
import inspect
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import urllib3

from resilient.call import Call, Gate, Step, listeners
from resilient.errors import DeadlineExceeded, RateLimited
from resilient.http import deadline, observe
from resilient.http.hooks import http_client, requests_session
from tests.http.loopback import LOCAL, OK, Vendor, opened
from tests.real_time import real_time

pytestmark = pytest.mark.usefixtures("observing")

MakeVendor = Callable[..., Vendor]
Fetch = Callable[..., tuple[int, bytes]]


def by_requests(url: str, method: str = "GET", **options: Any) -> tuple[int, bytes]:
    with requests.Session() as session:
        answer = session.request(method, url, **options)
        return answer.status_code, answer.content


def by_urllib3(url: str, method: str = "GET", **options: Any) -> tuple[int, bytes]:
    with urllib3.PoolManager(retries=False, **options) as pool:
        answer = pool.request(method, url)
        return answer.status, answer.data


def by_urllib(url: str, method: str = "GET", **options: Any) -> tuple[int, bytes]:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), **options) as answer:
        return answer.status, answer.read()


def by_http_client(url: str, method: str = "GET", **options: Any) -> tuple[int, bytes]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with contextlib.closing(kind(parts.hostname or "", parts.port, **options)) as connection:
        connection.request(method, parts.path)
        with connection.getresponse() as answer:
            return answer.status, answer.read()


every_library = pytest.mark.parametrize(
    "fetch",
    [by_requests, by_urllib3, by_urllib, by_http_client],
    ids=["requests", "urllib3", "urllib", "http.client"],
)

FAILED = (OSError, urllib3.exceptions.HTTPError)
"""How the libraries say that a request failed: requests' and urllib's errors are OSErrors."""

HOOKED = [
    (http.client.HTTPConnection, "putrequest"),
    (http.client.HTTPConnection, "putheader"),
    (http.client.HTTPConnection, "connect"),
    (http.client.HTTPConnection, "endheaders"),
    (http.client.HTTPConnection, "send"),
    (http.client.HTTPConnection, "getresponse"),
    (http.client.HTTPSConnection, "connect"),
    (urllib3.connection.HTTPConnection, "connect"),
    (urllib3.connection.HTTPSConnection, "connect"),
    (requests.Session, "send"),
]


@pytest.fixture
def granted(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """The timeouts that each `recv` was given."""
    seen: list[float | None] = []

    class Recording(deadline.BoundedReader):
        def receive(self, buffer: Any, allowed: float | None) -> int | None:
            assert self.sock.gettimeout() == pytest.approx(allowed)
            seen.append(allowed)
            return super().receive(buffer, allowed)

    monkeypatch.setattr(deadline, "reader_class", Recording)
    return seen


@pytest.fixture
def told() -> Iterator[list[Step]]:
    steps: list[Step] = []

    def listen(_: Call | None, step: Step) -> None:
        steps.append(step)

    listeners.add(listen)
    yield steps
    listeners.remove(listen)


class Counting(Gate):
    def __init__(self, error: Exception | None = None) -> None:
        self.asked = 0
        self.error = error

    def next_request(self, call: Call) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error


@every_library
def test_an_exchange_is_filed_once_with_status_headers_and_time(
    fetch: Fetch, vendor: MakeVendor
) -> None:
    server = vendor()
    with opened() as call:
        assert fetch(server.url) == (200, b"ok")
    (exchange,) = call.exchanges
    assert (exchange.method, exchange.host, exchange.status) == ("GET", LOCAL, 200)
    assert exchange.headers is not None
    assert exchange.headers["x-ratelimit-remaining"] == exchange.headers["X-RateLimit-Remaining"]
    assert exchange.started >= call.started
    assert exchange.elapsed is not None
    assert exchange.elapsed > 0
    assert observe.errors == 0


@every_library
def test_an_error_status_is_filed(fetch: Fetch, vendor: MakeVendor) -> None:
    server = vendor(
        lambda line, _: line.sendall(
            b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
        )
    )
    with opened() as call:
        try:
            fetch(server.url)
        except urllib.error.HTTPError as error:
            error.close()
    (exchange,) = call.exchanges
    assert exchange.status == 503
    assert exchange.headers is not None
    assert exchange.headers["retry-after"] == "7"


@every_library
def test_traffic_outside_a_call_is_left_alone(
    fetch: Fetch, vendor: MakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a hook went on without an open call")

    observe.uninstall()
    for step in ("putrequest", "putheader", "connect", "send", "getresponse"):
        monkeypatch.setattr(http_client, step, fail)
    monkeypatch.setattr(requests_session, "session_send", fail)
    observe.install()
    assert fetch(vendor().url) == (200, b"ok")


@every_library
def test_every_hook_is_used_inside_a_call(
    fetch: Fetch, vendor: MakeVendor, granted: list[float | None]
) -> None:
    with opened(timeout=7, deadline=60):
        fetch(vendor().url)
    assert granted
    assert all(seconds is not None and 0 < seconds <= 7 for seconds in granted)


@every_library
def test_a_request_without_a_timeout_gets_the_services(
    fetch: Fetch, vendor: MakeVendor, granted: list[float | None]
) -> None:
    with opened(timeout=7):
        fetch(vendor().url)
    assert granted
    assert set(granted) == {7.0}


@every_library
def test_a_timeout_is_never_lengthened(
    fetch: Fetch, vendor: MakeVendor, granted: list[float | None]
) -> None:
    with opened(timeout=7, deadline=60):
        fetch(vendor().url, timeout=2)
    assert granted
    assert set(granted) == {2.0}


@real_time
@every_library
def test_the_default_timeout_ends_a_hung_request(fetch: Fetch, hung: Vendor) -> None:
    with opened(timeout=0.1) as call, pytest.raises(FAILED):
        fetch(hung.url)
    assert [exchange.status for exchange in call.exchanges] == [None]
    assert call.exchanges[0].elapsed is None


@real_time
@every_library
def test_the_deadline_cuts_off_a_hung_request(fetch: Fetch, hung: Vendor) -> None:
    with (
        opened(deadline=0.1),
        pytest.raises(FAILED) as caught,
    ):
        fetch(hung.url, timeout=60)
    assert "resilient" not in type(caught.value).__module__


@real_time
@every_library
def test_the_deadline_cuts_off_a_dripping_body(fetch: Fetch, dripping: Vendor) -> None:
    with (
        opened(deadline=0.2) as call,
        pytest.raises(FAILED),
    ):
        fetch(dripping.url, timeout=60)
    assert [exchange.status for exchange in call.exchanges] == [200]


@real_time
@every_library
def test_the_deadline_cuts_off_dripping_headers(fetch: Fetch, vendor: MakeVendor) -> None:
    def answer(line: socket.socket, _: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
        server.drip(line)

    server = vendor(answer)
    with (
        opened(deadline=0.2) as call,
        pytest.raises(FAILED),
    ):
        fetch(server.url, timeout=60)
    assert [exchange.status for exchange in call.exchanges] == [None]


@real_time
@every_library
def test_an_outer_calls_deadline_bounds_an_inner_one(fetch: Fetch, dripping: Vendor) -> None:
    with (
        opened(deadline=0.2) as outer,
        opened(deadline=60) as inner,
        pytest.raises(FAILED),
    ):
        fetch(dripping.url)
    assert len(inner.exchanges) == 1
    assert not outer.exchanges


@every_library
def test_a_call_that_observes_records_and_does_nothing_else(
    fetch: Fetch, vendor: MakeVendor, granted: list[float | None]
) -> None:
    gate = Counting()
    with opened(deadline=-1, timeout=0.001, gates=(gate,), admitted=False, observing=True) as call:
        assert fetch(vendor().url) == (200, b"ok")
    assert [exchange.status for exchange in call.exchanges] == [200]
    assert set(granted) == {None}
    assert gate.asked == 1  # it decides for itself what observing means


@real_time
def test_an_observing_call_keeps_to_the_deadline_of_the_one_around_it(dripping: Vendor) -> None:
    with opened(deadline=0.2), opened(observing=True), pytest.raises(requests.RequestException):
        by_requests(dripping.url)


@every_library
def test_no_request_leaves_after_the_deadline(fetch: Fetch, vendor: MakeVendor) -> None:
    server = vendor()
    with opened(deadline=-0.001) as call, pytest.raises(FAILED, match="deadline") as caught:
        fetch(server.url)
    refusal = deadline.refusal_in(caught.value)
    assert isinstance(refusal, DeadlineExceeded)
    assert refusal.label == "vendor.fetch"
    assert str(refusal).startswith("vendor.fetch: the deadline is over")
    assert not call.exchanges
    assert not server.heads


def test_requests_hands_on_our_refusals_unwrapped(vendor: MakeVendor) -> None:
    refusal = DeadlineExceeded("vendor.fetch: no time")
    gate = Counting(refusal)
    with opened(gates=(gate,), admitted=False), pytest.raises(DeadlineExceeded) as caught:
        by_requests(vendor().url)
    assert caught.value is refusal
    assert refusal.__cause__ is refusal.__context__ is None


def test_an_older_refusal_is_not_taken_for_the_reason_of_an_error() -> None:
    with opened() as call:
        try:
            raise DeadlineExceeded("an old story")
        except DeadlineExceeded:
            with pytest.raises(requests.ConnectionError):
                by_requests(f"http://{LOCAL}:{unused_port()}/")
    assert [exchange.status for exchange in call.exchanges] == [None]


def unused_port() -> int:
    with socket.create_server((LOCAL, 0)) as server:
        port: int = server.getsockname()[1]
        return port


@every_library
def test_a_refused_connection_leaves_the_exchange_unanswered(fetch: Fetch) -> None:
    with opened() as call, pytest.raises(FAILED):
        fetch(f"http://{LOCAL}:{unused_port()}/")
    (exchange,) = call.exchanges
    assert (exchange.status, exchange.headers, exchange.elapsed) == (None, None, None)


@every_library
def test_a_dropped_connection_leaves_the_exchange_unanswered(
    fetch: Fetch, vendor: MakeVendor
) -> None:
    server = vendor(lambda line, _: line.shutdown(socket.SHUT_RDWR))
    with opened() as call, pytest.raises(FAILED):
        fetch(server.url)
    assert [exchange.status for exchange in call.exchanges] == [None]


@real_time
@every_library
def test_https_is_observed_and_bounded(
    fetch: Fetch, vendor: MakeVendor, tls: ssl.SSLContext, certificate: Path
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    options: dict[Fetch, dict[str, Any]] = {
        by_requests: {"verify": str(certificate)},
        by_urllib3: {"ssl_context": trusting},
        by_urllib: {"context": trusting},
        by_http_client: {"context": trusting},
    }

    server = vendor(tls=tls)
    with opened(deadline=30) as call:
        assert fetch(server.url, **options[fetch]) == (200, b"ok")
    assert [exchange.status for exchange in call.exchanges] == [200]

    def drip(line: socket.socket, _: bytes) -> None:
        line.sendall(OK.replace(b"Length: 2", b"Length: 999999"))
        slow.drip(line)

    slow = vendor(drip, tls=tls)
    with opened(deadline=0.5), pytest.raises(FAILED):
        fetch(slow.url, **options[fetch])


@real_time
@every_library
def test_the_deadline_cuts_off_a_hung_handshake(fetch: Fetch) -> None:
    # A listener accepts the TCP connection by itself; nobody answers the TLS hello.
    with (
        socket.create_server((LOCAL, 0)) as silent,
        opened(deadline=0.1),
        pytest.raises(FAILED),
    ):
        fetch(f"https://{LOCAL}:{silent.getsockname()[1]}/")


def test_redirects_and_retries_show_as_exchanges_of_their_own(vendor: MakeVendor) -> None:
    def answer(line: socket.socket, head: bytes) -> None:
        if head.startswith(b"GET /old"):
            line.sendall(b"HTTP/1.1 302 Found\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n")
        elif len(server.heads) < 4:
            line.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        else:
            line.sendall(OK)

    server = vendor(answer)
    retries = urllib3.Retry(5, status_forcelist=[503], backoff_factor=0)
    with requests.Session() as session, opened() as call:
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retries))
        assert session.get(server.url + "old").status_code == 200
    assert [exchange.status for exchange in call.exchanges] == [302, 503, 503, 200]


def test_an_exchange_belongs_to_the_innermost_open_call(vendor: MakeVendor) -> None:
    server = vendor()
    with opened() as outer:
        by_requests(server.url)
        with opened() as inner:
            by_requests(server.url)
            by_requests(server.url)
    assert (len(outer.exchanges), len(inner.exchanges)) == (1, 2)


def test_threads_keep_their_exchanges_apart(vendor: MakeVendor) -> None:
    together = threading.Barrier(8, timeout=30)

    def answer(line: socket.socket, _: bytes) -> None:
        together.wait()
        line.sendall(OK)

    server = vendor(answer)
    seen: dict[int, Call] = {}
    pool = urllib3.PoolManager(maxsize=8, retries=False)

    def work(number: int) -> None:
        with opened(deadline=30) as call:
            for _ in range(3):
                pool.request("GET", server.url)
        seen[number] = call

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.clear()
    statuses = [[exchange.status for exchange in call.exchanges] for call in seen.values()]
    assert statuses == [[200, 200, 200]] * 8


def test_a_thread_with_the_callers_context_files_under_its_call(vendor: MakeVendor) -> None:
    server = vendor()
    with opened() as call:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(by_requests, server.url))
        thread.start()
        thread.join()
    assert [exchange.status for exchange in call.exchanges] == [200]


def test_the_first_request_is_admitted_and_each_further_one_asks_every_gate(
    vendor: MakeVendor,
) -> None:
    server = vendor()
    gates = (Counting(), Counting())
    with opened(gates=gates):
        by_requests(server.url)
        assert [gate.asked for gate in gates] == [0, 0]
        by_requests(server.url)
        by_urllib(server.url)
    assert [gate.asked for gate in gates] == [2, 2]


@every_library
def test_a_gate_can_refuse_a_request(fetch: Fetch, vendor: MakeVendor) -> None:
    server = vendor()
    refusal = RateLimited("vendor: no room", retry_after=3)
    with (
        opened(gates=(Counting(refusal),), admitted=False) as call,
        pytest.raises(RateLimited) as caught,
    ):
        fetch(server.url)
    assert caught.value is refusal
    assert not call.exchanges
    assert not server.heads


@pytest.mark.parametrize("name", ["Idempotency-Key", "idempotency-key", b"IDEMPOTENCY-KEY"])
def test_an_idempotency_key_makes_a_post_repeatable(name: Any, vendor: MakeVendor) -> None:
    server = vendor()
    with opened() as call:
        by_requests(server.url, "POST", data=b"{}")
        by_requests(server.url, "POST", data=b"{}", headers={name: "7"})
    assert [exchange.repeatable for exchange in call.exchanges] == [False, True]


def test_a_tunnel_is_no_exchange_and_the_host_behind_it_is_filed(vendor: MakeVendor) -> None:
    def answer(line: socket.socket, head: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 Go\r\n\r\n" if head.startswith(b"CONNECT") else OK)

    server = vendor(answer)
    proxied = http.client.HTTPConnection(LOCAL, server.port)
    proxied.set_tunnel("api.example.org", 80)
    with contextlib.closing(proxied), opened(deadline=30) as call:
        proxied.request("GET", "/")
        assert proxied.getresponse().read() == b"ok"
    assert [exchange.host for exchange in call.exchanges] == ["api.example.org"]
    assert len(server.heads) == 2


@real_time
def test_a_proxy_that_drips_its_answer_to_a_tunnel_is_cut_off(vendor: MakeVendor) -> None:
    server: Vendor = vendor(lambda line, _: server.drip(line))
    proxied = http.client.HTTPConnection(LOCAL, server.port, timeout=60)
    proxied.set_tunnel("api.example.org", 80)
    with contextlib.closing(proxied), opened(deadline=0.2), pytest.raises(TimeoutError):
        proxied.request("GET", "/")


def test_a_connect_sent_as_a_request_is_no_exchange(vendor: MakeVendor) -> None:
    gate = Counting()
    with opened(gates=(gate,), admitted=False) as call:
        by_http_client(vendor().url, "CONNECT")
    assert not call.exchanges
    assert gate.asked == 0


def test_the_host_of_a_request_through_a_forwarding_proxy_is_filed(vendor: MakeVendor) -> None:
    server = vendor()
    with opened() as call:
        by_requests("http://api.example.org/repos", proxies={"http": server.url})
    assert [exchange.host for exchange in call.exchanges] == ["api.example.org"]


def test_an_interim_answer_is_not_taken_for_the_answer(vendor: MakeVendor) -> None:
    server = vendor(lambda line, _: line.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + OK))
    with opened(deadline=30) as call:
        assert by_urllib(server.url) == (200, b"ok")
    assert [exchange.status for exchange in call.exchanges] == [200]


def test_a_failing_hook_lets_the_request_through_and_is_told_once(
    vendor: MakeVendor, told: list[Step]
) -> None:
    server = vendor()
    gate = Counting(ValueError("a bug in a gate"))
    with opened(gates=(gate,), admitted=False, deadline=30) as call:
        for _ in range(3):
            assert by_requests(server.url) == (200, b"ok")
    assert [exchange.status for exchange in call.exchanges] == [200, 200, 200]
    assert observe.errors == 3
    (step,) = told
    assert (step.kind, step.label) == ("degraded", "resilient.http")
    assert "ValueError" in step.text
    assert "a bug in a gate" not in step.text


@pytest.mark.parametrize(
    "step",
    [
        "take_hold",
        "lend_reader",
        "take_back",
        "is_over",
        "Limit",
        "time_left",
        "Hold.tighten",
        "Hold.release",
    ],
)
@every_library
def test_no_step_of_a_hook_can_break_a_request(
    step: str,
    fetch: Fetch,
    vendor: MakeVendor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = vendor()

    def broken(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    broken.__name__ = step
    with opened(deadline=30) as call:
        monkeypatch.setattr(f"resilient.http.deadline.{step}", broken)
        if step in ("is_over", "time_left"):
            # The reader needs these two at each recv, and has no other way to do its work.
            monkeypatch.setattr(deadline, "lend_reader", lambda *_: None)
        assert fetch(server.url) == (200, b"ok")
    assert len(call.exchanges) == 1
    assert observe.errors > 0


def test_ctrl_c_in_a_gate_is_not_swallowed(vendor: MakeVendor) -> None:
    class Interrupted(Gate):
        def next_request(self, call: Call) -> None:
            raise KeyboardInterrupt

    with opened(gates=(Interrupted(),), admitted=False), pytest.raises(KeyboardInterrupt):
        by_requests(vendor().url)


class TestInstalling:
    def test_twice_is_once(self, vendor: MakeVendor) -> None:
        before = [vars(owner)[name] for owner, name in HOOKED]
        observe.install()
        assert [vars(owner)[name] for owner, name in HOOKED] == before
        with opened() as call:
            by_requests(vendor().url)
        assert len(call.exchanges) == 1

    def test_uninstalling_restores_the_originals(self) -> None:
        hooks = [vars(owner)[name] for owner, name in HOOKED]
        observe.uninstall()
        observe.uninstall()
        assert not observe.is_installed()
        originals = [vars(owner)[name] for owner, name in HOOKED]
        assert originals == [hook.__wrapped__ for hook in hooks]
        assert not any(hasattr(original, "__wrapped__") for original in originals)
        observe.install()
        assert observe.is_installed()

    def test_uninstalling_keeps_a_patch_that_someone_has_put_on_top(
        self, vendor: MakeVendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = vendor()
        observe.uninstall()
        owner = http.client.HTTPConnection
        monkeypatch.setattr(owner, "putrequest", owner.putrequest)  # puts it back at the end
        observe.install()
        ours = owner.putrequest
        seen: list[str] = []

        def theirs(connection: Any, method: str, *args: Any, **kwargs: Any) -> None:
            seen.append(method)
            ours(connection, method, *args, **kwargs)

        monkeypatch.setattr(owner, "putrequest", theirs)
        observe.uninstall()
        assert vars(owner)["putrequest"] is theirs
        with opened() as call:
            assert by_http_client(server.url) == (200, b"ok")
        assert not call.exchanges
        observe.install()
        with opened() as call:
            assert by_http_client(server.url) == (200, b"ok")
        assert len(call.exchanges) == 1
        assert seen == ["GET", "GET"]
        observe.uninstall()
        assert vars(owner)["putrequest"] is theirs

    def test_threads_may_install_at_once(self, vendor: MakeVendor) -> None:
        observe.uninstall()
        together = threading.Barrier(8, timeout=30)

        def work() -> None:
            together.wait()
            observe.install()

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with opened() as call:
            by_requests(vendor().url)
        assert len(call.exchanges) == 1
        assert not hasattr(vars(requests.Session)["send"].__wrapped__, "__wrapped__")


def test_a_hook_looks_like_the_method_it_replaces() -> None:
    hook = http.client.HTTPConnection.putrequest
    assert hook.__name__ == "putrequest"
    assert "skip_host" in inspect.signature(hook).parameters
