"""What the policies of a function know at this moment, as plain data."""

from __future__ import annotations

from typing import Any

from resilient.handle import Handle

BREAKER_STATES = ("closed", "open", "half-open", "isolated", "disabled")


def states_of(handle: Handle) -> dict[str, Any]:
    """The state of each policy that has one; of two of a kind, the outermost's.

    breaker: one of BREAKER_STATES, or what a storage of the user's says. throttle: see
    ThrottleView. bulkhead: limit, running and waiting.
    """
    states: dict[str, Any] = {}
    for policy in reversed(handle.policies):
        known: Any = policy
        if policy.kind == "breaker":
            states["breaker"] = known.settings()["state"]
        elif policy.kind == "throttled":
            states["throttle"] = handle.throttle.plain()
        elif policy.kind == "bulkhead":
            states["bulkhead"] = {
                "limit": known.limit,
                "running": known.running,
                "waiting": known.waiting,
            }
    return states
