"""What breakers and quotas say now, whichever functions share them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from resilient.diagnostics.alerts.windows import Name
from resilient.handle import Handle
from resilient.registry import Registry


class Stack(NamedTuple):
    """A decorated function and its policies."""

    name: Name
    handle: Handle

    @property
    def policies(self) -> tuple[Any, ...]:
        """Outermost first."""
        return self.handle.policies


class Gauge(NamedTuple):
    """One policy that functions share, or have of their own.

    state: of a breaker, see BREAKER_STATES. left: of a quota, the share that is left, None if
    nobody told; text: what it says, in words.
    """

    policy: Any
    names: tuple[Name, ...]
    state: str | None = None
    left: float | None = None
    text: str = ""

    @property
    def subject(self) -> str:
        """Whose it is, in words."""
        return subject_of(self.policy, self.names)


def subject_of(policy: Any, names: tuple[Name, ...]) -> str:
    """Who shares a policy: its own name, or that of its functions or their service."""
    own = getattr(policy, "name", None)
    if isinstance(own, str) and own:
        return own
    services = {service for service, _ in names}
    if len(names) > 1 and len(services) == 1:
        return services.pop()
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return ".".join(names[0]) + more


def stacks_of(registry: Registry) -> list[Stack]:
    """All functions that are still decorated.

    What one decorator made and the next one took over is left out, as long as it lives.
    """
    by_function: dict[int, list[Stack]] = {}
    for service, name, handle in registry.handles():
        stack = Stack((service, name), handle)
        by_function.setdefault(id(handle.function), []).append(stack)
    return [
        stack
        for stacks in by_function.values()
        for stack in stacks
        if not any(_ids(stack) < _ids(other) for other in stacks)
    ]


def _ids(stack: Stack) -> set[int]:
    return set(map(id, stack.handle.written))


def gauges_of(stacks: Iterable[Stack]) -> list[Gauge]:
    """All breakers and quotas. A breaker kept in a shared storage is asked there."""
    sharing: dict[int, tuple[Any, list[Stack]]] = {}
    for stack in stacks:
        for policy in stack.policies:
            if policy.kind in ("breaker", "throttled"):
                sharing.setdefault(id(policy), (policy, []))[1].append(stack)
    return [_gauge(policy, shared) for policy, shared in sharing.values()]


def _gauge(policy: Any, shared: list[Stack]) -> Gauge:
    names = tuple(stack.name for stack in shared)
    if policy.kind == "breaker":
        return Gauge(policy, names, state=str(policy.settings()["state"]))
    view = policy.view_of(shared[0].handle._target)
    if not view.limit or view.remaining is None:
        return Gauge(policy, names)
    left = max(0.0, min(1.0, view.remaining / view.limit))
    return Gauge(policy, names, left=left, text=str(view))
