"""Checks on what a user gives a breaker beside numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from resilient import options
from resilient.errors import ConfigurationError

_LISTENING = ("before_call", "success", "failure", "state_change")
_STORING = (
    "state", "counter", "success_counter", "opened_at", "increment_counter", "reset_counter",
    "increment_success_counter", "reset_success_counter",
)  # fmt: skip


def exclusions(exclude: Any) -> list[Any]:
    """Exception types and predicates, checked."""
    kinds = [exclude] if isinstance(exclude, type) or callable(exclude) else exclude
    if not isinstance(kinds, Iterable) or isinstance(kinds, str):
        kinds = [kinds]
    kinds = list(kinds)
    for kind in kinds:
        if isinstance(kind, type):
            options.exception_types(kind, "breaker(exclude)")
        elif not callable(kind):
            raise ConfigurationError(
                f"breaker(exclude={kind!r}): use exception classes, or functions of an exception."
            )
    return kinds


def checked_listeners(listeners: Any) -> list[Any]:
    found = list(listeners) if isinstance(listeners, Iterable) else [listeners]
    for listener in found:
        if isinstance(listener, type) or not all(hasattr(listener, way) for way in _LISTENING):
            raise ConfigurationError(
                f"breaker(listeners=[{listener!r}]): use objects of a class below "
                "pybreaker.CircuitBreakerListener."
            )
    return found


def checked_name(name: Any) -> str | None:
    if name is not None and not isinstance(name, str):
        raise ConfigurationError(f"breaker(name={name!r}): use a text, for logs and errors.")
    return name


def checked_storage(storage: Any) -> Any:
    """The storage, checked; looking at its class asks nothing of a server."""
    if storage is not None and not all(hasattr(type(storage), name) for name in _STORING):
        raise ConfigurationError(
            "breaker(state_storage=…): use a pybreaker.CircuitMemoryStorage, a "
            f"pybreaker.CircuitRedisStorage, or a class like them, and no {type(storage).__name__}."
        )
    return storage
