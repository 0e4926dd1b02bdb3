"""A window that rolls over slices of a tenth of it, each known by the moment it was begun at.

Like timing.RollingWindow, but by the clock of a store, which may be set.
"""

from __future__ import annotations

SLICES = 10


def is_current(begun: float, window: float, now: float) -> bool:
    """Does what happens at `now` still belong to the slice?"""
    return begun <= now < begun + window / SLICES


def is_live(begun: float, window: float, now: float) -> bool:
    """Is something of the slice in the window that ends at `now`?

    It counts until its youngest possible event has left: at least `window` seconds, and at most a
    tenth more. One that a clock that was set back has put into the future does not stay for ever.
    """
    return now - window * (1 + 1 / SLICES) <= begun <= now + window
