"""What the tests of resilient.circuit share: storages, functions to guard, listeners, threads."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import fakeredis
import pybreaker
import pytest
from pybreaker import STATE_CLOSED, STATE_OPEN, CircuitBreakerError

PATIENCE = 20
"""Real seconds after which a thread counts as stuck."""


def memory() -> Any:
    return pybreaker.CircuitMemoryStorage(STATE_CLOSED)


def redis(**options: Any) -> Any:
    client = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer())
    return pybreaker.CircuitRedisStorage(STATE_CLOSED, client, **options)


def cluster() -> Any:
    return redis(cluster_mode=True, namespace="shop")


STORAGES = pytest.mark.parametrize("storage", [memory, redis, cluster])


def fine(*values: Any, **named: Any) -> Any:
    return values, named


def failing() -> None:
    raise OSError("down")


def excluded() -> None:
    raise LookupError("not yours")


class Recorder(pybreaker.CircuitBreakerListener):
    """What a breaker told, in words."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def before_call(self, cb: Any, func: Any, *args: Any, **kwargs: Any) -> None:
        self.heard.append(f"before {args} {kwargs}")

    def failure(self, cb: Any, exc: BaseException) -> None:
        self.heard.append(f"failure {exc!r}")

    def success(self, cb: Any) -> None:
        self.heard.append("success")

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
        self.heard.append(f"{old_state.name} -> {new_state.name}")


def let_the_timeout_pass(breaker: Any) -> None:
    """Without a clock, which pybreaker would not look at, and for storages with whole seconds."""
    breaker.reset_timeout = 0


def trip(breaker: Any) -> None:
    for _ in range(breaker.fail_max):
        with contextlib.suppress(OSError, CircuitBreakerError):
            breaker.call(failing)
    assert breaker.current_state == STATE_OPEN


def in_threads(*targets: Callable[[], Any]) -> list[Any]:
    """What the targets return or raise, each in a thread of its own."""
    results: list[Any] = [None] * len(targets)

    def run(place: int, target: Callable[[], Any]) -> None:
        try:
            results[place] = target()
        except BaseException as error:
            results[place] = error

    threads = [
        threading.Thread(target=run, args=(place, target), daemon=True)
        for place, target in enumerate(targets)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads), "stuck"
    return results
