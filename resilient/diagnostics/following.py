"""Logs, read as they grow: files, folders, what is piped in.

A log holds one JSON object a line, as loguru's `serialize=True` writes it; what stands before the
brace is passed over, and so is every line that is none of ours.
"""

from __future__ import annotations

import gzip
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, BinaryIO, Protocol, TypeVar

from resilient.diagnostics.dumps import Stats, stats_in

T = TypeVar("T")
Parse = Callable[[bytes], Iterable[T]]
"""What a line holds; nothing, if that is of no interest."""

LONGEST_LINE = 1_000_000
"""Bytes; a dump is a tenth of that at most."""


class Follower(Protocol):
    """Gives what a log holds, and when asked again, what has come since."""

    def entries(self, parse: Parse[T]) -> Iterator[T]:
        """What `parse` finds in lines that were not given before. Raises: OSError."""

    def new_stats(self) -> Iterator[Stats]:
        """Dumps that were not given before. Raises: OSError."""


class LogFile:
    """A log that may still grow, be cut off, or be rotated away.

    What is appended to a compressed log is not seen.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None
        self._offset = 0

    def new_stats(self) -> Iterator[Stats]:
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
                yield from parse(line)


class Folder:
    """The logs in a folder, those that come later too. One that can't be read holds up no other."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._logs: dict[str, LogFile] = {}

    def new_stats(self) -> Iterator[Stats]:
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

    def new_stats(self) -> Iterator[Stats]:
        """All dumps, the first time."""
        return self.entries(stats_in)

    def entries(self, parse: Parse[T]) -> Iterator[T]:
        """All that `parse` finds, the first time."""
        yield from _parsed(sys.stdin.buffer, parse)


def _parsed(file: Any, parse: Parse[T]) -> Iterator[T]:
    return chain.from_iterable(map(parse, _lines(file)))


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
    """One for each log: a file, a folder's files, the URL of a store that workers publish their
    figures in, or `-` for what is piped in.

    growing: one for each folder, which sees logs that are not there yet.
    Raises: OSError for a path that is not there.
    """
    found: list[Follower] = []
    for path in paths:
        if "://" in path:
            # Stores are loaded by who asks for one.
            from resilient.diagnostics.publishing import SharedFigures

            found.append(SharedFigures(path))
        elif path == "-":
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
