"""Where a value in quotes or brackets ends, however deep it is nested in other strings."""

from __future__ import annotations

import re

from resilient.diagnostics.masking.patterns import lazy

# Prefixes as Python and SQL have them.
OPENER = lazy(r"""[befnrux]{0,2}(\\{0,15})(\"{3}|'{3}|["'])""", re.IGNORECASE)
QUOTE = r"\\{0,15}[\"']"
ENDS_STRING = lazy(r"[ ]?(?:[}\])]{1,8}(?:[,\r\n]|\Z)|,[ ]?\\{0,15}[\"'{\[]|\Z)")
"""What stands behind a quote that closes a string: that of {"message": "Password:"} opens none."""
FANCY = lazy(r"(?:“[^”\r\n]*|‘[^’\r\n]*|«[^»\r\n]*|„[^“”\r\n]*)")
"""A text in quotes as they are typeset, up to the closing one."""
ENTITY = r"&(?:amp;)?(?:quot|apos|#0?3[49]|#x2[27]);"
"""A quote in HTML."""
NEW_LINE = r"(?:\r?\n|(?:\\{1,15}r)?\\{1,15}n)"
"""The end of a line, as it is or in a repr or JSON, however deep."""
BLANK = r"(?:\s|\\{1,15}[nrt])"
_CLOSERS = {mark: lazy(rf"{mark}|[\r\n]") for mark in ('"', "'", '"""', "'''")}
_MOST_OF_LINES = 4096
"""Signs that a text in three quotes may have behind its first line."""
_BRACKETS = lazy(r"""[\[\](){}"'\r\n]""")


def closing(text: str, at: int, quote: str, level: int) -> int:
    """Where a quoted value ends: before its closing quote, else at the end of the line.

    level: backslashes before the opening quote; JSON in JSON has 1, and once more in JSON 3.
    """
    while True:
        found = _CLOSERS[quote].search(text, at)
        if found is None:
            return len(text)
        start = found.start()
        if found[0] != quote:
            end = text.find(quote, start, start + _MOST_OF_LINES) if len(quote) == 3 else -1
            return max(start, end)
        before = text[at:start]
        slashes = len(before) - len(before.rstrip("\\"))
        # Each level doubles the backslashes of a quote that belongs to the value.
        if slashes > 1 and not level and text[found.end() : found.end() + 1].isalnum():
            # A repr with other quotes around it doubles the backslash of a quote within.
            at = found.end()
            continue
        if slashes < level or slashes % (2 * (level + 1)) == level:
            return start - min(slashes, level)
        at = found.end()


def closing_bracket(text: str, at: int) -> int:
    """Where the brackets that open here are closed, else the end of the line."""
    depth = 0
    while True:
        found = _BRACKETS.search(text, at)
        if found is None:
            return len(text)
        start, sign = found.start(), found[0]
        if sign in "\r\n":
            return start
        if sign in "\"'":
            before = text[at:start]
            level = len(before) - len(before.rstrip("\\"))
            at = closing(text, found.end(), sign, level)
            if text[at : at + 1] not in ("", "\r", "\n"):
                at += level + 1
            continue
        depth += 1 if sign in "([{" else -1
        if not depth:
            return start
        at = found.end()
