from __future__ import annotations

import random

import pytest

from resilient.diagnostics.alerts.unusual import LEAST, MOST, latency_band, rate_band
from resilient.testing import FakeClock
from tests.diagnostics.alerts.conftest import Traffic, Watch, told


def test_nothing_is_unusual_while_little_is_known() -> None:
    assert latency_band([0.2] * (LEAST - 1)) is None
    assert rate_band([0.0] * (LEAST - 1), 100) is None


def test_the_band_is_not_moved_by_a_few_bad_windows() -> None:
    calm = latency_band([0.2, 0.21, 0.19] * 10)
    with_outage = latency_band([0.2, 0.21, 0.19] * 10 + [30.0] * 5)
    assert calm
    assert with_outage
    assert with_outage.middle == pytest.approx(calm.middle, rel=0.1)
    assert with_outage.limit < 0.4


def test_few_calls_make_a_wider_band_than_many() -> None:
    few, many = rate_band([0.0] * 20, 10), rate_band([0.0] * 20, 10_000)
    assert few
    assert many
    assert few.limit > 0.2
    assert many.limit == pytest.approx(0.05)


def test_noise_alone_is_not_unusual() -> None:
    draw = random.Random(7)
    alarms = looks = 0
    for _ in range(20):
        past: list[float] = []
        for _ in range(100):
            calls = sorted(draw.lognormvariate(-2, 0.7) for _ in range(50))
            latency = calls[47]
            band = latency_band(past[-MOST:])
            if band is not None:
                looks += 1
                alarms += latency > band.limit
            past.append(latency)
    assert alarms / looks < 0.001


@pytest.mark.parametrize("calls", [3, 20])
def test_where_one_call_in_twenty_is_slow_its_percentile_is_not_unusual(
    traffic: Traffic, watch: Watch, clock: FakeClock, calls: int
) -> None:
    rule = watch(unusual=True)
    draw = random.Random(7)
    news = []
    for _ in range(12 * 60):
        slow = sum(draw.random() < 0.05 for _ in range(calls))
        traffic.calls(ok=calls - slow, seconds=0.2)
        traffic.calls(ok=slow, seconds=2.0)
        clock.advance(60)
        news += rule._alerts.check()
    assert news == []


def test_more_failures_than_chance_explains_are_unusual() -> None:
    band = rate_band([0.01] * 20, 100)
    assert band
    assert 0.05 < band.limit < 0.1
    few = rate_band([0.0] * 20, 15)
    assert few
    assert 3 / 15 < few.limit < 4 / 15


def test_a_function_that_gets_slow_is_told_with_what_is_usual(
    traffic: Traffic, watch: Watch, clock: FakeClock
) -> None:
    rule = watch(unusual=True)
    look = rule._alerts.check
    for minute in range(120):
        traffic.calls(ok=20, seconds=0.2 + 0.01 * (minute % 3))
        clock.advance(60)
        assert look() == []
    for _ in range(6):
        traffic.calls(ok=20, seconds=2.4)
        clock.advance(60)
        news = look()
        if news:
            break
    [alert] = news
    assert told(news) == [("alert", "github.repos", "unusual_latency")]
    assert alert.text.startswith("p95 latency is 2.")
    assert "usually 2" in alert.text
    assert "windows of 5 min before; above" in alert.text
    for _ in range(60):
        traffic.calls(ok=20, seconds=0.2)
        clock.advance(60)
        news += look()
    assert [one.status for one in news] == ["alert", "all_clear"]


def test_a_function_that_begins_to_fail_is_told(
    traffic: Traffic, watch: Watch, clock: FakeClock
) -> None:
    rule = watch(unusual=True)
    look = rule._alerts.check
    for minute in range(120):
        traffic.calls(ok=99, bad=minute % 2)
        clock.advance(60)
        assert look() == []
    traffic.calls(ok=60, bad=200)
    clock.advance(60)
    news = look()
    assert told(news) == [("alert", "github.repos", "unusual_failure_rate")]
    assert "of calls failed, usually 0." in news[0].text


def test_what_lasts_becomes_usual(traffic: Traffic, watch: Watch, clock: FakeClock) -> None:
    rule = watch(unusual=True, cooldown="5m")
    look = rule._alerts.check
    for _ in range(60):
        traffic.calls(ok=20, seconds=0.2)
        clock.advance(60)
        look()
    news = []
    for _ in range(600):
        traffic.calls(ok=20, seconds=0.9)
        clock.advance(60)
        news += look()
    assert news[0].status == "alert"
    assert news[-1].status == "all_clear"
    assert all(one.status == "escalated" for one in news[1:-1])


def test_the_past_of_a_function_is_bounded(
    traffic: Traffic, watch: Watch, clock: FakeClock
) -> None:
    rule = watch(unusual=True, over="1m")
    for _ in range(200):
        traffic.calls(ok=20)
        clock.advance(60)
        rule._alerts.check()
    assert len(rule._pasts["github.repos"].latencies) == MOST
