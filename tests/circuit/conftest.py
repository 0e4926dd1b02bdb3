from __future__ import annotations

from typing import Any

import pybreaker
import pytest

from resilient.circuit import CircuitBreaker


@pytest.fixture(params=[pybreaker.CircuitBreaker, CircuitBreaker], ids=["pybreaker", "resilient"])
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param
