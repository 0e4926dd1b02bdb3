"""The quota of one credential: rates, the vendor's word and the line of those who wait."""

from __future__ import annotations

import itertools
import math
import random
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.admission.answer import Answer, News
from resilient.admission.bucket import MAX_WAIT, Told
from resilient.admission.buckets import MOST
from resilient.admission.pacing import PATIENCE
from resilient.admission.permit import Permit
from resilient.admission.quota import Quota
from resilient.admission.rates import Rate
from resilient.testing import FakeClock, fake_clock
from tests.admission.playing import CALLS, played

HOST = "vendor.example"


def quota_of(*rates: Rate, **options: Any) -> Quota:
    options.setdefault("simple", len(rates) == 1)
    return Quota(rates, 100, **options)


def said(
    clock: FakeClock,
    remaining: float | None = None,
    reset_in: float | None = 60.0,
    *,
    who: str = "one",
    name: str = "",
    limit: float | None = 100.0,
    took: float = 0.0,
    **facts: Any,
) -> Answer:
    """An answer that comes now."""
    sent, at = clock.now - took, clock.now
    windows = []
    refused = facts.pop("refused", False)
    if remaining is not None:
        resets_at = None if reset_in is None else at + reset_in
        windows.append((name, Told(remaining, limit, resets_at, sent, at, refused), True))
    wait = facts.pop("wait", None if refused else 0.0)
    return Answer(who, HOST, sent, at, refused, wait, "429" if refused else "200", windows, **facts)


def take(quota: Quota, clock: FakeClock, who: str = "one", **options: Any) -> Permit | None:
    permit = Permit(quota, options.pop("cost", 1), who, **options)
    return None if quota.take(permit, clock.now) else permit


def takes(quota: Quota, clock: FakeClock, who: str = "one", **options: Any) -> int:
    """How many may go now; they stay under way."""
    return sum(take(quota, clock, who, **options) is not None for _ in range(200))


def do(
    quota: Quota, clock: FakeClock, answer: Answer | None = None, who: str = "one"
) -> list[News]:
    """One request that is admitted and answered."""
    permit = take(quota, clock, who)
    assert permit is not None
    news = quota.hear(permit, answer or said(clock, who=who))
    quota.give(permit)
    return news


def opened(quota: Quota, clock: FakeClock) -> None:
    """Let the traffic that resumes grow until it is as wide as ever."""
    for ramp in (quota._ramp, *(bucket.ramp for bucket in quota.buckets.all.values())):
        ramp.open()


# Rates.


@given(
    CALLS,
    st.lists(st.tuples(st.integers(3, 8), st.integers(1, 12)), min_size=1, max_size=3),
    st.lists(st.integers(1, 3), min_size=1, max_size=4),
)
def test_several_rates_admit_a_cost_whole_or_not_at_all(
    calls: list[tuple[int, int, int]], rates: list[tuple[int, int]], costs: list[int]
) -> None:
    with fake_clock() as clock:
        quota = Quota([Rate(*rate) for rate in rates], 10, simple=False)
        taken: dict[int, tuple[float, int]] = {}  # call: when it was done, and its cost
        for kind, now, number, cost in played(calls, costs):
            clock.advance(now - clock.now)
            if kind == "end":
                if number in taken:
                    taken[number] = (now, cost)
                    quota.give(Permit(quota, cost))
                continue
            fits = all(
                sum(held for done, held in taken.values() if done + period > now) + cost <= limit
                for limit, period in rates
            )
            assert (quota.take(Permit(quota, cost), now) == 0) == fits
            if fits:
                taken[number] = (math.inf, cost)


@pytest.mark.parametrize("simple", [True, False])
def test_a_quota_is_idle_once_forgetting_it_changes_nothing(clock: FakeClock, simple: bool) -> None:
    quota = Quota([Rate(2, 10)], 10, simple=simple)
    assert quota.is_idle
    assert quota.take(Permit(quota), clock.now) == 0
    assert not quota.is_idle
    quota.give(Permit(quota))
    assert not quota.is_idle
    clock.advance(10)
    assert quota.is_idle
    quota.pause(5)
    assert not quota.is_idle
    clock.advance(5)
    assert quota.is_idle
    quota.users = 1
    assert not quota.is_idle


def test_a_pause_is_news_once_and_the_longest_counts(clock: FakeClock) -> None:
    quota = Quota([], 10, simple=False)
    assert quota.pause(10)
    assert not quota.pause(10)
    assert not quota.pause(3)
    assert quota.take(Permit(quota), clock.now) == 10
    assert not quota.pause(10.5)  # a thread that was refused a moment later
    assert quota.take(Permit(quota), clock.now) == 10.5
    assert quota.pause(60)
    clock.advance(60)
    assert quota.take(Permit(quota), clock.now) == 0
    assert quota.pause(1)


def test_a_pause_holds_back_free_slots(clock: FakeClock) -> None:
    quota = Quota([Rate(5, 10)], 10, simple=True)
    quota.pause(4)
    assert quota.at_least(Permit(quota), clock.now) == 4
    assert quota.take(Permit(quota), 3) == 1
    assert quota.take(Permit(quota), 4) == 0


# The vendor's word.


def test_one_asks_where_nothing_is_known(clock: FakeClock) -> None:
    quota = quota_of(careful=True)
    permit = take(quota, clock)
    assert permit is not None
    assert takes(quota, clock) == 0
    quota.hear(permit, said(clock, 6, limit=9))
    assert takes(quota, clock) == 6


def test_one_who_asks_and_is_never_answered_holds_nobody_back_for_good(clock: FakeClock) -> None:
    quota = quota_of(careful=True)
    assert takes(quota, clock) == 1
    clock.advance(PATIENCE)
    assert takes(quota, clock) == 1


def test_an_answer_that_tells_nothing_opens_the_way(clock: FakeClock) -> None:
    quota = quota_of(careful=True)
    permit = take(quota, clock)
    assert permit is not None
    assert quota.listens
    quota.hear(permit, said(clock))
    assert takes(quota, clock) == 200


def test_calls_that_send_nothing_open_the_way_by_being_done(clock: FakeClock) -> None:
    quota = quota_of(careful=True)
    for _ in range(40):
        permit = take(quota, clock)
        assert permit is not None
        clock.advance(0.05)
        quota.give(permit)
    assert quota.guarded_until <= clock.now
    assert takes(quota, clock) == 200


def test_what_the_vendor_has_left_counts_besides_the_rates(clock: FakeClock) -> None:
    quota = quota_of(Rate(50, 10))
    do(quota, clock, said(clock, 5, limit=9))
    assert takes(quota, clock) == 5
    assert quota.at_least(Permit(quota, who="one"), clock.now) == 60
    other = quota_of(Rate(3, 10))
    do(other, clock, said(clock, 50))
    assert takes(other, clock) == 2


def test_resources_do_not_block_each_other(clock: FakeClock) -> None:
    quota = quota_of(Rate(1000, 1))
    do(quota, clock, said(clock, 0, 300, who="search", name="search", scope="search"), "search")
    do(quota, clock, said(clock, 80, 60, who="core", name="core", scope="core"), "core")
    assert takes(quota, clock, "search") == 0
    assert takes(quota, clock, "core") > 50
    assert quota.group_of("search") != quota.group_of("core")


def test_requests_for_another_resource_are_no_strangers_for_long(clock: FakeClock) -> None:
    """Many were under way when a small quota was first heard of, and none of them spends it."""
    quota = quota_of(Rate(1000, 1))
    others = [take(quota, clock, "core") for _ in range(20)]
    asked = take(quota, clock, "search")
    clock.advance(0.1)
    answer = said(clock, 8, 900, limit=9, who="search", name="search", scope="search", took=0.1)
    quota.hear(asked, answer)
    clock.advance(0.1)
    for permit in others:
        quota.hear(permit, said(clock, who="core", took=0.2))
    assert takes(quota, clock, "search") == 8


def test_a_function_nobody_has_heard_of_obeys_what_has_no_name(clock: FakeClock) -> None:
    quota = quota_of()
    do(quota, clock, said(clock, 0, 300, who="search", name="search", scope="search"), "search")
    assert takes(quota, clock, "unknown") == 200
    other = quota_of()
    do(other, clock, said(clock, 0, 300))
    assert takes(other, clock, "unknown") == 0


def test_several_quotas_of_one_answer_hold_at_once(clock: FakeClock) -> None:
    quota = quota_of()
    permit = take(quota, clock)
    answer = said(clock, 9, 1, name="second", limit=9)
    day = said(clock, 4, 5000, name="day", limit=9)
    quota.hear(permit, answer._replace(windows=[*answer.windows, *day.windows]))
    assert takes(quota, clock) == 4
    binding = quota.binding("one", clock.now)
    assert binding is not None
    assert binding.name == "day"


def test_a_pause_ends_with_one_request_and_then_more(clock: FakeClock) -> None:
    quota = quota_of(Rate(1000, 1))
    quota.pause(10)
    assert takes(quota, clock) == 0
    clock.advance(10)
    quota._guard_locked()
    # Calls need a look at more than the log only while something is held back.
    do(quota, clock, said(clock, 99))
    quota.pause(10)
    clock.advance(10)
    first = take(quota, clock)
    assert first is not None
    assert takes(quota, clock) == 0
    quota.hear(first, said(clock, 99))
    clock.advance(1)
    assert takes(quota, clock) <= 2


def test_a_share_is_kept_back_for_priority(clock: FakeClock) -> None:
    quota = quota_of(Rate(10, 60), simple=False, reserve=0.3)
    assert takes(quota, clock) == 7
    assert takes(quota, clock, urgent=True) == 3


def test_a_share_of_the_vendors_quota_is_kept_back_too(clock: FakeClock) -> None:
    quota = quota_of(reserve=0.5)
    do(quota, clock, said(clock, 9, limit=9))
    assert takes(quota, clock) == 4
    assert takes(quota, clock, urgent=True) == 5


def test_spread_calls_keep_their_distance(clock: FakeClock) -> None:
    quota = quota_of(Rate(10, 5), simple=False, spread=True)
    went: list[float] = []
    for _ in range(8):
        permit = Permit(quota)
        wait = quota.take(permit, clock.now)
        if wait:
            clock.advance(wait)
            assert quota.take(permit, clock.now) == 0
        quota.give(permit)
        went.append(clock.now)
    # After a rest one may catch up.
    assert [later - sooner for sooner, later in itertools.pairwise(went)][1:] == [0.5] * 6


def test_spread_goes_by_what_is_left(clock: FakeClock) -> None:
    quota = quota_of(spread=True)
    do(quota, clock, said(clock, 31, 60))
    clock.advance(2)
    first = take(quota, clock)
    assert first is not None
    quota.hear(first, said(clock, 30, 58))
    opened(quota, clock)
    assert takes(quota, clock) <= 1  # a thread that wakes late may catch up, once
    wait = quota.take(Permit(quota, who="one"), clock.now)
    assert wait == pytest.approx(58 / 29, rel=0.1)


def test_a_wait_longer_than_a_day_is_cut_and_told_of_once(clock: FakeClock) -> None:
    quota = quota_of()
    news = do(quota, clock, said(clock, 0, 1e7))
    assert [one.kind for one in news] == ["capped", "paused"]
    assert quota.take(Permit(quota, who="one"), clock.now) == MAX_WAIT
    clock.advance(MAX_WAIT)
    assert "capped" not in [one.kind for one in do(quota, clock, said(clock, 0, 1e7))]
    other = quota_of()
    news = do(other, clock, said(clock, refused=True, wait=1e9))
    assert [one.kind for one in news] == ["capped", "paused"]
    assert other.paused_until == clock.now + MAX_WAIT


def test_what_a_vendor_makes_up_is_kept_in_bounded_memory(clock: FakeClock) -> None:
    quota = quota_of()
    for number in range(MOST * 5):
        name = f"made-up-{number}"
        do(quota, clock, said(clock, 50, 9000, name=name, scope=name))
    assert len(quota.buckets.all) <= MOST
    assert len(quota.buckets._spends["one"]) <= MOST


def test_a_quota_is_forgotten_some_time_after_its_reset(clock: FakeClock) -> None:
    quota = quota_of(Rate(100, 1))
    do(quota, clock, said(clock, 50, 60))
    assert quota.listens
    clock.advance(1000)
    do(quota, clock, said(clock))
    assert not quota.buckets.all
    assert not quota.buckets._spends
    assert not quota.listens


def test_calls_need_no_lock_again_once_everything_is_forgotten(clock: FakeClock) -> None:
    quota = quota_of(Rate(100, 1))
    assert quota.guarded_until <= clock.now
    do(quota, clock, said(clock, 0, 5))
    assert quota.guarded_until == math.inf
    clock.advance(400)
    for _ in range(50):  # answers that tell nothing
        do(quota, clock)
        clock.advance(1)
    assert quota.guarded_until <= clock.now
    quota._lock = None  # type: ignore[assignment]
    assert take(quota, clock) is not None


def test_calls_need_no_lock_again_after_refusals_that_said_nothing(clock: FakeClock) -> None:
    quota = quota_of(Rate(100, 1))
    for _ in range(20):
        do(quota, clock)
        clock.advance(0.2)
    assert [one.kind for one in do(quota, clock, said(clock, refused=True))] == ["slowed"]
    for _ in range(3000):
        wait = quota.take(permit := Permit(quota, who="one"), clock.now)
        if wait:
            clock.advance(wait)
            continue
        clock.advance(0.05)
        if quota.listens:
            quota.hear(permit, said(clock, took=0.05))
        quota.give(permit)
    assert quota.cubic is None
    assert quota.guarded_until <= clock.now


# Refusals.


def test_refusals_that_say_nothing_slow_everybody_down_once_a_burst(clock: FakeClock) -> None:
    quota = quota_of(careful=True)
    do(quota, clock)
    permits = [take(quota, clock) for _ in range(20)]
    clock.advance(0.1)
    answers = [quota.hear(permit, said(clock, refused=True, took=0.1)) for permit in permits]
    kinds = [news.kind for news in itertools.chain(*answers)]
    assert kinds == ["slowed"]
    assert quota.cubic is not None
    assert takes(quota, clock) == 0


def test_a_refusal_with_a_wait_slows_nobody_down_after_it(clock: FakeClock) -> None:
    quota = quota_of(Rate(1000, 1))
    news = do(quota, clock, said(clock, refused=True, wait=7.0))
    assert [one.kind for one in news] == ["paused"]
    assert quota.cubic is None
    assert quota.take(Permit(quota), clock.now) == 7


def test_a_vendor_that_refuses_again_and_again_after_its_pause_is_asked_ever_less(
    clock: FakeClock,
) -> None:
    quota = quota_of(careful=True)
    asked = []
    for _ in range(30):
        wait = quota.take(permit := Permit(quota, who="one"), clock.now)
        while wait:
            clock.advance(wait)
            wait = quota.take(permit, clock.now)
        asked.append(clock.now)
        quota.hear(permit, said(clock, refused=True, wait=0.01))
        quota.give(permit)
    assert asked[-1] - asked[0] > 60


@pytest.mark.parametrize("remaining", [None, 50.0], ids=["nothing told", "a quota told"])
def test_a_vendor_that_refuses_and_says_go_on_is_not_believed(
    clock: FakeClock, remaining: float | None
) -> None:
    """429, Retry-After: 0, and 50 left: a busy loop, if everybody believed it."""
    quota = quota_of(careful=True)
    asked = 0
    while clock.now < 10:
        wait = quota.take(permit := Permit(quota, who="one"), clock.now)
        if wait:
            clock.advance(wait)
            continue
        asked += 1
        assert asked < 200
        clock.advance(0.001)
        quota.hear(permit, said(clock, remaining, refused=True, wait=0.0, took=0.001))
        quota.give(permit)


def test_a_refusal_of_one_bucket_leaves_the_others_alone(clock: FakeClock) -> None:
    quota = quota_of(Rate(1000, 1))
    do(quota, clock, said(clock, 90, who="core", name="core", scope="core"), "core")
    answer = said(clock, 0, 30, who="search", name="search", scope="search", refused=True)
    news = do(quota, clock, answer._replace(wait=30.0, scoped=True), "search")
    assert [(one.kind, one.is_scoped) for one in news] == [("paused", True)]
    assert takes(quota, clock, "search") == 0
    assert takes(quota, clock, "core") > 50


# Everything comes back.


@given(st.integers(0, 10_000), st.booleans(), st.booleans())
def test_nothing_counts_as_under_way_when_all_is_done(
    seed: int, simple: bool, spread: bool
) -> None:
    """Whatever the order of answers and returns, and whoever is never answered."""
    chance = random.Random(seed)
    with fake_clock() as clock:
        rates = [Rate(30, 2)] if simple else []
        quota = quota_of(*rates, simple=simple and not spread, spread=spread, careful=not simple)
        held: list[Permit] = []
        for _ in range(120):
            clock.advance(chance.choice([0.0, 0.01, 0.5, 3.0]))
            what = chance.choice(["take", "take", "again", "hear", "give", "pause"])
            who = chance.choice(["one", "two"])
            if what == "take":
                permit = take(quota, clock, who)
                held += [permit] if permit else []
            elif what == "again" and held:
                # A thread of the same call, with the same permit.
                permit = chance.choice(held)
                if not quota.take(permit, clock.now):
                    quota.give(permit)
            elif what == "hear" and held:
                refused = chance.random() < 0.3
                remaining = chance.choice([None, 0, 1, 5, 90])
                answer = said(
                    clock,
                    remaining,
                    chance.choice([None, 0.0, 1.0, 20.0]),
                    who=who,
                    name=chance.choice(["", who]),
                    refused=refused,
                    wait=chance.choice([None, 0.0, 2.0]) if refused else 0.0,
                    took=chance.choice([0.0, 0.2]),
                )
                quota.hear(chance.choice([*held, None]), answer)
            elif what == "give" and held:
                quota.give(held.pop(chance.randrange(len(held))))
            elif what == "pause":
                quota.pause(chance.choice([0.1, 5.0]))
            assert quota._ramp.under_way >= 0
            assert all(bucket.ramp.under_way >= 0 for bucket in quota.buckets.all.values())
        for permit in held:
            quota.give(permit)
        assert quota._ramp.under_way == 0
        assert {bucket.ramp.under_way for bucket in quota.buckets.all.values()} <= {0}
        assert [log.running for log in quota.logs] == [0] * len(quota.logs)
        clock.advance(3 * MAX_WAIT)
        for _ in range(10):
            wait = quota.take(Permit(quota, who="one"), clock.now)
            if not wait:
                break
            assert 0 < wait < MAX_WAIT
            clock.advance(wait)
        assert not wait


def test_a_permit_that_two_threads_of_a_call_took_for_is_back_when_both_gave(
    clock: FakeClock,
) -> None:
    quota = quota_of(careful=True)
    do(quota, clock, said(clock, 90))
    permit = Permit(quota, who="one")
    assert [quota.take(permit, clock.now) for _ in range(2)] == [0, 0]
    quota.give(permit)
    quota.give(permit)
    assert quota._ramp.under_way == 0
    assert [bucket.ramp.under_way for bucket in quota.buckets.all.values()] == [0]


def test_a_forked_child_begins_with_nothing_under_way(clock: FakeClock) -> None:
    quota = quota_of(Rate(20, 10))
    do(quota, clock, said(clock, 90))
    assert takes(quota, clock) == 19
    quota.users = 3
    quota.renew_in_child()
    assert quota._ramp.under_way == 0
    assert [bucket.ramp.under_way for bucket in quota.buckets.all.values()] == [0]
    assert quota.logs[0].running == 0
    assert not quota.users
    clock.advance(10)
    opened(quota, clock)
    assert takes(quota, clock) == 20


# Waking.


class Woken:
    """A line in which somebody stands, and that counts its wake-ups."""

    def __init__(self) -> None:
        self.waiting = [object()]
        self.count = 0

    def wake(self) -> None:
        self.count += 1


@pytest.mark.parametrize("how", ["give", "hear"])
def test_who_waits_is_woken_by_whatever_may_let_him_go(clock: FakeClock, how: str) -> None:
    quota = quota_of(careful=True)
    permit = take(quota, clock)
    assert permit is not None
    quota.line = woken = Woken()  # type: ignore[assignment]
    if how == "give":
        quota.give(permit)
    else:
        quota.hear(permit, said(clock, 99))
    assert woken.count == 1


@pytest.mark.stress
@pytest.mark.parametrize("simple", [True, False], ids=["lock-free", "locked"])
def test_sixteen_threads_share_the_slots_and_lose_none(simple: bool) -> None:
    with fake_clock() as clock:
        limit = 7
        quota = Quota([Rate(limit, 0.001)], 10, simple=simple)
        start = threading.Barrier(16)
        out: list[None] = []
        most = [0]

        def work() -> None:
            start.wait()
            for _ in range(3000):
                # Whoever gets a slot moves the time, so that slots come free all along.
                if quota.take(Permit(quota), clock.now) == 0:
                    out.append(None)
                    most[0] = max(most[0], len(out))
                    out.pop()
                    clock._now += 0.0005  # `advance` would serialize the threads
                    quota.give(Permit(quota))

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most[0] <= limit
        clock.advance(1)
        assert quota.is_idle or quota.logs[0]._early
        assert [quota.take(Permit(quota), clock.now) for _ in range(limit)] == [0] * limit
        assert quota.take(Permit(quota), clock.now) == math.inf
