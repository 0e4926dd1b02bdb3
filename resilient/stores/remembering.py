"""What a process knows of the entries it has seen, so that older ones can't come back."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from resilient.stores.bytes_store import LEEWAY
from resilient.stores.memory import MemoryStore
from resilient.timing import clock


class Remembered:
    """Per key the newest time of writing (Unix microseconds) that was seen, or when it was deleted;
    per group when it was dropped.

    Whoever controls the store can put back an entry that was valid once. A process that has seen a
    newer one, or has itself deleted it, knows better. One that has not (another, or this one after
    a restart, or after thousands of other keys) can't know: it takes the old entry, until that
    one's signed end.

    `_lock` guards `_last` and the raising of a key's or group's time.
    """

    KEYS, GROUPS = 8192, 4096

    __slots__ = ("_groups", "_keys", "_last", "_lock")

    def __init__(self) -> None:
        self._keys: MemoryStore[int] = MemoryStore(self.KEYS)
        self._groups: MemoryStore[int] = MemoryStore(self.GROUPS)
        self._last = 0
        self._lock = threading.Lock()

    def stamp(self) -> int:
        """Unix microseconds of now; no two are the same, and a later one is larger."""
        now = int(clock.time() * 1e6)
        with self._lock:
            if self._last > now + LEEWAY:
                self._set_back_locked(now)
            self._last = max(now, self._last + 1)
            return self._last

    def floor(self, key: bytes, group: bytes | None) -> int:
        """What was written before this is not accepted.

        To be asked before the store is: what other threads write while it answers is no reason to
        suspect the answer.
        """
        newest = self._keys.get(key) or 0
        if group is not None:
            dropped = self._groups.get(group)
            if dropped is not None and dropped >= newest:
                return dropped + 1
        return newest

    def set_back(self) -> None:
        """The machine's clock was ahead, and is not any more: what was noted of a time that has not
        come is taken for now, or nothing that is written from now on would be accepted.
        """
        with self._lock:
            self._set_back_locked(int(clock.time() * 1e6))

    def was_dropped(self, groups: Iterable[bytes], since: int) -> bool:
        """Was one of these groups dropped here then, or later?"""
        return any((self._groups.get(group) or 0) >= since for group in groups)

    def saw(self, key: bytes, written: int) -> None:
        """Accept nothing older than this from now on."""
        self._raise(self._keys, key, written)

    def deleted(self, key: bytes) -> None:
        """Accept nothing that was written until now."""
        self._raise(self._keys, key, self.stamp() + 1)

    def dropped(self, group: bytes) -> None:
        """Accept nothing of this group that was written until now."""
        self._raise(self._groups, group, self.stamp())

    def _set_back_locked(self, now: int) -> None:
        self._last = min(self._last, now)
        for times in (self._keys, self._groups):
            for name, time in times.items():
                if time > now:
                    times.set(name, now)

    def _raise(self, times: MemoryStore[int], name: bytes, to: int) -> None:
        with self._lock:
            if to > (times.get(name) or 0):
                times.set(name, to)
