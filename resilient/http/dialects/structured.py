"""Lists of structured fields (RFC 9651 3.1), read as the vendors write them.

Two liberties: keys may have capitals, and strings among the parameters count as further names.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

_LONGEST = 4096
"""Characters; what is longer counts as malformed."""
_MOST_ITEMS = 32
"""What follows is ignored."""

_VALUE = r'"(?:[^"\\]|\\["\\])*"|:[A-Za-z0-9+/=]*:|[A-Za-z0-9*?@+.-][^\s,;="]*'
_PARAM = re.compile(rf';[ \t]*(?:([A-Za-z*][\w.*-]*)(?:=({_VALUE}))?|("(?:[^"\\]|\\["\\])*"))')
_BARE = re.compile(_VALUE)
_END = re.compile(r"[ \t]*(?:,[ \t]*(?=[^ \t])|$)")


class Item(NamedTuple):
    """A member of a list, its values as text.

    names: what stands before the parameters, and strings misplaced among them.
    """

    names: tuple[str, ...]
    params: dict[str, str]


def members_of(told: str) -> list[Item]:
    """The members of a list; none if it is malformed, for then all of it is to be ignored."""
    if len(told) > _LONGEST:
        return []
    items: list[Item] = []
    told = told.strip(" \t")
    at = 0
    while at < len(told) and len(items) < _MOST_ITEMS:
        value = _BARE.match(told, at)
        if value is None:
            return []
        names: tuple[str, ...] = (_text(value[0]),)
        params: dict[str, str] = {}
        at = value.end()
        param = _PARAM.match(told, at)
        while param is not None:
            key, said, stray = param.groups()
            if key is None:
                names = (*names, _text(stray))
            else:
                params[key.lower()] = _text(said or "")
            at = param.end()
            param = _PARAM.match(told, at)
        items.append(Item(names, params))
        end = _END.match(told, at)
        if end is None:
            return []
        at = end.end()
    return items


# A vendor sends the same policy with each answer.
policies_of = lru_cache(maxsize=256)(members_of)
"""The same, kept; the members are not to be changed."""


def _text(value: str) -> str:
    if value[:1] == '"':
        return (
            value[1:-1].replace('\\"', '"').replace("\\\\", "\\") if "\\" in value else value[1:-1]
        )
    return value.strip(":") if value[:1] == ":" else value
