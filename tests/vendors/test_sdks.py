"""Vendors' SDKs under the policies, each against a vendor on the loopback that follows a script."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from resilient import Verdict, retry, throttled
from resilient.call import Exchange, current
from resilient.registry import registry
from resilient.repeating import had_no_effect
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor
from tests.vendors.judging import judged
from tests.vendors.sdks import ALL, BOTO3, GITHUB, RETRYING, Sdk, by_name

pytestmark = [
    pytest.mark.vendor,
    # Of SDKs that leave closing their sockets to the garbage collector, or lag behind Python.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

every_sdk = pytest.mark.parametrize("sdk", ALL, ids=by_name)
every_retrying_sdk = pytest.mark.parametrize("sdk", RETRYING, ids=by_name)

SLOW_DOWN = (
    "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


def refusal_of(sdk: Sdk, *headers: str) -> str:
    """How the vendor of this SDK says that it gets too many requests, as a script."""
    if sdk is BOTO3:
        return " ".join([f"503 body='{SLOW_DOWN}'", "content-type=application/xml", *headers])
    if sdk is GITHUB:
        return " ".join(['403 json={"message": "API rate limit exceeded for user."}', *headers])
    return " ".join(["429", *headers])


def observed(read: Callable[[], Any]) -> list[Exchange]:
    """What is seen of the requests that a function makes."""
    seen: list[Exchange] = []

    def wrapped() -> Any:
        result = read()
        call = current.get()
        assert call is not None
        seen.extend(call.exchanges)
        return result

    retry(wrapped)()
    return seen


# What is seen


@every_sdk
def test_the_request_and_the_quota_of_its_answer_are_seen_once(sdk: Sdk) -> None:
    script = f"{sdk.healthy} x-ratelimit-limit=60 x-ratelimit-remaining=59 x-ratelimit-reset=now+60"
    with ScriptedVendor(script) as vendor:
        seen = observed(sdk.reading(vendor.url))
        assert vendor.calls == len(seen) == 1
    assert (seen[0].method, seen[0].host, seen[0].status) == (sdk.method, "127.0.0.1", 200)
    assert seen[0].headers is not None
    assert seen[0].headers["X-RateLimit-Remaining"] == "59"


# What is obeyed


@every_sdk
def test_retry_waits_as_long_as_the_vendor_asked(sdk: Sdk, clock: FakeClock) -> None:
    with ScriptedVendor(f"{refusal_of(sdk, 'retry-after=20')}, {sdk.healthy}") as vendor:
        retry(sdk.reading(vendor.url))()
        assert vendor.calls == 2
    assert clock.total >= 20


@every_sdk
def test_a_refusal_with_retry_after_pauses_the_next_caller_too(
    sdk: Sdk, clock: FakeClock, steps: RecordedSteps
) -> None:
    with ScriptedVendor(f"{refusal_of(sdk, 'retry-after=20')}, {sdk.healthy}") as vendor:
        read = throttled("100/s", max_wait=60)(sdk.reading(vendor.url))
        with pytest.raises(Exception):
            read()
        read()
        assert vendor.calls == 2
    assert clock.total >= 20
    assert "paused" in steps.kinds()


@every_sdk
def test_a_quota_that_is_used_up_is_waited_for_without_a_single_refusal(
    sdk: Sdk, clock: FakeClock
) -> None:
    quota = "x-ratelimit-limit=60 x-ratelimit-remaining=0 x-ratelimit-reset=now+30"
    with ScriptedVendor(f"{sdk.healthy} {quota}, {sdk.healthy}") as vendor:
        read = throttled("100/s", max_wait=60)(sdk.reading(vendor.url))
        read()
        read()
        assert [request.answer.status for request in vendor.requests] == [200, 200]
    assert clock.total >= 29


# What it means


@every_sdk
@pytest.mark.parametrize(
    ("script", "verdict"),
    [
        ("500", Verdict.BROKEN),
        ("502", Verdict.TRANSIENT),
        ("503", Verdict.TRANSIENT),
        ("504", Verdict.TRANSIENT),
        ("529", Verdict.THROTTLED),
        ("429", Verdict.THROTTLED),
        ("429 retry-after=3", Verdict.THROTTLED),
        ("400", Verdict.MISTAKE),
        ("401", Verdict.MISTAKE),
        ("403", Verdict.MISTAKE),
        ("404", Verdict.MISTAKE),
        ("422", Verdict.MISTAKE),
        ("reset", Verdict.TRANSIENT),
        ("close", Verdict.TRANSIENT),
        ("timeout", Verdict.TRANSIENT),
    ],
)
def test_every_failure_is_judged_alike_under_every_sdk(
    script: str, verdict: Verdict, sdk: Sdk, clock: FakeClock
) -> None:
    with ScriptedVendor(script) as vendor:
        call = judged(sdk.reading(vendor.url))
    assert call.outcome.verdict is verdict


@every_sdk
def test_an_answer_that_breaks_off_is_transient(sdk: Sdk, clock: FakeClock) -> None:
    with ScriptedVendor("truncated") as vendor:
        call = judged(sdk.reading(vendor.url))
    # botocore makes a 500 of an answer of S3 that it can't read.
    assert call.outcome.verdict is (Verdict.BROKEN if sdk is BOTO3 else Verdict.TRANSIENT)


@every_sdk
def test_what_is_no_http_speaks_against_the_vendor(sdk: Sdk, clock: FakeClock) -> None:
    with ScriptedVendor("garbage") as vendor:
        call = judged(sdk.reading(vendor.url))
    assert call.outcome.verdict.is_failure


@every_sdk
def test_a_refused_connection_is_transient(sdk: Sdk) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        call = judged(sdk.reading(f"http://127.0.0.1:{port}"))
    assert call.outcome.verdict is Verdict.TRANSIENT
    # so that even a POST may be sent again
    assert had_no_effect(call)


@pytest.mark.parametrize("package", ["httpx", "httpx2"])
@pytest.mark.parametrize("location", ["http://[", "http://x:80x/", "nowhere://x/"], ids=repr)
def test_a_redirect_to_nowhere_speaks_against_the_vendor(location: str, package: str) -> None:
    httpx = pytest.importorskip(package)
    with ScriptedVendor(f"302 location='{location}'") as vendor:
        call = judged(lambda: httpx.get(vendor.url, follow_redirects=True))
    assert call.outcome.verdict.is_failure


@every_sdk
def test_a_refusal_for_rate_tells_the_wait(sdk: Sdk) -> None:
    with ScriptedVendor(refusal_of(sdk, "retry-after=7")) as vendor:
        call = judged(sdk.reading(vendor.url))
    assert call.outcome.verdict is Verdict.THROTTLED
    assert call.outcome.retry_after == 7


# What an SDK repeats by itself


FAILURES = ["429", "503", "reset"]


def tries_of(sdk: Sdk, script: str) -> int:
    """How many requests the SDK alone makes of one failing call."""
    with ScriptedVendor(script) as vendor:
        with pytest.raises(Exception):
            sdk.reading(vendor.url, retries=True)()
        return vendor.calls


@every_retrying_sdk
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("attempts", [2, 3])
def test_attempts_bounds_what_the_vendor_sees(
    attempts: int, failure: str, sdk: Sdk, clock: FakeClock, sdk_sleeps: list[float]
) -> None:
    alone = tries_of(sdk, failure)
    with ScriptedVendor(failure) as vendor:
        with pytest.raises(Exception):
            retry(attempts=attempts)(sdk.reading(vendor.url, retries=True))()
        assert vendor.calls <= max(attempts, alone)


@every_retrying_sdk
@pytest.mark.parametrize("failure", FAILURES)
def test_without_retries_of_its_own_each_attempt_is_one_request(
    failure: str, sdk: Sdk, clock: FakeClock, steps: RecordedSteps
) -> None:
    with ScriptedVendor(failure) as vendor:
        with pytest.raises(Exception):
            retry(attempts=3, idempotent=True)(sdk.reading(vendor.url))()
        assert vendor.calls == 3
    assert not steps.of("amplified")


@every_retrying_sdk
def test_a_retry_around_a_retry_around_an_sdk_multiplies_nothing(
    sdk: Sdk, clock: FakeClock, sdk_sleeps: list[float]
) -> None:
    alone = tries_of(sdk, "503")
    with ScriptedVendor("503") as vendor:
        inner = retry(attempts=3)(sdk.reading(vendor.url, retries=True))
        with pytest.raises(Exception):
            retry(attempts=3)(lambda: inner())()
        assert vendor.calls <= max(3, alone)


@every_retrying_sdk
def test_an_sdk_that_retries_by_itself_is_named_once_with_the_option_to_set(
    sdk: Sdk, clock: FakeClock, steps: RecordedSteps, sdk_sleeps: list[float]
) -> None:
    registry.reset()
    tries = tries_of(sdk, "503")
    assert tries > 1
    with ScriptedVendor("503") as vendor:
        read = retry(attempts=4)(sdk.reading(vendor.url, retries=True))
        for _ in range(3):
            with pytest.raises(Exception):
                read()
    (step,) = steps.of("amplified")
    effective = 4 * tries
    assert step.text.startswith(
        f"effective attempts 4 × {tries} = {effective}: {sdk.client} retries by itself; "
        f"set {sdk.option} or lower attempts="
    )
    assert step.facts == {
        "attempts": 4,
        "tries": tries,
        "effective": effective,
        "client": sdk.client,
        "option": sdk.option,
    }
    assert read.resilient.stats()["steps"]["amplified"] == 1


def test_the_eleven_requests_of_pygithub_stay_eleven(
    clock: FakeClock, steps: RecordedSteps, sdk_sleeps: list[float]
) -> None:
    with ScriptedVendor("503") as vendor:
        with pytest.raises(Exception):
            retry(attempts=3)(GITHUB.reading(vendor.url, retries=True))()
        assert vendor.calls == 11
    assert "effective attempts 3 × 11 = 33: PyGithub" in steps.of("amplified")[0].text


def test_callers_that_fail_at_once_are_told_of_one_amplification(
    steps: RecordedSteps, clock: FakeClock, sdk_sleeps: list[float]
) -> None:
    with ScriptedVendor("503") as vendor:
        read = retry(attempts=4, budget=None)(BOTO3.reading(vendor.url, retries=True))
        together = threading.Barrier(4)

        def run() -> None:
            together.wait(10)
            with pytest.raises(Exception):
                read()

        threads = [threading.Thread(target=run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(steps.of("amplified")) == 1


def test_a_success_after_the_sdks_own_retry_is_no_amplification(
    clock: FakeClock, steps: RecordedSteps, sdk_sleeps: list[float]
) -> None:
    with ScriptedVendor(f"503, {BOTO3.healthy}") as vendor:
        retry(attempts=3)(BOTO3.reading(vendor.url, retries=True))()
        assert vendor.calls == 2
    assert steps.kinds() == []
