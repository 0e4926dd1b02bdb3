"""What opens a circuit beside failures in a row."""

from __future__ import annotations

import contextlib

import pytest
from pybreaker import STATE_CLOSED

from resilient.circuit import CircuitBreaker
from resilient.errors import BreakerOpen
from resilient.testing import FakeClock
from tests.circuit.breakers import failing, fine


def test_rate_of_failures_opens_it(clock: FakeClock) -> None:
    breaker = CircuitBreaker(fail_max=99, failure_rate=0.5, min_calls=4, window=10)
    for function in (fine, failing, fine):
        with contextlib.suppress(OSError):
            breaker.call(function)
    assert breaker.current_state == STATE_CLOSED
    with pytest.raises(BreakerOpen, match="Failures threshold"):
        breaker.call(failing)


def test_failures_that_left_the_window_do_not_count(clock: FakeClock) -> None:
    breaker = CircuitBreaker(fail_max=99, failure_rate=0.5, min_calls=4, window=10)
    for _ in range(3):
        with pytest.raises(OSError, match="down"):
            breaker.call(failing)
    clock.advance(11.1)  # the window, and the tenth that it is exact to
    for function in (fine, fine, fine):
        breaker.call(function)
    with pytest.raises(OSError, match="down"):
        breaker.call(failing)
    assert breaker.current_state == STATE_CLOSED
