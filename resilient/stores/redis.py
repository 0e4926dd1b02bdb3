"""The store in a Redis or Valkey server that machines share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from resilient.stores.bytes_store import DAY, LEEWAY, Epochs, StoreFailed
from resilient.stores.lending import Spares
from resilient.stores.redis_connection import Wire, packed
from resilient.stores.redis_scripts import BUMP, COUNT, FORGET, SET, Script
from resilient.stores.sealing import WRITTEN_FROM

if TYPE_CHECKING:
    from redis import Connection

_ONLY_WRITES = frozenset({"OOM", "READONLY", "MISCONF", "NOREPLICAS", "NOPERM"})
"""What a server that may still be read from answers to a write."""

_REFUSALS = frozenset(
    {"ResponseError", "NoScriptError", "NoPermissionError", "OutOfMemoryError", "ReadOnlyError"}
)
"""Errors of redis-py that are a server's orderly answer."""

_CODE = re.compile(r"[A-Z]{2,20}(?= )")


class RedisStore:
    """See ByteStore. Entries end by the server's own clock; how much room they take is its
    `maxmemory`. A reading is one GET; a writing is one script, and counts as one step.

    A connection that the server has closed while it was idle is no failure: it is replaced, once.
    Nothing else is tried again.
    """

    BATCH = 500
    COUNTED = 1000

    __slots__ = ("__weakref__", "_entry", "_epoch", "_members", "_spares", "_wire", "label")

    def __init__(self, wire: Wire, namespace: str) -> None:
        self.label = f"redis:{wire.label}"
        self._wire = wire
        tag = f"{{{namespace}}}".encode()
        self._entry = tag + b":v:"
        self._members = tag + b":m:"
        self._epoch = tag + b":e:"
        self._spares: Spares[Connection] = Spares(wire.open, _close)

    def get(self, key: bytes) -> bytes | None:
        name = self._entry + key
        sealed = self._ask(b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(name), name))
        if sealed is None or type(sealed) is bytes:
            return sealed
        raise StoreFailed("it answers with something else than what it was asked for")

    def set(
        self,
        key: bytes,
        sealed: bytes,
        *,
        written: int,
        lives: float,
        groups: Sequence[bytes] = (),
        epochs: Epochs | None = None,
    ) -> bool:
        places = chain.from_iterable((self._epoch + one, self._members + one) for one in groups)
        numbers = (max(1, int(lives * 1e3)), written, LEEWAY, WRITTEN_FROM, epochs is not None)
        arguments = [key, sealed, *(b"%d" % number for number in numbers)]
        arguments += [b"%d" % epoch for epoch in epochs or ()]
        return bool(self._run(SET, [self._entry + key, *places], arguments) == 1)

    def delete(self, keys: Sequence[bytes]) -> None:
        self._ask(packed(b"UNLINK", *(self._entry + key for key in keys)), writes=True)

    def epochs(self, groups: Sequence[bytes]) -> Epochs:
        answer = self._ask(packed(b"MGET", *(self._epoch + group for group in groups)))
        try:
            epochs = tuple(0 if one is None else int(one) for one in answer)
        except (TypeError, ValueError):
            epochs = ()
        if len(epochs) != len(groups):
            raise StoreFailed("it answers with something else than what it was asked for")
        return epochs

    def drop(self, groups: Sequence[bytes]) -> None:
        day = b"%d" % int(DAY * 1e3)
        self._run(BUMP, [self._epoch + group for group in groups], [day])
        for group in groups:
            members, batch = [self._members + group], [self._entry, b"%d" % self.BATCH]
            while self._run(FORGET, members, batch) == self.BATCH:
                pass

    def count(self, group: bytes) -> int:
        arguments = [self._entry, b"%d" % self.COUNTED]
        count = self._run(COUNT, [self._members + group], arguments, writes=False)
        if type(count) is not int:
            raise StoreFailed("it answers with something else than what it was asked for")
        return count

    def close(self) -> None:
        self._spares.close()

    def renew_in_child(self) -> None:
        self._spares.abandon()

    def _run(
        self,
        script: Script,
        keys: Sequence[bytes],
        arguments: Sequence[bytes],
        *,
        writes: bool = True,
    ) -> Any:
        rest = (b"%d" % len(keys), *keys, *arguments)
        try:
            return self._ask(packed(b"EVALSHA", script.sha, *rest), writes=writes)
        except _UnknownScript:
            return self._ask(packed(b"EVAL", script.text, *rest), writes=writes)

    def _ask(self, command: bytes, *, writes: bool = False) -> Any:
        spares = self._spares
        is_used = True
        while True:
            connection = None
            try:
                connection, is_used = spares.take()
                answer = self._wire.ask(connection, command)
            except Exception as error:
                if connection is not None:
                    self._after(connection, error)
                    if is_used and _was_closed(error):
                        # The others have been idle for as long.
                        spares.close()
                        continue
                raise _failure(error, writes=writes) from error
            except BaseException:
                if connection is not None:
                    spares.discard(connection)
                raise
            spares.give(connection)
            return answer

    def _after(self, connection: Connection, error: Exception) -> None:
        """Only a server's refusal leaves a connection in order."""
        if _kind_of(error) in _REFUSALS:
            self._spares.give(connection)
        else:
            self._spares.discard(connection)


class _UnknownScript(Exception):
    """The server has not seen it yet, or has been restarted."""


def _close(connection: Connection) -> None:
    connection.disconnect()  # type: ignore[no-untyped-call]


def _kind_of(error: Exception) -> str:
    # By name: loading redis is the work of who makes connections.
    return type(error).__name__


def _was_closed(error: Exception) -> bool:
    return _kind_of(error) == "ConnectionError"


def _failure(error: Exception, *, writes: bool) -> Exception:
    """What to raise for an error of redis-py; of what a server wrote only its code is shown."""
    kind = _kind_of(error)
    if kind == "NoScriptError":
        return _UnknownScript()
    if kind == "ConnectionError" or isinstance(error, OSError):
        return StoreFailed("it can't be reached, or closes the connection")
    if kind == "TimeoutError":
        return StoreFailed("it does not answer in time")
    code = {
        "ReadOnlyError": "READONLY",
        "OutOfMemoryError": "OOM",
        "NoPermissionError": "NOPERM",
    }.get(kind)
    if code is None:
        match = _CODE.match(str(error))
        code = match.group() if match else kind
    return StoreFailed(f"it refuses ({code})", only_writes=writes and code in _ONLY_WRITES)
