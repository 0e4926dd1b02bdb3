"""What a hostile vendor, an incident or an attacker does to the recommended stack."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import socket
import subprocess
import sys
import threading
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from resilient import (
    ConfigurationError,
    breaker,
    bulkhead,
    cached,
    fallback,
    log_to,
    retry,
    service,
    throttled,
)
from resilient.http import observe
from resilient.registry import MOST_HOSTS, OTHERS

SECRET = "sk-live-4711-very-secret"


@contextlib.contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that sends whatever it likes to each request."""
    listener = socket.create_server(("127.0.0.1", 0))
    workers: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                received = connection.recv(65536)
                if not received:
                    return
                request += received
            answer(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                workers.append(threading.Thread(target=serve, args=(connection,), daemon=True))
                workers[-1].start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for worker in workers:
            worker.join(5)


def sends(*lines: str, body: bytes = b"{}", length: str | None = None) -> bytes:
    head = [*lines, f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*head, "Connection: close", "", ""]).encode("latin-1") + body


OK, SLOW_DOWN = "HTTP/1.1 200 OK", "HTTP/1.1 429 Too Many Requests"

ATTACKS: dict[str, tuple[bytes, str]] = {
    "hangs up": (b"", "transient"),
    "promises more than it sends": (sends(OK, length="1000"), "transient"),
    "a negative length": (sends(OK, length="-5"), "ok"),
    "a length that is no number": (sends(OK, length="abc"), "ok"),
    "a length of 5000 digits": (sends(OK, length="9" * 5000), "ok"),
    "binary garbage": (b"\x00\xff\xfe nonsense\r\n\r\n" * 50, "broken"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n", "broken"),
    "a header of 200 kB": (sends(OK, "X: " + "a" * 200_000), "broken"),
    "no JSON": (sends(OK, body=b"<html>"), "broken"),
    "no gzip": (sends(OK, "Content-Encoding: gzip", body=b"plain"), "broken"),
    "a bad chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "transient"),
    "an error page": (sends("HTTP/1.1 503 Oops", body=b"<html>"), "transient"),
    "redirects in a circle": (sends("HTTP/1.1 302 Found", "Location: /"), "broken"),
    "a redirect to nowhere": (
        sends("HTTP/1.1 302 Found", f"Location: http://u:{SECRET}@127.0.0.1:99999/"),
        "broken",
    ),
    "60 kB of Retry-After": (sends(SLOW_DOWN, "Retry-After: " + "9" * 60_000), "throttled"),
    "a negative Retry-After": (sends(SLOW_DOWN, "Retry-After: -5"), "throttled"),
    "Retry-After: nan": (sends(SLOW_DOWN, "Retry-After: nan"), "throttled"),
    "Retry-After: inf": (sends(SLOW_DOWN, "Retry-After: inf"), "throttled"),
    "a Retry-After in the year 99999": (
        sends(SLOW_DOWN, "Retry-After: Fri, 31 Dec 99999 23:59:59 GMT"),
        "throttled",
    ),
    "a Retry-After in no known zone": (
        sends(SLOW_DOWN, "Retry-After: Fri, 31 Dec 2026 23:59:59 +99999999999"),
        "throttled",
    ),
    "digits of other scripts": (
        sends(OK, "X-RateLimit-Remaining: \xb2", "Cache-Control: max-age=\xb2, \xff=\xb3"),
        "ok",
    ),
    "a quota below zero": (
        sends(OK, "X-RateLimit-Remaining: -3", "X-RateLimit-Reset: -1", "X-RateLimit-Limit: nan"),
        "ok",
    ),
    "a max-age of 5000 digits": (sends(OK, "Cache-Control: max-age=" + "9" * 5000), "ok"),
    "30000 directives": (sends(OK, "Cache-Control: " + "a," * 30_000), "ok"),
    "20000 open quotes": (sends(OK, "Cache-Control: " + 'a="' * 20_000), "ok"),
}


def stack(url: str, name: str) -> tuple[Any, Any, Any]:
    throttle, gate = throttled("1000/s"), bulkhead(1)

    @service(name, timeout=5, deadline=20)
    @fallback(lambda key, error: "nothing")
    @cached(ttl=60)
    @retry(attempts=2, wait=[0.0])
    @breaker
    @throttle
    @gate
    def fetch(key: str) -> Any:
        return requests.get(url, params={"api_key": key}).json()

    return fetch, throttle, gate


@pytest.mark.parametrize("attack", ATTACKS)
def test_whatever_a_vendor_sends_is_judged_counted_and_leaves_nothing_taken(attack: str) -> None:
    answer, verdict = ATTACKS[attack]
    with raw_server(lambda connection: connection.sendall(answer)) as url:
        fetch, throttle, gate = stack(url, f"attack: {attack}")
        before = observe.errors
        result = fetch(SECRET)
    figures = fetch.resilient.stats()
    assert result == ({} if verdict == "ok" else "nothing")
    assert {kind: many for kind, many in figures["outcomes"].items() if many} == {verdict: 1}
    assert observe.errors == before
    assert gate.running == gate.waiting == throttle.waiting == 0
    (log,) = throttle._quota.logs
    assert len(log._free_at) + log._left() + len(log._early) == 1000
    assert SECRET not in str(figures) + str(fetch.resilient)


class UnreadableHeaders(dict[str, str]):
    def get(self, *_: object) -> Any:
        raise RuntimeError("headers are gone")

    items = get


def test_an_answer_whose_headers_cannot_be_read_is_judged_by_its_status() -> None:
    class Answer:
        status_code = 503
        headers = UnreadableHeaders({"Retry-After": "5"})

    answer = Answer()
    fetch = service("unreadable")(breaker(throttled("5/s")(lambda: answer)))
    assert fetch() is answer
    assert fetch.resilient.stats()["outcomes"]["transient"] == 1


def wrong(value: object) -> Any:
    """A value that no type checker would let through."""
    return value


@pytest.mark.parametrize(
    "make",
    [
        lambda: service("a", context=wrong(f"Bearer {SECRET}")),
        lambda: service("a", context=wrong([("authorization", SECRET)])),
        lambda: service("a", wrong(SECRET)),
        lambda: breaker(state_storage=wrong(f"redis://:{SECRET}@host")),
    ],
)
def test_a_wrong_option_that_may_be_a_secret_is_not_quoted(make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        make()
    assert SECRET not in str(raised.value)


def test_hosts_without_end_do_not_fill_the_memory() -> None:
    from resilient.call import Call, Exchange, Target
    from resilient.registry import FunctionStats

    stats = FunctionStats("webhooks", "notify")
    call = Call.of(Target(len, service="webhooks", name="notify"))
    for number in range(MOST_HOSTS + 50):
        call.add_exchange(Exchange("POST", f"customer-{number}.example", 0.0))
    call.add_exchange(Exchange("POST", "customer-1.example", 0.0))
    stats.record(call)
    hosts = stats.snapshot()["exchanges"]
    assert len(hosts) == MOST_HOSTS + 1
    assert hosts[OTHERS] == 50
    assert hosts["customer-1.example"] == 2


def test_every_permit_comes_back_from_threads_that_fail_and_are_interrupted_at_random() -> None:
    throttle, gate = throttled("100000/s"), bulkhead(3, max_wait=30)
    ends: list[type[BaseException] | None] = [
        *(KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError, ValueError, ConnectionError),
        *[None] * 6,
    ]

    @service("mixed")
    @cached(ttl=1e-6)
    @retry(attempts=2, wait=[0.0])
    @breaker(fail_max=3, reset_timeout=0.001, max_reset_timeout=0.002)
    @throttle
    @gate
    def act(number: int) -> int:
        end = ends[chance.randrange(len(ends))]
        if end is not None:
            raise end
        return number

    chance = random.Random(7)
    start = threading.Barrier(16)
    seen: list[type[BaseException] | None] = []

    def run(number: int) -> None:
        start.wait()
        for _ in range(100):
            try:
                act(number % 4)
                seen.append(None)
            except BaseException as error:
                seen.append(type(error))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert gate.running == gate.waiting == throttle.waiting == 0
    (log,) = throttle._quota.logs
    assert len(log._free_at) + log._left() + len(log._early) == 100_000
    assert not act.resilient.cache.flights.by_key
    figures, ended = act.resilient.stats(), Counter(seen)
    uncounted = ended[KeyboardInterrupt] + ended[SystemExit] + ended[GeneratorExit]
    assert uncounted > 0
    assert figures["calls"] == sum(figures["outcomes"].values()) == len(seen) - uncounted


def test_a_dropped_function_is_collected_with_all_its_policies() -> None:
    def make() -> list[weakref.ref[Any]]:
        fetch, *_ = stack("http://127.0.0.1:9", "dropped")
        return [weakref.ref(fetch), *map(weakref.ref, fetch.resilient.policies)]

    refs = make()
    gc.collect()
    assert [ref() for ref in refs if ref() is not None] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
# loguru can't flush its file, and leaves it to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_full_disk_costs_log_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    from loguru import logger

    handler = log_to("/dev/full", level="DEBUG")
    try:
        broken = service("full disk")(fallback("fine")(retry(attempts=2, wait=[0.0])(_refuse)))
        assert broken() == "fine"
    finally:
        logger.remove(handler)
    assert "a log sink raised OSError" in capsys.readouterr().err


def _refuse() -> str:
    raise ConnectionError


# Forks

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def answer_of_child(ask: Callable[[], object]) -> str:
    """What `ask` gives in a forked child; "hangs" if that takes long."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of 3.12: there are other threads
        child = os.fork()
    if not child:
        try:
            try:
                said = repr(ask())
            except BaseException as error:
                said = repr(error)
            os.write(writing, said.encode())
        finally:
            os._exit(0)
    os.close(writing)
    killer = threading.Timer(10, os.kill, (child, 9))
    killer.start()
    with open(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    killer.cancel()
    return said or "hangs"


@needs_fork
def test_a_child_gets_back_what_calls_of_other_threads_held_at_the_fork() -> None:
    inside, leave = threading.Event(), threading.Event()
    gate, throttle = bulkhead(1), throttled("1 per 0.05 s", max_wait=5)

    @service("forked", gate, throttle)
    @cached(ttl=60)
    def act(number: int) -> int:
        if number == 1 and threading.current_thread() is not threading.main_thread():
            inside.set()
            leave.wait(30)
        return number

    thread = threading.Thread(target=act, args=(1,))
    thread.start()
    try:
        assert inside.wait(10)
        # The same key, so that the child would also wait for a call that never lands.
        assert answer_of_child(lambda: (act(1), act(2), gate.running)) == "(1, 2, 0)"
        assert gate.running == 1
    finally:
        leave.set()
        thread.join(10)


@needs_fork
def test_a_child_is_not_behind_threads_that_stood_in_line_at_the_fork() -> None:
    inside, leave = threading.Event(), threading.Event()
    gate = bulkhead(1, max_wait=30)

    @gate
    def act(wait: bool) -> str:
        if wait:
            inside.set()
            leave.wait(30)
        return "done"

    threads = [threading.Thread(target=act, args=(True,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        assert inside.wait(10)
        while not gate.waiting:
            pass
        assert answer_of_child(lambda: act(False)) == "'done'"
    finally:
        leave.set()
        for thread in threads:
            thread.join(10)


@needs_fork
@pytest.mark.parametrize(
    "lock_of",
    [
        lambda fn: fn.resilient.policy("throttled")._quota._lock,
        lambda fn: fn.resilient.policy("throttled")._quota.line._lock,
        lambda fn: fn.resilient.policy("throttled")._keyed._lock,
        lambda fn: fn.resilient.breaker._lock,
        lambda fn: fn.resilient.breaker._telling,
        lambda fn: fn.resilient.breaker.health.ok._lock,
        lambda fn: fn.resilient.cache.store._lock,
        lambda fn: fn.resilient.policy("retry").budget._lock,
        lambda fn: fn.resilient.policy("retry").budget.calls._lock,
        lambda fn: fn.resilient.figures._lock,
        lambda fn: sys.modules["resilient.call"]._filing,
        lambda fn: sys.modules["resilient.http.observe"]._lock,
        lambda fn: sys.modules["resilient.admission.holding"]._moving,
        lambda fn: sys.modules["resilient.call"].listeners._lock,
    ],
)
def test_no_lock_that_another_thread_held_at_the_fork_stays_closed(
    lock_of: Callable[[Any], Any],
) -> None:
    @service("locks", deadline=30)
    @cached(ttl=60)
    @retry(attempts=2, wait=[0.0])
    @breaker(fail_max=1)
    @throttled("100/s", "1000/min")
    def act() -> None:
        raise ConnectionError

    held, leave = threading.Event(), threading.Event()
    lock = lock_of(act)

    def hold() -> None:
        with lock:
            held.set()
            leave.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()

    def ask() -> object:
        with contextlib.suppress(Exception):
            act()
        lock = lock_of(act)
        return lock.acquire(timeout=1), act.resilient.stats()["calls"] if lock.release() else 1

    try:
        assert held.wait(10)
        assert answer_of_child(ask) == "(True, 1)"
    finally:
        leave.set()
        thread.join(10)


@pytest.mark.parametrize("how", ["spawn", "fork"])
def test_a_decorated_function_works_in_a_process_pool(how: str, tmp_path: Path) -> None:
    if how == "fork" and not hasattr(os, "fork"):
        pytest.skip("needs os.fork")
    (tmp_path / "pooled.py").write_text(
        "from resilient import retry, service, throttled\n"
        "@service('pool')\n"
        "@retry(attempts=2, wait=[0.0])\n"
        "@throttled('1/h', max_wait=0)\n"
        "def act(number):\n"
        "    return number\n"
        "if __name__ == '__main__':\n"
        "    import multiprocessing, concurrent.futures, pooled\n"
        f"    context = multiprocessing.get_context({how!r})\n"
        "    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:\n"
        "        print(pool.submit(pooled.act, 5).result(20))\n"
        "        error = pool.submit(pooled.act, 6).exception(20)\n"
        "        print(type(error).__name__, error.label, error.retry_after > 3000)\n"
    )
    roots = [str(tmp_path), str(Path(observe.__file__).parents[2])]
    done = subprocess.run(
        [sys.executable, str(tmp_path / "pooled.py")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(roots)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines() == ["5", "RateLimited pool.act True"], done.stderr
