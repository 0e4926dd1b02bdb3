"""Calls that are on their way, and those who wait for them instead of making the same call."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

from resilient.call import FINE, Call, Carried
from resilient.keys import Key
from resilient.results.entry import copied


class Landing:
    """Where others wait for a call that is on its way, and what they need to know of a failed one.

    returned: a copy of what a failed call returned, in a tuple of one. carries: as in Call.
    """

    __slots__ = ("carries", "degraded", "error", "event", "outcome", "returned", "trace")

    def __init__(self) -> None:
        self.event = threading.Event()
        self.outcome = FINE
        self.degraded = False
        self.error: Exception | None = None
        self.trace: TracebackType | None = None
        self.returned: tuple[Any] | None = None
        self.carries: Carried | None = None


class Flights:
    """The call that is on its way for each key. Who waits for it leaves a Landing there.

    `by_key` is only touched by atomic steps of dict.
    """

    __slots__ = ("by_key",)

    def __init__(self) -> None:
        self.by_key: dict[Key, Call] = {}

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
        if self.by_key.get(key) is call:
            self.by_key.pop(key, None)
        # Who waits left its Landing before it found the call still there: it is seen here.
        landing: Landing | None = call.landing
        if landing is not None:
            landing.outcome = call.outcome
            landing.degraded = call.degraded
            landing.carries = call.carries
            landing.error = error
            landing.trace = None if error is None else error.__traceback__
            try:
                landing.returned = None if returned is None else copied(returned)
            finally:  # Ctrl-C in the copying holds nobody up
                landing.event.set()
            # An error's traceback leads to this call: no cycle of objects.
            call.landing = None

    def landing_of(self, key: Key, leader: Call) -> Landing | None:
        """Where to wait for the leader; None if it has landed, or never will."""
        landing: Landing = leader.__dict__.setdefault("landing", Landing())
        if self.by_key.get(key) is not leader:
            return None
        if leader.closed:
            # Ctrl-C hit it between two steps of ours, and it never landed.
            self.by_key.pop(key, None)
            return None
        return landing


def is_inside(call: Call, leader: Call) -> bool:
    """Does the leader itself wait for this call? Then waiting for the leader would never end."""
    around = call.parent
    while around is not None:
        if around is leader:
            return True
        around = around.parent
    return False
