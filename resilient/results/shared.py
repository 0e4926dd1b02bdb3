"""What one function keeps in a store that processes share.

Its entries are found by a keyed hash of the function's name, the arguments and the scope, so that
nothing in the store is in clear; times in it are Unix seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any

from resilient.call import Call
from resilient.keys import Key
from resilient.results.cache import FunctionCache, Tags, checked_tag
from resilient.results.entry import RESULT, Entry, soft_end
from resilient.results.naming import Nameless, name_of
from resilient.results.portable import portable
from resilient.results.scopes import Digest, Scope
from resilient.timing import clock

if TYPE_CHECKING:
    from resilient.stores.bytes_store import Epochs
    from resilient.stores.shared import SharedStore

_PARTS = 8
"""Of what stands for an entry in the store."""


class SharedResults:
    """Entries of one function in a shared store, as a Store of memory is used.

    early: see `soft_end`; each process draws for itself, each time it reads.
    """

    def __init__(self, store: SharedStore, group: bytes, early: float) -> None:
        self._store = store
        self._group = group
        self._early = early

    def get(self, key: Key) -> Entry | None:
        kept = self._store.get(_bytes(key), self._group)
        if type(kept) is not list or len(kept) != _PARTS:
            return None
        result, stamp, fresh_until, behind_until, stale_until, cost, carries, tags = kept
        if tags and self._store.was_dropped([bytes.fromhex(tag) for tag in tags], stamp):
            return None
        shift = clock.monotonic() - clock.time()
        fresh_until += shift
        return (
            result,
            soft_end(stamp / 1e6 + shift, fresh_until, self._early) if self._early else fresh_until,
            stale_until + shift,
            cost,
            True,  # it was made from bytes just now
            behind_until + shift,
            fresh_until,
            (carries[0], tuple(carries[1])) if isinstance(carries, list) else carries,
            (),
        )

    def keep(self, key: Key, entry: Entry, tags: tuple[bytes, ...], epochs: Epochs | None) -> bool:
        """Keep an entry, unless one of the groups it is in was dropped since `epochs`.

        tags: groups beside the function's and its own.

        Raises: Unstorable.
        """
        result, _, stale_until, cost, _, behind_until, fresh_until, carries, _ = entry
        now = clock.monotonic()
        shift = clock.time() - now
        lives = max(stale_until, behind_until, fresh_until) - now
        times = (fresh_until + shift, behind_until + shift, stale_until + shift)
        # Plain JSON is read fastest.
        rests_on = [carries[0], list(carries[1])] if isinstance(carries, tuple) else carries
        kept = [result, self._store.stamp(), *times, cost, rests_on, [tag.hex() for tag in tags]]
        name, groups = _bytes(key), self.groups(key, tags)
        return self._store.set(name, kept, lives=lives, groups=groups, epochs=epochs)

    def groups(self, key: Key, tags: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """What an entry is in: the function's group, those of its tags, and one of its own."""
        return (self._group, *tags, _bytes(key))

    def set(self, key: Key, value: Entry) -> None:
        self.keep(key, value, (), None)

    def delete(self, key: Key) -> None:
        name = _bytes(key)
        self._store.delete(name)
        # The key is a group, too: what other processes fetch just now is not kept after this.
        self._store.drop([name])

    def clear(self) -> None:
        self._store.drop([self._group])

    def items(self) -> list[tuple[Key, Entry]]:
        return []  # what is shared can't be listed: its keys are hashes

    def __len__(self) -> int:
        return self._store.count(self._group)


class SharedFunctionCache(FunctionCache):
    """See FunctionCache. What is forgotten here is forgotten by all processes, and what they fetch
    meanwhile is not kept: each call notes the epochs of its groups before it is made.
    """

    store: SharedResults
    is_shared = True

    def __init__(
        self,
        function: Callable[..., Any],
        shared: SharedStore,
        *,
        key: Callable[..., Hashable] | None,
        scope: Scope | None,
        tags: Tags,
        early: float,
        keeps_failures: bool,
    ) -> None:
        self._shared = shared
        self._nameless = ""
        try:
            self._name = name_of(function, is_scoped=scope is not None)
        except Nameless as error:
            self._name, self._nameless = os.urandom(32), str(error)
        self._group = shared.digest(b"function", self._name)
        self._early = early
        super().__init__(
            function,
            key=key,
            scope=scope,
            tags=tags,
            max_entries=1024,
            max_bytes=None,
            keeps_failures=keeps_failures,
        )
        self.key_of = self._hashed(self.key_of, self.has_scope)

    def _hashed(self, key_of: Callable[[Call], Key], has_scope: bool) -> Callable[[Call], Key]:
        digest, name, nameless = self._shared.digest, self._name, self._nameless

        def hashed(call: Call) -> Key:
            if nameless:
                raise Nameless(nameless)
            key, who = key_of(call), b""
            if has_scope:
                who, key = key  # type: ignore[misc]  # as `_scoped` makes them
            call.cache_key = key
            return digest(b"result", name, who, portable(key))

        return hashed

    def invalidate_tag(self, tag: str) -> None:
        group = self._tag_group(checked_tag(tag))
        for key in self._under_way(tag):
            self.flights.by_key.pop(key, None)
        if self.failures is not None:
            for key in self._failed_under(tag):
                self.failures.delete(key)
        self._shared.drop([group])

    def clear(self) -> None:
        self.flights.by_key.clear()
        self.store.clear()
        if self.failures is not None:
            self.failures.clear()

    def before(self, key: Key, call: Call) -> None:
        super().before(key, call)
        tags = self.tags_of(call)
        if tags is not None:  # else it will not be kept
            groups = tuple(map(self._tag_group, tags))
            epochs = self._shared.epochs(self.store.groups(key, groups))
            call.__dict__["kept_in"] = (groups, epochs)

    def keep(self, key: Key, call: Call, entry: Entry) -> None:
        # No lock is held over the way to the store: its epochs do what the lock does in memory.
        kept_in = call.__dict__.get("kept_in")
        if kept_in is None or self.flights.by_key.get(key) is not call:
            return
        if not self.store.keep(key, entry, *kept_in) and not self._shared.is_fine:
            call.__dict__["unkept"] = (entry[RESULT],)

    def _forget(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self.flights.by_key.pop(key, None)
            self.store.delete(key)
            if self.failures is not None:
                self.failures.delete(key)

    def _tag_group(self, tag: str) -> bytes:
        return self._shared.digest(b"tag", tag.encode("utf-8", "surrogatepass"))

    def _digest(self) -> Digest:
        return self._shared.digest

    def _new_store(self, max_entries: int, max_bytes: int | None) -> SharedResults:
        return SharedResults(self._shared, self._group, self._early)


def _bytes(key: Key) -> bytes:
    assert isinstance(key, bytes)  # `_hashed` has made it
    return key
