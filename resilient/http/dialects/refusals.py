"""What the body of a refusal says: an error code for rate, and how long to wait.

A body is never shown; only codes from a closed list are looked for. It may be cut off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from resilient.http.dialects.moments import UNITS, YEAR, duration_of
from resilient.http.dialects.windows import Row

_LONGEST = 16 * 1024
"""Bytes of a body that are looked at for codes, and for JSON four times as many."""

_CODES = {
    # botocore's throttled codes
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
    # Google, YouTube, gRPC
    "rateLimitExceeded",
    "userRateLimitExceeded",
    "quotaExceeded",
    "dailyLimitExceeded",
    "RESOURCE_EXHAUSTED",
    # Azure, Microsoft Graph, SharePoint
    "ServerBusy",
    "activityLimitReached",
    "TooManyRequests",
    # GraphQL of Shopify, GitHub, Linear, Monday
    "THROTTLED",
    "RATE_LIMITED",
    "ComplexityException",
    "COMPLEXITY_BUDGET_EXHAUSTED",
    "MAX_COMPLEXITY_EXCEEDED",
    # Square, Airtable, Stripe, Anthropic, PayPal
    "rate_limit",
    "rate_limit_error",
    "RATE_LIMIT_REACHED",
    "overloaded_error",
    # QuickBooks, DocuSign, NetSuite, Salesforce
    "ThrottleExceeded",
    "HOURLY_APIINVOCATION_LIMIT_EXCEEDED",
    "BURST_APIINVOCATION_LIMIT_EXCEEDED",
    "SSS_REQUEST_LIMIT_EXCEEDED",
}
CODES = frozenset(re.sub("[_ -]", "", code).lower() for code in _CODES)
"""Error codes, in lower case and without "_", "-" and spaces: vendors spell them in each way."""

# A JSON string that is no key, the name behind "namespace#", or the text of an XML element.
_CODE = re.compile(r'(?:["#>]|EAPI:)([A-Za-z][A-Za-z0-9_ -]{3,60})(?:"(?!\s{0,4}:)|<|:http)')
_PHRASE = re.compile(
    r"(?:exceeded|hit|reached) (?:a |an |the |your |its )?(?:[a-z]{1,20} )?(?:rate[ -]?limit|quota)"
    r"|(?:rate[ -]?limit|request limit|call limit|calls limit|quota) "
    r"(?:is |was |has been |have been )?(?:exceeded|reached|hit|exhausted)"
    r"|too many (?:requests|calls|api calls)"
    r"|abuse detection mechanism",
    re.IGNORECASE,
)
_SECONDARY = re.compile(r"secondary rate limit|abuse detection mechanism", re.IGNORECASE)
_SECONDARY_WAIT = 60.0
"""Seconds. docs.github.com: "wait for at least one minute before retrying"."""

_DELAY = re.compile(
    r'"(?:retry[_-]?(?:after|in|delay))([_-]?(?:ms|milliseconds|seconds|secs?|s))?"\s{0,4}:\s{0,4}'
    r'"?([0-9]{1,9}(?:\.[0-9]{1,9})?)\s?(ms|s|m|h)?"?',
    re.IGNORECASE,
)
_SPOKEN_DELAY = re.compile(
    r"(?:again|retry|retrying|available|wait|waiting|reset|resets) (?:in |after |for |at least )"
    r"((?:[0-9]{1,9}(?:\.[0-9]{1,9})? ?(?:ms|milliseconds?|m|minutes?|mins?|s|seconds?|secs?|h|"
    r"hours?|hrs?)(?![a-z])[ ,]{0,2}){1,4})",
    re.IGNORECASE,
)


def text_of(body: bytes | str) -> str:
    """The beginning of a body; codes are ASCII, so one decoding serves all."""
    if isinstance(body, str):
        return body[:_LONGEST]
    return bytes(body[:_LONGEST]).decode("latin-1") if isinstance(body, (bytes, bytearray)) else ""


def is_code(text: str) -> bool:
    """Is this an error code for rate? A namespace before it and an address behind it are fine."""
    code = text.rpartition("#")[2].partition(":")[0]
    return re.sub("[_ -]", "", code[:100]).lower() in CODES


def tells_of_rate(text: str) -> bool:
    """Does the body of an error name a limit of rate as its cause?"""
    return any(is_code(match[1]) for match in _CODE.finditer(text)) or bool(_PHRASE.search(text))


def delay_in(text: str) -> float | None:
    """Seconds to wait, as the body of a refusal asks; None if it does not."""
    match = _DELAY.search(text)
    if match:
        named, number, unit = match.groups()
        word = (named or "").strip("_-").lower() or (unit or "").lower()
        delay = float(number) * UNITS.get(word, 1.0)
        return delay if delay <= YEAR else None
    match = _SPOKEN_DELAY.search(text)
    if match:
        spoken = duration_of(match[1].strip(" ,"))
        return spoken if spoken is not None and spoken <= YEAR else None
    return _SECONDARY_WAIT if _SECONDARY.search(text) else None


def graphql_errors(body: bytes | str) -> tuple[bool, list[Row], float | None]:
    """What an answer with status 200 tells: is it a refusal, its quota, seconds to wait.

    Only codes at their usual places count: what else is in the body is the caller's data.
    """
    found = _parsed(body)
    if not isinstance(found, dict):
        return False, [], None
    refused = any(is_code(code.rpartition(":")[2]) for code in _codes(found, 0))
    row, wait = _shopify(found)
    if refused and wait is None:
        wait = delay_in(text_of(body))
    return refused, [] if row is None else [row], wait if refused else None


def _parsed(body: bytes | str) -> object:
    if len(body) > 4 * _LONGEST:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _codes(found: Any, depth: int) -> Iterator[str]:
    if isinstance(found, str):
        yield found[:100]
    elif isinstance(found, list) and depth < 6:
        for error in found[:20]:
            yield from _codes(error, depth + 1)
    elif isinstance(found, dict) and depth < 6:
        places = ("code", "type", "message", "reason", "extensions", "error_code", "errorCode")
        for place in ("error", "errors", "error_code") if depth == 0 else places:
            if place in found:
                yield from _codes(found[place], depth + 1)


def _shopify(found: dict[str, Any]) -> tuple[Row | None, float | None]:
    """extensions.cost.throttleStatus: points in a bucket that is filled at a steady rate."""
    cost = _member(_member(found, "extensions"), "cost")
    status = _member(cost, "throttleStatus")
    limit, left = _number(status, "maximumAvailable"), _number(status, "currentlyAvailable")
    if limit is None and left is None:
        return None, None
    row = Row("cost", limit, left)
    row.counts = False
    asked, rate = _number(cost, "requestedQueryCost"), _number(status, "restoreRate")
    if asked is None or left is None or not rate:
        return row, None
    return row, min(max((asked - left) / rate, 0.0), YEAR)


def _member(found: object, name: str) -> dict[str, Any]:
    member = found.get(name) if isinstance(found, dict) else None
    return member if isinstance(member, dict) else {}


def _number(found: dict[str, Any], name: str) -> float | None:
    value = found.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < 1e15 else None
