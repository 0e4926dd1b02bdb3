"""What a page shows: the newest figures of each function, with its recent past and state.

Names are raw here, and masked when they are shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from resilient.diagnostics.dashboard.history import History
from resilient.diagnostics.dashboard.stories import Stories
from resilient.diagnostics.states import worst_first

ALL = "all"
"""The key of the series of all functions together."""

RECENT = 300.0
"""Seconds: what counts as now."""

STATES = ("down", "failing", "probing", "paused", "fine", "quiet")
"""How a function stands, the worst first."""

FAILING = 0.1
"""The share of recent calls that have to fail for a function to be called failing."""


def key_of(*names: str) -> str:
    """What stands for a function or a service in addresses: its name might hold anything."""
    joined = "\0".join(names).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(joined, digest_size=8).hexdigest()


class Now(NamedTuple):
    """What policies know now. breakers: their states, the worst first; throttle: as of
    ThrottleView.plain, None if there is none or it is not known."""

    breakers: Sequence[str] = ()
    throttle: Mapping[str, Any] | None = None


NOTHING_KNOWN = Now()


class Source(Protocol):
    """Where the figures come from."""

    history: History
    stories: Stories

    @property
    def version(self) -> str:
        """Another one whenever there is something new to see."""

    def snapshot(self) -> Mapping[str, Any]:
        """As of `registry.snapshot()` or `Merger.snapshot()`."""

    def now(self) -> Mapping[tuple[str, str], Now]:
        """What policies know now, by service and function."""

    def start(self) -> None:
        """Watch from now on; nothing happens if it does already."""

    def stop(self) -> None:
        """Watch no longer."""


class Row(NamedTuple):
    """One function, or one service.

    rate, failed, p50, p95: recent ones; None if it was quiet, or there is none to tell. The
    percentiles are those of the windows, each with the weight of its calls.
    """

    key: str
    service_key: str
    service: str
    function: str
    data: Mapping[str, Any]
    now: Now
    state: str
    rate: float
    failed: float | None
    p50: float | None
    p95: float | None


def rows_of(source: Source) -> list[Row]:
    """A row for each function that was called."""
    now = source.now()
    rows = []
    for data in source.snapshot()["functions"]:
        names = (data["service"], data["function"])
        row = _row(source, key_of(*names), data, now.get(names, NOTHING_KNOWN))
        rows.append(row)
    return rows


def service_rows(source: Source, rows: Iterable[Row]) -> list[Row]:
    """A row for each service: its functions' figures added up, and the worst of their states."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.service, []).append(row)
    services = []
    for service, members in sorted(groups.items()):
        calls = sum(row.data["calls"] for row in members)
        data = {"service": service, "function": "", "calls": calls, "functions": len(members)}
        states = [state for row in members for state in row.now.breakers]
        total = _row(source, key_of(service), data, Now(worst_first(states)))
        worst = min((row.state for row in members), key=STATES.index)
        services.append(total._replace(state=worst))
    return services


def _row(source: Source, key: str, data: Mapping[str, Any], now: Now) -> Row:
    recent = source.history.recent(key, RECENT)
    failed = recent.failed / recent.calls if recent.calls else None
    return Row(
        key=key,
        service_key=key_of(data["service"]),
        service=data["service"],
        function=data["function"],
        data=data,
        now=now,
        state=_state(now, failed),
        rate=recent.calls / max(RECENT, source.history.step),
        failed=failed,
        p50=recent.quantile("p50"),
        p95=recent.quantile("p95"),
    )


def _state(now: Now, failed: float | None) -> str:
    worst = now.breakers[0] if now.breakers else ""
    if worst in ("open", "isolated"):
        return "down"
    if failed is not None and failed >= FAILING:
        return "failing"
    if worst == "half-open":
        return "probing"
    if now.throttle and now.throttle.get("paused_until"):
        return "paused"
    return "quiet" if failed is None else "fine"


def _quota_first(row: Row) -> float:
    left = quota_share(row.now)
    return 2.0 if left is None else left


SORTS: Mapping[str, Callable[[Row], Any]] = {
    "state": lambda row: (STATES.index(row.state), row.service, row.function),
    "name": lambda row: (row.service, row.function),
    "calls": lambda row: -row.data["calls"],
    "rate": lambda row: -row.rate,
    "failed": lambda row: -(row.failed if row.failed is not None else -1.0),
    "p95": lambda row: -(row.p95 if row.p95 is not None else -1.0),
    "quota": _quota_first,
}


def quota_share(now: Now) -> float | None:
    """What is left of the quota, 0..1; None if nobody knows."""
    throttle = now.throttle or {}
    limit, remaining = throttle.get("limit"), throttle.get("remaining")
    if not limit or remaining is None:
        return None
    return float(min(1.0, max(0.0, remaining / limit)))
