"""Keeps a receiver from being told of itself: telling it that its own calls fail fails again.

What a receiver calls is watched while it is told. News of those functions, and of their services,
are for the log and for other receivers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextvars import Context, ContextVar
from typing import Any

from resilient import watching
from resilient.call import Call, Exchange
from resilient.diagnostics.masking import masked

_spy: ContextVar[_Spy | None] = ContextVar("resilient_alerts_spy", default=None)


class _Spy:
    """Notes the functions that one telling calls, whatever other threads do meanwhile."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def call_begins(self, call: Call) -> None:
        if _spy.get() is self:
            self.seen.update((call.target.label, call.target.service))

    def request_leaves(self, call: Call, exchange: Exchange, url: str) -> None:
        """Requests belong to calls."""


class Means:
    """By what decorated functions each receiver does its work. `_lock` guards `_of`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: dict[int, tuple[object, frozenset[str]]] = {}

    def has(self, receiver: object, subject: str) -> bool:
        """Is this subject of an alert one of those functions, or a service of theirs?"""
        _, seen = self._of.get(id(receiver), (None, frozenset()))
        # Of a policy that several share, the first one stands for all.
        return not seen.isdisjoint((subject, subject.partition(" and ")[0]))

    def watch(self, receiver: object, tell: Callable[[Any], Any], what: object) -> None:
        """Tell, in no call's name: it is not the business of a call that is open."""
        spy = _Spy()
        context = Context()
        context.run(_spy.set, spy)
        watching.add(spy)
        try:
            context.run(tell, what)
        finally:
            watching.remove(spy)
            if spy.seen:
                with self._lock:
                    _, before = self._of.get(id(receiver), (None, frozenset()))
                    # As subjects are: masked.
                    seen = before.union(map(masked, spy.seen))
                    self._of[id(receiver)] = (receiver, seen)

    def keep(self, receivers: Iterable[object]) -> None:
        """Forget all other receivers."""
        ids = set(map(id, receivers))
        with self._lock:
            for gone in self._of.keys() - ids:
                del self._of[gone]
