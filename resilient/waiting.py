"""Waiting for room: first come, first served, without busy waiting."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable

from resilient.timing import clock

Attempt = Callable[[float], float]
"""Tries to take what is waited for, given monotonic seconds: 0.0 if it has it now, else the seconds
after which trying again may help; math.inf means "when somebody gives something back"."""


ROUNDING = 1e-6
"""Seconds that times may be off by, after all their sums and differences."""

NOTEWORTHY = 0.001
"""Seconds; nobody wants to read of a shorter wait."""


class Line:
    """Threads waiting for room, in the order of their coming.

    Only the first in line tries; whoever leaves wakes the next. Giving something back wakes the
    first. No thread polls, and a pause that ends lets the waiting go one after the other.

    `_lock` guards changes of `waiting`; its truth may be read without.
    """

    __slots__ = ("_lock", "most", "waiting")

    def __init__(self, most: int) -> None:
        self.most = most
        self.waiting: list[threading.Event] = []
        self._lock = threading.Lock()

    def wait(self, attempt: Attempt, longest: float) -> bool:
        """Stand in line until `attempt` succeeds; False if `longest` seconds were not enough.

        False too, at once, if `most` threads are waiting already. Whatever ends the wait, Ctrl-C
        included, the place in line is given up.
        """
        turn = threading.Event()
        end = clock.monotonic() + longest
        # Joining is inside, too: a place that nobody stands in would block the line for good.
        try:
            with self._lock:
                if len(self.waiting) >= self.most:
                    return False
                self.waiting.append(turn)
            while True:
                turn.clear()
                now = clock.monotonic()
                pause = math.inf
                if self.waiting[0] is turn:
                    pause = attempt(now)
                    if pause <= 0:
                        return True
                left = end - now
                if pause == math.inf:
                    if left <= 0:
                        return False
                    pause = left
                elif pause > left + ROUNDING:
                    return False  # what can't fit is refused now and not at the end
                clock.wait(turn, min(pause, threading.TIMEOUT_MAX))
        finally:
            with self._lock, contextlib.suppress(ValueError):
                self.waiting.remove(turn)
            self.wake()

    def wake(self) -> None:
        """Let the first in line look again: something was given back."""
        with self._lock:
            if self.waiting:
                self.waiting[0].set()
