"""Dumped figures, read back from the logs of many processes and added up.

A log holds one JSON object a line, as loguru's `serialize=True` writes it; what stands before the
brace is passed over, and so is every line that is none of ours. Figures grow while a process lives,
so the newest dump of each function and process counts, whatever the order of lines and files.
"""

from __future__ import annotations

import gzip
import json
import os
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Protocol, TypeVar

from resilient.diagnostics.masking import Figures, masked
from resilient.registry import MOST_HOSTS, OTHERS, FunctionStats, Histogram

T = TypeVar("T")
Parse = Callable[[bytes], T | None]
"""What a line holds; None if that is nothing of interest."""

LONGEST_LINE = 1_000_000
"""Bytes; a dump is a tenth of that at most."""

MOST_NAMES = 1_000
"""Names that one counter of a dump may hold."""

BY = ("function", "service", "process")
"""What figures may be added up by."""

_MARK = b"resilient_stats"
# What a dump holds, by the registry's own word: a number is added, a dict with buckets merged.
_SHAPE: Mapping[str, Any] = FunctionStats("", "").snapshot()
_MOST_ERRORS = 20


class Merger:
    """The newest dump of each function of each process. Not locked."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, int, float, str, str], dict[str, Any]] = {}

    def add(self, stats: Mapping[str, Any]) -> None:
        """Take one dump, as `stats_in` gives it."""
        key = (*_process(stats), stats["service"], stats["function"])
        known = self._newest.get(key)
        if known is None or known["taken"] <= stats["taken"]:
            self._newest[key] = dict(stats)

    def snapshot(self, by: str = "function") -> dict[str, Any]:
        """Plain data as of `registry.snapshot()`, its strings masked.

        by: what makes a row: "function", "service" or "process".
        Returns: functions (a row each), by, processes (their number), started and taken (Unix
        seconds, the first and the last), seconds (between them).
        """
        groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for stats in self._newest.values():
            groups.setdefault(_group(stats, by), []).append(stats)
        rows = [
            masked(Figures({**_merged(parts), "service": service, "function": function}))
            for (service, function), parts in sorted(groups.items())
        ]
        started = min((stats["started"] for stats in self._newest.values()), default=0.0)
        taken = max((stats["taken"] for stats in self._newest.values()), default=0.0)
        return {
            "by": by,
            "processes": len({key[:3] for key in self._newest}),
            "started": started,
            "taken": taken,
            "seconds": max(0.0, taken - started),
            "functions": rows,
        }


def _process(stats: Mapping[str, Any]) -> tuple[str, int, float]:
    # In containers, all processes may have one number, and be started together.
    return stats["host"], stats["pid"], stats["started"]


def _group(stats: Mapping[str, Any], by: str) -> tuple[str, str]:
    if by == "service":
        return stats["service"], ""
    if by == "process":
        began = time.strftime("%m-%d %H:%M:%S", time.localtime(stats["started"]))
        place = f" on {stats['host']}" if stats["host"] else ""
        return "", f"pid {stats['pid']} of {began}{place}"
    return stats["service"], stats["function"]


def _merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for name, shape in _SHAPE.items():
        values = [part[name] for part in parts]
        if isinstance(shape, str):
            continue
        if not isinstance(shape, Mapping):
            merged[name] = sum(values)
        elif "buckets" in shape:
            histogram = Histogram()
            for value in values:
                histogram.merge(Histogram.of_snapshot(value))
            merged[name] = histogram.snapshot()
        else:
            counted: Counter[str] = Counter()
            for value in values:
                counted.update(value)
            merged[name] = dict(counted)
    merged["errors"] = dict(Counter(merged["errors"]).most_common(_MOST_ERRORS))
    merged["exchanges"] = _bounded(Counter(merged["exchanges"]))
    return merged


def _bounded(hosts: Counter[str]) -> dict[str, int]:
    """As many hosts as one function counts; the rest is lumped together."""
    rest = hosts.pop(OTHERS, 0)
    kept = dict(hosts.most_common(MOST_HOSTS))
    rest += hosts.total() - sum(kept.values())
    return {**kept, OTHERS: rest} if rest else kept


# Reading. What stands in a log is whatever somebody could get into it.


def stats_in(line: bytes) -> dict[str, Any] | None:
    """The dump in one line of a log; None if there is none, or none that makes sense."""
    if _MARK not in line:
        return None
    try:
        return _checked(_found(json.loads(line[line.index(b"{") :])))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


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


def _checked(stats: Any) -> dict[str, Any] | None:
    if not isinstance(stats, dict):
        return None
    checked: dict[str, Any] = {
        "host": _name(stats.get("host", "")),
        "pid": int(_number(stats["pid"])),
        "started": _number(stats["started"]),
        "taken": _number(stats["taken"]),
    }
    for name, shape in _SHAPE.items():
        value = stats.get(name, shape)
        if isinstance(shape, str):
            checked[name] = _name(value)
        elif not isinstance(shape, Mapping):
            checked[name] = _number(value)
        elif "buckets" in shape:
            checked[name] = _histogram(value)
        else:
            names = list(value.items())[:MOST_NAMES] if isinstance(value, dict) else []
            checked[name] = {_name(key): _number(count) for key, count in names}
    return checked


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    # Far above what anybody counts, and far below where sums lose their digits or overflow.
    if not 0 <= value <= 1e15:
        raise ValueError
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    # A terminal would obey what is not printable.
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in value[:300])


def _histogram(data: Any) -> dict[str, Any]:
    buckets = {int(index): int(_number(count)) for index, count in data["buckets"].items()}
    if any(abs(index) > 2_000 for index in buckets):
        raise ValueError
    return {
        "count": sum(buckets.values()),
        "total": _number(data["total"]),
        "max": _number(data["max"]),
        "buckets": buckets,
    }


class Follower(Protocol):
    """Gives what a log holds, and when asked again, what has come since."""

    def entries(self, parse: Parse[T]) -> Iterator[T]:
        """What `parse` finds in lines that were not given before. Raises: OSError."""

    def new_stats(self) -> Iterator[dict[str, Any]]:
        """Dumps that were not given before. Raises: OSError."""


class LogFile:
    """A log that may still grow, be cut off, or be rotated away.

    What is appended to a compressed log is not seen.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None
        self._offset = 0

    def new_stats(self) -> Iterator[dict[str, Any]]:
        """Dumps that were not given before. Raises: OSError."""
        return self.entries(stats_in)

    def entries(self, parse: Parse[T]) -> Iterator[T]:
        """What `parse` finds in lines that were not given before. Raises: OSError."""
        with open(self.path, "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                # A pipe: it has no size, and what was read is gone.
                yield from _parsed(file, parse)
                return
            identity = (facts.st_dev, facts.st_ino)
            if identity != self._identity or facts.st_size < self._offset:
                self._identity, self._offset = identity, 0
            if facts.st_size == self._offset:
                return
            if file.read(2) == b"\x1f\x8b":
                if not self._offset:
                    file.seek(0)
                    self._offset = facts.st_size
                    yield from _of_gzip(file, parse)
                return
            file.seek(self._offset)
            for line in _lines(file):
                # A line that is still being written is read when it is whole.
                if line.endswith(b"\n"):
                    self._offset = file.tell()
                entry = parse(line)
                if entry is not None:
                    yield entry


class Folder:
    """The logs in a folder, those that come later too. One that can't be read holds up no other."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._logs: dict[str, LogFile] = {}

    def new_stats(self) -> Iterator[dict[str, Any]]:
        """Dumps that were not given before. Raises: OSError."""
        return self.entries(stats_in)

    def entries(self, parse: Parse[T]) -> Iterator[T]:
        """What `parse` finds in lines that were not given before. Raises: OSError, in the end."""
        problem: OSError | None = None
        for path in _files_in(self.path):
            log = self._logs.get(path)
            if log is None:
                log = self._logs[path] = LogFile(path)
            try:
                yield from log.entries(parse)
            except OSError as error:
                problem = error
        if problem is not None:
            raise problem


class StandardInput:
    """What is piped in, to its end."""

    def new_stats(self) -> Iterator[dict[str, Any]]:
        """All dumps, the first time."""
        return self.entries(stats_in)

    def entries(self, parse: Parse[T]) -> Iterator[T]:
        """All that `parse` finds, the first time."""
        yield from _parsed(sys.stdin.buffer, parse)


def _parsed(file: Any, parse: Parse[T]) -> Iterator[T]:
    return (entry for entry in map(parse, _lines(file)) if entry is not None)


def _of_gzip(file: BinaryIO, parse: Parse[T]) -> Iterator[T]:
    try:
        with gzip.open(file) as lines:
            yield from _parsed(lines, parse)
    except (EOFError, gzip.BadGzipFile, OSError):
        # Cut off, as by a full disk: what could be read counts.
        return


def _lines(file: Any) -> Iterator[bytes]:
    """Lines of bounded length; one that is longer is passed over."""
    is_rest = False
    while True:
        line = file.readline(LONGEST_LINE)
        if not line:
            return
        is_whole = line.endswith(b"\n") or len(line) < LONGEST_LINE
        if is_whole and not is_rest:
            yield line
        is_rest = not is_whole


def followers(paths: Iterable[str], *, growing: bool = False) -> list[Follower]:
    """One for each log: a file, a folder's files, or `-` for what is piped in.

    growing: one for each folder, which sees logs that are not there yet.
    Raises: OSError for a path that is not there.
    """
    found: list[Follower] = []
    for path in paths:
        if path == "-":
            found.append(StandardInput())
        elif os.path.isdir(path):
            if growing:
                found.append(Folder(path))
            else:
                found += map(LogFile, _files_in(path))
        else:
            os.stat(path)
            found.append(LogFile(path))
    return found


def _files_in(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.path for entry in entries if entry.is_file())


def merged(paths: Iterable[str], by: str = "function") -> dict[str, Any]:
    """The figures of all logs, added up: see Merger.snapshot. Raises: OSError."""
    merger = Merger()
    for follower in followers(paths):
        for stats in follower.new_stats():
            merger.add(stats)
    return merger.snapshot(by)
