"""What answers a call: what is kept, something old while it is fetched anew, or an error kept."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from resilient import BreakerOpen, breaker, cached, registry, retry, service
from resilient.call import current
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor
from tests.results.conftest import Counted, settled

MakeVendor = Callable[[str], ScriptedVendor]


def not_found() -> requests.HTTPError:
    response = requests.Response()
    response.status_code = 404
    return requests.HTTPError("404 Client Error", response=response)


class TestStaleWhileRevalidate:
    def test_an_old_result_answers_at_once_and_a_new_one_is_fetched(
        self, clock: FakeClock, steps: RecordedSteps
    ) -> None:
        origin = Counted("old", "new")
        fetch = cached(ttl=10, stale_while_revalidate=60)(origin)
        assert fetch() == "old"
        clock.advance(11)
        assert fetch() == "old"
        settled()
        assert origin.calls == 2
        assert fetch() == "new"
        assert origin.calls == 2
        assert [step.kind for step in steps] == ["refreshing", "refreshed"]

    def test_twenty_stale_hits_make_one_refresh(self, clock: FakeClock) -> None:
        may_go_on = threading.Event()
        calls = []

        @cached(ttl=10, stale_while_revalidate=60)
        def fetch() -> int:
            calls.append(1)
            if len(calls) > 1:
                assert may_go_on.wait(20)
            return len(calls)

        fetch()
        clock.advance(11)
        start = threading.Barrier(20)

        def ask(_: int) -> int:
            start.wait(20)
            return fetch()

        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(ask, range(20)))
        assert answers == [1] * 20
        may_go_on.set()
        settled()
        assert len(calls) == 2
        assert fetch() == 2

    def test_after_its_time_a_stale_result_answers_no_more(self, clock: FakeClock) -> None:
        origin = Counted("old", "new")
        fetch = cached(ttl=10, stale_while_revalidate=60)(origin)
        fetch()
        clock.advance(71)
        assert fetch() == "new"

    def test_what_must_be_revalidated_is_not_used_stale(
        self, clock: FakeClock, vendor_of: MakeVendor
    ) -> None:
        vendor = vendor_of('200 cache-control="max-age=10, must-revalidate"')

        @cached(stale_while_revalidate=60)
        def fetch() -> int:
            return len(requests.get(vendor.url, timeout=5).content)

        fetch()
        clock.advance(11)
        fetch()
        settled()
        assert vendor.calls == 2

    def test_a_stale_result_is_not_kept_as_fresh_by_the_function_around(
        self, clock: FakeClock
    ) -> None:
        inner = cached(ttl=10, stale_while_revalidate=60)(Counted("old", "new"))
        outer = cached(ttl=100)(lambda: inner())
        inner()
        clock.advance(11)
        assert outer() == "old"
        settled()
        assert outer() == "new"

    def test_a_refresh_that_fails_keeps_the_old_result_and_is_not_repeated_at_once(
        self, clock: FakeClock, steps: RecordedSteps
    ) -> None:
        origin = Counted("old", ConnectionError("down"), "new")
        fetch = cached(ttl=10, stale_while_revalidate=60)(origin)
        fetch()
        clock.advance(11)
        for _ in range(5):
            assert fetch() == "old"
            settled()
        assert origin.calls == 2
        assert "refresh_failed" in [step.kind for step in steps]
        clock.advance(2)
        assert fetch() == "old"
        settled()
        assert fetch() == "new"

    def test_a_refresh_goes_through_the_policies_below_and_not_through_those_above(
        self, clock: FakeClock
    ) -> None:
        origin = Counted("old", ConnectionError(), "new")

        @service("vendor", deadline=30)
        @cached(ttl=10, stale_while_revalidate=60)
        @retry(attempts=2)
        def fetch() -> Any:
            call = current.get()
            assert call is not None
            assert call.deadline is not None
            assert call.parent is None
            return origin()

        fetch()
        clock.advance(11)
        fetch()
        settled()
        assert origin.calls == 3
        assert fetch() == "new"
        stats = fetch.resilient.stats()
        assert stats["calls"] == 3
        assert stats["retries"] == 1
        assert stats["outcomes"] == {"ok": 3}

    def test_arguments_that_change_meanwhile_spoil_no_entry(self, clock: FakeClock) -> None:
        started, may_go_on = threading.Event(), threading.Event()

        @cached(ttl=10, stale_while_revalidate=60)
        def total(numbers: list[int]) -> int:
            if clock.now > 0 and threading.current_thread() is not threading.main_thread():
                started.set()
                assert may_go_on.wait(20)
            return sum(numbers)

        numbers = [1, 2]
        assert total(numbers) == 3
        clock.advance(11)
        assert total(numbers) == 3
        assert started.wait(20)
        numbers.append(100)
        may_go_on.set()
        settled()
        assert total([1, 2]) == 3

    def test_a_result_cleared_meanwhile_does_not_come_back(self, clock: FakeClock) -> None:
        started, may_go_on = threading.Event(), threading.Event()
        answers = iter(["old", "from before the clearing", "new"])

        @cached(ttl=10, stale_while_revalidate=60)
        def fetch() -> str:
            answer = next(answers)
            if answer.startswith("from"):
                started.set()
                assert may_go_on.wait(20)
            return answer

        fetch()
        clock.advance(11)
        fetch()
        assert started.wait(20)
        fetch.resilient.cache.clear()
        may_go_on.set()
        settled()
        assert fetch() == "new"


class TestEarly:
    def test_a_hit_near_the_end_fetches_anew_and_is_not_stale(
        self, clock: FakeClock, steps: RecordedSteps, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("resilient.timing.chance.uniform", lambda low, high: high)
        origin = Counted("old", "new")
        fetch = cached(ttl=100, early=0.2)(origin)
        fetch()
        clock.advance(79)
        fetch()
        settled()
        assert origin.calls == 1
        clock.advance(2)
        assert fetch() == "old"
        settled()
        assert fetch() == "new"
        assert [step.kind for step in steps] == ["refreshed"]
        assert fetch.resilient.stats()["degraded"] == 0

    def test_entries_made_together_are_not_fetched_again_together(
        self, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("resilient.timing.chance.uniform", random.Random(7).uniform)
        calls: list[int] = []

        @cached(ttl=100, early=0.5)
        def fetch(number: int) -> int:
            calls.append(number)
            return number

        for number in range(40):
            fetch(number)
        moments = {}
        for second in range(100):
            for number in range(40):
                if number not in moments:
                    before = len(calls)
                    fetch(number)
                    settled()
                    if len(calls) > before:
                        moments[number] = second
            clock.advance(1)
        assert min(moments.values()) >= 49
        assert len(set(moments.values())) > 15


class TestErrorsTtl:
    def test_an_absent_thing_is_asked_for_once(self, clock: FakeClock) -> None:
        origin = Counted(not_found(), "there")
        fetch = cached(ttl=10, errors_ttl=30)(origin)
        for _ in range(3):
            with pytest.raises(requests.HTTPError, match="404"):
                fetch()
        assert origin.calls == 1
        clock.advance(31)
        assert fetch() == "there"

    def test_each_caller_gets_an_error_of_its_own(self, clock: FakeClock) -> None:
        fetch = cached(ttl=10, errors_ttl=30)(Counted(not_found()))
        caught = []
        for _ in range(3):
            with pytest.raises(requests.HTTPError) as raised:
                fetch()
            assert raised.value.response is not None
            raised.value.response.headers["spoiled"] = "yes"
            caught.append(raised.value)
        assert len({id(error) for error in caught}) == 3
        assert [len(error.response.headers) for error in caught] == [1, 1, 1]

    @pytest.mark.parametrize(
        "error",
        [ConnectionError("reset"), TypeError("a bug"), KeyError("missing"), TimeoutError()],
        ids=repr,
    )
    def test_what_may_be_different_next_time_is_not_kept(self, error: Exception) -> None:
        origin = Counted(error)
        fetch = cached(ttl=10, errors_ttl=30)(origin)
        for _ in range(2):
            with pytest.raises(type(error)):
                fetch()
        assert origin.calls == 2

    @pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
    def test_rights_and_failures_are_asked_for_each_time(
        self, status: int, vendor_of: MakeVendor
    ) -> None:
        vendor = vendor_of(str(status))

        @cached(ttl=10, errors_ttl=30)
        def fetch() -> None:
            requests.get(vendor.url, timeout=5).raise_for_status()

        for _ in range(2):
            with pytest.raises(requests.HTTPError):
                fetch()
        assert vendor.calls == 2

    def test_the_headers_of_the_error_win(self, clock: FakeClock, vendor_of: MakeVendor) -> None:
        vendor = vendor_of("404 cache-control=max-age=5, 404 cache-control=no-store")

        @cached(ttl=10, errors_ttl=30)
        def fetch() -> None:
            requests.get(vendor.url, timeout=5).raise_for_status()

        def ask() -> None:
            with pytest.raises(requests.HTTPError):
                fetch()

        ask()
        ask()
        assert vendor.calls == 1
        clock.advance(6)
        ask()
        ask()
        assert vendor.calls == 3

    def test_invalidating_forgets_the_error(self) -> None:
        origin = Counted(not_found(), "there")
        fetch = cached(ttl=10, errors_ttl=30)(origin)
        with pytest.raises(requests.HTTPError):
            fetch(1)
        fetch.resilient.cache.invalidate(1)
        assert fetch(1) == "there"

    def test_a_kept_error_counts_as_a_hit_and_a_mistake(self) -> None:
        fetch = cached(ttl=10, errors_ttl=30)(Counted(not_found()))
        for _ in range(3):
            with pytest.raises(requests.HTTPError):
                fetch()
        stats = fetch.resilient.stats()
        assert (stats["hits"], stats["misses"], stats["raised"]) == (2, 1, 3)
        assert stats["outcomes"]["mistake"] == 3


class TestForgetting:
    def test_invalidate_takes_the_arguments_in_any_spelling(self) -> None:
        calls = []

        @cached(ttl=10)
        def fetch(user: str, page: int = 1) -> int:
            calls.append((user, page))
            return len(calls)

        fetch("a")
        fetch("b")
        fetch.resilient.cache.invalidate(page=1, user="a")
        fetch("a", 1)
        fetch("b", 1)
        assert calls == [("a", 1), ("b", 1), ("a", 1)]

    def test_a_tag_forgets_what_is_kept_under_it(self) -> None:
        calls = []

        @cached(ttl=10, tags=lambda user, page: [f"user:{user}", "users"])
        def fetch(user: str, page: int) -> int:
            calls.append((user, page))
            return len(calls)

        asked = [("a", 1), ("a", 2), ("b", 1)]
        for one in asked:
            fetch(*one)
        fetch.resilient.cache.invalidate_tag("user:a")
        for one in asked:
            fetch(*one)
        assert calls[3:] == [("a", 1), ("a", 2)]
        fetch.resilient.cache.invalidate_tag("users")
        for one in asked:
            fetch(*one)
        assert len(calls) == 8

    def test_a_policys_tag_reaches_all_its_functions(self) -> None:
        policy = cached(ttl=10, tags=["vendor"])
        origins = Counted(1), Counted(2)
        functions = [policy(origin) for origin in origins]
        for function in functions:
            function()
        policy.invalidate_tag("vendor")
        for function in functions:
            function()
        assert [origin.calls for origin in origins] == [2, 2]

    def test_what_is_under_way_when_its_tag_is_forgotten_is_not_kept(self) -> None:
        started, may_go_on = threading.Event(), threading.Event()
        calls = []

        @cached(ttl=10, tags=["prices"])
        def fetch() -> int:
            calls.append(1)
            if len(calls) == 1:
                started.set()
                assert may_go_on.wait(20)
            return len(calls)

        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(fetch)
            assert started.wait(20)
            fetch.resilient.cache.invalidate_tag("prices")
            may_go_on.set()
            assert first.result(20) == 1
        assert fetch() == 2

    def test_tags_that_raise_cost_nobody_the_answer(self, steps: RecordedSteps) -> None:
        origin = Counted(1)
        fetch = cached(ttl=10, tags=lambda: 1 // 0)(origin)
        assert [fetch(), fetch()] == [1, 1]
        assert origin.calls == 2
        assert ["tags= raised ZeroDivisionError" in step.text for step in steps] == [True]


class TestMaxBytes:
    def test_large_results_push_out_old_ones(self) -> None:
        origin = Counted("x")
        fetch = cached(ttl=10, max_bytes=100_000)(lambda number: origin() * 30_000)
        for number in range(4):
            fetch(number)
        assert len(fetch.resilient.cache) == 3
        fetch(3)
        assert origin.calls == 4
        fetch(0)
        assert origin.calls == 5

    def test_what_is_larger_than_all_there_is_room_for_is_not_kept(self) -> None:
        origin = Counted("x")
        fetch = cached(ttl=10, max_bytes=1000)(lambda: [origin() * 10_000])
        fetch()
        fetch()
        assert origin.calls == 2


class TestScope:
    def test_users_never_see_each_others_results(self) -> None:
        user = ["ann"]
        fetch = cached(ttl=10, scope=lambda path: user[0])(lambda path: f"{path} of {user[0]}")
        assert fetch("/me") == "/me of ann"
        user[0] = "bob"
        assert fetch("/me") == "/me of bob"
        user[0] = "ann"
        assert fetch("/me") == "/me of ann"

    def test_nobody_gets_nothing_from_the_cache(self, steps: RecordedSteps) -> None:
        origin = Counted(1, 2)
        fetch = cached(ttl=10, scope=lambda: None)(origin)
        assert [fetch(), fetch()] == [1, 2]
        assert ["scope= names nobody" in step.text for step in steps] == [True]

    def test_a_scope_shows_in_no_key_and_no_setting(self) -> None:
        policy = cached(ttl=10, scope="tenant-4711")
        fetch = policy(Counted(1))
        fetch()
        kept = repr(fetch.resilient.cache.store.items())
        assert "tenant-4711" not in kept
        assert "tenant-4711" not in repr(policy)

    @pytest.mark.parametrize(
        "ask",
        [
            lambda url, token: requests.get(url, headers={"authorization": token}, timeout=5),
            lambda url, token: requests.get(url, params={"api_key": token}, timeout=5),
            lambda url, token: requests.get(url, auth=("user", token), timeout=5),
            lambda url, token: requests.get(url, cookies={"session": token}, timeout=5),
        ],
        ids=["header", "query", "basic auth", "cookie"],
    )
    def test_without_one_a_credential_that_is_no_argument_keeps_results_out(
        self, ask: Any, vendor_of: MakeVendor, steps: RecordedSteps
    ) -> None:
        vendor = vendor_of("200")
        token = ["ann-0123456789"]

        @cached(ttl=10)
        def me() -> int:
            return int(ask(vendor.url, token[0]).status_code)

        me()
        token[0] = "bob-0123456789"
        me()
        assert vendor.calls == 2
        assert ["scope=" in step.text for step in steps] == [True]
        assert not any("0123456789" in str(step) for step in steps)

    def test_a_credential_among_the_arguments_tells_users_apart(
        self, vendor_of: MakeVendor
    ) -> None:
        vendor = vendor_of("200")

        @cached(ttl=10)
        def me(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return requests.get(vendor.url, headers=headers, timeout=5).status_code

        for token in ("ann-0123456789", "bob-0123456789", "ann-0123456789"):
            me(token)
        assert vendor.calls == 2

    def test_a_function_around_does_not_pass_on_what_a_kept_result_rests_on(
        self, vendor_of: MakeVendor
    ) -> None:
        vendor = vendor_of("200")
        token = ["ann-0123456789"]

        @cached(ttl=10)
        def inner(token: str) -> str:
            headers = {"Authorization": f"Bearer {token}"}
            requests.get(vendor.url, headers=headers, timeout=5)
            return f"of {token[:3]}"

        outer = cached(ttl=10)(lambda: inner(token[0]))
        assert outer() == "of ann"
        token[0] = "bob-0123456789"
        inner(token[0])
        assert outer() == "of bob"  # from inner's entry: no request is seen
        token[0] = "ann-0123456789"
        assert outer() == "of ann"


def test_misses_and_hits_are_counted() -> None:
    fetch = cached(ttl=10)(lambda number: number)
    for number in (1, 2, 1, 1):
        fetch(number)
    stats = fetch.resilient.stats()
    assert (stats["calls"], stats["hits"], stats["misses"]) == (4, 2, 2)
    registry.reset()
    assert fetch.resilient.stats()["misses"] == 0


def test_fifty_threads_on_one_cold_key_make_one_call(clock: FakeClock) -> None:
    calls = []
    start = threading.Barrier(50)
    all_wait = threading.Event()

    @cached(ttl=10)
    def fetch() -> list[int]:
        calls.append(1)
        assert all_wait.wait(20)
        return [1]

    def ask(number: int) -> list[int]:
        if start.wait(20) == 0:
            all_wait.set()
        return fetch()

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(ask, range(50)))
    assert answers == [[1]] * 50
    assert len(calls) == 1
    assert len({id(answer) for answer in answers}) == 50


def test_an_open_breaker_below_does_not_keep_an_old_result_from_answering(
    clock: FakeClock,
) -> None:
    origin = Counted("old", ConnectionError(), "new")
    fetch = cached(ttl=10, stale_while_revalidate=60)(breaker(fail_max=1)(origin))
    fetch()
    clock.advance(11)
    for _ in range(3):
        assert fetch() == "old"
        settled()
        clock.advance(2)
    assert origin.calls == 2
    clock.advance(100)
    fetch.resilient.breaker.isolate()
    with pytest.raises(BreakerOpen):
        fetch()
