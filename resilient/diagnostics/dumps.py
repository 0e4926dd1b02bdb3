"""What a dump holds, as it is read back from a log.

A record holds what `registry.snapshot()` says of some functions: `resilient_stats` with the
process's host, pid, started, taken and seconds, and under functions a dict for each, without what
is zero or empty. Older versions wrote a record a function, and zeros, which is read, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from resilient.diagnostics.by_policy import costs_of
from resilient.function_stats import FunctionStats

Stats = dict[str, Any]
"""Of one function of one process: as of FunctionStats.snapshot, with host, pid, started, taken."""

MOST_NAMES = 1_000
"""Names that one counter of a dump may hold."""

MOST_FUNCTIONS = 100
"""Functions that one line of a log may hold."""

_MOST_KINDS = 20
"""Policies that one function may have."""

_MARK = b"resilient_stats"
# What a dump holds, by the registry's own word: a number is added, a dict with buckets merged.
SHAPE: Mapping[str, Any] = {**FunctionStats("", "").snapshot(), "costs": {}}
NUMBERS = tuple(name for name, shape in SHAPE.items() if isinstance(shape, (int, float)))
SPREAD = tuple(name for name, shape in SHAPE.items() if "buckets" in str(shape))
COUNTED = tuple(
    name for name, shape in SHAPE.items() if isinstance(shape, dict) and name not in SPREAD
)


# What stands in a log is whatever somebody could get into it.


def stats_in(line: bytes) -> list[Stats]:
    """What one line of a log tells of functions; nothing, if none of it makes sense."""
    if _MARK not in line:
        return []
    try:
        return _checked(_found(json.loads(line[line.index(b"{") :])))
    except (ValueError, TypeError, KeyError, RecursionError):
        return []


def _found(record: Any, depth: int = 6) -> Any:
    """Look where loguru puts it, and into what a collector of logs wraps around that."""
    if isinstance(record, str) and depth:
        return _found(json.loads(record), depth - 1)
    if not isinstance(record, dict) or not depth:
        return None
    if "resilient_stats" in record:
        return record["resilient_stats"]
    for name in ("record", "extra", "log", "message"):
        inner = record.get(name)
        if isinstance(inner, dict) or (isinstance(inner, str) and "resilient_stats" in inner):
            found = _found(inner, depth - 1)
            if found is not None:
                return found
    return None


def _checked(stats: Any) -> list[Stats]:
    if not isinstance(stats, dict):
        return []
    functions = stats.get("functions", [stats])
    process = {
        "host": name_in(stats.get("host", "")),
        "pid": int(number_in(stats["pid"])),
        "started": number_in(stats["started"]),
        "taken": number_in(stats["taken"]),
    }
    each = _costs(stats.get("costs"))
    found = []
    for data in functions[:MOST_FUNCTIONS] if isinstance(functions, list) else ():
        try:
            found.append({**process, **_function(data, each)})
        except (ValueError, TypeError, KeyError, AttributeError):
            # One that makes no sense takes none from the others.
            continue
    return found


def _costs(data: Any) -> dict[str, float]:
    """Seconds that each kind of policy costs a call."""
    if not isinstance(data, dict):
        return {}
    return {name_in(kind): number_in(data[kind]) for kind in list(data)[:_MOST_KINDS]}


def _function(data: Any, each: Mapping[str, float]) -> Stats:
    checked: Stats = {}
    for name, shape in SHAPE.items():
        value = data.get(name, shape)
        if isinstance(shape, str):
            checked[name] = name_in(value)
        elif not isinstance(shape, Mapping):
            checked[name] = number_in(value)
        elif "buckets" in shape:
            checked[name] = _histogram(value)
        else:
            names = list(value.items())[:MOST_NAMES] if isinstance(value, dict) else []
            checked[name] = {name_in(key): number_in(count) for key, count in names}
    stack = data.get("stack")
    if each and isinstance(stack, list):
        checked["costs"] = costs_of([name_in(kind) for kind in stack[:_MOST_KINDS]], checked, each)
    policies = _policies(data.get("policies"))
    return {**checked, "policies": policies} if policies else checked


_THROTTLE = ("limit", "remaining", "resets_at", "waiting", "paused_until", "slowed_to")
_BULKHEAD = ("limit", "running", "waiting")


def _policies(data: Any) -> Stats:
    """As of `states_of`."""
    found: Stats = {}
    if isinstance(data, dict):
        breaker, throttle, bulkhead = map(data.get, ("breaker", "throttle", "bulkhead"))
        if breaker is not None:
            found["breaker"] = name_in(breaker)
        if throttle is not None:
            found["throttle"] = {
                name: None if throttle.get(name) is None else number_in(throttle[name])
                for name in _THROTTLE
            }
            found["throttle"]["waiting"] = found["throttle"]["waiting"] or 0
        if bulkhead is not None:
            found["bulkhead"] = {name: number_in(bulkhead[name]) for name in _BULKHEAD}
    return found


def number_in(value: Any) -> float:
    """A number that can be added up. Raises: TypeError, ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    # Far above what anybody counts, and far below where sums lose their digits or overflow.
    if not 0 <= value <= 1e15:
        raise ValueError
    return value


def name_in(value: Any) -> str:
    """A name that can be shown. Raises: TypeError."""
    if not isinstance(value, str):
        raise TypeError
    name: str = value[:300]
    if name.isprintable():
        return name
    # A terminal would obey what is not.
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in name)


def _histogram(data: Any) -> dict[str, Any]:
    buckets = {int(index): int(number_in(count)) for index, count in data["buckets"].items()}
    if any(abs(index) > 2_000 for index in buckets):
        raise ValueError
    return {
        "count": sum(buckets.values()),
        "total": number_in(data["total"]),
        "max": number_in(data["max"]),
        "buckets": buckets,
    }
