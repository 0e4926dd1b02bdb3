"""Connections that threads borrow: as many as work at once, few of them kept while idle."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")

_left_to_the_parent: list[object] = []
"""What a forked child found open. Closing it could end the parent's session, or its locks."""


class Spares(Generic[T]):
    """Lends what `make` makes. The newest is lent first, so that the others can grow old and go.

    When nobody keeps it any more, and when the program ends, the idle ones are closed. `close` must
    not keep what keeps this.

    No lock: taking from a list and adding to it are atomic.
    """

    MOST = 16

    __slots__ = ("__weakref__", "_close", "_idle", "_make")

    def __init__(self, make: Callable[[], T], close: Callable[[T], None]) -> None:
        self._make = make
        self._close = close
        self._idle: list[T] = []
        weakref.finalize(self, _close_all, self._idle, close)

    def take(self) -> tuple[T, bool]:
        """One that nobody else has, and whether it was used before."""
        try:
            return self._idle.pop(), True
        except IndexError:
            return self._make(), False

    def give(self, thing: T) -> None:
        """Take it back, in working order."""
        if len(self._idle) < self.MOST:
            self._idle.append(thing)
        else:
            self.discard(thing)

    def discard(self, thing: T) -> None:
        """Close what may be broken."""
        _close_all([thing], self._close)

    def close(self) -> None:
        """Close the idle ones. Those on loan stay with who has them."""
        _close_all(self._idle, self._close)

    def abandon(self) -> None:
        """Forget the idle ones without closing them, in a forked child."""
        _left_to_the_parent.extend(self._idle)
        self._idle.clear()


def _close_all(things: list[T], close: Callable[[T], None]) -> None:
    with suppress(IndexError):
        while True:
            thing = things.pop()
            with suppress(Exception):
                close(thing)
