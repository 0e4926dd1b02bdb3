from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from loguru import logger

from resilient.call import Call, Target, listeners
from resilient.diagnostics import logs
from resilient.testing import FakeClock

MakeCall = Callable[..., Call]


@pytest.fixture
def make_call() -> MakeCall:
    """Calls as the wrapper opens them: `make_call(1, context={…})`."""

    def make(*args: Any, service: str = "github", name: str = "repos", **options: Any) -> Call:
        return Call.of(Target(lambda: None, service=service, name=name, **options), *args)

    return make


@pytest.fixture
def records() -> Iterator[list[dict[str, Any]]]:
    """What any sink of the application gets to see."""
    seen: list[dict[str, Any]] = []
    sink = logger.add(lambda text: seen.append({**text.record, "text": str(text)}), level=0)
    yield seen
    logger.remove(sink)


@pytest.fixture
def lines(clock: FakeClock) -> Iterator[logs.StepLines]:
    """The only listener that writes lines, with no flood behind it."""
    was_installed = logs.lines in listeners._all
    logs.uninstall()
    fresh = logs.StepLines()
    listeners.add(fresh)
    yield fresh
    listeners.remove(fresh)
    if was_installed:
        logs.install()
