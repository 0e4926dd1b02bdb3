"""Is what a store has kept as we have written it? A file or a server may hold what others wrote."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

LONGEST_WHY = 1000
"""Characters of why a circuit is open; ours are shorter."""

_MOST = 2**53
"""Numbers from here on are not exact in every JSON."""

_NUMBERS = ("until", "pause")
_COUNTS = ("era", "reopened", "succeeded", "first", "next")


def is_circuit(state: Mapping[str, Any]) -> bool:
    """Can circuits work with it?"""
    return (
        state.get("state") in ("closed", "open", "half-open")
        and state.get("forced") in ("", "isolated", "disabled")
        and isinstance(state.get("why"), str)
        and len(state["why"]) <= LONGEST_WHY
        and all(_is_number(state.get(name)) for name in _NUMBERS)
        and all(_is_count(state.get(name)) for name in _COUNTS)
        and isinstance(state.get("probes"), dict)
        and all(map(_is_number, state["probes"].values()))
        and isinstance(state.get("streak"), dict)
        and all(map(_is_count, state["streak"].values()))
        and isinstance(state.get("slices"), list)
        and all(map(_is_slice, state["slices"]))
    )


def is_budget(state: Mapping[str, Any]) -> bool:
    """Can budgets work with it?"""
    return isinstance(state.get("slices"), list) and all(
        isinstance(one, list) and len(one) == 3 and _is_number(one[0]) and _are_counts(one[1:])
        for one in state["slices"]
    )


def _is_slice(one: object) -> bool:
    return (
        isinstance(one, list)
        and len(one) == 3
        and _is_number(one[0])
        and _are_counts(one[1], 3)
        and isinstance(one[2], dict)
        and all(_are_counts(counts, 3) for counts in one[2].values())
    )


def _are_counts(values: object, length: int = 2) -> bool:
    if type(values) is not list or len(values) != length:
        return False
    # A plain loop, since all that a store keeps goes through it at each look.
    for value in values:  # noqa: SIM110
        if type(value) is not int or not 0 <= value < _MOST:
            return False
    return True


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MOST


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) < _MOST and math.isfinite(value)  # type: ignore[arg-type]  # it is one
