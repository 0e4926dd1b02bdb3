"""What the bodies of refusals say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.http.dialects.refusals import (
    delay_in,
    graphql_errors,
    is_code,
    tells_of_rate,
    text_of,
)


@pytest.mark.parametrize(
    "code",
    [
        *["ThrottlingException", "com.amazonaws.dynamodb#ProvisionedThroughputExceededException"],
        *["ThrottlingException:http://internal.amazon.com/coral/", "SlowDown", "rateLimitExceeded"],
        *["RATE_LIMIT_EXCEEDED", "rate-limited", "THROTTLED", "RESOURCE_EXHAUSTED", "Rate limited"],
    ],
)
def test_a_code_is_known_in_every_spelling(code: str) -> None:
    assert is_code(code)


@pytest.mark.parametrize(
    "code", ["", "AccessDenied", "storageQuotaExceeded", "throttle", "not throttled", "x" * 9999]
)
def test_other_codes_are_not(code: str) -> None:
    assert not is_code(code)


@pytest.mark.parametrize(
    "body",
    [
        '{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}',
        '{"__type":"ThrottlingException","message":"Rate exceeded"}',
        "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
        '{"error":{"errors":[{"domain":"usageLimits","reason":"userRateLimitExceeded"}]}}',
        '[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]',
        '{"errorCode":"HOURLY_APIINVOCATION_LIMIT_EXCEEDED"}',
        '{"message":"You have exceeded a secondary rate limit. Please wait a few minutes."}',
        '{"message":"API rate limit exceeded for 1.2.3.4."}',
        '{"error":{"message":"(#4) Application request limit reached","code":4}}',
        '{"detail":"Too many requests, slow down"}',
        '{"errors":[{"extensions":{"code":"RATELIMITED"}}], "cut": "of',
    ],
)
def test_a_body_tells_of_a_limit_of_rate(body: str) -> None:
    assert tells_of_rate(body)


@pytest.mark.parametrize(
    "body",
    [
        "",
        '{"message":"Resource not accessible by integration"}',
        '{"error":{"errors":[{"domain":"global","reason":"forbidden"}]}}',
        '{"error":{"errors":[{"reason":"storageQuotaExceeded"}]}}',
        '{"documentation_url":"https://docs.github.com/rest/overview/rate-limits"}',
        '{"throttled": false, "rate_limited": false}',
        "<html><body>Down for maintenance</body></html>",
        "the field 'throttling' is required",
    ],
)
def test_other_bodies_do_not(body: str) -> None:
    assert not tells_of_rate(body)


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ('{"retry_after": 64.57, "global": false}', 64.57),
        ('{"error":{"retry_after":300}}', 300),
        ('{"retryAfter":"12"}', 12),
        ('{"retry-after-ms": 1500}', 1.5),
        ('{"retry_after_ms": 1500}', 1.5),
        ('{"retryDelay": "34.07s"}', 34.07),
        ('{"extensions":{"retry_in_seconds": 15}}', 15),
        ('{"message":"Please try again in 1m23.5s. Visit"}', 83.5),
        ('{"message":"Please try again in 345ms."}', 0.345),
        ('{"detail":"Request was throttled. Expected available in 56 seconds."}', 56),
        ("Retry after 2 minutes", 120),
        ("wait at least 30 seconds", 30),
        ("You have exceeded a secondary rate limit", 60),
        ('{"retry_after": 999999999}', None),
        ('{"retry_after": null}', None),
        ('{"retry_after": -5}', None),
        ("try again later", None),
        ("", None),
    ],
)
def test_a_body_may_ask_for_a_delay(body: str, seconds: float | None) -> None:
    assert delay_in(body) == (seconds if seconds is None else pytest.approx(seconds))


SHOPIFY = {
    "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
    "extensions": {
        "cost": {
            "requestedQueryCost": 752,
            "throttleStatus": {
                "maximumAvailable": 1000.0,
                "currentlyAvailable": 252,
                "restoreRate": 50.0,
            },
        }
    },
}


def test_shopifys_answer_tells_its_bucket_of_points_and_when_it_holds_enough() -> None:
    refused, rows, wait = graphql_errors(json.dumps(SHOPIFY))
    assert refused
    assert wait == 10
    assert [tuple(row.window()) for row in rows] == [("cost", 1000, 252, None, None, False)]
    served = {key: value for key, value in SHOPIFY.items() if key != "errors"}
    refused, rows, wait = graphql_errors(json.dumps(served).encode())
    assert (refused, wait, len(rows)) == (False, None, 1)


@pytest.mark.parametrize(
    "body",
    [
        '{"ok": false, "error": "ratelimited"}',
        '{"errors":[{"type":"RATE_LIMITED","message":"API rate limit exceeded"}]}',
        '{"error":["EAPI:Rate limit exceeded"]}',
        '{"error_code":"ComplexityException","error_message":"Complexity budget exhausted"}',
    ],
)
def test_an_answer_with_status_200_may_be_a_refusal(body: str) -> None:
    assert graphql_errors(body)[0]


@pytest.mark.parametrize(
    "body",
    [
        '{"data":{"states":["THROTTLED","rate_limited"]}}',
        '{"status":"throttled","code":"throttled"}',
        '["ratelimited"]',
        '{"errors":[{"message":"not found"}]}',
        '{"errors":[{"extensions":{"code":"THROTTLED"',
        '{"extensions":{"cost":5}}',
        '{"extensions":{"cost":{"throttleStatus":{"maximumAvailable":NaN}}}}',
        "[" * 60_000,
        '{"error":' * 5_000,
        "{" + " " * 70_000 + "}",
        b"\xff\xfe\x00",
    ],
)
def test_what_a_good_answer_says_elsewhere_is_the_callers_data(body: str | bytes) -> None:
    assert graphql_errors(body) == (False, [], None)


def test_only_the_beginning_of_a_body_is_looked_at() -> None:
    assert len(text_of(b"a" * 10**6)) < 10**5
    assert len(text_of("a" * 10**6)) < 10**5
    assert text_of(bytearray(b"a")) == "a"


@given(st.binary(max_size=400) | st.text('{}[]":,retry_afteinms0123456789 ', max_size=400))
def test_no_body_makes_the_readers_raise(body: bytes | str) -> None:
    text = text_of(body)
    tells_of_rate(text)
    delay = delay_in(text)
    assert delay is None or delay >= 0
    graphql_errors(body)
