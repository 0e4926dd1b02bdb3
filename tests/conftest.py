from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from resilient.call import current, listeners
from resilient.diagnostics import logs
from resilient.http.learned import learned
from resilient.testing import FakeClock, RecordedSteps, fake_clock, record_steps
from tests import quickstart
from tests.threads import REAL_LIMIT, StartThread

# How long an example takes is the machine's business.
settings.register_profile("resilient", deadline=None)
# For the second and third Python of .ci/run: what examples find, they find on the first.
settings.register_profile("few", deadline=None, max_examples=25)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "resilient"))

# Dozens of tests start interpreters, each of which would compile all of resilient anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell ignores Ctrl-C for what it starts in the background, and so would every process of ours.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Collecting makes a million objects that live as long as the run: no garbage is among them (a third
# of the time), and no test has to look through them for its own (each `gc.collect()`, 0.1 s).
gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The quickstart takes ten seconds, nearly all of them waits: other tests run meanwhile."""
    items.sort(key=quickstart.is_about)


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.collect()
    gc.freeze()
    gc.enable()
    if not session.config.option.collectonly and any(map(quickstart.is_about, session.items)):
        quickstart.start()


def pytest_unconfigure() -> None:
    quickstart.stop()


@pytest.fixture(autouse=True)
def _one_test_leaves_nothing_to_the_next() -> Iterator[None]:
    """What is counted or told once per process is so per test; and no call stays open."""
    before = listeners._all
    logs.lines.renew()
    listeners.errors = 0
    learned.clear()
    yield
    listeners.errors = 0
    learned.clear()
    assert listeners._all == before, "a listener was left behind"
    assert current.get() is None, "a call was left open"


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    with fake_clock() as clock:
        yield clock


@pytest.fixture
def steps() -> Iterator[RecordedSteps]:
    with record_steps() as steps:
        yield steps


@pytest.fixture
def in_thread() -> Iterator[StartThread]:
    """Starts threads, and sees them end."""
    started: list[threading.Thread] = []

    def start(work: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=work, daemon=True)
        started.append(thread)
        thread.start()
        return thread

    yield start
    for thread in started:
        thread.join(REAL_LIMIT)
        assert not thread.is_alive()
