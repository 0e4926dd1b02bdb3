"""Secrets in text become `***`.

Known are the names of secrets in all notations, tokens by their shape, numbers by their check
digits, and values that were learned. Each search is linear in its input: what a pattern may repeat
is bounded, and whatever was looked at to find a secret's end, the search never visits again.

    rule        what a rule is
    names       names of secrets            named, notations, spoken, quoting   values by name
    shapes      tokens of vendors           numbers                             cards, IBANs
    urls        user info                   variables                           loguru's diagnose
    text        `mask`, rules of one's own  data                                `masked`
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from resilient.diagnostics.masking.rule import MASK, WITHHELD, Figures, Rule

if TYPE_CHECKING:
    from resilient.diagnostics.masking.names import is_sensitive
    from resilient.diagnostics.masking.shapes import SHAPES, Shape
    from resilient.diagnostics.masking.text import RULES, add_rule, allow, allow_names

# Compiling the patterns takes as long as the rest of `import resilient`, and a program that writes
# no line needs none.
_HOMES: Mapping[str, str] = {
    "RULES": "text",
    "SHAPES": "shapes",
    "Shape": "shapes",
    "add_rule": "text",
    "allow": "text",
    "allow_names": "text",
    "is_sensitive": "names",
}


@functools.cache
def _loaded(name: str) -> ModuleType:
    return import_module(f"{__name__}.{name}")


def mask(text: str) -> str:
    """The text with its secrets replaced by `***`: see `masking.text`."""
    try:
        masked_text: str = _loaded("text").mask(text)
    except ImportError:  # nothing can be loaded any more while the interpreter shuts down
        return WITHHELD
    return masked_text


def masked(value: Any, depth: int = 6, *, is_figure: bool = False) -> Any:
    """Plain data with its secrets masked, by name and in texts: see `masking.data`."""
    return _loaded("data").masked(value, depth, is_figure=is_figure)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(_loaded(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "MASK",
    "RULES",
    "SHAPES",
    "WITHHELD",
    "Figures",
    "Rule",
    "Shape",
    "add_rule",
    "allow",
    "allow_names",
    "is_sensitive",
    "mask",
    "masked",
]
