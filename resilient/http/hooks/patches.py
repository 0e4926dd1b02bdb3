"""Puts a hook in a method's place, and keeps the hook's own errors away from the request."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, TypeVar

from resilient.call import current, listeners
from resilient.errors import Refused

Method = Callable[..., Any]
Hook = tuple[type | ModuleType, str, Method]
"""Class, name of its method, and `hook(original, call, self, *args, **kwargs)`.

Or a module and a function of it; `self` is its first argument then.
"""
_T = TypeVar("_T")

errors = 0
"""How often a hook has failed. `_counting` guards it."""
_counting = threading.Lock()


class Patch:
    """One method replaced by a hook, until it is taken out.

    Outside a decorated call the hook is one look at a ContextVar.

    live: False once removed; where someone has patched over us, a pass-through stays behind.
    """

    def __init__(self, owner: type | ModuleType, name: str, hook: Method) -> None:
        self.owner = owner
        self.name = name
        self.live = True
        self.original: Method = owner.__dict__[name]
        original = self.original

        @functools.wraps(original)
        def method(patched: Any, *args: Any, **kwargs: Any) -> Any:
            call = current.get()
            if call is None or not self.live:
                return original(patched, *args, **kwargs)
            return hook(original, call, patched, *args, **kwargs)

        self.method = method
        setattr(owner, name, method)

    def remove(self) -> None:
        """Put the original back, unless someone else's patch stands on ours."""
        self.live = False
        if self.owner.__dict__.get(self.name) is self.method:
            setattr(self.owner, self.name, self.original)


def patch(hooks: Iterable[Hook], done: list[Patch]) -> None:
    """Add to `done` what of `hooks` is not there yet; a class that lacks a method goes without."""
    for owner, name, hook in hooks:
        if name in owner.__dict__ and not any(
            known.owner is owner and known.name == name for known in done
        ):
            done.append(Patch(owner, name, hook))


def guarded(step: Callable[..., _T], *args: Any) -> _T | None:
    """Run a step of a hook; an error of ours must not break the request, a refusal may."""
    try:
        return step(*args)
    except Refused:
        raise
    except Exception as error:
        _count(error, step)
        return None


def unheard(step: Callable[..., _T], *args: Any) -> _T | None:
    """The same where not even a refusal may get through."""
    try:
        return step(*args)
    except Exception as error:
        _count(error, step)
        return None


def count_afresh() -> None:
    """Start counting, and telling of the first error, again."""
    global errors
    with _counting:
        errors = 0


def _count(error: Exception, step: Callable[..., Any]) -> None:
    global errors
    with _counting:
        errors += 1
        first = errors == 1
    if first:
        step = getattr(step, "func", step)  # of a partial
        name = getattr(step, "__name__", type(step).__name__).strip("_")
        listeners.announce(
            "degraded",
            "resilient.http",
            f"the HTTP observer failed ({type(error).__name__} in {name}); requests go on without "
            "it (told once, counted in observe.errors)",
        )
