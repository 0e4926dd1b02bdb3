"""An operator's hand on a breaker: refuse every call, let every call through, start anew."""

from __future__ import annotations

from resilient.call import listeners
from resilient.circuit.breaker import CircuitBreaker
from resilient.circuit.states import Admission

ISOLATED = "Circuit breaker isolated by an operator"
UNREACHABLE = "The store that says how the circuit stands can't be reached"

NO_ERA = -1
"""Of calls that never count."""

TOLD = {
    "isolated": "isolated by an operator: refuses every call until reset()",
    "disabled": "disabled by an operator: lets every call through until reset()",
}


class ForcedBreaker(CircuitBreaker):
    """A breaker that can be told how to stand, whatever the vendor's health.

    `_forced` is written under `_lock`: "isolated", "disabled", None, or "unreachable", if calls are
    not to go on while the store of a shared circuit is down.
    """

    _forced: str | None = None

    def isolate(self) -> None:
        """Refuse every call until `reset`, whatever the vendor's health."""
        self._force("isolated")

    def disable(self) -> None:
        """Let every call through and count nothing until `reset`."""
        self._force("disabled")

    def reset(self) -> None:
        """Go back to a closed circuit that knows nothing."""
        with self._changing():
            self._forced = None
            self.close()
        listeners.announce(
            "breaker_closed", self.name or self._label, "breaker reset by an operator"
        )

    def _force(self, how: str) -> None:
        with self._changing():
            self._forced = how
        listeners.announce("breaker_forced", self.name or self._label, f"breaker {TOLD[how]}")

    def _admit(self) -> Admission:
        forced = self._forced
        if forced == "isolated":
            raise self._refusal(ISOLATED, None)
        if forced == "unreachable":
            raise self._refusal(UNREACHABLE, None)
        if forced == "disabled":
            return Admission(NO_ERA, 0.0)
        return super()._admit()
