"""What the processes of test_sharing_processes do. In a module of its own, to be spawned."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import Any

from resilient import BreakerOpen, breaker, service
from resilient.sharing.opening import open_state

LIMIT = 60.0
"""Real seconds after which a process gives up."""


def trips(url: str, shared: str, told: Any, go: Any) -> None:
    """Meet a vendor that is down, until the circuit is open; tell when it was."""
    guard = breaker(store=open_state(url, timeout=10), name="github", shared=shared)
    function = service("github")(guard(_down))
    told.put(("ready", 0.0))
    go.wait(LIMIT)
    called = 0.0
    while True:
        before = time.monotonic()
        try:
            function()
        except BreakerOpen:
            break
        except ConnectionError:
            called = before
    told.put(("tripped", called))


def watches(url: str, shared: str, told: Any, go: Any) -> None:
    """Wait until the circuit is open without calling the vendor; tell when that was seen."""
    guard = breaker(store=open_state(url, timeout=10), name="github", shared=shared)
    service("github")(guard(_down))
    told.put(("ready", 0.0))
    go.wait(LIMIT)
    end = time.monotonic() + LIMIT
    while guard.current_state != "open" and time.monotonic() < end:
        time.sleep(0.001)
    told.put((guard.current_state, time.monotonic()))


def fails_once(url: str, told: Any, go: Any) -> None:
    """Fail twice, too little for itself, and tell when the circuit is open all the same."""
    guard = breaker(store=open_state(url, timeout=10), name="github")
    function = service("github")(guard(_down))
    told.put(("ready", 0.0))
    go.wait(LIMIT)
    for _ in range(2):
        with contextlib.suppress(ConnectionError, BreakerOpen):
            function()
    end = time.monotonic() + LIMIT
    while guard.current_state != "open" and time.monotonic() < end:
        time.sleep(0.001)
    told.put((guard.current_state, time.monotonic()))


def probes(url: str, most: int, under_way: Any, worst: Any, calls: Any, told: Any, go: Any) -> None:
    """Call a vendor that is down as often as it may for some seconds, from four threads."""
    times = {"reset_timeout": 1.0, "max_reset_timeout": 1.0}
    # A bound that a busy machine keeps: a worker that can't reach the store goes on by itself.
    guard = breaker(store=open_state(url, timeout=10), name="github", probes=most, **times)

    def vendor() -> None:
        if guard.current_state != "closed":
            with under_way.get_lock():
                under_way.value += 1
                worst.value = max(worst.value, under_way.value)
                calls.value += 1
            time.sleep(0.02)
            with under_way.get_lock():
                under_way.value -= 1
        raise ConnectionError("down")

    function = service("github")(guard(vendor))
    told.put(("ready", 0.0))
    go.wait(LIMIT)
    end = time.monotonic() + 3.5

    def hammer() -> None:
        while time.monotonic() < end:
            with contextlib.suppress(BreakerOpen, ConnectionError):
                function()
            time.sleep(0.001)

    threads = [threading.Thread(target=hammer, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    told.put(("done", time.monotonic()))


def dies_probing(url: str, told: Any, go: Any) -> None:
    """Get a probe, and be killed in the middle of it."""
    guard = breaker(
        store=open_state(url, timeout=10), name="github", shared="state", reset_timeout=0.5
    )

    def vendor() -> None:
        if guard.current_state == "closed":
            raise ConnectionError("down")
        told.put(("probing", time.monotonic()))
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)

    function = service("github")(guard(vendor))
    told.put(("ready", 0.0))
    go.wait(LIMIT)
    while True:
        with contextlib.suppress(BreakerOpen, ConnectionError):
            function()
        time.sleep(0.01)


def _down() -> None:
    raise ConnectionError("down")
