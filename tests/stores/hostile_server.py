"""Servers that speak Redis badly, on loopback, each connection on a thread of its own."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Behavior = Callable[[socket.socket, list[bytes]], None]
"""What to do with one command. An OSError ends the connection."""


@contextmanager
def hostile_server(
    behave: Behavior, *, shakes_hands: bool = True, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Gives the URL. shakes_hands: what a client says at the start is answered as it should be."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        if tls is not None:
            with suppress(OSError):
                connection = tls.wrap_socket(connection, server_side=True)
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            while command := _command(lines):  # type: ignore[arg-type]
                if shakes_hands and command[0].upper() not in (b"GET", b"EVALSHA", b"MGET"):
                    connection.sendall(b"+OK\r\n")
                else:
                    behave(connection, command)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threading.Thread(target=serve, args=[connection], daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


def _command(lines: Iterator[bytes]) -> list[bytes]:
    head = lines.readline()  # type: ignore[attr-defined]
    if not head.startswith(b"*"):
        return []
    parts = []
    for _ in range(int(head[1:])):
        size = int(lines.readline()[1:])  # type: ignore[attr-defined]
        parts.append(lines.read(size + 2)[:-2])  # type: ignore[attr-defined]
    return parts
