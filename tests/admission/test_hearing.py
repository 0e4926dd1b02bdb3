"""What one answer means for a quota."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from resilient.admission.answer import Answer
from resilient.admission.hearing import answer_of, answer_unseen, heard_of
from resilient.call import Call, Exchange, Outcome, Target, Verdict
from resilient.testing import FakeClock, fake_clock


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    with fake_clock(100.0) as fake:
        yield fake


def exchange_of(status: int | None, headers: dict[str, str] | None = None) -> Exchange:
    exchange = Exchange("GET", "vendor.example", 90.0)
    if status is not None:
        exchange.status, exchange.headers, exchange.elapsed = status, headers or {}, 0.5
    return exchange


def call_of(*exchanges: Exchange, outcome: Outcome | None = None) -> Call:
    call = Call.of(Target(lambda: None, service="github", name="repos"))
    for exchange in exchanges:
        call.add_exchange(exchange)
    if outcome is not None:
        call.outcome = outcome
    return call


def heard(status: int, **headers: object) -> Answer:
    named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
    answer = answer_of(call_of(), exchange_of(status, named))
    assert answer is not None
    return answer


def test_an_answer_that_tells_nothing_is_none_of_a_quotas_business(clock: FakeClock) -> None:
    assert answer_of(call_of(), exchange_of(200)) is None
    assert answer_of(call_of(), exchange_of(None)) is None


def test_it_says_who_asked_whom_and_when(clock: FakeClock) -> None:
    answer = heard(200, X_RateLimit_Limit=10, X_RateLimit_Remaining=4, X_RateLimit_Reset=30)
    assert (answer.who, answer.host, answer.why) == ("github.repos", "vendor.example", "200")
    assert (answer.sent, answer.at) == (90.0, 90.5)
    ((name, told, counts_requests),) = answer.windows
    assert (name, counts_requests) == ("", True)
    assert told == (4, 10, 120.5, 90.0, 90.5, False)
    assert answer.wait == 0
    assert not answer.refused


def test_what_is_left_counts_even_if_nobody_says_until_when(clock: FakeClock) -> None:
    answer = heard(200, X_RateLimit_Limit=10, X_RateLimit_Remaining=0)
    assert [told.resets_at for _, told, _ in answer.windows] == [None]


def test_a_limit_alone_is_no_window(clock: FakeClock) -> None:
    answer = answer_of(call_of(), exchange_of(200, {"X-RateLimit-Limit": "10"}))
    assert answer is None or not answer.windows


def test_a_bare_refusal_has_no_wait(clock: FakeClock) -> None:
    answer = heard(429)
    assert answer.refused
    assert answer.wait is None
    assert not answer.windows


@pytest.mark.parametrize(
    ("status", "refused", "wait"),
    [
        (429, True, 30.0),
        (503, False, 30.0),
        (202, False, 0.0),
        (301, False, 0.0),
        (200, False, 0.0),
    ],
)
def test_retry_after_means_everybody_only_with_a_refusal_or_an_outage(
    clock: FakeClock, status: int, refused: bool, wait: float
) -> None:
    """RFC 9110 10.2.3: with a redirect, or 202, it is about that one request."""
    answer = answer_of(call_of(), exchange_of(status, {"Retry-After": "30"}))
    assert (answer.refused if answer else False) == refused
    assert (answer.wait if answer else 0.0) == wait
    assert not answer or not answer.scoped


def test_a_refusal_of_a_quota_that_is_used_up_is_about_that_one(clock: FakeClock) -> None:
    answer = heard(
        429,
        Retry_After=30,
        X_RateLimit_Remaining=0,
        X_RateLimit_Limit=10,
        X_RateLimit_Resource="search",
    )
    assert answer.scoped
    assert answer.scope == "search"


def test_a_refusal_while_there_is_some_left_is_about_everything(clock: FakeClock) -> None:
    """GitHub's secondary limits: told by Retry-After, while the primary quota has plenty."""
    answer = heard(429, Retry_After=30, X_RateLimit_Remaining=4000, X_RateLimit_Limit=5000)
    assert not answer.scoped
    assert answer.wait == 30


def test_a_refusal_that_names_its_bucket_is_about_that_one(clock: FakeClock) -> None:
    answer = heard(429, Retry_After=5, X_RateLimit_Bucket="abc")
    assert answer.scoped
    ((name, told, _),) = answer.windows
    assert (name, told.remaining, told.resets_at) == ("", 0.0, 95.5)


@pytest.mark.parametrize("extra", [{"X_RateLimit_Global": "true"}, {"X_RateLimit_Scope": "global"}])
def test_a_refusal_for_the_whole_account_is_about_everything(
    clock: FakeClock, extra: dict[str, Any]
) -> None:
    answer = heard(429, Retry_After=5, X_RateLimit_Bucket="abc", X_RateLimit_Remaining=0, **extra)
    assert not answer.scoped
    assert answer.wait == 5


def test_an_answer_that_came_is_news_although_it_tells_nothing(clock: FakeClock) -> None:
    answer = heard_of(call_of(), exchange_of(200))
    assert (answer.sent, answer.at, answer.refused, answer.wait) == (90.0, 90.5, False, 0.0)
    assert heard_of(call_of(), exchange_of(None)).at == 90.0


# What only the outcome tells.


REFUSED = Outcome(Verdict.THROTTLED, "SlowDown", None)


def test_an_error_of_an_sdk_tells_what_its_answer_did_not(clock: FakeClock) -> None:
    call = call_of(exchange_of(400), outcome=REFUSED._replace(retry_after=7.0))
    answer = answer_unseen(call)
    assert answer is not None
    assert (answer.refused, answer.wait, answer.why) == (True, 7.0, "SlowDown")
    assert (answer.sent, answer.host) == (90.0, "vendor.example")


def test_what_an_answer_told_is_not_told_twice(clock: FakeClock) -> None:
    call = call_of(exchange_of(429, {"Retry-After": "7"}), outcome=REFUSED)
    assert answer_unseen(call) is None


def test_a_function_without_http_tells_by_its_error_alone(clock: FakeClock) -> None:
    call = call_of(outcome=REFUSED)
    clock.advance(3)
    first = answer_unseen(call)
    assert first is not None
    assert (first.sent, first.at, first.wait) == (100.0, 103.0, None)
    call.next_attempt()
    call.outcome = REFUSED
    second = answer_unseen(call)
    assert second is not None
    assert second.sent == 103.0


@pytest.mark.parametrize(
    ("outcome", "is_heard"),
    [
        (Outcome(Verdict.OK), False),
        (Outcome(Verdict.MISTAKE, "404", 30.0), False),
        (Outcome(Verdict.REFUSED, "breaker", 30.0), False),
        (Outcome(Verdict.TRANSIENT, "503"), False),
        (Outcome(Verdict.TRANSIENT, "503", 30.0), True),
        (Outcome(Verdict.BROKEN, "500", 30.0), True),
    ],
    ids=str,
)
def test_other_outcomes_are_heard_only_if_the_vendor_asks_for_a_wait(
    clock: FakeClock, outcome: Outcome, is_heard: bool
) -> None:
    answer = answer_unseen(call_of(outcome=outcome))
    assert (answer is not None) == is_heard
    assert answer is None or not answer.refused
