"""Who watches every call and every request, healthy ones too: a tracer, say (`diagnostics.otel`).

Listeners hear of what is noteworthy, which costs a healthy call nothing. To be watched does cost
it, so there is no watcher until somebody adds one; until then a call looks once whether there is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from resilient.call import Call, Exchange, listeners

_T = TypeVar("_T")

End = Callable[[BaseException | None], None]
"""Hears, once, that what began is over, and by which error."""


class Watcher(Protocol):
    """Told in the thread of the call. What it raises is counted, and harms nobody."""

    def call_begins(self, call: Call) -> End | None:
        """A call is handed to its policies; its outcome is known when the End is told."""

    def request_leaves(self, call: Call, exchange: Exchange, url: str) -> End | None:
        """A request is on its way. Its URL is whole: it may hold secrets.

        The End is told when the headers of the answer are there, or with the error that came
        instead; at the latest when the call is over.
        """


# Bound once by each wrapper, so it is changed in place. `_changing` guards changes.
watchers: list[Watcher] = []
errors = 0
"""How often a watcher has failed. `_changing` guards it."""
_changing = threading.Lock()


def add(watcher: Watcher) -> None:
    """Tell `watcher` of every call and request from now on."""
    with _changing:
        if watcher not in watchers:
            watchers.append(watcher)


def remove(watcher: Watcher) -> None:
    """Tell `watcher` of nothing that is yet to begin; nothing happens if it is not there."""
    with _changing:
        if watcher in watchers:
            watchers.remove(watcher)


def run_watched(call: Call, proceed: Callable[[Call], Any]) -> Any:
    """Go on with a call while everybody watches."""
    ends: list[End] = []
    try:
        for watcher in tuple(watchers):
            _keep(ends, _unharmed(watcher.call_begins, call))
        result = proceed(call)
    except BaseException as error:
        _call_is_over(call, ends, error)
        raise
    _call_is_over(call, ends, None)
    return result


def request_leaves(call: Call, exchange: Exchange, url: Callable[[], str]) -> None:
    """Tell of a request that has left."""
    ends: list[End] = []
    known = _unharmed(url)
    for watcher in tuple(watchers):
        if known is not None:
            _keep(ends, _unharmed(watcher.request_leaves, call, exchange, known))
    exchange.ends = ends


def request_is_over(exchange: Exchange, error: BaseException | None) -> None:
    """Tell that a request was answered or has failed; only the first time is heard."""
    _finish(exchange.ends, error)


def _call_is_over(call: Call, ends: list[End], error: BaseException | None) -> None:
    for exchange in call.exchanges:
        if exchange.ends:
            request_is_over(exchange, error)
    _finish(ends, error)


def _keep(ends: list[End], end: End | None) -> None:
    if end is not None:
        ends.append(end)


def _finish(ends: list[End] | tuple[()], error: BaseException | None) -> None:
    while ends:
        try:
            end = ends.pop()
        except IndexError:  # another thread has told it
            return
        _unharmed(end, error)


def _unharmed(tell: Callable[..., _T], *args: Any) -> _T | None:
    try:
        return tell(*args)
    except Exception as error:
        _count(error)
        return None


def _count(error: Exception) -> None:
    global errors
    with _changing:
        errors += 1
        is_first = errors == 1
    if is_first:
        listeners.announce(
            "degraded",
            "resilient",
            f"a watcher of calls raised {type(error).__name__}; calls go on without it (told once, "
            "counted in watching.errors)",
        )
