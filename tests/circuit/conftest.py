from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pybreaker
import pytest

from resilient.circuit import CircuitBreaker
from resilient.testing import FakeClock, fake_clock


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    with fake_clock() as clock:
        yield clock


@pytest.fixture(params=[pybreaker.CircuitBreaker, CircuitBreaker], ids=["pybreaker", "resilient"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param
