"""Entity tags and how they are compared (RFC 9110 8.8.3)."""

from __future__ import annotations

import re

from resilient.http.caching.messages import Fields

# Tags without quotes are no tags, but there are origins that send them and know them again.
_TAG = re.compile(r'(?:W/)?"[^"]*"|[^\s,"]+')


def listed_in(text: str) -> list[str]:
    """The tags of an If-None-Match."""
    return _TAG.findall(text)


def tag_of(fields: Fields) -> str:
    """What ETag says; "" if there is none, or one that in an If-None-Match would mean any."""
    etag = fields.get("etag", "").strip()
    return "" if "*" in listed_in(etag) else etag


def is_strong(tag: str) -> bool:
    return len(tag) > 1 and tag[0] == tag[-1] == '"'


def matches_strongly(one: str, other: str) -> bool:
    return is_strong(one) and one == other


def matches_weakly(one: str, other: str) -> bool:
    return one.removeprefix("W/") == other.removeprefix("W/")
