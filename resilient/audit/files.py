"""Which files are looked at, and what stands in them."""

from __future__ import annotations

import ast
import fnmatch
import io
import os
import stat
import tokenize
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from resilient.audit.resolving import Source

EXCLUDED = (
    *(".*", "__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist"),
    *("_build", "*.egg-info", "*.egg"),
)
"""Names of folders that are not looked into."""

TESTS = ("tests", "test", "test_*.py", "*_test.py", "conftest.py")
"""Names of folders and files that hold tests."""

LARGEST = 5_000_000
"""Bytes of a file; what is larger was not written by hand."""


class File(NamedTuple):
    """One file to look at. path: as it is shown. parts: what it is imported by, as a whole path."""

    path: str
    parts: tuple[str, ...]
    is_package: bool


class Unreadable(Exception):
    """A file that can't be looked at; the message says why, `line` where."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


def files_in(paths: Iterable[str], excluded: Sequence[str]) -> list[File]:
    """The Python files among the paths and in the folders among them, once each.

    excluded: patterns for names of files and folders, or for paths below the folder given; a path
    that was given itself is always looked at.
    Raises: FileNotFoundError for a path that is not there.
    """
    found: dict[str, File] = {}
    for given in paths:
        if not os.path.exists(given):
            raise FileNotFoundError(given)
        for path in _walk(given, excluded) if os.path.isdir(given) else [given]:
            whole = Path(os.path.abspath(path))
            is_package = whole.name == "__init__.py"
            parts = whole.parent.parts if is_package else whole.with_suffix("").parts
            found.setdefault(str(whole), File(os.path.normpath(path), parts, is_package))
    return list(found.values())


def _walk(top: str, excluded: Sequence[str]) -> Iterator[str]:
    for folder, folders, names in os.walk(top):
        below = os.path.relpath(folder, top)
        folders[:] = sorted(
            name
            for name in folders
            if not _is_excluded(name, below, excluded)
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        )
        for name in sorted(names):
            if name.endswith(".py") and not _is_excluded(name, below, excluded):
                yield os.path.join(folder, name)


def _is_excluded(name: str, below: str, excluded: Sequence[str]) -> bool:
    path = os.path.normpath(os.path.join(below, name)).replace(os.sep, "/")
    return any(
        fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(path, pattern.rstrip("/"))
        for pattern in excluded
    )


def content_of(path: str) -> bytes:
    """What stands in a file. Raises: Unreadable."""
    try:
        # A pipe would block, a device never end.
        facts = os.stat(path)
        if not stat.S_ISREG(facts.st_mode):
            raise Unreadable("is no regular file")
        if facts.st_size > LARGEST:
            raise Unreadable(f"has {facts.st_size:,} bytes, more than {LARGEST:,}")
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Unreadable(error.strerror or type(error).__name__) from error


def parsed(file: File) -> Source:
    """A file's syntax tree. Raises: Unreadable."""
    content = content_of(file.path)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = io.TextIOWrapper(io.BytesIO(content), encoding, newline=None).read()
        with warnings.catch_warnings():
            # Of invalid escapes in somebody else's strings.
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except SyntaxError as error:
        raise Unreadable(f"does not parse: {error.msg}", error.lineno or 1) from error
    except (ValueError, LookupError) as error:
        # A null byte, or bytes that are none of the encoding.
        raise Unreadable(f"does not parse: {type(error).__name__}") from error
    except (RecursionError, MemoryError) as error:
        raise Unreadable("is nested too deeply") from error
    lines = text.splitlines(keepends=True) if "\f" not in text else text.split("\n")
    return Source(file.path, file.parts, file.is_package, tree, lines)
