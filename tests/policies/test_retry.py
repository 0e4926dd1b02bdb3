"""@retry against a vendor on the loopback: what is repeated, when, and how often."""

from __future__ import annotations

import contextlib
import functools
import gc
import socket
import threading
import types
import weakref
from collections.abc import Callable, Generator, Iterator
from datetime import datetime, timedelta
from typing import Any

import backoff
import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter

from resilient import (
    BreakerOpen,
    BulkheadFull,
    ConfigurationError,
    DeadlineExceeded,
    RateLimited,
    Verdict,
    breaker,
    fallback,
    retry,
    rule,
    service,
    throttled,
)
from resilient.policies.retry import Budget, Retry
from resilient.sdk_retries import Client
from resilient.testing import (
    FakeClock,
    RecordedSteps,
    ScriptedVendor,
    fake_clock,
)
from resilient.timing import chance
from resilient.timing import clock as timing_clock
from resilient.verdict import forget_rule
from tests.ids import said


@pytest.fixture(autouse=True)
def clock() -> Iterator[FakeClock]:
    with fake_clock() as clock:
        yield clock


def get(url: str) -> str:
    response = requests.get(url, timeout=5)
    response.raise_for_status()
    return response.text


def post(url: str, **headers: str) -> str:
    response = requests.post(url, timeout=5, headers=headers)
    response.raise_for_status()
    return response.text


def notes_of(error: BaseException) -> str:
    return "\n".join(getattr(error, "__notes__", ()))


# How long it waits


def test_the_waits_grow_exponentially_up_to_their_full_length(clock: FakeClock) -> None:
    with ScriptedVendor("503 x4, 200 body=done") as vendor:
        assert retry(attempts=5)(get)(vendor.url) == "done"
        assert vendor.calls == 5
    assert clock.slept == [1, 2, 4, 8]


def test_full_jitter_may_draw_any_part_of_a_wait(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[float, float]] = []

    def half(low: float, high: float) -> float:
        drawn.append((low, high))
        return (low + high) / 2

    monkeypatch.setattr(chance, "uniform", half)
    with ScriptedVendor("503 x3, 200") as vendor:
        retry(attempts=4)(get)(vendor.url)
    assert drawn == [(0, 1), (0, 2), (0, 4)]
    assert clock.slept == [0.5, 1, 2]


@pytest.mark.parametrize(
    ("uniform", "waited"), [(min, 20.0), (max, 21.0)], ids=["least jitter", "most jitter"]
)
def test_jitter_is_only_added_to_what_the_vendor_asked_for(
    uniform: Callable[[float, float], float],
    waited: float,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chance, "uniform", uniform)
    with ScriptedVendor("429 retry-after=20, 200") as vendor:
        retry(get)(vendor.url)
    assert clock.slept == [waited]


def test_a_vendor_that_asks_for_no_wait_still_gets_one(clock: FakeClock) -> None:
    with ScriptedVendor("503 retry-after=0 x2, 200") as vendor:
        retry(get)(vendor.url)
    assert clock.slept == [1, 2]


def test_retry_after_may_be_a_date(clock: FakeClock) -> None:
    with ScriptedVendor("503 retry-after=date+30, 200") as vendor:
        retry(get)(vendor.url)
    assert clock.slept == [31]


def test_a_vendor_that_asks_for_more_than_max_wait_is_left_alone(
    clock: FakeClock, steps: RecordedSteps
) -> None:
    with ScriptedVendor("429 retry-after=61, 200") as vendor:
        with pytest.raises(requests.HTTPError) as raised:
            retry(get)(vendor.url)
        assert vendor.calls == 1
    assert clock.slept == []
    assert steps.kinds() == ["retry_refused"]
    assert "due in 61 s, more than max_wait=60" in notes_of(raised.value)
    with ScriptedVendor("429 retry-after=61, 200") as vendor:
        retry(max_wait=timedelta(minutes=2))(get)(vendor.url)


def plain() -> Generator[float, None, None]:
    yield 3
    yield 5


def endless_backoff() -> Generator[Any, Any, None]:
    yield None
    while True:
        yield 7


def failing() -> Generator[float, None, None]:
    yield 3
    raise RuntimeError("the wait generator broke")


def reading_the_error() -> Generator[Any, Any, None]:
    error = yield
    while True:
        error = yield error.response.status_code / 100


@pytest.mark.parametrize(
    ("wait", "waits"),
    [
        (2, [2, 2, 2, 2]),
        (0, [0, 0, 0, 0]),
        (timedelta(seconds=1.5), [1.5] * 4),
        ([1, 5], [1, 5, 5, 5]),
        ((0.5,), [0.5] * 4),
        ([0, 3], [0, 3, 3, 3]),
        (backoff.fibo, [1, 1, 2, 3]),
        (functools.partial(backoff.expo, max_value=3), [1, 2, 3, 3]),
        (functools.partial(backoff.expo, base=10), [1, 10, 60, 60]),
        (functools.partial(backoff.constant, [4, 6]), [4, 6, 6, 6]),
        (endless_backoff, [7, 7, 7, 7]),
        (plain, [3, 5, 5, 5]),
        (failing, [3, 3, 3, 3]),
        (reading_the_error, [5.03] * 4),
        (lambda: iter([float("nan")]), [1, 1, 1, 1]),
        (lambda: (wait for wait in [-5.0, 1e9]), [0, 60, 60, 60]),
    ],
    ids=said,
)
def test_a_wait_may_be_given_in_many_ways(wait: Any, waits: list[float], clock: FakeClock) -> None:
    with ScriptedVendor("503 x4, 200") as vendor:
        retry(attempts=5, wait=wait)(get)(vendor.url)
    assert clock.slept == pytest.approx(waits)


def test_two_calls_do_not_share_a_generator(clock: FakeClock) -> None:
    fetch = retry(wait=[1, 9])(get)
    for _ in range(2):
        with ScriptedVendor("503, 200") as vendor:
            fetch(vendor.url)
    assert clock.slept == [1, 1]


def test_ctrl_c_during_a_wait_passes_untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt = KeyboardInterrupt()

    def interrupted(seconds: float) -> None:
        raise interrupt

    monkeypatch.setattr(timing_clock, "sleep", interrupted)
    fetch = retry(get)
    calls = fetch.resilient.stats()["calls"]
    with ScriptedVendor("503, 200") as vendor:
        with pytest.raises(KeyboardInterrupt) as raised:
            fetch(vendor.url)
        assert vendor.calls == 1
    assert raised.value is interrupt
    assert raised.value.__context__ is None
    assert notes_of(raised.value) == ""
    assert fetch.resilient.stats()["calls"] == calls


# What it repeats


@pytest.mark.parametrize(
    ("script", "calls"),
    [
        ("503, 200", 2),
        ("502, 200", 2),
        ("504, 200", 2),
        ("500, 200", 2),
        ("429, 200", 2),
        ("408, 200", 2),
        ("timeout, 200", 2),
        ("reset, 200", 2),
        ("close, 200", 2),
        ("truncated body='half of this is sent', 200", 2),
    ],
)
def test_what_passes_is_repeated(script: str, calls: int) -> None:
    with ScriptedVendor(script) as vendor:
        retry(get)(vendor.url)
        assert vendor.calls == calls


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_mistake_is_not_repeated(status: int, steps: RecordedSteps) -> None:
    with ScriptedVendor(f"{status}, 200") as vendor:
        with pytest.raises(requests.HTTPError) as raised:
            retry(get)(vendor.url)
        assert vendor.calls == 1
    assert steps == []
    assert notes_of(raised.value) == ""


@pytest.mark.parametrize("error", [TypeError, KeyError, ValueError, RuntimeError])
def test_a_bug_or_an_unknown_error_is_not_repeated(error: type[Exception]) -> None:
    runs = failing_with(error())
    with pytest.raises(error):
        retry(runs)()
    assert runs.calls == 1


class failing_with:
    """A function that raises these errors in turn, the last one for ever; None returns."""

    def __init__(self, *errors: Exception | None) -> None:
        self.__name__ = "runs"
        self.errors = errors
        self.calls = 0

    def __call__(self) -> str:
        error = self.errors[min(self.calls, len(self.errors) - 1)]
        self.calls += 1
        if error is not None:
            raise error
        return "done"


@pytest.mark.parametrize("kind", [BreakerOpen, BulkheadFull, DeadlineExceeded])
def test_a_refusal_is_not_repeated_whatever_on_says(kind: type[Exception]) -> None:
    runs = failing_with(kind("refused"), None)
    with pytest.raises(kind):
        retry(on=(Exception, kind))(runs)()
    assert runs.calls == 1


def test_a_refusal_for_quota_is_repeated_if_its_wait_fits(clock: FakeClock) -> None:
    runs = failing_with(RateLimited("full", retry_after=30), None)
    assert retry(runs)() == "done"
    assert clock.slept == [31]
    too_long = failing_with(RateLimited("full", retry_after=90), None)
    with pytest.raises(RateLimited):
        retry(too_long)()
    nobody_knows = failing_with(RateLimited("full"), None)
    with pytest.raises(RateLimited):
        retry(nobody_knows)()
    assert too_long.calls == nobody_knows.calls == 1


class FlakyError(Exception):
    pass


class VeryFlakyError(FlakyError):
    pass


@pytest.mark.parametrize(
    ("on", "error", "again"),
    [
        (None, FlakyError, False),
        (FlakyError, FlakyError, True),
        (FlakyError, VeryFlakyError, True),
        ([FlakyError, OSError], FlakyError, True),
        (OSError, FlakyError, False),
        (Exception, FlakyError, True),
        (Exception, TypeError, False),
        ((Exception, KeyError), KeyError, True),
        (TypeError, TypeError, True),
    ],
)
def test_on_adds_exceptions(on: Any, error: type[Exception], again: bool) -> None:
    runs = failing_with(error(), None)
    if again:
        assert retry(on=on)(runs)() == "done"
    else:
        with pytest.raises(error):
            retry(on=on)(runs)()
    assert runs.calls == 1 + again


@pytest.mark.parametrize(
    "script", ["500, 200", "502, 200", "504, 200", "timeout, 200", "close, 200"]
)
def test_a_post_whose_effect_is_unknown_is_not_repeated(script: str, steps: RecordedSteps) -> None:
    with ScriptedVendor(script) as vendor:
        with pytest.raises(requests.RequestException) as raised:
            retry(post)(vendor.url)
        assert vendor.calls == 1
    assert steps.kinds() == ["retry_refused"]
    assert "may have had its effect" in notes_of(raised.value)


@pytest.mark.parametrize("script", ["429, 200", "503, 200"])
def test_a_post_that_was_turned_away_is_repeated(script: str) -> None:
    with ScriptedVendor(script) as vendor:
        retry(post)(vendor.url)
        assert vendor.calls == 2


@pytest.mark.parametrize("script", ["500, 200", "timeout, 200"])
def test_a_post_with_an_idempotency_key_or_the_users_word_is_repeated(script: str) -> None:
    with ScriptedVendor(script) as vendor:
        retry(post)(vendor.url, **{"Idempotency-Key": "7"})
        assert vendor.calls == 2
    with ScriptedVendor(script) as vendor:
        retry(idempotent=True)(post)(vendor.url)
        assert vendor.calls == 2


def test_a_post_that_found_no_connection_is_repeated(clock: FakeClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
    with pytest.raises(requests.ConnectionError):
        retry(post)(url)
    assert clock.slept == [1, 2]


def test_a_call_that_posted_and_was_then_turned_away_is_not_repeated() -> None:
    @retry
    def order() -> None:
        post(vendor.url)
        get(vendor.url)

    with ScriptedVendor("201, 429") as vendor:
        with pytest.raises(requests.HTTPError):
            order()
        assert [request.method for request in vendor.requests] == ["POST", "GET"]


@pytest.mark.parametrize(("script", "calls"), [("503", 2), ("429", 2), ("500", 1), ("timeout", 1)])
def test_idempotent_false_repeats_only_what_was_turned_away(script: str, calls: int) -> None:
    fetch = fallback(None)(retry(attempts=2, idempotent=False)(get))
    with ScriptedVendor(script) as vendor:
        fetch(vendor.url)
        assert vendor.calls == calls


@pytest.mark.parametrize(
    ("error", "idempotent", "calls"),
    [
        (ConnectionResetError(), None, 2),
        (ConnectionResetError(), True, 2),
        (ConnectionResetError(), False, 1),
        (RateLimited("full", retry_after=1), False, 2),
        (FlakyError(), None, 2),
        (FlakyError(), False, 1),
    ],
)
def test_where_no_exchange_is_seen_the_error_and_the_user_decide(
    error: Exception, idempotent: bool | None, calls: int
) -> None:
    runs = failing_with(error)
    with pytest.raises(type(error)):
        retry(attempts=2, idempotent=idempotent, on=FlakyError)(runs)()
    assert runs.calls == calls


def test_a_server_error_whose_exchange_was_not_seen_is_not_repeated() -> None:
    error = FlakyError()
    error.status_code = 500  # type: ignore[attr-defined]
    runs = failing_with(error)
    with pytest.raises(FlakyError):
        retry(runs)()
    assert runs.calls == 1
    with pytest.raises(FlakyError):
        retry(idempotent=True)(runs)()
    assert runs.calls == 1 + 3


def test_a_failed_response_that_was_returned_is_repeated_and_given_back_in_the_end() -> None:
    @retry(attempts=2)
    def fetch() -> requests.Response:
        return requests.get(vendor.url, timeout=5)

    with ScriptedVendor("503, 200") as vendor:
        assert fetch().status_code == 200
    with ScriptedVendor("503") as vendor:
        assert fetch().status_code == 503
        assert vendor.calls == 2
    with ScriptedVendor("404, 200") as vendor:
        assert fetch().status_code == 404


def test_a_failure_that_the_function_swallowed_is_repeated() -> None:
    @retry
    def fetch() -> str | None:
        response = requests.get(vendor.url, timeout=5)
        return response.text if response.ok else None

    with ScriptedVendor("503, 200 body=done") as vendor:
        assert fetch() == "done"


def test_the_verdict_of_a_rule_is_obeyed() -> None:
    runs = failing_with(FlakyError(), None)
    rule(FlakyError, Verdict.TRANSIENT)
    try:
        assert retry(runs)() == "done"
    finally:
        forget_rule(FlakyError)


def test_each_error_is_judged_once() -> None:
    judged: list[Exception] = []
    rule(FlakyError, judged.append)
    errors = [FlakyError(), FlakyError()]
    fetch = throttled("9/s")(failing_with(*errors))
    fetch = fallback(failing_with(KeyError()))(retry(2, on=FlakyError)(breaker(fetch)))
    fetch = service("vendor", deadline=60)(fetch)
    try:
        with pytest.raises(FlakyError):
            fetch()
    finally:
        forget_rule(FlakyError)
    assert judged == errors


# How often the vendor is asked


def test_attempts_is_the_most_that_the_vendor_sees(clock: FakeClock) -> None:
    with ScriptedVendor("503") as vendor:
        for attempts in (1, 2, 5):
            vendor.reset()
            with pytest.raises(requests.HTTPError):
                retry(attempts)(get)(vendor.url)
            assert vendor.calls == attempts


def session_with_retries(retries: int) -> requests.Session:
    session = requests.Session()
    policy = urllib3.Retry(retries, status_forcelist=[503], backoff_factor=0)
    session.mount("http://", HTTPAdapter(max_retries=policy))
    return session


@pytest.mark.parametrize(
    ("attempts", "sdk_tries", "calls"), [(3, 3, 3), (4, 3, 3), (6, 3, 6), (2, 3, 3), (3, 1, 3)]
)
def test_the_retries_of_an_sdk_are_not_multiplied(
    attempts: int, sdk_tries: int, calls: int
) -> None:
    @retry(attempts)
    def fetch() -> requests.Response:
        with session_with_retries(sdk_tries - 1) as session:
            return session.get(vendor.url, timeout=5)

    with ScriptedVendor("503") as vendor:
        with pytest.raises(requests.exceptions.RetryError):
            fetch()
        assert vendor.calls == calls


def test_a_client_that_retries_by_itself_is_reported_once_a_function(
    steps: RecordedSteps,
) -> None:
    policy = retry(4)

    def read() -> requests.Response:
        with session_with_retries(2) as session:
            return session.get(vendor.url, timeout=5)

    def read_too() -> requests.Response:
        return read()

    with ScriptedVendor("503") as vendor:
        first, second = policy(read), policy(read_too)
        for fetch in (first, first, second, second):
            with pytest.raises(requests.exceptions.RetryError):
                fetch()
        assert vendor.calls == 4 * 3
    told = steps.of("amplified")
    assert [step.label.rpartition(".")[2] for step in told] == ["read", "read_too"]
    assert told[0].text == (
        "effective attempts 4 × 3 = 12: urllib3 (in an adapter of requests) retries by itself; "
        "set HTTPAdapter(max_retries=0) or lower attempts= (meanwhile @retry counts them as its "
        "own)"
    )
    assert told[0].facts["effective"] == 12


def test_a_function_that_loops_is_told_to_leave_that_to_retry(steps: RecordedSteps) -> None:
    @retry(attempts=4)
    def fetch() -> None:
        for left in (2, 1, 0):
            try:
                get(vendor.url)
            except requests.HTTPError:
                if not left:
                    raise

    with ScriptedVendor("503") as vendor:
        with pytest.raises(requests.HTTPError):
            fetch()
    assert steps.of("amplified")[0].text.startswith(
        "effective attempts 4 × 3 = 12: the function repeats requests by itself; "
        "leave that to @retry or lower attempts="
    )
    assert steps.of("amplified")[0].facts["client"] is None


@pytest.mark.parametrize(
    ("script", "attempts"),
    [("503", 1), ("404", 4), ("200 x2, 503, 200", 4), ("503 x2, 200", 4)],
    ids=["no retry of ours", "a mistake", "other requests", "it worked in the end"],
)
def test_nothing_is_reported_where_nothing_would_be_multiplied(
    script: str, attempts: int, steps: RecordedSteps
) -> None:
    @retry(attempts)
    def fetch() -> None:
        for _ in range(3):
            response = requests.get(vendor.url, timeout=5)
        response.raise_for_status()

    with ScriptedVendor(script) as vendor:
        with contextlib.suppress(requests.HTTPError):
            fetch()
    assert not steps.of("amplified")


def test_a_failure_that_did_not_raise_names_the_client_with_care(
    steps: RecordedSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    stripe = Client("stripe", "max_network_retries=0")
    monkeypatch.setattr("resilient.policies.retry.who_retries", {None: stripe}.get)

    @retry(attempts=4)
    def fetch() -> requests.Response:
        for _ in range(2):
            response = requests.get(vendor.url, timeout=5)
        return response

    with ScriptedVendor("503") as vendor:
        assert fetch().status_code == 503
        assert vendor.calls == 4
    assert steps.of("amplified")[0].text.startswith(
        "effective attempts 4 × 2 = 8: stripe, it seems, retries by itself; "
        "set max_network_retries=0 or lower attempts="
    )


def test_an_inner_retry_of_ours_is_no_client_that_retries(steps: RecordedSteps) -> None:
    inner = retry(attempts=2)(get)

    @retry(attempts=3)
    def fetch() -> str:
        return inner(vendor.url)

    with ScriptedVendor("503") as vendor:
        with pytest.raises(requests.HTTPError):
            fetch()
    assert not steps.of("amplified")


def test_throttled_tries_that_ended_in_400_are_not_multiplied(clock: FakeClock) -> None:
    class AwsError(Exception):
        response = {"Error": {"Code": "ThrottlingException"}}  # noqa: RUF012

    @retry(attempts=3)
    def fetch() -> None:
        for _ in range(3):
            requests.post(vendor.url, timeout=5)
        raise AwsError

    with ScriptedVendor("400") as vendor:
        with pytest.raises(AwsError):
            fetch()
        assert vendor.calls == 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_the_tries_of_a_loop_inside_the_function_are_not_multiplied(status: int) -> None:
    @retry(attempts=3)
    def fetch() -> str:
        for _ in range(3):
            response = requests.get(vendor.url, timeout=5)
            if response.ok:
                break
        response.raise_for_status()
        return response.text

    with ScriptedVendor(str(status)) as vendor:
        with pytest.raises(requests.HTTPError) as raised:
            fetch()
        assert vendor.calls == 3
    story = f"gave up after 3 tries, 2 of them made below @retry ({status})"
    assert story in notes_of(raised.value)


def test_requests_that_went_well_are_no_tries() -> None:
    @retry(attempts=3)
    def pages() -> None:
        for path in ("/one", "/two", "/missing"):
            requests.get(vendor.url_for(path), timeout=5)
        get(vendor.url_for("/last"))

    with ScriptedVendor({"/missing": "404", "/last": "503 x2, 200", "*": "200"}) as vendor:
        pages()
        assert vendor.calls == 3 * 4


def raising_outer(url: str, inner: Callable[[str], Any]) -> Any:
    return inner(url)


def checking_outer(url: str, inner: Callable[[str], Any]) -> Any:
    response = inner(url)
    response.raise_for_status()
    return response


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        (raising_outer, get),
        (checking_outer, lambda url: requests.get(url, timeout=5)),
        (raising_outer, lambda url: requests.get(url, timeout=5)),
    ],
    ids=["the error passes", "the response is checked outside", "the response passes"],
)
def test_the_retries_of_a_function_inside_are_not_multiplied(
    outer: Callable[..., Any], inner: Callable[[str], Any]
) -> None:
    inside = retry(attempts=3, budget=None)(inner)
    outside = fallback(None)(retry(attempts=3, budget=None)(outer))
    with ScriptedVendor("503") as vendor:
        outside(vendor.url, inside)
        assert vendor.calls == 3


def test_retries_two_levels_down_count_all(clock: FakeClock) -> None:
    lowest = retry(attempts=2)(get)
    middle = retry(attempts=4)(lambda url: lowest(url))
    highest = retry(attempts=4)(lambda url: middle(url))
    with ScriptedVendor("503") as vendor:
        with pytest.raises(requests.HTTPError):
            highest(vendor.url)
        assert vendor.calls == 4


def test_a_fallback_below_ends_the_retries(clock: FakeClock) -> None:
    with pytest.warns(match="nothing is ever retried"):
        fetch = retry(fallback("answer")(get))
    with ScriptedVendor("503") as vendor:
        assert fetch(vendor.url) == "answer"
        assert vendor.calls == 1


# The budget


def test_retries_stay_under_a_share_of_recent_calls(clock: FakeClock, steps: RecordedSteps) -> None:
    fetch = fallback(None)(retry(attempts=2, wait=0, budget=0.2)(get))
    with ScriptedVendor("503") as vendor:
        for _ in range(100):
            fetch(vendor.url)
        # 10 in any case, and from then on one for each 5 calls.
        assert vendor.calls == 100 + 20
    assert len(steps.of("retry_refused")) == 80
    assert "20% of recent calls" in steps.of("retry_refused")[-1].text


def test_the_floor_is_for_each_minute(clock: FakeClock) -> None:
    fetch = fallback(None)(retry(attempts=2, wait=0, budget=0.01)(get))
    with ScriptedVendor("503") as vendor:
        for _ in range(20):
            fetch(vendor.url)
        assert vendor.calls == 20 + Budget.FLOOR
        clock.advance(2 * Budget.WINDOW)
        for _ in range(20):
            fetch(vendor.url)
        assert vendor.calls == 2 * (20 + Budget.FLOOR)


def test_functions_that_share_a_policy_share_its_budget() -> None:
    shared = retry(attempts=2, wait=0, budget=0.01)
    functions = [fallback(None)(shared(function)) for function in (get, lambda url: get(url))]
    with ScriptedVendor("503") as vendor:
        for _ in range(20):
            for function in functions:
                function(vendor.url)
        assert vendor.calls == 40 + Budget.FLOOR


def test_without_a_budget_every_call_is_retried() -> None:
    fetch = fallback(None)(retry(attempts=2, wait=0, budget=None)(get))
    with ScriptedVendor("503") as vendor:
        for _ in range(30):
            fetch(vendor.url)
        assert vendor.calls == 60


# The deadline


def test_a_wait_that_would_outlast_the_deadline_fails_at_once(
    clock: FakeClock, steps: RecordedSteps
) -> None:
    fetch = service("vendor", deadline=10)(retry(get))
    with ScriptedVendor("429 retry-after=30 delay=2, 200") as vendor:
        with pytest.raises(requests.HTTPError) as raised:
            fetch(vendor.url)
        assert vendor.calls == 1
    assert raised.value.response.status_code == 429
    assert clock.slept == []
    assert clock.now == pytest.approx(2)
    assert steps.kinds() == ["retry_refused"]
    assert "due in 31 s, and 8 s are left" in notes_of(raised.value)


def test_waits_that_fit_into_the_deadline_are_made(clock: FakeClock) -> None:
    fetch = service("vendor", deadline=10)(retry(attempts=9)(get))
    with ScriptedVendor("503") as vendor:
        with pytest.raises(requests.HTTPError):
            fetch(vendor.url)
        assert vendor.calls == 4
    assert clock.slept == [1, 2, 4]


# The error in the end


def test_the_last_error_is_raised_unchanged_with_the_story() -> None:
    errors = [ConnectionResetError("first"), TimeoutError("second"), BrokenPipeError("third")]
    with pytest.raises(BrokenPipeError) as raised:
        retry(failing_with(*errors))()
    assert raised.value is errors[2]
    assert str(raised.value) == "third"
    assert [error.__context__ for error in errors] == [None] * 3
    assert [error.__cause__ for error in errors] == [None] * 3
    (note,) = raised.value.__notes__
    assert note.endswith(
        "try 1 of 3 failed (ConnectionResetError), waits 1 s → "
        "try 2 of 3 failed (TimeoutError), waits 2 s → gave up after 3 tries (BrokenPipeError)"
    )
    assert not hasattr(errors[0], "__notes__")


def test_an_error_that_takes_no_notes_is_raised_all_the_same() -> None:
    class Frozen(ConnectionError):
        def add_note(self, note: str) -> None:
            raise AttributeError

        def __setattr__(self, name: str, value: object) -> None:
            if name == "__notes__":
                raise AttributeError(name)
            super().__setattr__(name, value)

    with pytest.raises(Frozen):
        retry(failing_with(Frozen()))()


def test_an_error_raised_again_and_again_keeps_a_bounded_story() -> None:
    error = ConnectionResetError()
    fetch = retry(attempts=2, wait=lambda: iter([len(getattr(error, "__notes__", ()))]))(
        failing_with(error)
    )
    for _ in range(20):
        with pytest.raises(ConnectionResetError):
            fetch()
    assert len(error.__notes__) == 8


def test_a_call_that_failed_for_good_leaves_nothing_for_the_garbage_collector() -> None:
    class Local:
        pass

    seen: list[weakref.ref[Local]] = []

    @service("vendor", deadline=100)
    @retry
    def fetch() -> None:
        local = Local()
        seen.append(weakref.ref(local))
        raise ConnectionResetError

    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            with contextlib.suppress(ConnectionResetError):
                fetch()
        assert [alive() for alive in seen] == [None] * 9
    finally:
        gc.enable()


def test_what_it_does_is_reported(steps: RecordedSteps) -> None:
    with ScriptedVendor("503, 429 retry-after=5, 200") as vendor:
        retry(get)(vendor.url)
    assert [(step.kind, step.text) for step in steps] == [
        ("retry", "try 1 of 3 failed (503), waits 1 s"),
        ("retry", "try 2 of 3 failed (429), waits 5.5 s"),
    ]
    assert dict(steps[1].facts) == {"waited": 5.5, "tried": 2, "of": 3}


def test_a_mistake_after_a_failure_ends_the_retries(steps: RecordedSteps) -> None:
    with ScriptedVendor("503, 404") as vendor, pytest.raises(requests.HTTPError) as raised:
        retry(get)(vendor.url)
    assert raised.value.response.status_code == 404
    assert steps.kinds() == ["retry", "gave_up"]
    assert "404 can't be mended by repeating" in steps[1].text


def test_one_attempt_means_no_retry_and_no_word_about_it(steps: RecordedSteps) -> None:
    with ScriptedVendor("503") as vendor, pytest.raises(requests.HTTPError):
        retry(attempts=1)(get)(vendor.url)
    assert steps == []


# Options


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"attempts": 0}, "retry(attempts=0): use a whole number of 1 or more; 1 means no retry"),
        ({"attempts": "3"}, "retry(attempts='3')"),
        ({"attempts": 2.5}, "retry(attempts=2.5)"),
        ({"attempts": True}, "retry(attempts=True)"),
        ({"attempts": None}, "retry(attempts=None)"),
        ({"wait": -1}, "retry(wait=-1): use a finite time of 0 or more"),
        ({"wait": float("inf")}, "retry(wait=inf)"),
        ({"wait": "1s"}, "retry(wait='1s'): use backoff.expo"),
        ({"wait": True}, "retry(wait=True)"),
        ({"wait": []}, "retry(wait=()): give at least one"),
        ({"wait": [1, "2"]}, "retry(wait='2'): use seconds"),
        ({"wait": backoff.expo()}, "retry(wait=<generator object expo"),
        ({"wait": backoff.full_jitter}, "retry(wait=full_jitter): use a wait generator"),
        ({"wait": lambda: 3}, "retry(wait=<lambda>): use a wait generator"),
        ({"wait": lambda: iter("ab")}, "retry(wait=<lambda>) gave 'a'"),
        ({"wait": lambda: iter(())}, "retry(wait=<lambda>): use a wait generator"),
        ({"wait": functools.partial(backoff.expo, bse=3)}, "retry(wait=functools.partial("),
        ({"wait": FlakyError}, "retry(wait=<class"),
        ({"max_wait": 0}, "retry(max_wait=0): use a finite time of more than 0"),
        ({"on": "ValueError"}, "retry(on='ValueError'): use exception classes"),
        ({"on": ValueError("x")}, "retry(on=ValueError('x')): use exception classes"),
        ({"on": KeyboardInterrupt}, "retry(on=KeyboardInterrupt): Ctrl-C"),
        ({"on": BaseException}, "retry(on=BaseException): Ctrl-C"),
        ({"budget": 0}, "retry(budget=0): use a share above 0"),
        ({"budget": 20}, "retry(budget=20): use a share above 0 up to 1 (for 20 % write 0.2)"),
        ({"budget": "all"}, "retry(budget='all')"),
        ({"idempotent": 1}, "retry(idempotent=1): use True or False"),
        ({"mode": "watch"}, "retry(mode='watch'): use 'enforce' or 'observe'"),
        ({"tries": 3}, "retry(tries=…): there is no such option"),
        ({"attemps": 3}, "retry(attemps=…): there is no such option; did you mean attempts?"),
    ],
    ids=said,
)
def test_a_bad_option_is_refused_when_the_policy_is_made(
    options: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        retry(**options)
    assert str(refused.value).startswith(named)


def test_its_settings_can_be_read() -> None:
    assert repr(retry()) == "retry(attempts=3, wait=expo, max_wait=60, budget=0.2)"
    assert repr(retry(2, wait=3, on=OSError, budget=None, idempotent=True)) == (
        "retry(attempts=2, wait=3, max_wait=60, budget=None, on=OSError, idempotent=True)"
    )


# The traps of backoff: first the naive use, then ours.


class TestTrapsOfBackoff:
    def test_its_default_jitter_shortens_a_retry_after(
        self, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert backoff.full_jitter(20) < 20  # for each value but the very last
        monkeypatch.setattr(chance, "uniform", min)
        with ScriptedVendor("429 retry-after=20, 200") as vendor:
            retry(get)(vendor.url)
        assert clock.slept[0] >= 20

    def test_it_clamps_a_wait_to_max_time_and_then_calls_anyway(
        self, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        naps: list[float] = []
        monkeypatch.setattr("backoff._sync.time", types.SimpleNamespace(sleep=naps.append))
        runs = failing_with(ConnectionResetError())
        with pytest.raises(ConnectionResetError):
            backoff.on_exception(
                backoff.constant, OSError, interval=30, max_time=0.5, max_tries=2, jitter=None
            )(runs)()
        assert runs.calls == 2
        assert naps[0] < 1  # of the 30 seconds it was to wait
        with ScriptedVendor("503 retry-after=30") as vendor:
            with pytest.raises(requests.HTTPError):
                service("vendor", deadline=5)(retry(get))(vendor.url)
            assert vendor.calls == 1

    def test_it_retries_for_ever_by_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("backoff._sync.time", types.SimpleNamespace(sleep=float))
        runs = failing_with(*[ConnectionResetError()] * 500, None)
        assert backoff.on_exception(backoff.expo, OSError)(runs)() == "done"
        ours = failing_with(*[ConnectionResetError()] * 500, None)
        with pytest.raises(ConnectionResetError):
            retry(ours)()
        assert ours.calls == 3

    def test_it_reads_the_elapsed_time_before_the_call(
        self, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
    ) -> None:
        now = types.SimpleNamespace(now=lambda: datetime.fromtimestamp(clock.unix))
        monkeypatch.setattr("backoff._sync.datetime", types.SimpleNamespace(datetime=now))
        monkeypatch.setattr("backoff._sync.time", types.SimpleNamespace(sleep=clock.sleep))
        runs = failing_with(ConnectionResetError())

        def slow() -> str:
            clock.advance(100)
            return runs()

        naive = backoff.on_exception(
            backoff.constant, OSError, max_time=50, interval=1, jitter=None
        )
        with pytest.raises(ConnectionResetError):
            naive(slow)()
        assert runs.calls == 2  # the time was up after the first
        runs.calls = 0
        with pytest.raises(DeadlineExceeded):
            service("vendor", deadline=50)(retry(slow))()
        assert runs.calls == 1

    def test_it_logs_the_text_of_the_exception(
        self, caplog: pytest.LogCaptureFixture, steps: RecordedSteps
    ) -> None:
        secret = "token=s3cr3t"
        with caplog.at_level("INFO", logger="backoff"):
            with pytest.raises(ConnectionResetError):
                backoff.on_exception(backoff.constant, OSError, interval=0, max_tries=2)(
                    failing_with(ConnectionResetError(secret))
                )()
        assert secret in caplog.text
        with pytest.raises(ConnectionResetError):
            retry(failing_with(ConnectionResetError(secret)))()
        assert steps
        assert not any(secret in step.text for step in steps)


# Threads


@pytest.mark.stress
def test_many_threads_keep_the_budget_and_the_attempts() -> None:
    threads, calls = 16, 200
    policy = Retry(attempts=3, wait=0, budget=0.1)
    runs: list[int] = []
    start = threading.Barrier(threads)

    @fallback(None)
    @policy
    def fetch() -> None:
        runs.append(1)
        raise ConnectionResetError

    def work() -> None:
        start.wait()
        for _ in range(calls):
            fetch()

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    total = threads * calls
    assert total * 0.1 * 0.9 <= len(runs) - total <= total * 0.1 + threads
