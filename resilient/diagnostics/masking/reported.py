"""Secrets that errors report: of what a validator refused, of what a database has already."""

from __future__ import annotations

import re

from resilient.diagnostics.masking.names import ANY_NAME, is_harmless, is_sensitive
from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.quoting import OPENER, closing
from resilient.diagnostics.masking.rule import Rule

Span = tuple[int, int]

# pydantic: the name on a line by itself, below it "… [type=x, input_value='x', input_type=str]".
_INPUT = lazy(r"input_value=(?=[bru]?\\{0,15}[\"'])")
_LONGEST_LINE = 400

# Its errors() in a repr, and FastAPI's in JSON.
_LOCATED = lazy(
    rf"loc\\{{0,15}}[\"']:[ ]?[\[(][^\[\]()\r\n]{{0,120}}?{ANY_NAME}\\{{0,15}}[\"'],?[\])]"
    r"[^{}\r\n]{0,240}?[\"']input\\{0,15}[\"']:[ ]?(?=[bru]?\\{0,15}[\"'])"
)

# MySQL's "Duplicate entry 'x' for key 'users.token'".
_DUPLICATE = lazy(r"duplicate entry (?=\\{0,15}[\"'])")
_FOR_KEY = lazy(r"\\{0,15}[\"'] for key \\{0,15}[\"'](?P<key>[\w.-]{1,128})", re.IGNORECASE)
_PARTS = lazy(r"[a-z_]+", re.IGNORECASE)
_INDEX = lazy(
    r"(?:uk|uq|uniq|unique|idx|ix|key|index)(?:_|\Z)|_(?:uk|uq|uniq|unique|idx|ix|key|index)\Z"
)


def _input(text: str, found: re.Match[str]) -> Span:
    opener = OPENER.match(text, found.end())
    assert opener is not None  # the pattern has seen the quote
    end = closing(text, opener.end(), opener[2], len(opener[1]))
    lines = text[max(0, found.start() - _LONGEST_LINE) : found.start()].replace("\\n", "\n")
    name = lines.split("\n")[-2].strip() if "\n" in lines else ""
    return (opener.end() if name and is_sensitive(name) else end), end


def _located(text: str, found: re.Match[str]) -> Span:
    opener = OPENER.match(text, found.end())
    assert opener is not None  # the pattern has seen the quote
    end = closing(text, opener.end(), opener[2], len(opener[1]))
    return (end if is_harmless(text, found) else opener.end()), end


def _duplicate(text: str, found: re.Match[str]) -> Span:
    opener = OPENER.match(text, found.end())
    assert opener is not None  # the pattern has seen the quote
    end = closing(text, opener.end(), opener[2], len(opener[1]))
    key = _FOR_KEY.match(text, end)
    names = [] if key is None else key["key"].lower().split(".")
    is_secret = any(is_sensitive(_INDEX.sub("", name)) for name in names)
    return (opener.end() if is_secret else end), end


REPORTED_RULES = (
    Rule("input of pydantic", ("input_value=",), _INPUT, _input),
    Rule("input at a place", ("loc",), _LOCATED, _located),
    Rule("duplicate entry", ("duplicate entry ",), _DUPLICATE, _duplicate),
)


def may_have_report(lowered: str) -> bool:
    """May REPORTED_RULES find something?"""
    return "input" in lowered or "duplicate entry " in lowered
