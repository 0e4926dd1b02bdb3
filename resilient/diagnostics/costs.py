"""What resilient itself costs: seconds of each policy, as far as healthy calls go.

No call is timed for it. What a policy costs a healthy call is measured once in a process, with a
policy of that kind around a function that does nothing, in a few milliseconds; the rest is counting
calls. What happens when something went wrong (a retry's bookkeeping, a log line) is not in it.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

from resilient.call import Call, Target
from resilient.diagnostics.by_policy import CALL
from resilient.pipeline import Policy
from resilient.policies.breaker import breaker
from resilient.policies.bulkhead import bulkhead
from resilient.policies.cached import cached
from resilient.policies.fallback import fallback
from resilient.policies.retry import retry
from resilient.policies.service import service
from resilient.policies.throttled import throttled
from resilient.timing import clock
from resilient.wrapping import Handler, innermost

_ROUNDS, _CALLS = 5, 100

# By itself: no store of other workers is told of calls that nobody made.
_POLICIES: Mapping[str, Callable[[], Any]] = {
    "service": lambda: service("resilient"),
    "fallback": lambda: fallback(None),
    "cached": lambda: cached(ttl=60),
    "retry": lambda: retry(store="local"),
    "breaker": lambda: breaker(store="local"),
    "throttled": lambda: throttled("1000000/s", store="local"),
    "bulkhead": lambda: bulkhead(1_000),
}


@functools.cache
def costs() -> dict[str, float]:
    """Seconds that a healthy call spends in each kind of policy, and in CALL."""
    return {kind: float(f"{_cost_of(kind):.3g}") for kind in (CALL, *_POLICIES)}


def _cost_of(kind: str) -> float:
    target = Target(_nothing, service="resilient", name="calibration")
    if kind == CALL:
        run = innermost(target)

        def whole(call: Call) -> None:
            started = clock.monotonic()
            run(Call.of(target))
            durations.append(clock.monotonic() - started)

        durations: list[float] = []
        return max(0.0, _fastest(whole, target) - _fastest(_pass, target))
    policy: Policy = _POLICIES[kind]()
    return max(0.0, _fastest(policy.bind(_pass, target), target) - _fastest(_pass, target))


def _nothing() -> None:
    return None


def _pass(call: Call) -> None:
    return None


def _fastest(handler: Handler, target: Target) -> float:
    """Seconds a call, in the round that was least disturbed."""
    rounds = []
    for _ in range(_ROUNDS):
        calls = [Call.of(target) for _ in range(_CALLS)]
        started = time.perf_counter()
        for call in calls:
            handler(call)
        rounds.append(time.perf_counter() - started)
    return min(rounds) / _CALLS
