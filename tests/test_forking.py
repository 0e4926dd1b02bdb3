"""What a forked child must not inherit."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from resilient.forking import keep_forkable

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


class Renewed:
    """Counts how often it was renewed, if it can be."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.count = 0
        keep_forkable(self)

    def renew_in_child(self) -> None:
        if self.fails:
            raise RuntimeError("can't start new thread")
        self.count += 1


def test_what_can_t_be_renewed_in_a_child_keeps_nothing_else_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda said: told.append(str(said.exc_value)))
    things = [Renewed(fails=number % 2 == 0) for number in range(10)]
    child = os.fork()
    if not child:
        is_told = "can't start new thread" in told
        os._exit(sum(thing.count for thing in things) + 10 * is_told)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 15


WITHOUT_THREADS = """
import os, signal, threading
import resilient
from resilient.diagnostics import dump_on_signal
from resilient.ticking import Ticker

resilient.alert(failure_rate=0.5)
dump_on_signal(signal.SIGUSR2)
ticker = Ticker(print, 3600, "test")
ticker.start()

def fails(_):
    raise RuntimeError("can't start new thread")
threading.Thread.start = fails
child = os.fork()
if child:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), threading.active_count() - 1)
else:
    os._exit(10 * threading.active_count() + ticker.is_running)
"""


def test_a_child_that_can_have_no_thread_goes_without_and_says_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_THREADS],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.split(), done.stderr) == (["10", "3"], "")
