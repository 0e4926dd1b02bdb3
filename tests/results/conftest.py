"""Counted functions, and vendors that answer over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from resilient import registry
from resilient.refreshing import refreshes
from resilient.testing import FakeClock, ScriptedVendor
from tests.stores.conftest import any_store, opened, redis_url, server, sqlite_url

__all__ = ["any_store", "opened", "redis_url", "server", "sqlite_url"]  # the fixtures of stores

MakeVendor = Callable[[str], ScriptedVendor]


class Counted:
    """A function that counts its calls: returns what it was given, or raises it."""

    def __init__(self, *results: Any) -> None:
        self.results = list(results)
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.results[min(self.calls, len(self.results) - 1)]
        self.calls += 1
        if isinstance(result, BaseException):
            raise result
        return result


@pytest.fixture
def vendor_of(clock: FakeClock) -> Iterator[MakeVendor]:
    with ExitStack() as vendors:
        yield lambda script: vendors.enter_context(ScriptedVendor(script))


@pytest.fixture(autouse=True)
def _nothing_goes_on_behind_the_test() -> Iterator[None]:
    registry.reset()
    yield
    assert refreshes.flush(20)


def settled() -> None:
    """Wait until what goes on in the background has ended."""
    assert refreshes.flush(20)
