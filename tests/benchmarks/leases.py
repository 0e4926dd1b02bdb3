"""How often a worker asks the store of a shared quota, if it makes 1,000 calls a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from loguru import logger

from tests.benchmarks.stores import valkey_server

CALLS = 1000
"""A second, which is all that the quota gives."""

AIM = 0.15
"""Round trips a call."""


class Asked(NamedTuple):
    """Round trips a call, and the share of the quota that was used."""

    store: str
    trips: float
    used: float


def asked(seconds: float) -> Iterator[Asked]:
    """One worker with a quota of its own on each store."""
    # That it waits is what it is measured at.
    logger.disable("resilient")
    with TemporaryDirectory(prefix="resilient-benchmark-") as folder:
        yield _asked("SQLite", f"sqlite:///{Path(folder).resolve()}/leases.db", seconds)
    try:
        url = f"redis://127.0.0.1:{valkey_server().port}/0"
    except ModuleNotFoundError:
        return
    yield _asked("Valkey", url, seconds)


def throttled_call(url: str, calls: int, period: float) -> Callable[[int], object]:
    """A function under a shared quota that is more than a benchmark uses."""
    from resilient import open_state, throttled

    state = open_state(url, timeout=5.0)

    @throttled(calls=calls, period=period, store=state, name="calls")
    def call(number: int) -> None:
        """Nothing."""

    call(0)
    return call


def _asked(store: str, url: str, seconds: float) -> Asked:
    from resilient import open_state, throttled

    state: Any = open_state(url)
    trades = []
    trade = state.trade

    def counting(ask: object) -> object:
        trades.append(ask)
        return trade(ask)

    state.trade = counting

    @throttled(f"{CALLS}/s", store=state, name=f"leases {time.monotonic()}")
    def call() -> None:
        """Nothing."""

    calls = 0
    began = now = time.monotonic()
    while now < began + seconds:
        behind = (now - began) * CALLS - calls
        if behind < 1:
            time.sleep(0.001)
        else:
            call()
            calls += 1
        now = time.monotonic()
    state.close()
    return Asked(store, len(trades) / calls, calls / (CALLS * seconds))
