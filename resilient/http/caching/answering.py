"""The reply that is made of a stored answer (RFC 9111 4, 4.3.2)."""

from __future__ import annotations

from resilient.http.caching.dates import date_of, is_strong_date
from resilient.http.caching.freshness import age_of
from resilient.http.caching.messages import Fields, Pairs, Reply, Request, Stored
from resilient.http.caching.ranges import (
    bounds_of,
    headers_of_part,
    held_by,
    ranges_of,
)
from resilient.http.caching.tags import listed_in, matches_strongly, matches_weakly

# RFC 9110 15.4.5: what the 200 would have had; further metadata only if there is no ETag.
_IN_304 = frozenset({"age", "cache-control", "content-location", "date", "etag", "expires", "vary"})

_OLDEST = 2**31
"""RFC 9111 1.2.2: what a greater Age is sent as."""


def can_answer(request: Request, stored: Stored) -> bool:
    """Does it hold what the request asks for: the whole, or the range?"""
    if "range" not in request.fields or not _wants_part(request, stored):
        return stored.span is None
    held = held_by(stored)
    if held is None:
        # A Range is about what would have been a 200 (RFC 9110 14.2); of an encoded one, or one
        # without a body, only the origin knows the bytes.
        return stored.status != 200
    part = _part_wanted(request, stored)
    return part is not None and held[0] <= part[0] and part[1] <= held[1]


def reply_of(request: Request, stored: Stored, now: float, *, validated: bool = False) -> Reply:
    """304 to the caller's own condition, 206 to a range, no body to HEAD, or the answer itself.

    stored: what decide() or refreshed() returned. validated: the origin has just confirmed it.
    """
    fields, headers = request.fields, stored.headers
    # 5.1: Age says that the origin was not asked for this request.
    if not validated or "age" in stored.fields:
        if "age" in stored.fields:
            headers = tuple(pair for pair in headers if pair[0].lower() != "age")
        headers += (("Age", str(min(int(age_of(stored, now)), _OLDEST))),)
    if ("if-none-match" in fields or "if-modified-since" in fields) and _is_unmodified(
        request, stored
    ):
        return Reply(304, "Not Modified", _headers_of_304(headers, stored), b"")
    if "range" in fields and _wants_part(request, stored):
        held, part = held_by(stored), _part_wanted(request, stored)
        if held is not None and part is not None:
            first, last = part
            headers = headers_of_part(headers, (first, last, held[2]))
            body = stored.body[first - held[0] : last + 1 - held[0]]
            return Reply(206, "Partial Content", headers, body)
    body = b"" if request.method == "HEAD" else stored.body
    return Reply(stored.status, stored.reason, headers, body)


def gateway_timeout() -> Reply:
    """RFC 9111 5.2.1.7: only-if-cached, and nothing is."""
    return Reply(504, "Gateway Timeout", (("Content-Length", "0"),), b"")


def _is_unmodified(request: Request, stored: Stored) -> bool:
    """Does the caller already have it (RFC 9111 4.3.2)?"""
    # RFC 9110 13.2.1: conditions are about what would have been a success.
    if request.method not in {"GET", "HEAD"} or not 200 <= stored.status < 300:
        return False
    known = request.fields.get("if-none-match")
    if known is not None:
        # RFC 9110 13.1.3: If-Modified-Since does not count beside it.
        etag = stored.fields.get("etag")
        return known.strip() == "*" or (
            etag is not None and any(matches_weakly(etag, tag) for tag in listed_in(known))
        )
    received_at = stored.received_at
    since = date_of(request.fields.get("if-modified-since"), received_at)
    if since is None:
        return False
    modified = date_of(stored.fields.get("last-modified"), received_at)
    if modified is None:
        modified = date_of(stored.fields.get("date"), received_at)
    return (received_at if modified is None else modified) <= since


def _headers_of_304(headers: Pairs, stored: Stored) -> Pairs:
    names = _IN_304 if "etag" in stored.fields else _IN_304 | {"last-modified"}
    return tuple(pair for pair in headers if pair[0].lower() in names)


def _wants_part(request: Request, stored: Stored) -> bool:
    """Is its Range to be heeded (RFC 9110 14.2), given the stored answer and If-Range (13.1.5)?"""
    fields = request.fields
    if request.method != "GET" or not ranges_of(fields.get("range")):
        return False
    known = fields.get("if-range")
    return known is None or _is_the_same(known.strip(), stored.fields, stored.received_at)


def _is_the_same(known: str, fields: Fields, received_at: float) -> bool:
    if known.startswith(('"', "W/")):
        return matches_strongly(known, fields.get("etag", ""))
    modified = fields.get("last-modified", "").strip()
    return known == modified and is_strong_date(modified, fields.get("date"), received_at)


def _part_wanted(request: Request, stored: Stored) -> tuple[int, int] | None:
    """The one part that is asked for; None if there is none, or there are several.

    An answer with several parts, or a refusal of them (416), is left to the origin.
    """
    held = held_by(stored)
    ranges = ranges_of(request.fields.get("range"))
    return bounds_of(ranges[0], held[2]) if held is not None and len(ranges) == 1 else None
