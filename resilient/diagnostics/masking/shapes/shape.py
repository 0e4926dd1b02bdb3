"""What a token that is known by its shape looks like, and how that is written down."""

from __future__ import annotations

import re
from typing import NamedTuple

from resilient.diagnostics.masking.patterns import lazy

E = r"(?![A-Za-z0-9])"
"""The end of a word."""
B64 = r"(?:[\w+/-]|%2[BbFf])"
"""A sign of base64 in one of its alphabets, also URL-encoded."""
PAD = r"(?:=|%3[Dd]){0,2}"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class Shape(NamedTuple):
    """hints: one of them is in every text that has such a token, in this case of letters.

    pattern: begins with a letter or digit, and has a group `secret` if not all of it is.
    is_word: it must not begin within a word.
    """

    name: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    source: str
    is_word: bool


def shape(name: str, hints: str, pattern: str, source: str) -> Shape:
    """One that may begin anywhere. hints: with blanks between them."""
    return Shape(name, tuple(hints.split()), lazy(pattern), source, is_word=False)


def word(name: str, hints: str, pattern: str, source: str) -> Shape:
    """One that begins a word. hints: with blanks between them."""
    return Shape(name, tuple(hints.split()), lazy(pattern), source, is_word=True)
