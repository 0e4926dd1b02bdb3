"""Pairs of policies in the recommended order: what each does about the other's work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from resilient import (
    BreakerOpen,
    BulkheadFull,
    RateLimited,
    breaker,
    bulkhead,
    cached,
    fallback,
    registry,
    retry,
    service,
    throttled,
)
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor, fake_clock

REAL_LIMIT = 10.0
"""Real seconds that a thread of these tests may take before they fail."""


@pytest.fixture(autouse=True)
def clock() -> Iterator[FakeClock]:
    registry.reset()  # functions of the same name share their figures
    with fake_clock() as clock:
        yield clock


def get(url: str) -> str:
    response = requests.get(url, timeout=5)
    response.raise_for_status()
    return response.text


class held:
    """Another thread is inside a function of this policy while the block runs."""

    def __init__(self, policy: Callable[[Callable[[], None]], Any]) -> None:
        self.entered, self.leave = threading.Event(), threading.Event()

        @policy
        def hold() -> None:
            self.entered.set()
            self.leave.wait(REAL_LIMIT)

        self.thread = threading.Thread(target=hold)

    def __enter__(self) -> None:
        self.thread.start()
        assert self.entered.wait(REAL_LIMIT)

    def __exit__(self, *_: object) -> None:
        self.leave.set()
        self.thread.join(REAL_LIMIT)


class TestRetryAndBreaker:
    def test_the_breaker_counts_every_attempt(self) -> None:
        guard = breaker(fail_max=3)
        with ScriptedVendor("503") as vendor:
            with pytest.raises(requests.HTTPError):
                retry(attempts=3)(guard(get))(vendor.url)
        assert guard.current_state == "open"

    def test_a_breaker_that_opens_ends_the_retries(self) -> None:
        guard = breaker(fail_max=2)
        with ScriptedVendor("503") as vendor:
            with pytest.raises(BreakerOpen):
                retry(attempts=5)(guard(get))(vendor.url)
            assert vendor.calls == 2

    def test_a_retry_that_works_resets_the_count(self) -> None:
        guard = breaker(fail_max=2, failure_rate=None)
        with ScriptedVendor("503, 200, 503, 200") as vendor:
            for _ in range(2):
                retry(guard(get))(vendor.url)
        assert guard.current_state == "closed"

    def test_both_judge_an_error_page_that_is_no_json_as_the_503_it_is(self) -> None:
        guard = breaker(fail_max=2)

        @retry(attempts=2)
        @guard
        def fetch() -> Any:
            return requests.get(vendor.url, timeout=5).json()["name"]

        with ScriptedVendor("503 json={}") as vendor:
            with pytest.raises(KeyError):
                fetch()
            assert vendor.calls == 2
        assert guard.current_state == "open"

    def test_neither_minds_a_mistake(self) -> None:
        guard = breaker(fail_max=1)
        with ScriptedVendor("404") as vendor:
            with pytest.raises(requests.HTTPError):
                retry(guard(get))(vendor.url)
            assert vendor.calls == 1
        assert guard.current_state == "closed"


class TestRetryAndThrottled:
    def test_a_retry_after_is_waited_for_once(self, clock: FakeClock) -> None:
        with ScriptedVendor("429 retry-after=20, 200") as vendor:
            retry(throttled("9/s")(get))(vendor.url)
            assert vendor.calls == 2
        assert clock.total == pytest.approx(21)  # with jitter, once

    def test_each_attempt_takes_a_slot_of_the_quota(self, clock: FakeClock) -> None:
        limit = throttled("2/min", adaptive=False)
        with ScriptedVendor("503 x2, 200") as vendor:
            retry(wait=0)(limit(get))(vendor.url)
            third = vendor.requests[2]
        assert third.at >= 60

    def test_a_refusal_for_quota_is_retried_when_there_is_room(self, clock: FakeClock) -> None:
        limit = throttled("1/min", max_wait=0)
        fetch = retry(max_wait=90)(limit(get))
        with ScriptedVendor("200") as vendor:
            fetch(vendor.url)
            fetch(vendor.url)
            assert vendor.calls == 2
            assert vendor.requests[1].at >= 60


class TestRetryAndCached:
    def test_the_answer_of_a_retry_is_kept(self) -> None:
        fetch = cached(ttl=60)(retry(get))
        with ScriptedVendor("503, 200 body=done") as vendor:
            assert [fetch(vendor.url), fetch(vendor.url)] == ["done", "done"]
            assert vendor.calls == 2

    def test_a_stale_answer_is_given_after_the_last_attempt(self, clock: FakeClock) -> None:
        fetch = cached(ttl=60, stale_if_error=600)(retry(attempts=3)(get))
        with ScriptedVendor("200 body=old, 503") as vendor:
            fetch(vendor.url)
            clock.advance(61)
            assert fetch(vendor.url) == "old"
            assert vendor.calls == 1 + 3


class TestRetryAndFallback:
    def test_the_fallback_answers_after_the_last_attempt(self, steps: RecordedSteps) -> None:
        fetch = fallback("other")(retry(attempts=3)(get))
        with ScriptedVendor("503") as vendor:
            assert fetch(vendor.url) == "other"
            assert vendor.calls == 3
        assert steps.kinds() == ["retry", "retry", "gave_up", "fallback"]

    def test_a_retry_that_works_needs_no_fallback(self) -> None:
        fetch = fallback("other")(retry(get))
        with ScriptedVendor("503, 200 body=done") as vendor:
            assert fetch(vendor.url) == "done"
        stats = fetch.resilient.stats()
        assert (stats["recovered"], stats["degraded"]) == (1, 0)


class TestRetryAndBulkhead:
    def test_no_place_is_taken_while_a_retry_waits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from resilient.timing import clock as timing_clock

        places = bulkhead(1)
        running: list[int] = []
        monkeypatch.setattr(timing_clock, "sleep", lambda _: running.append(places.running))
        with ScriptedVendor("503 x2, 200") as vendor:
            retry(places(get))(vendor.url)
        assert running == [0, 0]

    def test_a_full_bulkhead_is_not_asked_again(self, steps: RecordedSteps) -> None:
        places = bulkhead(1)
        with held(places), pytest.raises(BulkheadFull):
            retry(places(get))("http://127.0.0.1:1/")
        assert steps.kinds() == ["bulkhead_full"]


class TestBreakerAndFallback:
    def test_what_an_open_breaker_refuses_is_answered(self) -> None:
        fetch = fallback("other")(breaker(fail_max=1)(get))
        with ScriptedVendor("503") as vendor:
            assert [fetch(vendor.url) for _ in range(3)] == ["other"] * 3
            assert vendor.calls == 1
        assert fetch.resilient.stats()["degraded"] == 3


class TestBreakerAndCached:
    def test_a_hit_does_not_ask_the_breaker(self) -> None:
        guard = breaker(fail_max=1)
        fetch = cached(ttl=60)(guard(get))
        with ScriptedVendor("200 body=done") as vendor:
            fetch(vendor.url)
            guard.isolate()
            assert fetch(vendor.url) == "done"

    def test_a_stale_answer_stands_in_for_a_refusal(self, clock: FakeClock) -> None:
        guard = breaker(fail_max=1)
        fetch = cached(ttl=60, stale_if_error=600)(guard(get))
        with ScriptedVendor("200 body=old") as vendor:
            fetch(vendor.url)
            clock.advance(61)
            guard.isolate()
            assert fetch(vendor.url) == "old"
            assert vendor.calls == 1


class TestBreakerAndThrottled:
    def test_rate_limits_do_not_open_the_breaker(self, clock: FakeClock) -> None:
        guard = breaker(fail_max=1)
        fetch = guard(throttled("1/min", max_wait=0)(get))
        with ScriptedVendor("429 retry-after=1, 200") as vendor:
            with pytest.raises(requests.HTTPError):
                fetch(vendor.url)
            with pytest.raises(RateLimited):
                fetch(vendor.url)
        assert guard.current_state == "closed"

    def test_a_refusal_of_the_breaker_takes_no_slot(self) -> None:
        guard, limit = breaker(), throttled("1/min", max_wait=0)
        fetch = guard(limit(get))
        with ScriptedVendor("200") as vendor:
            guard.isolate()
            for _ in range(3):
                with pytest.raises(BreakerOpen):
                    fetch(vendor.url)
            guard.reset()
            fetch(vendor.url)

    def test_a_probe_that_is_refused_for_quota_does_not_jam_the_breaker(
        self, clock: FakeClock
    ) -> None:
        guard, limit = breaker(fail_max=1, success_threshold=1), throttled("1/hour", max_wait=0)
        fetch = guard(limit(get))
        with ScriptedVendor("503, 200") as vendor:
            with pytest.raises(requests.HTTPError):
                fetch(vendor.url)
            clock.advance(60)
            with pytest.raises(RateLimited):
                fetch(vendor.url)
            clock.advance(3600)
            fetch(vendor.url)
        assert guard.current_state == "closed"


class TestBreakerAndBulkhead:
    def test_a_full_bulkhead_does_not_open_the_breaker(self) -> None:
        guard, places = breaker(fail_max=1), bulkhead(1)
        with held(places):
            for _ in range(3):
                with pytest.raises(BulkheadFull):
                    guard(places(get))("http://127.0.0.1:1/")
        assert guard.current_state == "closed"


class TestCachedAndFallback:
    def test_the_answer_of_a_fallback_is_not_kept(self) -> None:
        fetch = fallback("other")(cached(ttl=60)(get))
        with ScriptedVendor("503, 200 body=done") as vendor:
            assert [fetch(vendor.url), fetch(vendor.url)] == ["other", "done"]

    def test_nor_is_it_where_the_fallback_stands_inside(self) -> None:
        with pytest.warns(match="stale answers are never used"):
            fetch = cached(ttl=60)(fallback("other")(get))
        with ScriptedVendor("503, 200 body=done") as vendor:
            assert [fetch(vendor.url), fetch(vendor.url)] == ["other", "done"]

    def test_a_stale_answer_beats_the_fallback(self, clock: FakeClock) -> None:
        fetch = fallback("other")(cached(ttl=60, stale_if_error=60)(get))
        with ScriptedVendor("200 body=old, 503") as vendor:
            fetch(vendor.url)
            clock.advance(61)
            assert fetch(vendor.url) == "old"
            clock.advance(61)
            assert fetch(vendor.url) == "other"


class TestCachedAndThrottled:
    def test_a_hit_takes_no_slot(self) -> None:
        fetch = cached(ttl=60)(throttled("1/hour", max_wait=0)(get))
        with ScriptedVendor("200") as vendor:
            for _ in range(5):
                fetch(vendor.url)

    def test_a_stale_answer_stands_in_for_a_refusal(self, clock: FakeClock) -> None:
        limit = throttled("1/hour", max_wait=0)
        fetch = cached(ttl=60, stale_if_error=600)(limit(get))
        with ScriptedVendor("200 body=old") as vendor:
            fetch(vendor.url)
            clock.advance(61)
            assert fetch(vendor.url) == "old"


class TestCachedAndBulkhead:
    def test_a_hit_needs_no_place(self) -> None:
        places = bulkhead(1)
        fetch = cached(ttl=60)(places(get))
        with ScriptedVendor("200 body=done") as vendor:
            fetch(vendor.url)
            with held(places):
                assert fetch(vendor.url) == "done"


class TestFallbackAndRefusals:
    def test_a_refusal_for_quota_is_answered(self) -> None:
        fetch = fallback("other")(throttled("1/hour", max_wait=0)(get))
        with ScriptedVendor("200 body=done") as vendor:
            assert [fetch(vendor.url), fetch(vendor.url)] == ["done", "other"]

    def test_a_full_bulkhead_is_answered(self) -> None:
        places = bulkhead(1)
        with held(places):
            assert fallback("other")(places(get))("http://127.0.0.1:1/") == "other"


class TestThrottledAndBulkhead:
    def test_no_place_is_taken_while_a_call_waits_for_the_quota(self, clock: FakeClock) -> None:
        places = bulkhead(1)
        fetch = throttled("1/min")(places(get))
        with ScriptedVendor("200") as vendor:
            fetch(vendor.url)
            fetch(vendor.url)
            assert vendor.requests[1].at >= 60
        assert places.running == 0

    def test_a_slot_is_given_back_after_a_refusal_for_lack_of_a_place(
        self, clock: FakeClock
    ) -> None:
        limit, places = throttled("1/min", max_wait=0), bulkhead(1)
        fetch = limit(places(get))
        with ScriptedVendor("200") as vendor:
            with held(places), pytest.raises(BulkheadFull):
                fetch(vendor.url)
            clock.advance(61)
            fetch(vendor.url)


def test_all_of_them_together_through_an_outage(clock: FakeClock, steps: RecordedSteps) -> None:
    guard, places = breaker(fail_max=3, success_threshold=1), bulkhead(2)
    fetch: Callable[[str], str] = get
    for policy in (places, throttled("100/s"), guard, retry(attempts=3)):
        fetch = policy(fetch)
    fetch = cached(ttl=60, stale_if_error=120)(fetch)
    fetch = service("vendor", deadline=30)(fallback("other")(fetch))
    with ScriptedVendor("200 body=one, 503 x3, 200 body=two") as vendor:
        assert fetch(vendor.url) == "one"
        assert fetch(vendor.url) == "one"
        clock.advance(61)
        assert fetch(vendor.url) == "one"  # stale, after three attempts that opened the breaker
        assert guard.current_state == "open"
        assert fetch(vendor.url) == "one"  # stale, since the breaker refuses
        clock.advance(120)
        assert fetch(vendor.url) == "two"  # the probe
    assert guard.current_state == "closed"
    assert places.running == 0
    stats = fetch.resilient.stats()  # type: ignore[attr-defined]
    assert (stats["calls"], stats["hits"], stats["degraded"], stats["retries"]) == (5, 1, 2, 2)
    assert steps.kinds() == [
        *("retry", "retry", "breaker_opened", "gave_up", "stale"),
        *("breaker_refused", "stale"),
        *("breaker_half_open", "breaker_closed"),
    ]
