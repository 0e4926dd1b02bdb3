"""Plain data without its secrets: by name, and in texts."""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_
from typing import Any, TypeVar

from resilient.diagnostics.masking import names, text
from resilient.diagnostics.masking import rule as rules_of_all
from resilient.diagnostics.masking.rule import MASK, Clean, Figures, is_allowed
from resilient.diagnostics.masking.text import mask
from resilient.http.learned import learned
from resilient.http.learned_forms import SHORTEST

Number = TypeVar("Number", int, float)

MOST_KNOWN = 16_384
LONGEST_KNOWN = 100
"""Signs of a text that is remembered to hold no secret, and how many of them are."""


def masked(value: Any, depth: int = 6, *, is_figure: bool = False) -> Any:
    """Plain data (dicts, lists, text, numbers) with its secrets masked, by name and in texts.

    Clean data is returned as it is.

    depth: levels that stay data; what is deeper, or of another type, becomes masked text.
    is_figure: names count for nothing, as within Figures.
    """
    return _masked(value, depth, is_figure, known_now())


def _masked(value: Any, depth: int, is_figure: bool, known: Known) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return known.masked(value, is_figure)
    if isinstance(value, Clean):
        return value
    is_figure = is_figure or isinstance(value, Figures)
    try:
        if depth and is_figure and type(value) in _PLAIN:
            return _masked_figures(value, depth - 1, known)
        if depth and isinstance(value, Mapping):
            parts = {
                str(name) if isinstance(name, int) else known.masked(str(name), is_figure): MASK
                if not is_figure and known.is_secret(str(name), part)
                else _masked(part, depth - 1, is_figure, known)
                for name, part in value.items()
            }
            return Figures(parts) if is_figure else parts
        if depth and isinstance(value, (list, tuple, set, frozenset)):
            return [_masked(part, depth - 1, is_figure, known) for part in value]
        return mask(str(value))
    except Exception:
        return f"<unprintable {type(value).__name__}>"


# Of a function's figures, most are dicts of numbers, with the same few hundred names in all.
_PLAIN: tuple[type, ...] = (dict, Figures)
_NUMBERS = frozenset({int, float})
_INTEGERS = frozenset({int})


def _masked_figures(value: dict[Any, Any], depth: int, known: Known) -> Figures:
    """The same as for any other mapping, with few steps for each number."""
    if not value:
        return Figures()
    if known.has_all(value):
        figures = Figures(value)
    elif _INTEGERS.issuperset(map(type, value)):  # the buckets of a histogram
        figures = Figures(zip(map(str, value), value.values(), strict=True))
    else:
        figures = Figures()
        for name, part in value.items():
            figures[str(name) if isinstance(name, int) else known.masked(str(name), True)] = part
    if not _NUMBERS.issuperset(map(type, figures.values())):
        for name, part in figures.items():
            if type(part) not in _NUMBERS:
                figures[name] = _masked(part, depth, True, known)
    return figures


class Known:
    """Short texts in which these rules found no secret, and names that are no secrets'.

    What was learned since is looked for all the same. Has no lock: at worst, a text is looked at
    twice.
    """

    def __init__(self, rules: tuple[Any, ...]) -> None:
        self.rules = rules
        self._texts: set[str] = set()
        self._harmless: set[str] = set()
        """Names, of these rules, whose values may be shown."""

    def masked(self, value: str, is_figure: bool) -> str:
        """The text without secrets. Remembered are only figures' texts: others seldom recur."""
        if value in self._texts:
            if len(value) < SHORTEST or not learned:
                return value
            return learned.replace(value, MASK, is_allowed)
        found = mask(value)
        if found == value and is_figure and len(value) <= LONGEST_KNOWN:
            self._remember(found, self._texts)
        return found

    def is_secret(self, name: str, value: Any) -> bool:
        """Has a value to be masked because of its name?"""
        if name in self._harmless or value is None or isinstance(value, bool):
            return False
        if names.is_sensitive(name):
            return True
        if len(name) <= LONGEST_KNOWN:
            self._remember(name, self._harmless)
        return False

    def has_all(self, values: Mapping[Any, Any]) -> bool:
        """Are all of these names known, and without a learned value?"""
        if not self._texts.issuperset(values):
            return False
        if not learned:
            return True
        # One search for all of them. What two names make together is looked at closer.
        joined = "\n".join(values)
        return learned.replace(joined, MASK, is_allowed) == joined

    def names(self, counted: dict[str, Number]) -> dict[str, Number]:
        """Numbers by names that hold no secrets any more; those whose names are now one, added."""
        if self.has_all(counted):
            return counted
        found: dict[str, Number] = {}
        for name, number in counted.items():
            shown = self.masked(name, True)
            found[shown] = found[shown] + number if shown in found else number
        return found

    def _remember(self, value: str, kept: set[str]) -> None:
        if len(kept) >= MOST_KNOWN:
            kept.clear()
        # Rules may have changed while the text was looked at.
        if _is_same(self.rules, _rules_now()):
            kept.add(value)


_known = Known(())


def _rules_now() -> tuple[Any, ...]:
    return (text._added, rules_of_all.allowed_texts, names.excepted_names)


def _is_same(rules: tuple[Any, ...], others: tuple[Any, ...]) -> bool:
    # Each is replaced as a whole, never changed.
    return len(rules) == len(others) and all(map(is_, rules, others))


def known_now() -> Known:
    """What is known by the rules in force."""
    global _known
    known, rules = _known, _rules_now()
    if not _is_same(known.rules, rules):
        known = _known = Known(rules)
    return known
