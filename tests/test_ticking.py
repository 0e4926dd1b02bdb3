"""A thread that does something every so often."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from resilient.ticking import Ticker
from tests.threads import REAL_LIMIT, until

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def test_it_ticks_until_it_is_stopped() -> None:
    ticked = []
    ticker = Ticker(lambda: ticked.append(1), 0.001, "test")
    ticker.start()
    until(lambda: len(ticked) >= 3)
    ticker.stop()
    count = len(ticked)
    assert not ticker.is_running
    until(lambda: "test" not in [thread.name for thread in threading.enumerate()])
    assert len(ticked) == count


def test_who_hurries_does_not_wait_for_the_next_tick() -> None:
    ticked = threading.Event()
    ticker = Ticker(ticked.set, 3600, "test")
    ticker.start()
    ticker.hurry()
    assert ticked.wait(REAL_LIMIT)
    ticker.stop()


def test_an_error_is_counted_and_the_next_tick_comes() -> None:
    ticked = []

    def tick() -> None:
        ticked.append(1)
        raise RuntimeError

    ticker = Ticker(tick, 0.001, "test")
    ticker.start()
    until(lambda: len(ticked) >= 2)
    ticker.stop()
    assert ticker.errors == len(ticked)


def test_it_may_be_stopped_by_its_own_tick_and_started_again() -> None:
    ticked = []

    def tick() -> None:
        ticked.append(threading.get_ident())
        ticker.stop()

    ticker = Ticker(tick, 0.001, "test")
    for times in (1, 2):
        ticker.start()
        until(lambda times=times: len(ticked) == times)  # type: ignore[misc]
        until(lambda: not ticker.is_running)
    assert len(ticked) == 2


def test_starting_it_twice_starts_one_thread() -> None:
    ticker = Ticker(lambda: None, 3600, "ticks once")
    ticker.start()
    ticker.start()
    assert [thread.name for thread in threading.enumerate()].count("ticks once") == 1
    ticker.stop()
    ticker.stop()


def test_an_aligned_one_ticks_at_multiples_of_its_time() -> None:
    ticked: list[float] = []
    ticker = Ticker(lambda: ticked.append(time.time()), 0.05, "test", aligned=True)
    ticker.start()
    until(lambda: len(ticked) >= 2)
    ticker.stop()
    # Late by what the machine takes, and never early by more than its timer's grain.
    assert all(moment % 0.05 < 0.049 or moment % 0.05 > 0.0499 for moment in ticked)
    assert ticked[1] // 0.05 > ticked[0] // 0.05


@forks
def test_it_goes_on_in_a_forked_child_if_it_ran() -> None:
    read, write = os.pipe()

    def tick() -> None:
        os.write(write, b"%d " % os.getpid())
        raise RuntimeError  # counted, so that the child knows that it has ticked

    running = Ticker(tick, 0.001, "test")
    stopped = Ticker(lambda: os.write(write, b"never "), 0.001, "test")
    running.start()
    child = os.fork()
    if not child:
        ticks = running.errors
        try:
            until(lambda: running.errors > ticks)
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    running.stop()
    assert not stopped.is_running
    os.close(write)
    with os.fdopen(read, "rb") as told:
        words = told.read().split()
    assert b"%d" % child in words
    assert b"never" not in words


@forks
def test_a_forked_child_begins_anew_before_it_goes_on() -> None:
    told: list[str] = []
    ticker = Ticker(lambda: told.append("ticked"), 0.001, "test", renew=lambda: told.append("new"))
    ticker.start()
    until(lambda: told)
    child = os.fork()
    if not child:
        try:
            until(lambda: "ticked" in told[told.index("new") :])
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    ticker.stop()
    assert "new" not in told


def test_a_program_that_ends_is_told_so_instead_of_waiting_for_a_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ticker = Ticker(lambda: None, 0.001, "test")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "is_finalizing", lambda: True)
        with pytest.raises(RuntimeError, match="shutdown"):
            ticker.start()
    assert not ticker.is_running


def test_where_no_thread_could_be_had_one_is_started_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    ticked = threading.Event()
    ticker = Ticker(ticked.set, 0.001, "test")
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fails)
        with pytest.raises(RuntimeError):
            ticker.start()
    assert not ticker.is_running
    ticker.start()
    assert ticked.wait(REAL_LIMIT)
    ticker.stop()
