"""Where stored answers are kept: in this process, or in a store that processes share.

One key has all variants of an answer (RFC 9111 4.1). Each key belongs to a URL, whichever
credentials or scope it has besides, so that an unsafe request makes all of them void (4.4).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from operator import is_
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from resilient.http.caching.messages import Stored
from resilient.timing import clock

if TYPE_CHECKING:
    from resilient.stores.shared import SharedStore

Variants = tuple[Stored, ...]

Change = Callable[[Variants], Variants]
"""What a key's variants become. Asked without a lock, and again if they have changed meanwhile."""

Lives = Callable[[Stored], float]
"""Seconds after which a stored answer may be forgotten (see `storing.useful_for`)."""

_OVERHEAD = 800
"""Bytes of an answer's objects beside its texts, about."""


class Place:
    """Where the answers to a request are: two keyed hashes, so that nothing shows in them.

    find_url: gives the one that all keys of the URL have in common, whoever asks.
    """

    __slots__ = ("_find_url", "_url", "key")

    def __init__(self, key: bytes, find_url: Callable[[], bytes]) -> None:
        self.key = key
        self._find_url = find_url
        self._url: bytes | None = None

    @property
    def url(self) -> bytes:
        # A hit in memory never asks.
        if self._url is None:
            self._url = self._find_url()
        return self._url


class Keeping(Protocol):
    """What an HttpCache keeps its answers in. Nothing here raises for a store's failure.

    find: all variants, none if there are none. begin: before a request is sent; `update` with what
    it gave keeps nothing if the URL was dropped meanwhile. end: that request is over.
    """

    def find(self, place: Place) -> Variants: ...

    def begin(self, place: Place) -> Any: ...

    def update(self, place: Place, begun: Any, change: Change) -> None: ...

    def end(self, place: Place, begun: Any) -> None: ...

    def drop(self, url: bytes) -> None: ...

    def clear(self) -> None: ...

    def __len__(self) -> int: ...


class _Begun:
    """A request under way. void: what it gets must not be kept."""

    __slots__ = ("void",)

    def __init__(self) -> None:
        self.void = False


class _Slot(NamedTuple):
    variants: Variants
    url: bytes
    size: int


class InMemory:
    """At most `max_entries` keys and `max_bytes`; what was not used for longest goes first.

    `_lock` guards all other fields. `_urls` has the keys of each URL, `_begun` its requests under
    way.
    """

    def __init__(self, max_entries: int, max_bytes: int | None) -> None:
        self.max_entries = max_entries
        self.max_bytes = max_bytes
        self.size = 0
        self._slots: OrderedDict[bytes, _Slot] = OrderedDict()
        self._urls: dict[bytes, set[bytes]] = {}
        self._begun: dict[bytes, set[_Begun]] = {}
        self._lock = threading.Lock()

    def find(self, place: Place) -> Variants:
        with self._lock:
            slot = self._slots.get(place.key)
            if slot is None:
                return ()
            self._slots.move_to_end(place.key)
            return slot.variants

    def begin(self, place: Place) -> _Begun:
        begun = _Begun()
        with self._lock:
            self._begun.setdefault(place.url, set()).add(begun)
        return begun

    def end(self, place: Place, begun: _Begun) -> None:
        with self._lock:
            under_way = self._begun.get(place.url)
            if under_way is not None:
                under_way.discard(begun)
                if not under_way:
                    del self._begun[place.url]

    def update(self, place: Place, begun: _Begun, change: Change) -> None:
        while not begun.void:
            before = self.find(place)
            after = change(before)
            if _are_same(before, after):
                return
            size = sum(map(size_of, after))
            with self._lock:
                slot = self._slots.get(place.key)
                if begun.void:
                    return
                if not _are_same(before, slot.variants if slot is not None else ()):
                    continue
                self._set_locked(place, after, size)
                return

    def drop(self, url: bytes) -> None:
        with self._lock:
            for begun in self._begun.get(url, ()):
                begun.void = True
            for key in list(self._urls.get(url, ())):
                self._forget_locked(key)

    def clear(self) -> None:
        with self._lock:
            for under_way in self._begun.values():
                for begun in under_way:
                    begun.void = True
            self._slots.clear()
            self._urls.clear()
            self.size = 0

    def renew_in_child(self) -> None:
        """What was on its way does not arrive in this process."""
        self._begun.clear()

    def __len__(self) -> int:
        return len(self._slots)

    def _set_locked(self, place: Place, variants: Variants, size: int) -> None:
        self._forget_locked(place.key)
        if not variants or (self.max_bytes is not None and size > self.max_bytes):
            return
        self._slots[place.key] = _Slot(variants, place.url, size)
        self._urls.setdefault(place.url, set()).add(place.key)
        self.size += size
        while len(self._slots) > self.max_entries or (
            self.max_bytes is not None and self.size > self.max_bytes
        ):
            self._forget_locked(next(iter(self._slots)))

    def _forget_locked(self, key: bytes) -> None:
        slot = self._slots.pop(key, None)
        if slot is None:
            return
        self.size -= slot.size
        keys = self._urls[slot.url]
        keys.discard(key)
        if not keys:
            del self._urls[slot.url]


# RFC 6265 3: they belong to one user agent. RFC 9111 7.3 leaves it to caches to keep them out.
_PRIVATE = frozenset({"set-cookie", "set-cookie2"})


class Shared:
    """The same in a store that processes share. Cookies that answers set are left out there.

    Two processes that add variants to one key at once may lose one of them: the next request for it
    is a miss.
    """

    def __init__(self, store: SharedStore, group: bytes, lives: Lives) -> None:
        self._store = store
        self._group = group
        self._lives = lives
        self._cleared_at: float | None = None

    def find(self, place: Place) -> Variants:
        # What was dropped while the store was down is not accepted if it is asked for by its group.
        plain = self._store.get(place.key, place.url)
        if not isinstance(plain, (list, tuple)):
            return ()
        try:
            found = tuple(map(Stored.of_plain, plain))
        except ValueError:  # of another version of resilient
            return ()
        if self._cleared_at is not None:  # the same, for all that was dropped
            found = tuple(one for one in found if one.received_at >= self._cleared_at)
        return found

    def begin(self, place: Place) -> Any:
        return self._store.epochs((self._group, place.url))

    def end(self, place: Place, begun: Any) -> None:
        """Other processes can't hear of it."""

    def update(self, place: Place, begun: Any, change: Change) -> None:
        before = self.find(place)
        after = change(before)
        if _are_same(before, after):
            return
        lives = max(map(self._lives, after), default=0.0)
        if lives <= 0:
            self._store.delete(place.key)
            return
        plain = [_without_cookies(stored).plain() for stored in after]
        groups = (self._group, place.url)
        with suppress(TypeError):  # Unstorable: far too large
            self._store.set(place.key, plain, lives=lives, groups=groups, epochs=begun)

    def drop(self, url: bytes) -> None:
        self._store.drop((url,))

    def clear(self) -> None:
        self._cleared_at = clock.time()
        self._store.drop((self._group,))

    def __len__(self) -> int:
        return self._store.count(self._group)


def size_of(stored: Stored) -> int:
    """Bytes that an answer takes in memory, about."""
    texts = sum(len(name) + len(value) for name, value in stored.headers)
    # Twice: once as they were sent, once for looking them up.
    return _OVERHEAD + len(stored.body) + 2 * texts


def _are_same(one: Variants, other: Variants) -> bool:
    return len(one) == len(other) and all(map(is_, one, other))


def _without_cookies(stored: Stored) -> Stored:
    if _PRIVATE.isdisjoint(stored.fields):
        return stored
    headers = tuple(pair for pair in stored.headers if pair[0].lower() not in _PRIVATE)
    return stored.changed(headers=headers)
