"""Time and chance, handed in: the clock in force, waiting, and counts over a rolling window.

Durations use monotonic seconds; Unix time is only for what a vendor or a person reads. Every module
reads the one `clock` and `chance` below, so that `resilient.testing` can replace the time of a
whole process, functions decorated long before included.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class Clock:
    """The clock in force. Attributes, not methods: a read of the time costs no Python frame.

    monotonic: seconds from an arbitrary start, never going back.
    time: Unix time in seconds.
    sleep: blocks the calling thread for some seconds; Ctrl-C interrupts it.
    wait: blocks until an event is set or some seconds are over; True if it was set.
    """

    __slots__ = ("monotonic", "sleep", "time", "wait")

    monotonic: Callable[[], float]
    time: Callable[[], float]
    sleep: Callable[[float], None]
    wait: Callable[[threading.Event, float | None], bool]

    def __init__(self) -> None:
        self.use_system()

    def use_system(self) -> None:
        """Go by the machine's own time."""
        self.monotonic = time.monotonic
        self.time = time.time
        self.sleep = time.sleep
        self.wait = threading.Event.wait


class Chance:
    """The random source in force.

    uniform: a float between two bounds, each of them possible.
    """

    __slots__ = ("uniform",)

    uniform: Callable[[float, float], float]

    def __init__(self) -> None:
        self.use_system()

    def use_system(self) -> None:
        """Draw from the random module."""
        self.uniform = random.uniform


clock = Clock()
chance = Chance()

BATCH = 64
"""Pending figures that are worth folding; more would only cost memory in every function."""


def drained(pending: list[_T]) -> list[_T]:
    """Take all that is pending, while others append. One drainer at a time."""
    taken = pending[:]
    del pending[: len(taken)]
    return taken


class RollingWindow:
    """How many events the last `length` seconds saw, to a tenth of the window.

    Adding must cost next to nothing, since every healthy call does it: `pending.append(now)` is one
    atomic step without a lock, and whoever finds BATCH of them calls `fold`.

    ever: events that were folded since it was made, by whoever wants to know how many are new.

    `_lock` guards `_buckets` and `ever`.
    """

    SLICES = 10

    __slots__ = ("_buckets", "_lock", "_slice", "ever", "length", "pending")

    def __init__(self, length: float) -> None:
        self.length = length
        self.ever = 0
        self.pending: list[float] = []
        self._slice = length / self.SLICES
        self._buckets: dict[int, int] = {}
        self._lock = threading.Lock()

    def add(self, now: float) -> None:
        """Count one event at monotonic time `now`."""
        self.pending.append(now)
        if len(self.pending) >= BATCH:
            self.fold()

    def fold(self) -> None:
        """Move what is pending into buckets."""
        with self._lock:
            self._fold_locked()

    def total(self, now: float) -> int:
        """Events in the window that ends at `now`.

        A bucket counts until its youngest possible event has left the window, so the total covers
        at least `length` seconds and at most a tenth more.
        """
        with self._lock:
            self._fold_locked()
            oldest = self._index(now - self.length)
            for index in [index for index in self._buckets if index < oldest]:
                del self._buckets[index]
            return sum(self._buckets.values())

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self.pending.clear()
            self._buckets.clear()

    def _index(self, moment: float) -> int:
        return int(moment // self._slice)

    def _fold_locked(self) -> None:
        buckets = self._buckets
        batch = drained(self.pending)
        if not batch:
            return
        self.ever += len(batch)
        index = self._index(min(batch))
        if index == self._index(max(batch)):  # as most batches are, and far cheaper
            buckets[index] = buckets.get(index, 0) + len(batch)
        else:
            for index in map(self._index, batch):
                buckets[index] = buckets.get(index, 0) + 1
        # Whatever nobody asks for must not pile up either.
        while len(buckets) > 2 * self.SLICES:
            del buckets[min(buckets)]
