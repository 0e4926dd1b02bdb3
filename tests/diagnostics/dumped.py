"""Dumps as tests make them."""

from __future__ import annotations

import json
from typing import Any

from resilient.diagnostics.dumps import Stats
from resilient.registry import FunctionStats


def dump_of(*durations: float, pid: int = 1, taken: float = 10.0, **more: Any) -> Stats:
    stats = FunctionStats("github", "repos")
    stats.durations += durations
    facts = {"pid": pid, "started": 4.0, "taken": taken}
    return json.loads(json.dumps({**stats.snapshot(), **facts, **more}))  # type: ignore[no-any-return]


def line_of(stats: Any) -> bytes:
    return json.dumps({"record": {"extra": {"resilient_stats": stats}}}).encode() + b"\n"


def dump_of_many(*functions: dict[str, Any], **process: Any) -> dict[str, Any]:
    """What newer versions write: the figures of several functions."""
    return {"pid": 1, "started": 4.0, "taken": 10.0, **process, "functions": list(functions)}
