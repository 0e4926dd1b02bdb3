"""`fn.resilient`: what a decorated function tells about itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from resilient.call import Target
from resilient.errors import ConfigurationError
from resilient.registry import FunctionStats
from resilient.stack import Member, oddities


class Handle:
    """What `fn.resilient` gives: figures, policies, and the function without them."""

    def __init__(self, target: Target, policies: tuple[Member, ...], stats: FunctionStats) -> None:
        self._target = target
        self._stats = stats
        self.policies = policies
        self.wrapper: Callable[..., Any] | None = None

    @property
    def function(self) -> Callable[..., Any]:
        """The undecorated function."""
        return self._target.function

    @property
    def label(self) -> str:
        """ "service.function", as in logs and errors."""
        return self._target.label

    def stats(self) -> dict[str, Any]:
        """The function's figures as plain data: see FunctionStats.snapshot.

        Policies add what they know now, such as "throttle": see ThrottleView.
        """
        figures = self._stats.snapshot()
        for policy in self.policies:
            figures.update(policy.figures(self._target))
        return figures

    def policy(self, kind: str) -> Any:
        """The outermost policy of a kind, such as "breaker"."""
        for policy in self.policies:
            if policy.kind == kind:
                return policy
        raise ConfigurationError(f"{self.label} has no {kind}: put @{kind} on it.")

    @property
    def breaker(self) -> Any:
        """The function's circuit breaker: `isolate()`, `reset()`, `current_state` …"""
        return self.policy("breaker")

    @property
    def throttle(self) -> Any:
        """What the function's throttle knows now: limit, remaining, resets_at, waiting …"""
        return self.policy("throttled").view_of(self._target)

    @property
    def cache(self) -> Any:
        """The function's part of its cache: `clear()`, `len()`."""
        return self.policy("cached").cache_of(self._target.function)

    def explain(self) -> None:
        """Print the stack in order with its settings, and what is odd about it."""
        print(self)

    def __str__(self) -> str:
        many = "policy" if len(self.policies) == 1 else "policies, outermost first"
        lines = [f"{self.label}: {len(self.policies)} {many}"]
        for policy in self.policies:
            mode = "  [observes only]" if policy.mode == "observe" else ""
            lines.append(f"  {policy!r}{mode}")
        lines.append(f"  → {name_of(self.function)}()")
        if self._target.observing:
            lines.append("  The service observes: nothing is enforced, only recorded.")
        lines.extend(f"  odd: {oddity}" for oddity in oddities(self.policies))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<resilient {self.label}: {', '.join(p.kind for p in self.policies)}>"


def name_of(function: Callable[..., Any]) -> str:
    """A function's name for logs and errors: `repos`, `Client.repos`."""
    function = unwrapped(function)
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name).rpartition("<locals>.")[2]


def unwrapped(function: Any) -> Any:
    """What a functools.partial calls."""
    while isinstance(function, functools.partial):
        function = function.func
    return function
