from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from loguru import logger

from resilient.diagnostics import signals
from resilient.diagnostics.signals import dump_on_signal
from resilient.errors import ConfigurationError
from resilient.registry import Registry
from tests.threads import REAL_LIMIT

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR2"), reason="this system has no SIGUSR2")


@pytest.fixture(autouse=True)
def _handlers_are_given_back() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR2)
    yield
    for dumper in list(signals._dumpers.values()):
        dumper.stop()
    signals._dumpers.clear()
    assert signal.getsignal(signal.SIGUSR2) == before


@pytest.fixture
def dumped() -> Iterator[threading.Semaphore]:
    """Released for each dump that was written."""
    arrived = threading.Semaphore(0)
    sink = logger.add(
        lambda text: arrived.release(), filter=lambda record: "resilient_stats" in record["extra"]
    )
    yield arrived
    logger.remove(sink)


@pytest.fixture
def used() -> Registry:
    registry = Registry()
    registry.stats_of("github", "repos").durations.append(0.1)
    return registry


def test_a_signal_dumps_the_figures_from_a_thread(
    used: Registry, dumped: threading.Semaphore
) -> None:
    dump_on_signal(registry=used)
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGUSR2)
        assert dumped.acquire(timeout=REAL_LIMIT)


def test_a_signal_may_come_while_a_dump_is_written(
    used: Registry, dumped: threading.Semaphore
) -> None:
    # The handler takes no lock: it may interrupt whoever holds it.
    dump_on_signal(registry=used)
    sink = logger.add(lambda text: os.kill(os.getpid(), signal.SIGUSR2))
    try:
        logger.info("a line")
    finally:
        logger.remove(sink)
    assert dumped.acquire(timeout=REAL_LIMIT)


def test_who_handled_the_signal_before_still_does(
    used: Registry, dumped: threading.Semaphore
) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: heard.append(number))
    try:
        dumper = dump_on_signal(registry=used)
        os.kill(os.getpid(), signal.SIGUSR2)
        assert dumped.acquire(timeout=REAL_LIMIT)
        dumper.stop()
        dumper.stop()
        os.kill(os.getpid(), signal.SIGUSR2)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert heard == [signal.SIGUSR2] * 2
    assert not dumped.acquire(blocking=False)


def test_asking_again_replaces_the_dumper(used: Registry, dumped: threading.Semaphore) -> None:
    first = dump_on_signal(registry=used)
    second = dump_on_signal(registry=used)
    assert not first._thread.is_alive()
    os.kill(os.getpid(), signal.SIGUSR2)
    assert dumped.acquire(timeout=REAL_LIMIT)
    second.stop()
    assert not dumped.acquire(blocking=False)


def test_a_failing_dump_is_counted_and_the_next_one_tried(dumped: threading.Semaphore) -> None:
    class Broken(Registry):
        fails = 1

        def process(self) -> dict[str, Any]:
            if self.fails:
                self.fails -= 1
                raise RuntimeError("broken")
            return super().process()

    registry = Broken()
    registry.stats_of("github", "repos").durations.append(0.1)
    dumper = dump_on_signal(registry=registry)
    os.kill(os.getpid(), signal.SIGUSR2)
    os.kill(os.getpid(), signal.SIGUSR2)
    dumper._asked.put(True)
    assert dumped.acquire(timeout=REAL_LIMIT)
    assert dumper.errors == 1


@pytest.mark.parametrize(
    "wrong", [0, -1, 10_000, True, "USR2", 3.0, getattr(signal, "SIGKILL", None)], ids=repr
)
def test_what_is_no_signal_that_can_be_handled_is_refused(wrong: Any) -> None:
    threads = threading.active_count()
    with pytest.raises(ConfigurationError, match=r"dump_on_signal\(.*use .*signal\.SIGUSR2"):
        dump_on_signal(wrong)
    assert threading.active_count() <= threads + 1


def test_a_signal_can_only_be_asked_for_in_the_main_thread(in_thread: Any) -> None:
    errors: list[ConfigurationError] = []

    def ask() -> None:
        try:
            dump_on_signal()
        except ConfigurationError as error:
            errors.append(error)

    in_thread(ask).join(REAL_LIMIT)
    assert "from the main thread" in str(errors[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_dumps_its_own_figures() -> None:
    code = """
import os, signal, sys, threading
from loguru import logger
from resilient.diagnostics.signals import dump_on_signal
from resilient.registry import registry
logger.remove()
dump_on_signal()
child = os.fork()
if child == 0:
    arrived = threading.Event()
    logger.add(lambda text: arrived.set())
    registry.stats_of("github", "repos").durations.append(0.5)
    os.kill(os.getpid(), signal.SIGUSR2)
    os._exit(0 if arrived.wait(30) else 1)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)
