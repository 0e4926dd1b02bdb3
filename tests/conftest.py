from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from resilient.call import current, listeners
from resilient.diagnostics import logs

# How long an example takes is the machine's business.
settings.register_profile("resilient", deadline=None)
settings.load_profile("resilient")


@pytest.fixture(autouse=True)
def _one_test_leaves_nothing_to_the_next() -> Iterator[None]:
    """What is counted or told once per process is so per test; and no call stays open."""
    before = listeners._all
    logs.lines.renew()
    listeners.errors = 0
    yield
    listeners.errors = 0
    assert listeners._all == before, "a listener was left behind"
    assert current.get() is None, "a call was left open"
