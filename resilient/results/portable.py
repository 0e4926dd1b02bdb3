"""A key as bytes that are the same in every process, for stores that processes share.

What stands for itself in one process only (an object without a value, a class of its own equality)
can't be part of it.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import Any
from uuid import UUID

from resilient.keys import Key, Uncacheable

_SHOWN: dict[type, Callable[[Any], str]] = {
    bool: repr,
    float: float.hex,
    complex: repr,
    date: date.isoformat,
    datetime: str,  # `keys` has made a text of it
    time: str,
    timedelta: repr,
    Decimal: repr,
    Fraction: repr,
    UUID: str,
}
"""Types whose text tells their values apart."""


def portable(key: Key) -> bytes:
    """A key as `resilient.keys` makes it, as bytes; different for different keys.

    Raises: Uncacheable.
    """
    if not isinstance(key, tuple):
        return _encoded(key)
    return _joined(b"a", [_encoded(part) for part in key])


def _joined(mark: bytes, parts: list[bytes]) -> bytes:
    # Lengths in front: no value can be made to look like two.
    return mark + b"".join(b"%d:" % len(part) + part for part in parts)


def _text(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _encoded(part: Any) -> bytes:
    if isinstance(part, str):
        return b"s" + _text(part)
    if part is None:
        return b"n"
    if type(part) is int:
        return b"i%x" % part if part >= 0 else b"i-%x" % -part
    if type(part) is bytes:
        return b"b" + part
    if isinstance(part, tuple) and len(part) >= 2 and isinstance(part[0], type):
        return _of_type(part[0], part[1])
    raise Uncacheable(f"a {type(part).__name__} is not the same in another process")


def _of_type(kind: type, content: Any) -> bytes:
    name = _text(f"{kind.__module__}.{kind.__qualname__}")
    if issubclass(kind, enum.Enum):
        # Flags that are combined need not have a name of their own.
        unnamed = _encoded(content.value) if content.name is None else b""
        return _joined(b"e", [name, _text(content.name or ""), unnamed])
    if issubclass(kind, (set, frozenset)):
        return _joined(b"u", [name, *sorted(map(_encoded, content))])
    if issubclass(kind, dict):
        pairs = [_joined(b"p", [_encoded(one), _encoded(other)]) for one, other in content]
        return _joined(b"d", [name, *sorted(pairs)])
    if issubclass(kind, (list, tuple)):
        return _joined(b"l", [name, *map(_encoded, content)])
    if kind is bytearray:
        return _joined(b"y", [name, content])
    if dataclasses.is_dataclass(kind):
        if not kind.__dataclass_params__.eq:  # type: ignore[attr-defined]  # typeshed lacks it
            raise Uncacheable(f"a {kind.__name__} is not the same in another process")
        return _joined(b"c", [name, *map(_encoded, content)])
    if issubclass(kind, PurePath):
        return _joined(b"t", [name, _text(str(content))])
    shown = _SHOWN.get(kind)
    if shown is None:
        raise Uncacheable(f"a {kind.__name__} is not the same in another process")
    return _joined(b"t", [name, _text(shown(content))])
