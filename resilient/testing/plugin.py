"""The pytest plugin: fixtures for tests of code that uses resilient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from resilient.testing import (
    FakeClock,
    RecordedSteps,
    ScriptedVendor,
    fake_clock,
    policies_off,
    record_steps,
)
from resilient.testing.vendor import Script


@pytest.fixture
def resilient_clock() -> Iterator[FakeClock]:
    """A fake clock in force: no wait takes time, and `resilient_clock.slept` tells them all."""
    with fake_clock() as clock:
        yield clock


@pytest.fixture
def resilient_vendor() -> Iterator[Callable[[Script], ScriptedVendor]]:
    """Makes scripted vendors: `vendor = resilient_vendor("503, 200")`. Closed after the test."""
    with ExitStack() as vendors:
        yield lambda script: vendors.enter_context(ScriptedVendor(script))


@pytest.fixture
def resilient_steps() -> Iterator[RecordedSteps]:
    """What the policies did during the test, such as `resilient_steps.kinds() == ["retry"]`."""
    with record_steps() as steps:
        yield steps


@pytest.fixture
def resilient_off() -> Iterator[None]:
    """Decorated functions run without their policies during the test."""
    with policies_off():
        yield
