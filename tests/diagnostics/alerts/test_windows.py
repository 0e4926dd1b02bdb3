from __future__ import annotations

import random

import pytest

from resilient.call import Verdict
from resilient.diagnostics.alerts.windows import Track, Window, counts_of
from resilient.registry import Histogram, Registry
from resilient.testing import FakeClock
from tests.diagnostics.alerts.conftest import Traffic

REPOS = ("github", "repos")


def test_a_window_holds_what_came_after_its_beginning(traffic: Traffic) -> None:
    traffic.calls(ok=100, bad=50, seconds=9.0)
    then = counts_of(traffic.registry.snapshot(), {})
    traffic.calls(ok=6, seconds=0.1)
    traffic.calls(bad=2, seconds=0.2, retries=2)
    traffic.calls(bad=1, verdict=Verdict.MISTAKE)
    traffic.calls(bad=1, verdict=Verdict.REFUSED, hidden=True)
    now = counts_of(traffic.registry.snapshot(), then)
    window = Window(60)
    window.add(then[REPOS], now[REPOS])
    assert (window.calls, window.failed, window.refused, window.raised) == (10, 3, 1, 3)
    assert (window.asked, window.retries) == (9, 4)
    assert window.quantile(0.5) == pytest.approx(0.1, rel=0.02)
    assert window.quantile(1.0) == pytest.approx(0.2, rel=0.02)


def test_quantiles_of_a_window_are_those_of_its_calls_alone(registry: Registry) -> None:
    draw = random.Random(7)
    stats = registry.stats_of(*REPOS)
    stats.durations += [draw.lognormvariate(0, 1) for _ in range(5_000)]
    then = counts_of(registry.snapshot(), {})
    fresh = [draw.lognormvariate(-2, 0.5) for _ in range(2_000)]
    stats.durations += fresh
    window = Window(60)
    window.add(then[REPOS], counts_of(registry.snapshot(), then)[REPOS])
    alone = Histogram()
    alone.add(fresh)
    for share in (0.5, 0.95, 0.99):
        assert window.quantile(share) == pytest.approx(alone.quantile(share))


def test_figures_that_were_reset_count_from_zero(traffic: Traffic) -> None:
    traffic.calls(ok=100, bad=100)
    then = counts_of(traffic.registry.snapshot(), {})
    traffic.registry.reset()
    traffic.calls(ok=1, bad=2)
    window = Window(60)
    window.add(then[REPOS], counts_of(traffic.registry.snapshot(), then)[REPOS])
    assert (window.calls, window.failed) == (3, 2)


def test_refused_calls_do_not_make_a_vendor_look_quick(traffic: Traffic) -> None:
    then = counts_of(traffic.registry.snapshot(), {})
    traffic.calls(ok=10, seconds=3.0)
    traffic.calls(bad=11, seconds=0.0, verdict=Verdict.REFUSED)
    window = Window(60)
    assert REPOS not in then
    track = Track(60)
    track.keep(0, then)
    window = track.window([REPOS], 60, counts_of(traffic.registry.snapshot(), then))
    assert window.quantile(0.95) is None
    assert window.share(window.failed) == pytest.approx(11 / 21)


def test_what_has_not_changed_is_kept_once(traffic: Traffic) -> None:
    traffic.calls(ok=10)
    traffic.calls(ok=10, name="users")
    first = counts_of(traffic.registry.snapshot(), {})
    traffic.calls(ok=1, name="users")
    second = counts_of(traffic.registry.snapshot(), first)
    assert second[REPOS] is first[REPOS]
    assert second["github", "users"] != first["github", "users"]


def test_a_track_looks_back_just_as_far_as_it_has_to(traffic: Traffic, clock: FakeClock) -> None:
    track = Track(100)
    for _ in range(200):
        traffic.calls(ok=1)
        counted = counts_of(traffic.registry.snapshot(), track.newest)
        window = track.window([REPOS], clock.now, counted)
        assert window.seconds <= 110
        track.keep(clock.now, counted)
        clock.advance(5)
    assert 20 <= window.calls <= 22
    assert len(track._kept) <= Track.SLICES + 2


def test_a_clock_that_was_put_back_begins_a_new_track(traffic: Traffic) -> None:
    track = Track(100)
    traffic.calls(ok=5)
    track.keep(1_000_000, {})
    track.keep(0, counts_of(traffic.registry.snapshot(), {}))
    assert track.window([REPOS], 10, track.newest).calls == 0


def test_several_functions_count_as_one(traffic: Traffic) -> None:
    track = Track(100)
    track.keep(0, {})
    traffic.calls(ok=5)
    traffic.calls(bad=15, name="users")
    counted = counts_of(traffic.registry.snapshot(), {})
    window = track.window([*counted, ("not", "there")], 10, counted)
    assert (window.calls, window.failed) == (20, 15)
