"""What response headers say about a vendor's limits: pure functions over headers.

headers: names in any case, values as sent. A malformed value counts as absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from resilient.http.headers import date_of, number_of, value_of
from resilient.timing import clock

MAX_WAIT = 24 * 3600.0
"""Seconds; no header makes a caller wait longer than this."""

_YEAR_2001 = 978_307_200.0


class Quota(NamedTuple):
    """What is left of a vendor's quota.

    limit: calls per window, None if not told. remaining: calls left, 0 or more.
    reset_in: seconds until the window ends, None if not told; 0.0 if it is over.
    """

    limit: int | None
    remaining: int
    reset_in: float | None


def retry_after_of(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds to wait by Retry-After; None if there is none.

    now: Unix time in seconds, for a date when the response has no Date of its own.
    Source: RFC 9110 10.2.3.
    """
    said = value_of(headers, "Retry-After")
    if said is None:
        return None
    wait = number_of(said)
    if wait is None:
        moment = date_of(said)
        if moment is None:
            return None
        # The vendor's clock may differ from ours: its own Date cancels that out.
        sent = date_of(value_of(headers, "Date"))
        wait = moment - (sent if sent is not None else _now(now))
    return min(max(wait, 0.0), MAX_WAIT)


def quota_of(headers: Mapping[str, str], now: float | None = None) -> Quota | None:
    """What is left of the vendor's quota; None if the headers don't tell.

    now: Unix time in seconds, which makes absolute reset times relative.
    Source: draft-ietf-httpapi-ratelimit-headers-03 (RateLimit-*), and the X- forms of the vendors.
    """
    told: dict[str, str] = {}
    for name, value in headers.items():
        lowered = str(name).lower()
        if "rate" in lowered and isinstance(value, str):
            told.setdefault(lowered, value)
    for prefix in ("ratelimit-", "x-ratelimit-", "x-rate-limit-"):
        remaining = number_of(told.get(prefix + "remaining"))
        if remaining is None:
            continue
        # The limit may be followed by others, and by parameters: "100, 100;w=60".
        limit = number_of(re.split("[,;]", told.get(prefix + "limit", ""))[0])
        reset = number_of(told.get(prefix + "reset"))
        return Quota(
            limit=None if limit is None else int(limit),
            remaining=int(remaining),
            reset_in=None if reset is None else _reset_in(reset, headers, now),
        )
    return None


def looks_rate_limited(status: int, headers: Mapping[str, str]) -> bool:
    """Is this answer a refusal for rate? 429 always; 403 and 503 if the headers say so."""
    if status == 429:
        return True
    if status not in (403, 503):
        return False
    quota = quota_of(headers)
    if quota is not None and quota.remaining == 0:
        return True
    # A 503 with Retry-After is an outage (RFC 9110 15.6.4); a 403 with one is a secondary limit.
    return status == 403 and retry_after_of(headers) is not None


def asked_pause(status: int, headers: Mapping[str, str]) -> tuple[float, str] | None:
    """For how many seconds an answer asks everybody to wait, and why; None if it does not."""
    if status == 503 or looks_rate_limited(status, headers):
        wait = retry_after_of(headers)
        if wait:
            return wait, f"the vendor answered {status} and asked for it"
    left = quota_of(headers)
    if left is None or left.remaining > 0 or not left.reset_in:
        return None
    return left.reset_in, f"0 of {left.limit} calls left" if left.limit else "no calls left"


def _reset_in(reset: float, headers: Mapping[str, str], now: float | None) -> float:
    if reset >= _YEAR_2001 * 1000:
        reset /= 1000
    if reset >= _YEAR_2001:
        sent = date_of(value_of(headers, "Date"))
        reset -= sent if sent is not None else _now(now)
    return min(max(reset, 0.0), MAX_WAIT)


def _now(now: float | None) -> float:
    return clock.time() if now is None else now
