"""Closed, open, half-open: how a circuit changes between them, and whom it lets through."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN

from resilient.circuit.health import Health
from resilient.circuit.storage import StoredBreaker
from resilient.errors import BreakerOpen
from resilient.timing import chance, clock

STILL_OPEN = "Timeout not elapsed yet, circuit breaker still open"
PROBING = "Trial call under way, circuit breaker still half-open"
RAMPING = "Circuit breaker closed again, traffic still ramps up"
"""Why a call is refused; the first as pybreaker says it."""

_STATES = (STATE_CLOSED, STATE_OPEN, STATE_HALF_OPEN)

_SAME_MOMENT = timedelta(seconds=1)
"""Redis keeps whole seconds of `opened_at`."""

_ROUNDING = 1e-6
"""Seconds that count as nothing."""


class Admission:
    """One call let through.

    era: how often the circuit had changed its state by then.
    half_opened: this one found the circuit open, and its time over.
    """

    __slots__ = ("era", "half_opened", "is_probe", "started")

    def __init__(
        self, era: int, started: float, is_probe: bool = False, half_opened: bool = False
    ) -> None:
        self.era = era
        self.started = started
        self.is_probe = is_probe
        self.half_opened = half_opened


class SwitchingBreaker(StoredBreaker):
    """A breaker's states, and the admission of calls by them. `_lock` guards every field.

    health, growth, max_reset_timeout, probes, ramp_up: see CircuitBreaker, which sets them.
    """

    health: Health
    growth: float
    max_reset_timeout: float
    probes: int
    ramp_up: float

    _why = "opened elsewhere"
    _reopened = 0
    _spread = 0.0
    _asked_open = 0.0
    _opened_mono = -math.inf
    _opened_stamp: datetime | None = None
    _closed_mono = -math.inf

    def __init__(self, *args: Any) -> None:
        self._era = 0
        self._probes_out: list[Admission] = []
        super().__init__(*args)

    # States

    @property
    def state(self) -> Any:
        """The cached state object, brought up to date with the storage."""
        if self.current_state != self._state.name:
            with self._changing():
                stored = self.current_state
                if stored != self._state.name:
                    self._why = "opened elsewhere"
                    self.state = stored
        return self._state

    @state.setter
    def state(self, state_str: str) -> None:
        with self._changing():
            before = self._state
            try:
                after = self._create_new_state(state_str, prev_state=before, notify=True)
            except Exception as error:
                if state_str not in _STATES:
                    raise
                # pybreaker's states reset a counter of the storage as they are made.
                self._tell_storage_error(error)
                after = self._create_new_state(state_str, prev_state=before)
                self._tell("state_change", before, after)
            self._state = after
            self._era += 1
            self._probes_out.clear()
            self._probes_succeeded = 0
            if state_str == STATE_CLOSED:
                self._failed_in_a_row = 0
                self._reopened = 0
                self._asked_open = 0.0
                self._closed_mono = clock.monotonic()
                self.health.clear()

    def open(self) -> bool:
        """Open the circuit; True if the caller should raise a new error instead of the old one."""
        with self._changing():
            self._why = "opened by hand"
            self._opened_mono = clock.monotonic()
            self._opened_stamp = datetime.fromtimestamp(clock.time(), timezone.utc)
            self._spread = chance.uniform(0.0, 0.1) if self.growth > 1 else 0.0
            self._store("opened_at", self._opened_stamp)
            self._move_to(STATE_OPEN)
            return self._throw_new_error_on_trip

    def half_open(self) -> None:
        """Let probes through: they close the circuit, or open it again."""
        with self._changing():
            self._move_to(STATE_HALF_OPEN)

    def close(self) -> None:
        """Close the circuit: calls go on as usual."""
        with self._changing():
            self._store("reset_success_counter")
            self._move_to(STATE_CLOSED)

    def _move_to(self, state: str) -> None:
        self._last_state = state
        self._store("state", state)
        self.state = state

    # Admission

    def remaining(self) -> float:
        """Seconds until an open circuit lets a probe through; 0.0 if it does so now."""
        with self._changing():
            return self._left() if self.current_state == STATE_OPEN else 0.0

    def _left(self) -> float:
        opened_at = self._stored("opened_at", self._opened_stamp)
        if opened_at is None:
            return 0.0
        if opened_at.tzinfo is None:
            opened_at = opened_at.replace(tzinfo=timezone.utc)
        known = self._opened_stamp
        if known is None or abs(opened_at - known) >= _SAME_MOMENT:
            # Another process opened it: the wall clock tells how long ago, once and for all.
            self._opened_stamp = opened_at
            age = max(0.0, clock.time() - opened_at.timestamp())
            self._opened_mono = clock.monotonic() - age
        left = self._opened_mono + self._open_time() - clock.monotonic()
        # Who waited for as long as it was told must not fail by a rounding error.
        return left if left > _ROUNDING else 0.0

    def _open_time(self) -> float:
        pause = float(self._reset_timeout)
        if self.growth > 1 and self._reopened:
            factor = self.growth ** min(self._reopened, 64)
            pause = max(pause, min(pause * factor, self.max_reset_timeout))
        return max(pause * (1 + self._spread), self._asked_open)

    def _admit(self) -> Admission:
        """Let one call through, or raise BreakerOpen. Every admission must be given an outcome."""
        with self._changing():
            state = self.state.name
            now = clock.monotonic()
            half_opened = False
            if state == STATE_OPEN:
                left = self._left()
                if left > 0:
                    raise self._refusal(STILL_OPEN, left)
                self.half_open()
                half_opened = True
            elif state == STATE_CLOSED:
                if self.ramp_up and not self._ramped(now):
                    raise self._refusal(RAMPING, None)
                return Admission(self._era, now)
            lost = now - self._reset_timeout
            self._probes_out = [probe for probe in self._probes_out if probe.started > lost]
            if len(self._probes_out) >= self.probes:
                raise self._refusal(PROBING, None)
            probe = Admission(self._era, now, is_probe=True, half_opened=half_opened)
            self._probes_out.append(probe)
            return probe

    def _ramped(self, now: float) -> bool:
        share = max(0.1, (now - self._closed_mono) / self.ramp_up)
        return share >= 1 or chance.uniform(0.0, 1.0) <= share

    def _refusal(self, text: str, left: float | None) -> BreakerOpen:
        return BreakerOpen(text, label=self.name or self._label, retry_after=left)

    def _still_counts(self, admission: Admission) -> bool:
        """Is the circuit still in the state that admitted the call? A probe's place is free now."""
        if admission in self._probes_out:
            self._probes_out.remove(admission)
        return admission.era == self._era
