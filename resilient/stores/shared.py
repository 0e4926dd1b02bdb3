"""A store that processes share, as caches use it: signed, and never in the way when it fails."""

from __future__ import annotations

import pickle
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from resilient.forking import keep_forkable
from resilient.stores import plain
from resilient.stores.bytes_store import LEEWAY, ByteStore, Epochs, StoreFailed
from resilient.stores.health import Health, Owed, TamperAlarm
from resilient.stores.plain import Unreadable, Unstorable
from resilient.stores.remembering import Remembered
from resilient.stores.sealing import Seals, Tampered, old_name
from resilient.timing import clock

T = TypeVar("T")

LONGEST_LIFE = 366 * 86_400.0
"""Seconds; nothing is kept for longer, whoever asks."""

LARGEST = 64 * 1024 * 1024
"""Bytes of one entry."""

_PICKLED = b"p"[0]


class SharedStore:
    """What caches keep entries in together with other processes; `open_store` makes one.

    No failure of the store is raised: what can't be read is not there, what can't be written is not
    kept. Keys and groups are bytes that `digest` made, so that the store holds nothing in clear but
    the values (and those neither, if they are encrypted).

    What was to be forgotten while the store was down is forgotten when it is back: this process
    does not accept it meanwhile, and the others can't know.

    `_lock` guards `_counts`.
    """

    def __init__(
        self, raw: ByteStore, seals: Seals, *, serializer: str = "json", timeout: float = 0.25
    ) -> None:
        self.label = raw.label
        self._raw = raw
        self._seals = seals
        self._is_pickling = serializer == "pickle"
        self._loads = _unpickled if self._is_pickling else plain.loads
        self._timeout = timeout
        self._health = Health(raw.label, timeout)
        self._owed = Owed()
        self._alarm = TamperAlarm(raw.label)
        self._remembered = Remembered()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        keep_forkable(self)

    def __repr__(self) -> str:
        return f"<SharedStore {self.label}>"

    def get(self, key: bytes, group: bytes | None = None) -> Any | None:
        """The value that was set, as a new object; None if there is none.

        group: one that the entry was put in; what was written before this process dropped it is
        not accepted.
        """
        asking = self._health.asking
        if asking.is_down and not asking.may_ask():
            return None
        floor = self._remembered.floor(key, group)
        started = clock.monotonic()
        try:
            sealed = self._raw.get(key)
        except StoreFailed as failure:
            self._health.failed(failure, started)
            return None
        if clock.monotonic() - started > self._timeout or asking.is_down:
            self._health.answered(started)
            self._settle()
        if sealed is None:
            before = old_name(key)
            if before is not None:  # it may have been written under the old key
                return self.get(before, old_name(group) if group is not None else None)
            return self._counted("misses", None)
        return self._opened(key, sealed, floor)

    def set(
        self,
        key: bytes,
        value: Any,
        *,
        lives: float,
        groups: Sequence[bytes] = (),
        epochs: Epochs | None = None,
    ) -> bool:
        """Keep a value; was it kept?

        lives: seconds from now after which it may be forgotten. epochs: as they were before the
        value was fetched; if one of the groups was dropped since, it is not kept. None: any.
        Raises: Unstorable.
        """
        payload = self._dumped(value)
        if not lives > 0 or not self._health.may_write():
            return False
        lives = min(lives, LONGEST_LIFE)
        written = self._remembered.stamp()
        sealed = self._seals.seal(key, payload, written, written + int(lives * 1e6))
        started = clock.monotonic()
        try:
            kept = self._raw.set(
                key,
                sealed,
                written=written,
                lives=lives,
                groups=_with_old(groups),
                epochs=epochs,
            )
            before = old_name(key)
            if kept and before is not None:
                self._raw.delete([before])
        except StoreFailed as failure:
            self._health.failed(failure, started)
            return False
        self._health.answered(started, wrote=True)
        self._settle()
        if kept:
            self._remembered.saw(key, written)
            self._counted("sets")
        return kept

    def delete(self, key: bytes) -> None:
        """Forget one entry."""
        self._forget("key", [key])

    def drop(self, groups: Sequence[bytes]) -> None:
        """Forget all entries of these groups, and keep none that is fetched just now."""
        self._forget("group", groups)

    def epochs(self, groups: Sequence[bytes]) -> Epochs:
        """For `set`, to be asked before a value is fetched.

        While the store is down these are epochs that no `set` accepts.
        """
        names = _with_old(groups)
        if not names:
            return ()
        return self._asked(lambda: self._raw.epochs(names), (-1,) * len(names))

    def stamp(self) -> int:
        """Unix microseconds of now; of two in this process the later one is the larger one."""
        return self._remembered.stamp()

    def was_dropped(self, groups: Sequence[bytes], since: int) -> bool:
        """Has this process dropped one of these groups since that `stamp`?

        The others' drops are seen by what is in the store, and by `epochs`.
        """
        return self._remembered.was_dropped(groups, since)

    @property
    def is_fine(self) -> bool:
        """Does it answer, and keep what it is given, as far as is known?"""
        return self._health.is_fine

    def count(self, group: bytes) -> int:
        """How many entries a group has, 0 while the store is down."""
        return self._asked(lambda: self._raw.count(group), 0)

    def digest(self, *parts: bytes) -> bytes:
        """A keyed hash (HMAC-SHA256) of 32 bytes: nobody without the key can make or guess it."""
        return self._seals.digest(*parts)

    def stats(self) -> dict[str, Any]:
        """Plain counts since this process opened it.

        failures: what the store did not do. skipped: how often it was not asked, being down.
        tampered, replayed, unreadable: entries that were there and not accepted. state: "up" or
        "down"; writes: the same, for a store that may be full or read-only.
        """
        names = ("hits", "misses", "replayed", "unreadable")
        with self._lock:
            counts: dict[str, Any] = {name: self._counts[name] for name in names}
            sets = self._counts["sets"]
        counts["tampered"] = self._alarm.count
        counts["gets"] = sum(counts.values())
        counts["sets"] = sets
        guards = (self._health.asking, self._health.writing)
        counts["failures"] = sum(guard.failures for guard in guards)
        counts["skipped"] = sum(guard.skipped for guard in guards)
        counts["state"] = "down" if self._health.asking.is_down else "up"
        counts["writes"] = "up" if self._health.is_fine else "down"
        return counts

    def close(self) -> None:
        """Close what is open and idle. What is asked for after that opens it again."""
        self._raw.close()

    def renew_in_child(self) -> None:
        """See resilient.forking."""
        self._raw.renew_in_child()

    def _asked(self, ask: Callable[[], T], otherwise: T) -> T:
        if not self._health.asking.may_ask():
            return otherwise
        started = clock.monotonic()
        try:
            answer = ask()
        except StoreFailed as failure:
            self._health.failed(failure, started)
            return otherwise
        self._health.answered(started)
        self._settle()
        return answer

    # Reading.

    def _opened(self, key: bytes, sealed: bytes, floor: int) -> Any | None:
        try:
            written, dies, payload = self._seals.open(key, sealed)
        except Tampered:
            self._alarm.ring()
            return None
        except ImportError:  # it is encrypted, and this program has no cryptography
            return self._counted("unreadable", None)
        now = int(clock.time() * 1e6)
        if dies <= now:
            return self._counted("misses", None)
        if written > now + LEEWAY:  # by a clock that is wrong, or this one is
            return self._counted("unreadable", None)
        if written < floor:
            if floor > now + LEEWAY:
                self._remembered.set_back()
            return self._counted("replayed", None)
        if written > floor:
            self._remembered.saw(key, written)
        try:
            value = self._loads(payload)
        except Unreadable:
            return self._counted("unreadable", None)
        return self._counted("hits", value)

    def _dumped(self, value: Any) -> bytes:
        if self._is_pickling:
            try:
                payload = b"p" + pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
            except Exception as error:
                why = f"pickle raises {type(error).__name__}"
                raise Unstorable(type(value), why) from error
        else:
            try:
                payload = plain.dumps(value)
            except Unstorable:
                raise
            except Exception as error:  # of a type that was registered, or it changes meanwhile
                why = f"writing it raises {type(error).__name__}"
                raise Unstorable(type(value), why) from error
        if len(payload) > LARGEST:
            raise Unstorable(type(value), f"it takes more than {LARGEST >> 20} MiB")
        return payload

    # Forgetting.

    def _forget(self, what: str, names: Sequence[bytes]) -> None:
        names = _with_old(names)
        for name in names:
            # First of all: it holds even if the store fails.
            if what == "key":
                self._remembered.deleted(name)
            else:
                self._remembered.dropped(name)
        if not names:
            return
        if not self._health.may_write():
            self._owed.add(what, names)
            return
        started = clock.monotonic()
        try:
            if what == "key":
                self._raw.delete(names)
            else:
                self._raw.drop(names)
        except StoreFailed as failure:
            self._owed.add(what, names)
            self._health.failed(failure, started)
        else:
            # Large groups take long; that says nothing of the next call.
            self._health.done(started, wrote=True)
            self._settle()

    def _settle(self) -> None:
        """Forget now what was to be forgotten while that could not be done."""
        if self._owed and self._health.is_fine:
            for what, names in self._owed.take().items():
                self._forget(what, names)

    def _counted(self, name: str, result: Any = None) -> Any:
        with self._lock:
            self._counts[name] += 1
        return result


def _unpickled(payload: bytes | memoryview) -> Any:
    if not len(payload) or payload[0] != _PICKLED:
        return plain.loads(payload)
    try:
        return pickle.loads(payload[1:])  # noqa: S301  # its signature holds
    except Exception as error:
        raise Unreadable(f"{type(error).__name__} while it was read") from error


def _with_old(names: Sequence[bytes]) -> list[bytes]:
    """The names, and what they are called by those who have the old key only."""
    olds = [before for name in names if (before := old_name(name)) is not None]
    return [*map(bytes, names), *olds]
