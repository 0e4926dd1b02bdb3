from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from loguru import logger

from resilient.call import Call, Outcome, Target, Verdict, listeners
from resilient.diagnostics import logs
from resilient.registry import Registry
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
    sink = logger.add(
        lambda text: seen.append({**text.record, "text": str(text)}),
        level=0,
        # Stores of former tests, which nobody has collected yet, go on stepping.
        filter=lambda record: record["thread"].name != "resilient-sharing",
    )
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


@pytest.fixture
def registry(clock: FakeClock) -> Registry:
    return Registry()


@pytest.fixture
def busy(
    registry: Registry, make_call: MakeCall, lines: logs.StepLines, clock: FakeClock
) -> Registry:
    """Two functions with something of everything."""
    repos = registry.stats_of("github", "repos")
    repos.durations += [0.01] * 1_300
    repos.saved += [0.25] * 400
    retried = make_call()
    retried.report("retry", "again", waited=1.5)
    retried.next_attempt()
    repos.record(retried)
    failed = make_call()
    failed.report("retry", "again", waited=0.5)
    failed.next_attempt()
    failed.outcome = Outcome(Verdict.TRANSIENT, "InvalidToken")
    repos.record(failed, OSError())
    observed = make_call()
    observed.report("would_throttle", "would wait", waited=99.0)
    repos.record(observed)
    pay = registry.stats_of("stripe", "pay")
    pay.durations += [0.5] * 4
    for kind in ("breaker_refused", "rate_limited", "bulkhead_full", "deadline"):
        call = make_call(service="stripe", name="pay")
        call.report(kind, "refused")
        call.outcome = Outcome(Verdict.REFUSED, "refused")
        call.degraded = kind == "breaker_refused"
        pay.record(call, None if call.degraded else OSError())
    clock.advance(60)
    return registry
