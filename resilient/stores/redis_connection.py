"""Connections of redis-py that answer, or fail, within one bound for the whole of a command.

redis-py's own timeout is for each read: a server that sends a byte now and then would hold its
caller for ever.
"""

from __future__ import annotations

import math
import socket
from typing import TYPE_CHECKING, Any

from resilient.errors import ConfigurationError
from resilient.stores.lookup import Lookup
from resilient.timing import clock

if TYPE_CHECKING:
    from redis import Connection

SCHEMES = {
    "redis": "redis",
    "valkey": "redis",
    "rediss": "rediss",
    "valkeys": "rediss",
    "unix": "unix",
}
"""As a user writes them, and as redis-py does."""

_NOT_OURS = ("max_connections", "timeout", "retry_on_timeout")
"""Options of a URL that are a pool's, or would make us try again."""


class BoundedSocket:
    """A socket on which sending and receiving end at `end` (monotonic seconds), if not before.

    What has come in by then is still read, once: whoever was stopped meanwhile (SIGSTOP, a paused
    machine, a container that has used up its time) finds the answer there, and the server is fine.
    """

    LAST_LOOK = 0.001
    """Seconds that it takes at the most."""

    __slots__ = ("_socket", "end")

    def __init__(self, sock: Any) -> None:
        self._socket = sock
        self.end = math.inf

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def recv(self, size: int, *flags: int) -> bytes:
        self._hurry(looks=True)
        return self._socket.recv(size, *flags)  # type: ignore[no-any-return]

    def recv_into(self, buffer: Any, *rest: int) -> int:  # hiredis reads so
        self._hurry(looks=True)
        return self._socket.recv_into(buffer, *rest)  # type: ignore[no-any-return]

    def sendall(self, data: Any) -> None:
        self._hurry()
        self._socket.sendall(data)

    def _hurry(self, *, looks: bool = False) -> None:
        if self.end != math.inf:
            left = self.end - clock.monotonic()
            if left <= 0:
                if not looks or self.end == -math.inf:
                    raise socket.timeout("time is up")  # noqa: UP041  # what redis-py looks for
                self.end, left = -math.inf, self.LAST_LOOK
            self._socket.settimeout(left)


class Wire:
    """Makes the connections to one server.

    label: host and port, without credentials. options: as redis.Connection takes them. opens: the
    function that was given the URL, for errors.
    """

    def __init__(self, url: str, bound: float, opens: str = "open_store") -> None:
        scheme, _, rest = url.partition("://")
        self._bound = bound
        try:
            import redis
        except ImportError as error:
            raise ConfigurationError(
                f'{opens}("{scheme}://…"): redis-py is not installed. '
                "pip install 'resilient-decorators[redis]'"
            ) from error
        try:
            parse_url: Any = redis.connection.parse_url
            options = parse_url(f"{SCHEMES[scheme]}://{rest}")
        except Exception:
            # Its text, and its cause, could show a part of the password.
            raise ConfigurationError(
                f'{opens}("{scheme}://…"): that URL can\'t be read; write '
                "redis://user:password@host:6379/0, with quoted (%40 for @) user and password."
            ) from None
        kind = options.pop("connection_class", redis.Connection)
        for name in _NOT_OURS:
            options.pop(name, None)
        self.options: dict[str, Any] = options | {
            "socket_timeout": bound,
            "socket_connect_timeout": bound,
            "health_check_interval": 0,
            "retry": redis.retry.Retry(redis.backoff.NoBackoff(), 0),
            "encoding": "utf-8",
            "decode_responses": False,
            "protocol": 2,
        }
        self._kind = _bounded(kind)
        host = options.get("host", "localhost")
        is_local = kind is redis.UnixDomainSocketConnection
        port = options.get("port", 6379)
        self.label = "unix" if is_local else f"{host}:{port}"
        self._lookup = None if is_local else Lookup(host, port)
        try:
            self._kind(**self.options)
        except Exception:
            raise ConfigurationError(
                f'{opens}("{scheme}://…"): redis-py does not take an option of that URL; '
                "use those of redis.Connection."
            ) from None

    def open(self) -> Connection:
        """A connection that is ready for commands. Raises what redis-py raises."""
        end = clock.monotonic() + self._bound
        if self._lookup is not None:
            self._lookup.wait(end)
        connection: Any = self._kind(**self.options)
        connection.end = end
        try:
            connection.connect()
        except BaseException:
            connection.disconnect()
            raise
        return connection  # type: ignore[no-any-return]

    def ask(self, connection: Connection, command: bytes) -> Any:
        """Send what `packed` made, and wait for the answer. Raises what redis-py raises."""
        end = clock.monotonic() + self._bound
        connection.end = end  # type: ignore[attr-defined]
        sock: Any = connection._sock
        if type(sock) is BoundedSocket:
            sock.end = end
        connection.send_packed_command([command], check_health=False)  # type: ignore[no-untyped-call]
        return connection.read_response()


def packed(*parts: bytes) -> bytes:
    """One command as Redis reads it."""
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(one), one) for one in parts])


def _bounded(kind: Any) -> Any:
    class BoundedConnection(kind):  # type: ignore[misc]
        end = math.inf

        @property
        def socket_connect_timeout(self) -> float | None:
            """A host may have several addresses, each of which is tried in turn."""
            return None if self.end == math.inf else max(0.001, self.end - clock.monotonic())

        @socket_connect_timeout.setter
        def socket_connect_timeout(self, _: object) -> None:
            """It is `end` that says it."""

        def _connect(self) -> Any:
            sock = BoundedSocket(super()._connect())
            sock.end = self.end
            return sock

    return BoundedConnection
