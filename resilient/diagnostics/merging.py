"""Dumped figures of many processes, added up.

Figures grow while a process lives, so the newest dump of each function and process counts, whatever
the order of lines and files. Each is added to its function's sum when it comes, and taken out of it
again by a newer one: how many processes there were costs no memory, and their totals stay exact.
"""

from __future__ import annotations

import marshal
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

from resilient.diagnostics.dumps import COUNTED, MOST_NAMES, NUMBERS, SHAPE, SPREAD, Stats
from resilient.diagnostics.following import followers
from resilient.diagnostics.masking import Figures, masked
from resilient.diagnostics.states import together
from resilient.function_stats import MOST_HOSTS, OTHERS
from resilient.histogram import Histogram

BY = ("function", "service", "process")
"""What figures may be added up by."""

MOST_DUMPS = 50_000
"""Functions of processes whose last dump is remembered, to be replaced by the next; those longest
unheard of make room, and stay in the sums. A process that was silent for as long is taken for
another one."""

MOST_ROWS = 20_000
"""Functions with a sum of their own; further ones share one."""

STILL_THERE = 900.0
"""Seconds before the newest dump of all: what a process told earlier is not how it stands now."""

_MOST_ERRORS = 20
_COUNT = itemgetter(1)

_NOTHING = 1e-9
"""What may be left of seconds of which all was taken away."""

_Process = tuple[str, int, float]
_Names = tuple[str, str]


class _Dump(NamedTuple):
    """packed: the figures, as bytes: as objects they would be six times as large."""

    taken: float
    packed: bytes
    policies: Mapping[str, Any] | None


def _packed(stats: Stats) -> _Dump:
    packed = marshal.dumps({name: stats[name] for name in (*NUMBERS, *COUNTED, *SPREAD)})
    return _Dump(stats["taken"], packed, stats.get("policies"))


def _unpacked(dump: _Dump) -> dict[str, Any]:
    # Nothing but what was packed here, in this process.
    figures: dict[str, Any] = marshal.loads(dump.packed)  # noqa: S302
    return figures


class _Sum:
    """Figures of several processes."""

    def __init__(self) -> None:
        self.numbers: dict[str, float] = dict.fromkeys(NUMBERS, 0)
        self.counted: dict[str, dict[str, float]] = {name: {} for name in COUNTED}
        self.spread = {name: Histogram() for name in SPREAD}

    def add(self, stats: Mapping[str, Any]) -> None:
        for name in NUMBERS:
            self.numbers[name] += stats[name]
        for name in COUNTED:
            _count(self.counted[name], stats[name])
        for name in SPREAD:
            self.spread[name].merge(Histogram.of_snapshot(stats[name]))

    def merge(self, other: _Sum) -> None:
        for name in NUMBERS:
            self.numbers[name] += other.numbers[name]
        for name in COUNTED:
            _count(self.counted[name], other.counted[name])
        for name in SPREAD:
            self.spread[name].merge(other.spread[name])

    def remove(self, stats: Mapping[str, Any]) -> None:
        """Take out what was added. The longest duration stays: it was one."""
        for name in NUMBERS:
            self.numbers[name] = max(0, self.numbers[name] - stats[name])
        for name in COUNTED:
            _discount(self.counted[name], stats[name])
        for name in SPREAD:
            self.spread[name].remove(Histogram.of_snapshot(stats[name]))

    def plain(self) -> dict[str, Any]:
        figures: dict[str, Any] = {**self.numbers, **self.counted}
        figures["errors"] = dict(_most_first(self.counted["errors"])[:_MOST_ERRORS])
        figures["exchanges"] = _bounded(self.counted["exchanges"])
        figures |= {name: histogram.snapshot() for name, histogram in self.spread.items()}
        return {name: figures[name] for name in SHAPE if name in figures}


def _count(total: dict[str, float], more: Mapping[str, float]) -> None:
    for name, count in more.items():
        shown = name if name in total or len(total) < MOST_NAMES else OTHERS
        total[shown] = total.get(shown, 0) + count


def _discount(total: dict[str, float], less: Mapping[str, float]) -> None:
    for name, count in less.items():
        # One that came when there was no room was counted among the others.
        shown = name if total.get(name, 0) >= count - _NOTHING else OTHERS
        left = total.get(shown, 0) - count
        if left > _NOTHING:
            total[shown] = left
        else:
            total.pop(shown, None)


def _most_first(counted: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(counted.items(), key=_COUNT, reverse=True)


def _bounded(counted: Mapping[str, float]) -> dict[str, float]:
    """As many hosts as one function counts; the rest is lumped together."""
    hosts = _most_first(counted)
    kept = dict([host for host in hosts if host[0] != OTHERS][:MOST_HOSTS])
    rest = sum(counted.values()) - sum(kept.values())
    return {**kept, OTHERS: rest} if rest else kept


class Merger:
    """The newest dump of each function of each process, added up. Not locked."""

    def __init__(self) -> None:
        self._sums: dict[_Names, _Sum] = {}
        self._dumps: OrderedDict[tuple[_Process, _Names], _Dump] = OrderedDict()
        """By process and function, those longest unheard of first."""
        self._processes: Counter[_Process] = Counter()
        self._gone = 0
        """Processes of which nothing is remembered but their part of the sums."""
        self._started, self._taken = math.inf, 0.0

    def add(self, stats: Stats) -> None:
        """Take one dump, as `stats_in` gives it."""
        # In containers, all processes may have one number, and be started together.
        process = (stats["host"], stats["pid"], stats["started"])
        names = (stats["service"], stats["function"])
        key = (process, names)
        row = self._row_of(names)
        known = self._dumps.pop(key, None)
        if known is not None and known.taken > stats["taken"]:
            self._dumps[key] = known
            return
        total = self._sums.get(row)
        if total is None:
            total = self._sums[row] = _Sum()
        if known is None:
            self._processes[process] += 1
        else:
            total.remove(_unpacked(known))
        total.add(stats)
        self._dumps[key] = _packed(stats)
        self._started = min(self._started, stats["started"])
        self._taken = max(self._taken, stats["taken"])
        if len(self._dumps) > MOST_DUMPS:
            self._forget_oldest()

    def _row_of(self, names: _Names) -> _Names:
        if names in self._sums or len(self._sums) < MOST_ROWS:
            return names
        return OTHERS, OTHERS

    def _forget_oldest(self) -> None:
        (process, _), _ = self._dumps.popitem(last=False)
        self._processes[process] -= 1
        if not self._processes[process]:
            del self._processes[process]
            self._gone += 1

    def snapshot(self, by: str = "function") -> dict[str, Any]:
        """Plain data as of `registry.snapshot()`, its strings masked.

        by: what makes a row: "function", "service" or "process".
        Returns: functions (a row each, with what its policies knew last under policies), by,
        processes (their number), started and taken (Unix seconds, the first and the last), seconds
        (between them).
        """
        sums = self._sums_by_process() if by == "process" else self._sums
        if by == "service":
            sums = _by_service(sums)
        states = self._states(by)
        rows = []
        for names, total in sorted(sums.items()):
            row = {**total.plain(), "service": names[0], "function": names[1]}
            if names in states:
                row["policies"] = together(states[names])
            rows.append(masked(Figures(row)))
        started = self._started if self._dumps else 0.0
        return {
            "by": by,
            "processes": len(self._processes) + self._gone,
            "started": started,
            "taken": self._taken,
            "seconds": max(0.0, self._taken - started),
            "functions": rows,
        }

    def policies(self) -> dict[_Names, dict[str, Any]]:
        """What the policies of each function knew last, of all processes that are still there."""
        return {names: together(states) for names, states in self._states("function").items()}

    def _states(self, by: str) -> dict[_Names, list[Mapping[str, Any]]]:
        found: dict[_Names, list[Mapping[str, Any]]] = {}
        for (process, names), dump in self._dumps.items():
            if dump.policies and dump.taken >= self._taken - STILL_THERE:
                row = _name_of(process) if by == "process" else self._row_of(names)
                row = (row[0], "") if by == "service" else row
                found.setdefault(row, []).append(dump.policies)
        return found

    def _sums_by_process(self) -> dict[_Names, _Sum]:
        sums: dict[_Names, _Sum] = {}
        rest = _Sum()
        for total in self._sums.values():
            rest.merge(total)
        for (process, _), dump in self._dumps.items():
            stats = _unpacked(dump)
            sums.setdefault(_name_of(process), _Sum()).add(stats)
            rest.remove(stats)
        if self._gone:
            sums["", OTHERS] = rest
        return sums


def _name_of(process: _Process) -> _Names:
    host, pid, started = process
    began = time.strftime("%m-%d %H:%M:%S", time.localtime(started))
    place = f" on {host}" if host else ""
    return "", f"pid {pid} of {began}{place}"


def _by_service(sums: Mapping[_Names, _Sum]) -> dict[_Names, _Sum]:
    services: dict[_Names, _Sum] = {}
    for (service, _), total in sums.items():
        services.setdefault((service, ""), _Sum()).merge(total)
    return services


def merged(paths: Iterable[str], by: str = "function") -> dict[str, Any]:
    """The figures of all logs, added up: see Merger.snapshot. Raises: OSError."""
    merger = Merger()
    for follower in followers(paths):
        for stats in follower.new_stats():
            merger.add(stats)
    return merger.snapshot(by)
