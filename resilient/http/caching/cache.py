"""One private HTTP cache: where its answers are, under which keys, and who may have them."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from resilient.call import Call
from resilient.forking import keep_forkable
from resilient.http.caching.flights import Flights
from resilient.http.caching.keeping import InMemory, Keeping, Shared
from resilient.http.caching.messages import Defaults, Fields, Stored, normalized
from resilient.http.caching.storing import useful_for
from resilient.http.credentials import credentials_of, fingerprint
from resilient.http.secret_names import says_who
from resilient.refreshing import Refreshes
from resilient.timing import clock

if TYPE_CHECKING:
    from resilient.stores.shared import SharedStore

PAUSE = 1.0
"""Seconds after a refresh that failed, in which the same answer is not refreshed again."""

MOST_BYTES = 64 * 1024 * 1024
"""What is kept in memory at most, if nobody says how much."""

_SILENT = Defaults()
_OWN_KEY = os.urandom(32)
_MOST_RESTING = 1024


class HttpCache:
    """What the requests of a decorated function go through, and what is kept of them.

    label: what its entries in a shared store are filed under; the same in each process.
    store: a shared store, None for this process's memory.
    defaults: what counts where an answer is silent.
    scope: what tells two users apart beside the credentials of their requests; asked with the call
        of the decorated function.
    max_wait: seconds to wait for the same request of another thread.
    pool: where stale answers are fetched anew.
    record: hears of the call that a refresh was, when it is over.
    observing: answers nothing, and reports what it would have answered.

    `_lock` guards `_resting`. The rest of its state has locks of its own.
    """

    def __init__(
        self,
        label: str,
        store: SharedStore | None = None,
        defaults: Defaults = _SILENT,
        scope: Callable[[Call], bytes | None] | None = None,
        max_entries: int = 1024,
        max_bytes: int | None = MOST_BYTES,
        max_wait: float = 30.0,
        pool: Refreshes | None = None,
        record: Callable[[Call], object] | None = None,
        observing: bool = False,
    ) -> None:
        self.label = label
        self.defaults = defaults
        self.max_wait = max_wait
        self.record = record
        self.observing = observing
        self.pool = Refreshes() if pool is None else pool
        self.flights = Flights()
        self._scope = scope
        self._name = b"http " + label.encode("utf-8", "surrogatepass")
        self._digest = _digest_here if store is None else store.digest
        self.keeping: Keeping
        if store is None:
            self.keeping = InMemory(max_entries, max_bytes)
        else:
            self.keeping = Shared(store, self._digest(b"group", self._name), self._lives)
        self._resting: dict[bytes, float] = {}
        self._lock = threading.Lock()
        self._untold = threading.Lock()
        keep_forkable(self)

    def adapter_for(self, call: Call, adapter: Any) -> Any:
        """What takes the place of a session's adapter while `call` is open."""
        # requests-cache takes its time to load, and many functions never need it.
        from resilient.http.caching.adapter import CachingAdapter

        return CachingAdapter(self, adapter)

    @property
    def has_scope(self) -> bool:
        """Has somebody said who may see what is kept?"""
        return self._scope is not None

    def clear(self) -> None:
        """Forget all answers. Those under way now, which may be old, will not be kept."""
        self.keeping.clear()

    def invalidate(self, url: str) -> None:
        """Forget the answers of one URL, whoever asked."""
        self.keeping.drop(self.url_key(url))

    def __len__(self) -> int:
        """How many URLs are kept; one that is asked with several credentials counts for each."""
        return len(self.keeping)

    def key_of(
        self,
        owner: Call,
        url: str,
        headers: Any,
        cert: Any,
        verify: Any,
        signed: Collection[str] = (),
    ) -> bytes:
        """What the answers to a request are kept under: a keyed hash, so that nothing shows.

        owner: the call of the decorated function. signed: headers that an `auth=` has set. Raises
        whatever `scope` raises.
        """
        credentials = credentials_of(url, headers, cert, signed)
        who = (credentials and fingerprint(credentials, self._digest)) or b""
        scope = b"" if self._scope is None else (self._scope(owner) or b"")
        # What came from somebody who did not have to prove who he is, is for those alone who don't
        # ask for that.
        proof = b"" if verify is not False else b"unverified"
        site = normalized(url)
        host = str(dict(headers).get("host", "")).strip().lower()
        if host and host != site.partition("://")[2].partition("/")[0]:
            site += f" {host}"  # RFC 9110 7.1: it tells which site of one address is meant
        address = site.encode("utf-8", "surrogatepass")
        lengths = b"%d %d %d:" % (len(address), len(who), len(scope))
        return self._digest(self._name, lengths + address + who + scope + proof)

    def url_key(self, url: str) -> bytes:
        """What the keys of one URL have in common."""
        return self._digest(b"url", self._name, normalized(url).encode("utf-8", "surrogatepass"))

    def fields_of(self, headers: list[tuple[str, str]]) -> Fields:
        """A request's header fields, as far as the rules look at them.

        Vary may name a field that says who asks, and what it says is kept with the answer then: so
        it is a keyed hash from here on.
        """
        fields = dict(headers)
        for name, value in headers:
            if says_who(name):
                text = value.encode("utf-8", "surrogatepass")
                fields[name] = self._digest(b"field", text).hex()
        return fields

    def rest(self, key: bytes) -> None:
        """A refresh has failed: not again for a moment."""
        now = clock.monotonic()
        with self._lock:
            if len(self._resting) >= _MOST_RESTING:
                self._resting = {one: end for one, end in self._resting.items() if end > now}
            if len(self._resting) < _MOST_RESTING:
                self._resting[key] = now + PAUSE

    def is_resting(self, key: bytes) -> bool:
        """Has a refresh failed just now?"""
        return bool(self._resting) and self._resting.get(key, 0.0) > clock.monotonic()

    def tell_uncacheable(self, call: Call, why: str) -> None:
        """Say why requests go past the cache, once."""
        # Taken once and never given back.
        if self._untold.acquire(blocking=False):
            call.report("uncacheable", f"its requests go past the cache: {why}")

    def renew_in_child(self) -> None:
        """What was on its way does not arrive in this process."""
        self.flights.clear()
        if isinstance(self.keeping, InMemory):
            self.keeping.renew_in_child()

    def _lives(self, stored: Stored) -> float:
        return useful_for(stored, clock.time(), self.defaults)


def _digest_here(*parts: bytes) -> bytes:
    """A keyed hash that means something in this process alone; half the price of an HMAC."""
    text = b"".join([b"%d:%b" % (len(one), one) for one in parts])
    return hashlib.blake2b(text, key=_OWN_KEY, digest_size=32).digest()
