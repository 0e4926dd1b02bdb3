"""The store in this process: a dict that forgets what was not used for longest."""

from __future__ import annotations

import threading
from collections.abc import Callable
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

    def items(self) -> list[tuple[Key, V]]: ...

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

    def items(self) -> list[tuple[Key, V]]:
        """What is kept now; looking at it does not count as using it."""
        with self._lock:
            return list(self._entries.copy().items())

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


class SizedStore(MemoryStore[V]):
    """The same within `max_bytes` too; a value that is larger than that is not kept at all.

    size_of: bytes of a value, about. It is asked without a lock. `_lock` guards all fields.
    """

    __slots__ = ("_bytes", "_size_of", "_sizes", "max_bytes")

    def __init__(self, max_entries: int, max_bytes: int, size_of: Callable[[V], int]) -> None:
        super().__init__(max_entries)
        self.max_bytes = max_bytes
        self._size_of = size_of
        self._sizes: dict[Key, int] = {}
        self._bytes = 0

    @property
    def size(self) -> int:
        """Bytes of all that is kept, about."""
        return self._bytes

    def set(self, key: Key, value: V) -> None:
        size = self._size_of(value)
        with self._lock:
            self._reorder_locked()
            self._drop_locked(key)
            if size > self.max_bytes:
                return
            self._entries[key] = value
            self._sizes[key] = size
            self._bytes += size
            while self._bytes > self.max_bytes or len(self._entries) > self.max_entries:
                oldest = next(iter(self._entries), None)
                if oldest is None:  # Ctrl-C or a fork came between two of these steps once
                    self._bytes = sum(self._sizes.values())
                    return
                self._drop_locked(oldest)

    def delete(self, key: Key) -> None:
        with self._lock:
            self._drop_locked(key)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._used.clear()
            self._sizes.clear()
            self._bytes = 0

    def _drop_locked(self, key: Key) -> None:
        self._entries.pop(key, None)
        self._bytes -= self._sizes.pop(key, 0)
