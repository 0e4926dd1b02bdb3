"""No fork comes while a thread is inside SQLite, and none finds a file open.

SQLite keeps locks of its own in the memory of a process. A child that was forked while another
thread held one waits for it for ever, or takes the file for locked as long as it lives; and one
that finds files open takes their locks on the disk, which are the parent's alone, for its own.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

from resilient.timing import clock

PATIENCE = 5.0
"""Seconds that a fork waits for the threads inside: longer than any of them should take."""


class Closing(Protocol):
    """What has files open."""

    def close(self) -> None:
        """Close what nobody uses."""


class ForkGate:
    """Threads enter and leave; a fork waits until all have left, and lets none in meanwhile.

    `_lock`, which `_changed` waits with, guards `_inside`, how many times each thread has entered,
    and `_is_shut`. The handler of a signal may come in while its thread holds it.
    """

    __slots__ = ("_changed", "_inside", "_is_shut", "_kept", "_lock")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._inside: dict[int, int] = {}
        self._is_shut = False
        self._kept: weakref.WeakSet[Closing] = weakref.WeakSet()

    def keep_closed(self, thing: Closing) -> None:
        """Close it before each fork."""
        self._kept.add(thing)

    def enter(self) -> None:
        """Go inside; whoever is there already may go further."""
        me = threading.get_ident()
        inside = self._inside
        with self._lock:
            while self._is_shut and me not in inside:
                self._changed.wait()
            inside[me] = inside.get(me, 0) + 1

    def leave(self) -> None:
        """Come out again; who has not entered may say so too."""
        me = threading.get_ident()
        with self._lock:
            count = self._inside.pop(me, 0)
            if count > 1:
                self._inside[me] = count - 1
            elif self._is_shut:
                self._changed.notify_all()

    def before_fork(self) -> None:
        """Wait for the others, and close what is open."""
        me = threading.get_ident()
        end = clock.monotonic() + PATIENCE
        with self._lock:
            self._is_shut = True
            while self._inside.keys() - {me}:
                left = end - clock.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return
        for thing in list(self._kept):
            thing.close()

    def after_in_parent(self) -> None:
        """Let them in again."""
        with self._lock:
            self._is_shut = False
            self._changed.notify_all()

    def after_in_child(self) -> None:
        """There is nobody here but this thread."""
        me = threading.get_ident()
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        for other in self._inside.keys() - {me}:
            del self._inside[other]
        self._is_shut = False


gate = ForkGate()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=gate.before_fork,
        after_in_parent=gate.after_in_parent,
        after_in_child=gate.after_in_child,
    )
