"""Parts of answers: which is asked for, which is there, and putting them together (RFC 9110 14).

Offsets count bytes of the representation. A stored body is decoded, so a part of one that came with
a Content-Encoding is not known here.
"""

from __future__ import annotations

import re

from resilient.http.caching.fields import updated
from resilient.http.caching.messages import Fields, Pairs, Span, Stored

Range = tuple["int | None", "int | None"]
"""As asked for: first and last byte; the last may be left open, (None, n) are the last n bytes."""

_MOST_RANGES = 64
_CONTENT_RANGE = re.compile(r"bytes[ ]+([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.IGNORECASE)
_RANGE = re.compile(r"(?:([0-9]{1,18})-([0-9]{1,18})?|-([0-9]{1,18}))")
_REPLACED = frozenset({"content-length", "content-range"})


def is_part(fields: Fields) -> bool:
    """Is this the head of a 206 that can be kept: one part, of a body without encoding?"""
    return span_of(fields.get("content-range")) is not None and not is_encoded(fields)


def is_encoded(fields: Fields) -> bool:
    return fields.get("content-encoding", "identity").strip().lower() not in {"", "identity"}


def span_of(content_range: str | None) -> Span | None:
    """Content-Range of a 206 (14.4); None if it is malformed or has another unit.

    A 206 of several parts has none.
    """
    match = _CONTENT_RANGE.fullmatch(content_range.strip()) if content_range else None
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    complete = None if match[3] == "*" else int(match[3])
    if first > last or (complete is not None and last >= complete):
        return None
    return first, last, complete


def ranges_of(range_field: str | None) -> tuple[Range, ...]:
    """What a request's Range asks for; nothing if it is malformed or has another unit.

    Such a Range is to be ignored (14.2).
    """
    unit, _, listed = (range_field or "").partition("=")
    if unit.strip().lower() != "bytes":
        return ()
    found: list[Range] = []
    for text in listed.split(",", _MOST_RANGES):
        match = _RANGE.fullmatch(text.strip(" \t"))
        if match is None:
            return ()
        first, last, suffix = (None if part is None else int(part) for part in match.groups())
        if first is not None and last is not None and last < first:
            return ()
        found.append((first, last) if suffix is None else (None, suffix))
    return tuple(found)


def bounds_of(wanted: Range, complete: int | None) -> tuple[int, int] | None:
    """First and last byte; None if there is no such part, or it can't be told without the length.

    complete: bytes of the whole, None if that is not known.
    """
    first, last = wanted
    if complete is None:
        return (first, last) if first is not None and last is not None else None
    if first is None:
        first, last = max(0, complete - (last or 0)), complete - 1
    last = complete - 1 if last is None else min(last, complete - 1)
    return (first, last) if first <= last else None


def held_by(stored: Stored) -> Span | None:
    """The bytes that it has; None if it has no bytes that a range could be taken of."""
    if stored.span is not None:
        return stored.span
    length = len(stored.body)
    # 14.2: a Range is about what would have been a 200.
    if stored.status != 200 or not length or is_encoded(stored.fields):
        return None
    return (0, length - 1, length)


def headers_of_part(headers: Pairs, span: Span) -> Pairs:
    """The headers of a 206 that holds this much."""
    first, last, complete = span
    return (
        *(pair for pair in headers if pair[0].lower() not in _REPLACED),
        ("Content-Range", f"bytes {first}-{last}/{'*' if complete is None else complete}"),
        ("Content-Length", str(last - first + 1)),
    )


def headers_of_whole(headers: Pairs, length: int) -> Pairs:
    """The headers of a 200 made of parts."""
    kept = tuple(pair for pair in headers if pair[0].lower() not in _REPLACED)
    return (*kept, ("Content-Length", str(length)))


def whole_if_complete(stored: Stored) -> Stored:
    """RFC 9110 15.3.7.3: a 206 that holds all there is counts as a 200."""
    if stored.span is None or stored.span[2] != len(stored.body):
        return stored
    headers = headers_of_whole(stored.headers, len(stored.body))
    return stored.changed(status=200, reason="OK", headers=headers, span=None)


def combined(old: Stored, new: Stored) -> Stored | None:
    """Two parts, or the whole and a newer part, of one representation; None if they don't fit.

    RFC 9111 3.4: only with one strong validator. A date would do (RFC 9110 8.8.2.2) if the clocks
    behind it were known.
    """
    one, other = held_by(old), held_by(new)
    etag = new.fields.get("etag", "")
    if one is None or other is None or new.span is None:
        return None
    if not etag.startswith('"') or old.fields.get("etag") != etag:
        return None
    if one[2] is not None and other[2] is not None and one[2] != other[2]:
        return None
    if one[0] > other[1] + 1 or other[0] > one[1] + 1:
        return None
    headers = updated(old.headers, new.headers, new.received_at)
    if old.span is None:
        return new.changed(status=200, reason=old.reason, headers=headers, body=old.body, span=None)
    before = old.body[: max(0, other[0] - one[0])]
    after = old.body[max(0, other[1] + 1 - one[0]) :]
    complete = other[2] if one[2] is None else one[2]
    span = (min(one[0], other[0]), max(one[1], other[1]), complete)
    body = before + new.body + after
    return whole_if_complete(
        new.changed(headers=headers_of_part(headers, span), body=body, span=span)
    )
