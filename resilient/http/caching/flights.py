"""Requests on their way, so that others which ask the same can wait for their answer."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Hashable
from types import TracebackType

from resilient.call import Call, Exchange
from resilient.http.caching.messages import Fields, Reply, Request

# What makes a request another one than its neighbor, so that the answer to the one is no answer to
# the other: RFC 9110 13.1 and 14.2, RFC 9111 5.2.1 and 5.4.
_TELLING = (
    "cache-control",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "pragma",
    "range",
)

# Names of one request for those who trace it; no server's answer depends on them.
_TRACES = frozenset({"traceparent", "tracestate", "x-request-id", "x-correlation-id", "x-trace-id"})


class Flight:
    """One request on its way. What it came to is set before `landed`, and not changed after that.

    answered: an answer came, be it one that can't be kept. error: what was raised instead; only
    what others may share. reply: an answer that says that the server failed; exchange: as it was
    seen.
    """

    __slots__ = (
        "answered",
        "call",
        "error",
        "exchange",
        "fields",
        "landed",
        "reply",
        "thread",
        "trace",
    )

    def __init__(self, call: Call, fields: Fields) -> None:
        self.call = call
        self.fields = fields
        self.thread = threading.get_ident()
        self.landed = threading.Event()
        self.answered = False
        self.error: Exception | None = None
        self.trace: TracebackType | None = None
        self.reply: Reply | None = None
        self.exchange: Exchange | None = None

    def failed(self, error: Exception) -> None:
        """Nothing was answered."""
        self.error = error
        self.trace = error.__traceback__

    def is_own(self) -> bool:
        """Is it this very thread's? Then waiting for it would never end."""
        return self.thread == threading.get_ident()

    def asked_the_same(self, fields: Fields) -> bool:
        """Were all header fields alike that an answer may depend on?"""
        return _without_traces(self.fields) == _without_traces(fields)


class Flights:
    """The flight that leads for each key. Setting and popping one is atomic.

    landings: a number that is another one whenever one has landed.
    """

    def __init__(self) -> None:
        self._leading: dict[Hashable, Flight] = {}
        self._numbers = itertools.count(1)
        self.landings = 0

    def join(self, key: Hashable, flight: Flight) -> Flight:
        """The one that leads; `flight` itself if there was none."""
        return self._leading.setdefault(key, flight)

    def land(self, key: Hashable, flight: Flight) -> None:
        """Let those go on who wait for it."""
        self.landings = next(self._numbers)
        if self._leading.get(key) is flight:
            self._leading.pop(key, None)
        flight.landed.set()

    def clear(self) -> None:
        """In a forked child: they do not land in this process."""
        self._leading.clear()


def flight_key(key: bytes, request: Request) -> Hashable:
    """What requests have in common whose answers may be the same."""
    fields = request.fields
    return (key, request.method, *(fields.get(name) for name in _TELLING))


def _without_traces(fields: Fields) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name not in _TRACES}
