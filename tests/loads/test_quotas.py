"""What the quotas admit that the loads are measured by."""

from __future__ import annotations

import math
import random
import time

import pytest

from resilient.http.headers import number_of
from tests.loads.dialects import DIALECTS, headers_of, retry_after_of
from tests.loads.quotas import Decision, QuotaSpec


def admitted(spec: QuotaSpec, moments: list[float]) -> list[float]:
    quota = spec.make()
    return [moment for moment in moments if quota.ask(moment).admitted]


@pytest.mark.parametrize("kind", ["fixed", "first", "sliding"])
def test_no_window_admits_more_than_its_calls(kind: str) -> None:
    spec = QuotaSpec(kind, 10, 2.0, age=0.4)
    rng = random.Random(3)
    moments = sorted(100 + 20 * rng.random() for _ in range(1000))
    let_in = admitted(spec, moments)
    assert let_in[0] == moments[0]
    assert len(let_in) >= 9 * spec.calls  # demand is ten times as high
    if kind == "sliding":
        gaps = [late - early for early, late in zip(let_in, let_in[10:], strict=False)]
        assert min(gaps) >= 2.0
    else:
        assert max(sum(t <= moment < t + 2.0 for moment in let_in) for t in let_in) <= 20


def test_a_fixed_window_ends_when_its_age_says() -> None:
    quota = QuotaSpec("fixed", 2, 2.0, age=0.75).make()
    assert [quota.ask(moment).admitted for moment in (10.0, 10.1, 10.2)] == [True, True, False]
    refused = quota.ask(10.4)
    assert refused.retry_in == refused.reset_in == pytest.approx(0.1)
    again = quota.ask(10.5)
    assert (again.admitted, again.remaining, again.window) == (True, 1, 1)
    assert again.reset_in == pytest.approx(2.0)


def test_a_fixed_window_can_start_at_a_fraction_of_a_second() -> None:
    quota = QuotaSpec("fixed", 2, 3.0, fraction=0.5).make()
    before, monotonic = time.time(), time.monotonic()
    reset = before + quota.ask(monotonic).reset_in
    assert 0 < reset - before <= 3.0
    assert abs(reset % 1.0 - 0.5) < 0.05


def test_the_other_kind_of_window_starts_with_the_first_request_after_the_last_one() -> None:
    quota = QuotaSpec("first", 1, 2.0).make()
    assert quota.ask(10.0).reset_in == 2.0
    assert not quota.ask(11.9).admitted
    assert quota.ask(13.0) == Decision(True, 0, 2.0, 0.0, 1)
    assert quota.ask(14.5).retry_in == pytest.approx(0.5)


def test_a_sliding_window_tells_when_its_oldest_request_leaves_it() -> None:
    quota = QuotaSpec("sliding", 2, 2.0).make()
    quota.ask(10.0)
    quota.ask(11.0)
    assert quota.ask(11.5) == Decision(False, 0, 0.5, 0.5, 0)
    assert quota.ask(12.0).admitted
    assert not quota.ask(12.5).admitted


def test_a_bucket_admits_its_burst_and_then_at_its_rate() -> None:
    quota = QuotaSpec("bucket", 50, 1.0, burst=5).make()
    assert [quota.ask(10.0).admitted for _ in range(8)] == [True] * 6 + [False] * 2
    assert quota.ask(10.0).retry_in == pytest.approx(0.02)
    assert quota.ask(10.021).admitted
    assert not quota.ask(10.022).admitted
    assert sum(quota.ask(99.0).admitted for _ in range(8)) == 6  # no more than it holds


def test_a_closed_one_admits_everybody_after_its_period() -> None:
    quota = QuotaSpec("closed", 5, 1.0).make()
    assert [quota.ask(moment).admitted for moment in (10.0, 10.9)] == [False, False]
    assert all(quota.ask(11.0).admitted for _ in range(50))


SPEC = QuotaSpec("fixed", 100, 2.0, resource="search")
DECISION = Decision(True, 41, 1.4, 0.0, 0)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_tells_limit_remaining_and_reset(dialect: str) -> None:
    told = dict(headers_of(dialect, SPEC, DECISION))
    if dialect == "none":
        assert told == {}
        return
    if dialect == "ietf":
        assert told == {
            "RateLimit-Policy": '"search";q=100;w=2',
            "RateLimit": '"search";r=41;t=2',
        }
        return
    (reset,) = [value for name, value in told.items() if name.endswith("-Reset")]
    assert sorted(map(str, told.values())) == sorted(["100", "41", "search", str(reset)])
    value = number_of(str(reset))
    assert value is not None
    seconds = value - time.time() if "epoch" in dialect else value
    low, high = {"ceil": (0, 1), "floor": (-1, 0), "float": (0, 0), "round": (-0.5, 0.5)}.get(
        dialect.rpartition("-")[2], (0, 1)
    )
    assert 1.4 + low - 0.05 <= seconds <= 1.4 + high + 0.05


@pytest.mark.parametrize(("rounding", "value"), [("ceil", "2"), ("floor", "1"), ("float", "1.400")])
def test_a_refusal_says_when_to_come_back(rounding: str, value: str) -> None:
    refusal = DECISION._replace(admitted=False, retry_in=1.4)
    ((name, told),) = retry_after_of(rounding, refusal)
    assert (name, str(told)) == ("Retry-After", value)
    assert retry_after_of(rounding, DECISION) == []
    assert retry_after_of("none", refusal) == []


def test_shares_are_of_the_rate() -> None:
    assert QuotaSpec("fixed", 100, 2.0).rate == 50.0
    assert math.isclose(QuotaSpec("bucket", 15, 900.0).rate, 1 / 60)
