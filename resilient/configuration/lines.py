"""On which line each key of a TOML document stands, which its parser does not tell."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from resilient.configuration.settings import Path

_VALUE = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'  # texts of several lines, which may end with quotes of their own
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|\#[^\n]*"
    r"|[\[\]{}\n]"
    r"|[^\[\]{}\n\"'\#]+",
    re.DOTALL,
)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED = re.compile(r'"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'')
_SPACE = re.compile(r"[ \t\r]*")


def lines_of(text: str) -> dict[Path, int]:
    """The line (from 1) of each table and key that begins one; what a table in a line holds is on
    that line. text: valid TOML."""
    found: dict[Path, int] = {}
    table: Path = ()
    at = counted = 0
    line = 1
    while at < len(text):
        at = _after(_SPACE, text, at)
        line += text.count("\n", counted, at)
        counted = at
        mark = text[at : at + 1]
        if mark == "[":
            table, at = _keys(text, at + (2 if text.startswith("[[", at) else 1))
            _note(found, table, line)
            at = _end(text, at)
        elif mark in ("", "\n", "#"):
            at = max(_end(text, at), at) + 1
        else:
            keys, at = _keys(text, at)
            _note(found, (*table, *keys), line)
            at = _after_value(text, at)
    return found


def line_of(path: Path, lines: Mapping[Path, int]) -> int:
    """The line of a path, or of the nearest around it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _note(found: dict[Path, int], path: Path, line: int) -> None:
    for length in range(1, len(path) + 1):
        found.setdefault(path[:length], line)


def _keys(text: str, at: int) -> tuple[Path, int]:
    """A dotted key that begins there, and where it ends."""
    keys: list[str] = []
    while True:
        at = _after(_SPACE, text, at)
        part = _QUOTED.match(text, at) or _BARE.match(text, at)
        if part is None:
            return tuple(keys), at + 1
        keys.append(_unquoted(part.group()))
        at = _after(_SPACE, text, part.end())
        if text[at : at + 1] != ".":
            return tuple(keys), at
        at += 1


def _unquoted(key: str) -> str:
    if key.startswith("'"):
        return key[1:-1]
    if not key.startswith('"'):
        return key
    try:
        return str(json.loads(key))
    except ValueError:  # an escape that JSON does not have
        return key[1:-1]


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _end(text: str, at: int) -> int:
    """Where the line ends."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _after_value(text: str, at: int) -> int:
    """Where the value ends that stands behind the key which ended there."""
    depth = 0
    while at < len(text):
        part = _VALUE.match(text, at)
        if part is None:
            return at + 1
        at = part.end()
        mark = part.group()
        if mark in ("[", "{"):
            depth += 1
        elif mark in ("]", "}"):
            depth -= 1
        elif mark == "\n" and depth <= 0:
            break
    return at
