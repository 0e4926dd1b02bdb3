"""A daemon thread that does something every so often, in forked children too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from resilient.ending import start_thread
from resilient.forking import keep_forkable


class Ticker:
    """Calls `tick` about once in every `every` seconds of real time, from `start` to `stop`.

    aligned: at the multiples of `every` in Unix time, so that a tick belongs to the window that it
    ends. renew: what a forked child does before it goes on.

    What a tick raises is counted, and the next one comes all the same.

    `_lock` guards `_thread`, `_stopped` and `_due`; each thread has its own two events, so one that
    was stopped stays stopped.
    """

    def __init__(
        self,
        tick: Callable[[], object],
        every: float,
        name: str,
        *,
        aligned: bool = False,
        renew: Callable[[], object] | None = None,
    ) -> None:
        self.every = every
        self.errors = 0
        self._tick = tick
        self._name = name
        self._aligned = aligned
        self._renew = renew
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._due = threading.Event()
        keep_forkable(self)

    @property
    def is_running(self) -> bool:
        """Has it been started, and not stopped?"""
        return self._thread is not None

    def start(self) -> None:
        """Start the thread, unless it runs.

        Raises: RuntimeError if none can be had: the program ends, or has too many.
        """
        with self._lock:
            if self._thread is not None:
                return
            self._stopped = threading.Event()
            self._due = threading.Event()
            self._thread = threading.Thread(
                target=self._run, args=(self._stopped, self._due), name=self._name, daemon=True
            )
            try:
                start_thread(self._thread)
            except RuntimeError:
                self._thread = None
                raise

    def stop(self) -> None:
        """Tick no more; returns when a tick that is under way has ended."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stopped.set()
            self._due.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def hurry(self) -> None:
        """Tick at once."""
        self._due.set()

    def renew_in_child(self) -> None:
        """Threads don't survive a fork."""
        was_running, self._thread = self._thread is not None, None
        if self._renew is not None:
            self._renew()
        if was_running:
            # Who forks as the last one that may is left without it.
            with suppress(RuntimeError):
                self.start()

    def _run(self, stopped: threading.Event, due: threading.Event) -> None:
        # In real time: under a fake clock, whose waits are over at once, this would never rest.
        while True:
            due.wait(self._pause())
            if stopped.is_set():
                return
            due.clear()
            try:
                self._tick()
            except Exception:
                self.errors += 1

    def _pause(self) -> float:
        return self.every - time.time() % self.every if self._aligned else self.every
