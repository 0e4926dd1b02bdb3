"""What is left to do when a process ends, be it one of multiprocessing: those leave out atexit; and
what can't be done any more.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_left: list[Callable[[], object]] = []
"""No lock: each change is one step of a list, and who asks twice at once is called twice."""

_told: Any = None
"""What multiprocessing was told by, if it was."""


def at_end(work: Callable[[], object]) -> None:
    """Call `work` when this process ends, and in its children when they do.

    Before what was asked for earlier; asking again moves it to the front. What it raises is lost,
    and the next one is called all the same.
    """
    with suppress(ValueError):
        _left.remove(work)
    _left.append(work)
    # Anew each time: the newest is called first, and ours have to come before loguru's, which takes
    # its sinks away.
    atexit.unregister(_end)
    atexit.register(_end)
    _tell_multiprocessing()


def start_thread(thread: threading.Thread) -> None:
    """Start a thread.

    Raises: RuntimeError if none can be had: the program ends, or has too many.
    """
    if sys.is_finalizing():
        # Before Python 3.12, which says so itself, it would be waited for for ever.
        raise RuntimeError("can't start new thread at interpreter shutdown")
    thread.start()


def _end() -> None:
    while _left:
        with suppress(Exception):
            _left.pop()()


def _tell_multiprocessing(*_: object) -> None:
    global _told
    util = sys.modules.get("multiprocessing.util")
    if util is not None and (_told is None or not _told.still_active()):
        _told = util.Finalize(None, _end, exitpriority=1)


def _renew_in_child() -> None:
    # A process of multiprocessing forgets what its parent had to do, and asks for this thereafter.
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(_end, _tell_multiprocessing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_in_child)
