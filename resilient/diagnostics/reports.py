"""The figures of all functions, for logs and for people.

dump_stats     one structured log record a function: now, every so often, at exit
stats_table    the same as a table, and what the stack saved
"""

from __future__ import annotations

import atexit
import math
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from loguru import logger

from resilient import options
from resilient.diagnostics.logs import lines
from resilient.diagnostics.masking import Figures, mask, masked
from resilient.registry import Histogram, Registry, registry

WIDTH = 100
"""Columns of the table."""

SPARING = ("breaker_refused", "rate_limited", "bulkhead_full")
"""Steps that kept a request from being sent. A deadline is not among them: it may cut off one that
is on its way."""


def dump_stats(registry: Registry = registry) -> None:
    """Log the figures of each function that was called, one record each.

    `record["extra"]["resilient_stats"]` holds what `registry.snapshot()` says of the function, with
    the process's pid, started and taken (Unix seconds).
    """
    lines.flush()
    snapshot = registry.snapshot()
    common = {name: snapshot[name] for name in ("pid", "started", "taken", "seconds")}
    for data in snapshot["functions"]:
        stats = masked(Figures({**data, **common}))
        names = {"service": data["service"], "function": data["function"]}
        record = logger.bind(resilient_stats=stats, **names)
        # As an argument: a brace in a name would be taken for a format.
        record.info("{}", mask(f"{_label(data)}: {_sentence(data)}"))


class Dumper:
    """Dumps the figures every so often, from a daemon thread, until it is stopped."""

    def __init__(self, seconds: float, registry: Registry) -> None:
        self.seconds = seconds
        self.errors = 0
        """Dumps that failed; the next one is tried all the same."""
        self._registry = registry
        self.start()

    def start(self) -> None:
        """Start the thread; a forked child does it again, since threads don't survive a fork."""
        # An event of its own for each thread: one that was stopped stays stopped.
        self._stopped = threading.Event()
        name = "resilient-stats"
        self._thread = threading.Thread(
            target=self._run, args=(self._stopped,), name=name, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Dump no more; returns when a dump that is being written is finished."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self, stopped: threading.Event) -> None:
        # In real time: under a fake clock, whose waits are over at once, this would never rest.
        while not stopped.wait(self.seconds):
            try:
                dump_stats(self._registry)
            except Exception:
                self.errors += 1


# Guards _dumper.
_changing = threading.Lock()
_dumper: Dumper | None = None


def dump_every(seconds: options.Seconds, registry: Registry = registry) -> Dumper:
    """Dump the figures every so many seconds, in forked children too.

    A process has one such thread: calling this again replaces it. `.stop()` of what is returned
    ends it.
    """
    global _dumper
    seconds = options.seconds(seconds, "dump_every")
    with _changing:
        if _dumper is not None:
            _dumper.stop()
        _dumper = Dumper(seconds, registry)
        return _dumper


def _restart_in_child() -> None:
    global _changing
    _changing = threading.Lock()
    if _dumper is not None and not _dumper._stopped.is_set():
        _dumper.start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart_in_child)


def dump_at_exit() -> None:
    """Dump the figures when the process ends; asking twice changes nothing."""
    atexit.unregister(_dump_at_exit)
    atexit.register(_dump_at_exit)


def _dump_at_exit() -> None:
    dump_stats()


def stats_table(snapshot: Mapping[str, Any]) -> str:
    """What `registry.snapshot()` says, as tables of at most 100 columns.

    Savings are what was counted, not estimates: requests answered by the cache or refused before
    they were sent; the time that the cached answers had taken upstream; failures that the caller
    never saw, since a retry, a fallback or a stale result answered.
    """
    functions = snapshot["functions"]
    if not functions:
        return "resilient: no calls yet"
    total = _total(functions)
    counts = f"{_many(len(functions), 'function')}, {_many(total['calls'], 'call')}"
    title = f"resilient: {counts} in {_time(snapshot['seconds'])}"
    parts = [f"{title} (pid {snapshot['pid']})", "", _table(_CALLS, functions, total, _calls_row)]
    savings = _saved(total)
    if any(savings):
        parts += ["", _table(_SAVINGS, functions, total, _savings_row)]
    return "\n".join([*parts, "", _savings_sentence(total)])


_CALLS = (
    *("function", "calls", "ok", "retries", "waited", "hits", "refused"),
    *("fallbacks", "p50", "p95"),
)
_SAVINGS = (
    *("saved by the stack", "requests spared", "upstream time", "hidden failures"),
    *("by retries", "by fallbacks"),
)


def _calls_row(data: Mapping[str, Any]) -> list[str]:
    latency = data["latency"]
    return [
        _label(data),
        f"{data['calls']:,}",
        _percent(data),
        f"{data['retries']:,}",
        _time(_waited(data)),
        f"{data['hits']:,}",
        f"{_refused(data):,}",
        f"{data['degraded']:,}",
        _time(latency["p50"]),
        _time(latency["p95"]),
    ]


def _savings_row(data: Mapping[str, Any]) -> list[str]:
    spared, upstream, hidden = _saved(data)
    retried, answered = data["recovered"], data["degraded"]
    numbers = (f"{spared:,}", _time(upstream), f"{hidden:,}", f"{retried:,}", f"{answered:,}")
    return [_label(data), *numbers]


def _savings_sentence(data: Mapping[str, Any]) -> str:
    spared, upstream, hidden = _saved(data)
    if not any((spared, upstream, hidden)):
        return "Nothing to save so far: no cache hit, no refusal, no failure hidden."
    return (
        f"Saved: {_many(spared, 'request')} ({data['hits']:,} cached, {_refused(data):,} refused), "
        f"{_time(upstream)} of upstream time, {_many(hidden, 'failure')} hidden."
    )


def _saved(data: Mapping[str, Any]) -> tuple[int, float, int]:
    """Requests spared, seconds of upstream time, failures hidden from the caller."""
    hidden = data["recovered"] + data["degraded"]
    return data["hits"] + _refused(data), data["saved"], hidden


def _sentence(data: Mapping[str, Any]) -> str:
    latency = data["latency"]
    return (
        f"{_many(data['calls'], 'call')}, {_percent(data)} ok, {data['retries']:,} retried, waited "
        f"{_time(_waited(data))}, {_many(data['hits'], 'cache hit')}, {_refused(data):,} refused, "
        f"{_many(data['degraded'], 'fallback')}, "
        f"p50 {_time(latency['p50'])}, p95 {_time(latency['p95'])}"
    )


def _many(number: int, name: str) -> str:
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"


def _label(data: Mapping[str, Any]) -> str:
    return f"{data['service']}.{data['function']}" if data["service"] else str(data["function"])


def _refused(data: Mapping[str, Any]) -> int:
    return sum(data["steps"].get(kind, 0) for kind in SPARING)


def _waited(data: Mapping[str, Any]) -> float:
    # What an observing policy would have waited, nobody did.
    return math.fsum(
        seconds for kind, seconds in data["waited"].items() if not kind.startswith("would_")
    )


def _total(functions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
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


def _percent(data: Mapping[str, Any]) -> str:
    share = 100 * data["outcomes"].get("ok", 0) / data["calls"] if data["calls"] else 0.0
    # 99.96 % is not all of them.
    share = min(share, 99.9) if share < 100 else share
    return f"{share:.1f} %" if share < 100 else "100 %"


def _time(seconds: float) -> str:
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
