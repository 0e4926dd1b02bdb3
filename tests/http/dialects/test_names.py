"""What the names of header fields mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.http.dialects.names import part_of, words_of

LIMIT, REMAINING, USED, RESET, PERIOD = "limit", "remaining", "used", "reset", "period"


@pytest.mark.parametrize(
    ("name", "kind", "bucket", "period"),
    [
        ("RateLimit-Limit", LIMIT, "", None),
        ("X-RATELIMIT-REMAINING", REMAINING, "", None),
        ("x-rate-limit-reset", RESET, "", None),
        ("Rate_Limit_Used", USED, "", None),
        ("X-RateLimits-Left", REMAINING, "", None),
        ("anthropic-ratelimit-input-tokens-remaining", REMAINING, "input tokens", None),
        ("x-ratelimit-remaining-tokens", REMAINING, "tokens", None),
        ("x-ratelimit-limit-requests-day", LIMIT, "requests day", 86400),
        ("X-RateLimit-Limit-Minute", LIMIT, "minute", 60),
        ("X-HubSpot-RateLimit-Secondly-Remaining", REMAINING, "second", 1),
        ("X-RateLimit-UserRemaining", REMAINING, "user", None),
        ("X-RateLimit-hard-limit-limit", LIMIT, "hard", None),
        ("X-RateLimit-hard-limit-remaining", REMAINING, "hard", None),
        ("X-RateLimit-Daily-Usage-Limit", LIMIT, "day", 86400),
        ("X-Rate-Limit-Api-Token-Max", LIMIT, "api token", None),
        ("X-RateLimit-Burst-Capacity", LIMIT, "", None),
        ("X-RateLimit-ResetTime", RESET, "", None),
        ("X-RateLimit-Period", PERIOD, "", None),
        ("RateLimit-Observed", USED, "", None),
        ("x-mbx-used-weight-1m", USED, "weight 1m", 60),
        ("x-mbx-order-count-10s", USED, "order 10s", 10),
        ("Fastly-RateLimit-Remaining", REMAINING, "fastly", None),
        ("X-Quota-Remaining", REMAINING, "quota", None),
        ("x-ms-user-quota-remaining", REMAINING, "ms user quota", None),
        ("X-AppMinLimit-Remaining", REMAINING, "app minute", 60),
        ("X-DayLimit-Remaining", REMAINING, "day", 86400),
        ("X-Bapi-Limit-Status", REMAINING, "bapi", None),
        ("x-limit-per-second", LIMIT, "second", 1),
        ("x-remaining-today", REMAINING, "day", 86400),
        ("x-requests-remaining", REMAINING, "requests", None),
        ("X-Shopify-Shop-Api-Call-Limit", LIMIT, "shopify shop api call", None),
        ("RateLimit", "field", "", None),
        ("Sforce-Limit-Info", "field", "sforce", None),
        ("zendesk-ratelimit-tickets-index", "field", "tickets index", None),
        ("RateLimit-Policy", "policy", "", None),
        ("X-App-Usage", "usage", "app", None),
        ("X-FB-Ads-Insights-Throttle", "usage", "fb ads insights throttle", None),
        ("X-RateLimit-Resource", "scope", "", None),
        ("X-RateLimit-Bucket", "scope", "", None),
        ("X-RateLimit-Scope", "reach", "", None),
        ("X-RateLimit-Global", "reach", "", None),
        ("x-amzn-ErrorType", "code", "", None),
        ("Date", "date", "", None),
        ("AGE", "age", "", None),
    ],
)
def test_a_name_tells_what_its_field_is(
    name: str, kind: str, bucket: str, period: float | None
) -> None:
    part = part_of(name)
    assert part is not None
    assert (part.kind, part.name, part.period, part.sure) == (kind, bucket, period, True)


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        *[("Retry-After", 1), ("X-RateLimit-Retry-After", 1), ("X-RateLimit-RetryAfter", 1)],
        *[("X-Retry-In", 1), ("x-ratelimit-retry", 1), ("X-Rate-Limit-Retry-After-Seconds", 1)],
        *[("retry-after-ms", 1e-3), ("x-ms-retry-after-ms", 1e-3), ("x-amz-retry-after", 1e-3)],
        *[("X-Rate-Limit-Retry-After-Milliseconds", 1e-3), ("Retry-After-Minutes", 60)],
    ],
)
def test_retry_after_has_kin(name: str, scale: float) -> None:
    part = part_of(name)
    assert part is not None
    assert (part.kind, part.scale) == ("retry", scale)


@pytest.mark.parametrize(
    ("name", "scale", "relative"),
    [
        ("X-RateLimit-Reset", 1, False),
        ("X-RateLimit-Reset-After", 1, True),
        ("X-RateLimit-ResetSeconds", 1, True),
        ("X-RateLimit-Reset-Ms", 1e-3, True),
        ("X-RateLimit-Reset-Milliseconds", 1e-3, True),
        ("X-RateLimit-Reset-In-Minutes", 60, True),
    ],
)
def test_the_name_of_a_reset_may_tell_its_unit(name: str, scale: float, relative: bool) -> None:
    part = part_of(name)
    assert part is not None
    assert (part.kind, part.scale, part.relative) == ("reset", scale, relative)


@pytest.mark.parametrize(
    "name",
    [
        *["Content-Type", "Reset", "X-Limit", "X-Remaining", "X-Total-Count", "X-Request-Id"],
        *["x-should-retry", "X-Retry-Count", "Retry", "x-resend-daily-quota", "X-Complexity"],
        *["X-Pagination-Limit", "X-Upload-Remaining", "Content-Length", "X-Page-Limit", "", "-"],
        *["Limit-Policy", "X-RateLimit-" + "a" * 100],
    ],
)
def test_other_names_tell_nothing(name: str) -> None:
    assert part_of(name) is None


@pytest.mark.parametrize("name", ["X-FloodControl-Limit", "X-Bapi-Limit", "X-Credits-Remaining"])
def test_some_names_are_believed_only_beside_a_sibling(name: str) -> None:
    part = part_of(name)
    assert part is not None
    assert not part.sure


@pytest.mark.parametrize("name", ["x-ratelimit-limit-tokens", "x-mbx-used-weight"])
def test_tokens_and_weights_are_no_requests(name: str) -> None:
    part = part_of(name)
    assert part is not None
    assert not part.counts_requests


def test_an_api_token_has_requests() -> None:
    part = part_of("X-Rate-Limit-Api-Token-Remaining")
    assert part is not None
    assert part.counts_requests


def test_compounds_are_cut_into_words() -> None:
    assert words_of("x-ratelimit-resetseconds") == ["x", "rate", "limit", "reset", "seconds"]
    assert words_of("x-appminlimit-remaining") == ["x", "app", "min", "limit", "remaining"]
    assert words_of("x-floodlimit") == ["x", "flood", "limit"]
    assert words_of("x-rate-limiter") == ["x", "rate", "limiter"]


@given(st.text(max_size=120) | st.text("-ratelimtsnuxp_", max_size=100))
def test_no_name_makes_the_reader_raise(name: str) -> None:
    part = part_of(name)
    assert part is None or isinstance(part.name, str)
