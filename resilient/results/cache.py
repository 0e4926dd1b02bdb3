"""What one function keeps: its results, and the calls that are on their way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

from resilient.call import Call, Carried, Outcome, Target
from resilient.errors import ConfigurationError
from resilient.keys import Handover, Key, KeyMaker, Uncacheable, frozen
from resilient.results.entry import TAGS, Entry
from resilient.results.flights import Flights
from resilient.results.scopes import Digest, Scope, asked_by, digest_here
from resilient.results.sizes import size_of_entry
from resilient.stores.memory import MemoryStore, SizedStore, Store
from resilient.timing import clock

Tags = Iterable[str] | Callable[..., Iterable[str]]
"""Names by which results are forgotten together, or a function of the arguments that gives them."""


class Failure(NamedTuple):
    """An error that is kept. until: monotonic seconds. carries: as in Call."""

    error: Exception
    until: float
    outcome: Outcome
    carries: Carried | None
    tags: tuple[str, ...]


PAUSE = 1.0
"""Seconds after a background refresh that failed, in which there is no other one."""


class FunctionCache:
    """What one function keeps: the handle `fn.resilient.cache`.

    flights: the calls on their way. failures: errors that are kept for a while, if `errors_ttl` is
    given; they never leave the process. `_keeping` makes looking at the flights and keeping a
    result one step, and forgetting both another; it guards `_resting` as well.
    """

    is_shared = False

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        key: Callable[..., Hashable] | None,
        scope: Scope | None,
        tags: Tags,
        max_entries: int,
        max_bytes: int | None,
        keeps_failures: bool,
    ) -> None:
        # Held so that its id, by which the policy finds this cache, stays its own.
        self.function = function
        self.keys = KeyMaker(function)
        self.key_of = self.keys.__call__ if key is None else _chosen_key(key, function)
        self.has_scope = scope is not None
        if scope is not None:
            self.key_of = _scoped(self.key_of, asked_by(scope, function, self._digest()))
        self.store: Store[Entry] = self._new_store(max_entries, max_bytes)
        self.failures: MemoryStore[Failure] | None = (
            MemoryStore(max_entries) if keeps_failures else None
        )
        self.flights = Flights()
        self._tags_of = _tagging(tags, function)
        self.has_tags = self._tags_of is not None
        self._keeping = threading.Lock()
        self._resting: dict[Key, float] = {}
        self._untold = threading.Lock()

    def invalidate(self, *args: Any, **kwargs: Any) -> None:
        """Forget the result of a call with these arguments, spelled in any way."""
        call = Call.of(Target(self.function, service="", name=""), *args, **kwargs)
        try:
            key = self.key_of(call)
        except Uncacheable:
            return  # nothing can be kept of it
        self._forget([key])

    def invalidate_tag(self, tag: str) -> None:
        """Forget all results that were kept under a tag."""
        checked_tag(tag)
        under_it = (key for key, one in self.store.items() if tag in one[TAGS])
        self._forget([*self._under_way(tag), *under_it, *self._failed_under(tag)])

    def clear(self) -> None:
        """Forget all results. Calls under way now, whose answers may be old, will not be kept."""
        with self._keeping:
            self.flights.by_key.clear()
            self.store.clear()
            if self.failures is not None:
                self.failures.clear()

    def __len__(self) -> int:
        return len(self.store)

    def before(self, key: Key, call: Call) -> None:
        """A call is about to be made whose result may be kept: note what its arguments say now."""
        if self._tags_of is None:
            return
        try:
            call.__dict__["tags"] = self._tags_of(call)
        except Exception as error:
            why = str(error) if isinstance(error, ConfigurationError) else type(error).__name__
            self.tell_uncacheable(call, f"tags= raised {why}")

    def keep(self, key: Key, call: Call, entry: Entry) -> None:
        """Keep what a call on its way has got, unless it was told to be forgotten meanwhile."""
        with self._keeping:  # of acquire and try, Ctrl-C may come between
            if self.flights.by_key.get(key) is call:
                self.store.set(key, entry)

    def keep_failure(self, key: Key, call: Call, error: Exception, until: float) -> None:
        """The same with an error."""
        with self._keeping:
            tags = self.tags_of(call)
            if self.failures is None or tags is None or self.flights.by_key.get(key) is not call:
                return
            self.failures.set(key, Failure(error, until, call.outcome, call.carries, tags))

    def tags_of(self, call: Call) -> tuple[str, ...] | None:
        """What a call's result is kept under, as `before` has noted it; None: it may not be kept,
        since a function of the user's has raised.
        """
        return () if self._tags_of is None else call.__dict__.get("tags")

    def rest(self, key: Key) -> None:
        """A background refresh has failed: not again for a moment."""
        with self._keeping:
            if len(self._resting) >= 1024:
                now = clock.monotonic()
                self._resting = {one: end for one, end in self._resting.items() if end > now}
            self._resting[key] = clock.monotonic() + PAUSE

    def is_resting(self, key: Key, now: float) -> bool:
        """Has a refresh of this key failed just now?"""
        return self._resting.get(key, 0.0) > now

    def tell_uncacheable(self, call: Call, why: str) -> None:
        """Say why a call goes past the cache, once."""
        # Taken once and never given back.
        if self._untold.acquire(blocking=False):
            call.report("uncacheable", f"is called directly, can't be cached: {why}")

    def _digest(self) -> Digest:
        return digest_here

    def _new_store(self, max_entries: int, max_bytes: int | None) -> Store[Entry]:
        if max_bytes is None:
            return MemoryStore(max_entries)
        return SizedStore(max_entries, max_bytes, size_of_entry)

    def _under_way(self, tag: str) -> list[Key]:
        flights = self.flights.by_key.copy()
        return [key for key, call in flights.items() if tag in (self.tags_of(call) or ())]

    def _failed_under(self, tag: str) -> list[Key]:
        failures = [] if self.failures is None else self.failures.items()
        return [key for key, failure in failures if tag in failure.tags]

    def _forget(self, keys: Iterable[Key]) -> None:
        with self._keeping:
            for key in keys:
                self.flights.by_key.pop(key, None)
                self.store.delete(key)
                if self.failures is not None:
                    self.failures.delete(key)


def _chosen_key(
    key: Callable[..., Hashable], function: Callable[..., Any]
) -> Callable[[Call], Key]:
    ask = Handover(key, function)
    return lambda call: frozen((ask(call),))


def _scoped(key_of: Callable[[Call], Key], who: Callable[[Call], bytes]) -> Callable[[Call], Key]:
    return lambda call: (who(call), key_of(call))


def _tagging(tags: Tags, function: Callable[..., Any]) -> Callable[[Call], tuple[str, ...]] | None:
    if not callable(tags):
        fixed = tuple(tags)
        return (lambda call: fixed) if fixed else None
    ask = Handover(tags, function)

    def asked(call: Call) -> tuple[str, ...]:
        given = ask(call)
        if isinstance(given, str):  # its letters are not meant
            raise ConfigurationError("cached(tags=…): return a list of texts, and no str.")
        return tuple(map(checked_tag, given))

    return asked


def checked_tag(tag: object) -> str:
    """Raises: ConfigurationError."""
    if not isinstance(tag, str):
        raise ConfigurationError(f"cached(tags=…): use texts as tags, and no {type(tag).__name__}.")
    return tag
