"""One Redis or Valkey server that is asked: connections lent, scripts run, failures in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from resilient.stores.bytes_store import StoreFailed
from resilient.stores.lending import Spares
from resilient.stores.redis_connection import packed
from resilient.stores.redis_scripts import Script

if TYPE_CHECKING:
    from redis import Connection

_ONLY_WRITES = frozenset({"OOM", "READONLY", "MISCONF", "NOREPLICAS", "NOPERM"})
"""What a server that may still be read from answers to a write."""

_REFUSALS = frozenset(
    {"ResponseError", "NoScriptError", "NoPermissionError", "OutOfMemoryError", "ReadOnlyError"}
)
"""Errors of redis-py that are a server's orderly answer."""

_CODE = re.compile(r"[A-Z]{2,20}(?= )")


class Line(Protocol):
    """Makes connections, each to the same place; Wire is one.

    label: names the place, without credentials.
    """

    label: str

    def open(self) -> Connection: ...

    def ask(self, connection: Connection, command: bytes) -> Any: ...


class RedisServer:
    """What it can't do within its bound raises StoreFailed.

    A connection that the server has closed while it was idle is no failure: it is replaced, once.
    Nothing else is tried again.
    """

    __slots__ = ("_spares", "label", "wire")

    def __init__(self, wire: Line) -> None:
        self.label = wire.label
        self.wire = wire
        self._spares: Spares[Connection] = Spares(wire.open, _close)

    def run(
        self,
        script: Script,
        keys: Sequence[bytes],
        arguments: Sequence[bytes],
        *,
        writes: bool = True,
    ) -> Any:
        """Run a script; the server is sent its text if it does not know it."""
        rest = (b"%d" % len(keys), *keys, *arguments)
        try:
            return self.ask(packed(b"EVALSHA", script.sha, *rest), writes=writes)
        except UnknownScript:
            pass
        try:
            return self.ask(packed(b"EVAL", script.text, *rest), writes=writes)
        except UnknownScript as error:
            raise StoreFailed("it refuses (NOSCRIPT)") from error

    def ask(self, command: bytes, *, writes: bool = False) -> Any:
        """Send what `packed` made, and give the answer. Raises UnknownScript to an EVALSHA."""
        spares = self._spares
        is_used = True
        while True:
            connection = None
            try:
                connection, is_used = spares.take()
                answer = self.wire.ask(connection, command)
            except Exception as error:
                if connection is not None:
                    self._after(connection, error)
                    if is_used and _was_closed(error):
                        # The others have been idle for as long.
                        spares.close()
                        continue
                raise failure_of(error, writes=writes) from error
            except BaseException:
                if connection is not None:
                    spares.discard(connection)
                raise
            spares.give(connection)
            return answer

    def close(self) -> None:
        """Close the connections that are idle."""
        self._spares.close()

    def renew_in_child(self) -> None:
        """Give up the connections that are the parent's."""
        self._spares.abandon()

    def _after(self, connection: Connection, error: Exception) -> None:
        """Only a server's refusal leaves a connection in order."""
        kind = _kind_of(error)
        if kind == "ReadOnlyError":
            # Another server may have become the one to write to, under the same name.
            self._spares.discard(connection)
            self._spares.close()
        elif kind in _REFUSALS:
            self._spares.give(connection)
        else:
            self._spares.discard(connection)


class WrongType(StoreFailed):
    """A key holds a value of a kind that this program never puts there."""


class UnknownScript(Exception):
    """The server has not seen it yet, or has been restarted."""


def failure_of(error: Exception, *, writes: bool) -> Exception:
    """What to raise for an error of redis-py; of what a server wrote only its code is shown."""
    kind = _kind_of(error)
    if kind == "NoScriptError":
        return UnknownScript()
    if kind == "ConnectionError" or isinstance(error, OSError):
        return StoreFailed("it can't be reached, or closes the connection")
    if kind == "TimeoutError":
        return StoreFailed("it does not answer in time")
    if "WRONGTYPE" in str(error):  # older servers put other words in front
        return WrongType("it refuses (WRONGTYPE)")
    code = {
        "ReadOnlyError": "READONLY",
        "OutOfMemoryError": "OOM",
        "NoPermissionError": "NOPERM",
    }.get(kind)
    if code is None:
        match = _CODE.match(str(error))
        code = match.group() if match else kind
    return StoreFailed(f"it refuses ({code})", only_writes=writes and code in _ONLY_WRITES)


def _close(connection: Connection) -> None:
    connection.disconnect()  # type: ignore[no-untyped-call]


def _kind_of(error: Exception) -> str:
    # By name: loading redis is the work of who makes connections.
    return type(error).__name__


def _was_closed(error: Exception) -> bool:
    return _kind_of(error) == "ConnectionError"
