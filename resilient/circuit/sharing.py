"""A breaker whose circuit is that of other workers too: threads, processes, machines.

Calls in a healthy circuit ask nothing: what they came to goes to the store with the steps of
sharing.shared, and how the circuit stands comes back with them. Only a probe asks, since no more
than `probes` of them may be under way in all workers; it does so outside the lock.

While the store is down, each worker goes on by itself from where it stood.
"""

from __future__ import annotations

from pybreaker import STATE_CLOSED, STATE_OPEN

from resilient.circuit.forcing import UNREACHABLE, ForcedBreaker
from resilient.circuit.mirror import LONGEST_REASON, Mirror
from resilient.circuit.states import PROBING, STILL_OPEN, Admission
from resilient.sharing.shared import SharedState
from resilient.timing import clock

_KEPT = (
    "_asked_open", "_failed_in_a_row", "_forced", "_opened_mono", "_opened_stamp", "_reopened",
    "_spread", "_why",
)  # fmt: skip

_AGAIN = 0.05
"""Seconds after which to ask again, when all probes are under way elsewhere."""


class SharedProbe(Admission):
    """A probe that the store has let through.

    mirror: knows which store. number: names it there.
    """

    __slots__ = ("mirror", "number")

    def __init__(self, mirror: Mirror, era: int, number: int, half_opened: bool) -> None:
        super().__init__(era, clock.monotonic(), is_probe=True, half_opened=half_opened)
        self.mirror = mirror
        self.number = number


class SharingBreaker(ForcedBreaker):
    """See CircuitBreaker. `_mirror` is None as long as nothing is shared."""

    _mirror: Mirror | None = None

    def share(
        self, state: SharedState, name: str, *, counts: bool = True, refuses: bool = False
    ) -> None:
        """Share the circuit `name` of a store from now on.

        counts: the calls of all workers together open it for all, and those of one worker for that
        worker; else whatever opens it in one worker opens it for all.
        refuses: no call goes while the store is down.
        """
        if self._mirror is None or self._mirror.state is not state:
            self._mirror = Mirror(self, state, name, counts=counts, refuses=refuses)

    def unshare(self) -> None:
        """Go on alone from where it stands."""
        with self._changing():
            self._mirror = None
            if self._forced == "unreachable":
                self._forced = None

    def take_over(self, old: SharingBreaker) -> None:
        """Go on from where `old` stands: before this one decorates anything."""
        with old._changing():
            stood = old._state.name
            kept = {name: getattr(old, name) for name in _KEPT}
        if kept["_forced"] == "unreachable":
            kept["_forced"] = None
        health, known = self.health, old.health
        with self._changing():
            if stood != STATE_CLOSED and self._state.name == STATE_CLOSED:
                self.open()  # a half-open one has its time behind it, and probes with the next call
            for name, value in kept.items():
                setattr(self, name, value)
            if self._opened_stamp is not None:
                self._store("opened_at", self._opened_stamp)
            for _ in range(self._failed_in_a_row - self.fail_counter):
                self._inc_counter()
            # What was shared is counted in the store.
            if old._mirror is None and health.window == known.window:
                health.ok, health.failed, health.slow = known.ok, known.failed, known.slow

    # For operators

    def reset(self) -> None:
        super().reset()
        self._tell_force("reset")

    def _force(self, how: str) -> None:
        super()._force(how)
        self._tell_force(how)

    def _tell_force(self, how: str) -> None:
        mirror = self._mirror
        if mirror is not None:
            with self._changing():
                mirror.forces = how
                mirror.opens_until = None
            mirror.batch.hurry(is_urgent=True)

    # Standing as the shared circuit does; `_lock` is held

    def _stand(self, state: str, why: str) -> None:
        """Be open or half-open, since the shared circuit is."""
        if self._state.name == state:
            # Its own probes say nothing of the shared circuit.
            self._era += 1
            self._probes_out.clear()
        elif state == STATE_OPEN:
            self.open()
        else:
            self.half_open()
        if why:
            self._why = why

    def _left(self) -> float:
        mirror = self._mirror
        if mirror is None or not mirror.leads:
            return super()._left()
        return max(0.0, mirror.until - clock.monotonic())

    # Admission

    def _admit(self) -> Admission:
        mirror = self._mirror
        if mirror is None or self._forced is not None or not self._may_ask(mirror):
            return super()._admit()
        asked = clock.monotonic()
        probe = None
        try:
            probe = mirror.state.probe(mirror.name, mirror.terms(), float(self.reset_timeout))
        finally:
            with self._changing():
                mirror.asking = False
        with self._changing():
            if probe is None:
                if mirror.refuses:
                    raise self._refusal(UNREACHABLE, None)
                return super()._admit()
            half_opened = self._state.name == STATE_OPEN
            mirror.take(probe.view, asked)
            if probe.number is not None:
                return SharedProbe(mirror, self._era, probe.number, half_opened)
            if self._forced is not None or not mirror.leads:
                return super()._admit()
            if self._state.name == STATE_OPEN:
                raise self._refusal(STILL_OPEN, self._left())
            mirror.ask_again = clock.monotonic() + _AGAIN
            raise self._refusal(PROBING, None)

    def _may_ask(self, mirror: Mirror) -> bool:
        """Is it up to the store whether this call may go, and to this thread to ask?

        Raises: BreakerOpen, if it is clear without asking.
        """
        with self._changing():
            state = self._state.name
            if state == STATE_CLOSED or not mirror.leads:
                return False
            left = self._left()
            if left > 0:
                raise self._refusal(STILL_OPEN, left)
            if mirror.asking or clock.monotonic() < mirror.ask_again:
                raise self._refusal(PROBING, None)
            mirror.asking = True
            return True

    # Outcomes

    def _succeed(self, admission: Admission) -> str | None:
        if isinstance(admission, SharedProbe):
            slow_call = self.health.slow_call
            if slow_call is not None and clock.monotonic() - admission.started >= slow_call:
                changed = self._probed(admission, "failed", "the probe was slow")
            else:
                changed = self._probed(admission, "ok", "")
            self._tell("success")
            self._deliver()
            return changed
        changed = super()._succeed(admission)
        if changed == STATE_OPEN:
            self._tell_trip()
        return changed

    def _fail(
        self, admission: Admission, error: Exception, reason: str, asked: float | None = None
    ) -> str | None:
        if isinstance(admission, SharedProbe):
            changed = self._probed(admission, "failed", f"the probe failed: {reason}", asked or 0.0)
            self._tell("failure", error)
            self._deliver()
            text = "Trial call failed, circuit breaker opened"
            return text if changed == STATE_OPEN else None
        tripped = super()._fail(admission, error, reason, asked)
        mirror = self._mirror
        if mirror is not None:
            with self._changing():
                mirror.why = reason[:LONGEST_REASON]
            if tripped is not None:
                self._tell_trip()
            else:
                mirror.batch.hurry()
        return tripped

    def _give_back(self, admission: Admission) -> None:
        if isinstance(admission, SharedProbe):
            self._probed(admission, "nothing", "")
        else:
            super()._give_back(admission)

    def _tell_trip(self) -> None:
        """Tell the others of a trip, who follow it unless the calls of all decide."""
        mirror = self._mirror
        if mirror is None:
            return
        if not mirror.counts:
            with self._changing():
                mirror.opens_until = clock.monotonic() + self.remaining()
                mirror.why = self._why[:LONGEST_REASON]
        mirror.batch.hurry(is_urgent=True)

    def _probed(self, probe: SharedProbe, outcome: str, why: str, opens: float = 0.0) -> str | None:
        """Tell the store how a probe went; the state this changed to, if it did."""
        mirror = probe.mirror
        asked = clock.monotonic()
        why = why[:LONGEST_REASON]
        view = mirror.state.probed(mirror.name, probe.number, mirror.terms(), outcome, opens, why)
        with self._changing():
            mirror.ask_again = 0.0
            before = self._state.name
            if view is not None:
                mirror.take(view, asked, by_us=True)
            elif probe.era == self._era:
                self._probed_alone(outcome, why, opens)
            after: str = self._state.name
        return after if after != before else None

    def _probed_alone(self, outcome: str, why: str, opens: float) -> None:
        """Do by itself what the store would have done. The caller holds the lock."""
        if outcome == "failed":
            self._reopened += 1
            self._asked_open = opens
            self._trip(why)
        elif outcome == "ok":
            self._probes_succeeded += 1
            if self._probes_succeeded >= self.success_threshold:
                self.close()
