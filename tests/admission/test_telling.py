"""What people read of a throttle."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from resilient.admission.answer import Answer, News
from resilient.admission.bucket import Forecast, Told
from resilient.admission.permit import Permit
from resilient.admission.quota import Quota
from resilient.admission.rates import Rate
from resilient.admission.telling import refusal_text, told_of, view_of, why_waiting
from resilient.testing import FakeClock

MIDNIGHT = datetime(2026, 1, 1, tzinfo=timezone.utc)
ANSWER = Answer("github.repos", "vendor.example", 0.0, 0.0, True, None, "429")


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Texts tell the time of the machine."""
    if not hasattr(time, "tzset"):
        pytest.skip("this system can't change the zone of a process")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def quota_of(*rates: Rate) -> Quota:
    return Quota(rates, 100, simple=len(rates) == 1)


def heard(quota: Quota, remaining: float, *, name: str = "", who: str = "github.repos") -> None:
    told = Told(remaining, 5000.0, 600.0, 0.0, 0.0, False)
    answer = Answer(who, "vendor.example", 0.0, 0.0, False, 0.0, "200", [(name, told, True)])
    quota.hear(None, answer._replace(scope=name))


# Steps.


@pytest.mark.parametrize(
    ("news", "kind", "text", "would_text"),
    [
        (
            News("paused", 90.0),
            "paused",
            "pauses everybody for 90 s: the vendor answered 429 and asked for it, until 00:01:30",
            "would pause everybody for 90 s: the vendor answered 429 and asked for it, "
            "until 00:01:30",
        ),
        (
            News("paused", 0.25, "0 of 30 calls left (search)", is_scoped=True),
            "paused",
            "pauses all who spend it for 0.25 s: 0 of 30 calls left (search)",
            "would pause all who spend it for 0.25 s: 0 of 30 calls left (search)",
        ),
        (
            News("slowed", rate=12.3456),
            "slowed",
            "slows down to 12.3 requests/s: the vendor answered 429 without a word for how long",
            "would slow down to 12.3 requests/s: the vendor answered 429 without a word for how "
            "long",
        ),
    ],
    ids=["paused", "one quota", "slowed"],
)
def test_what_an_answer_changed_is_told_with_its_reason_and_its_end(
    clock: FakeClock, news: News, kind: str, text: str, would_text: str
) -> None:
    assert told_of(news, ANSWER, observes=False)[:2] == (kind, text)
    would_kind = {"paused": "would_pause", "slowed": "would_slow"}[kind]
    assert told_of(news, ANSWER, observes=True)[:2] == (would_kind, would_text)


def test_a_forecast_says_when_and_how_much_too_soon(clock: FakeClock) -> None:
    news = News("forecast", of="900 of 5000 calls left", forecast=Forecast(120.0, 1500.0))
    kind, text, facts = told_of(news, ANSWER, observes=False)
    assert kind == "forecast"
    assert text == (
        "at this pace the quota is gone at 00:02:00, 23 minutes before its reset "
        "(900 of 5000 calls left)"
    )
    assert facts == {"gone_in": 120.0, "resets_in": 1500.0}


def test_a_wait_that_was_cut_says_so(clock: FakeClock) -> None:
    kind, text, facts = told_of(News("capped", 86_400.0), ANSWER, observes=False)
    assert kind == "capped"
    assert "24 hours at most" in text
    assert facts == {"pause": 86_400.0}


@pytest.mark.parametrize(
    ("seconds", "end"),
    [(0.5, ""), (1.0, ", until 00:00:01"), (86_399.0, ", until 2026-01-01 23:59")],
)
def test_the_end_is_told_where_it_helps_and_with_its_day_where_it_is_far(
    clock: FakeClock, seconds: float, end: str
) -> None:
    _, text, _ = told_of(News("paused", seconds), ANSWER, observes=False)
    assert text.endswith("asked for it" + end)


def test_the_end_is_told_in_local_time(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TZ", "XYZ-5:30")
    time.tzset()
    _, text, _ = told_of(News("paused", 60.0), ANSWER, observes=False)
    assert text.endswith("until 05:31:00")


# Who waits.


def test_a_wait_says_for_what_how_long_why_and_until_when(clock: FakeClock) -> None:
    quota = quota_of(Rate(10, 1.0))
    permit = Permit(quota, who="github.repos")
    assert why_waiting(quota, permit, 0.5) == "waits 0.5 s for 10/s"
    heard(quota, 0)
    assert why_waiting(quota, permit, 600.0) == (
        "waits 600 s for 10/s: 0 of 5000 calls left, until 00:10:00"
    )
    assert refusal_text(quota, permit, 600.0) == (
        "10/s has no room for 600 s more: 0 of 5000 calls left"
    )
    assert refusal_text(quota, permit, 0.0) == "10/s has no room for now: 0 of 5000 calls left"
    quota.line.waiting.append(object())  # type: ignore[arg-type]
    quota.pause(30)
    assert why_waiting(quota, permit, 30.0) == (
        "waits 30 s for 10/s: the vendor asked for a pause, until 00:00:30, 1 in line"
    )


def test_a_wait_after_refusals_says_how_slow_it_is(clock: FakeClock) -> None:
    quota = quota_of()
    quota.hear(None, ANSWER)
    clock.advance(1)
    text = why_waiting(quota, Permit(quota, who="github.repos"), 0.3)
    assert text.startswith("waits 0.3 s for the vendor's limit: slowed down to ")
    assert text.endswith(" requests/s after refusals")


def test_a_function_is_told_of_its_own_quota_alone(clock: FakeClock) -> None:
    quota = quota_of()
    heard(quota, 0, name="search", who="github.search")
    heard(quota, 4000, name="core", who="github.repos")
    assert "search" in refusal_text(quota, Permit(quota, who="github.search"), 1.0)
    assert "search" not in refusal_text(quota, Permit(quota, who="github.repos"), 1.0)


# Views.


def test_a_view_shows_the_rate_until_the_vendor_tells(clock: FakeClock) -> None:
    quota = quota_of(Rate(3, 60.0))
    view = view_of([quota], "github.repos", 0)
    assert view == (3, 3, None, 0, None, None)
    permit = Permit(quota)
    quota.take(permit, clock.now)
    quota.give(permit)
    view = view_of([quota], "github.repos", 2)
    assert (view.limit, view.remaining, view.waiting) == (3, 2, 2)
    assert view.resets_at == MIDNIGHT + timedelta(seconds=60)
    heard(quota, 17)
    view = view_of([quota], "github.repos", 0)
    assert (view.limit, view.remaining) == (5000, 17)
    assert view.resets_at == MIDNIGHT + timedelta(seconds=600)


def test_a_view_of_several_rates_shows_the_one_with_the_least_left(clock: FakeClock) -> None:
    quota = quota_of(Rate(100, 1.0), Rate(5, 60.0))
    quota.take(Permit(quota, 4), clock.now)
    view = view_of([quota], "github.repos", 0)
    assert (view.limit, view.remaining) == (5, 1)


def test_a_view_of_several_keys_shows_the_one_with_the_least_left(clock: FakeClock) -> None:
    quotas = [quota_of(), quota_of(), quota_of()]
    heard(quotas[0], 300)
    heard(quotas[1], 20)
    assert view_of(quotas, "github.repos", 0).remaining == 20


def test_a_view_shows_a_pause_and_a_slowdown(clock: FakeClock) -> None:
    quota = quota_of()
    assert view_of([quota], "github.repos", 0) == (None, None, None, 0, None, None)
    quota.hear(None, ANSWER)
    view = view_of([quota], "github.repos", 0)
    assert view.slowed_to is not None
    assert view.slowed_to > 0
    quota.pause(30)
    paused_until = view_of([quota], "github.repos", 0).paused_until
    assert paused_until == MIDNIGHT + timedelta(seconds=30)
    clock.advance(30)
    assert view_of([quota], "github.repos", 0).paused_until is None


def test_a_view_as_plain_data_has_unix_times(clock: FakeClock) -> None:
    quota = quota_of()
    heard(quota, 17)
    assert view_of([quota], "github.repos", 1).plain() == {
        "limit": 5000,
        "remaining": 17,
        "resets_at": MIDNIGHT.timestamp() + 600,
        "waiting": 1,
        "paused_until": None,
        "slowed_to": None,
    }
