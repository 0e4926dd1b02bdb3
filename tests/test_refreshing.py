from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Iterator
from contextvars import ContextVar

import pytest

from resilient import refreshing
from resilient.forking import _renew_in_child
from resilient.refreshing import Refreshes
from resilient.testing import FakeClock
from tests.threads import until

name: ContextVar[str] = ContextVar("name", default="none")


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Work that waits for it holds its thread."""
    gate = threading.Event()
    yield gate
    gate.set()


def threads() -> int:
    return sum(thread.name == "resilient-refresh" for thread in threading.enumerate())


def test_work_is_done_once_per_key_at_a_time(gate: threading.Event) -> None:
    pool = Refreshes()
    done: list[int] = []

    def work() -> None:
        gate.wait(20)
        done.append(1)

    assert [pool.submit("key", work) for _ in range(20)] == [True] + [False] * 19
    assert not pool.flush(0.01)
    gate.set()
    assert pool.flush()
    assert done == [1]
    assert pool.submit("key", work)
    assert pool.flush()
    assert done == [1, 1]


def test_what_comes_while_too_much_waits_is_turned_away(gate: threading.Event) -> None:
    pool = Refreshes(workers=1, waiting=2)
    begun = threading.Event()

    def work() -> None:
        begun.set()
        gate.wait(20)

    assert pool.submit(0, work)
    assert begun.wait(20)
    assert [pool.submit(key, work) for key in (1, 2, 3)] == [True, True, False]
    gate.set()
    assert pool.flush()
    assert pool.submit(3, work)
    assert pool.flush()


def test_no_more_threads_are_started_than_allowed_and_than_needed(gate: threading.Event) -> None:
    pool = Refreshes(workers=3)
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait(20)
        gate.wait(20)

    for key in range(6):
        assert pool.submit(key, barrier.wait if key > 2 else work)
    barrier.wait(20)
    assert pool._threads == 3
    barrier.abort()
    gate.set()
    assert pool.flush()
    for key in range(6):
        assert pool.submit(key, lambda: None)
        assert pool.flush()
    assert pool._threads == 3


def test_an_error_ends_neither_the_thread_nor_anybody_elses_work() -> None:
    pool = Refreshes(workers=1)
    done: list[int] = []

    def fail() -> None:
        raise SystemExit

    assert pool.submit(1, fail)
    assert pool.submit(2, lambda: 1 / 0)
    assert pool.submit(3, lambda: done.append(3))
    assert pool.flush()
    assert done == [3]
    assert pool.submit(1, fail)
    assert pool.flush()


def test_work_runs_in_a_context_of_its_own() -> None:
    pool = Refreshes()
    seen: list[str] = []
    token = name.set("caller")
    pool.submit(1, lambda: seen.append(name.get()))
    assert pool.flush()
    name.reset(token)
    assert seen == ["none"]


def test_a_thread_without_work_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refreshing, "LINGER", 0.0)
    pool = Refreshes()
    pool.submit(1, lambda: None)
    assert pool.flush()
    until(lambda: pool._threads == 0)
    pool.submit(1, lambda: None)
    assert pool.flush()


def test_under_a_fake_clock_no_thread_waits_for_work(clock: FakeClock) -> None:
    before = threads()
    pool = Refreshes()
    pool.submit(1, lambda: None)
    assert pool.flush()
    until(lambda: threads() <= before)
    assert clock.now == 0
    assert clock.slept == []


def test_done_work_is_let_go_of() -> None:
    class Thing:
        def work(self) -> None:
            """Nothing."""

    pool = Refreshes()
    thing = Thing()
    gone = weakref.ref(thing)
    pool.submit(1, thing.work)
    assert pool.flush()
    del thing
    until(lambda: (gc.collect(), gone() is None)[1])


def test_a_key_that_can_not_be_hashed_is_turned_away() -> None:
    assert not Refreshes().submit([], lambda: None)  # type: ignore[arg-type]


def test_no_thread_to_be_had_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = Refreshes()
    monkeypatch.setattr(threading.Thread, "start", start)
    assert not pool.submit(1, lambda: None)
    monkeypatch.undo()
    assert pool.submit(1, lambda: None)
    assert pool.flush()


def test_a_forked_child_starts_afresh(gate: threading.Event) -> None:
    pool = Refreshes(workers=1)
    pool.submit(1, lambda: gate.wait(20))
    pool._lock.acquire()
    _renew_in_child()  # what runs in the child: the locks are open, the threads are not there
    gate.set()
    assert pool.submit(1, lambda: None)
    assert pool.flush()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_real_child_does_its_own_work(gate: threading.Event) -> None:
    pool = Refreshes(workers=1)
    pool.submit(1, lambda: gate.wait(20))
    child = os.fork()
    if child == 0:
        done: list[int] = []
        pool.submit(1, lambda: done.append(1))
        os._exit(0 if pool.flush(10) and done else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
