"""The figures of a snapshot in words: of a function in a sentence, and what all of them come to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from resilient.diagnostics.states import together
from resilient.histogram import Histogram

SPARING = ("breaker_refused", "rate_limited", "bulkhead_full")
"""Steps that kept a request from being sent. A deadline is not among them: it may cut off one that
is on its way."""


def title(snapshot: Mapping[str, Any]) -> str:
    """How much there is, and of what: `resilient: 2 functions, 40 calls in 60.0 s (pid 42)`."""
    functions = snapshot["functions"]
    calls = sum(data["calls"] for data in functions)
    by = snapshot.get("by", "function")
    counts = f"{many(len(functions), by)}, {many(calls, 'call')}"
    processes = snapshot.get("processes")
    who = many(processes, "process") if processes else f"pid {snapshot['pid']}"
    return f"resilient: {counts} in {duration(snapshot['seconds'])} ({who})"


def savings_sentence(data: Mapping[str, Any]) -> str:
    """What the stack saved, for people."""
    spared, upstream, hidden = saved_by(data)
    if not any((spared, upstream, hidden)):
        return "Nothing to save so far: no cache hit, no refusal, no failure hidden."
    return (
        f"Saved: {many(spared, 'request')} ({data['hits']:,} cached, {refused(data):,} refused), "
        f"{duration(upstream)} of upstream time, {many(hidden, 'failure')} hidden."
    )


def saved_by(data: Mapping[str, Any]) -> tuple[int, float, int]:
    """Requests spared, seconds of upstream time, failures hidden from the caller."""
    hidden = data["recovered"] + data["degraded"]
    return data["hits"] + refused(data), data["saved"], hidden


def sentence(data: Mapping[str, Any]) -> str:
    """What one function did, for a line in a log."""
    latency, policies = data["latency"], data.get("policies")
    done = _doings(data["retries"], waited(data), data["hits"], refused(data), data["degraded"])
    said = (
        f"{many(data['calls'], 'call')}, {share_ok(data)} ok, {done}, "
        f"p50 {duration(latency['p50'])}, p95 {duration(latency['p95'])}"
    )
    return ", ".join((said, *standing(policies))) if policies else said


@lru_cache(maxsize=256)  # most functions have done nothing of that
def _doings(retries: int, seconds: float, hits: int, refusals: int, fallbacks: int) -> str:
    return (
        f"{retries:,} retried, waited {duration(seconds)}, {many(hits, 'cache hit')}, "
        f"{refusals:,} refused, {many(fallbacks, 'fallback')}"
    )


def standing(policies: Mapping[str, Any]) -> list[str]:
    """What policies know that somebody should, in words: `breaker open`, `12 of 5,000 left`.

    policies: as of `states_of`.
    """
    told = []
    breaker, throttle = policies.get("breaker", "closed"), policies.get("throttle", {})
    if breaker != "closed":
        told.append(f"breaker {breaker}")
    left, limit = throttle.get("remaining"), throttle.get("limit")
    if left is not None:
        told.append(f"{left:,.0f} left" if limit is None else f"{left:,.0f} of {limit:,.0f} left")
    if throttle.get("paused_until"):
        told.append("paused")
    return told


def many(number: int, name: str) -> str:
    """`1 call`, `2,000 calls`, `2 processes`."""
    if number == 1:
        return f"1 {name}"
    return f"{number:,} {name}es" if name[-1] == "s" else f"{number:,} {name}s"


def label(data: Mapping[str, Any]) -> str:
    """`service.function`, or the one of them that there is."""
    return ".".join(filter(None, (data["service"], data["function"])))


def refused(data: Mapping[str, Any]) -> int:
    """Calls and requests that were not sent, by our own decision."""
    steps = data["steps"]
    return sum([steps.get(kind, 0) for kind in SPARING]) if steps else 0


def waited(data: Mapping[str, Any]) -> float:
    """Seconds that calls waited for anything."""
    if not data["waited"]:
        return 0.0
    # What an observing policy would have waited, nobody did.
    return math.fsum(
        [seconds for kind, seconds in data["waited"].items() if not kind.startswith("would_")]
    )


def total_of(functions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row that stands for all."""
    latency = Histogram()
    for data in functions:
        latency.merge(Histogram.of_snapshot(data["latency"]))
    numbers = ("calls", "retries", "hits", "saved", "degraded", "recovered")
    total = {name: sum(data[name] for data in functions) for name in numbers}
    counted = {
        name: _sum(data.get(name, {}) for data in functions)
        for name in ("outcomes", "steps", "waited", "costs")
    }
    return {
        "service": "",
        "function": "all",
        **total,
        **counted,
        "latency": latency.snapshot(),
        "policies": together([data["policies"] for data in functions if "policies" in data]),
    }


def _sum(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for part in parts:
        for name, number in part.items():
            total[name] = total.get(name, 0) + number
    return total


def share_ok(data: Mapping[str, Any]) -> str:
    """The calls that ended well, in percent."""
    well, calls = data["outcomes"].get("ok", 0), data["calls"]
    if well == calls > 0:
        return "100 %"
    share = 100 * well / calls if calls else 0.0
    # 99.96 % is not all of them.
    share = min(share, 99.9) if share < 100 else share
    return f"{share:.1f} %" if share < 100 else "100 %"


@lru_cache(maxsize=1_024)  # percentiles are those of buckets
def duration(seconds: float) -> str:
    """A duration with the unit that suits it, in three digits or so."""
    if seconds >= 9.95:
        return f"{seconds:,.0f} s" if seconds >= 99.95 else f"{seconds:,.1f} s"
    if seconds >= 0.9995:
        return f"{seconds:.2f} s"
    if seconds >= 0.00995:
        return f"{seconds * 1e3:.0f} ms"
    if seconds >= 0.0009995:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds * 1e6:.0f} µs" if seconds > 0 else "0 s"
