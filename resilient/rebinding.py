"""What applies to decorated functions while the program runs, whatever their decorators say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from resilient.handle import Handle
from resilient.pipeline import AS_WRITTEN, Policy, chain, target_of
from resilient.wrapping import Shortcut


class InForce(NamedTuple):
    """What applies to a decorated function, whatever its decorators say.

    policies: one for each that was written, in their order. facts: of its target. enabled: False
    lets calls go straight to the function.
    """

    policies: tuple[Policy, ...]
    facts: Mapping[str, Any] = AS_WRITTEN
    enabled: bool = True


def put_in_force(handle: Handle, choice: InForce, *, is_new: bool = False) -> None:
    """Go on with other policies from the next call on; what is under way ends with the old ones.

    is_new: nobody has called the function yet.
    """
    if handle.rebind is None:
        return
    target = target_of(handle.function, choice.policies, choice.facts)
    handler, shortcut = chain(choice.policies, target, handle.figures)
    if not choice.enabled:
        shortcut = _direct(handle.function)
    handle.put_in_force(target, choice.policies, choice.facts, enabled=choice.enabled)
    handle.rebind(handler, shortcut, target, is_new)


def _direct(function: Callable[..., Any]) -> Shortcut:
    """Answers each call by the function alone."""

    def call(args: tuple[Any, ...], kwargs: dict[str, Any], started: float) -> tuple[Any]:
        return (function(*args, **kwargs),)

    return call
