"""mode="observe": nothing is enforced, and what would have been done is recorded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from resilient import breaker, bulkhead, cached, fallback, registry, retry, service, throttled
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor, fake_clock

REAL_LIMIT = 10.0
"""Real seconds that a thread of these tests may take before they fail."""

Observed = Callable[..., Any]
"""Puts a policy that observes on a function, by its own mode or by that of its service."""


@pytest.fixture(autouse=True)
def clock() -> Iterator[FakeClock]:
    registry.reset()  # functions of the same name share their figures
    with fake_clock() as clock:
        yield clock


@pytest.fixture(params=["by its own mode", "by its service", "in a bundle"])
def observed(request: pytest.FixtureRequest) -> Observed:
    def decorate(make: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if request.param == "by its own mode":
            return make(*args, mode="observe", **options)
        policy = make(*args, **options)
        if request.param == "in a bundle":
            return service("vendor", policy, mode="observe")
        return lambda function: service("vendor", mode="observe")(policy(function))

    return decorate


def get(url: str) -> str:
    response = requests.get(url, timeout=5)
    response.raise_for_status()
    return response.text


def failing(url: str, times: int, function: Callable[[str], object]) -> list[Exception]:
    errors = []
    for _ in range(times):
        with pytest.raises(requests.HTTPError) as raised:
            function(url)
        errors.append(raised.value)
    return errors


def test_retry_repeats_nothing(observed: Observed, steps: RecordedSteps, clock: FakeClock) -> None:
    fetch = observed(retry)(get)
    with ScriptedVendor("503 retry-after=9, 200") as vendor:
        failing(vendor.url, 1, fetch)
        assert vendor.calls == 1
    assert clock.slept == []
    assert steps.kinds() == ["would_retry"]
    assert steps[0].text == "would wait 9.9 s and repeat after 503"


def test_retry_that_observes_spends_no_budget(observed: Observed) -> None:
    policy = retry(budget=0.01)
    fetch = service("vendor", mode="observe")(policy(get))
    with ScriptedVendor("503") as vendor:
        failing(vendor.url, 30, fetch)
    assert policy.budget is not None
    assert policy.budget.take()


def test_breaker_refuses_nothing(observed: Observed, steps: RecordedSteps) -> None:
    fetch = observed(breaker, fail_max=2)(get)
    with ScriptedVendor("503 x4, 200 body=done") as vendor:
        failing(vendor.url, 4, fetch)
        assert fetch(vendor.url) == "done"
        assert vendor.calls == 5
    assert "would_break" in steps.kinds()
    assert "breaker_refused" not in steps.kinds()


def test_throttled_neither_waits_nor_refuses(
    observed: Observed, steps: RecordedSteps, clock: FakeClock
) -> None:
    fetch = observed(throttled, "1/min", max_wait=0)(get)
    with ScriptedVendor("200") as vendor:
        for _ in range(3):
            fetch(vendor.url)
        assert vendor.calls == 3
    assert clock.slept == []
    assert steps.kinds() == ["would_throttle"] * 2
    assert "would wait 60 s" in steps[0].text


def test_throttled_pauses_nobody(
    observed: Observed, steps: RecordedSteps, clock: FakeClock
) -> None:
    fetch = observed(throttled, "9/s")(get)
    with ScriptedVendor("429 retry-after=30, 200") as vendor:
        failing(vendor.url, 1, fetch)
        fetch(vendor.url)
    assert clock.slept == []
    assert steps.kinds() == ["would_pause", "would_throttle"]
    assert "for 30 s" in steps[0].text


def test_throttled_holds_no_further_request_of_a_call(observed: Observed, clock: FakeClock) -> None:
    @observed(throttled, "1/min")
    def fetch() -> None:
        for _ in range(3):
            get(vendor.url)

    with ScriptedVendor("200") as vendor:
        fetch()
    assert clock.slept == []


def test_cached_answers_nothing(observed: Observed, steps: RecordedSteps) -> None:
    fetch = observed(cached, ttl=60)(get)
    with ScriptedVendor("200 body=one, 200 body=two") as vendor:
        assert [fetch(vendor.url), fetch(vendor.url)] == ["one", "two"]
    assert steps.kinds() == ["would_hit"]
    assert fetch.resilient.stats()["hits"] == 0


def test_cached_gives_no_stale_answer(
    observed: Observed, steps: RecordedSteps, clock: FakeClock
) -> None:
    fetch = observed(cached, ttl=60, stale_if_error=600)(get)
    with ScriptedVendor("200, 503") as vendor:
        fetch(vendor.url)
        clock.advance(61)
        failing(vendor.url, 1, fetch)
    assert steps.kinds() == ["would_stale"]
    assert fetch.resilient.stats()["degraded"] == 0


def test_cached_makes_nobody_wait_for_the_same_call(observed: Observed) -> None:
    meet = threading.Barrier(2)

    @observed(cached, ttl=60)
    def compute() -> int:
        return meet.wait(REAL_LIMIT)

    threads = [threading.Thread(target=compute) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(REAL_LIMIT)
    assert not meet.broken


def test_fallback_answers_nothing(observed: Observed, steps: RecordedSteps) -> None:
    called: list[str] = []
    fetch = observed(fallback, called.append)(get)
    with ScriptedVendor("503") as vendor:
        failing(vendor.url, 1, fetch)
    assert called == []
    assert steps.kinds() == ["would_fallback"]
    assert fetch.resilient.stats()["degraded"] == 0


def test_bulkhead_refuses_nothing(observed: Observed, steps: RecordedSteps) -> None:
    together = threading.Barrier(3)

    @observed(bulkhead, 2)
    def work() -> None:
        together.wait(REAL_LIMIT)

    for _ in range(2):  # the second time shows that no place was lost, or made up
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(REAL_LIMIT)
    assert not together.broken
    assert steps.kinds() == ["would_bulkhead"] * 2
    assert work.resilient.policy("bulkhead").running == 0


@pytest.mark.parametrize("hard", [False, True])
def test_service_cuts_nothing_off(hard: bool, steps: RecordedSteps, clock: FakeClock) -> None:
    threads: list[int] = []

    @service("vendor", deadline=5, hard_deadline=hard, mode="observe")
    def fetch() -> str:
        threads.append(threading.get_ident())
        return get(vendor.url)

    with ScriptedVendor("200 delay=4 body=one, 200 drip=2 body=slowly") as vendor:
        assert fetch() == "one"
        assert steps == []
        assert fetch() == "slowly"
    assert set(threads) == {threading.get_ident()}
    assert steps.kinds() == ["would_deadline"]
    assert steps[0].text == "took 12 s, past a deadline of 5 s"


def test_service_gives_no_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    send = requests.adapters.HTTPAdapter.send

    def spy(self: Any, request: Any, **options: Any) -> Any:
        given.append(options["timeout"])
        return send(self, request, **options)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", spy)
    fetch = service("vendor", timeout=5, mode="observe")(lambda url: requests.get(url).text)
    with ScriptedVendor("200") as vendor:
        fetch(vendor.url)
    assert given == [None]


def test_a_whole_stack_that_observes_leaves_the_function_as_it_was(
    steps: RecordedSteps, clock: FakeClock
) -> None:
    @service("vendor", deadline=5, mode="observe")
    @fallback("other")
    @cached(ttl=60, stale_if_error=600)
    @retry(attempts=3)
    @breaker(fail_max=1)
    @throttled("1/hour", max_wait=0)
    @bulkhead(1)
    def fetch(url: str) -> str:
        return get(url)

    with ScriptedVendor("200 body=one, 200 body=two, 503 x2, 200 body=three") as vendor:
        assert [fetch(vendor.url), fetch(vendor.url)] == ["one", "two"]
        clock.advance(61)
        failing(vendor.url, 2, fetch)
        assert fetch(vendor.url) == "three"
        assert vendor.calls == 5
    assert clock.slept == []
    would = {kind for kind in steps.kinds() if kind.startswith("would_")}
    assert would >= {
        *("would_hit", "would_throttle", "would_retry", "would_stale"),
        *("would_fallback", "would_break"),
    }
    # The breaker's own state is no act: it says what it would have done.
    acts = {kind for kind in steps.kinds() if not kind.startswith("would_")}
    assert acts <= {"breaker_opened", "breaker_half_open", "breaker_closed"}
    assert fetch.resilient.stats()["degraded"] == 0


def test_a_service_that_observes_says_nothing_for_a_function_around_it(clock: FakeClock) -> None:
    inner = service("inner", mode="observe")(retry(get))
    outer = service("outer")(retry(attempts=2)(lambda url: inner(url)))
    with ScriptedVendor("503, 200 body=done") as vendor:
        assert outer(vendor.url) == "done"
    assert clock.slept == [1]
