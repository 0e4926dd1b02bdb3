"""One kind of secret, and how a text loses all secrets of that kind."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable
from typing import Any, NamedTuple

MASK = "***"
WITHHELD = "(text withheld: it could not be masked)"

Extent = Callable[[str, re.Match[str]], tuple[int, int]]


class Figures(dict[str, Any]):
    """Counts by name, where a name such as `InvalidToken` tells nothing of its value's secrecy."""


class Clean(dict[str, Any]):
    """Data without secrets, since whoever made it has masked it: nobody looks again.

    text: what the line says that comes with it, masked too.
    """

    __slots__ = ("_json", "text")
    text: str
    _json: str

    def json(self) -> str:
        """The same as JSON, made once for all that want it."""
        try:
            return self._json
        except AttributeError:
            self._json = made = self.encoded()
            return made

    def encoded(self) -> str:
        """The same, made anew."""
        return json.dumps(self, ensure_ascii=False)


class Rule(NamedTuple):
    """One kind of secret.

    hints: one of them is in every text, in lower case, that holds such a secret.
    start: matched against the text in lower case; ends where the secret, or its quote, begins.
    extent: where the secret lies in the text as it is; empty if there is none after all. It may
    look no further than the end that it gives, or the whole would not be linear.
    reach: how many signs before the first hint of its group a match may begin, whose own hints come
    behind that one; None: any number, and anywhere.
    """

    name: str
    hints: tuple[str, ...]
    start: re.Pattern[str]
    extent: Extent
    reach: int | None = None


allowed_texts: frozenset[str] = frozenset()
"""What is no secret although it looks like one. Replaced as a whole, by `allow`."""


def is_allowed(secret: str) -> bool:
    """Did the application say that this is no secret, or is it masked already?"""
    return secret == MASK or secret in allowed_texts


def apply(rule: Rule, text: str, lowered: str, hinted: int = 0) -> str:
    """The text without the secrets of one rule; the same object if there are none.

    hinted: where the first hint of the rule's group is.
    """
    # Most lines hold no secret, and looking for a few words is ten times faster than the pattern.
    if rule.reach is None:
        start = 0
        for hint in rule.hints:
            if hint in lowered:
                break
        else:
            return text
    else:
        start = max(0, hinted - rule.reach)
        for hint in rule.hints:
            if lowered.find(hint, hinted) >= 0:
                break
        else:
            return text
    found = rule.start.search(lowered, start)
    parts: list[str] = []
    done = 0
    while found is not None:
        begin, end = rule.extent(text, found)
        if begin < end and not is_allowed(text[begin:end]):
            # What stands in JSON without quotes needs some now, or it would be JSON no more.
            quote = in_quotes_of_json(text, begin)
            parts += (text[done:begin], quote + MASK + quote)
            done = end
        found = rule.start.search(lowered, max(end, found.end()))
    return "".join((*parts, text[done:])) if parts else text


def in_quotes_of_json(text: str, begin: int) -> str:
    """A quote, if what begins here stands without any behind a name in JSON; else nothing."""
    name = _JSON_NAME.search(text, max(0, begin - 24), begin)
    return name[1] if name is not None else ""


_JSON_NAME = re.compile(r"""((?<!\\)\\{0,15}"):[ ]{0,4}\Z""")
_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def lower(text: str) -> str:
    """The text in lower case, as long as it was."""
    lowered = text.lower()
    # A few letters grow when lowered, and every index would be off.
    return lowered if len(lowered) == len(text) else text.translate(_ASCII_LOWER)


def end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where a match that begins at `at` ends; `at` if there is none."""
    found = pattern.match(text, at)
    return at if found is None else found.end()


def word_after(pattern: re.Pattern[str]) -> Extent:
    """The secret is what matches right behind the start."""
    return lambda text, found: (found.end(), end_of(pattern, text, found.end()))


def up_to(pattern: re.Pattern[str]) -> Extent:
    """The secret reaches to the next match, or to the end of the text."""

    def extent(text: str, found: re.Match[str]) -> tuple[int, int]:
        stop = pattern.search(text, found.end())
        return found.end(), len(text) if stop is None else stop.start()

    return extent
