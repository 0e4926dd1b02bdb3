"""What one function keeps: tags, failures, odd keys, and bounds that hold."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from resilient import cached
from resilient.errors import ConfigurationError
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor
from tests.results.conftest import Counted, settled
from tests.threads import until


class NotFoundError(Exception):
    status_code = 404


# Tags.


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ("abc", "no str"),
        (None, "TypeError"),
        ([1], "no int"),
        ([None], "no NoneType"),
        ([["a"]], "no list"),
        (7, "TypeError"),
    ],
    ids=str,
)
def test_tags_of_odd_types_are_told_and_cost_nobody_the_answer(
    tags: Any, words: str, steps: RecordedSteps
) -> None:
    origin = Counted(1, 2)
    fetch = cached(ttl=10, tags=lambda: tags)(origin)
    assert [fetch(), fetch()] == [1, 2]
    assert [words in step.text for step in steps] == [True]


def test_tags_may_come_from_a_generator() -> None:
    origin = Counted(1, 2)
    fetch = cached(ttl=10, tags=lambda: (name for name in ("a", "b")))(origin)
    assert [fetch(), fetch()] == [1, 1]
    fetch.resilient.cache.invalidate_tag("b")
    assert fetch() == 2


@pytest.mark.parametrize("tag", [None, 1, b"a", ["a"]], ids=repr)
def test_a_tag_that_is_no_text_is_refused(tag: Any) -> None:
    fetch = cached(ttl=10, tags=["a"])(Counted(1))
    with pytest.raises(ConfigurationError, match="use texts as tags"):
        fetch.resilient.cache.invalidate_tag(tag)


def test_tags_are_those_of_the_arguments_as_they_were_given() -> None:
    calls = []

    @cached(ttl=10, tags=lambda user: [f"user:{user['id']}"])
    def fetch(user: dict[str, int]) -> int:
        calls.append(1)
        user["id"] = 99
        return len(calls)

    assert fetch({"id": 1}) == 1
    assert fetch({"id": 1}) == 1
    fetch.resilient.cache.invalidate_tag("user:99")
    assert fetch({"id": 1}) == 1
    fetch.resilient.cache.invalidate_tag("user:1")
    assert fetch({"id": 1}) == 2


def test_forgetting_a_tag_while_a_call_whose_tags_raise_is_under_way() -> None:
    started, may_go_on = threading.Event(), threading.Event()

    @cached(ttl=10, tags=lambda: 1 // 0)
    def fetch() -> int:
        started.set()
        assert may_go_on.wait(20)
        return 1

    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(fetch)
        assert started.wait(20)
        fetch.resilient.cache.invalidate_tag("a")
        may_go_on.set()
        assert call.result(20) == 1


def test_a_tag_forgets_the_errors_that_are_kept_under_it() -> None:
    origin = Counted(NotFoundError(), "there")
    fetch = cached(ttl=10, errors_ttl=30, tags=lambda user: [f"user:{user}"])(origin)
    for _ in range(2):
        with pytest.raises(NotFoundError):
            fetch(1)
    fetch.resilient.cache.invalidate_tag("user:2")
    with pytest.raises(NotFoundError):
        fetch(1)
    assert origin.calls == 1
    fetch.resilient.cache.invalidate_tag("user:1")
    assert fetch(1) == "there"


# Keys.


class Collides:
    """Compares with nothing, and has the hash of all others."""

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        raise TypeError("the truth of this is ambiguous")


def test_keys_that_cannot_be_compared_cost_nobody_the_answer(steps: RecordedSteps) -> None:
    origin = Counted(1, 2, 3)
    fetch = cached(ttl=10)(origin)
    one, other = Collides(), Collides()
    assert [fetch(one), fetch(other), fetch(one)] == [1, 2, 1]
    assert ["its key raised TypeError" in step.text for step in steps] == [True]
    assert fetch.resilient.cache.flights.by_key == {}


def test_an_argument_that_changes_during_the_call_does_not_change_its_key() -> None:
    calls = []

    @cached(ttl=10)
    def total(numbers: list[int]) -> int:
        calls.append(1)
        numbers.append(100)
        return sum(numbers)

    assert total([1, 2]) == 103
    assert total([1, 2]) == 103
    assert total([1, 2, 100]) == 203
    assert len(calls) == 2


# Results.


class OnceCopied:
    """Its first copy can't be copied."""

    def __init__(self, is_copy: bool = False) -> None:
        self.is_copy = is_copy

    def __deepcopy__(self, memo: Any) -> Any:
        if self.is_copy:
            raise RuntimeError("not twice")
        return OnceCopied(is_copy=True)


@pytest.mark.parametrize("by_keyword", [False, True], ids=["shortcut", "handler"])
def test_a_copy_that_cannot_be_copied_again_costs_nobody_the_answer(
    by_keyword: bool, steps: RecordedSteps
) -> None:
    calls = []

    @cached(ttl=10)
    def fetch(a: int) -> OnceCopied:
        calls.append(a)
        return OnceCopied()

    for _ in range(3):
        assert not (fetch(a=1) if by_keyword else fetch(1)).is_copy
    assert len(calls) == 3
    assert ["copying its result raised RuntimeError" in step.text for step in steps] == [True]
    assert fetch.resilient.stats()["hits"] == 0


def test_a_stale_copy_that_cannot_be_copied_does_not_hide_the_failure(clock: FakeClock) -> None:
    origin = Counted(OnceCopied(), ConnectionError("down"))
    fetch = cached(ttl=10, stale_if_error=100)(origin)
    fetch()
    clock.advance(11)
    with pytest.raises(ConnectionError):
        fetch()


def test_a_background_refresh_is_kept_if_its_credential_is_an_argument(clock: FakeClock) -> None:
    with ScriptedVendor("200") as vendor:

        @cached(ttl=10, stale_while_revalidate=60)
        def me(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return requests.get(vendor.url, headers=headers, timeout=5).status_code

        me("ann-0123456789")
        clock.advance(11)
        me("ann-0123456789")
        settled()
        me("ann-0123456789")
        settled()
        assert vendor.calls == 2


def test_an_error_that_was_judged_by_its_response_is_judged_the_same_from_the_cache() -> None:
    with ScriptedVendor("404") as vendor:

        @cached(ttl=10, errors_ttl=30)
        def fetch() -> None:
            requests.get(vendor.url, timeout=5)
            raise KeyError("id")

        for _ in range(3):
            with pytest.raises(KeyError):
                fetch()
        assert vendor.calls == 1
    assert fetch.resilient.stats()["outcomes"]["mistake"] == 3


def test_the_error_of_a_refresh_is_freed_as_soon_as_it_was_told(clock: FakeClock) -> None:
    failed: list[weakref.ref[NotFoundError]] = []

    @cached(ttl=10, stale_while_revalidate=60)
    def fetch() -> int:
        if clock.now > 10:
            error = NotFoundError()
            failed.append(weakref.ref(error))
            try:
                raise error
            finally:
                del error
        return 1

    fetch()
    clock.advance(11)
    gc.collect()
    gc.disable()
    try:
        fetch()
        settled()
        assert [one() for one in failed] == [None]
    finally:
        gc.enable()


@pytest.mark.stress
def test_threads_that_are_interrupted_anywhere_hold_no_lock_and_no_key() -> None:
    fetch = cached(ttl=0.002, max_wait=5, max_bytes=10_000, tags=["t"])(lambda number: [number])
    stop = threading.Event()
    wrong: list[object] = []

    class Interrupt(BaseException):
        pass

    def ask() -> None:
        try:
            for number in range(5):
                if fetch(number) != [number]:
                    wrong.append(number)
        except Interrupt:
            pass

    def work() -> None:
        try:
            while not stop.is_set():
                ask()
        except Interrupt:  # it came just outside
            pass

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    strike = ctypes.pythonapi.PyThreadState_SetAsyncExc
    for number in range(1000):
        strike(ctypes.c_ulong(threads[number % 4].ident or 0), ctypes.py_object(Interrupt))
        time.sleep(0.002)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
    assert [fetch(number) for number in range(5)] == [[number] for number in range(5)]


def test_a_follower_takes_what_has_just_landed_however_early_it_may_be_fetched_anew(
    clock: FakeClock,
) -> None:
    calls = []
    started, may_go_on = threading.Event(), threading.Event()

    @cached(ttl=10, early=1.0)
    def fetch() -> int:
        calls.append(1)
        if len(calls) == 1:
            started.set()
            assert may_go_on.wait(20)
        return len(calls)

    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(fetch)
        assert started.wait(20)
        flights = fetch.resilient.cache.flights.by_key
        follower = pool.submit(fetch)
        until(lambda: any(call.landing for call in flights.copy().values()))
        may_go_on.set()
        assert [leader.result(20), follower.result(20)] == [1, 1]


# Bounds.


@pytest.mark.parametrize("keys", [5_000, pytest.param(100_000, marks=pytest.mark.stress)])
def test_many_keys_leave_no_more_than_the_bounds_allow(keys: int, clock: FakeClock) -> None:
    def origin(number: int) -> int:
        if number % 2:
            raise NotFoundError
        return number

    fetch = cached(ttl=10, errors_ttl=10, tags=["t"], max_entries=200)(origin)
    for number in range(keys):
        with contextlib.suppress(NotFoundError):
            fetch(number)
    cache = fetch.resilient.cache
    assert len(cache) <= 200
    assert cache.failures is not None
    assert len(cache.failures) <= 200
    assert cache.flights.by_key == {}
    for number in range(keys):
        cache.rest(number)
        clock.advance(0.01)
    assert len(cache._resting) <= 1024


def test_a_function_that_is_dropped_takes_all_it_kept_along() -> None:
    class Result:
        pass

    kept: list[weakref.ref[Result]] = []

    class Origin:
        def __call__(self) -> Result:
            return Result()

    policy = cached(ttl=10, copy=False, tags=["t"], errors_ttl=10)
    fetch = policy(Origin())
    kept.append(weakref.ref(fetch()))
    gc.collect()
    assert kept[0]() is not None
    del fetch
    gc.collect()
    assert kept[0]() is None
    assert len(policy._caches) == 0
