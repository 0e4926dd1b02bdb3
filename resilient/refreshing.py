"""A few threads that do a bounded amount of work behind the callers' backs.

For answers that are given although they are stale, and fetched anew meanwhile.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable

from resilient.ending import start_thread
from resilient.forking import keep_forkable
from resilient.timing import clock

Work = Callable[[], object]

LINGER = 5.0
"""Seconds that a thread without work stays, since the next piece may come soon."""


class Refreshes:
    """Runs each piece of work once per key at a time, on at most `workers` threads.

    waiting: pieces that may wait for a thread; what comes on top is turned away. The threads are
    started when they are needed, and keep no process alive.

    `_lock` guards all other fields; both conditions are notified with it held.
    """

    def __init__(self, workers: int = 4, waiting: int = 64) -> None:
        self._workers = workers
        self._most = waiting
        self._lock = threading.Lock()
        self._begin()
        keep_forkable(self)

    def submit(self, key: Hashable, work: Work) -> bool:
        """Have `work` done soon; False if the key's is under way already, or too much waits.

        It runs in a context of its own, so the call that is open here is not open there. What it
        raises is nobody's to hear: it tells of its failure itself. Nothing is raised here.
        """
        try:
            hash(key)
        except TypeError:
            return False
        piece = (key, work)
        with self._lock:
            if key in self._under_way or len(self._waiting) >= self._most:
                return False
            self._under_way.add(key)
            self._waiting.append(piece)
            if len(self._waiting) <= self._idle:
                self._come.notify()
                return True
            if self._threads >= self._workers:
                return True
            self._threads += 1
        return self._start(piece)

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until all is done, for tests; False if `timeout` real seconds were not enough."""
        end = time.monotonic() + timeout
        with self._lock:
            while self._under_way:
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._done.wait(left)
        return True

    def renew_in_child(self) -> None:
        """The threads are not there, nor is the work that was theirs to do."""
        self._begin()

    def _begin(self) -> None:
        self._waiting: deque[tuple[Hashable, Work]] = deque()
        self._under_way: set[Hashable] = set()
        self._threads = 0
        self._idle = 0
        self._come = threading.Condition(self._lock)
        self._done = threading.Condition(self._lock)

    def _start(self, piece: tuple[Hashable, Work]) -> bool:
        try:
            start_thread(
                threading.Thread(target=self._serve, name="resilient-refresh", daemon=True)
            )
        except RuntimeError:  # no thread can be had: the process ends, or has too many
            with self._lock:
                self._threads -= 1
                if self._threads == 0 and piece in self._waiting:
                    self._waiting.remove(piece)
                    self._under_way.discard(piece[0])
                    return False
        return True

    def _serve(self) -> None:
        while True:
            piece = self._next()
            if piece is None:
                return
            key, work = piece
            with contextlib.suppress(BaseException):
                contextvars.Context().run(work)
            del piece, work  # what it holds must not live as long as this thread waits
            with self._lock:
                self._under_way.discard(key)
                self._done.notify_all()

    def _next(self) -> tuple[Hashable, Work] | None:
        with self._lock:
            if not self._waiting and _is_real_time():
                self._idle += 1
                self._come.wait(LINGER)
                self._idle -= 1
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
            return None


def _is_real_time() -> bool:
    """Under a fake clock nobody waits, and threads that only wait would slow down its tests."""
    return clock.wait is threading.Event.wait


refreshes = Refreshes()
"""Those of this process."""
