"""Entity tags and how they are compared (RFC 9110 8.8.3)."""

from __future__ import annotations

import re

# Tags without quotes are no tags, but there are origins that send them and know them again.
_TAG = re.compile(r'(?:W/)?"[^"]*"|[^\s,"]+')


def listed_in(text: str) -> list[str]:
    """The tags of an If-None-Match."""
    return _TAG.findall(text)


def is_strong(tag: str) -> bool:
    return len(tag) > 1 and tag[0] == tag[-1] == '"'


def matches_strongly(one: str, other: str) -> bool:
    return is_strong(one) and one == other


def matches_weakly(one: str, other: str) -> bool:
    return one.removeprefix("W/") == other.removeprefix("W/")
