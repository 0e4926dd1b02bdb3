"""The store in a Redis or Valkey server that machines share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from resilient.stores.bytes_store import DAY, LEEWAY, Epochs, StoreFailed
from resilient.stores.redis_connection import Wire, packed
from resilient.stores.redis_scripts import BUMP, COUNT, FORGET, SET
from resilient.stores.redis_server import RedisServer
from resilient.stores.sealing import WRITTEN_FROM


class RedisStore:
    """See ByteStore. Entries end by the server's own clock; how much room they take is its
    `maxmemory`. A reading is one GET; a writing is one script, and counts as one step.
    """

    BATCH = 500
    COUNTED = 1000

    __slots__ = ("__weakref__", "_entry", "_epoch", "_members", "_server", "label")

    def __init__(self, wire: Wire, namespace: str) -> None:
        self.label = f"redis:{wire.label}"
        self._server = RedisServer(wire)
        tag = f"{{{namespace}}}".encode()
        self._entry = tag + b":v:"
        self._members = tag + b":m:"
        self._epoch = tag + b":e:"

    def get(self, key: bytes) -> bytes | None:
        name = self._entry + key
        sealed = self._server.ask(b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(name), name))
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
        return bool(self._server.run(SET, [self._entry + key, *places], arguments) == 1)

    def delete(self, keys: Sequence[bytes]) -> None:
        self._server.ask(packed(b"UNLINK", *(self._entry + key for key in keys)), writes=True)

    def epochs(self, groups: Sequence[bytes]) -> Epochs:
        answer = self._server.ask(packed(b"MGET", *(self._epoch + group for group in groups)))
        try:
            epochs = tuple(0 if one is None else int(one) for one in answer)
        except (TypeError, ValueError):
            epochs = ()
        if len(epochs) != len(groups):
            raise StoreFailed("it answers with something else than what it was asked for")
        return epochs

    def drop(self, groups: Sequence[bytes]) -> None:
        day = b"%d" % int(DAY * 1e3)
        self._server.run(BUMP, [self._epoch + group for group in groups], [day])
        for group in groups:
            members, batch = [self._members + group], [self._entry, b"%d" % self.BATCH]
            while self._server.run(FORGET, members, batch) == self.BATCH:
                pass

    def count(self, group: bytes) -> int:
        arguments = [self._entry, b"%d" % self.COUNTED]
        count = self._server.run(COUNT, [self._members + group], arguments, writes=False)
        if type(count) is not int:
            raise StoreFailed("it answers with something else than what it was asked for")
        return count

    def close(self) -> None:
        self._server.close()

    def renew_in_child(self) -> None:
        self._server.renew_in_child()
