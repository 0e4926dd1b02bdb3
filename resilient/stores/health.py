"""How a shared store does: is it to be asked now, and what do its answers say?"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from resilient.call import listeners
from resilient.stores.bytes_store import StoreFailed
from resilient.stores.guard import Guard
from resilient.timing import clock


class Health:
    """Of a store that is down nothing is asked; of one that is full or read-only, no writing.

    bound: seconds that an answer may take; one that took longer was given, but the next caller
    does not wait for it.
    """

    __slots__ = ("_bound", "asking", "writing")

    def __init__(self, label: str, bound: float) -> None:
        self._bound = bound
        self.asking = Guard(label, "this store")
        self.writing = Guard(label, "writing to this store")

    @property
    def is_fine(self) -> bool:
        """May it be asked and written to?"""
        return not (self.asking.is_down or self.writing.is_down)

    def may_write(self) -> bool:
        """Ask this before a write, and tell then how it went."""
        return self.asking.may_ask() and self.writing.may_ask()

    def failed(self, failure: StoreFailed, started: float) -> None:
        """What began at `started` (monotonic seconds) went wrong."""
        guard = self.writing if failure.only_writes else self.asking
        guard.failed(str(failure), started)

    def answered(self, started: float, *, wrote: bool = False) -> None:
        """What began at `started` went well, or at least it came to an end."""
        took = clock.monotonic() - started
        if took > self._bound:
            text = f"it took {took:.2f} s, more than the {self._bound:g} s that it may take"
            self.asking.failed(text, started)
            return
        self.done(started, wrote=wrote)

    def done(self, started: float, *, wrote: bool = False) -> None:
        """What began at `started` went well, and how long it took says nothing."""
        if self.asking.is_down:
            self.asking.worked(started)
        if wrote and self.writing.is_down:
            self.writing.worked(started)


class Owed:
    """What is to be forgotten as soon as the store can be told. `_lock` guards `_owed`."""

    MOST = 4096

    __slots__ = ("_lock", "_owed")

    def __init__(self) -> None:
        self._owed: dict[tuple[str, bytes], None] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._owed)

    def add(self, what: str, names: Sequence[bytes]) -> None:
        """Note some names; of too many the oldest are lost."""
        with self._lock:
            for name in names:
                self._owed.pop((what, name), None)
                self._owed[what, name] = None
            while len(self._owed) > self.MOST:
                del self._owed[next(iter(self._owed))]

    def take(self) -> dict[str, list[bytes]]:
        """All names by what they are, to be told now."""
        with self._lock:
            owed, self._owed = self._owed, {}
        names: dict[str, list[bytes]] = {}
        for what, name in owed:
            names.setdefault(what, []).append(name)
        return names


class TamperAlarm:
    """Tells of entries that were tampered with: of the first at once, of more once in EVERY.

    `_lock` guards all fields.
    """

    EVERY = 60.0

    __slots__ = ("_label", "_lock", "_told_at", "_untold", "count")

    def __init__(self, label: str) -> None:
        self.count = 0
        self._label = label
        self._untold = 0
        self._told_at: float | None = None
        self._lock = threading.Lock()

    def ring(self) -> None:
        """One more."""
        now = clock.monotonic()
        with self._lock:
            self.count += 1
            self._untold += 1
            if self._told_at is not None and now - self._told_at < self.EVERY:
                return
            self._told_at = now
            count, self._untold = self._untold, 0
        entries = "an entry was" if count == 1 else f"{count:,} entries were"
        listeners.announce(
            "degraded",
            self._label,
            f"{entries} altered, or not signed with this program's key, and not accepted. If the "
            "key was changed, give the former one as old_key; if not, somebody else writes there",
            tampered=count,
        )
