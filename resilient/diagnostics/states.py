"""What the policies of a function know at this moment, as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from resilient.handle import Handle
from resilient.registry import Registry

BREAKER_STATES = ("closed", "open", "half-open", "isolated", "disabled")

_WORST_FIRST = ("open", "isolated", "half-open", "closed", "disabled")


def states_of(handle: Handle) -> dict[str, Any]:
    """The state of each policy that has one; of two of a kind, the outermost's.

    breaker: one of BREAKER_STATES, or what a storage of the user's says. throttle: see
    ThrottleView. bulkhead: limit, running and waiting.
    """
    states: dict[str, Any] = {}
    for policy in reversed(handle.policies):
        known: Any = policy
        if policy.kind == "breaker":
            states["breaker"] = known.shown_state
        elif policy.kind == "throttled":
            states["throttle"] = known.figures(handle._target)["throttle"]
        elif policy.kind == "bulkhead":
            states["bulkhead"] = {
                "limit": known.limit,
                "running": known.running,
                "waiting": known.waiting,
            }
    return states


def states_or_none(handle: Handle) -> dict[str, Any]:
    """The same; nothing, where a policy or a storage of somebody's own fails to tell."""
    try:
        return states_of(handle)
    except Exception:
        return {}


def states_in(registry: Registry) -> dict[tuple[str, str], dict[str, Any]]:
    """What is known of each function that is still decorated, by service and name."""
    found = {}
    for service, name, handle in registry.handles():
        if states := states_or_none(handle):
            found[service, name] = states
    return found


def worst_first(states: Iterable[str]) -> list[str]:
    """Breakers' states, the worst first; those of a user's own storage are left out."""
    known = [state for state in states if state in _WORST_FIRST]
    return sorted(known, key=_WORST_FIRST.index)


def together(states: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What several functions or processes know, as one.

    breaker: the worst state; breakers: how many are in which. throttle: the one with the least
    left, all that wait, and the longest pause. bulkhead: the sums.
    """
    found: dict[str, Any] = {}
    breakers = worst_first(one["breaker"] for one in states if "breaker" in one)
    if breakers:
        found |= {"breaker": breakers[0], "breakers": dict(Counter(breakers))}
    throttles = [one["throttle"] for one in states if "throttle" in one]
    if throttles:
        told = [one for one in throttles if one["remaining"] is not None]
        least = min(told, key=lambda one: float(one["remaining"]), default=throttles[0])
        pauses = [one["paused_until"] for one in throttles if one["paused_until"]]
        found["throttle"] = {
            **least,
            "waiting": sum(one["waiting"] for one in throttles),
            "paused_until": max(pauses, default=None),
        }
    bulkheads = [one["bulkhead"] for one in states if "bulkhead" in one]
    if bulkheads:
        names = ("limit", "running", "waiting")
        found["bulkhead"] = {name: sum(one[name] for one in bulkheads) for name in names}
    return found
