from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from resilient.stores import sqlite_forks
from resilient.stores.sqlite_connections import Connections
from resilient.stores.sqlite_forks import ForkGate
from tests.threads import REAL_LIMIT, StartThread, until

forks = pytest.mark.skipif(sys.platform == "win32", reason="no forks here")


class Open:
    def __init__(self) -> None:
        self.closed: list[bool] = []

    def close(self) -> None:
        self.closed.append(True)


def test_a_fork_waits_for_who_is_inside_and_then_closes_what_is_open(
    in_thread: StartThread,
) -> None:
    gate, thing = ForkGate(), Open()
    gate.keep_closed(thing)
    entered, leaves = threading.Event(), threading.Event()

    def work() -> None:
        gate.enter()
        gate.enter()
        entered.set()
        leaves.wait(REAL_LIMIT)
        gate.leave()
        gate.leave()

    worker = in_thread(work)
    assert entered.wait(REAL_LIMIT)
    forking = in_thread(gate.before_fork)
    until(lambda: gate._forking)
    assert not thing.closed
    leaves.set()
    worker.join(REAL_LIMIT)
    forking.join(REAL_LIMIT)
    assert thing.closed == [True]


def test_nobody_enters_during_a_fork_but_who_is_inside_goes_further(
    in_thread: StartThread,
) -> None:
    gate = ForkGate()
    gate.enter()
    gate.before_fork()  # of this very thread, which can't wait for itself
    gate.enter()
    newcomer = in_thread(gate.enter)
    newcomer.join(0.02)
    assert newcomer.is_alive()
    gate.after_in_parent()
    newcomer.join(REAL_LIMIT)
    assert not newcomer.is_alive()


def test_nobody_enters_while_another_thread_is_still_to_fork(in_thread: StartThread) -> None:
    gate = ForkGate()
    gate.before_fork()
    forks = threading.Event()

    def fork_later() -> None:
        gate.before_fork()
        forks.wait(REAL_LIMIT)
        gate.after_in_parent()

    in_thread(fork_later)
    until(lambda: len(gate._forking) == 2)
    gate.after_in_parent()
    newcomer = in_thread(gate.enter)
    newcomer.join(0.02)
    assert newcomer.is_alive()
    forks.set()
    newcomer.join(REAL_LIMIT)
    assert not newcomer.is_alive()


def test_no_other_thread_forks_while_one_closes_what_is_open(in_thread: StartThread) -> None:
    class Slow(Open):
        def close(self) -> None:
            if not self.closed:
                self.closed.append(False)
                other = in_thread(gate.before_fork)
                other.join(0.02)
                self.closed[0] = other.is_alive()

    gate, thing = ForkGate(), Slow()
    gate.keep_closed(thing)
    gate.before_fork()
    assert thing.closed == [True]


def test_nobody_waits_for_ever_for_a_fork_that_waits_for_him(
    in_thread: StartThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_forks, "PATIENCE", 0.01)
    gate = ForkGate()
    gate.before_fork()
    newcomer = in_thread(gate.enter)
    newcomer.join(REAL_LIMIT)
    assert not newcomer.is_alive()


def test_what_others_do_before_a_fork_in_its_thread_may_enter() -> None:
    gate = ForkGate()
    gate.before_fork()
    gate.enter()
    gate.leave()
    gate.after_in_parent()
    assert not gate._inside


def test_a_fork_waits_no_longer_than_it_has_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_forks, "PATIENCE", 0.01)
    gate, thing = ForkGate(), Open()
    gate.keep_closed(thing)
    thread = threading.Thread(target=gate.enter)
    thread.start()
    thread.join()
    gate.before_fork()
    assert not thing.closed
    gate.after_in_child()
    assert not gate._inside


def test_leaving_without_having_entered_changes_nothing() -> None:
    gate = ForkGate()
    gate.leave()
    gate.enter()
    gate.leave()
    assert not gate._inside


@forks
def test_a_child_finds_no_file_open(tmp_path: Path) -> None:
    connections = Connections(tmp_path / "s.db", "label", 1.0)
    connections.run(lambda db: None)
    assert connections._spares._idle
    child = os.fork()
    if not child:
        os._exit(len(connections._spares._idle))
    assert os.waitpid(child, 0)[1] == 0
    connections.run(lambda db: None)
    connections.close()


@forks
@pytest.mark.stress
def test_children_that_are_forked_while_threads_write_can_write(
    tmp_path: Path, in_thread: StartThread
) -> None:
    connections = Connections(tmp_path / "s.db", "label", 1.0)
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            connections.write_one("INSERT OR REPLACE INTO epochs VALUES (?, 1)", [b"a"])

    threads = [in_thread(write) for _ in range(4)]
    ends = []
    for _ in range(30):
        child = os.fork()
        if not child:
            try:
                connections.write_one("INSERT OR REPLACE INTO epochs VALUES (?, 1)", [b"b"])
            finally:
                os._exit(sys.exc_info()[0] is not None)
        ends.append(os.waitpid(child, 0)[1])
    over.set()
    for thread in threads:
        thread.join(REAL_LIMIT)
    assert ends == [0] * 30
    connections.close()
