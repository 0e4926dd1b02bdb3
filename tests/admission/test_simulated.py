"""Many callers, a vendor that truly enforces its quota, and minutes of simulated time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resilient import throttled
from resilient.call import listeners
from resilient.diagnostics import logs
from tests.admission.simulation import Headers, Run, World, simulated
from tests.loads.quotas import QuotaSpec

DIALECTS = ["float", "ceil", "floor", "round", "epoch-ceil", "epoch-floor"]

few = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of lines that nobody reads cost more than the runs."""
    before = listeners._all
    listeners.remove(logs.lines)
    yield
    listeners._all = before


def quota(kind: str = "fixed", **facts: Any) -> QuotaSpec:
    return QuotaSpec(**{"kind": kind, "calls": 100, "period": 2.0, "age": 0.3, **facts})


def ran(world: World, seconds: float, policy: Callable[[], Any] = throttled, **options: Any) -> Run:
    with simulated(world, policy, **options) as run:
        run.time.run(seconds)
    return run


# Told the rate.


@few
@given(
    kind=st.sampled_from(["fixed", "first", "sliding"]),
    age=st.floats(0, 0.999),
    callers=st.integers(4, 40),
    latency=st.floats(0.0005, 0.05),
    seed=st.integers(0, 1000),
)
def test_told_the_rate_nobody_is_refused_and_the_quota_is_used(
    kind: str, age: float, callers: int, latency: float, seed: int
) -> None:
    run = ran(
        World({"/": quota(kind, age=age)}, callers=callers, latency=latency, seed=seed),
        12,
        lambda: throttled("100 per 2 s"),
    )
    assert not run.refusals()
    # A fixed window may begin when ours has just begun: what counts is the whole time.
    admitted = len([one for one in run.ours() if one.at < 10])
    assert admitted >= 0.95 * min(500, callers * 10 / (2 * latency))


@few
@given(latency=st.floats(0.0005, 0.05), seed=st.integers(0, 1000), age=st.floats(0, 0.999))
def test_pages_count_one_by_one(latency: float, seed: int, age: float) -> None:
    run = ran(
        World({"/": quota(age=age)}, latency=latency, seed=seed),
        12,
        lambda: throttled("100 per 2 s"),
        requests=lambda chance: chance.randint(1, 7),
    )
    assert not run.refusals()
    assert len([one for one in run.ours() if one.at < 10]) >= 0.95 * min(500, 40 / latency)


# Told nothing.


@few
@given(
    dialect=st.sampled_from(DIALECTS),
    kind=st.sampled_from(["fixed", "first", "sliding"]),
    age=st.floats(0, 0.99),
    unix=st.floats(1_767_225_600, 1_767_225_601),
    callers=st.integers(1, 24),
    latency=st.floats(0.0005, 0.02),
    retry_after=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_what_the_headers_tell_is_enough(
    dialect: str,
    kind: str,
    age: float,
    unix: float,
    callers: int,
    latency: float,
    retry_after: bool,
    seed: int,
) -> None:
    world = World(
        {"/": quota(kind, age=age)},
        dialect=dialect,
        retry_after=retry_after,
        callers=callers,
        latency=latency,
        unix=unix,
        seed=seed,
    )
    run = ran(world, 16)
    assert len(run.refusals()) <= 1
    # The first window, with what was learned at its end.
    assert not run.refusals(since=4.5)
    if callers >= 4:
        # Whole seconds cost up to one of the two that a window lasts.
        assert run.used(4) >= (0.9 if kind == "fixed" and "round" not in dialect else 0.55)


@pytest.mark.stress
@few
@given(
    dialect=st.sampled_from(["float", "ceil", "floor", "epoch-ceil", "epoch-floor"]),
    spending=st.sampled_from(["evenly", "bursts"]),
    kind=st.sampled_from(["fixed", "first"]),
    latency=st.floats(0.0005, 0.02),
    seed=st.integers(0, 1000),
)
def test_what_somebody_else_spends_is_left_to_them(
    dialect: str, spending: str, kind: str, latency: float, seed: int
) -> None:
    world = World(
        {"/": quota(kind)},
        dialect=dialect,
        others=0.5,
        spending=spending,
        latency=latency,
        seed=seed,
    )
    run = ran(world, 20)
    assert len(run.refusals()) <= 3
    assert len(run.refusals(since=4.5)) <= 1
    assert run.used(4) >= 0.7


def test_an_hourly_quota_is_learned_from_few_answers() -> None:
    world = World({"/": quota(calls=1000, period=3600.0, age=0.5)}, dialect="epoch-ceil")
    run = ran(world, 2 * 3600, lambda: throttled(max_wait=3600))
    assert not run.refusals()
    assert len(run.ours()) >= 2900
    assert run.time.steps < 40 * len(run.ours())


# Refusals without a word.


@pytest.mark.stress
@pytest.mark.parametrize(
    "spec",
    [
        quota("fixed"),
        quota("first"),
        quota("sliding"),
        quota("bucket", burst=0),
        quota("bucket", burst=20),
        quota("bucket", calls=5, period=1.0, burst=5),
    ],
    ids=["fixed", "first", "sliding", "leaky", "tokens", "slow tokens"],
)
@pytest.mark.parametrize("latency", [0.0005, 0.005], ids=["near", "far"])
def test_a_rate_that_nobody_told_is_found(spec: QuotaSpec, latency: float) -> None:
    run = ran(World({"/": spec}, latency=latency), 70)
    assert len(run.refusals(since=10)) < 0.05 * len(run.ours(since=10))
    assert len(run.ours(since=10)) >= 0.45 * 60 * spec.rate


@pytest.mark.stress
@pytest.mark.parametrize("kind", ["fixed", "sliding", "bucket"])
def test_a_limit_that_is_lowered_or_raised_is_followed(kind: str) -> None:
    facts = {"burst": 10} if kind == "bucket" else {}
    with simulated(World({"/": quota(kind, **facts)}, latency=0.002)) as run:
        run.time.run(30)
        run.quotas["/"].spec = quota(kind, calls=20, **facts)
        run.time.run(45)
        lowered_from = run.time.now
        run.time.run(75)
        lowered = run.ours(since=lowered_from)
        run.quotas["/"].spec = quota(kind, **facts)
        run.time.run(195)
        raised = run.ours(since=135)
    refused = [one for one in lowered if not one.admitted]
    assert len(refused) < 0.05 * len(lowered)
    assert 0.4 * 10 * 30 <= len(lowered) <= 1.2 * 10 * 30
    assert len(raised) >= 0.4 * 50 * 60
    assert len([one for one in raised if not one.admitted]) < 0.05 * len(raised)


# Several resources.


@pytest.mark.parametrize(
    "rates",
    [(), pytest.param(("1000/s",), marks=pytest.mark.stress), ("1000/s", "50000/min")],
    ids=str,
)
@pytest.mark.parametrize("callers", [1, 8])
def test_a_resource_that_is_used_up_holds_back_nobody_who_asks_for_another(
    rates: tuple[str, ...], callers: int
) -> None:
    world = World(
        {"/search": quota(calls=2, period=600.0, age=0.0), "/core": quota()},
        dialect="float",
        names=True,
        callers=callers,
    )
    with simulated(world, lambda: throttled(*rates, max_wait=1000)) as run:
        run.time.run(30)
        # Nor any of those who came when nobody knew of two resources.
        assert run.calls["/core"] >= 30
        waiting = [turn.group for line in run.throttle._all_quotas() for turn in line.line.waiting]
    assert len(run.ours(path="/search")) <= max(2, callers)
    assert run.used(4, "/core") >= (0.9 if callers > 1 else 0.5)
    core = [one.at for one in run.ours(path="/core")]
    assert max(later - sooner for sooner, later in pairwise(core)) < 2.0
    assert len(set(waiting)) <= 2
    slowest = min(run.each_caller["/core"])
    assert slowest >= 0.3 * max(run.each_caller["/core"])


def test_nobody_overtakes_those_in_line_for_long() -> None:
    """Eight callers that all want the same go as often as each other."""
    for answer in (lambda chance, now: (200, told(0, 0)), lambda chance, now: (200, told(5, 1e9))):
        run = ran(World({"/": quota()}, answer=answer), 30)
        assert not run.refused_by_us
        assert min(run.each_caller["/"]) >= 0.5 * max(run.each_caller["/"])


# Vendors that lie.


def told(remaining: object, reset: object = None, limit: object = 100, **more: object) -> Headers:
    headers = {"X-RateLimit-Remaining": str(remaining), "X-RateLimit-Limit": str(limit)}
    if reset is not None:
        headers["X-RateLimit-Reset"] = str(reset)
    return headers | {name.replace("_", "-"): str(value) for name, value in more.items()}


ODD = [0, 1, -1, 0.5, 10**18, "1e20", "nan", "inf", "x", "", 1e9, 10**12, "1,0", "٣"]

LIES: dict[str, Callable[[random.Random, float], tuple[int, Headers]]] = {
    "remaining at random": lambda chance, now: (200, told(chance.randint(0, 100), 5)),
    "anything": lambda chance, now: (
        chance.choice([200, 200, 429, 503]),
        told(*(chance.choice(ODD) for _ in range(3)), Retry_After=chance.choice(ODD)),
    ),
    "the past": lambda chance, now: (200, told(5, 1_600_000_000)),
    "used up, over": lambda chance, now: (200, told(0, 0)),
    "used up, over, refused": lambda chance, now: (429, told(0, 0)),
    "used up, no reset": lambda chance, now: (200, told(0)),
    "shrinking": lambda chance, now: (200, told(max(0, 90 - int(now)), 5, max(0, 100 - int(now)))),
    "refused for ever": lambda chance, now: (429, {}),
    "refused, come now": lambda chance, now: (429, {"Retry-After": "0"}),
    "refused, plenty left": lambda chance, now: (429, told(50, 1)),
    "refused, plenty left, come now": lambda chance, now: (429, told(50, 1, Retry_After=0)),
    "refused, come soon": lambda chance, now: (429, {"Retry-After": "1"}),
    "out, come soon": lambda chance, now: (503, {"Retry-After": "1"}),
    "new names": lambda chance, now: (
        200,
        told(chance.randint(0, 3), 1, X_RateLimit_Resource=chance.random()),
    ),
    "tokens": lambda chance, now: (
        200,
        {
            "x-ratelimit-remaining-tokens": str(chance.randint(0, 99)),
            "x-ratelimit-reset-tokens": "1s",
        },
    ),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
@pytest.mark.parametrize(
    "policy",
    [
        throttled,
        pytest.param(lambda: throttled("50/s"), marks=pytest.mark.stress),
        lambda: throttled("50/s", "900/min", max_wait=3600),
        lambda: throttled(pace="spread"),
    ],
    ids=["told nothing", "a rate", "rates", "spread"],
)
def test_a_vendor_that_lies_is_neither_hammered_nor_left_alone(
    lie: Callable[[random.Random, float], tuple[int, Headers]], policy: Callable[[], Any]
) -> None:
    world = World({"/": quota()}, answer=lie, callers=3, latency=0.1)
    with simulated(world, policy) as run:
        steps = 0
        for second in range(1, 71):
            run.time.run(second)
            assert run.time.steps - steps < 20 * world.callers / world.latency, "a busy loop"
            steps = run.time.steps
    if not any(one.admitted for one in run.sent):
        assert len(run.sent) <= 2 * 71 + 50  # the rest: all that a rate lets go at once
    assert run.longest_silence() <= 61
    assert all(wait >= 0 for _, _, wait in run.refused_by_us)


@pytest.mark.parametrize(
    "answer",
    [(200, told(0, 364 * 86400)), (429, {"Retry-After": str(364 * 86400)})],
    ids=["used up", "refused"],
)
def test_a_year_is_cut_to_a_day_and_then_somebody_asks(answer: tuple[int, Headers]) -> None:
    run = ran(
        World({"/": quota()}, answer=lambda chance, now: answer), 100 * 3600, lambda: throttled()
    )
    asked = [one.at / 3600 for one in run.ours()]
    assert 4 <= len(asked) <= 40
    assert max(later - sooner for sooner, later in pairwise(asked)) < 25
