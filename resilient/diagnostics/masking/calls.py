"""Secrets as the first argument of a call: set_password("x"), ApiKey('x')."""

from __future__ import annotations

import re
import string

from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.quoting import OPENER, closing

_NAME_SIGNS = string.ascii_letters + string.digits + "_-"
_LETTER_AND_DIGIT = lazy(r"(?=\D*\d)(?=[^a-zA-Z]*[a-zA-Z])[^\s\"'\\]{6,200}")
_MIXED = lazy(r"(?=(?:\D*\d){2})(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])[^\s\"'\\]{8,200}")
# Calls that get a secret by the name of it.
_ASKING = (
    *("get", "load", "read", "fetch", "find", "delete", "del", "remove", "list", "describe", "has"),
    *("is", "by", "for", "from", "create", "generate", "gen", "input", "ask", "prompt", "forgot"),
    *("reset", "rotate", "revoke", "request", "require"),
)


def called(text: str, found: re.Match[str]) -> tuple[int, int]:
    """Not what get_secret("of-what") has, nor Token("+")."""
    opener = OPENER.match(text, found.end())
    assert opener is not None  # the pattern has seen the quote
    begin, name = opener.end(), found["name"]
    end = closing(text, begin, opener[2], len(opener[1]))
    before = text[max(0, found.start() - 40) : found.start()]
    verb = before[len(before.rstrip(_NAME_SIGNS)) :].lower().strip("_")
    value = text[begin : min(end, begin + 200)]
    is_told = _LETTER_AND_DIGIT if name.startswith(("pass", "pwd")) else _MIXED
    return (end if verb.startswith(_ASKING) or not is_told.fullmatch(value) else begin), end
