from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.diagnostics.dashboard import history
from resilient.diagnostics.dashboard.history import (
    MOST_WINDOWS,
    QUIET,
    Growth,
    History,
    Tally,
    failed_of,
)
from resilient.registry import FunctionStats, Histogram


def growth(calls: int = 1, failed: int = 0, seconds: float = 0.1) -> Growth:
    latency = Histogram()
    latency.add([seconds] * calls)
    return Growth(calls, failed, latency)


def test_a_window_holds_what_came_in_it() -> None:
    past = History(10.0)
    past.add(1000.0, ["a", "all"], growth(4, 1, 0.5))
    past.add(1001.0, ["all"], growth(2))
    past.add(1010.0, ["a"], growth(1, seconds=2.0))
    assert past.windows("a")[-2:] == [
        (
            4,
            1,
            pytest.approx(0.5, rel=0.02),
            pytest.approx(0.5, rel=0.02),
            pytest.approx(0.5, 0.02),
        ),
        (
            1,
            0,
            pytest.approx(2.0, rel=0.02),
            pytest.approx(2.0, rel=0.02),
            pytest.approx(2.0, 0.02),
        ),
    ]
    assert [one.calls for one in past.windows("all")[-2:]] == [6, 0]
    assert past.ends_at == 1010.0


@pytest.mark.parametrize(
    "untimed",
    [Growth(10, 6, growth(10, seconds=0.0).latency, refused=6), Growth(10, 0, Histogram())],
    ids=["mostly refused", "hits of a cache"],
)
def test_what_was_not_asked_of_the_vendor_does_not_make_it_look_quick(untimed: Growth) -> None:
    past = History(10.0)
    past.add(1000.0, ["a"], growth(2, seconds=3.0))
    past.add(1010.0, ["a"], untimed)
    for _ in ("open", "closed"):
        slow, unknown = past.windows("a")[-2:]
        assert slow.quantile("p95") == pytest.approx(3.0, rel=0.02)
        assert (unknown.calls, unknown.quantile("p50"), unknown.quantile("p95")) == (10, None, None)
        recent = past.recent("a", 60)
        assert recent.calls == 12
        assert recent.quantile("p95") == pytest.approx(3.0, rel=0.02)
        assert past.recent("a", 10).quantile("p95") is None
        past.close()
    past.add(1010.0, ["a"], growth(5, seconds=1.0))  # a log tells of it late
    past.close()
    assert past.windows("a")[-1].quantile("p95") == pytest.approx(1.0, rel=0.02)


def test_a_tally_tells_how_many_were_refused() -> None:
    stats = FunctionStats("github", "repos")
    tally = Tally()
    for added in (2, 5):
        data = stats.snapshot()
        data["calls"] += added
        data["outcomes"]["refused"] = added
        grown = tally.grow(data)
        assert grown
    assert grown.refused == 3


def test_closing_windows_changes_nothing_that_is_seen() -> None:
    past = History(10.0)
    for at in (1000.0, 1030.0, 1050.0):
        past.add(at, ["a"], growth(3, 1))
    before = past.windows("a")
    past.close()
    assert past.windows("a") == [pytest.approx(window, rel=1e-6) for window in before]


def test_time_without_calls_passes_too() -> None:
    past = History(10.0)
    past.add(1000.0, ["a"], growth())
    past.close()
    past.reach(1020.0)
    assert [one.calls for one in past.windows("a")[-3:]] == [1, 0, 0]
    past.reach(1000.0 + 10.0 * MOST_WINDOWS)
    assert past.windows("a") == [QUIET] * MOST_WINDOWS


def test_a_clock_that_is_put_back_for_long_begins_anew() -> None:
    past = History(10.0)
    past.reach(2e9)
    past.add(2e9, ["a"], growth())
    past.close()
    past.reach(1e9)
    past.add(1e9, ["a"], growth(3))
    assert [one.calls for one in past.windows("a")[-2:]] == [0, 3]


def test_what_comes_late_counts_as_long_as_its_window_is_shown() -> None:
    past = History(10.0)
    past.add(1050.0, ["a"], growth())
    past.close(open_windows=2)
    past.add(1040.0, ["a"], growth(5))
    past.add(1030.0, ["a"], growth(7))
    past.add(1050.0 - 10 * MOST_WINDOWS, ["a"], growth(9))
    assert [one.calls for one in past.windows("a")[-3:]] == [7, 5, 1]
    past.close()
    past.add(1050.0, ["a"], growth(1, 1, seconds=0.3))
    past.close()
    assert past.windows("a")[-1] == pytest.approx((2, 1, 0.2, 0.2, 0.2), rel=0.02)
    assert sum(one.calls for one in past.windows("a")) == 14


def test_the_newest_windows_are_one_with_the_weight_of_their_calls() -> None:
    past = History(10.0)
    assert past.recent("a", 300.0) == QUIET
    past.add(1000.0, ["a"], growth(100, 100, seconds=9.0))
    past.add(1300.0, ["a"], growth(3, 1, seconds=0.1))
    past.close()
    past.add(1310.0, ["a"], growth(1, 0, seconds=0.5))
    assert past.recent("a", 60.0) == pytest.approx((4, 1, 0.2, 0.2, 0.2), rel=0.02)
    assert past.recent("a", 0.1) == pytest.approx((1, 0, 0.5, 0.5, 0.5), rel=0.02)
    assert past.recent("b", 60.0) == QUIET


def test_windows_widen_until_all_fits() -> None:
    past = History(10.0)
    for hour in range(12):
        at = 1_000_000.0 + 3600 * hour
        past.fit(at)
        past.add(at, ["a"], growth(2))
    assert past.step == 900.0
    assert sum(one.calls for one in past.windows("a")) == 24
    past.close()
    past.widen(3600.0)
    assert past.step == 900.0, "what is closed can't be changed"


def test_memory_is_bounded_however_many_series_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_SERIES", 50)
    past = History(10.0)
    for number in range(400):
        past.add(1000.0 + 10 * (number // 100), [f"series {number}", "all"], growth())
        past.close()
    assert len(past._closed) == 50
    assert not past._open
    assert sum(one.calls for one in past.windows("all")) == 400
    assert sys.getsizeof(past._closed["all"].figures) < 6_000


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 4)), max_size=60))
def test_no_call_is_lost_while_windows_open_close_and_are_skipped(
    arrivals: list[tuple[int, int]],
) -> None:
    past = History(10.0)
    now = 0.0
    for after, open_windows in arrivals:
        now += after / 30
        past.add(now, ["a"], growth())
        past.close(open_windows)
    assert sum(one.calls for one in past.windows("a")) == len(arrivals)


def test_a_tally_tells_what_has_come_since() -> None:
    stats = FunctionStats("github", "repos")
    tally = Tally()
    assert tally.grow(stats.snapshot()) is None
    stats.durations += [0.1] * 3
    first = tally.grow(stats.snapshot())
    assert first is not None
    assert (first.calls, first.latency.count) == (3, 3)
    assert tally.grow(stats.snapshot()) is None
    stats.durations += [5.0]
    second = tally.grow(stats.snapshot())
    assert second is not None
    assert second.latency.quantile(0.5) == pytest.approx(5.0, rel=0.02)


def test_a_tally_starts_anew_where_figures_fell() -> None:
    stats = FunctionStats("github", "repos")
    tally = Tally()
    stats.durations += [0.1] * 30
    tally.grow(stats.snapshot())
    stats.reset()
    stats.durations += [0.1] * 2
    again = tally.grow(stats.snapshot())
    assert again is not None
    assert (again.calls, again.latency.count) == (2, 2)


def test_a_mistake_of_the_callers_is_no_failure() -> None:
    data = {"calls": 10, "outcomes": {"ok": 5, "mistake": 2, "broken": 1, "refused": 2}}
    assert failed_of(data) == 3
