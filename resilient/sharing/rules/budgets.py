"""Calls and retries of all workers over a rolling window: a pure function of what a store keeps.

See circuits for what `state` and `now` are. A slice is [begun, calls, retries], the newest last.
"""

from __future__ import annotations

from typing import Any

from resilient.sharing.rules.slices import is_current, is_live
from resilient.sharing.rules.soundness import is_budget
from resilient.sharing.shapes import BudgetReport, BudgetView

State = dict[str, Any]
"""version, slices."""

VERSION = 1


def counted(
    state: State | None, report: BudgetReport, now: float
) -> tuple[State | None, BudgetView]:
    """Count a worker's calls and retries, and tell those of all."""
    if state is not None and (state.get("version") != VERSION or not is_budget(state)):
        state = None
    window = report.window
    slices = [] if state is None else state["slices"]
    live = [one for one in slices if is_live(one[0], window, now)]
    if report.calls or report.retries:
        newest = live.pop() if live and is_current(live[-1][0], window, now) else [now, 0, 0]
        begun, calls, retries = newest
        live.append([begun, calls + report.calls, retries + report.retries])
        state = {"version": VERSION, "slices": live}
    total = BudgetView(report.name, sum(one[1] for one in live), sum(one[2] for one in live))
    return state, total


def lasts(report: BudgetReport) -> float:
    """Seconds after which counts that nobody adds to may be forgotten."""
    return 2 * report.window
