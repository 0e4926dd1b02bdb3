"""A daemon thread that looks every so often, in forked children too."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable


class Sampler:
    """Calls `look` about once in every `step` seconds of real time, until it is stopped.

    `_lock` guards `_thread` and `_stopped`.
    """

    def __init__(self, look: Callable[[], None], step: float, renew: Callable[[], None]) -> None:
        self.errors = 0
        """Looks that failed; the next one is tried all the same."""
        self._look = look
        self._renew = renew
        self.step = step
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        _samplers.add(self)

    def start(self) -> None:
        """Start the thread, unless it runs."""
        with self._lock:
            if self._thread is not None:
                return
            # An event of its own for each thread: one that was stopped stays stopped.
            self._stopped = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._stopped,), name="resilient-dashboard", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Look no more; returns when a look that is under way has ended."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stopped.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def restart_in_child(self) -> None:
        """In a forked child: threads don't survive a fork, and locks may be held by nobody."""
        self._lock = threading.Lock()
        was_running, self._thread = self._thread is not None, None
        self._renew()
        if was_running:
            self.start()

    def _run(self, stopped: threading.Event) -> None:
        # Real time, and its multiples: a look belongs to the window that it ends.
        while not stopped.wait(self.step - time.time() % self.step):
            try:
                self._look()
            except Exception:
                self.errors += 1


_samplers: weakref.WeakSet[Sampler] = weakref.WeakSet()


def _restart_all() -> None:
    for sampler in list(_samplers):
        sampler.restart_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart_all)
