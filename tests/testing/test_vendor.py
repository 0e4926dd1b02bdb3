"""The scripted vendor, met by real clients over the loopback, in real and in fake time."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime

import pytest
import requests

from resilient.errors import ConfigurationError
from resilient.testing import FakeClock, ScriptedVendor, fake_clock, wire
from resilient.timing import clock

REAL_LIMIT = 10.0

MakeVendor = Callable[..., ScriptedVendor]


@pytest.fixture
def vendor_of() -> Iterator[MakeVendor]:
    made: list[ScriptedVendor] = []

    def make(script: object) -> ScriptedVendor:
        made.append(ScriptedVendor(script))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for vendor in made:
        vendor.close()


@pytest.fixture
def fake() -> Iterator[FakeClock]:
    with fake_clock() as fake:
        yield fake


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


# Answers


def test_answers_come_in_order_and_the_last_one_repeats(
    vendor_of: MakeVendor, session: requests.Session
) -> None:
    vendor = vendor_of("429 retry-after=3, 500 x2, 200")
    answers = [session.get(vendor.url) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [429, 500, 500, 200, 200, 200]
    assert answers[0].headers["Retry-After"] == "3"
    assert "Retry-After" not in answers[1].headers
    assert answers[0].json() == {"status": 429}
    assert vendor.calls == 6


def test_body_json_and_headers_arrive_as_written(
    vendor_of: MakeVendor, session: requests.Session
) -> None:
    vendor = vendor_of(
        """200 body='a, "b"', 200 json={"id": [1, 2]}, 200 body=x content-type=a/b"""
    )
    text, document, other = (session.get(vendor.url) for _ in range(3))
    assert text.text == 'a, "b"'
    assert text.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert document.json() == {"id": [1, 2]}
    assert document.headers["Content-Type"] == "application/json"
    assert other.headers["Content-Type"] == "a/b"


def test_a_header_may_be_sent_twice(vendor_of: MakeVendor, session: requests.Session) -> None:
    session.get(vendor_of("200 set-cookie=a=1 set-cookie=b=2").url)
    assert session.cookies.get_dict() == {"a": "1", "b": "2"}


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_keeps_the_connection(
    vendor_of: MakeVendor, session: requests.Session, status: int
) -> None:
    vendor = vendor_of(f"{status}, 200")
    assert session.get(vendor.url).content == b""
    assert session.get(vendor.url).status_code == 200
    assert len({request.client for request in vendor.requests}) == 1


def test_head_gets_the_length_and_no_body(vendor_of: MakeVendor, session: requests.Session) -> None:
    vendor = vendor_of("200 body=hello")
    head = session.head(vendor.url)
    assert head.headers["Content-Length"] == "5"
    assert head.content == b""
    assert session.get(vendor.url).text == "hello"


def test_an_unknown_status_and_method_are_served(
    vendor_of: MakeVendor, session: requests.Session
) -> None:
    vendor = vendor_of("299")
    answer = session.request("PURGE", vendor.url)
    assert (answer.status_code, answer.reason) == (299, "Scripted")
    assert vendor.requests[0].method == "PURGE"


def test_an_interim_status_is_not_followed_by_an_answer(
    vendor_of: MakeVendor, session: requests.Session
) -> None:
    with pytest.raises(requests.ConnectionError):
        session.get(vendor_of("100, 200").url)


def test_times_in_headers_go_by_the_clock_in_force(
    vendor_of: MakeVendor, session: requests.Session, fake: FakeClock
) -> None:
    vendor = vendor_of("200 x-reset=now+60 expires=date+60 past=now-0.5, 200 x-reset=now")
    fake.advance(5)
    headers = session.get(vendor.url).headers
    assert float(headers["x-reset"]) == fake.unix + 60
    assert parsedate_to_datetime(headers["expires"]).timestamp() == fake.unix + 60
    assert parsedate_to_datetime(headers["date"]).timestamp() == fake.unix
    assert float(headers["past"]) == fake.unix
    assert session.get(vendor.url).headers["x-reset"] == "now"


def test_headers_of_the_script_replace_the_vendor_s_own(
    vendor_of: MakeVendor, session: requests.Session
) -> None:
    vendor = vendor_of("200 date=never content-length=2 body=hello connection=close")
    answer = session.get(vendor.url)
    assert answer.headers["Date"] == "never"
    assert answer.text == "he"


# Faults


@pytest.mark.parametrize(
    ("script", "error", "words"),
    [
        ("reset", requests.ConnectionError, "ConnectionResetError"),
        ("close", requests.ConnectionError, "RemoteDisconnected"),
        ("garbage", requests.ConnectionError, "BadStatusLine"),
        ("truncated", requests.exceptions.ChunkedEncodingError, "IncompleteRead"),
        ("timeout", requests.ReadTimeout, "timed out"),
        ("stall", requests.ConnectionError, "timed out"),
        ("200 delay=60", requests.ReadTimeout, "timed out"),
        ("200 drip=60", requests.ConnectionError, "timed out"),
    ],
)
@pytest.mark.parametrize("is_fake", [False, True], ids=["real time", "fake time"])
def test_each_fault_is_met_by_requests_as_its_error(
    vendor_of: MakeVendor,
    session: requests.Session,
    script: str,
    error: type[Exception],
    words: str,
    is_fake: bool,
) -> None:
    vendor = vendor_of(f"{script}, 200")

    def check() -> None:
        with pytest.raises(error) as caught:
            session.get(vendor.url, timeout=0.1)
        assert words in str(caught.value)
        assert session.get(vendor.url, timeout=REAL_LIMIT).status_code == 200
        assert vendor.calls == 2

    if is_fake:
        with fake_clock() as fake:
            check()
            assert fake.now == (0.1 if "timed out" in words else 0)
    else:
        check()


def test_a_fault_s_delay_comes_before_it(
    vendor_of: MakeVendor, session: requests.Session, fake: FakeClock
) -> None:
    with pytest.raises(requests.ConnectionError, match="ConnectionResetError"):
        session.get(vendor_of("reset delay=4").url, timeout=5)
    assert fake.now == 4


def test_delay_and_drip_really_take_time_without_a_fake_clock(
    vendor_of: MakeVendor, session: requests.Session
) -> None:
    vendor = vendor_of("200 delay=0.02 drip=0.005 body=abcd")
    started = time.monotonic()
    assert session.get(vendor.url).text == "abcd"
    assert time.monotonic() - started >= 0.04


# Fake time


def test_a_timeout_takes_no_real_time_and_exactly_its_own_on_the_clock(
    vendor_of: MakeVendor, session: requests.Session, fake: FakeClock
) -> None:
    vendor = vendor_of("timeout x3, 200")
    started = time.monotonic()
    for count in range(1, 4):
        with pytest.raises(requests.ReadTimeout):
            session.get(vendor.url, timeout=30)
        assert fake.now == 30 * count
    assert session.get(vendor.url, timeout=30).status_code == 200
    assert fake.now == 90
    assert fake.slept == []
    assert time.monotonic() - started < REAL_LIMIT


def test_delay_and_drip_move_the_clock_by_what_they_take(
    vendor_of: MakeVendor, session: requests.Session, fake: FakeClock
) -> None:
    vendor = vendor_of("200 delay=2, 200 drip=20 body=abcd")
    session.get(vendor.url, timeout=30)
    assert fake.now == 2
    assert session.get(vendor.url, timeout=30).text == "abcd"
    assert fake.now == 82
    assert fake.slept == []
    assert [request.at for request in vendor.requests] == [0, 2]


def test_a_delay_longer_than_the_timeout_ends_at_the_timeout(
    vendor_of: MakeVendor, session: requests.Session, fake: FakeClock
) -> None:
    with pytest.raises(requests.ReadTimeout):
        session.get(vendor_of("200 delay=60").url, timeout=25)
    assert fake.now == 25


def test_what_is_left_of_a_pause_is_waited_for_by_the_next_read(
    vendor_of: MakeVendor, fake: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = vendor_of("200 delay=60")
    host, port = vendor.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=25) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for now in (25, 50):
            with pytest.raises(TimeoutError):
                client.recv(100)
            assert fake.now == now
            # The vendor knows the client by now, and leaves the time to it.
            monkeypatch.setattr(wire, "_STRANGER", 0.0)
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        assert fake.now == 60


def test_a_request_without_a_timeout_is_not_left_hanging_in_fake_time(
    vendor_of: MakeVendor, session: requests.Session, fake: FakeClock
) -> None:
    vendor = vendor_of("200 delay=100, timeout")
    session.get(vendor.url)
    assert fake.now == 100
    with pytest.raises(RuntimeError, match="Give the request a timeout"):
        session.get(vendor.url)


def test_urllib_and_http_client_live_in_fake_time_too(
    vendor_of: MakeVendor, fake: FakeClock
) -> None:
    vendor = vendor_of("timeout")
    with pytest.raises(TimeoutError):
        urllib.request.urlopen(vendor.url, timeout=10)
    assert fake.now == 10
    connection = http.client.HTTPConnection(vendor.url.removeprefix("http://"), timeout=20)
    connection.request("GET", "/")
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    assert fake.now == 30


def test_a_wait_of_another_thread_ends_on_the_way_through_a_timeout(
    vendor_of: MakeVendor, session: requests.Session
) -> None:
    vendor = vendor_of("timeout")
    done = threading.Event()

    def work() -> None:
        with pytest.raises(requests.ReadTimeout):
            session.get(vendor.url, timeout=30)
        done.set()

    with fake_clock(patience=0.5) as fake:
        thread = threading.Thread(target=work)
        thread.start()
        assert not clock.wait(done, 5)
        assert fake.now == 5
        thread.join(REAL_LIMIT)
        assert done.is_set()
        assert fake.now == 30


def test_timeouts_of_many_threads_add_up(vendor_of: MakeVendor, fake: FakeClock) -> None:
    vendor = vendor_of("timeout")
    together = threading.Barrier(8)

    def work(_: int) -> None:
        together.wait(REAL_LIMIT)
        with pytest.raises(requests.ReadTimeout):
            requests.get(vendor.url, timeout=30)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert fake.now == 240


def test_a_client_that_python_does_not_read_for_gets_its_answer_as_well(
    vendor_of: MakeVendor, fake: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "_STRANGER", 0.01)
    vendor = vendor_of("200 delay=7")
    host, port = vendor.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=REAL_LIMIT) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        # Straight to the C class, as a library in C would read.
        assert super(socket.socket, client).recv(100).startswith(b"HTTP/1.1 200")
    assert fake.now == 7


def test_a_socket_that_does_not_block_still_does_not(
    vendor_of: MakeVendor, fake: FakeClock
) -> None:
    host, port = vendor_of("200").url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unconnected:
        unconnected.bind(("127.0.0.1", 0))
        unconnected.settimeout(0.01)
        with pytest.raises(TimeoutError):
            unconnected.recv(1)
    assert fake.now == 0


def test_a_client_that_has_asked_for_nothing_gets_its_timeout(
    vendor_of: MakeVendor, fake: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "_STUCK", 0.01)
    host, port = vendor_of("200").url.removeprefix("http://").split(":")
    with (
        socket.create_connection((host, int(port)), timeout=30) as client,
        pytest.raises(TimeoutError),
    ):
        client.recv(1)
    assert fake.now == 30


def test_a_socket_that_another_thread_closes_stops_reading(
    vendor_of: MakeVendor, fake: FakeClock
) -> None:
    host, port = vendor_of("200").url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)), timeout=30)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(client.recv, 1)
        # Whether the thread reads already or not, it must not go on.
        client.close()
        with pytest.raises(OSError):
            reading.result(REAL_LIMIT)


def test_a_request_sent_ahead_waits_for_the_answer_before_it(vendor_of: MakeVendor) -> None:
    vendor = vendor_of("200 delay=0.02 body=one, 200 body=two connection=close")
    host, port = vendor.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=REAL_LIMIT) as client:
        client.sendall(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n")
        limit = time.monotonic() + REAL_LIMIT
        while not vendor.calls and time.monotonic() < limit:
            time.sleep(0)
        client.sendall(b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
        with client.makefile("rb") as answers:
            text = answers.read()
    assert text.index(b"one") < text.index(b"two")
    assert [request.path for request in vendor.requests] == ["/1", "/2"]


def test_sockets_are_as_before_once_the_last_vendor_is_closed() -> None:
    def hooks() -> set[str]:
        return {"recv", "recv_into"} & set(vars(socket.socket))

    assert not hooks()
    with ScriptedVendor("200"):
        with ScriptedVendor("200"):
            assert len(hooks()) == 2
        assert len(hooks()) == 2
    assert not hooks()


def test_a_patch_that_somebody_put_over_ours_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedVendor("200"):
        ours = socket.socket.recv

        def theirs(sock: socket.socket, *args: int) -> bytes:
            return ours(sock, *args)

        socket.socket.recv = theirs  # type: ignore[method-assign, assignment]
    try:
        assert socket.socket.recv is theirs
    finally:
        del socket.socket.recv


# Requests


def test_requests_are_recorded_as_they_came(
    vendor_of: MakeVendor, session: requests.Session, fake: FakeClock
) -> None:
    vendor = vendor_of("201")
    fake.advance(9)
    session.post(
        vendor.url_for("users?page=2&tag=&page=3"), json={"name": "Ada"}, headers={"X-Key": "k"}
    )
    (request,) = vendor.requests
    assert (request.method, request.path) == ("POST", "/users")
    assert request.query == {"page": "3", "tag": ""}
    assert request.headers["x-key"] == "k"
    assert request.json() == {"name": "Ada"}
    assert request.body == json.dumps({"name": "Ada"}).encode()
    assert request.at == 9
    assert request.answer.status == 201


def test_a_chunked_body_is_recorded_whole(vendor_of: MakeVendor, session: requests.Session) -> None:
    vendor = vendor_of("200")
    session.post(vendor.url, data=iter([b"one ", b"two"]))
    session.post(vendor.url, data=b"three")
    host, port = vendor.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=REAL_LIMIT) as client:
        client.sendall(
            b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"4;why=not\r\nfour\r\n0\r\nTrailer: yes\r\n\r\n"
        )
        assert client.recv(100)
    assert [request.body for request in vendor.requests] == [b"one two", b"three", b"four"]


def test_a_request_that_gets_a_fault_is_recorded_too(
    vendor_of: MakeVendor, session: requests.Session
) -> None:
    vendor = vendor_of("close")
    with pytest.raises(requests.ConnectionError):
        session.get(vendor.url)
    assert [request.answer.fault for request in vendor.requests] == ["close"]


def test_connections_are_kept_alive(vendor_of: MakeVendor, session: requests.Session) -> None:
    vendor = vendor_of("500, 404, 200, 200 connection=close, 200")
    for _ in range(5):
        session.get(vendor.url)
    clients = [request.client for request in vendor.requests]
    assert len(set(clients[:4])) == 1
    assert clients[4] != clients[3]


def test_every_answer_goes_out_once_under_many_threads(vendor_of: MakeVendor) -> None:
    count, each = 8, 5
    vendor = vendor_of(", ".join(f"200 json={number}" for number in range(count * each)) + ", 599")
    together = threading.Barrier(count)

    def work(_: int) -> list[int]:
        with requests.Session() as session:
            together.wait(REAL_LIMIT)
            return [session.get(vendor.url).json() for _ in range(each)]

    with ThreadPoolExecutor(count) as pool:
        numbers = [number for part in pool.map(work, range(count)) for number in part]
    assert Counter(numbers) == Counter(range(count * each))
    assert [request.answer.body for request in vendor.requests] == list(
        map(str, range(count * each))
    )


# Scripts


def test_each_path_has_a_script_of_its_own(
    vendor_of: MakeVendor, session: requests.Session
) -> None:
    vendor = vendor_of({"/users": "500, 200", "*": "404 x2, 410"})

    def statuses(path: str, count: int) -> list[int]:
        return [session.get(vendor.url_for(path)).status_code for _ in range(count)]

    assert statuses("/users?page=1", 1) == [500]
    assert statuses("/a", 1) == [404]
    assert statuses("/users", 2) == [200, 200]
    assert statuses("/b", 2) == [404, 410]


def test_a_path_without_a_script_is_told_so(
    vendor_of: MakeVendor, session: requests.Session
) -> None:
    vendor = vendor_of({"/users": "200"})
    answer = session.get(vendor.url_for("/other"))
    assert answer.status_code == 404
    assert answer.json() == {"error": "the script has no such path"}
    assert vendor.calls == 1


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("200, oops", "'oops' is neither"),
        ({"/a": "oops"}, "'oops' is neither"),
        ({}, "use a text, or a dict"),
        (200, "use a text, or a dict"),
        ({"users": "200"}, "'users': ….: use a path that starts with a slash"),
        ({"/users?a=1": "200"}, "use a path"),
    ],
)
def test_a_bad_script_is_refused_when_the_vendor_is_made(script: object, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        ScriptedVendor(script)  # type: ignore[arg-type]


def test_reset_starts_over_and_forgets(vendor_of: MakeVendor, session: requests.Session) -> None:
    vendor = vendor_of("500, 200")
    assert [session.get(vendor.url).status_code for _ in range(2)] == [500, 200]
    vendor.reset()
    assert vendor.calls == 0
    assert session.get(vendor.url).status_code == 500
    vendor.reset("201")
    assert session.get(vendor.url).status_code == 201
    with pytest.raises(ConfigurationError):
        vendor.reset("oops")
    assert session.get(vendor.url).status_code == 201
    assert repr(vendor) == f"<ScriptedVendor {vendor.url}, 2 calls>"


def test_a_client_that_expects_a_100_gets_it_before_its_body(
    vendor_of: MakeVendor, fake: FakeClock
) -> None:
    vendor = vendor_of("200 delay=3 body=done")
    host, port = vendor.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=REAL_LIMIT) as client:
        client.sendall(
            b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hi")
        assert client.recv(100, socket.MSG_PEEK).startswith(b"HTTP/1.1 200 OK")
        assert fake.now == 3
    assert vendor.requests[0].body == b"hi"


# Closing


def test_closing_cuts_off_who_still_waits(session: requests.Session) -> None:
    vendor = ScriptedVendor("timeout")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(session.get, vendor.url, timeout=REAL_LIMIT)
        limit = time.monotonic() + REAL_LIMIT
        while not vendor.calls and time.monotonic() < limit:
            time.sleep(0)
        vendor.close()
        with pytest.raises(requests.ConnectionError):
            waiting.result(REAL_LIMIT)


def test_a_closed_vendor_refuses_connections_and_leaves_no_thread(
    session: requests.Session,
) -> None:
    # What other tests have left may end meanwhile.
    before = set(threading.enumerate())
    with ScriptedVendor("200") as vendor:
        session.get(vendor.url)
        assert set(threading.enumerate()) - before
    assert not set(threading.enumerate()) - before
    with pytest.raises(requests.ConnectionError):
        session.get(vendor.url)
    vendor.close()


def test_a_request_that_is_no_http_is_told_so_and_not_counted(vendor_of: MakeVendor) -> None:
    vendor = vendor_of("200")
    host, port = vendor.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=REAL_LIMIT) as client:
        client.sendall(b"oh no\r\n\r\n")
        assert b"400" in client.recv(1000)
    assert vendor.calls == 0


def test_a_failure_of_the_vendor_itself_is_printed(
    vendor_of: MakeVendor, capsys: pytest.CaptureFixture[str]
) -> None:
    vendor = vendor_of("200")
    host, port = vendor.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=REAL_LIMIT) as client:
        client.sendall(b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n")
        assert client.recv(1) == b""
    assert "ValueError" in capsys.readouterr().err
