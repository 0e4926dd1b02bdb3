"""Telling a breaker's listeners: outside its lock, in order, and whatever they raise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pybreaker

from resilient.call import listeners as step_listeners
from resilient.forking import keep_forkable

TURN = 1.0
"""Real seconds that a call waits for the listeners which other calls are telling."""

MOST_EVENTS = 10_000
"""A listener that hangs must not fill the memory: beyond these the oldest are never told."""


class TellingBreaker(pybreaker.CircuitBreaker):
    """A breaker whose lock is taken by `_changing`, and whose listeners wait for its end.

    `_lock` guards `_depth`, `_collecting` and changes of `_own_listeners`, which is read without.
    `_events` is appended to by all and taken from by who holds `_telling`, which guards `_teller`.
    """

    # What is rarely written is an attribute of the class until then: every function has a breaker.
    _label = "breaker"
    _depth = 0
    _collecting: int | None = None
    _teller: int | None = None
    listener_errors = 0

    def __init__(self, *args: Any) -> None:
        self._own_listeners: list[pybreaker.CircuitBreakerListener] = []
        self._events: list[Callable[[], None]] = []
        self._telling = threading.Lock()
        super().__init__(*args)
        keep_forkable(self)

    def renew_in_child(self) -> None:
        """See resilient.forking: whoever held the lock or told listeners is not there to end it."""
        self._depth = 0
        self._collecting = self._teller = None

    @property
    def _listeners(self) -> list[Any]:
        """Where pybreaker looks for listeners.

        Its state objects call them while they are made, which is under our lock: there they find
        one that only notes what to tell.
        """
        if self._collecting == threading.get_ident():
            return [_Noting(self)]
        return self._own_listeners

    @_listeners.setter
    def _listeners(self, value: list[Any]) -> None:
        self._own_listeners = value

    def _changing(self) -> _Holding:
        """Hold the lock; the listeners are told after the outermost hold has ended."""
        return _Holding(self)

    def _tell(self, event: str, *values: Any, **named: Any) -> None:
        for listener in tuple(self._own_listeners):
            self._note(partial(self._tell_one, listener, event, values, named))

    def _note(self, event: Callable[[], None]) -> None:
        self._events.append(event)
        del self._events[:-MOST_EVENTS]

    def _tell_one(
        self, listener: Any, event: str, values: Sequence[Any], named: Mapping[str, Any]
    ) -> None:
        try:
            getattr(listener, event)(self, *values, **named)
        except Exception as error:
            self._tell_listener_error("listener", error)

    def _deliver(self) -> None:
        """Tell what happened, in order and one event at a time, whichever thread it came from.

        Threads take turns, so that none is kept telling what others go on to do. A listener that
        calls the breaker is told of that when it is done.
        """
        me = threading.get_ident()
        if not self._events or self._teller == me or not self._telling.acquire(timeout=TURN):
            return
        self._teller = me
        try:
            while self._events:
                self._events.pop(0)()
        finally:
            self._teller = None
            self._telling.release()

    def _tell_listener_error(self, what: str, error: Exception) -> None:
        self.listener_errors += 1
        if self.listener_errors == 1:
            kind = type(error).__name__
            text = f"a {what} of the breaker raised {kind}; calls go on without it"
            step_listeners.announce("degraded", self.name or self._label, text)


class _Holding:
    """Holds the lock of a breaker in a `with` block. A generator would take thrice as long."""

    __slots__ = ("_breaker",)

    def __init__(self, breaker: TellingBreaker) -> None:
        self._breaker = breaker

    def __enter__(self) -> None:
        breaker = self._breaker
        breaker._lock.acquire()
        breaker._depth += 1
        breaker._collecting = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        breaker = self._breaker
        breaker._depth -= 1
        is_outermost = not breaker._depth
        if is_outermost:
            breaker._collecting = None
        breaker._lock.release()
        if is_outermost and breaker._events:
            breaker._deliver()


class _Noting(pybreaker.CircuitBreakerListener):
    """Notes changes of the state, to be told to the real listeners later."""

    def __init__(self, breaker: TellingBreaker) -> None:
        self._breaker = breaker

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
        self._breaker._tell("state_change", old_state, new_state)
