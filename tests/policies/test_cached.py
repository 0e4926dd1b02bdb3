"""Results kept by arguments: how long, for whom, and what is never kept."""

from __future__ import annotations

import gc
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import timedelta
from typing import Any

import pytest
import requests
import requests_cache

from resilient import (
    ConfigurationError,
    DeadlineExceeded,
    breaker,
    cached,
    fallback,
    registry,
    retry,
    service,
    throttled,
    timing,
)
from resilient.call import Call, Target
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor, fake_clock

MakeVendor = Callable[[str], ScriptedVendor]


@pytest.fixture(autouse=True)
def clock() -> Iterator[FakeClock]:
    with fake_clock() as clock:
        yield clock


@pytest.fixture
def vendor_of() -> Iterator[MakeVendor]:
    with ExitStack() as vendors:
        yield lambda script: vendors.enter_context(ScriptedVendor(script))


class Counted:
    """A function that counts its calls: returns what it was given, or raises it."""

    def __init__(self, *results: Any) -> None:
        self.results = list(results)
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.results[min(self.calls, len(self.results) - 1)]
        self.calls += 1
        if isinstance(result, BaseException):
            raise result
        return result


@pytest.fixture(autouse=True)
def _fresh_figures() -> None:
    """Functions of one name share their figures, over all tests."""
    registry.reset()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def unavailable() -> requests.Response:
    failed = requests.Response()
    failed.status_code = 503
    failed._content = b"down"
    return failed


# How long


def test_a_result_is_fresh_for_just_its_ttl(clock: FakeClock) -> None:
    body = Counted("first", "second")

    @cached(ttl=10)
    def fetch() -> Any:
        return body()

    assert fetch() == "first"
    clock.advance(9.999)
    assert fetch() == "first"
    clock.advance(0.001)
    assert fetch() == "second"
    assert body.calls == 2


def test_the_ttl_counts_from_when_the_result_was_there(clock: FakeClock) -> None:
    body = Counted("first", "second")

    @cached(ttl=timedelta(seconds=10))
    def fetch() -> Any:
        clock.sleep(5)
        return body()

    fetch()
    clock.advance(9.999)
    assert fetch() == "first"


def test_bare_keeps_nothing_that_no_header_speaks_of(steps: RecordedSteps) -> None:
    body = Counted("first", "second")

    @cached
    def fetch() -> Any:
        return body()

    assert [fetch(), fetch()] == ["first", "second"]
    assert len(fetch.resilient.cache) == 0
    assert steps == []


@pytest.mark.parametrize(
    ("headers", "ttl", "fresh_for"),
    [
        ("cache-control='max-age=60'", 10, 60),
        ("cache-control='max-age=60'", None, 60),
        ("cache-control='max-age=60' age=20", 10, 40),
        ("cache-control='max-age=60' delay=5", 10, 55),
        ("expires=date+60 date=date+0", None, 60),
        ("expires=date+60", 10, 60),
        ("expires=soon", 10, 0),
        ("cache-control=no-store", 10, 0),
        ("cache-control=no-cache", 10, 0),
        ("cache-control='max-age=0'", 10, 0),
        ("", 10, 10),
        ("", None, 0),
    ],
    ids=str,
)
def test_the_vendors_headers_win_over_the_ttl(
    headers: str,
    ttl: float | None,
    fresh_for: float,
    clock: FakeClock,
    vendor_of: MakeVendor,
) -> None:
    vendor = vendor_of(f"200 {headers}")

    @cached(ttl=ttl)
    def fetch() -> Any:
        return requests.get(vendor.url, timeout=30).json()

    fetch()
    if fresh_for:
        # Only to a microsecond: dates are in whole seconds, but none is passed here.
        clock.advance(fresh_for - 1e-6)
        fetch()
        assert vendor.calls == 1
        clock.advance(1e-6)
    fetch()
    assert vendor.calls == 2


def test_headers_can_be_left_out_of_it(vendor_of: MakeVendor) -> None:
    vendor = vendor_of("200 cache-control=no-store")

    @cached(ttl=10, respect_headers=False)
    def fetch() -> Any:
        return requests.get(vendor.url, timeout=5).json()

    fetch()
    fetch()
    assert vendor.calls == 1


def test_what_the_headers_of_an_earlier_attempt_said_does_not_count(
    vendor_of: MakeVendor,
) -> None:
    vendor = vendor_of("503 cache-control=no-store, 200 cache-control='max-age=60'")

    @cached
    @retry(attempts=2)
    def fetch() -> Any:
        response = requests.get(vendor.url, timeout=5)
        response.raise_for_status()
        return response.json()

    fetch()
    fetch()
    assert vendor.calls == 2


# Whose


def test_spellings_of_one_call_share_an_entry_and_types_do_not() -> None:
    body = Counted(*range(10))

    @cached(ttl=10)
    def fetch(a: Any, b: Any = 2) -> Any:
        return body()

    assert fetch(1, 2) == fetch(a=1, b=2) == fetch(1) == fetch(b=2, a=1) == 0
    assert [fetch(1.0), fetch(True), fetch([1]), fetch([True])] == [1, 2, 3, 4]
    assert fetch([1]) == 3
    assert len(fetch.resilient.cache) == 5


def test_methods_keep_results_by_instance() -> None:
    class Client:
        def __init__(self, name: str) -> None:
            self.name = name
            self.calls = 0

        @cached(ttl=10)
        def get(self, number: int) -> str:
            self.calls += 1
            return f"{self.name}{number}"

    ann, bob = Client("ann"), Client("bob")
    assert [ann.get(1), bob.get(1), ann.get(number=1)] == ["ann1", "bob1", "ann1"]
    assert (ann.calls, bob.calls) == (1, 1)


def test_functions_that_share_a_policy_do_not_share_entries() -> None:
    shared = cached(ttl=10)
    first = shared(lambda number: f"first {number}")
    second = shared(lambda number: f"second {number}")
    assert [first(1), second(1), first(1)] == ["first 1", "second 1", "first 1"]
    first.resilient.cache.clear()
    assert (len(first.resilient.cache), len(second.resilient.cache)) == (0, 1)
    first(1)
    shared.clear()
    assert (len(first.resilient.cache), len(second.resilient.cache)) == (0, 0)


def test_a_callable_that_can_not_be_hashed_or_referred_to_weakly_is_cached() -> None:
    class Fetcher:
        __slots__ = ("calls",)
        __hash__ = None  # type: ignore[assignment]  # as of a class that defines __eq__

        def __init__(self) -> None:
            self.calls = 0

        def __call__(self, number: int) -> int:
            self.calls += 1
            return number

    fetcher = Fetcher()
    fetch = cached(ttl=10)(fetcher)
    assert [fetch(1), fetch(1)] == [1, 1]
    assert fetcher.calls == 1
    assert len(fetch.resilient.cache) == 1


def test_a_dropped_function_frees_what_it_kept() -> None:
    class Result:
        pass

    policy = cached(ttl=10, copy=False)
    fetch = policy(lambda: Result())
    kept = weakref.ref(fetch())
    gc.collect()
    assert kept() is not None
    del fetch
    gc.collect()
    assert kept() is None
    assert len(policy._caches) == 0


def test_a_key_of_ones_own_stands_for_the_arguments() -> None:
    body = Counted(*range(10))

    @cached(ttl=10, key=lambda session, name: name.lower())
    def fetch(session: Any, user: str = "ann") -> Any:
        return body()

    assert fetch(object(), "Ann") == fetch(object(), user="ANN") == fetch(object()) == 0
    assert fetch(object(), "bob") == 1


def test_a_key_of_ones_own_may_be_a_list_and_tells_types_apart() -> None:
    body = Counted(*range(10))

    @cached(ttl=10, key=lambda number: [number])
    def fetch(number: Any) -> Any:
        return body()

    assert [fetch(1), fetch(True), fetch(1)] == [0, 1, 0]


@pytest.mark.parametrize(
    ("argument", "words"),
    [(threading.local(), None), (memoryview(bytearray(b"token")), "memoryview")],
    ids=["hashable", "unhashable"],
)
def test_a_call_that_cannot_be_keyed_is_made_directly_and_told_once(
    argument: Any, words: str | None, steps: RecordedSteps
) -> None:
    body = Counted(*range(10))

    @cached(ttl=10)
    def fetch(argument: Any) -> Any:
        return body()

    results = [fetch(argument), fetch(argument), fetch(argument)]
    if words is None:
        assert (results, steps) == ([0, 0, 0], [])
        return
    assert results == [0, 1, 2]
    assert steps.kinds() == ["uncacheable"]
    assert words in steps[0].text
    assert "token" not in steps[0].text


def test_a_key_function_that_fails_does_not_cost_the_caller_the_answer(
    steps: RecordedSteps,
) -> None:
    def broken(user: str) -> str:
        raise LookupError(user)

    fetch = cached(ttl=10, key=broken)(Counted("answer"))
    assert [fetch("secret"), fetch("secret")] == ["answer", "answer"]
    assert steps.kinds() == ["uncacheable"]
    assert "LookupError" in steps[0].text
    assert "secret" not in steps[0].text


def test_each_function_of_a_shared_policy_tells_for_itself(steps: RecordedSteps) -> None:
    shared = cached(ttl=10)
    first, second = shared(lambda a: a), shared(lambda b: b)
    for fetch in (first, second, first, second):
        fetch(memoryview(bytearray(1)))
    assert steps.kinds() == ["uncacheable", "uncacheable"]


def test_a_wrong_call_gets_the_functions_own_error_and_no_line(
    steps: RecordedSteps,
) -> None:
    @cached(ttl=10)
    def fetch(user: str) -> str:
        return user

    with pytest.raises(TypeError, match="user"):
        fetch()  # type: ignore[call-arg]
    assert steps == []


# What is handed out


@pytest.mark.parametrize(
    ("make", "spoil"),
    [
        (lambda: [1, [2]], lambda result: result[1].append(3)),
        (lambda: {"a": {"b": 1}}, lambda result: result["a"].clear()),
        (lambda: ([1],), lambda result: result[0].append(2)),
        (lambda: bytearray(b"a"), lambda result: result.extend(b"b")),
    ],
    ids=["list", "dict", "tuple", "bytearray"],
)
def test_what_a_caller_does_to_a_result_stays_with_that_caller(make: Any, spoil: Any) -> None:
    fetch = cached(ttl=10)(Counted(make(), "called again"))
    for _ in range(3):  # the original, and two copies
        result = fetch()
        assert result == make()
        spoil(result)


def test_a_kept_response_can_be_read_and_spoiled_by_every_caller(
    vendor_of: MakeVendor,
) -> None:
    vendor = vendor_of('200 json={"a": 1} cache-control="max-age=60" x-id=7')

    @cached
    def fetch() -> requests.Response:
        return requests.get(vendor.url, timeout=5)

    for _ in range(3):
        response = fetch()
        assert (response.status_code, response.json()) == (200, {"a": 1})
        assert response.headers["X-Id"] == "7"
        assert response.request.method == "GET"
        response._content = b"spoiled"
        response.headers.clear()
        response.status_code = 500
    assert vendor.calls == 1


def test_a_streamed_response_is_left_to_its_caller(
    vendor_of: MakeVendor, steps: RecordedSteps
) -> None:
    vendor = vendor_of("200 body=streamed cache-control='max-age=60'")

    @cached
    def fetch() -> requests.Response:
        return requests.get(vendor.url, timeout=5, stream=True)

    for _ in range(2):
        response = fetch()
        assert not response._content_consumed
        assert response.raw.read() == b"streamed"
    assert vendor.calls == 2
    assert steps.kinds() == ["uncacheable"]


def test_without_copies_all_get_the_same_object() -> None:
    fetch = cached(ttl=10, copy=False)(Counted([1]))
    first = fetch()
    assert fetch() is first


def test_a_result_that_cannot_be_copied_is_not_kept_and_told_once(
    steps: RecordedSteps,
) -> None:
    body = Counted(threading.Lock())
    fetch = cached(ttl=10)(body)
    assert fetch() is fetch()
    assert body.calls == 2
    assert steps.kinds() == ["uncacheable"]
    assert "lock" in steps[0].text


def test_none_is_a_result_like_any_other() -> None:
    body = Counted(None)
    fetch = cached(ttl=10)(body)
    assert [fetch(), fetch()] == [None, None]
    assert body.calls == 1


def test_the_least_recently_used_result_goes_first() -> None:
    made: list[str] = []

    @cached(ttl=10, max_entries=2)
    def fetch(name: str) -> str:
        made.append(name)
        return name

    for name in "abacab":
        fetch(name)
    # `a` is used before c comes, so b goes.
    assert made == ["a", "b", "c", "b"]
    assert len(fetch.resilient.cache) == 2


# What is never kept


@pytest.mark.parametrize(
    "script",
    ["503", "500", "429 retry-after=1", "502 cache-control='max-age=60'", "401", "403", "400"],
)
def test_a_returned_response_that_failed_is_not_kept(script: str, vendor_of: MakeVendor) -> None:
    vendor = vendor_of(f"{script}, 200")

    @cached(ttl=10)
    def fetch() -> requests.Response:
        return requests.get(vendor.url, timeout=5)

    assert fetch().status_code == int(script[:3])
    assert fetch().status_code == 200


def test_an_absent_thing_is_kept_like_a_present_one(vendor_of: MakeVendor) -> None:
    vendor = vendor_of("404")

    @cached(ttl=10)
    def find() -> Any:
        response = requests.get(vendor.url, timeout=5)
        return None if response.status_code == 404 else response.json()

    assert [find(), find()] == [None, None]
    assert vendor.calls == 1


@pytest.mark.parametrize("script", ["503", "reset", "401"])
def test_what_a_function_made_of_a_failure_is_not_kept(script: str, vendor_of: MakeVendor) -> None:
    vendor = vendor_of(f"{script}, 200 json=[1]")

    @cached(ttl=10)
    def fetch() -> Any:
        try:
            response = requests.get(vendor.url, timeout=5)
            response.raise_for_status()
            return response.json()
        except requests.RequestException:
            return []

    assert [fetch(), fetch(), fetch()] == [[], [1], [1]]
    assert vendor.calls == 2


@pytest.mark.filterwarnings("ignore::resilient.OrderWarning")
def test_the_answer_of_a_fallback_inside_is_not_kept() -> None:
    @cached(ttl=10)
    @fallback("instead")
    def fetch() -> Any:
        return body()

    body = Counted(OSError(), "real")
    assert [fetch(), fetch(), fetch()] == ["instead", "real", "real"]


def test_what_is_made_of_an_inner_calls_fallback_is_not_kept() -> None:
    @fallback([])
    def names() -> Any:
        return body()

    @cached(ttl=10)
    def count() -> int:
        return len(names())

    body = Counted(ConnectionError(), ["ann"])
    assert [count(), count(), count()] == [0, 1, 1]


def test_what_is_made_of_an_inner_calls_stale_result_is_not_kept(
    clock: FakeClock,
) -> None:
    @cached(ttl=1, stale_if_error=100)
    def names() -> Any:
        return body()

    @cached(ttl=10)
    def count() -> int:
        return len(names())

    body = Counted(["ann"], ConnectionError(), ["ann", "bob"])
    names()
    clock.advance(1)
    assert [count(), count(), count()] == [1, 2, 2]


def test_an_attempt_that_rested_on_a_fallback_does_not_taint_the_next_one() -> None:
    @fallback([])
    def names() -> Any:
        return body()

    @cached(ttl=10)
    @retry(attempts=2, wait=0, on=LookupError)
    def first() -> Any:
        found = names()
        if not found:
            raise LookupError
        return found[0]

    body = Counted(ConnectionError(), ["ann"], ["bob"])
    assert [first(), first()] == ["ann", "ann"]


def test_an_error_is_raised_each_time() -> None:
    error = ValueError("the vendor's own")
    fetch = cached(ttl=10)(Counted(error, "answer"))
    with pytest.raises(ValueError) as caught:
        fetch()
    assert caught.value is error
    assert fetch() == "answer"


def test_interrupts_pass_and_leave_nothing_behind() -> None:
    fetch = cached(ttl=10)(Counted(KeyboardInterrupt(), "answer"))
    with pytest.raises(KeyboardInterrupt):
        fetch()
    assert fetch.resilient.cache.flights.by_key == {}
    assert fetch() == "answer"


# Stale results


@pytest.mark.parametrize(
    ("failure", "is_answered"),
    [
        ("503", True),
        ("500", True),
        ("429 retry-after=1", True),
        ("reset", True),
        ("timeout", True),
        ("garbage", True),
        ("404", False),
        ("401", False),
        ("403", False),
        ("400", False),
    ],
)
def test_a_stale_result_stands_in_for_failures_but_not_for_mistakes(
    failure: str, is_answered: bool, clock: FakeClock, vendor_of: MakeVendor
) -> None:
    vendor = vendor_of(f"200 json=1, {failure}")

    @cached(ttl=10, stale_if_error=60)
    def fetch() -> Any:
        response = requests.get(vendor.url, timeout=5)
        response.raise_for_status()
        return response.json()

    fetch()
    clock.advance(10)
    if is_answered:
        assert fetch() == 1
        assert fetch.resilient.stats()["degraded"] == 1
    else:
        with pytest.raises(requests.HTTPError):
            fetch()
        assert fetch.resilient.stats()["degraded"] == 0
    assert vendor.calls == 2


def test_a_bug_is_not_covered_by_a_stale_result(clock: FakeClock) -> None:
    fetch = cached(ttl=10, stale_if_error=60)(Counted("good", TypeError()))
    fetch()
    clock.advance(10)
    with pytest.raises(TypeError):
        fetch()


def test_a_stale_result_is_used_for_just_its_time_and_stays_stale(
    clock: FakeClock, steps: RecordedSteps
) -> None:
    body = Counted("good", ConnectionError(), ConnectionError(), ConnectionError())
    fetch = cached(ttl=10, stale_if_error=60)(body)
    fetch()
    clock.advance(10)
    assert fetch() == "good"
    clock.advance(59.999)
    assert fetch() == "good"
    clock.advance(0.001)
    with pytest.raises(ConnectionError):
        fetch()
    assert body.calls == 4
    assert steps.kinds() == ["stale", "stale"]


def test_a_returned_503_is_replaced_by_a_stale_result(
    clock: FakeClock, vendor_of: MakeVendor
) -> None:
    vendor = vendor_of("200, 503, 200")

    @cached(ttl=10, stale_if_error=60)
    def fetch() -> requests.Response:
        return requests.get(vendor.url, timeout=5)

    fetch()
    clock.advance(10)
    assert fetch().status_code == 200
    assert vendor.calls == 2
    fetch()
    assert vendor.calls == 3


def test_what_must_be_revalidated_is_never_used_stale(
    clock: FakeClock, vendor_of: MakeVendor
) -> None:
    vendor = vendor_of("200 cache-control='max-age=10, must-revalidate', 503")

    @cached(stale_if_error=60)
    def fetch() -> Any:
        response = requests.get(vendor.url, timeout=5)
        response.raise_for_status()
        return response.json()

    fetch()
    clock.advance(10)
    with pytest.raises(requests.HTTPError):
        fetch()


def test_what_was_never_fresh_can_stand_in_for_a_failure(vendor_of: MakeVendor) -> None:
    vendor = vendor_of("200 json=1 cache-control='max-age=0', 200 json=2, 503")

    @cached(stale_if_error=60)
    def fetch() -> Any:
        response = requests.get(vendor.url, timeout=5)
        response.raise_for_status()
        return response.json()

    assert [fetch(), fetch()] == [1, 2]
    # The second said nothing of its own, so the first is what is left.
    assert fetch() == 1


def test_a_stale_result_answers_while_the_breaker_refuses(clock: FakeClock) -> None:
    body = Counted("good", ConnectionError())
    circuit = breaker(fail_max=1, reset_timeout=30)
    fetch = cached(ttl=1, stale_if_error=60)(circuit(body))
    fetch()
    clock.advance(1)
    assert [fetch(), fetch(), fetch()] == ["good"] * 3
    assert body.calls == 2
    assert fetch.resilient.stats()["outcomes"]["refused"] == 2


def test_a_stale_result_answers_while_the_quota_is_used_up(clock: FakeClock) -> None:
    body = Counted("good", "better")
    fetch = cached(ttl=1, stale_if_error=600)(throttled("1/min", max_wait=0)(body))
    fetch()
    clock.advance(30)
    assert fetch() == "good"
    clock.advance(30)
    assert fetch() == "better"


def test_a_stale_result_comes_after_the_last_retry(clock: FakeClock) -> None:
    body = Counted("good", ConnectionError(), ConnectionError(), "too late")
    fetch = cached(ttl=1, stale_if_error=60)(retry(attempts=2, wait=0.1, idempotent=True)(body))
    fetch()
    clock.advance(1)
    assert fetch() == "good"
    assert body.calls == 3


def test_a_stale_result_goes_before_a_fallback(clock: FakeClock) -> None:
    body = Counted("good", ConnectionError())
    fetch = fallback("instead")(cached(ttl=1, stale_if_error=60)(body))
    fetch()
    clock.advance(1)
    assert fetch() == "good"
    clock.advance(60)
    assert fetch() == "instead"


def test_a_callers_copy_of_a_stale_result_is_its_own(clock: FakeClock) -> None:
    fetch = cached(ttl=1, stale_if_error=60)(Counted([1], ConnectionError()))
    fetch()
    clock.advance(1)
    fetch().append(2)
    assert fetch() == [1]


# Single flight


class Held:
    """A function whose calls wait until they are let go, and then do as they are told."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.calls = 0
        self.entered = threading.Event()
        self.go = threading.Event()

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        self.entered.set()
        assert self.go.wait(30)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


class Followed:
    """One call on its way, and several that wait for it."""

    def __init__(
        self, pool: ThreadPoolExecutor, fetch: Any, held: Held, followers: int = 4
    ) -> None:
        self.held = held
        self.leader = pool.submit(fetch)
        assert held.entered.wait(30)
        (call,) = fetch.resilient.cache.flights.by_key.values()
        arrived = self._count_waits(followers)
        self.followers = [pool.submit(fetch) for _ in range(followers)]
        assert arrived.acquire(timeout=30)
        assert call.landing is not None

    def _count_waits(self, followers: int) -> threading.Semaphore:
        """Released once all followers stand at the landing."""
        arrived = threading.Semaphore(0)
        left = [followers]
        lock = threading.Lock()

        def wait(event: threading.Event, timeout: float | None) -> bool:
            with lock:
                left[0] -= 1
                if left[0] == 0:
                    arrived.release()
            return event.wait(30)

        timing.clock.wait = wait  # until the fake clock puts the real one back
        return arrived

    def outcomes(self) -> list[Any]:
        self.held.go.set()
        return [job.exception(30) or job.result() for job in [self.leader, *self.followers]]


def test_concurrent_misses_make_one_call_and_all_get_copies_of_its_result(
    pool: ThreadPoolExecutor, steps: RecordedSteps
) -> None:
    held = Held([1])
    fetch = cached(ttl=10)(held)
    results = Followed(pool, fetch, held, followers=8).outcomes()
    assert results == [[1]] * 9
    assert held.calls == 1
    assert len({id(result) for result in results}) == 9
    assert steps.kinds() == ["coalesced"] * 8
    assert fetch.resilient.stats()["hits"] == 8
    assert fetch.resilient.cache.flights.by_key == {}


def test_the_followers_of_a_failed_call_get_its_failure(pool: ThreadPoolExecutor) -> None:
    error = ConnectionError("the vendor's own")
    held = Held(error)
    fetch = cached(ttl=10)(held)
    outcomes = Followed(pool, fetch, held).outcomes()
    assert all(outcome is error for outcome in outcomes)
    assert held.calls == 1
    assert fetch.resilient.stats()["outcomes"]["transient"] == 5


def test_the_frames_of_all_who_wait_do_not_pile_up_in_a_shared_error(
    pool: ThreadPoolExecutor,
) -> None:
    held = Held(ConnectionError())
    outcomes = Followed(pool, cached(ttl=10)(held), held, followers=12).outcomes()
    assert len(traceback.extract_tb(outcomes[0].__traceback__)) < 20


def test_the_followers_of_a_returned_failure_get_copies_of_it(
    pool: ThreadPoolExecutor,
) -> None:
    held = Held(unavailable())
    fetch = cached(ttl=10)(held)
    results = Followed(pool, fetch, held).outcomes()
    assert [result.status_code for result in results] == [503] * 5
    assert len({id(result) for result in results}) == 5
    assert held.calls == 1
    assert fetch.resilient.stats()["outcomes"]["transient"] == 5
    assert len(fetch.resilient.cache) == 0


@pytest.mark.filterwarnings("ignore::resilient.OrderWarning")
def test_the_followers_of_a_call_that_a_fallback_answered_get_copies_marked_as_such(
    pool: ThreadPoolExecutor,
) -> None:
    held = Held(ConnectionError())
    fetch = cached(ttl=10)(fallback([])(held))
    results = Followed(pool, fetch, held).outcomes()
    assert results == [[]] * 5
    assert held.calls == 1
    assert fetch.resilient.stats()["degraded"] == 5


def test_the_followers_of_a_failed_call_get_the_stale_result_too(
    pool: ThreadPoolExecutor, clock: FakeClock
) -> None:
    held = Held("good")
    held.go.set()
    fetch = cached(ttl=1, stale_if_error=60)(held)
    fetch()
    clock.advance(1)
    held.result = ConnectionError()
    held.go.clear()
    held.entered.clear()
    assert Followed(pool, fetch, held).outcomes() == ["good"] * 5
    assert held.calls == 2
    assert fetch.resilient.stats()["degraded"] == 5


@pytest.mark.parametrize(
    "result", [threading.Lock(), KeyboardInterrupt()], ids=["uncopyable", "^C"]
)
def test_followers_call_for_themselves_if_the_leader_leaves_nothing(
    result: Any, pool: ThreadPoolExecutor
) -> None:
    held = Held(result)
    fetch = cached(ttl=10)(held)
    outcomes = Followed(pool, fetch, held).outcomes()
    assert all(outcome is result for outcome in outcomes)
    assert held.calls == 5
    assert fetch.resilient.cache.flights.by_key == {}


@pytest.mark.parametrize("failure", [ConnectionError(), unavailable()], ids=["raised", "returned"])
@pytest.mark.parametrize("stale_for", [60, None], ids=["stale", "nothing stale"])
def test_a_follower_that_calls_for_itself_gets_a_stale_result_as_well(
    stale_for: float | None, failure: Any, clock: FakeClock
) -> None:
    go, entered = threading.Event(), threading.Event()
    first = Counted("good", "of the leader", failure)

    @cached(ttl=1, max_wait=3, stale_if_error=stale_for)
    def fetch() -> Any:
        result = first()
        if result == "of the leader":
            entered.set()
            assert go.wait(30)
        return result

    fetch()
    clock.advance(1)
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(fetch)
        assert entered.wait(30)
        try:
            answer = fetch()
        except ConnectionError as error:
            answer = error
        assert answer is failure if stale_for is None else answer == "good"
        go.set()
        assert leader.result() == "of the leader"
    assert first.calls == 3


def test_a_follower_waits_no_longer_than_max_wait(clock: FakeClock) -> None:
    results = Counted("of the leader", "its own")
    go, entered = threading.Event(), threading.Event()

    @cached(ttl=10, max_wait=3)
    def fetch() -> Any:
        result = results()
        if result == "of the leader":
            entered.set()
            assert go.wait(30)
        return result

    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(fetch)
        assert entered.wait(30)
        assert fetch() == "its own"
        assert clock.slept == [3]
        go.set()
        assert leader.result() == "of the leader"
    assert fetch() == "of the leader"


def test_max_wait_zero_waits_for_nobody(clock: FakeClock) -> None:
    held = Held("answer")
    fetch = cached(ttl=10, max_wait=0)(held)
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(fetch)
        assert held.entered.wait(30)
        held.go.set()
        assert fetch() == "answer"
        leader.result()
    assert clock.slept == []


@pytest.mark.parametrize("stale", [False, True], ids=["nothing kept", "stale kept"])
def test_a_follower_ends_at_its_deadline(stale: bool, clock: FakeClock) -> None:
    held = Held("answer")
    fetch = service("vendor", deadline=2)(cached(ttl=1, stale_if_error=60)(held))
    if stale:
        held.go.set()
        fetch()
        held.go.clear()
        held.entered.clear()
        clock.advance(1)
    calls = held.calls
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(fetch)
        assert held.entered.wait(30)
        try:
            if stale:
                assert fetch() == "answer"
            else:
                with pytest.raises(DeadlineExceeded, match="on its way"):
                    fetch()
        finally:
            held.go.set()
        leader.result()
    assert clock.slept == [2]
    assert held.calls == calls + 1


def test_a_function_that_calls_itself_with_the_same_arguments_does_not_wait_for_itself(
    clock: FakeClock,
) -> None:
    depth: list[None] = []

    @cached(ttl=10)
    def fetch() -> int:
        depth.append(None)
        return fetch() + 1 if len(depth) < 3 else 0

    assert fetch() == 2
    assert fetch() == 2
    assert len(depth) == 3
    assert clock.slept == []


def test_a_call_that_lands_between_the_look_and_the_start_is_used() -> None:
    """Another thread keeps a result just after this one has looked for it in vain."""
    body = Counted("mine")
    policy = cached(ttl=10)

    class Late(dict[Any, Any]):
        def setdefault(self, key: Any, call: Any = None) -> Any:
            cache.store.set(key, (["another's"], 100.0, 100.0, 1.5, False, 100.0, 100.0, None, ()))
            return super().setdefault(key, call)

    cache = policy.cache_of(body)
    cache.flights.by_key = Late()
    fetch = policy(body)
    result = fetch()
    assert result == ["another's"]
    result.clear()
    assert fetch() == ["another's"]
    assert body.calls == 0
    assert cache.flights.by_key == {}
    assert fetch.resilient.stats()["saved"] == 3.0


def test_a_leader_that_was_interrupted_between_our_steps_holds_nobody_up(
    clock: FakeClock,
) -> None:
    @cached(ttl=10)
    def fetch() -> str:
        return "answer"

    lost = Call.of(Target(fetch, service="s", name="f"))
    lost.closed = True
    fetch.resilient.cache.flights.by_key[()] = lost
    assert [fetch(), fetch()] == ["answer", "answer"]
    assert fetch.resilient.cache.flights.by_key == {}
    assert len(fetch.resilient.cache) == 1
    assert clock.slept == []


def test_what_was_under_way_when_the_cache_was_cleared_is_not_kept(
    pool: ThreadPoolExecutor,
) -> None:
    held = Held("old")
    fetch = cached(ttl=10)(held)
    leader = pool.submit(fetch)
    assert held.entered.wait(30)
    fetch.resilient.cache.clear()
    held.go.set()
    assert leader.result(30) == "old"
    assert len(fetch.resilient.cache) == 0
    held.result = "new"
    assert fetch() == "new"
    assert fetch() == "new"
    assert held.calls == 2


def test_a_call_after_the_clearing_does_not_join_one_from_before(
    pool: ThreadPoolExecutor,
) -> None:
    held = Held("old")
    fetch = cached(ttl=10)(held)
    before = pool.submit(fetch)
    assert held.entered.wait(30)
    fetch.resilient.cache.clear()
    held.entered.clear()
    after = pool.submit(fetch)
    assert held.entered.wait(30)
    held.go.set()
    assert (before.result(30), after.result(30)) == ("old", "old")
    assert held.calls == 2


# Figures, observing, options


def test_hits_and_the_time_they_saved_are_counted(clock: FakeClock) -> None:
    @cached(ttl=10)
    def fetch() -> str:
        clock.sleep(1.5)
        return "answer"

    for _ in range(5):
        fetch()
    stats = fetch.resilient.stats()
    assert (stats["calls"], stats["hits"], stats["saved"]) == (5, 4, 6.0)


def test_observing_calls_each_time_and_tells_what_it_would_have_answered(
    clock: FakeClock, steps: RecordedSteps
) -> None:
    body = Counted("first", "second", ConnectionError())
    fetch = cached(ttl=10, stale_if_error=60, mode="observe")(body)
    assert [fetch(), fetch()] == ["first", "second"]
    assert steps.kinds() == ["would_hit"]
    clock.advance(10)
    with pytest.raises(ConnectionError):
        fetch()
    assert steps.kinds() == ["would_hit", "would_stale"]
    assert fetch.resilient.stats()["hits"] == 0
    assert fetch.resilient.stats()["degraded"] == 0


def test_an_observing_service_has_its_cache_observe(steps: RecordedSteps) -> None:
    fetch = service("vendor", mode="observe")(cached(ttl=10)(Counted("first", "second")))
    assert [fetch(), fetch()] == ["first", "second"]
    assert steps.kinds() == ["would_hit"]


def test_observing_does_not_wait_for_a_call_on_its_way(clock: FakeClock) -> None:
    entered = threading.Barrier(2, timeout=30)

    @cached(ttl=10, mode="observe")
    def fetch() -> str:
        entered.wait()  # both are inside at once, or this breaks
        return "answer"

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(fetch) for _ in range(2)]
        assert [job.result(30) for job in jobs] == ["answer", "answer"]
    assert clock.slept == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ttl": 0}, "more than 0"),
        ({"ttl": -1}, "more than 0"),
        ({"ttl": "60"}, "seconds"),
        ({"ttl": True}, "seconds"),
        ({"ttl": float("inf")}, "finite"),
        ({"respect_headers": False}, "give ttl="),
        ({"ttl": 1, "respect_headers": 0}, "True or False"),
        ({"ttl": 1, "key": "user"}, "function"),
        ({"ttl": 1, "copy": None}, "True or False"),
        ({"ttl": 1, "max_entries": 0}, "1 or more"),
        ({"ttl": 1, "stale_if_error": -1}, "0 or more"),
        ({"ttl": 1, "max_wait": -1}, "0 or more"),
        ({"ttl": 1, "mode": "dry"}, "'observe'"),
        ({"tll": 1}, "did you mean ttl"),
        ({"ttl": 1, "stale_if_eror": 1}, "stale_if_error"),
    ],
    ids=str,
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        cached(**options)


def test_too_many_positional_options_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        cached(1, 2)  # type: ignore[call-overload]


def test_a_key_that_cannot_take_the_arguments_is_refused_at_decoration() -> None:
    def by_user(user: str) -> str:
        return user

    def fetch(user: str, page: int) -> None: ...

    with pytest.raises(ConfigurationError, match=r"cached\(key=by_user\)"):
        cached(ttl=1, key=by_user)(fetch)


def test_settings_are_shown() -> None:
    shown = str(cached(ttl=60, key=len)(lambda user: user).resilient)
    assert "cached(ttl=60, stale_if_error=None, max_entries=1024" in shown
    assert "key=len" in shown


# What the naive library does


def test_the_memory_backend_of_requests_cache_hands_out_one_object_and_we_do_not(
    vendor_of: MakeVendor,
) -> None:
    vendor = vendor_of("200 json=[1]")
    with requests_cache.CachedSession(backend="memory") as session:
        first = session.get(vendor.url, timeout=5)
        kept = session.get(vendor.url, timeout=5)
        kept._content = b"spoiled"
        assert session.get(vendor.url, timeout=5).content == b"spoiled"
    assert first.content == b"[1]"

    @cached(ttl=60)
    def fetch() -> requests.Response:
        return requests.get(vendor.url, timeout=5)

    fetch()
    fetch()._content = b"spoiled"
    assert fetch().content == b"[1]"


def test_the_memory_backend_of_requests_cache_grows_without_end_and_ours_does_not(
    vendor_of: MakeVendor,
) -> None:
    vendor = vendor_of("200")
    with requests_cache.CachedSession(backend="memory") as session:
        for page in range(20):
            session.get(vendor.url, params={"page": page}, timeout=5)
        assert len(session.cache.responses) == 20

    @cached(ttl=60, max_entries=5)
    def fetch(page: int) -> Any:
        return requests.get(vendor.url, params={"page": page}, timeout=5).json()

    for page in range(20):
        fetch(page)
    assert len(fetch.resilient.cache) == 5


@pytest.mark.parametrize(
    "headers", ["", "cache-control='max-age=60' age=60"], ids=["no headers", "Age"]
)
def test_requests_cache_keeps_what_headers_do_not_allow_and_we_do_not(
    headers: str, vendor_of: MakeVendor
) -> None:
    vendor = vendor_of(f"200 {headers}")
    with requests_cache.CachedSession(backend="memory", cache_control=True) as session:
        session.get(vendor.url, timeout=5)
        assert session.get(vendor.url, timeout=5).from_cache
    vendor.reset()

    @cached
    def fetch() -> Any:
        return requests.get(vendor.url, timeout=5).json()

    fetch()
    fetch()
    assert vendor.calls == 2


def test_a_malformed_expires_breaks_requests_cache_and_not_us(
    vendor_of: MakeVendor,
) -> None:
    vendor = vendor_of("200 json=1 expires='Thu, 99 Foo 2026 99:99:99 GMT'")
    with requests_cache.CachedSession(backend="memory", cache_control=True) as session:
        with pytest.raises(Exception, match=r".*"):
            session.get(vendor.url, timeout=5)

    @cached(ttl=10)
    def fetch() -> Any:
        return requests.get(vendor.url, timeout=5).json()

    assert fetch() == 1


@pytest.mark.parametrize("status", ["404", "401"])
def test_stale_if_error_of_requests_cache_hides_mistakes_and_ours_does_not(
    status: str, clock: FakeClock, vendor_of: MakeVendor
) -> None:
    vendor = vendor_of(f"200, {status}")
    with requests_cache.CachedSession(
        backend="memory", expire_after=timedelta(microseconds=1), stale_if_error=True
    ) as session:
        session.get(vendor.url, timeout=5)
        assert session.get(vendor.url, timeout=5).status_code == 200
    vendor.reset()

    @cached(ttl=10, stale_if_error=60)
    def fetch() -> requests.Response:
        return requests.get(vendor.url, timeout=5)

    fetch()
    clock.advance(10)
    assert fetch().status_code == int(status)


def test_one_users_answer_is_not_another_users(vendor_of: MakeVendor) -> None:
    vendor = vendor_of("200 body=ann, 200 body=bob, 200 body=ann, 200 body=bob")
    with requests_cache.CachedSession(backend="memory") as session:
        for token in ("ann", "bob"):
            headers = {"Authorization": f"Bearer {token}"}
            assert session.get(vendor.url, headers=headers, timeout=5).text == "ann"
    vendor.reset()

    @cached(ttl=60)
    def fetch(token: str) -> str:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(vendor.url, headers=headers, timeout=5).text

    assert [fetch("ann"), fetch("bob"), fetch("ann"), fetch("bob")] == ["ann", "bob"] * 2


# Many threads


@pytest.fixture
def often() -> Iterator[None]:
    """Threads take turns a thousand times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.stress
@pytest.mark.usefixtures("often")
def test_threads_make_one_call_a_key_and_round() -> None:
    calls: list[tuple[int, int]] = []
    rounds, threads = 200, 16
    start = threading.Barrier(threads)

    @cached(ttl=1000, max_entries=10_000)
    def fetch(turn: int, key: int) -> list[int]:
        calls.append((turn, key))
        return [turn, key]

    def work(number: int) -> list[Any]:
        results = []
        for turn in range(rounds):
            start.wait(60)
            result = fetch(turn, number % 3)
            results.append((turn, number % 3) == tuple(result))
            result.append(-1)
        return results

    with ThreadPoolExecutor(threads) as pool:
        assert all(map(all, pool.map(work, range(threads))))
    assert sorted(calls) == [(turn, key) for turn in range(rounds) for key in range(3)]
    assert fetch.resilient.cache.flights.by_key == {}


@pytest.mark.stress
@pytest.mark.usefixtures("often")
def test_threads_never_see_a_result_from_before_a_clearing_that_was_over() -> None:
    version = [0]
    wrong: list[Any] = []
    over = threading.Event()
    start = threading.Barrier(9)

    @cached(ttl=1000)
    def fetch() -> int:
        return version[0]

    def read() -> None:
        start.wait(60)
        while not over.is_set():
            known = version[0] - 1  # the newest version may not be cleared for yet
            seen = fetch()
            if seen < known:
                wrong.append((seen, known))

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    start.wait(60)
    for _ in range(30_000):
        version[0] += 1
        fetch.resilient.cache.clear()
    over.set()
    for reader in readers:
        reader.join(60)
    assert not wrong
    assert fetch() == version[0]


@pytest.mark.stress
@pytest.mark.usefixtures("often")
def test_threads_that_fail_and_are_interrupted_leave_no_flight_behind() -> None:
    failures = [ConnectionError(), KeyboardInterrupt(), None]
    start = threading.Barrier(16)

    @cached(ttl=0.001, stale_if_error=0.001)
    def fetch(turn: int) -> int:
        failure = failures[(turn + threading.get_ident()) % 3]
        if failure is not None:
            raise failure
        return turn

    def work(number: int) -> None:
        start.wait(60)
        for turn in range(2000):
            with suppress(ConnectionError, KeyboardInterrupt):
                assert fetch(turn % 5) == turn % 5

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert fetch.resilient.cache.flights.by_key == {}
