"""A loopback vendor that answers as a test tells it to, and calls opened by hand."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

from resilient.call import Call, Gate, Target, current

Answer = Callable[[socket.socket, bytes], object]

LOCAL = "127.0.0.1"
OK = b"HTTP/1.1 200 OK\r\nX-RateLimit-Remaining: 41\r\nContent-Length: 2\r\n\r\nok"


class Vendor:
    """A server whose `answer(connection, head)` sends the bytes of one answer.

    heads: the request heads received. over: set when the test ends, to let go of a hung answer.
    """

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None):
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server((LOCAL, 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{LOCAL}:{self.port}/"
        self.heads: list[bytes] = []
        self.connections = 0
        self.over = threading.Event()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                self._threads.append(
                    threading.Thread(target=self._serve, args=(connection,), daemon=True)
                )
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            with connection, connection.makefile("rb") as lines:
                while not self.over.is_set():
                    head = b""
                    while not head.endswith(b"\r\n\r\n"):
                        line = lines.readline()
                        if not line:
                            return
                        head += line
                    for line in head.lower().split(b"\r\n"):
                        if line.startswith(b"content-length:"):
                            lines.read(int(line.partition(b":")[2]))
                    self.heads.append(head)
                    self._answer(connection, head)

    def drip(self, connection: socket.socket) -> None:
        """Send a byte now and then until the test is over."""
        while not self.over.wait(0.02):
            connection.sendall(b"x")

    def close(self) -> None:
        self.over.set()
        # Clients keep connections for the next request: a thread would wait for it for ever, and
        # where another thread runs, each wait under a fake clock takes its real patience.
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def opened(
    *,
    deadline: float | None = None,
    timeout: float | None = None,
    gates: tuple[Gate, ...] = (),
    admitted: bool = True,
    observing: bool = False,
) -> Iterator[Call]:
    """An open call, as the wrapper of a decorated function opens it.

    deadline: seconds from now. admitted: has the gate let the first request through?
    """
    call = Call.of(
        Target(opened, service="vendor", name="fetch", observing=observing, timeout=timeout)
    )
    if deadline is not None:
        call.deadline = call.started + deadline
    call.target.gates = gates
    if not admitted:
        call.admitted_from = -1
    token = current.set(call)
    try:
        yield call
    finally:
        current.reset(token)
        call.closed = True
