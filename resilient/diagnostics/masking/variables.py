"""The values of variables that loguru's `diagnose=True` draws under a traceback's source lines.

    login(user, password)
          │     └ 'x1y2z3'
          └ 'bob'

A value stands in the column of its name.
"""

from __future__ import annotations

from resilient.diagnostics.masking.names import is_sensitive
from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.rule import MASK, is_allowed

_COLOR = lazy(r"\x1b\[[0-9;]{0,16}m")
_VALUE = lazy(r"[ │|]{0,2000}(?P<arrow>└|->) ")
# Of a stream whose encoding has no such signs, loguru takes others.
_ARROWS = ("└ ", "-> ")
_NAME = lazy(r"[^\W\d]\w*")
_HARMLESS = lazy(r"(?:None|True|False|<[\w.]+ [^<>]{0,200}>|\d{1,3})\Z")


def may_have_variables(text: str) -> bool:
    """Are values drawn in it?"""
    return "\n" in text and (_ARROWS[0] in text or _ARROWS[1] in text)


def without_variables(text: str) -> str:
    """The text without the values of variables whose names are sensitive."""
    lines = text.split("\n")
    source = ""
    for number, line in enumerate(lines):
        plain = _COLOR.sub("", line)
        found = _VALUE.match(plain)
        if found is None:
            source = plain
            continue
        name = _name_at(source, found.start("arrow"))
        value = plain[found.end() :]
        if is_sensitive(name) and not _HARMLESS.match(value) and not is_allowed(value.strip("'")):
            lines[number] = found[0] + MASK
    return "\n".join(lines)


def _name_at(source: str, column: int) -> str:
    for found in _NAME.finditer(source[: column + 80]):
        if found.start() <= column < found.end():
            return found[0]
    return ""
