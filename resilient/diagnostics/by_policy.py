"""What each kind of policy cost, and what it saved, as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from resilient.diagnostics.tables import duration

CALL = "call"
"""What every call costs, whatever its policies."""

HEADS = ("policy", "cost", "requests spared", "upstream time", "hidden failures", "waited")


def costs_of(
    stack: Sequence[str], data: Mapping[str, Any], each: Mapping[str, float]
) -> dict[str, float]:
    """Seconds that a function's calls spent in each kind of policy, and in CALL.

    stack: the kinds, outermost first. data: the function's figures. each: seconds of a healthy
    call. Policies further in than a cache see only what it can't answer.
    """
    passed, looks = data["latency"]["count"], data["calls"]
    costs = {CALL: passed * each.get(CALL, 0.0)}
    for kind in stack:
        # An answer that took no more than a look costs about as much as looking in vain.
        seen = looks if kind == "cached" else passed
        costs[kind] = costs.get(kind, 0.0) + seen * each.get(kind, 0.0)
        if kind in ("cached", "retry"):
            looks = passed = min(passed, data["attempts"]) if kind == "cached" else data["attempts"]
    return costs


class Share(NamedTuple):
    """Of one kind of policy.

    cost: seconds; None if it was not dumped. spared: requests that were not sent. upstream: seconds
    of upstream time that were spared. hidden: failures that no caller saw. waited: seconds.
    """

    kind: str
    cost: float | None
    spared: float = 0
    upstream: float = 0.0
    hidden: float = 0
    waited: float = 0.0


def shares_of(total: Mapping[str, Any]) -> list[Share]:
    """What there is to tell, in the order of a stack; total: as of `tables.total_of`."""
    costs, steps, waits = total["costs"], total["steps"], total["waited"]
    known = (
        Share(CALL, costs.get(CALL)),
        Share("service", costs.get("service")),
        Share("fallback", costs.get("fallback"), hidden=total["degraded"]),
        Share("cached", costs.get("cached"), spared=total["hits"], upstream=total["saved"]),
        Share(
            "retry", costs.get("retry"), hidden=total["recovered"], waited=waits.get("retry", 0.0)
        ),
        Share("breaker", costs.get("breaker"), spared=steps.get("breaker_refused", 0)),
        Share(
            "throttled",
            costs.get("throttled"),
            spared=steps.get("rate_limited", 0),
            waited=waits.get("throttled", 0.0),
        ),
        Share(
            "bulkhead",
            costs.get("bulkhead"),
            spared=steps.get("bulkhead_full", 0),
            waited=waits.get("bulkhead_waited", 0.0),
        ),
    )
    return [share for share in known if share.cost is not None or any(share[2:])]


def row(share: Share) -> list[str]:
    """The cells under HEADS."""
    return [
        share.kind,
        "–" if share.cost is None else duration(share.cost),
        f"{share.spared:,.0f}",
        duration(share.upstream),
        f"{share.hidden:,.0f}",
        duration(share.waited),
    ]


def total_row(total: Mapping[str, Any]) -> list[str]:
    """All of them together."""
    shares = shares_of(total)
    together = Share(
        "all",
        sum(share.cost or 0.0 for share in shares),
        sum(share.spared for share in shares),
        sum(share.upstream for share in shares),
        sum(share.hidden for share in shares),
        sum(share.waited for share in shares),
    )
    return row(together)


def rows_of(total: Mapping[str, Any]) -> Sequence[list[str]]:
    """The table's rows, without its heads; none if nothing was measured."""
    return [row(share) for share in shares_of(total)] if total["costs"] else []
