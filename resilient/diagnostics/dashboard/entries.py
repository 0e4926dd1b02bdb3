"""One line of a log: the figures of a function, a step of a call, or nothing of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from resilient.diagnostics.dashboard.stories import MOST_STEPS, MOST_TEXT, Moment, Told
from resilient.diagnostics.dumps import Stats, stats_in
from resilient.diagnostics.logs import KINDS

Entry = Stats | Told

_LONGEST_NAME = 300


def entries_in(line: bytes) -> Sequence[Entry]:
    """What a line tells; nothing, if it makes no sense, whatever somebody wrote into it."""
    if b"resilient_stats" in line:
        return stats_in(line)
    # Not with their quotes: those are escaped where a collector has wrapped the line.
    if b"kind" not in line or b"extra" not in line:
        return ()
    try:
        told = _told(_record_in(json.loads(line[line.index(b"{") :])))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return ()
    return () if told is None else (told,)


def _record_in(data: Any, depth: int = 4) -> dict[str, Any] | None:
    """What loguru's `serialize=True` writes, also within what a collector wraps around it."""
    if isinstance(data, str) and data.startswith("{"):
        data = json.loads(data)
    if not isinstance(data, dict) or not depth:
        return None
    if isinstance(data.get("extra"), dict):
        return data
    inside = (_record_in(data.get(name), depth - 1) for name in ("record", "log", "message"))
    return next((record for record in inside if record is not None), None)


def _told(record: dict[str, Any] | None) -> Told | None:
    if record is None:
        return None
    extra = record["extra"]
    kind = extra["kind"]
    if kind.removeprefix("would_") not in KINDS and not kind.startswith("would_"):
        return None
    at = record["time"]["timestamp"]
    if isinstance(at, bool) or not isinstance(at, (int, float)) or not 0 <= at <= 1e11:
        return None
    service, function = _name(extra["service"]), _name(extra.get("function") or "")
    text = _name(record["message"], MOST_TEXT + _LONGEST_NAME)
    label = f"{service}.{function}" if function else service
    return Told(
        at=float(at),
        service=service,
        function=function,
        call=_name(extra.get("call") or "", 32),
        kind=kind,
        text=text.removeprefix(f"{label}: ")[:MOST_TEXT],
        process=_process(record.get("process")),
        story=_story(extra.get("story")),
        condition=_condition(extra.get("facts")),
    )


def _condition(facts: Any) -> str:
    condition = facts.get("condition", "") if isinstance(facts, Mapping) else ""
    return _name(condition, 64)


def _story(data: Any) -> tuple[Moment, ...]:
    moments = data[:MOST_STEPS] if isinstance(data, list) else []
    return tuple(
        Moment(_seconds(one["at"]), _name(one["kind"], 32), _name(one["text"], MOST_TEXT))
        for one in moments
    )


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1e9:
        raise ValueError
    return float(value)


def _process(data: Any) -> str:
    pid = data.get("id") if isinstance(data, Mapping) else None
    return str(pid) if isinstance(pid, int) and 0 <= pid < 1e12 else ""


def _name(value: Any, most: int = _LONGEST_NAME) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value[:most]
