"""Listeners: told outside the lock, in order, whatever they do."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import datetime, timezone
from typing import Any

import pybreaker
import pytest
from pybreaker import STATE_CLOSED, STATE_OPEN

from resilient.circuit import CircuitBreaker
from resilient.errors import BreakerOpen
from resilient.testing import record_steps
from tests.circuit.breakers import PATIENCE, Recorder, failing, fine, in_threads, memory


class Clumsy(pybreaker.CircuitBreakerListener):
    """Raises at everything it hears."""

    def before_call(self, cb: Any, func: Any, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("before")

    def success(self, cb: Any) -> None:
        raise RuntimeError("success")

    def failure(self, cb: Any, exc: BaseException) -> None:
        raise RuntimeError("failure")

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
        raise RuntimeError("state_change")


def test_raising_listener_does_not_replace_the_result() -> None:
    theirs = pybreaker.CircuitBreaker(listeners=[Clumsy()])
    with pytest.raises(RuntimeError, match="before"):
        theirs.call(fine)
    after = Recorder()
    ours = CircuitBreaker(fail_max=1, listeners=[Clumsy(), after], name="github")
    with record_steps() as steps:
        assert ours.call(fine, 1) == ((1,), {})
        with pytest.raises(BreakerOpen, match="Failures threshold"):
            ours.call(failing)
    assert ours.listener_errors == 5
    assert [(step.kind, step.label, step.text) for step in steps] == [
        (
            "degraded",
            "github",
            "a listener of the breaker raised RuntimeError; calls go on without it",
        )
    ]
    assert after.heard == [
        "before (1,) {}", "success", "before () {}", "failure OSError('down')", "closed -> open",
    ]  # fmt: skip


def test_listener_without_the_methods_is_only_counted() -> None:
    breaker = CircuitBreaker(listeners=[object()])  # type: ignore[list-item]
    assert breaker.call(fine) == ((), {})
    assert breaker.listener_errors == 2


class Turns:
    """A lock that knows whether its holder asked for it again, which would cost it a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None
        self.waited_for_itself = False

    def acquire(self, timeout: float) -> bool:
        self.waited_for_itself |= self._holder == threading.get_ident()
        taken = self._lock.acquire(timeout=0.01)
        if taken:
            self._holder = threading.get_ident()
        return taken

    def release(self) -> None:
        self._holder = None
        self._lock.release()


def test_listeners_run_without_the_lock_and_may_use_the_breaker() -> None:
    class Reopener(Recorder):
        def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
            super().state_change(cb, old_state, new_state)
            if new_state.name == STATE_CLOSED:
                in_threads(lambda: cb._lock.acquire() and cb._lock.release())
                cb.open()
                self.heard.append("asked")

    recorder = Reopener()
    breaker = CircuitBreaker(listeners=[recorder])
    turns = breaker._telling = Turns()
    breaker.half_open()
    breaker.call(fine)
    assert breaker.current_state == STATE_OPEN
    assert not turns.waited_for_itself
    # in order: what a listener brings about is told after what it was told
    assert recorder.heard == [
        "closed -> half-open", "before () {}", "half-open -> closed", "asked", "success",
        "closed -> open",
    ]  # fmt: skip


def test_change_noticed_by_a_refused_call_is_told_at_once() -> None:
    storage = memory()
    recorder = Recorder()
    breaker = CircuitBreaker(state_storage=storage, listeners=[recorder])
    storage.opened_at = datetime.now(timezone.utc)
    storage.state = STATE_OPEN
    with pytest.raises(BreakerOpen):
        breaker.call(pytest.fail)
    assert recorder.heard == ["closed -> open"]


def test_before_call_is_told_before_the_function_runs() -> None:
    recorder = Recorder()
    breaker = CircuitBreaker(listeners=[recorder])
    assert breaker.call(lambda: list(recorder.heard)) == ["before () {}"]


def test_ctrl_c_in_a_listener_gives_the_probe_back_and_stops_no_later_telling() -> None:
    class Interrupted(Recorder):
        def before_call(self, cb: Any, func: Any, *args: Any, **kwargs: Any) -> None:
            super().before_call(cb, func, *args, **kwargs)
            if len(self.heard) == 2:
                raise KeyboardInterrupt

    recorder = Interrupted()
    breaker = CircuitBreaker(listeners=[recorder])
    breaker.half_open()
    with pytest.raises(KeyboardInterrupt):
        breaker.call(pytest.fail)
    breaker.call(fine)
    assert recorder.heard[2:] == ["before () {}", "half-open -> closed", "success"]


def test_events_of_other_threads_wait_for_their_turn_and_none_is_lost() -> None:
    inside = threading.Event()

    class Slow(Recorder):
        def before_call(self, cb: Any, func: Any, *args: Any, **kwargs: Any) -> None:
            super().before_call(cb, func, *args, **kwargs)
            if args == ("first",):
                inside.set()
                while not cb._events:  # until the second has come
                    time.sleep(0.0001)

    recorder = Slow()
    breaker = CircuitBreaker(listeners=[recorder])

    def second() -> Any:
        assert inside.wait(PATIENCE)
        return breaker.call(fine, "second")

    in_threads(lambda: breaker.call(fine, "first"), second)
    assert recorder.heard[:2] == ["before ('first',) {}", "before ('second',) {}"]
    assert recorder.heard[2:] == ["success", "success"]


def test_listener_that_hangs_holds_no_other_call_for_ever(monkeypatch: Any) -> None:
    monkeypatch.setattr("resilient.circuit.listening.TURN", 0.01)
    inside, leave = threading.Event(), threading.Event()

    class Hung(pybreaker.CircuitBreakerListener):
        def success(self, cb: Any) -> None:
            inside.set()
            assert leave.wait(PATIENCE)

    breaker = CircuitBreaker(listeners=[Hung()])

    def others() -> Any:
        assert inside.wait(PATIENCE)
        try:
            return [breaker.call(fine) for _ in range(3)]
        finally:
            leave.set()

    assert in_threads(lambda: breaker.call(fine), others) == [((), {}), [((), {})] * 3]


def test_listener_that_hangs_misses_the_oldest_events_and_fills_no_memory(monkeypatch: Any) -> None:
    monkeypatch.setattr("resilient.circuit.listening.TURN", 0.01)
    monkeypatch.setattr("resilient.circuit.listening.MOST_EVENTS", 3)
    inside, leave = threading.Event(), threading.Event()

    class Hung(Recorder):
        def success(self, cb: Any) -> None:
            super().success(cb)
            inside.set()
            assert leave.wait(PATIENCE)

    hung = Hung()
    breaker = CircuitBreaker(listeners=[hung])

    def others() -> None:
        assert inside.wait(PATIENCE)
        for number in range(4):
            breaker.call(fine, number)
        leave.set()

    in_threads(lambda: breaker.call(fine, "first"), others)
    assert hung.heard == ["before ('first',) {}", "success", "success", "before (3,) {}", "success"]


@pytest.mark.stress
def test_many_threads_agree_on_every_count() -> None:
    recorder = Recorder()
    breaker = CircuitBreaker(fail_max=10**9, listeners=[recorder])
    together = threading.Barrier(8)

    def work() -> None:
        together.wait(PATIENCE)
        for turn in range(500):
            with contextlib.suppress(OSError):
                breaker.call(failing if turn % 2 else fine)

    in_threads(*[work] * 8)
    assert len(recorder.heard) == 8 * 500 * 2
    assert recorder.heard.count("success") == 8 * 250
    assert breaker.listener_errors == 0
