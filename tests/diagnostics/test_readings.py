from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient import breaker, bulkhead, registry, service, throttled
from resilient.call import Exchange, Outcome, Verdict
from resilient.diagnostics import readings
from resilient.diagnostics.readings import (
    BREAKER,
    CALLS,
    FAILURES,
    HITS,
    LATENCY,
    METRICS,
    PLACES,
    QUOTA_LEFT,
    QUOTA_LIMIT,
    REQUESTS,
    RUNNING,
    SAVED,
    WAITED,
    Reader,
)
from resilient.diagnostics.states import BREAKER_STATES, states_of
from resilient.registry import OTHERS, Histogram, Registry
from resilient.testing import FakeClock
from tests.diagnostics.conftest import MakeCall


def test_figures_are_read_with_their_labels(busy: Registry) -> None:
    reading = Reader(busy).read()
    assert reading[CALLS]["github", "repos", "ok"] == 1_299
    assert reading[CALLS]["github", "repos", "transient"] == 1
    assert reading[WAITED] == {
        ("github", "repos", "retry"): 2.0,
        ("github", "repos", "would_throttle"): 99.0,
    }
    assert reading[HITS] == {("github", "repos", "result"): 400}
    assert reading[SAVED]["github", "repos", "result"] == pytest.approx(100.0)
    assert sum(reading[LATENCY]["github", "repos"].counts) == 1_300


def test_nothing_is_read_where_nothing_was_called(registry: Registry) -> None:
    registry.stats_of("github", "repos")
    assert not any(Reader(registry).read().values())


def test_metrics_have_names_of_their_own() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)


def test_functions_beyond_the_most_are_lumped_together_for_good(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "MOST_FUNCTIONS", 2)
    for number in range(5):
        registry.stats_of("vendor", f"{number}").durations.append(0.1)
    reader = Reader(registry)
    before = reader.read()[CALLS]
    assert before == {
        ("vendor", "0", "ok"): 1,
        ("vendor", "1", "ok"): 1,
        (OTHERS, OTHERS, "ok"): 3,
    }
    assert reader.read()[LATENCY][OTHERS, OTHERS].total == pytest.approx(0.3)
    registry.stats_of("vendor", "").durations.append(0.1)  # sorts before the rest
    assert reader.read()[CALLS] == {**before, (OTHERS, OTHERS, "ok"): 4}


def test_hosts_beyond_the_most_are_lumped_and_reasons_left_out(
    registry: Registry, make_call: MakeCall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "MOST_HOSTS", 2)
    monkeypatch.setattr(readings, "MOST_REASONS", 2)
    stats = registry.stats_of("github", "repos")
    for number in range(5):
        call = make_call()
        call.add_exchange(Exchange("GET", f"{number}.example", 0.0))
        call.outcome = Outcome(Verdict.BROKEN, f"E{number}")
        stats.durations.append(0.1)
        stats.record(call, OSError())
    reading = Reader(registry).read()
    assert reading[REQUESTS]["github", "repos", OTHERS] == 3
    assert len(reading[REQUESTS]) == 3
    assert len(reading[FAILURES]) == 2


def test_labels_hold_no_secret_and_no_odd_sign(registry: Registry) -> None:
    secret = "ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8"
    registry.stats_of("github", f"of {secret}").durations.append(0.1)
    registry.stats_of("github", "odd \ud800").durations.append(0.1)
    shown = [labels[1] for labels in Reader(registry).read()[CALLS]]
    assert shown == ["odd ?", "of ***"]


def test_what_policies_know_is_read_of_called_functions_alone(clock: FakeClock) -> None:
    registry.reset()

    @service("readings", breaker(), throttled("100/s"), bulkhead(3))
    def called() -> dict[Any, Any]:
        return Reader(registry).read()

    @service("readings", breaker())
    def idle() -> None: ...

    called()
    reading = called()
    key = ("readings", "called")
    assert {labels[2]: value for labels, value in reading[BREAKER].items()} == {
        **dict.fromkeys(BREAKER_STATES, 0),
        "closed": 1,
    }
    assert {labels[:2] for labels in reading[BREAKER]} == {key}
    assert reading[RUNNING][key] == 1
    assert reading[PLACES][key] == 3
    assert reading[QUOTA_LIMIT][key] == 100
    assert reading[QUOTA_LEFT][key] == 98
    assert idle.resilient


def test_a_breaker_an_operator_has_isolated_is_told_so() -> None:
    @breaker
    def guarded() -> None: ...

    guarded.resilient.breaker.isolate()
    assert states_of(guarded.resilient) == {"breaker": "isolated"}


def test_a_policy_that_cannot_tell_its_state_costs_no_figures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.reset()

    @service("readings", breaker())
    def called() -> None: ...

    called()
    broken = property(lambda _: 1 / 0)
    monkeypatch.setattr(type(called.resilient.breaker), "shown_state", broken)
    reading = Reader(registry).read()
    assert reading[BREAKER] == {}
    assert reading[CALLS]["readings", "called", "ok"] == 1


@given(
    durations=st.lists(st.floats(1e-6, 1e4), max_size=50),
    bounds=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=8, unique=True).map(sorted),
)
def test_a_spread_loses_nothing_and_meets_each_bound_to_two_percent(
    durations: list[float], bounds: Sequence[float]
) -> None:
    histogram = Histogram()
    histogram.add(durations)
    counts = histogram.spread(bounds)
    assert sum(counts) == len(durations)
    assert len(counts) == len(bounds) + 1
    for bound, within in zip(bounds, itertools.accumulate(counts), strict=False):
        surely = sum(duration <= bound / 1.05 for duration in durations)
        perhaps = sum(duration <= bound * 1.05 for duration in durations)
        assert surely <= within <= perhaps


def test_an_endless_duration_is_beyond_all_bounds() -> None:
    histogram = Histogram()
    histogram.add([0.0, math.inf])
    assert histogram.spread([1.0]) == [1, 1]
