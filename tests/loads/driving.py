"""Clients: keep-alive connections, threads that call as fast as they are let, and their figures."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from resilient import RateLimited
from tests.loads.vendors import LOCAL

Work = Callable[[], object]

US = "us"
"""How our clients name themselves to the server."""


class TurnedAway(Exception):
    """An HTTP error as a careful client raises it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


class Client:
    """One keep-alive connection a thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._local = threading.local()
        self._open: list[http.client.HTTPConnection] = []

    def get(self, path: str = "/", **headers: str) -> int:
        """Send one request; TurnedAway if it is answered with an error."""
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(LOCAL, self._port, timeout=20)
            self._local.connection = connection
            self._open.append(connection)
        try:
            connection.request("GET", path, headers={"X-Client": US, **headers})
            response = connection.getresponse()
            response.read()
        except BaseException:
            connection.close()
            raise
        if response.status >= 400:
            raise TurnedAway(response.status)
        return response.status

    def close(self) -> None:
        for connection in self._open:
            connection.close()


@contextlib.contextmanager
def client(port: int) -> Iterator[Client]:
    one = Client(port)
    try:
        yield one
    finally:
        one.close()


@dataclass
class Driven:
    """What came of some threads' calls. began, ended: monotonic seconds. cpu: seconds.

    longest: seconds of the longest call. errors: how often each was raised.
    """

    began: float = 0.0
    ended: float = 0.0
    calls: int = 0
    failed: int = 0
    refused: int = 0
    longest: float = 0.0
    cpu: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)

    def note(self, error: Exception | None) -> None:
        """Count an error; the caller holds the lock."""
        if error is not None:
            what = f"{type(error).__name__}: {error}"[:200]
            self.errors[what] = self.errors.get(what, 0) + 1


def drive(works: list[Work], seconds: float) -> Driven:
    """Call each of `works` on a thread of its own, again and again, for so many seconds.

    A call that is under way at the end is waited for.
    """
    driven = Driven()
    lock = threading.Lock()
    ready = threading.Barrier(len(works) + 1)

    def run(work: Work) -> None:
        ready.wait()
        end = driven.began + seconds
        while True:
            started = time.monotonic()
            if started >= end:
                return
            error: Exception | None = None
            try:
                work()
            except Exception as caught:
                error = caught
            took = time.monotonic() - started
            with lock:
                driven.calls += 1
                driven.longest = max(driven.longest, took)
                if isinstance(error, RateLimited):
                    driven.refused += 1
                elif error is not None:
                    driven.failed += 1
                driven.note(error)
            if isinstance(error, RateLimited):
                time.sleep(0.01)  # a refusal costs nothing, and this is not what is measured

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    cpu = time.process_time()
    driven.began = time.monotonic()
    driven.ended = driven.began + seconds
    ready.wait()
    for thread in threads:
        thread.join()
    driven.cpu = time.process_time() - cpu
    return driven
