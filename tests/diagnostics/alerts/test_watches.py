from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from resilient.diagnostics.alerts.watches import Watch

HOLD, COOLDOWN = 60.0, 900.0


def hear(watch: Watch, is_bad: bool | None, now: float) -> str | None:
    return watch.hear(is_bad, now, HOLD, COOLDOWN)


def test_a_condition_is_told_when_it_has_held_long_enough() -> None:
    watch = Watch()
    assert [hear(watch, True, now) for now in (0, 30, 59, 60, 61)] == [
        None,
        None,
        None,
        "alert",
        None,
    ]
    assert watch.firing_since == 0


def test_a_moment_of_health_begins_the_hold_anew() -> None:
    watch = Watch()
    assert [hear(watch, bad, now) for now, bad in ((0, True), (50, False), (60, True))] == [
        None
    ] * 3
    assert hear(watch, True, 119) is None
    assert hear(watch, True, 120) == "alert"


def test_what_lasts_is_told_again_after_each_cooldown() -> None:
    watch = Watch()
    told = {now: hear(watch, True, now) for now in range(0, 2_000, 10)}
    assert {now: news for now, news in told.items() if news} == {
        60: "alert",
        960: "escalated",
        1860: "escalated",
    }
    assert watch.times == 3


def test_the_all_clear_comes_when_health_has_held_too() -> None:
    watch = Watch()
    for now in (0, 60):
        hear(watch, True, now)
    assert [hear(watch, bad, now) for now, bad in ((70, False), (80, True), (90, False))] == [
        None
    ] * 3
    assert hear(watch, False, 149) is None
    assert hear(watch, False, 150) == "all_clear"
    assert hear(watch, False, 300) is None


def test_what_comes_back_within_the_cooldown_waits_for_its_end() -> None:
    watch = Watch()
    for now in (0, 60):
        hear(watch, True, now)
    for now in (70, 130):
        hear(watch, False, now)
    told = {now: hear(watch, True, now) for now in range(200, 1_000, 10)}
    assert {now: news for now, news in told.items() if news} == {960: "alert"}


def test_what_was_never_told_gets_no_all_clear() -> None:
    watch = Watch()
    for now in (0, 60):
        hear(watch, True, now)
    for now in (70, 130):
        hear(watch, False, now)
    hear(watch, True, 200)
    hear(watch, True, 300)
    assert watch.firing_since == 200
    assert [hear(watch, False, now) for now in (310, 400)] == [None, None]


def test_too_little_to_go_by_ends_an_alert_only_after_a_cooldown() -> None:
    watch = Watch()
    for now in (0, 60):
        hear(watch, True, now)
    assert [hear(watch, None, now) for now in (70, 969)] == [None, None]
    assert hear(watch, None, 970) == "all_clear"


def test_too_little_to_go_by_begins_the_hold_anew() -> None:
    watch = Watch()
    assert [hear(watch, bad, now) for now, bad in ((0, True), (50, None), (60, True))] == [None] * 3


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.floats(0, 1_000))))
def test_news_come_in_an_order_that_makes_sense(
    readings: list[tuple[bool | None, float]],
) -> None:
    watch, now = Watch(), 0.0
    is_told, last_told = False, -COOLDOWN
    for is_bad, later in readings:
        now += later
        news = hear(watch, is_bad, now)
        if news in ("alert", "escalated"):
            assert is_bad
            assert (news == "escalated") == is_told
            assert now - last_told >= COOLDOWN
            is_told, last_told = True, now
        elif news is not None:
            assert is_told
            is_told = False
