"""The traps of the libraries below us: first the naive use goes wrong, then ours does not.

Those that a policy's own tests show already, both halves, are found there:

    pybreaker       lock held during the call, Ctrl-C, exclusions, ABCMeta: circuit/test_breaker.py
                    raising listeners: circuit/test_listening.py; decode_responses:
                    circuit/test_storage.py; the hidden error: policies/test_breaker.py
    backoff         all but one: policies/test_retry.py
    ratelimit       all: policies/test_throttled.py
    requests-cache  Age, no headers, malformed Expires, stale after 401 and 404, one mutable object,
                    no bound: policies/test_cached.py
    loguru          diagnose, serialized fields, raising sinks: diagnostics/test_sinks.py
                    a text taken for a format: diagnostics/test_logs.py

What belongs to HTTP caching and to the stores, and is not there to be tested yet:

    the credential of a request that is no argument of the function as part of the key
    what is left out of a stored request, in any case of its name
    the lock of a database that can't be written, and what a store that is down costs
    one revalidation in the background
    the signature of what a shared store holds
"""

from __future__ import annotations

import functools
import io
import logging
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import backoff
import pybreaker
import pytest
import requests
import requests_cache
from loguru import logger

from resilient import cached, log_to, retry, service, throttled, timing
from resilient.circuit import CircuitBreaker
from resilient.diagnostics.masking import mask
from resilient.errors import BreakerOpen
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor

PATIENCE = 20
"""Real seconds after which a thread counts as stuck."""

SECRET = "s3cr3t"
STALE_AT_ONCE = timedelta(microseconds=1)

MakeVendor = Callable[[str], ScriptedVendor]
RunApart = Callable[[str, str], str]
CachedSession = functools.partial(requests_cache.CachedSession, backend="memory")


@pytest.fixture
def vendor_of() -> Iterator[MakeVendor]:
    with ExitStack() as vendors:
        yield lambda script: vendors.enter_context(ScriptedVendor(script))


@pytest.fixture
def run_apart(tmp_path: Path) -> Callable[[str, str], str]:
    """What a fresh interpreter, with loguru's handler 0 as it comes, writes to stderr."""

    def run(script: str, argument: str) -> str:
        # A file, since loguru shows the variables of what it can read the source of.
        path = tmp_path / "apart.py"
        path.write_text(script)
        done = subprocess.run(
            [sys.executable, str(path), argument],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            timeout=60,
        )
        return done.stderr

    return run


@pytest.fixture
def streams() -> Iterator[tuple[io.StringIO, io.StringIO]]:
    """What a naive sink of loguru and one of ours have written."""
    naive, ours = io.StringIO(), io.StringIO()
    sinks = [logger.add(naive, level=0), log_to(ours, level="DEBUG")]
    yield naive, ours
    for sink in sinks:
        logger.remove(sink)


# functools.wraps


def test_a_mark_that_shows_through_a_foreign_decorator_is_not_ours_to_take_over() -> None:
    def foreign(function: Callable[[], str]) -> Callable[[], str]:
        return functools.wraps(function)(lambda: function().upper())

    shouted: Any = foreign(retry(lambda: "done"))
    # Who goes by the mark gets hold of the function below, and drops the decorator.
    assert shouted.resilient.function() == "done"
    assert throttled("10/s")(shouted)() == "DONE"


# pybreaker


class WouldWaitForEver(Exception):
    """In place of a deadlock."""


class Lock:
    """An RLock that, where it would have to wait, waits for the other thread to be stuck too."""

    def __init__(self, both_stuck: threading.Barrier) -> None:
        self.lock = threading.RLock()
        self.both_stuck = both_stuck

    def __enter__(self) -> None:
        if not self.lock.acquire(blocking=False):
            self.both_stuck.wait(PATIENCE)
            raise WouldWaitForEver

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def test_two_breakers_nested_either_way_deadlock_in_pybreaker_and_not_in_ours() -> None:
    def nested_either_way(first: Any, second: Any) -> list[Any]:
        both_inside = threading.Barrier(2)

        def nested(outer: Any, inner: Any) -> Any:
            def body() -> Any:
                both_inside.wait(PATIENCE)
                return inner.call(lambda: "done")

            return outer.call(body)

        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(nested, first, second), pool.submit(nested, second, first)]
            return [job.exception(PATIENCE) or job.result() for job in jobs]

    naive = pybreaker.CircuitBreaker(), pybreaker.CircuitBreaker()
    both_stuck = threading.Barrier(2)
    for breaker in naive:
        breaker._lock = Lock(both_stuck)  # type: ignore[assignment]
    assert [type(end) for end in nested_either_way(*naive)] == [WouldWaitForEver] * 2
    assert nested_either_way(CircuitBreaker(), CircuitBreaker()) == ["done"] * 2


def test_setting_the_wall_clock_forward_closes_pybreaker_and_not_ours(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tripped(kind: Any) -> Any:
        breaker = kind(fail_max=1, reset_timeout=60)
        with pytest.raises(pybreaker.CircuitBreakerError):
            breaker.call(lambda: 1 / 0)
        return breaker

    naive, ours = tripped(pybreaker.CircuitBreaker), tripped(CircuitBreaker)
    later = SimpleNamespace(now=lambda zone: datetime.now(zone) + timedelta(hours=1))
    monkeypatch.setattr(pybreaker, "datetime", later)
    clock.jump(3600)
    assert naive.call(lambda: "let through") == "let through"
    with pytest.raises(BreakerOpen):
        ours.call(pytest.fail)


# backoff


def test_a_retry_after_is_not_shortened(
    clock: FakeClock, vendor_of: MakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = vendor_of("429 retry-after=20, 200")

    def get() -> None:
        requests.get(vendor.url, timeout=5).raise_for_status()

    naps: list[float] = []
    monkeypatch.setattr("backoff._sync.time", SimpleNamespace(sleep=naps.append))
    monkeypatch.setattr("backoff._jitter.random.uniform", min)
    backoff.on_exception(
        backoff.runtime,
        requests.HTTPError,
        value=lambda error: int(error.response.headers["Retry-After"]),
    )(get)()
    assert naps == [0]
    vendor.reset()
    monkeypatch.setattr(timing.chance, "uniform", min)
    retry(get)()
    assert clock.slept[0] >= 20


# requests-cache


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_one_users_answer_is_no_other_users(header: str, vendor_of: MakeVendor) -> None:
    vendor = vendor_of("200 body=ann, 200 body=bob")
    with CachedSession() as session:
        for user in ("ann", "bob"):
            assert session.get(vendor.url, headers={header: user}, timeout=5).text == "ann"

    class Client:
        def __init__(self, user: str) -> None:
            self.headers = {header: user}

        @cached(ttl=60, scope=lambda self: self.headers[header])
        def fetch(self) -> str:
            return requests.get(vendor.url, headers=self.headers, timeout=5).text

    @cached(ttl=60, key=lambda headers: headers[header])
    def fetch(headers: dict[str, str]) -> str:
        return requests.get(vendor.url, headers=headers, timeout=5).text

    ann, bob = Client("ann"), Client("bob")
    vendor.reset()
    assert [ann.fetch(), bob.fetch(), ann.fetch(), bob.fetch()] == ["ann", "bob"] * 2
    vendor.reset()
    users = [ann.headers, bob.headers] * 2
    assert [fetch(headers) for headers in users] == ["ann", "bob"] * 2


def test_a_credential_is_hidden_in_any_case_of_its_name(vendor_of: MakeVendor) -> None:
    vendor = vendor_of("200")
    urls = [vendor.url_for(f"?{name}={SECRET}") for name in ("api_key", "API_KEY", "Api_Key")]
    with CachedSession() as session:
        for url in urls:
            session.get(url, timeout=5)
        assert [SECRET in kept for kept in session.cache.urls()].count(True) == 2
    assert not any(SECRET in mask(url) for url in urls)


def test_a_database_that_cannot_be_written_holds_nobody_up(
    vendor_of: MakeVendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Endless(Exception):
        """Raised after so many tries that it is plain that they would never end."""

    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 1000:
            raise Endless

    vendor = vendor_of("200 json=1")
    with CachedSession(tmp_path / "cache", backend="sqlite") as session:
        kept: Any = session.cache.responses
        with kept.connection() as connection:
            connection.execute("PRAGMA query_only=ON")
        monkeypatch.setattr("requests_cache.backends.sqlite.sleep", nap)
        with pytest.raises(Endless):
            session.get(vendor.url, timeout=5)

    @cached(ttl=60)
    def fetch() -> Any:
        return requests.get(vendor.url, timeout=5).json()

    monkeypatch.setattr(sqlite3, "connect", pytest.fail)
    vendor.reset()
    assert [fetch(), fetch()] == [1, 1]
    assert vendor.calls == 1


def test_response_hooks_fire_once_for_each_answer(vendor_of: MakeVendor) -> None:
    vendor = vendor_of("200")
    seen: list[requests.Response] = []

    def get(session: requests.Session) -> str:
        session.hooks["response"].append(lambda response, **_: seen.append(response))
        return session.get(vendor.url, timeout=5).text

    with CachedSession() as naive:
        get(naive)
    assert len(seen) == 2
    seen.clear()
    fetch = cached(ttl=60)(get)
    with requests.Session() as session:
        fetch(session)
        fetch(session)
    assert len(seen) == vendor.calls - 1 == 1


def test_a_429_behind_a_stale_answer_is_told_and_obeyed(
    clock: FakeClock, vendor_of: MakeVendor, steps: RecordedSteps
) -> None:
    vendor = vendor_of("200 json=1, 429 retry-after=30")
    with CachedSession(expire_after=STALE_AT_ONCE, stale_if_error=True) as session:
        answers = [session.get(vendor.url, timeout=5).status_code for _ in range(4)]
    assert answers == [200] * 4
    assert vendor.calls == 4  # the vendor goes on being hit, and nobody knows

    @cached(ttl=10, stale_if_error=60)
    @throttled("10/s", max_wait=0)
    def fetch() -> Any:
        response = requests.get(vendor.url, timeout=5)
        response.raise_for_status()
        return response.json()

    vendor.reset()
    fetch()
    clock.advance(10)
    assert [fetch() for _ in range(3)] == [1] * 3
    assert vendor.calls == 2
    assert {"paused", "stale"} <= set(steps.kinds())
    assert fetch.resilient.stats()["degraded"] == 3


def test_many_who_find_an_old_result_make_one_call(
    clock: FakeClock, vendor_of: MakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []

    class Revalidation(SimpleNamespace):
        def start(self) -> None:
            begun.append(self)

    vendor = vendor_of("200")
    monkeypatch.setattr("requests_cache.session.Thread", Revalidation)
    with CachedSession(
        expire_after=STALE_AT_ONCE, stale_while_revalidate=timedelta(days=1)
    ) as session:
        for _ in range(4):
            session.get(vendor.url, timeout=5)
        for thread in begun:
            thread.target(*thread.args, **thread.kwargs)
    assert vendor.calls == 4  # three of them while the first is on its way

    is_waiting = threading.Event()
    others: list[Any] = []

    @cached(ttl=10)
    def fetch() -> str:
        if vendor.calls == 1:
            others.append(pool.submit(fetch))
            assert is_waiting.wait(PATIENCE)
        return requests.get(vendor.url, timeout=5).text

    def wait(event: threading.Event, timeout: float | None) -> bool:
        is_waiting.set()
        return event.wait(PATIENCE)

    vendor.reset()
    fetch()
    clock.advance(10)
    monkeypatch.setattr(timing.clock, "wait", wait)
    with ThreadPoolExecutor(1) as pool:
        answer = fetch()
        assert others[0].result(PATIENCE) == answer
    assert vendor.calls == 2


def test_a_cache_for_one_thread_leaves_the_others_alone(vendor_of: MakeVendor) -> None:
    vendor = vendor_of("200 body=first, 200 body=second, 200 body=third")

    def get() -> str:
        return requests.get(vendor.url, timeout=5).text

    plain = requests.Session
    with ThreadPoolExecutor(1) as other:
        with requests_cache.enabled(backend="memory"):
            get()
            assert other.submit(get).result(PATIENCE) == "first"
        vendor.reset()

        @cached(ttl=60)
        def fetch() -> list[str]:
            assert requests.Session is plain
            return [get(), other.submit(get).result(PATIENCE), get()]

        assert fetch() == fetch() == ["first", "second", "third"]


class Planted:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_nothing_that_is_kept_goes_through_pickle(
    vendor_of: MakeVendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = vendor_of("200 json=1")
    with CachedSession(tmp_path / "cache", backend="sqlite") as session:
        session.get(vendor.url, timeout=5)
        kept: Any = session.cache.responses
        with kept.connection(commit=True) as connection:
            planted = pickle.dumps(Planted(tmp_path / "owned"))
            connection.execute("UPDATE responses SET value = ?", (planted,))
        with suppress(Exception):
            session.get(vendor.url, timeout=5)
    assert (tmp_path / "owned").is_dir()

    @cached(ttl=60)
    def fetch() -> Any:
        return {"answer": requests.get(vendor.url, timeout=5).json(), "same": lambda: None}

    for name in ("dumps", "loads", "dump", "load", "Pickler", "Unpickler"):
        monkeypatch.setattr(pickle, name, pytest.fail)
    vendor.reset()
    assert fetch() == fetch()
    assert vendor.calls == 1


# loguru


HANDLER_0 = f"""
import sys
import resilient
from loguru import logger

def fetch(given):
    raise ConnectionResetError(len(given))

try:
    if sys.argv[1] == "naive":
        fetch("{SECRET[:3]}" + "{SECRET[3:]}")
    resilient.retry(attempts=2, wait=0)(fetch)("{SECRET[:3]}" + "{SECRET[3:]}")
except ConnectionResetError:
    if sys.argv[1] == "naive":
        logger.exception("failed")
"""


def test_handler_0_prints_variables_and_our_lines_give_it_none(run_apart: RunApart) -> None:
    assert SECRET in run_apart(HANDLER_0, "naive")
    lines = run_apart(HANDLER_0, "ours")
    assert "fetch: gave up" in lines
    assert SECRET not in lines


SINKS = """
import sys
import resilient
from loguru import logger

if sys.argv[1] == "naive":
    logger.remove()
    logger.add(sys.stdout)
else:
    resilient.log_to(sys.stdout)
logger.info("hello")
"""


def test_a_sink_of_ours_takes_no_other_away(run_apart: RunApart) -> None:
    assert "hello" not in run_apart(SINKS, "naive")
    assert "hello" in run_apart(SINKS, "ours")


def test_a_patcher_masks_the_message_only_and_ours_masks_the_traceback_too(
    streams: tuple[io.StringIO, io.StringIO],
) -> None:
    naive, ours = streams

    def patch(record: Any) -> None:
        record["message"] = "masked"

    patched = logger.patch(patch)
    try:
        raise PermissionError(f"no login with password={SECRET}")
    except PermissionError:
        patched.exception("token={}", SECRET)
    assert f"password={SECRET}" in naive.getvalue()
    assert "password=***" in ours.getvalue()
    assert SECRET not in ours.getvalue()


def test_the_text_of_a_format_function_is_formatted_again_and_loses_the_line_but_not_ours(
    streams: tuple[io.StringIO, io.StringIO], capsys: pytest.CaptureFixture[str]
) -> None:
    def in_full(record: Any) -> str:
        return f"{record['message']}\n"

    naive, ours = io.StringIO(), io.StringIO()
    sink = logger.add(naive, format=in_full)
    logger.info("{}", "{oops}")
    logger.remove(sink)
    assert naive.getvalue() == ""
    assert "KeyError: 'oops'" in capsys.readouterr().err
    sink = log_to(ours, format=in_full)
    logger.info("{}", "{oops}")
    logger.remove(sink)
    assert "{oops}" in ours.getvalue()
    assert "{oops}" in streams[1].getvalue()
    assert capsys.readouterr().err == ""


def test_contextualize_ends_at_a_new_thread_and_our_worker_carries_it_on() -> None:
    extras: list[Any] = []
    sink = logger.add(lambda text: extras.append(text.record["extra"]))

    def work() -> None:
        logger.info("hello")

    ours = service("github", deadline=PATIENCE, hard_deadline=True)(work)
    with logger.contextualize(tenant="acme"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        ours()
    logger.remove(sink)
    assert extras == [{}, {"tenant": "acme"}]


def test_the_tags_of_a_service_are_on_the_lines_of_every_thread() -> None:
    records: list[Any] = []
    sink = logger.add(lambda text: records.append(text.record))

    @service("github", context=lambda tenant: {"tenant": tenant})
    @retry(attempts=2, wait=0)
    def fetch(tenant: str) -> None:
        raise ConnectionResetError

    def call() -> None:
        with suppress(ConnectionResetError):
            fetch("acme")

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    logger.remove(sink)
    # A thread that an earlier test left at work may write lines as well.
    extras = [record["extra"] for record in records if record["thread"].id == thread.ident]
    assert [extra["context"] for extra in extras] == [{"tenant": "acme"}] * 3


# urllib3


class IntoLoguru(logging.Handler):
    """Forwards the standard logging, as loguru's documentation has it."""

    def emit(self, record: logging.LogRecord) -> None:
        logger.log(record.levelname, "{}", record.getMessage())


def test_the_query_string_in_a_line_of_urllib3_is_masked(
    streams: tuple[io.StringIO, io.StringIO],
    vendor_of: MakeVendor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_urllib3 = logging.getLogger("urllib3")
    monkeypatch.setattr(of_urllib3, "handlers", [IntoLoguru()])
    before = of_urllib3.level
    of_urllib3.setLevel(logging.DEBUG)
    requests.get(vendor_of("200").url_for(f"/users?api_key={SECRET}&page=2"), timeout=5)
    of_urllib3.setLevel(before)
    naive, ours = (stream.getvalue() for stream in streams)
    assert f"GET /users?api_key={SECRET}&page=2" in naive
    assert "GET /users?api_key=***&page=2" in ours
    assert SECRET not in ours
