"""The figures of a snapshot as tables, and these as text."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from resilient.diagnostics import by_policy
from resilient.diagnostics.tables import (
    duration,
    label,
    refused,
    saved_by,
    savings_sentence,
    share_ok,
    title,
    total_of,
    waited,
)

WIDTH = 100
"""Columns of a table."""

_CALLS = ("calls", "ok", "retries", "waited", "hits", "refused", "fallbacks", "p50", "p95")
_SAVINGS = (
    *("saved by the stack", "requests spared", "upstream time", "hidden failures"),
    *("by retries", "by fallbacks"),
)
_STANDING = ("when last seen", "breaker", "quota left", "paused until", "waiting", "running")

Data = Mapping[str, Any]


class Row(NamedTuple):
    """data: what a function's row is about; None for one that is about none."""

    cells: Sequence[str]
    data: Data | None = None


class Sheet(NamedTuple):
    """One table. total: its last row, None where nothing adds up."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Row]
    total: Sequence[str] | None


def sheets(snapshot: Data) -> list[Sheet]:
    """The tables of `registry.snapshot()`, or of one merged of many; not one if nothing was called.

    Savings are what was counted, not estimates: requests answered by the cache or refused before
    they were sent; the time that the cached answers had taken upstream; failures that the caller
    never saw, since a retry, a fallback or a stale result answered. Of dumps, it is told as well
    how breakers and quotas stood, and what each kind of policy cost and saved.
    """
    functions = snapshot["functions"]
    if not functions:
        return []
    total = total_of(functions)
    heads = (snapshot.get("by", "function"), *_CALLS)
    found = [_sheet("Calls", heads, functions, total, _calls_row)]
    if any(saved_by(total)):
        found.append(_sheet("Savings", _SAVINGS, functions, total, _savings_row))
    known = [data for data in functions if data.get("policies")]
    if known:
        rows = [Row(_standing_row(data)) for data in known]
        found.append(Sheet("How it stands", _STANDING, rows, _standing_row(total)))
    shares = by_policy.rows_of(total)
    if shares:
        found.append(
            Sheet("Policies", by_policy.HEADS, [*map(Row, shares)], by_policy.total_row(total))
        )
    return found


def _sheet(
    caption: str,
    heads: Sequence[str],
    functions: Sequence[Data],
    total: Data,
    row_of: Callable[[Data], list[str]],
) -> Sheet:
    rows = [Row(row_of(data), data) for data in functions]
    return Sheet(caption, heads, rows, row_of(total))


def _calls_row(data: Data) -> list[str]:
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


def _savings_row(data: Data) -> list[str]:
    spared, upstream, hidden = saved_by(data)
    retried, answered = data["recovered"], data["degraded"]
    numbers = (f"{spared:,}", duration(upstream), f"{hidden:,}", f"{retried:,}", f"{answered:,}")
    return [label(data), *numbers]


def _standing_row(data: Data) -> list[str]:
    policies = data["policies"]
    throttle, bulkhead = policies.get("throttle", {}), policies.get("bulkhead", {})
    breakers = policies.get("breakers", {})
    many = len(breakers) > 1
    left, limit = throttle.get("remaining"), throttle.get("limit")
    quota = "–" if left is None else f"{left:,.0f}"
    if left is not None and limit is not None:
        quota = f"{quota} of {limit:,.0f}"
    running = f"{bulkhead['running']:,} of {bulkhead['limit']:,}" if bulkhead else "–"
    return [
        label(data),
        ", ".join(f"{count:,} {name}" if many else name for name, count in breakers.items()) or "–",
        quota,
        _moment(throttle.get("paused_until")),
        f"{throttle.get('waiting', 0) + bulkhead.get('waiting', 0):,}",
        running,
    ]


def _moment(seconds: float | None) -> str:
    if not seconds:
        return "–"
    try:
        return time.strftime("%m-%d %H:%M:%S", time.localtime(seconds))
    except (ValueError, OverflowError, OSError):
        return "?"


def stats_table(snapshot: Data) -> str:
    """What `registry.snapshot()`, or one merged of many, says: tables of at most 100 columns."""
    found = sheets(snapshot)
    if not found:
        return "resilient: no calls yet"
    parts = [title(snapshot)]
    for sheet in found:
        parts += ["", _drawn(sheet)]
    return "\n".join([*parts, "", savings_sentence(total_of(snapshot["functions"]))])


def _drawn(sheet: Sheet) -> str:
    rows = [sheet.heads, *(row.cells for row in sheet.rows)]
    if sheet.total is not None:
        rows.append(sheet.total)
    widths = [max(len(row[index]) for row in rows) for index in range(len(sheet.heads))]
    # Names give way to numbers.
    widths[0] = max(12, min(widths[0], WIDTH - sum(widths[1:]) - 2 * len(widths[1:])))
    drawn = [
        "  ".join([_cut(row[0], widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    rule = "─" * (sum(widths) + 2 * len(widths[1:]))
    last = len(drawn) if sheet.total is None else -1
    return "\n".join([drawn[0], rule, *drawn[1:last], rule, *drawn[last:]])


def _cut(name: str, width: int) -> str:
    if len(name) <= width:
        return name.ljust(width)
    head = (width - 1) // 2
    return f"{name[:head]}…{name[len(name) - (width - 1 - head) :]}"
