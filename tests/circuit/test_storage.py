"""Storages that fail, and clients that decode."""

from __future__ import annotations

from typing import Any

import fakeredis
import pybreaker
import pytest
from pybreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN

from resilient.circuit import CircuitBreaker
from resilient.errors import BreakerOpen
from resilient.testing import FakeClock, record_steps
from tests.circuit.breakers import Recorder, failing, fine, let_the_timeout_pass, trip


def test_redis_client_that_decodes_its_answers_works() -> None:
    def decoding() -> Any:
        server = fakeredis.FakeServer()
        client = fakeredis.FakeStrictRedis(server=server, decode_responses=True)
        return pybreaker.CircuitRedisStorage(STATE_CLOSED, client)

    with pytest.raises(AttributeError, match="decode"):
        pybreaker.CircuitBreaker(state_storage=decoding()).call(fine)
    shared = decoding()
    breaker = CircuitBreaker(fail_max=1, state_storage=shared)
    other = CircuitBreaker(fail_max=1, state_storage=shared)
    assert breaker.call(fine) == ((), {})
    trip(breaker)
    assert other.current_state == STATE_OPEN
    assert 0 < other.remaining() <= 60
    let_the_timeout_pass(other)
    other.call(fine)
    assert breaker.state.name == STATE_CLOSED


class Dead(pybreaker.CircuitMemoryStorage):
    """Raises at everything while it is down."""

    is_down = False

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_") and name != "is_down" and self.is_down:
            raise KeyError("the storage is down")
        return super().__getattribute__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name != "is_down" and self.is_down:
            raise KeyError("the storage is down")
        super().__setattr__(name, value)


def test_breaker_goes_through_a_whole_cycle_on_a_dead_storage(clock: FakeClock) -> None:
    storage = Dead(STATE_CLOSED)
    recorder = Recorder()
    breaker = CircuitBreaker(
        fail_max=2, success_threshold=2, state_storage=storage, listeners=[recorder], name="github"
    )
    storage.is_down = True
    with record_steps() as steps:
        assert breaker.call(fine) == ((), {})
        with pytest.raises(OSError, match="down"):
            breaker.call(failing)
        with pytest.raises(BreakerOpen, match="Failures threshold"):
            breaker.call(failing)
        with pytest.raises(BreakerOpen, match="still open") as refused:
            breaker.call(pytest.fail)
        assert refused.value.retry_after == 60
        clock.advance(60)
        breaker.call(fine)
        assert breaker.current_state == STATE_HALF_OPEN
        breaker.call(fine)
        assert breaker.current_state == STATE_CLOSED
    assert [word for word in recorder.heard if "->" in word] == [
        "closed -> open", "open -> half-open", "half-open -> closed",
    ]  # fmt: skip
    assert breaker.storage_errors > 1
    assert [(step.kind, step.label, step.text) for step in steps] == [
        (
            "degraded",
            "github",
            "the breaker's storage failed (KeyError); it goes on with what it last knew",
        )
    ]


def test_counts_start_over_with_each_state_on_a_dead_storage(clock: FakeClock) -> None:
    storage = Dead(STATE_CLOSED)
    breaker = CircuitBreaker(fail_max=2, success_threshold=2, state_storage=storage)
    storage.is_down = True
    breaker.half_open()
    breaker.call(fine)
    with pytest.raises(BreakerOpen, match="Trial call failed"):
        breaker.call(failing)
    clock.advance(60)
    breaker.call(fine)
    assert breaker.current_state == STATE_HALF_OPEN
    breaker.close()
    with pytest.raises(OSError, match="down"):
        breaker.call(failing)
    breaker.close()
    with pytest.raises(OSError, match="down"):
        breaker.call(failing)
    assert breaker.current_state == STATE_CLOSED


def test_breaker_can_be_made_on_a_dead_storage() -> None:
    storage = Dead(STATE_CLOSED)
    storage.is_down = True
    breaker = CircuitBreaker(state_storage=storage)
    assert breaker.call(fine) == ((), {})
    storage.is_down = False
    trip(breaker)
    assert storage.state == STATE_OPEN
