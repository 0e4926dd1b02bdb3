"""The last good results of a function, for `fallback.last_good`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from resilient import options
from resilient.call import Call
from resilient.errors import ConfigurationError
from resilient.keys import Key, KeyMaker
from resilient.options import Seconds
from resilient.results.scopes import Scope, asked_by, checked_scope, digest_here
from resilient.stores.memory import MemoryStore, Store
from resilient.timing import clock


class LastGood:
    """An alternative: the last good result for the same arguments, if it is young enough.

    A result whose requests carried a credential that is none of the arguments is remembered only
    if `scope` says who may see it.

    max_age: seconds since the result was got (None: however old).
    max_entries: results remembered per function (128); the least recently used go first.
    scope: who may see a result; as for `cached`.
    """

    def __init__(
        self,
        max_age: Seconds | None = None,
        *,
        max_entries: int = 128,
        scope: Scope | None = None,
    ) -> None:
        self.max_age = options.optional_seconds(max_age, "fallback.last_good(max_age)")
        self.max_entries = options.whole(max_entries, "fallback.last_good(max_entries)")
        self.scope = checked_scope(scope, "fallback.last_good(scope=…)")

    def __repr__(self) -> str:
        return "last_good" + (f"({self.max_age:g})" if self.max_age is not None else "()")

    def check(self, function: Callable[..., Any]) -> None:
        """Raise ConfigurationError if this can't serve `function`."""
        if self.scope is None:
            return
        try:
            asked_by(self.scope, function, digest_here)
        except TypeError as error:
            raise ConfigurationError(
                f"fallback.last_good(scope=…) can't take the arguments of the function: {error}. "
                "Give it the same parameters."
            ) from None


class Memory:
    """The good results of one function, for one `last_good`."""

    def __init__(self, chosen: LastGood, function: Callable[..., Any]) -> None:
        self._max_age = chosen.max_age
        self._key_of = KeyMaker(function)
        scope = chosen.scope
        self._who = None if scope is None else asked_by(scope, function, digest_here)
        # With each result, when it was got, in monotonic seconds.
        self._store: Store[tuple[Any, float]] = MemoryStore(chosen.max_entries)
        self._is_told = False

    def begin(self, call: Call) -> None:
        """Note what a call's result is remembered by, before the function can change that."""
        try:
            key = self._key_of(call)
            if call.cache_key is None:
                call.cache_key = key
            scoped = key if self._who is None else (self._who(call), key)
        except Exception:  # remembering must not cost the caller the result
            return
        call.__dict__.setdefault("remembered", {})[self] = scoped

    def keep(self, call: Call, result: Any) -> None:
        """Remember a copy of a good result; one that can't be copied is not remembered."""
        key = self._noted(call)
        if key is None or not self._may_keep(key, call):
            return
        try:
            self._store.set(key, (copy.deepcopy(result), clock.monotonic()))
        except Exception:  # the same
            return

    def answer(self, call: Call) -> tuple[Any] | None:
        """A copy of what is remembered, in a tuple of one; None if nothing is."""
        key = self._noted(call)
        good = None if key is None else self._store.get(key)
        if good is None or (
            self._max_age is not None and clock.monotonic() - good[1] > self._max_age
        ):
            return None
        return (copy.deepcopy(good[0]),)

    def _noted(self, call: Call) -> Key | None:
        noted: Key | None = call.__dict__.get("remembered", {}).get(self)
        return noted

    def _may_keep(self, key: Key, call: Call) -> bool:
        if self._who is not None or call.carries is None:
            return True
        # A cache below may know the call by another key, which covers what this one does not.
        if call.credential is None and call.cache_key == key:
            return True
        if not self._is_told:
            self._is_told = True
            what = call.credential or "a credential"
            why = f"its request carries {what}, which is none of the arguments"
            call.report(
                "uncacheable",
                f"is not remembered by last_good: {why}; say by scope= who may see the result",
            )
        return False
