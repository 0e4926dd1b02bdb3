from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from resilient.call import Call, Outcome, Target, Verdict
from resilient.diagnostics.alerts import watcher
from resilient.diagnostics.alerts.engine import AlertRule, Alerts
from resilient.diagnostics.alerts.rules import rule_of
from resilient.diagnostics.alerts.telling import Alert
from resilient.registry import Registry
from resilient.testing import FakeClock

Watch = Callable[..., AlertRule]


class Traffic:
    """A registry that is written to as the wrapper does."""

    def __init__(self, registry: Registry, clock: FakeClock) -> None:
        self.registry = registry
        self._clock = clock

    def calls(
        self,
        ok: int = 0,
        bad: int = 0,
        *,
        name: str = "repos",
        service: str = "github",
        seconds: float = 0.1,
        verdict: Verdict = Verdict.TRANSIENT,
        retries: int = 0,
        hidden: bool = False,
    ) -> None:
        """Calls that end now. bad: those of `verdict`. hidden: a fallback answered them."""
        stats = self.registry.stats_of(service, name)
        stats.durations += [seconds] * (ok + bad)
        for _ in range(bad):
            call = self._call(service, name)
            call.attempt += retries
            call.outcome = Outcome(verdict, verdict.value)
            call.degraded = hidden
            stats.record(call, None if hidden else OSError())

    def _call(self, service: str, name: str) -> Call:
        return Call.of(Target(lambda: None, service=service, name=name))


@pytest.fixture
def traffic(registry: Registry, clock: FakeClock) -> Traffic:
    return Traffic(registry, clock)


@pytest.fixture
def alerts(registry: Registry) -> Alerts:
    return Alerts(registry)


@pytest.fixture
def watch(alerts: Alerts) -> Watch:
    """Adds a rule: `watch(failure_rate=0.2, hold=0)`."""

    def add(*receivers: Any, **options: Any) -> AlertRule:
        times = {"over": "5m", "hold": 0, "cooldown": "15m", "min_calls": 10, "on": "*"}
        others = {"breaker_open": False, "unusual": False}
        given = {**times, **others, **options}
        named = {name: given.pop(name) for name in [*times, *others]}
        return alerts.add(rule_of(given, **named), receivers)

    return add


@pytest.fixture(autouse=True)
def _no_rule_is_left_in_force(clock: FakeClock) -> Iterator[None]:
    yield
    for rule in watcher._alerts.rules:
        rule.stop()


def told(news: list[Alert]) -> list[tuple[str, str, str]]:
    return [(alert.status, alert.subject, alert.condition) for alert in news]
