"""Workers that share a quota: each has a view of its own of one store, which may fail."""

from __future__ import annotations

from typing import Any

from resilient.admission.permit import Permit
from resilient.admission.rates import Rate
from resilient.admission.shared_quota import SharedQuota
from resilient.sharing.memory import MemoryState
from resilient.sharing.shapes import Ask, Grant
from resilient.sharing.shared import SharedState
from resilient.stores.bytes_store import StoreFailed
from resilient.testing.clock import active_clock
from resilient.timing import clock

EVERY = 0.25
"""Seconds between two steps, at the most."""


class Store(MemoryState):
    """Counts what it is asked, and can be out of reach.

    is_out: is nobody answered? swallows: are questions heeded all the same? before: is called with
    each question.
    """

    __slots__ = ("asks", "before", "is_out", "swallows")

    def __init__(self) -> None:
        super().__init__("store")
        self.asks: list[Ask] = []
        self.is_out = False
        self.swallows = False
        self.before: Any = None

    def trade(self, ask: Ask) -> Grant:
        if self.before is not None:
            self.before(ask)
        if self.is_out and not self.swallows:
            raise StoreFailed("store: out of reach")
        self.asks.append(ask)
        grant = super().trade(ask)
        if self.is_out:
            raise StoreFailed("store: no answer")
        return grant

    def forget(self) -> None:
        """As a server that was started anew."""
        self._ledgers.clear()


class Worker:
    """One worker's part of the quota "q"; its calls are functions of who calls."""

    def __init__(self, store: Store, *rates: Rate, **options: Any) -> None:
        self.store = store
        self.state = options.pop("state", None) or SharedState(store, 0.25)
        self.quota = SharedQuota(
            rates, options.pop("max_waiting", 100), self.state, name="q", **options
        )

    def take(self, within: float = 0.0, cost: int = 1, **options: Any) -> Permit | None:
        """A permit that holds slots, or None if there are none now."""
        permit = Permit(self.quota, cost, options.pop("who", "f"), **options)
        permit.until = clock.monotonic() + within
        now = clock.monotonic()
        # As calls do it that are like one another.
        is_plain = cost == 1 and not permit.urgent and not self.quota._reserve
        if is_plain and self.quota.take_at_hand(permit, now):
            return permit
        return None if self.quota.take(permit, now) else permit

    def takes(self, most: int = 50, **options: Any) -> list[Permit]:
        """As many permits as there are slots for now."""
        found: list[Permit] = []
        while len(found) < most and (permit := self.take(**options)) is not None:
            found.append(permit)
        return found

    def give(self, *permits: Permit) -> None:
        for permit in permits:
            self.quota.give(permit)

    def step(self) -> None:
        """A step in the background, a while after whatever was asked last."""
        fake = active_clock()
        assert fake is not None
        fake.advance(EVERY)
        self.state.step_now()
