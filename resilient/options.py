"""Checks on what a user gives a decorator: each returns the value normalized or says what to use.

option: how the option is named in errors, such as "retry(attempts)".
"""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from resilient.errors import ConfigurationError

Seconds = float | timedelta
"""A time as users give it: seconds, or a timedelta."""

_T = TypeVar("_T")


def _given(option: str, value: object) -> str:
    """retry(attempts) and 0 become retry(attempts=0)."""
    shown = value.__name__ if isinstance(value, type) else repr(value)
    return f"{option.removesuffix(')')}={shown}" + (")" if option.endswith(")") else "")


def seconds(value: object, option: str, *, zero: bool = False) -> float:
    """A time in seconds, finite and positive (or zero, if allowed)."""
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise ConfigurationError(
            f"{_given(option, value)}: use seconds as a number, or a timedelta."
        )
    try:
        number = float(number)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        least = "0 or more" if zero else "more than 0"
        raise ConfigurationError(f"{_given(option, value)}: use a finite time of {least} seconds.")
    return number


def optional_seconds(value: object, option: str, *, zero: bool = False) -> float | None:
    """The same, where None means "none"."""
    return None if value is None else seconds(value, option, zero=zero)


def whole(value: object, option: str, *, least: int = 1, hint: str = "") -> int:
    """A whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        tail = f"; {hint}" if hint else ""
        raise ConfigurationError(
            f"{_given(option, value)}: use a whole number of {least} or more{tail}."
        )
    return value


def share(value: object, option: str, *, zero: bool = False) -> float:
    """A rate between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigurationError(f"{_given(option, value)}: use a share such as 0.5 (50 %).")
    if not (0 <= value <= 1) or (value == 0 and not zero):
        remedy = f" (for {value:g} % write {value / 100:g})" if 1 < value <= 100 else ""
        lower = "from 0" if zero else "above 0"
        raise ConfigurationError(f"{_given(option, value)}: use a share {lower} up to 1{remedy}.")
    return float(value)


def flag(value: object, option: str) -> bool:
    """True or False, and nothing that merely counts as one."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{_given(option, value)}: use True or False.")
    return value


def choice(value: _T, option: str, allowed: Iterable[_T]) -> _T:
    """One of a few words."""
    words = list(allowed)
    if value not in words:
        raise ConfigurationError(f"{_given(option, value)}: use {' or '.join(map(repr, words))}.")
    return value


def function(value: object, option: str) -> Callable[..., Any] | None:
    """None, or a callable that is not a class."""
    if value is None:
        return None
    if isinstance(value, type) or not callable(value):
        raise ConfigurationError(f"{_given(option, value)}: use a function, or leave it out.")
    return value


def exception_types(value: object, option: str) -> tuple[type[BaseException], ...]:
    """One exception class or several, as a tuple that `except` and `isinstance` take."""
    kinds = value if isinstance(value, (tuple, list, set, frozenset)) else (value,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise ConfigurationError(
                f"{_given(option, value)}: use exception classes, such as ConnectionError."
            )
        if not issubclass(kind, Exception):
            raise ConfigurationError(
                f"{_given(option, kind)}: Ctrl-C and exits are never handled; "
                "use Exception or a class below it."
            )
    return tuple(kinds)


def known(given: Mapping[str, object], factory: Callable[..., Any], label: str) -> None:
    """Refuse keyword options that `factory` does not take, and suggest the nearest one."""
    allowed = [
        name
        for name, parameter in inspect.signature(factory).parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and name != "self"
    ]
    for name in given:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"use one of {', '.join(allowed)}."
            raise ConfigurationError(f"{label}({name}=…): there is no such option; {remedy}")
