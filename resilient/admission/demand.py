"""How many slots a worker asks for, and when it asks again."""

from __future__ import annotations

import math

from resilient.admission.permit import Permit
from resilient.sharing.shapes import Ask, Grant
from resilient.timing import clock

AHEAD = 0.05
"""Seconds for which slots are asked for ahead of the calls that need them."""

SOONEST = 0.002
"""Seconds between two questions for the same, at the least."""

_POLL = 0.25
"""Share of the shortest period after which a worker asks again that nobody could tell more."""


class Demand:
    """What the calls of one worker need. Guarded by the lock of a quota; times are monotonic.

    wanted: slots for which threads wait that another one's question delays. cost: of the newest
    call that asked.
    """

    __slots__ = ("_again", "_measured_at", "_pace", "_poll", "_taken", "cost", "wanted")

    def __init__(self, shortest: float) -> None:
        """shortest: period, in seconds."""
        self.wanted = 0
        self.cost = 1
        self._poll = min(max(shortest * _POLL, 0.02), 1.0)
        self._taken = 0
        self._measured_at = clock.monotonic()
        self._pace = 0.0
        # By cost and urgency: when to ask again, for calls that wait until when, and does anything
        # that is given back change that?
        self._again: dict[tuple[int, bool], tuple[float, float, bool]] = {}

    def took(self, cost: int) -> None:
        """A call took its slots."""
        self._taken += cost

    def soon(self, now: float) -> int:
        """How many slots the calls of the next moment will need."""
        if now - self._measured_at >= AHEAD:
            self._pace = self._taken / (now - self._measured_at)
            self._taken, self._measured_at = 0, now
        return int(self._pace * AHEAD)

    def ahead(self, cost: int, now: float) -> int:
        """How many slots to ask for beyond what a call needs."""
        self.cost = cost
        soon = self.soon(now)
        # Those of a call that costs several are given all at once or not at all.
        return max(self.wanted, soon) if cost == 1 else 0

    def pause(self, permit: Permit, now: float) -> float:
        """Seconds until it makes sense to ask for such a permit."""
        known = self._again.get((permit.cost, permit.urgent))
        if known is None:
            return 0.0
        at, within, _ = known
        return at - now if now < at and permit.until <= within else 0.0

    def at_least(self, permit: Permit, now: float) -> float:
        """Seconds that such a permit has to wait, as far as the store could tell."""
        known = self._again.get((permit.cost, permit.urgent))
        return 0.0 if known is None or known[2] else known[0] - now

    def plan(self, permit: Permit, ask: Ask, grant: Grant, asked: float, answered: float) -> None:
        """Heed what was answered when a permit's slots were asked for."""
        if len(grant.starts) >= ask.want:
            self._again.clear()
            return
        is_blind = not grant.wait < math.inf
        at = answered + max(self._poll if is_blind else grant.wait, SOONEST)
        self._again[permit.cost, permit.urgent] = at, asked + ask.within, is_blind

    def gave_back(self) -> None:
        """Whoever waited for running calls may find that something has changed."""
        if self._again:
            self._again = {size: known for size, known in self._again.items() if not known[2]}

    def forget(self) -> None:
        """What was known of the store is no longer so."""
        self._again.clear()
