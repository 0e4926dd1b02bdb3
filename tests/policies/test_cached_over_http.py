"""@cached(http=True) among other policies: what it answers, the limits of the vendor never see."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests

from resilient import (
    BreakerOpen,
    ConfigurationError,
    RateLimited,
    breaker,
    bulkhead,
    cached,
    open_store,
    registry,
    retry,
    service,
    throttled,
)
from resilient.stores.shared import SharedStore
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor
from tests.ids import said

MakeVendor = Callable[[str], ScriptedVendor]
FRESH = "200 cache-control=max-age=60"


@pytest.fixture
def vendor_of(clock: FakeClock) -> Iterator[MakeVendor]:
    registry.reset()
    with ExitStack() as vendors:
        yield lambda script: vendors.enter_context(ScriptedVendor(script))


@pytest.fixture
def store_of() -> Iterator[Callable[[Path], SharedStore]]:
    """A new store on the same file, as another process would open it; closed with the test."""
    with ExitStack() as stores:

        def opened(folder: Path) -> SharedStore:
            store = open_store(f"sqlite:///{folder}/cache.db", key="k" * 16, timeout=10)
            stores.callback(store.close)
            return store

        yield opened


def test_the_function_runs_and_its_request_is_answered_from_the_cache(
    vendor_of: MakeVendor, clock: FakeClock
) -> None:
    vendor = vendor_of(FRESH)
    runs = []

    @cached(http=True)
    def fetch() -> Any:
        runs.append(1)
        return requests.get(vendor.url, timeout=5).json()

    answers = [fetch() for _ in range(3)]
    assert answers == [{"status": 200}] * 3
    assert len(runs) == 3
    assert vendor.calls == 1
    clock.advance(61)
    fetch()
    assert vendor.calls == 2
    stats = fetch.resilient.stats()
    assert (stats["http_hits"], stats["http_misses"]) == (2, 2)
    assert stats["exchanges"] == {"127.0.0.1": 2}
    assert len(fetch.resilient.cache) == 1


def test_hits_neither_wait_for_the_quota_nor_use_it_up(vendor_of: MakeVendor) -> None:
    vendor = vendor_of(FRESH)

    @cached(http=True)
    @throttled("2/min", max_wait=0)
    def fetch(path: str) -> int:
        return requests.get(vendor.url_for(path), timeout=5).status_code

    for _ in range(10):
        fetch("/a")
    fetch("/b")
    for _ in range(10):
        fetch("/a")
    with pytest.raises(RateLimited):
        fetch("/c")
    assert vendor.calls == 2


@pytest.mark.parametrize("kept", ["fresh", "stale"])
def test_an_open_breaker_leaves_what_the_cache_has(
    kept: str, vendor_of: MakeVendor, clock: FakeClock
) -> None:
    vendor = vendor_of(FRESH)
    runs = []

    @cached(http=True, stale_if_error=600)
    @breaker(reset_timeout=300)
    def fetch(path: str) -> int:
        runs.append(path)
        return requests.get(vendor.url_for(path), timeout=5).status_code

    fetch("/kept")
    if kept == "stale":
        clock.advance(100)
    fetch.resilient.breaker.isolate()
    assert fetch("/kept") == 200
    assert runs == ["/kept"] * 2
    with pytest.raises(BreakerOpen):
        fetch("/other")
    assert vendor.calls == 1
    stats = fetch.resilient.stats()
    assert stats["degraded"] == (kept == "stale")
    # As with results: what a stale answer stood in for is counted.
    assert stats["outcomes"]["refused"] == (2 if kept == "stale" else 1)


def test_a_function_that_has_begun_is_not_run_again_when_a_request_is_refused(
    vendor_of: MakeVendor,
) -> None:
    vendor = vendor_of("200")
    runs = []

    @cached(http=True)
    @throttled("1/min", max_wait=0)
    def fetch() -> None:
        runs.append(1)
        for path in ("/a", "/b"):
            requests.get(vendor.url_for(path), timeout=5)

    with pytest.raises(RateLimited):
        fetch()
    assert len(runs) == 1


@pytest.mark.parametrize(
    "policy",
    [lambda: bulkhead(1), lambda: throttled("1/min", max_wait=0)],
    ids=["bulkhead", "quota"],
)
def test_what_has_no_room_is_answered_from_the_cache(policy: Any, vendor_of: MakeVendor) -> None:
    vendor = vendor_of(FRESH)
    entered, may_go_on = threading.Event(), threading.Event()

    @cached(http=True)
    @policy()
    def fetch(path: str) -> int:
        status = requests.get(vendor.url_for(path), timeout=5).status_code
        if path == "/slow":
            entered.set()
            assert may_go_on.wait(20)
        return status

    fetch("/a")
    with ThreadPoolExecutor(1) as pool:
        if "bulkhead" in str(fetch.resilient):
            pool.submit(fetch, "/slow")
            assert entered.wait(20)
        assert fetch("/a") == 200
        may_go_on.set()


def test_fifty_threads_on_a_cold_url_make_one_request() -> None:
    start = threading.Barrier(50)

    # In real time: under the fake clock waiting for the first one would take no time.
    with ScriptedVendor(FRESH) as vendor, ThreadPoolExecutor(50) as pool:

        @cached(http=True)
        def fetch() -> int:
            start.wait(20)
            return requests.get(vendor.url, timeout=20).status_code

        answers = list(pool.map(lambda _: fetch(), range(50)))
        assert answers == [200] * 50
        assert vendor.calls == 1


@pytest.mark.parametrize(
    "ask",
    [
        lambda url, user: requests.get(url, headers={"AUTHORIZATION": f"Bearer {user}"}, timeout=5),
        lambda url, user: requests.get(url, headers={"X-Api-Key": user}, timeout=5),
        lambda url, user: requests.get(url, params={"api_key": user}, timeout=5),
        lambda url, user: requests.get(url, auth=("me", user), timeout=5),
        lambda url, user: requests.get(url, cookies={"session": user}, timeout=5),
        lambda url, user: requests.get(url.replace("//", f"//me:{user}@"), timeout=5),
    ],
    ids=["header", "api key header", "query", "basic auth", "cookie", "user info"],
)
@pytest.mark.parametrize("place", ["memory", "sqlite"])
def test_users_never_see_each_others_answers(
    ask: Any,
    place: str,
    vendor_of: MakeVendor,
    store_of: Callable[[Path], SharedStore],
    tmp_path: Path,
) -> None:
    vendor = vendor_of(
        "200 cache-control=max-age=60 body=ann, 200 cache-control=max-age=60 body=bob, 500"
    )
    store = store_of(tmp_path) if place == "sqlite" else None

    @cached(http=True, store=store)
    def me(user: str) -> str:
        answer = ask(vendor.url, f"{user}-0123456789")
        answer.raise_for_status()
        return str(answer.text)

    assert [me("ann"), me("bob"), me("ann"), me("bob")] == ["ann", "bob"] * 2
    assert vendor.calls == 2
    if store is not None:
        store.close()
        kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
        assert b"ann-0123456789" not in kept


def test_a_scope_keeps_apart_what_requests_do_not_tell_apart(vendor_of: MakeVendor) -> None:
    vendor = vendor_of(
        "200 cache-control=max-age=60 body=ann, 200 cache-control=max-age=60 body=bob"
    )

    @cached(http=True, scope=lambda user: user)
    def me(user: str) -> str:
        return requests.get(vendor.url, timeout=5).text

    assert [me("ann"), me("bob"), me("ann"), me("bob")] == ["ann", "bob"] * 2


def test_nobodys_requests_go_past_the_cache(vendor_of: MakeVendor, steps: RecordedSteps) -> None:
    vendor = vendor_of(FRESH)

    @cached(http=True, scope=lambda user: user)
    def me(user: str | None) -> int:
        return requests.get(vendor.url, timeout=5).status_code

    assert [me(None), me(None)] == [200, 200]
    assert vendor.calls == 2
    assert [step.kind for step in steps] == ["uncacheable"]


def test_two_processes_worth_of_functions_share_a_store(
    vendor_of: MakeVendor, store_of: Callable[[Path], SharedStore], tmp_path: Path
) -> None:
    vendor = vendor_of(f"{FRESH} etag='\"1\"'")

    def fetching() -> Any:
        return cached(http=True, store=store_of(tmp_path))(
            lambda: requests.get(vendor.url, timeout=5).status_code
        )

    one, other = fetching(), fetching()
    assert [one(), other()] == [200, 200]
    assert vendor.calls == 1
    one.resilient.cache.invalidate(vendor.url)
    assert other() == 200
    assert vendor.calls == 2


def test_in_the_whole_stack_a_stale_answer_stands_in_for_an_outage(
    vendor_of: MakeVendor, clock: FakeClock, steps: RecordedSteps
) -> None:
    vendor = vendor_of("200 cache-control=max-age=10 body=old, 503")

    @service("news", deadline=60)
    @cached(http=True, stale_if_error=600)
    @retry(attempts=2)
    @breaker
    @throttled("100/s")
    def fetch() -> str:
        answer = requests.get(vendor.url, timeout=5)
        answer.raise_for_status()
        return answer.text

    assert fetch() == "old"
    clock.advance(11)
    assert fetch() == "old"
    assert "stale" in [step.kind for step in steps]
    assert fetch.resilient.stats()["degraded"] == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": lambda: 1}, "key is for results kept by arguments"),
        ({"copy": False}, "each caller gets a response of its own"),
        ({"errors_ttl": 5}, "errors_ttl is for results"),
        ({"early": 0.1}, "use stale_while_revalidate="),
        ({"tags": ["a"]}, r"use fn.resilient.cache.invalidate\(url\)"),
        ({"respect_headers": False}, "give ttl="),
        ({"store": 5}, "no int"),
        ({"store": "mysql://x"}, "there is no such store"),
        ({"scope": 1.5}, "no float"),
        ({"scope": ""}, "no str"),
        ({"max_bytes": 0}, "1 or more"),
    ],
    ids=said,
)
def test_options_that_can_not_be_meant_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        cached(http=True, **options)


def test_the_policy_shows_what_it_keeps_and_where(
    store_of: Callable[[Path], SharedStore], tmp_path: Path
) -> None:
    shown = repr(cached(http=True, store=store_of(tmp_path), scope="tenant-4711"))
    assert "http=True" in shown
    assert "sqlite:cache.db" in shown
    assert "4711" not in shown


def test_observing_asks_the_vendor_each_time_and_tells_what_it_would_have_answered(
    vendor_of: MakeVendor, steps: RecordedSteps
) -> None:
    vendor = vendor_of(FRESH)

    @cached(http=True, mode="observe")
    def fetch() -> int:
        return requests.get(vendor.url, timeout=5).status_code

    assert [fetch(), fetch()] == [200, 200]
    assert vendor.calls == 2
    assert [step.kind for step in steps] == ["would_hit"]
