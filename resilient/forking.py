"""What a forked child must not inherit: locks and places held by threads that it does not have.

A fork copies the forking thread alone. A lock that another one held at that moment is never
released in the child, a place in a bulkhead never given back, a turn in a line never taken. So the
child opens every lock of this package's modules and policies, and lets each policy mend the rest.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from typing import Any, Protocol

_PACKAGE = __name__.partition(".")[0]
_LOCKS = (type(threading.Lock()), type(threading.RLock()))


class Forkable(Protocol):
    """What has a part of its own in this."""

    def renew_in_child(self) -> None:
        """Take back what the threads left behind held; all locks are open by now."""


_kept: weakref.WeakSet[Forkable] = weakref.WeakSet()


def keep_forkable(thing: Forkable) -> None:
    """Renew `thing`, and open its locks, in every child from now on."""
    _kept.add(thing)


def open_locks(*roots: object) -> None:
    """Open the locks that are kept in objects of this package, however deep."""
    waiting = list(roots)
    seen: dict[int, object] = {}
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        if isinstance(thing, _LOCKS):
            # What threading and logging do for their own locks.
            thing._at_fork_reinit()  # type: ignore[union-attr]  # typeshed leaves it out
        else:
            waiting += _parts(thing)


def _parts(thing: object) -> list[Any]:
    if isinstance(thing, (dict, weakref.WeakValueDictionary)):
        return list(thing.values())
    if isinstance(thing, (list, tuple)):
        return list(thing)
    kind = type(thing)
    # A subclass of a user's keeps the locks of ours; what is not ours at all is left alone.
    if not any(base.__module__.partition(".")[0] == _PACKAGE for base in kind.__mro__):
        return []
    parts = list(getattr(thing, "__dict__", {}).values())
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        parts += [getattr(thing, slot, None) for slot in slots if slot != "__dict__"]
    return parts


def _renew_in_child() -> None:
    modules = [
        vars(module)
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == _PACKAGE and module is not None
    ]
    kept = list(_kept)
    open_locks(*modules, *kept)
    errors = []
    for thing in kept:
        try:
            thing.renew_in_child()
        except Exception as error:  # the others still have what is the parent's
            errors.append(error)
    if errors:
        raise errors[0]  # Python tells of it, and the child goes on


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_in_child)
