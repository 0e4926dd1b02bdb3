"""Threads of tests: started, waited for, and let run until something is so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

REAL_LIMIT = 20.0
"""Real seconds that a thread of a test may take before the test fails."""

StartThread = Callable[[Callable[[], object]], threading.Thread]


def until(condition: Callable[[], object]) -> None:
    """Let other threads run until something is so."""
    end = time.monotonic() + REAL_LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.0001)  # no spinning: on a busy machine it would hold up who is waited for
