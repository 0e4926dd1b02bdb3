"""The figures of a snapshot in words: as a table, as a sentence, with what the stack saved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from resilient.registry import Histogram

WIDTH = 100
"""Columns of the table."""

SPARING = ("breaker_refused", "rate_limited", "bulkhead_full")
"""Steps that kept a request from being sent. A deadline is not among them: it may cut off one that
is on its way."""


def stats_table(snapshot: Mapping[str, Any]) -> str:
    """What `registry.snapshot()`, or one merged of many, says: tables of at most 100 columns.

    Savings are what was counted, not estimates: requests answered by the cache or refused before
    they were sent; the time that the cached answers had taken upstream; failures that the caller
    never saw, since a retry, a fallback or a stale result answered.
    """
    functions = snapshot["functions"]
    if not functions:
        return "resilient: no calls yet"
    total = total_of(functions)
    parts = [title(snapshot), "", _table(heads(snapshot), functions, total, calls_row)]
    if any(saved_by(total)):
        parts += ["", _table(SAVINGS, functions, total, savings_row)]
    return "\n".join([*parts, "", savings_sentence(total)])


def title(snapshot: Mapping[str, Any]) -> str:
    """How much there is, and of what: `resilient: 2 functions, 40 calls in 60.0 s (pid 42)`."""
    functions = snapshot["functions"]
    calls = sum(data["calls"] for data in functions)
    by = snapshot.get("by", "function")
    counts = f"{many(len(functions), by)}, {many(calls, 'call')}"
    processes = snapshot.get("processes")
    who = many(processes, "process") if processes else f"pid {snapshot['pid']}"
    return f"resilient: {counts} in {duration(snapshot['seconds'])} ({who})"


CALLS = (
    *("function", "calls", "ok", "retries", "waited", "hits", "refused"),
    *("fallbacks", "p50", "p95"),
)
SAVINGS = (
    *("saved by the stack", "requests spared", "upstream time", "hidden failures"),
    *("by retries", "by fallbacks"),
)


def heads(snapshot: Mapping[str, Any]) -> tuple[str, ...]:
    """CALLS, with what makes a row for the first."""
    return (snapshot.get("by", CALLS[0]), *CALLS[1:])


def calls_row(data: Mapping[str, Any]) -> list[str]:
    """The cells under CALLS."""
    latency = data["latency"]
    return [
        label(data),
        f"{data['calls']:,}",
        share_ok(data),
        f"{data['retries']:,}",
        duration(waited(data)),
        f"{data['hits']:,}",
        f"{refused(data):,}",
        f"{data['degraded']:,}",
        duration(latency["p50"]),
        duration(latency["p95"]),
    ]


def savings_row(data: Mapping[str, Any]) -> list[str]:
    """The cells under SAVINGS."""
    spared, upstream, hidden = saved_by(data)
    retried, answered = data["recovered"], data["degraded"]
    numbers = (f"{spared:,}", duration(upstream), f"{hidden:,}", f"{retried:,}", f"{answered:,}")
    return [label(data), *numbers]


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
    latency = data["latency"]
    return (
        f"{many(data['calls'], 'call')}, {share_ok(data)} ok, {data['retries']:,} retried, waited "
        f"{duration(waited(data))}, {many(data['hits'], 'cache hit')}, {refused(data):,} refused, "
        f"{many(data['degraded'], 'fallback')}, "
        f"p50 {duration(latency['p50'])}, p95 {duration(latency['p95'])}"
    )


def many(number: int, name: str) -> str:
    """`1 call`, `2,000 calls`, `2 processes`."""
    plural = f"{name}es" if name.endswith("s") else f"{name}s"
    return f"{number:,} {name if number == 1 else plural}"


def label(data: Mapping[str, Any]) -> str:
    """`service.function`, or the one of them that there is."""
    return ".".join(filter(None, (data["service"], data["function"])))


def refused(data: Mapping[str, Any]) -> int:
    """Calls and requests that were not sent, by our own decision."""
    steps = data["steps"]
    return sum(steps.get(kind, 0) for kind in SPARING) if steps else 0


def waited(data: Mapping[str, Any]) -> float:
    """Seconds that calls waited for anything."""
    # What an observing policy would have waited, nobody did.
    return math.fsum(
        seconds for kind, seconds in data["waited"].items() if not kind.startswith("would_")
    )


def total_of(functions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row that stands for all."""
    latency = Histogram()
    for data in functions:
        latency.merge(Histogram.of_snapshot(data["latency"]))
    numbers = ("calls", "retries", "hits", "saved", "degraded", "recovered")
    total = {name: sum(data[name] for data in functions) for name in numbers}
    counted = {
        name: _sum(data[name] for data in functions) for name in ("outcomes", "steps", "waited")
    }
    return {
        "service": "",
        "function": "all",
        **total,
        **counted,
        "latency": latency.snapshot(),
    }


def _sum(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for part in parts:
        for name, number in part.items():
            total[name] = total.get(name, 0) + number
    return total


def share_ok(data: Mapping[str, Any]) -> str:
    """The calls that ended well, in percent."""
    share = 100 * data["outcomes"].get("ok", 0) / data["calls"] if data["calls"] else 0.0
    # 99.96 % is not all of them.
    share = min(share, 99.9) if share < 100 else share
    return f"{share:.1f} %" if share < 100 else "100 %"


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


def _table(
    heads: Sequence[str],
    functions: Sequence[Mapping[str, Any]],
    total: Mapping[str, Any],
    row_of: Any,
) -> str:
    rows = [list(heads), *(row_of(data) for data in functions), row_of(total)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(heads))]
    # Names give way to numbers.
    widths[0] = max(12, min(widths[0], WIDTH - sum(widths[1:]) - 2 * len(widths[1:])))
    drawn = [
        "  ".join([_cut(row[0], widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    rule = "─" * (sum(widths) + 2 * len(widths[1:]))
    return "\n".join([drawn[0], rule, *drawn[1:-1], rule, drawn[-1]])


def _cut(name: str, width: int) -> str:
    if len(name) <= width:
        return name.ljust(width)
    head = (width - 1) // 2
    return f"{name[:head]}…{name[len(name) - (width - 1 - head) :]}"
