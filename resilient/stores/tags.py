"""Which types beyond JSON can be kept in a shared store, and under which tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ToPlain = Callable[[Any], Any]
FromPlain = Callable[[Any], Any]

registered: dict[type, tuple[str, ToPlain]] = {}
readers: dict[str, FromPlain] = {}
"""Changed by one atomic step each."""


class Unstorable(TypeError):
    """A value can't be kept in a shared store. The text names its type and never shows it."""

    def __init__(self, kind: type, why: str) -> None:
        name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
        super().__init__(
            f"a value of type {name} can't be kept in a shared store: {why}. Return plain data, or "
            'open the store with serializer="pickle" if all who can write to it are trusted.'
        )
        self.kind = kind


class Unreadable(ValueError):
    """Bytes that this program can't make a value of; a class may have changed since."""


def register(kind: type, tag: str, to_plain: ToPlain, from_plain: FromPlain) -> None:
    """Keep values of exactly this type, too.

    to_plain: gives something that can be kept. from_plain: makes a new value of that, and may raise
    anything if it can't.
    """
    known = registered.get(kind)
    if tag in readers and (known is None or known[0] != tag):
        raise ValueError(f"register(tag={tag!r}): another type has this tag; use one of your own.")
    register_reader(tag, from_plain)
    registered[kind] = (tag, to_plain)


def register_reader(tag: str, from_plain: FromPlain) -> None:
    """Make values of what was tagged so."""
    readers[tag] = from_plain
