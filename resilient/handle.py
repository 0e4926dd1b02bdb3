"""`fn.resilient`: what a decorated function tells about itself."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from resilient.call import Target
from resilient.errors import ConfigurationError
from resilient.function_stats import FunctionStats
from resilient.stack import Member, oddities


class Handle:
    """What `fn.resilient` gives: figures, policies, and the function without them."""

    def __init__(self, target: Target, policies: tuple[Member, ...], stats: FunctionStats) -> None:
        self._target = target
        self.figures = stats
        self.written = policies
        """The policies as the decorators say; `policies` are those in force."""
        self.policies = policies
        self.enabled = True
        """Does any of them apply, by the configuration?"""
        self.facts: Mapping[str, Any] = {}
        """Of the target, what the configuration says instead of the policies."""
        self.overridden: tuple[str, ...] = ()
        """What the configuration says instead of the decorators, and where."""
        self.wrapper: Callable[..., Any] | None = None
        self.rebind: Callable[..., None] | None = None

    def put_in_force(
        self,
        target: Target,
        policies: tuple[Member, ...],
        facts: Mapping[str, Any],
        *,
        enabled: bool,
    ) -> None:
        """Tell of these from now on."""
        self._target = target
        self.policies = policies
        self.facts = facts
        self.enabled = enabled

    @property
    def service(self) -> str:
        """Whose API the function calls; its module if nobody said."""
        return self._target.service

    @property
    def name(self) -> str:
        """The function's own name, as in logs."""
        return self._target.name

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
        figures = self.figures.snapshot()
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
        if not self.enabled:
            lines.append("  Switched off: calls go straight to the function.")
        lines.extend(f"  overridden: {note}" for note in self.overridden)
        lines.extend(f"  odd: {oddity}" for oddity in oddities(self.policies))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<resilient {self.label}: {', '.join(p.kind for p in self.policies)}>"


def file(handle: Handle) -> None:
    """Take in the handle of a function that was decorated just now."""
    with _lock:
        _filed.add(handle)
    if _hears is not None:
        _hears(handle)


def handles() -> list[Handle]:
    """Of all functions that are decorated and still there."""
    with _lock:
        return list(_filed)


def when_decorated(hear: Callable[[Handle], None] | None) -> None:
    """Let one hear of each function that is decorated from now on; None ends that."""
    global _hears
    _hears = hear


_filed: weakref.WeakSet[Handle] = weakref.WeakSet()
_lock = threading.Lock()  # guards _filed
_hears: Callable[[Handle], None] | None = None


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
