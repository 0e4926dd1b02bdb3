"""The dashboard on a port of its own, by the standard library's server."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from resilient.diagnostics.dashboard.access import is_loopback
from resilient.diagnostics.dashboard.app import App, Dashboard, StartResponse
from resilient.errors import ConfigurationError

MOST_CONNECTIONS = 64
"""Connections served at once; further ones are closed."""

PATIENCE = 20.0
"""Seconds that a client may take to say something."""

LONGEST = 60.0
"""Seconds that a connection may take in all: who says a byte now and then is cut off, too."""


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """One thread for each connection, and not too many of them, nor for too long.

    `_lock` guards `_ends`, the real time when each open connection is over.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, board: Dashboard, host: str, port: int) -> None:
        if not is_loopback(host) and not board.doorkeeper.needs_token:
            raise ConfigurationError(
                f"dashboard on {host}: others can reach this address; give tokens, or use "
                "127.0.0.1."
            )
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._lock = threading.Lock()
        self._ends: dict[Any, float] = {}
        super().__init__((host, port), _Handler)
        self.set_app(_without_server_name(board))

    def server_bind(self) -> None:
        """Bind without asking a name server who we are, as HTTPServer does."""
        socketserver.TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        host = f"[{self.server_name}]" if ":" in self.server_name else self.server_name
        return f"http://{host}:{self.server_port}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection in a thread, if there is room for it."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The thread of one connection."""
        with self._lock:
            self._ends[request] = time.monotonic() + LONGEST
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._ends.pop(request, None)
            self._places.release()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, which can't be cut off any more: another may get its number."""
        with self._lock:
            self._ends.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Between two connections: cut off those that take too long."""
        with self._lock:
            for request, end in self._ends.items():
                if end < time.monotonic():
                    # Its thread finds nothing more to read, and closes it.
                    with contextlib.suppress(OSError):
                        request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away or says nothing is no error of ours."""


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE
    server_version = "resilient"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:
        """The application logs its requests itself."""


def _without_server_name(app: App) -> App:
    """What wsgiref would say of itself and of Python is nobody's business."""

    def wrapped(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, ("Server", "resilient")], *more)

        return app(environ, start)

    return wrapped


@contextlib.contextmanager
def served(board: Dashboard, host: str = "127.0.0.1", port: int = 0) -> Iterator[Server]:
    """Serve from a thread while the block lasts. port: 0 takes a free one."""
    server = Server(board, host, port)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
