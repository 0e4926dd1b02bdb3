"""Who takes steps behind the callers' backs, and when."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import weakref
from typing import Protocol

from resilient.call import listeners
from resilient.timing import clock


class InStep(Protocol):
    """What tells and asks the store behind the callers' backs."""

    def step(self) -> None:
        """Tell what is new here, and hear what is new elsewhere."""


class Members:
    """Who keeps in step, as long as somebody else keeps them: there may be one for each key of a
    quota, of which few are due at a time.

    `_lock` guards `_due`: from when on each one's next step may come (monotonic), the number of
    that plan, and how often it takes one; and `_queue`, where the first is the one that is due
    first. What stands there by another number than in `_due` is outdated. until: nobody steps
    later (monotonic).
    """

    def __init__(self, label: str) -> None:
        self.until = math.inf
        self._label = label
        self._lock = threading.Lock()
        self._due: dict[weakref.ref[InStep], tuple[float, int, float]] = {}
        self._queue: list[tuple[float, int, weakref.ref[InStep]]] = []
        self._numbers = itertools.count()
        self._errors = 0

    def add(self, member: InStep, every: float) -> None:
        """Let `member` step about every so many seconds, whatever it did before."""
        with self._lock:
            self._plan_locked(weakref.ref(member), _next(every), every)

    def hurry(self, member: InStep | None = None) -> None:
        """Let one step next time, or everybody."""
        with self._lock:
            keys = list(self._due) if member is None else [weakref.ref(member)]
            for key in keys:
                known = self._due.get(key)
                if known is not None:
                    self._plan_locked(key, 0.0, known[2])

    def step(self) -> None:
        """Let everybody step who is due."""
        for member in self._now_due():
            if clock.monotonic() >= self.until:
                return
            try:
                member.step()
            except Exception as error:
                self._errors += 1
                if self._errors == 1:
                    text = f"a step of its shared state raised {type(error).__name__} (told once)"
                    listeners.announce("degraded", self._label, text)

    def renew_in_child(self) -> None:
        """The fork may have come in the midst of a look at the queue."""
        self._rebuild_locked()

    def _now_due(self) -> list[InStep]:
        now = clock.monotonic()
        found: list[InStep] = []
        with self._lock:
            queue, planned = self._queue, []
            while queue and queue[0][0] <= now:
                _, number, key = heapq.heappop(queue)
                _, newest, every = self._due.get(key, (0.0, -1, 0.0))
                if number != newest:
                    continue
                member = key()
                if member is None:
                    del self._due[key]
                else:
                    found.append(member)
                    planned.append((key, every))
            for key, every in planned:
                self._plan_locked(key, _next(every), every)
        return found

    def _plan_locked(self, key: weakref.ref[InStep], at: float, every: float) -> None:
        number = next(self._numbers)
        self._due[key] = at, number, every
        heapq.heappush(self._queue, (at, number, key))

    def _rebuild_locked(self) -> None:
        self._queue = [(at, number, key) for key, (at, number, _) in self._due.items()]
        heapq.heapify(self._queue)


def _next(every: float) -> float:
    # At the tick that comes nearest.
    return clock.monotonic() + every / 2
