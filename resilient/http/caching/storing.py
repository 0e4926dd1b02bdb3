"""Which answers may be kept, and what of them (RFC 9111 3)."""

from __future__ import annotations

from collections.abc import Iterable

from resilient.http.caching.directives import asked_of, forbids_reuse
from resilient.http.caching.fields import dated, headers_kept
from resilient.http.caching.freshness import HEURISTIC, may_estimate, remaining, said_of
from resilient.http.caching.messages import Defaults, Fields, Request, Stored, normalized, resolved
from resilient.http.caching.ranges import is_encoded, is_part, span_of, whole_if_complete
from resilient.http.caching.reusing import stale_windows
from resilient.http.caching.selecting import names_in, vary_of

# What these say is about one request: its conditions, range or size, the proxy, the moment. RFC
# 6585 forbids to keep 428, 429, 431 and 511; a 304 is for what is kept already (RFC 9111 4.3).
_ABOUT_ONE_REQUEST = frozenset({304, 407, 408, 412, 413, 416, 417, 421, 425, 428, 429, 431, 511})

# 5.2.2.3: the statuses of RFC 9110, whose rules are all heeded here.
_UNDERSTOOD = (
    frozenset(range(200, 207)) | frozenset(range(300, 309)) | frozenset(range(400, 427))
).difference({306, 418, 419, 420, 423, 424, 425}) | frozenset(range(500, 506))

_KEPT_TO_BE_VALIDATED = 7 * 86_400.0
"""Seconds past its freshness. An answer that has not been asked for in a week is let go."""


def may_store(request: Request, status: int, fields: Fields, defaults: Defaults) -> bool:
    """May, and is it of any use? Also to be asked again of an answer that a 304 has updated."""
    if status < 200 or status in _ABOUT_ONE_REQUEST or "no-store" in asked_of(request.fields):
        return False
    if names_in(fields.get("vary", "")) is None:  # 4.1: it would never match
        return False
    if status == 206 and not (request.method == "GET" and is_part(fields)):
        return False
    said = said_of(fields, defaults)
    if "must-understand" in said:
        # 5.2.2.3: its no-store is meant for caches that don't know the status.
        if status not in _UNDERSTOOD:
            return False
    elif "no-store" in said:
        return False
    explicit = "max-age" in said or (defaults.respect_headers and "expires" in fields)
    if request.method == "POST":
        return explicit and status == 200 and _is_about_itself(request, fields)
    if request.method not in {"GET", "HEAD"}:
        return False
    if "etag" in fields or "last-modified" in fields:
        return explicit or status in HEURISTIC or not said.keys().isdisjoint({"public", "private"})
    if forbids_reuse(said):  # and there is nothing to validate it with
        return False
    if explicit:
        return True
    # Nothing would ever be done with what can be neither fresh nor validated nor stale.
    return may_estimate(status, fields, defaults) and bool(
        defaults.ttl or defaults.stale_if_error or defaults.stale_while_revalidate
    )


def stored_of(
    request: Request,
    status: int,
    reason: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    requested_at: float,
    received_at: float,
) -> Stored | None:
    """What is kept of an answer that may_store() allowed; None if its parts contradict each other.

    headers: as received. body: whole, with any Content-Encoding undone.
    """
    kept = dated(headers_kept(headers), received_at)
    if request.method == "HEAD":
        body = b""
    stored = Stored(request.method, status, reason, kept, body, requested_at, received_at)
    vary = vary_of(request.fields, stored.fields)
    if vary is None:
        return None
    if status != 206:
        return stored.changed(vary=vary) if vary else stored
    span = span_of(stored.fields.get("content-range"))
    if span is None or span[1] - span[0] + 1 != len(body) or is_encoded(stored.fields):
        return None
    return whole_if_complete(stored.changed(vary=vary, span=span))


def useful_for(stored: Stored, now: float, defaults: Defaults) -> float:
    """Seconds from now after which a store may forget it, since it would hardly be used again."""
    fields = stored.fields
    stale_for = max(stale_windows(stored, defaults))
    if "etag" in fields or "last-modified" in fields:
        stale_for = max(stale_for, _KEPT_TO_BE_VALIDATED)
    return max(0.0, remaining(stored, now, defaults) + stale_for)


def _is_about_itself(request: Request, fields: Fields) -> bool:
    """RFC 9110 9.3.3: only then is the answer to a POST what a GET would be answered."""
    location = fields.get("content-location")
    return location is not None and resolved(location, request.url) == normalized(request.url)
