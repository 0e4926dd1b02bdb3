from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from resilient.call import current, listeners
from resilient.diagnostics import logs
from resilient.http.learned import learned
from resilient.testing import FakeClock, RecordedSteps, fake_clock, record_steps
from tests.threads import REAL_LIMIT, StartThread

# How long an example takes is the machine's business.
settings.register_profile("resilient", deadline=None)
settings.load_profile("resilient")


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
