"""When a store is left alone: after a failure for a while, then one caller tries it."""

from __future__ import annotations

import threading

from resilient.call import listeners
from resilient.timing import clock


class Guard:
    """Keeps callers from a store that is down, slow or full; tells once that it is, and once that
    it is back.

    what: what callers do without meanwhile. Times are monotonic seconds. `_lock` guards all that
    changes; `is_down` may be read without. Listeners hear without the lock.
    """

    SHORTEST, LONGEST = 1.0, 30.0

    __slots__ = (
        "_again_at",
        "_failed_at",
        "_lock",
        "_pause",
        "_since",
        "_what",
        "failures",
        "is_down",
        "label",
        "skipped",
    )

    def __init__(self, label: str, what: str) -> None:
        self.label = label
        self._what = what
        self.is_down = False
        self.skipped = 0
        """How often the store was not asked, in all."""
        self.failures = 0
        self._since = 0.0
        self._failed_at = 0.0
        self._again_at = 0.0
        self._pause = 0.0
        self._lock = threading.Lock()

    def may_ask(self) -> bool:
        """Is it up, or this caller the one who tries? Who tries has to tell how it went."""
        if not self.is_down:
            return True
        with self._lock:
            now = clock.monotonic()
            if self.is_down and now < self._again_at:
                self.skipped += 1
                return False
            # If who tries is never heard of again, another one does after the same pause.
            self._again_at = now + self._pause
            return True

    def failed(self, reason: str, started: float) -> None:
        """What began at `started` went wrong: leave the store alone, for longer than last time."""
        with self._lock:
            self.failures += 1
            was_down = self.is_down
            now = clock.monotonic()
            if not was_down:
                self.is_down = True
                self._since = now
                self._pause = self.SHORTEST
            elif started > self._failed_at:
                # Of calls that were under way together, one counts.
                self._pause = min(2 * self._pause, self.LONGEST)
            self._failed_at = now
            self._again_at = now + self._pause
        if not was_down:
            text = f"{reason}; calls go on without {self._what} until it works again"
            listeners.announce("degraded", self.label, text)

    def worked(self, started: float) -> bool:
        """What began at `started` went well: is the store back by that?"""
        with self._lock:
            # What was under way before the failure says nothing.
            if not self.is_down or started <= self._failed_at:
                return False
            self.is_down = False
            down_for = clock.monotonic() - self._since
        text = f"works again after {down_for:.1f} s"
        listeners.announce("restored", self.label, text)
        return True
