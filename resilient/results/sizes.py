"""How many bytes a result takes, about: for `max_bytes=`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from resilient.results.entry import RESULT, Entry

_OVERHEAD = 400
"""Bytes of an entry itself, its key and its places in dicts."""


def size_of_entry(entry: Entry) -> int:
    """Bytes that keeping an entry takes."""
    return _OVERHEAD + size_of(entry[RESULT])


def size_of(value: Any) -> int:
    """Bytes of a value and all that is reached from it; what it shares is counted once.

    Classes, modules and functions count nothing: they are there anyway.
    """
    total = 0
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type) or callable(one):
            continue
        seen.add(id(one))
        try:
            total += sys.getsizeof(one, 64)
            waiting += _parts(one)
        except Exception:  # somebody's own methods; measuring must not cost the caller the answer
            total += 64
    return total


def _parts(value: Any) -> list[Any]:
    if isinstance(value, (str, bytes, bytearray, int, float, type(None))):
        return []
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    parts: list[Any] = list(value) if isinstance(value, (list, tuple, set, frozenset)) else []
    parts += list(getattr(value, "__dict__", {}).values())
    for base in type(value).__mro__:
        slots = base.__dict__.get("__slots__", ())
        names = (slots,) if isinstance(slots, str) else slots
        parts += [getattr(value, name, None) for name in names if name != "__dict__"]
    return parts
