from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from resilient import BreakerOpen, ConfigurationError, breaker, fallback, retry, service, throttled
from resilient.call import listeners
from resilient.diagnostics.dashboard import Live, dashboard
from resilient.diagnostics.dashboard.view import ALL, key_of
from resilient.registry import Registry, registry
from resilient.testing import FakeClock
from tests.threads import StartThread, until

REPOS = key_of("github", "repos")


def calls(live: Live, key: str = ALL) -> list[float]:
    return [window.calls for window in live.history.windows(key)]


def test_each_look_is_a_window_of_what_has_come_since(
    live: Live, registry: Registry, clock: FakeClock
) -> None:
    repos, pay = registry.stats_of("github", "repos"), registry.stats_of("stripe", "pay")
    for number in (3, 0, 2):
        repos.durations += [0.1] * number
        pay.durations += [0.1]
        clock.advance(10)
        live.look()
    assert calls(live, REPOS)[-3:] == [3, 0, 2]
    assert calls(live, key_of("stripe"))[-3:] == [1, 1, 1]
    assert calls(live)[-3:] == [4, 1, 3]


def test_what_was_counted_long_before_the_first_look_is_not_of_its_window(
    live: Live, registry: Registry, clock: FakeClock
) -> None:
    registry.stats_of("github", "repos").durations += [0.1] * 1_000
    clock.advance(3_600)
    live.look()
    registry.stats_of("github", "repos").durations += [0.1]
    clock.advance(10)
    live.look()
    assert calls(live)[-2:] == [0, 1]


def test_no_call_is_lost_while_threads_call_and_others_look(
    live: Live, registry: Registry, in_thread: StartThread
) -> None:
    stats = registry.stats_of("github", "repos")

    def work() -> None:
        for _ in range(300):
            stats.durations.append(0.1)
            if len(stats.durations) > 60:
                stats.fold()

    threads = [in_thread(work) for _ in range(4)]
    while any(thread.is_alive() for thread in threads):
        live.look()
    live.look()
    assert sum(calls(live)) == 1_200


@pytest.fixture
def vendor(clock: FakeClock) -> Callable[..., Any]:
    @service("dashboard-test")
    @fallback([], on=KeyError)
    @retry(attempts=2)
    @breaker(fail_max=3)
    @throttled("100/minute")
    def call(error: BaseException | None = None) -> list[int]:
        if error is not None:
            raise error
        return [1]

    return call


def test_what_breakers_and_quotas_know_is_taken_with_the_look(
    clock: FakeClock, vendor: Callable[..., Any]
) -> None:
    live = Live()
    vendor()
    live.look()
    now = live.now()["dashboard-test", "call"]
    assert now.breakers == ["closed"]
    assert now.throttle is not None
    assert (now.throttle["limit"], now.throttle["remaining"]) == (100, 99)
    registry.stats_of("dashboard-test", "call").reset()


def test_a_call_that_failed_leaves_its_story(live: Live, vendor: Callable[..., Any]) -> None:
    with pytest.raises(ConnectionError):
        vendor(ConnectionError("secret"))
    (story,) = live.stories.of("dashboard-test", "call")
    assert [one.kind for one in story.story] == ["retry", "gave_up", "failed"]
    assert story.story[-1].text.startswith("failed (ConnectionError) after ")


def test_a_call_that_was_answered_all_the_same_tells_that(
    live: Live, vendor: Callable[..., Any]
) -> None:
    assert vendor(KeyError("no")) == []
    (story,) = live.stories.of("dashboard-test", "call")
    assert story.kind == "fallback"


def test_what_a_breaker_and_an_alert_did_is_kept(live: Live, vendor: Callable[..., Any]) -> None:
    for _ in range(2):
        with pytest.raises((ConnectionError, BreakerOpen)):
            vendor(ConnectionError())
    listeners.announce("alert", "github.repos", "too slow", condition="latency_p95")
    assert [one.kind for one in live.stories.breakers()] == ["breaker_opened"]
    (alert,) = live.stories.alerts()
    assert (alert.service, alert.function, alert.condition) == ("github", "repos", "latency_p95")


def test_the_version_changes_with_each_look_and_each_story(
    live: Live, vendor: Callable[..., Any]
) -> None:
    versions = {live.version}
    live.look()
    versions.add(live.version)
    vendor(KeyError("no"))
    versions.add(live.version)
    assert len(versions) == 3


def test_a_dashboard_looks_by_itself_until_it_is_closed() -> None:
    board = dashboard(registry=Registry(), every=0.01)
    source = board.source
    assert isinstance(source, Live)
    until(lambda: source._looks > 2)
    board.close()
    looks = source._looks
    assert source.hear not in listeners._all
    source.start()
    until(lambda: source._looks > looks)
    board.close()


def test_what_was_counted_before_a_dashboard_is_no_news(clock: FakeClock) -> None:
    registry = Registry()
    registry.stats_of("github", "repos").durations += [0.1] * 1_000
    clock.advance(36_000)
    board = dashboard(registry=registry, every=3_600)
    registry.stats_of("github", "repos").durations += [0.1] * 3
    assert isinstance(board.source, Live)
    board.source.look()
    board.close()
    assert sum(calls(board.source)) == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_looks_at_its_own_calls() -> None:
    registry = Registry()
    registry.stats_of("github", "repos").durations += [0.1] * 5
    board = dashboard(registry=registry, every=0.01)
    source = board.source
    assert isinstance(source, Live)
    until(lambda: sum(calls(source)) == 5)
    pid = os.fork()
    if not pid:  # the child
        try:
            registry.stats_of("github", "repos").durations += [0.1] * 2
            until(lambda: sum(calls(source)) == 2)
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    board.close()
    assert status == 0


@pytest.mark.parametrize("every", [0, -1, "often", True, float("inf")])
def test_a_time_between_looks_that_can_not_be_is_refused(every: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"dashboard\(every="):
        dashboard(every=every)
