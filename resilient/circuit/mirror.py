"""What a breaker knows of the circuit that it shares with other workers, and tells of its own."""

from __future__ import annotations

import math
import sys
from functools import partial
from typing import TYPE_CHECKING

from pybreaker import STATE_CLOSED, STATE_OPEN

from resilient.call import listeners
from resilient.circuit.forcing import TOLD
from resilient.forking import keep_forkable
from resilient.sharing.batching import circuits_of
from resilient.sharing.shapes import CircuitReport, CircuitTerms, CircuitView
from resilient.sharing.shared import SharedState
from resilient.timing import clock

if TYPE_CHECKING:
    from resilient.circuit.sharing import SharingBreaker

LONGEST_REASON = 200
"""Characters of why a circuit was opened that other workers are told."""


class Mirror:
    """The circuit as the store has told it last. Its breaker's lock guards every field.

    era, stands, until: of the circuit: its era and state, and the monotonic time at which a probe
    may go. own_era: the breaker's, since it stands like that; it goes its own way once it has
    another one. forced: what operators want, as the store has it. returns: see SharedState.
    forces, opens_until, why: what is to be told: an operator's wish, that this worker wants the
    circuit open, until when and why. told: what calls came to that was told, as Health.ever.
    asking: a thread asks for a probe. ask_again: when the next one may (monotonic).
    """

    def __init__(
        self, breaker: SharingBreaker, state: SharedState, name: str, *, counts: bool, refuses: bool
    ) -> None:
        self.breaker = breaker
        self.state = state
        self.name = name
        self.counts = counts
        self.refuses = refuses
        self.era = 0
        self.stands: str = STATE_CLOSED
        self.until = 0.0
        self.own_era = -1
        self.forced: str | None = None
        self.returns = state.returns
        self.why = ""
        self._heard_at = -math.inf
        self._begin()
        keep_forkable(self)
        self.batch = circuits_of(state)
        self.batch.add(self)

    def _begin(self) -> None:
        self.forces = ""
        self.opens_until: float | None = None
        self.told = self.breaker.health.ever()
        self.asking = False
        self.ask_again = 0.0

    def renew_in_child(self) -> None:
        """What the parent has not told yet, it tells itself."""
        self._begin()

    @property
    def leads(self) -> bool:
        """Is the breaker open or half-open because the shared circuit is?"""
        return self.stands != STATE_CLOSED and self.own_era == self.breaker._era

    def terms(self) -> CircuitTerms:
        """When the calls of all open the circuit: never, if each worker decides for all."""
        breaker, health = self.breaker, self.breaker.health
        in_a_row = 0 if breaker.fail_max == sys.maxsize else breaker.fail_max
        return CircuitTerms(
            window=health.window,
            min_calls=health.min_calls,
            failure_rate=health.failure_rate if self.counts else None,
            slow_rate=health.slow_rate if self.counts and health.slow_call is not None else None,
            fail_max=in_a_row if self.counts else 0,
            reset_timeout=float(breaker.reset_timeout),
            max_reset_timeout=breaker.max_reset_timeout,
            growth=breaker.growth,
            probes=breaker.probes,
            success_threshold=breaker.success_threshold,
        )

    # What is told.

    def report(self) -> CircuitReport:
        """What is new here. The store has to answer before the next report."""
        breaker = self.breaker
        with breaker._changing():
            before, now = self.told, breaker.health.ever()
            ok, failed, slow = now[0] - before[0], now[1] - before[1], now[2] - before[2]
            self.told = now
            opens_until, self.opens_until = self.opens_until, None
            forces, self.forces = self.forces, ""
            self._sent = opens_until, forces
            return CircuitReport(
                self.name,
                self.terms(),
                self.era,
                ok if self.counts else 0,
                failed if self.counts else 0,
                slow if self.counts else 0,
                min(failed, breaker._failed_in_a_row) if self.counts else 0,
                None if opens_until is None else max(0.0, opens_until - clock.monotonic()),
                self.why,
                forces,
            )

    # What is heard.

    def heard(self, view: CircuitView | None, asked: float) -> None:
        """What the store has answered to a report, asked at that monotonic time."""
        breaker = self.breaker
        with breaker._changing():
            if view is None:
                opens_until, forces = self._sent
                self.forces = self.forces or forces
                if self.opens_until is None and self.forces != "reset":
                    self.opens_until = opens_until
                if self.refuses and breaker._forced is None:
                    breaker._forced = "unreachable"
                return
            if breaker._forced == "unreachable":
                breaker._forced = None
            self.take(view, asked)

    _sent: tuple[float | None, str] = (None, "")

    def take(self, view: CircuitView, asked: float, *, by_us: bool = False) -> None:
        """Let the breaker stand as the circuit does. The caller holds the breaker's lock.

        by_us: this worker has changed it, and its call will tell of that.
        """
        if view.era < self.era and asked < self._heard_at:
            return  # the answer to a later question came first
        self._heard_at = clock.monotonic()
        came_back = self.state.returns != self.returns
        self.returns = self.state.returns
        if self.era and not view.era:
            self._is_forgotten()
            return
        self._take_force(view.forced or None)
        if view.era == self.era and not (came_back and self._has_strayed()):
            if view.state == STATE_OPEN:
                self.until = asked + view.open_for
            return
        self._take_state(view, asked, by_us)

    def _has_strayed(self) -> bool:
        return self.stands != STATE_CLOSED and not self.leads

    def _is_forgotten(self) -> None:
        """The store has lost what it knew: tell it how the circuit stood."""
        self.era = 0
        if self.leads:
            self.opens_until = self.until
            self.why = self.breaker._why
        if self.forced and not self.forces:
            self.forces = self.forced

    def _take_force(self, forced: str | None) -> None:
        breaker = self.breaker
        if self.forces or forced == self.forced:
            return  # an operator's newer wish has not been told yet
        self.forced = forced
        if breaker._forced != forced:
            breaker._forced = forced
            if forced in TOLD:
                self._announce("breaker_forced", f"breaker {TOLD[forced]}")

    def _take_state(self, view: CircuitView, asked: float, by_us: bool) -> None:
        breaker = self.breaker
        before = breaker._state.name
        is_ours = not self.era and self.stands == STATE_CLOSED
        self.era = view.era
        self.until = asked + view.open_for
        self.ask_again = 0.0
        if view.state != STATE_CLOSED:
            breaker._stand(view.state, view.why)
            if before == STATE_CLOSED and view.state == STATE_OPEN and not by_us:
                by = "" if self.counts else " by another worker"
                text = f"breaker opened{by} for {view.open_for:.3g} s: {view.why}"
                self._announce("breaker_opened", text, open_for=view.open_for)
        elif before != STATE_CLOSED and not is_ours:
            # Closed by probes, or reset: whatever this worker has opened it for is over too.
            breaker.close()
            if not by_us:
                self._announce("breaker_closed", "breaker closed by another worker")
        self.stands = view.state
        self.own_era = breaker._era
        if not is_ours or view.state != STATE_CLOSED:
            # What calls came to before says nothing of the circuit as it is now.
            self.told = breaker.health.ever()

    def _announce(self, kind: str, text: str, **facts: float) -> None:
        """Tell of it once the lock is released."""
        label = self.breaker.name or self.breaker._label
        self.breaker._note(partial(listeners.announce, kind, label, text, **facts))
