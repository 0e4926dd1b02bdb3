"""From calls to news: what `alert` watches, what it tells, and whom."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

import pytest

from resilient import breaker, retry, service, throttled, watching
from resilient.call import Verdict, current
from resilient.diagnostics.alerts import Alert, active_alerts, alert, check_alerts, watcher
from resilient.diagnostics.alerts.engine import Alerts
from resilient.diagnostics.alerts.rules import rule_of
from resilient.diagnostics.alerts.windows import Track
from resilient.diagnostics.logs import StepLines
from resilient.registry import Registry
from resilient.testing import FakeClock, RecordedSteps
from tests.diagnostics.alerts.conftest import Traffic, Watch, told
from tests.threads import REAL_LIMIT, StartThread

Records = list[dict[str, Any]]
TIMES: dict[str, Any] = {
    "over": "5m",
    "hold": "1m",
    "cooldown": "15m",
    "min_calls": 10,
    "on": "*",
    "breaker_open": False,
    "unusual": False,
}


@pytest.mark.parametrize(
    ("options", "calls", "text"),
    [
        (
            {"failure_rate": 0.2},
            {"ok": 79, "bad": 21},
            "21 % of calls failed over the last 60 s, limit 20 % (100 calls)",
        ),
        (
            {"failure_rate": 0.2},
            {"ok": 0, "bad": 10, "hidden": True},
            "100 % of calls failed over the last 60 s, limit 20 % (10 calls)",
        ),
        (
            {"error_rate": 0.5},
            {"ok": 2, "bad": 10, "verdict": Verdict.MISTAKE},
            "83.3 % of calls raised over the last 60 s, limit 50 % (12 calls)",
        ),
        (
            {"latency_p95": "2s"},
            {"ok": 10, "seconds": 4.0},
            "p95 latency is 3.97 s over the last 60 s, limit 2.00 s (10 calls)",
        ),
        (
            {"retries_amplified": 1.5},
            {"bad": 10, "retries": 2},
            "retries make 3.00 attempts of each call over the last 60 s, limit 1.50 attempts "
            "(10 calls)",
        ),
    ],
)
def test_a_condition_that_comes_true_is_told_in_words(
    traffic: Traffic,
    watch: Watch,
    alerts: Alerts,
    clock: FakeClock,
    options: dict[str, Any],
    calls: dict[str, Any],
    text: str,
) -> None:
    watch(**options)
    clock.advance(60)
    traffic.calls(**calls)
    [news] = alerts.check()
    [condition] = options
    text = text.replace("60 s", "1 min")
    assert told([news]) == [("alert", "github.repos", condition)]
    assert news.text == text
    assert (news.at, news.since, news.times) == (clock.unix, clock.unix, 1)


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({"failure_rate": 0.2}, {"ok": 80, "bad": 20}),
        ({"failure_rate": 0.2}, {"bad": 100, "verdict": Verdict.MISTAKE}),
        ({"failure_rate": 0.2}, {"bad": 9}),
        ({"error_rate": 0.2}, {"bad": 100, "hidden": True}),
        ({"latency_p95": 2.0}, {"ok": 100, "seconds": 1.9}),
        ({"retries_amplified": 1.5}, {"ok": 100}),
    ],
)
def test_what_is_within_its_limit_is_not_told(
    traffic: Traffic,
    watch: Watch,
    alerts: Alerts,
    options: dict[str, Any],
    calls: dict[str, Any],
) -> None:
    watch(**options)
    traffic.calls(**calls)
    assert alerts.check() == []


def test_calls_before_the_rule_count_for_nothing(
    traffic: Traffic, watch: Watch, alerts: Alerts
) -> None:
    traffic.calls(bad=1_000)
    watch(failure_rate=0.2)
    traffic.calls(ok=20)
    assert alerts.check() == []


def test_a_condition_is_told_once_then_again_then_cleared(
    traffic: Traffic, watch: Watch, alerts: Alerts, clock: FakeClock
) -> None:
    watch(failure_rate=0.2, hold="1m", cooldown="15m")
    news = []
    for second in range(0, 3_600, 10):
        traffic.calls(ok=5, bad=5 if second < 1_200 else 0)
        news += [(second, *alert) for alert in alerts.check()]
        clock.advance(10)
    statuses = [(second, status) for second, status, *_ in news]
    assert statuses[:2] == [(60, "alert"), (960, "escalated")]
    [(second, status)] = statuses[2:]
    assert status == "all_clear"
    # The window has to forget, and health to hold.
    assert 1_200 + 60 < second < 1_200 + 300 + 60 + 30
    assert news[2][-1].endswith("after 25 min")
    assert alerts.active() == []


def test_functions_stand_for_themselves_and_a_service_for_all_of_its(
    clock: FakeClock,
) -> None:
    vendor = service("alertvendor")

    @vendor
    def a(is_bad: bool) -> None:
        if is_bad:
            raise ConnectionResetError

    @vendor
    def b(is_bad: bool) -> None:
        a(is_bad)

    one = alert(on=vendor, failure_rate=0.5, hold=0)
    each = alert(on="alertvendor.*", failure_rate=0.5, hold=0)
    only = alert(on=b, failure_rate=0.5, hold=0)
    for is_bad in [True] * 20 + [False]:
        try:
            b(is_bad)
        except ConnectionResetError:
            continue
    functions = [f"alertvendor.{name}" for name in ("a", "b")]
    assert sorted(told(check_alerts())) == sorted(
        ("alert", subject, "failure_rate") for subject in ["alertvendor", *functions, functions[1]]
    )
    assert len(active_alerts()) == 4
    for rule in (one, each, only):
        rule.stop()
    assert active_alerts() == []


def test_what_a_service_calls_undecorated_belongs_to_it(clock: FakeClock) -> None:
    vendor = service("alertcalled")
    alert(on=vendor, error_rate=0.5, hold=0)

    def fetch() -> None:
        raise ConnectionResetError

    for _ in range(10):
        with pytest.raises(ConnectionResetError):
            vendor.call(fetch)
    assert told(check_alerts()) == [("alert", "alertcalled", "error_rate")]


def test_a_breaker_that_functions_share_is_told_once(clock: FakeClock) -> None:
    shared = breaker(fail_max=1, reset_timeout=600)
    vendor = service("alertbreaker", shared)

    @vendor
    def a() -> None:
        raise ConnectionResetError

    @vendor
    def b() -> None: ...

    alert(on="alertbreaker", breaker_open=True)
    with pytest.raises(ConnectionResetError):
        a()
    assert check_alerts() == []
    clock.advance(60)
    [news] = check_alerts()
    assert told([news]) == [("alert", "alertbreaker", "breaker_open")]
    assert news.text == "the breaker is open"
    shared.reset()
    check_alerts()
    clock.advance(60)
    assert [news.status for news in check_alerts()] == ["all_clear"]
    shared.isolate()
    clock.advance(900)
    check_alerts()
    clock.advance(60)
    assert [(news.status, news.text) for news in check_alerts()] == [
        ("alert", "the breaker is isolated")
    ]


def test_a_quota_that_is_nearly_gone_is_told(clock: FakeClock) -> None:
    @service("alertquota")
    @throttled("100/hour")
    def fetch() -> None: ...

    alert(on=fetch, quota_left=0.1, hold=0)
    for _ in range(90):
        fetch()
    assert check_alerts() == []
    fetch()
    [news] = check_alerts()
    assert told([news]) == [("alert", "alertquota.fetch", "quota_left")]
    assert news.text.startswith("9 % of the quota is left, limit 10 % (9 of 100 calls left")


def test_an_alert_on_a_policy_is_about_the_functions_that_share_it(clock: FakeClock) -> None:
    shared = retry(attempts=2, wait=0, budget=None)

    @service("alertpolicy")
    @shared
    def fetch() -> None:
        raise ConnectionResetError

    alert(on=shared, retries_amplified=1.5, hold=0)
    for _ in range(10):
        with pytest.raises(ConnectionResetError):
            fetch()
    assert told(check_alerts()) == [("alert", "alertpolicy.fetch", "retries_amplified")]


def test_no_more_calls_end_an_alert_after_a_cooldown(
    traffic: Traffic, watch: Watch, alerts: Alerts, clock: FakeClock
) -> None:
    watch(failure_rate=0.2, hold="1m")
    news = []
    for second in range(0, 3_600, 10):
        if second < 120:
            traffic.calls(bad=10)
        news += [(second, alert.status, alert.text) for alert in alerts.check()]
        clock.advance(10)
    assert [status for _, status, _ in news] == ["alert", "all_clear"]
    assert "too few calls to go on, after" in news[1][2]


def test_every_alert_is_in_the_log_with_its_facts(
    traffic: Traffic,
    watch: Watch,
    alerts: Alerts,
    clock: FakeClock,
    lines: StepLines,
    records: Records,
) -> None:
    watch(failure_rate=0.2, cooldown="1m")
    for bad in (10, 10, 0):
        traffic.calls(ok=0 if bad else 90, bad=bad)
        alerts.check()
        clock.advance(60)
    levels = [(record["level"].name, record["extra"]["kind"]) for record in records]
    assert levels == [("ERROR", "alert"), ("CRITICAL", "escalated"), ("INFO", "all_clear")]
    assert records[0]["message"].startswith("github.repos: 100 % of calls failed")
    assert records[1]["message"].startswith("github.repos: still: 100 % of calls failed")
    assert records[2]["message"].startswith("github.repos: all clear: 18.2 % of calls failed")
    facts = records[0]["extra"]["facts"]
    assert facts["condition"] == "failure_rate"
    assert facts["value"] == 1.0
    assert {"host", "pid", "since", "limit"} < facts.keys()


def test_no_alert_is_taken_for_a_flood(
    traffic: Traffic, watch: Watch, alerts: Alerts, lines: StepLines, records: Records
) -> None:
    for _ in range(20):
        watch(failure_rate=0.2)
    traffic.calls(bad=10)
    assert len(alerts.check()) == len(records) == 20


def test_receivers_get_each_alert_and_a_failing_one_is_told_once(
    traffic: Traffic, watch: Watch, alerts: Alerts, clock: FakeClock, steps: RecordedSteps
) -> None:
    got: list[Any] = []

    def broken(news: object) -> None:
        raise RuntimeError("token=s3cr3t-value")

    watch(broken, got.append, failure_rate=0.2, cooldown="1m")
    for _ in range(3):
        traffic.calls(bad=10)
        alerts.check()
        clock.advance(60)
    assert [news.status for news in got] == ["alert", "escalated", "escalated"]
    assert alerts.teller.errors == 3
    [degraded] = steps.of("degraded")
    assert "broken could not be told (RuntimeError: token=***)" in degraded.text


def test_a_receiver_may_look_stop_and_alert_itself(
    traffic: Traffic, watch: Watch, alerts: Alerts
) -> None:
    def receiver(news: object) -> None:
        alerts.check()
        alerts.active()
        rule.stop()
        watch(failure_rate=0.9)

    rule = watch(receiver, failure_rate=0.2)
    traffic.calls(bad=10)
    assert len(alerts.check()) == 1
    assert rule not in alerts.rules


def test_receivers_are_told_in_no_calls_name(clock: FakeClock) -> None:
    seen: list[Any] = []

    @service("alertinside")
    def fetch() -> None:
        traffic = Traffic(watcher._alerts._registry, clock)
        traffic.calls(bad=10, service="alertother")
        check_alerts()

    alert(on="alertother", failure_rate=0.2, hold=0, to=lambda news: seen.append(current.get()))
    fetch()
    assert seen == [None]


def test_a_receiver_is_not_told_that_its_own_calls_fail(clock: FakeClock) -> None:
    seen: list[str] = []

    @service("alertpost")
    def post(news: Alert) -> None:
        seen.append(news.subject)
        raise OSError

    def tell(news: Alert) -> None:
        post(news)

    others: list[str] = []
    alert(
        on=["alertvendor", "alertpost", post],
        failure_rate=0.2,
        over=60,
        hold=0,
        cooldown=60,
        min_calls=1,
        to=[tell, lambda news: others.append(news.subject)],
    )
    traffic = Traffic(watcher._alerts._registry, clock)
    for _ in range(20):
        traffic.calls(bad=10, service="alertvendor")
        clock.advance(60)
        check_alerts()
    assert seen == ["alertvendor.repos"] * len(seen)
    assert len(seen) == 20
    assert set(others) == {"alertvendor.repos", "alertpost.post"}
    assert not watching.watchers


def test_who_is_told_no_more_is_forgotten(clock: FakeClock) -> None:
    @service("alertgone")
    def post(news: Alert) -> None: ...

    rule = alert(on="alertvendor", failure_rate=0.2, hold=0, to=post)
    Traffic(watcher._alerts._registry, clock).calls(bad=10, service="alertvendor")
    check_alerts()
    means = watcher._alerts.teller._means
    assert means.has(post, "alertgone")
    rule.stop()
    alert(on="nobody", failure_rate=0.2)
    check_alerts()
    assert not means.has(post, "alertgone")


def test_names_with_secrets_are_masked(
    traffic: Traffic, watch: Watch, alerts: Alerts, clock: FakeClock
) -> None:
    watch(failure_rate=0.2)
    traffic.calls(bad=10, service="vendor?api_key=s3cr3t-value")
    [news] = alerts.check()
    assert "s3cr3t-value" not in str(news)
    assert "s3cr3t-value" not in str(alerts.active())


def test_a_look_that_was_overtaken_changes_nothing(
    traffic: Traffic, watch: Watch, alerts: Alerts, clock: FakeClock, registry: Registry
) -> None:
    rule = watch(failure_rate=0.2)
    overtaken = registry.snapshot()
    looks: list[Any] = []

    def slowly() -> dict[str, Any]:
        del registry.snapshot  # type: ignore[method-assign]  # the class's own is back
        clock.advance(60)
        traffic.calls(bad=10)
        looks.extend(alerts.check())
        return overtaken

    registry.snapshot = slowly  # type: ignore[method-assign]  # once
    assert alerts.check() == []
    assert len(looks) == 1
    assert len(rule._track._kept) == 2


def test_two_threads_that_look_at_once_tell_once(
    traffic: Traffic, watch: Watch, alerts: Alerts, in_thread: StartThread
) -> None:
    got: list[Any] = []
    watch(got.append, failure_rate=0.2)
    traffic.calls(bad=10)
    barrier = threading.Barrier(8)

    def look() -> None:
        barrier.wait()
        for _ in range(10):
            alerts.check()

    for thread in [in_thread(look) for _ in range(8)]:
        thread.join()
    assert len(got) == 1


def test_what_is_kept_does_not_grow(
    traffic: Traffic, watch: Watch, alerts: Alerts, clock: FakeClock
) -> None:
    rule = watch(failure_rate=0.2, latency_p95=0.01, cooldown="1m", over="1m")
    for number in range(300):
        traffic.calls(bad=10, name=f"f{number % 10}")
        alerts.check()
        clock.advance(30)
    assert len(rule._track._kept) <= Track.SLICES + 2
    assert len(rule._watches) <= 20
    for _ in range(4):
        clock.advance(3_600)
        alerts.check()
    assert rule._watches == {}
    assert rule._firing == {}


def test_a_forked_child_begins_anew(traffic: Traffic, watch: Watch, alerts: Alerts) -> None:
    rule = watch(failure_rate=0.2)
    traffic.calls(bad=10)
    alerts.check()
    alerts._lock.acquire()
    alerts.forget()
    assert alerts.active() == []
    assert alerts.rules == (rule,)
    traffic.registry.reset()
    traffic.calls(ok=10)
    assert alerts.check() == []


def test_alert_starts_the_thread_only_if_time_is_real(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starts: list[int] = []
    monkeypatch.setattr(watcher._watcher, "start", lambda: starts.append(1))
    alert(failure_rate=0.2)
    assert starts == []
    monkeypatch.setattr(watcher, "_is_time_real", lambda: True)
    alert(failure_rate=0.2)
    assert starts == [1]


def test_the_thread_looks_by_itself_outlives_errors_and_ends_with_the_rules(
    monkeypatch: pytest.MonkeyPatch, steps: RecordedSteps
) -> None:
    seen = threading.Event()

    class Broken(Alerts):
        looks = 0

        def check(self) -> list[Any]:
            self.looks += 1
            if self.looks == 3:
                rule.stop()
                seen.set()
            raise RuntimeError("broken")

    alerts = Broken(Registry())
    rule = alerts.add(rule_of({"failure_rate": 0.2}, **TIMES))
    monkeypatch.setattr(type(rule.rule), "interval", 0.001)
    monkeypatch.setattr(watcher, "_is_time_real", lambda: True)
    thread = watcher.Watcher(alerts)
    thread.start()
    thread.start()
    running = thread._thread
    assert running
    assert seen.wait(REAL_LIMIT)
    running.join(REAL_LIMIT)
    assert thread.errors == 3
    assert len(steps.of("degraded")) == 1
    assert thread._thread is None


def test_under_a_fake_clock_the_thread_leaves_the_looks_to_the_test(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    alerts = Alerts(Registry())
    looks: list[int] = []
    monkeypatch.setattr(alerts, "check", lambda: looks.append(1))
    rule = alerts.add(rule_of({"failure_rate": 0.2}, **TIMES))
    slept = threading.Semaphore(0)
    monkeypatch.setattr(
        type(rule.rule), "interval", property(lambda rule: slept.release() or 0.001)
    )
    thread = watcher.Watcher(alerts)
    thread.start()
    for _ in range(5):
        assert slept.acquire(timeout=REAL_LIMIT)
    rule.stop()
    assert looks == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_looks_at_its_own_figures() -> None:
    code = """
import os, sys, threading
from loguru import logger
from resilient.diagnostics.alerts import active_alerts, alert, check_alerts
from resilient.diagnostics.alerts.rules import Rule
from resilient.registry import registry
logger.remove()
Rule.interval = 0.01
told = threading.Event()
alert(latency_p95=1.0, hold=0, to=lambda news: told.set())
registry.stats_of("github", "repos").durations.extend([9.0] * 20)
assert told.wait(30)
told.clear()
child = os.fork()
if child == 0:
    if active_alerts():
        os._exit(1)
    registry.stats_of("github", "repos").durations.extend([9.0] * 20)
    os._exit(0 if told.wait(30) else 2)
assert os.waitpid(child, 0)[1] == 0
"""
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)


@pytest.mark.stress
def test_looks_lose_no_call_while_many_threads_make_them(in_thread: StartThread) -> None:
    registry = Registry()
    alerts = Alerts(registry)
    rule = alerts.add(rule_of({"failure_rate": 1.0}, **TIMES))
    stats = registry.stats_of("github", "repos")

    def work() -> None:
        for _ in range(20_000):
            stats.durations.append(0.1)
            if len(stats.durations) >= 64:
                stats.fold()

    threads = [in_thread(work) for _ in range(16)]
    while any(thread.is_alive() for thread in threads):
        alerts.check()
    alerts.check()
    counted = rule._alerts._counted["github", "repos"]
    window = rule._track.window([("github", "repos")], 0, {("github", "repos"): counted})
    assert window.calls == 320_000
    assert sum(counted.buckets[1::2]) == 320_000
