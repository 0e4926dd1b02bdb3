"""No fork comes while a thread is inside SQLite, and none finds a file open.

SQLite keeps locks of its own in the memory of a process. A child that was forked while another
thread held one waits for it for ever, or takes the file for locked as long as it lives; and one
that finds files open takes their locks on the disk, which are the parent's alone, for its own.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from threading import get_ident
from typing import Protocol

PATIENCE = 5.0
"""Seconds that a fork waits for the threads inside: longer than any of them should take."""


class Closing(Protocol):
    """What has files open."""

    def close(self) -> None:
        """Close what nobody uses."""


class ForkGate:
    """Threads enter and leave; a fork waits until all have left, and lets none in meanwhile. Of
    several threads that fork at once, the last one opens it again.

    `_inside`: how many times each thread has entered. A thread changes only its own number, and
    looks at `_forking` after that; a fork adds its thread to that first and looks at the numbers
    then. So neither misses the other, and who comes and goes needs no lock. `_lock`, which
    `_changed` waits with, guards `_forking`; the handler of a signal may come in while its thread
    holds it.
    """

    __slots__ = ("_changed", "_forking", "_inside", "_kept", "_lock")

    def __init__(self) -> None:
        self._inside: dict[int, int] = {}
        self._forking: set[int] = set()
        self._kept: weakref.WeakSet[Closing] = weakref.WeakSet()
        self._new_lock()

    def _new_lock(self) -> None:
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)

    def keep_closed(self, thing: Closing) -> None:
        """Close it before each fork."""
        self._kept.add(thing)

    def enter(self) -> None:
        """Go inside; whoever is there already may go further."""
        me, inside = get_ident(), self._inside
        times = inside.get(me, 0)
        inside[me] = times + 1
        if self._forking and not times:
            self._wait_outside(me)

    def leave(self) -> None:
        """Come out again; who has not entered may say so too."""
        me, inside = get_ident(), self._inside
        times = inside.pop(me, 0)
        if times > 1:
            inside[me] = times - 1
        elif self._forking:
            self._tell()

    def _wait_outside(self, me: int) -> None:
        with self._lock:
            self._inside.pop(me, None)
            self._tell()
            end = time.monotonic() + 2 * PATIENCE
            # What others have registered to be done before a fork may come in here with the thread
            # that forks, or wait for something that this one holds.
            while self._forking and me not in self._forking and time.monotonic() < end:
                self._changed.wait(PATIENCE)
            self._inside[me] = 1

    def _tell(self) -> None:
        with self._lock:
            self._changed.notify_all()

    def before_fork(self) -> None:
        """Wait for the others (in real time), and close what is open."""
        me = get_ident()
        end = time.monotonic() + PATIENCE
        with self._lock:
            self._forking.add(me)
            while any(one != me for one in list(self._inside)):
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return
            # With the lock, or another thread could fork in the midst of it.
            for thing in list(self._kept):
                thing.close()

    def after_in_parent(self) -> None:
        """Let them in again, unless others are about to fork."""
        with self._lock:
            self._forking.discard(get_ident())
            self._changed.notify_all()

    def after_in_child(self) -> None:
        """There is nobody here but this thread."""
        self._new_lock()
        me = get_ident()
        for other in self._inside.keys() - {me}:
            del self._inside[other]
        self._forking.clear()


gate = ForkGate()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=gate.before_fork,
        after_in_parent=gate.after_in_parent,
        after_in_child=gate.after_in_child,
    )
