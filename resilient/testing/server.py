"""The HTTP of a scripted vendor: requests in, each answer or fault out as the script has it."""

from __future__ import annotations

import contextlib
import http
import json
import math
import os
import re
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Callable
from email.message import Message
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any

from resilient.testing.clock import THREAD_PREFIX
from resilient.testing.script import Answer
from resilient.testing.wire import Address, Line
from resilient.timing import clock

Receive = Callable[[str, str, Message, bytes, Address], Answer]
"""(method, target, headers, body, client) -> what to answer; called once a request."""

_MOMENT = re.compile(r"(now|date)([+-]\d+(?:\.\d+)?)")

# Windows has two shorts where POSIX has two ints: on, and 0 seconds.
_RESET_ON_CLOSE = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class Server(socketserver.ThreadingTCPServer):
    """Listens on a free port of the loopback, with one thread a connection."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, receive: Receive) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.receive = receive
        # _lock guards both.
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._cut_off: set[socket.socket] = set()

    @property
    def address(self) -> Address:
        """Where the server listens."""
        host, port = self.socket.getsockname()[:2]
        return host, port

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection in a thread of its own."""
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name=f"{THREAD_PREFIX} connection",
            daemon=True,
        )
        with self._lock:
            self._open[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, politely unless it was to be cut off."""
        with self._lock:
            self._open.pop(request, None)
            is_cut_off = request in self._cut_off
            self._cut_off.discard(request)
        if is_cut_off:
            # A shutdown would send a FIN before the RST.
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def cut_off(self, connection: socket.socket) -> None:
        """Have the connection reset when its thread is done with it."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        with self._lock:
            self._cut_off.add(connection)

    def hang_up(self) -> None:
        """Close every connection, and wait for the threads that serve them."""
        with self._lock:
            connections = list(self._open.items())
            for connection, _ in connections:
                # The client may have been faster.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for _, thread in connections:
            thread.join(timeout=1)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what faults are for; anything else is printed."""
        if not _is_hang_up():
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        with Line(self.connection, self.client_address) as self.line:
            super().handle()

    def __getattr__(self, name: str) -> Any:
        # BaseHTTPRequestHandler looks for do_GET and so on; any method is fine here.
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def handle_expect_100(self) -> bool:
        """Let the body come."""
        self.line.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the vendor's `requests` tell it better."""

    def _answer(self) -> None:
        body = self._read_body()
        answer = self.server.receive(
            self.command, self.path, self.headers, body, self.client_address
        )
        if answer.fault is not None or answer.status < 200:
            # Whatever comes after an interim status is up to a protocol that we don't speak.
            self.close_connection = True
        if answer.delay and not self.line.pause(answer.delay):
            self.close_connection = True
        elif answer.fault == "timeout":
            self.line.pause(math.inf)
        elif answer.fault == "reset":
            self.server.cut_off(self.connection)
        elif answer.fault == "garbage":
            self.line.write(b"\x15\x03\x01 this is not HTTP\r\n\r\n")
        elif answer.fault != "close":
            self._send(answer)

    def _send(self, answer: Answer) -> None:
        head, body = self._compose(answer)
        self.line.write(head)
        if answer.fault is not None:
            body = body[: len(body) // 2]
        if not answer.drip:
            self.line.write(body)
        else:
            for index in range(len(body)):
                if not self.line.pause(answer.drip):
                    self.close_connection = True
                    return
                self.line.write(body[index : index + 1])
        if answer.fault == "stall":
            self.line.pause(math.inf)

    def _compose(self, answer: Answer) -> tuple[bytes, bytes]:
        default = json.dumps({"status": answer.status})
        body = (default if answer.body is None else answer.body).encode()
        headers = [(name, _moment(value)) for name, value in answer.headers]
        given = {name.lower(): value.lower() for name, value in headers}
        has_body = answer.status >= 200 and answer.status not in (204, 304)
        if "date" not in given:
            headers.append(("Date", formatdate(clock.time(), usegmt=True)))
        if has_body and "content-type" not in given:
            headers.append(("Content-Type", answer.media))
        if has_body and "content-length" not in given:
            headers.append(("Content-Length", str(len(body))))
        if given.get("connection") == "close":
            self.close_connection = True
        lines = [f"HTTP/1.1 {answer.status} {_phrase(answer.status)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return head, body if has_body and self.command != "HEAD" else b""

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        # RFC 9112 7.1.2: trailers end with an empty line.
        while self.rfile.readline().strip():
            continue
        return b"".join(chunks)


def _moment(value: str) -> str:
    found = _MOMENT.fullmatch(value)
    if found is None:
        return value
    unix = clock.time() + float(found[2])
    # Rounded up, so that nobody who obeys the vendor comes too early.
    return str(math.ceil(unix)) if found[1] == "now" else formatdate(math.ceil(unix), usegmt=True)


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Scripted"


def _is_hang_up() -> bool:
    return isinstance(sys.exc_info()[1], OSError)
