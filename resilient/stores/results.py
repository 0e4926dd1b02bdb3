"""What a cache keeps of one function: its results, and the calls that are on their way."""

from __future__ import annotations

import copy as copying
import threading
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Any

from resilient.call import FINE, Call
from resilient.keys import Handover, Key, KeyMaker, frozen
from resilient.stores.memory import MemoryStore, Store

# One kept result: the result, until when it is fresh and until when it may be given out stale
# (monotonic seconds), the seconds that getting it took, and whether nobody can change it, so that
# it needs no copy. A tuple, because making an object of a class of ours for each miss costs as much
# as the rest of the miss.
Entry = tuple[Any, float, float, float, bool]


class Landing:
    """Where others wait for a call that is on its way, and what they need to know of a failed one.

    returned: a copy of what a failed call returned, in a tuple of one.
    """

    __slots__ = ("degraded", "error", "event", "outcome", "returned", "trace")

    def __init__(self) -> None:
        self.event = threading.Event()
        self.outcome = FINE
        self.degraded = False
        self.error: Exception | None = None
        self.trace: TracebackType | None = None
        self.returned: tuple[Any] | None = None


class FunctionCache:
    """What one function keeps: the handle `fn.resilient.cache`.

    flights: the call that is on its way for each key. Who waits for it leaves a Landing there.
    `_keeping` makes looking there and keeping a result one step, and clearing both another.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        max_entries: int,
        key: Callable[..., Hashable] | None,
    ) -> None:
        # Held so that its id, by which the policy finds this cache, stays its own.
        self.function = function
        self.store: Store[Entry] = MemoryStore(max_entries)
        self.keys = KeyMaker(function)
        self.key_of = self.keys.__call__ if key is None else _chosen_key(key, function)
        self.flights: dict[Key, Call] = {}
        self._keeping = threading.Lock()
        self._untold = threading.Lock()

    def clear(self) -> None:
        """Forget all results. Calls under way now, whose answers may be old, will not be kept."""
        with self._keeping:
            self.flights.clear()
            self.store.clear()

    def __len__(self) -> int:
        return len(self.store)

    def keep(self, key: Key, call: Call, entry: Entry) -> None:
        """Keep what a call on its way has got, unless `clear` came in between."""
        self._keeping.acquire()  # half the price of a with statement
        try:
            if self.flights.get(key) is call:
                self.store.set(key, entry)
        finally:
            self._keeping.release()

    def land(
        self,
        key: Key,
        call: Call,
        error: Exception | None = None,
        returned: tuple[Any] | None = None,
    ) -> None:
        """The call is over: let those go on who wait for it.

        returned: what a failed call returned, in a tuple of one.
        """
        if self.flights.get(key) is call:
            self.flights.pop(key, None)
        # Who waits left its Landing before it found the call still in `flights`: it is seen here.
        landing: Landing | None = call.landing
        if landing is not None:
            landing.outcome = call.outcome
            landing.degraded = call.degraded
            landing.error = error
            landing.trace = None if error is None else error.__traceback__
            landing.returned = None if returned is None else copied(returned)
            landing.event.set()

    def tell_uncacheable(self, call: Call, why: str) -> None:
        """Say why a call goes past the cache, once."""
        # Taken once and never given back.
        if self._untold.acquire(blocking=False):
            call.report("uncacheable", f"is called directly, can't be cached: {why}")


def _chosen_key(
    key: Callable[..., Hashable], function: Callable[..., Any]
) -> Callable[[Call], Key]:
    ask = Handover(key, function)
    return lambda call: frozen((ask(call),))


def copied(value: Any) -> Any:
    """A deep copy, None if there can't be one."""
    try:
        return copying.deepcopy(value)
    except Exception:
        return None
