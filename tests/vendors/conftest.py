from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _what_sdks_leave_open_bothers_nobody_else() -> Iterator[None]:
    """Some never close their sockets: they are collected before other tests run."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture
def sdk_sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that SDKs sleep before their own retries; they take no time."""
    slept: list[float] = []
    real = time.sleep

    def sleep(seconds: float) -> None:
        if seconds:
            slept.append(seconds)
        real(0)

    monkeypatch.setattr(time, "sleep", sleep)
    return slept
