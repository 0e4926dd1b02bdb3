"""The store in this process: a dict that forgets what was not used for longest."""

from __future__ import annotations

import threading
from contextlib import suppress
from itertools import islice
from typing import Generic, Protocol, TypeVar

from resilient.keys import Key
from resilient.timing import BATCH, drained

V = TypeVar("V")


class Store(Protocol[V]):
    """What a cache keeps its entries in. Implementations are safe under threads.

    get: the entry, None if there is none; it counts as used.
    set: keep an entry, replacing an older one; it counts as used, too.
    """

    def get(self, key: Key) -> V | None: ...

    def set(self, key: Key, value: V) -> None: ...

    def delete(self, key: Key) -> None: ...

    def clear(self) -> None: ...

    def __len__(self) -> int: ...


class MemoryStore(Generic[V]):
    """At most `max_entries`, least recently used going first.

    A read takes no lock: it notes its key, and what was noted is applied before anything is
    forgotten. A large store forgets some ahead of need, so that a full one does not work for each
    entry that comes. `_lock` guards the order of `_entries`; setting one is atomic.
    """

    LARGE = 128

    __slots__ = ("_ahead", "_entries", "_is_moving", "_lock", "_used", "max_entries")

    def __init__(self, max_entries: int) -> None:
        self.max_entries = max_entries
        self._ahead = max_entries // 8 if max_entries >= self.LARGE else 0
        # A dict keeps the order in which its keys came.
        self._entries: dict[Key, V] = {}
        self._used: list[Key] = []
        self._is_moving = False
        self._lock = threading.Lock()

    def get(self, key: Key) -> V | None:
        value = self._entries.get(key)
        if value is None:
            if not self._is_moving:
                return None
            with self._lock:  # it may be the one that is moved just now
                value = self._entries.get(key)
            if value is None:
                return None
        self._used.append(key)
        if len(self._used) >= BATCH:
            with self._lock:
                self._reorder_locked()
        return value

    def set(self, key: Key, value: V) -> None:
        entries = self._entries
        if self._used:  # before this one
            with self._lock:
                self._reorder_locked()
        before = len(entries)
        entries[key] = value
        count = len(entries)
        if count == before:  # it stays where the older one was
            self._used.append(key)
        elif count > self.max_entries:
            self._forget_oldest()

    def delete(self, key: Key) -> None:
        with self._lock:
            self._entries.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._used.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def _forget_oldest(self) -> None:
        with self._lock:
            self._reorder_locked()
            surplus = len(self._entries) - self.max_entries
            if surplus > 0:
                # A thread that sets an entry just now breaks the look: the next one forgets more.
                with suppress(RuntimeError):
                    for key in list(islice(self._entries, surplus + self._ahead)):
                        del self._entries[key]

    def _reorder_locked(self) -> None:
        entries = self._entries
        self._is_moving = True
        try:
            # Of several uses only the last counts.
            for key in reversed(dict.fromkeys(reversed(drained(self._used)))):
                value = entries.pop(key, None)
                if value is not None:
                    # Not if another thread has just set a newer one.
                    entries.setdefault(key, value)
        finally:
            self._is_moving = False
