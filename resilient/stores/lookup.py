"""A host's name, looked up within a bound: the system's own lookup takes as long as it likes."""

from __future__ import annotations

import ipaddress
import socket
import threading
from contextlib import suppress

from resilient.ending import start_thread
from resilient.forking import keep_forkable
from resilient.timing import clock


class Lookup:
    """Sees that a name can be found before somebody connects to it.

    One lookup is under way at a time, however many wait for it, and however long it takes. Of what
    it finds the system makes what it will: who connects asks it again, and is answered at once.

    `_lock` guards `_over`, which is set when the one that is under way has ended.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._is_name = not _is_address(host)
        self._over: threading.Event | None = None
        self._lock = threading.Lock()
        keep_forkable(self)

    def wait(self, end: float) -> None:
        """Raises: TimeoutError, if it is still under way at `end` (monotonic seconds)."""
        over = self._begun() if self._is_name else None
        # In real time, as the lookup is.
        if over is not None and not over.wait(max(0.0, end - clock.monotonic())):
            raise TimeoutError("the name of its host is not found in time")

    def renew_in_child(self) -> None:
        """The thread that looks is not there."""
        self._over = None

    def _begun(self) -> threading.Event | None:
        with self._lock:
            if self._over is None:
                over = threading.Event()
                thread = threading.Thread(
                    target=self._look, args=(over,), name="resilient-lookup", daemon=True
                )
                try:
                    start_thread(thread)
                except RuntimeError:  # it can have no thread, and so no bound
                    return None
                self._over = over
            return self._over

    def _look(self, over: threading.Event) -> None:
        # What is wrong with it, who connects is told.
        with suppress(Exception):
            socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        with self._lock:
            if self._over is over:
                self._over = None
        over.set()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
