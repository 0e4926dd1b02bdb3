"""@throttled: what is admitted when, who waits, and what the vendor's answers change."""

from __future__ import annotations

import contextvars
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import ratelimit
import requests
from hypothesis import given
from hypothesis import strategies as st

from resilient import (
    BreakerOpen,
    ConfigurationError,
    RateLimited,
    fallback,
    retry,
    service,
    throttled,
)
from resilient.admission.keyed import FULL
from resilient.admission.permit import Permit
from resilient.call import listeners
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor, fake_clock
from resilient.timing import clock as clock_in_force
from resilient.waiting import _Turn
from tests.ids import said
from tests.threads import REAL_LIMIT, StartThread, until

MakeVendor = Callable[[Any], ScriptedVendor]


@pytest.fixture
def vendor(clock: FakeClock) -> Iterator[MakeVendor]:
    made: list[ScriptedVendor] = []

    def make(script: Any) -> ScriptedVendor:
        made.append(ScriptedVendor(script))
        return made[-1]

    yield make
    for one in made:
        one.close()


def free_slots(policy: Any, most: int = 50) -> int:
    """How many calls would be admitted now; they are not given back."""
    now = clock_in_force.monotonic()
    return sum(policy._quota.take(Permit(policy._quota), now) == 0 for _ in range(most))


def get(vendor: ScriptedVendor, path: str = "/") -> requests.Response:
    return requests.get(vendor.url_for(path), timeout=5)


# What it takes.


@pytest.mark.parametrize(
    ("made", "rates"),
    [
        (lambda: throttled("10/s"), ["10/s"]),
        (lambda: throttled("10/s", "5000/hour"), ["10/s", "5000/hour"]),
        (lambda: throttled(calls=15, period=900), ["15 per 900 s"]),
        (lambda: throttled("1_000/min", calls=3, period=1), ["1000/min", "3/s"]),
        (lambda: throttled(calls=15, period=timedelta(minutes=1)), ["15/min"]),
        (lambda: throttled(), []),
    ],
)
def test_rates_are_taken_in_every_spelling(made: Any, rates: list[str]) -> None:
    assert [str(rate) for rate in made().rates] == rates


@pytest.mark.parametrize(
    ("rates", "options", "text"),
    [
        (["0/s"], {}, "throttled('0/s'): use at least 1 call"),
        (["-1/s"], {}, 'write "10/s", "5000/hour"'),
        (["fast"], {}, "throttled('fast'): no such rate"),
        ([10], {}, "throttled(10): no such rate"),
        (["10/s", ""], {}, "throttled('')"),
        ([], {"calls": 5}, "give both"),
        ([], {"period": 5}, "give both"),
        ([], {"calls": 0, "period": 1}, "throttled(calls=0)"),
        ([], {"calls": 1.5, "period": 1}, "throttled(calls=1.5)"),
        ([], {"calls": 10**30, "period": 1}, "throttled(calls="),
        ([], {"calls": 1, "period": 0}, "throttled(period=0)"),
        ([], {"calls": 1, "period": -5}, "throttled(period=-5)"),
        (["10/s"], {"cost": 11}, "the rate admits only 10"),
        (["10/s", "5/min"], {"cost": 6}, "the rate admits only 5"),
        (["10/s"], {"cost": 0}, "throttled(cost=0)"),
        (["10/s"], {"cost": int}, "throttled(cost=int)"),
        (["10/s"], {"key": "tenant"}, "throttled(key='tenant')"),
        (["10/s"], {"per": "minute"}, "use 'request' or 'call'"),
        (["10/s"], {"mode": "off"}, "use 'enforce' or 'observe'"),
        (["10/s"], {"adaptive": 1}, "use True or False"),
        ([], {"adaptive": False}, "without a rate nothing would ever wait; give one"),
        (["10/s"], {"max_wait": -1}, "throttled(max_wait=-1)"),
        (["10/s"], {"max_waiting": 0}, "throttled(max_waiting=0)"),
        (["10/s"], {"max_keys": 0}, "throttled(max_keys=0)"),
        (["10/s"], {"maxwait": 1}, "did you mean max_wait?"),
        (["10/s"], {"pace": "slow"}, "use 'burst' or 'spread'"),
        (["10/s"], {"reserve": 1.5, "priority": lambda: True}, "throttled(reserve=1.5)"),
        (["10/s"], {"reserve": -0.1, "priority": lambda: True}, "throttled(reserve=-0.1)"),
        (["10/s"], {"reserve": 0.2}, "without priority= no call could use it"),
        (["2/s"], {"reserve": 0.9, "priority": lambda: True}, "of 2/s nothing is left"),
        (["10/s"], {"priority": "always"}, "throttled(priority='always')"),
    ],
    ids=said,
)
def test_bad_options_are_refused_with_what_to_use(
    rates: list[Any], options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        throttled(*rates, **options)
    assert text in str(caught.value)


def test_it_decorates_functions_and_methods_bare_and_called() -> None:
    @throttled
    def plain(number: int) -> int:
        return number

    class Client:
        @throttled("10/s")
        def fetch(self, number: int) -> tuple[Client, int]:
            return self, number

        @throttled("10/s", "50/min")
        @classmethod
        def make(cls, number: int) -> tuple[type, int]:
            return cls, number

    client = Client()
    assert plain(3) == 3
    assert client.fetch(4) == (client, 4)
    assert Client.make(5) == (Client, 5)
    assert plain.resilient.policy("throttled").rates == ()


def test_its_settings_are_shown() -> None:
    policy = throttled("10/s", key=lambda tenant: tenant, cost=2)
    assert repr(policy) == (
        "throttled(rates=['10/s'], max_wait=60, adaptive=True, per='request', key=<lambda>, cost=2)"
    )
    assert "the vendor's" in repr(throttled())


# The rate.


def test_calls_beyond_the_rate_wait_for_just_as_long_as_needed(clock: FakeClock) -> None:
    @throttled("2/s")
    def fetch() -> float:
        return clock.now

    assert [fetch() for _ in range(5)] == [0, 0, 1, 1, 2]
    assert clock.slept == [1, 1]


def test_a_slot_is_free_one_period_after_its_call_is_done(clock: FakeClock) -> None:
    @throttled(calls=1, period=10)
    def fetch(takes: float) -> float:
        began = clock.now
        clock.advance(takes)
        return began

    assert [fetch(3), fetch(4), fetch(0), fetch(0)] == [0, 13, 27, 37]


def test_all_rates_hold_at_once(clock: FakeClock) -> None:
    @throttled("2/s", "3 per 10 s")
    def fetch() -> float:
        return clock.now

    assert [fetch() for _ in range(7)] == [0, 0, 1, 10, 10, 11, 20]


def test_functions_that_share_it_share_the_rate(clock: FakeClock) -> None:
    policy = throttled("1/s")

    @policy
    def one() -> float:
        return clock.now

    @policy
    def other() -> float:
        return clock.now

    @throttled("1/s")
    def apart() -> float:
        return clock.now

    assert [one(), other(), apart(), one()] == [0, 1, 1, 2]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30),
    st.integers(1, 4),
    st.integers(1, 15),
)
def test_no_window_of_one_period_holds_more_than_the_rate(
    calls: list[tuple[int, int]], limit: int, period: int
) -> None:
    with fake_clock() as clock:
        seen: list[float] = []

        @throttled(calls=limit, period=period, max_wait=10_000)
        def fetch(takes: int) -> None:
            seen.append(clock.now + takes)  # the vendor may count it as late as this
            clock.advance(takes)

        for gap, takes in calls:
            clock.advance(gap)
            fetch(takes)
        later = seen[limit:]
        assert all(after - before >= period for before, after in zip(seen, later, strict=False))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("rates", [("1/s",), ("1/s", "9/min")], ids=["one rate", "two rates"])
def test_slots_come_back_whatever_ends_the_call(
    clock: FakeClock, error: type[BaseException], rates: tuple[str, ...]
) -> None:
    @throttled(*rates)
    def fetch() -> None:
        raise error

    for began in range(4):
        with pytest.raises(error):
            fetch()
        assert clock.now == began


def test_a_call_that_starts_late_sees_slots_that_came_free_meanwhile(clock: FakeClock) -> None:
    """The start of the call is what the happy path goes by: it must not make anybody wait."""
    policy = throttled("1/s")

    @retry(attempts=2, wait=5, on=ValueError)
    @policy
    def fetch() -> float:
        if clock.now < 5:
            raise ValueError
        return clock.now

    assert fetch() == 5
    assert clock.slept == [5]


# Waiting, and refusing to.


def test_a_wait_longer_than_max_wait_is_refused_at_once(
    clock: FakeClock, steps: RecordedSteps
) -> None:
    @service("github")
    @throttled("1/min", max_wait=30)
    def fetch() -> None: ...

    fetch()
    clock.advance(10)
    with pytest.raises(RateLimited, match=r"github\.fetch: 1/min has no room for 50 s") as caught:
        fetch()
    error = caught.value
    assert isinstance(error, ratelimit.RateLimitException)
    assert error.retry_after == error.period_remaining == 50
    assert error.label == "github.fetch"
    assert clock.now == 10
    assert steps.kinds() == ["rate_limited"]
    clock.advance(error.retry_after)
    fetch()


@pytest.mark.parametrize("start", [tenths / 10 for tenths in range(1, 50)])
def test_max_wait_of_just_the_period_is_enough(start: float) -> None:
    with fake_clock(start):

        @throttled("1/min", max_wait=60)
        def fetch() -> None: ...

        fetch()
        fetch()  # after rounding, start + 60 may be more than 60 away from start


def test_max_wait_zero_never_waits(clock: FakeClock) -> None:
    @throttled("1/s", max_wait=0)
    def fetch() -> None: ...

    fetch()
    with pytest.raises(RateLimited):
        fetch()
    assert not clock.slept


def test_a_wait_that_would_outlast_the_deadline_is_refused_at_once(clock: FakeClock) -> None:
    @service("github", deadline=5)
    @throttled("1/min", max_wait=120)
    def fetch() -> None: ...

    fetch()
    with pytest.raises(RateLimited, match="the deadline leaves 5 s") as caught:
        fetch()
    assert caught.value.retry_after == 60
    assert clock.now == 0


def test_a_wait_is_told_of_with_its_length(clock: FakeClock, steps: RecordedSteps) -> None:
    @throttled("1/s")
    def fetch() -> None: ...

    fetch()
    clock.advance(0.25)
    fetch()
    (step,) = steps
    assert step.kind == "throttled"
    assert step.facts == {"needed": 0.75, "waited": 0.75}
    assert step.text == "waits 0.75 s for 1/s"


def test_a_wait_too_short_to_care_about_is_not_told_of(
    clock: FakeClock, steps: RecordedSteps
) -> None:
    @throttled("1/s")
    def fetch() -> None: ...

    fetch()
    clock.advance(0.9995)
    fetch()
    assert clock.now == 1
    assert not steps


@pytest.mark.parametrize("rates", [("5/s",), ("5/s", "50/min")], ids=["one rate", "two rates"])
def test_nobody_takes_a_free_slot_past_those_in_line(
    clock: FakeClock, rates: tuple[str, ...]
) -> None:
    """The first in line has been woken, but its thread has not run yet."""
    policy = throttled(*rates, max_wait=0)

    @policy
    def fetch() -> None: ...

    policy._quota.line._join_locked(_Turn(None, urgent=False))
    with pytest.raises(RateLimited):
        fetch()
    assert free_slots(policy) == 5


def test_a_slot_comes_back_when_the_report_of_the_wait_is_interrupted(clock: FakeClock) -> None:
    policy = throttled("1/s")

    @policy
    def fetch() -> None: ...

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    fetch()
    listeners.add(interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            fetch()
    finally:
        listeners.remove(interrupted)
    clock.advance(1)
    assert free_slots(policy) == 1


def test_ctrl_c_while_waiting_gives_up_the_place(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = throttled("1/s")

    @policy
    def fetch() -> None: ...

    def interrupted(event: threading.Event, timeout: float | None) -> bool:
        raise KeyboardInterrupt

    fetch()
    with monkeypatch.context() as patch:
        patch.setattr(clock_in_force, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch()
    assert policy.waiting == 0
    clock.advance(1)
    assert free_slots(policy) == 1


def test_those_who_wait_go_in_the_order_of_their_coming(
    clock: FakeClock, in_thread: StartThread
) -> None:
    policy = throttled("1/s")
    went: list[tuple[int, float]] = []

    @policy
    def fetch(number: int) -> None:
        went.append((number, clock.now))

    fetch(0)
    begun = threading.Event()
    over = threading.Event()

    @policy
    def hold() -> None:
        begun.set()
        assert over.wait(REAL_LIMIT)

    clock.advance(1)
    in_thread(hold)
    assert begun.wait(REAL_LIMIT)
    # While the only slot is with a running call, the others can but stand in line.
    for number in range(1, 4):
        in_thread(lambda number=number: fetch(number))  # type: ignore[misc]
        until(lambda: policy.waiting == number)  # noqa: B023
    held_until = clock.now
    over.set()
    until(lambda: len(went) == 4)
    assert [number for number, _ in went] == [0, 1, 2, 3]
    at = [moment for _, moment in went[1:]]
    assert at[0] >= held_until + 1
    assert [later - sooner for sooner, later in itertools.pairwise(at)] == [1, 1]


def test_max_waiting_bounds_the_line(clock: FakeClock, in_thread: StartThread) -> None:
    policy = throttled("1/s", max_waiting=1)
    begun, over = threading.Event(), threading.Event()

    @policy
    def hold() -> None:
        begun.set()
        assert over.wait(REAL_LIMIT)

    @policy
    def fetch() -> None: ...

    in_thread(hold)
    assert begun.wait(REAL_LIMIT)
    in_thread(fetch)
    until(lambda: policy.waiting == 1)
    with pytest.raises(RateLimited, match="as many as max_waiting= allows"):
        fetch()
    over.set()


def test_a_fallback_answers_for_a_refusal(clock: FakeClock) -> None:
    @fallback("old news")
    @throttled("1/min", max_wait=0)
    def fetch() -> str:
        return "news"

    assert [fetch(), fetch()] == ["news", "old news"]


def test_a_retry_waits_out_a_refusal_that_fits(clock: FakeClock) -> None:
    @retry(attempts=3)
    @throttled("1/s", max_wait=0)
    def fetch() -> float:
        return clock.now

    fetch()
    assert fetch() >= 1


# The traps of ratelimit, each with what we do instead.


def test_a_burst_around_the_edge_of_a_window_does_not_pass_twice(clock: FakeClock) -> None:
    now = [0.0]
    naive = ratelimit.limits(calls=10, period=1, clock=lambda: now[0])(lambda: None)
    passed = 0
    for moment in [0.9995] * 10 + [1.0005] * 10:
        now[0] = moment
        naive()
        passed += 1
    assert passed == 20  # in 1 ms, at 10/s

    @throttled("10/s", max_wait=0)
    def ours() -> None: ...

    clock.advance(0.9995)
    for _ in range(10):
        ours()
    clock.advance(0.001)
    for _ in range(10):
        with pytest.raises(RateLimited):
            ours()


def test_the_refusal_of_an_inner_function_does_not_run_the_outer_body_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def inner(log: list[str]) -> None:
        if len(log) == 1:
            raise ratelimit.RateLimitException("another limit", 0)

    @ratelimit.sleep_and_retry
    @ratelimit.limits(calls=10, period=1)
    def naive(log: list[str]) -> None:
        log.append("payment")
        inner(log)

    log: list[str] = []
    naive(log)
    assert log == ["payment", "payment"]

    @throttled("10/s")
    def ours(log: list[str]) -> None:
        log.append("payment")
        inner(log)

    log = []
    with pytest.raises(ratelimit.RateLimitException, match="another limit"):
        ours(log)
    assert log == ["payment"]


def test_a_newcomer_does_not_take_the_slot_that_another_has_waited_for(
    clock: FakeClock, in_thread: StartThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    went: list[str] = []
    naive = ratelimit.sleep_and_retry(
        ratelimit.limits(calls=1, period=1, clock=lambda: now[0])(went.append)
    )
    newcomers = ["newcomer"]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        if newcomers:
            naive(newcomers.pop())

    # time.sleep is all that ratelimit has to wait with.
    monkeypatch.setattr("ratelimit.decorators.time.sleep", sleep)
    naive("first")
    naive("waiting")
    assert went == ["first", "newcomer", "waiting"]
    monkeypatch.undo()

    policy = throttled("1/s")
    ours = policy(lambda name: went.append(name))
    begun, over = threading.Event(), threading.Event()

    @policy
    def hold() -> None:
        begun.set()
        assert over.wait(REAL_LIMIT)

    went.clear()
    in_thread(hold)
    assert begun.wait(REAL_LIMIT)
    for place, name in enumerate(["waiting", "newcomer"], start=1):
        in_thread(lambda name=name: ours(name))  # type: ignore[misc]
        until(lambda: policy.waiting == place)  # noqa: B023
    over.set()
    until(lambda: len(went) == 2)
    assert went == ["waiting", "newcomer"]


def test_a_wait_has_a_bound(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    with monkeypatch.context() as patch:
        patch.setattr("ratelimit.decorators.time.sleep", sleep)
        limits = ratelimit.limits(calls=1, period=86_400, clock=lambda: now[0])
        naive = ratelimit.sleep_and_retry(limits(lambda: None))
        naive()
        naive()
    assert slept == [86_400]

    @throttled(calls=1, period=86_400)
    def ours() -> None: ...

    ours()
    with pytest.raises(RateLimited):
        ours()
    assert clock.now == 0


# What the vendor says.


def test_a_429_pauses_every_function_of_the_policy_once(
    clock: FakeClock, vendor: MakeVendor, steps: RecordedSteps
) -> None:
    policy = throttled("100/s")
    server = vendor({"/a": "429 retry-after=7", "/b": "200"})

    @policy
    def refused() -> int:
        return get(server, "/a").status_code

    @policy
    def other() -> float:
        get(server, "/b")
        return clock.now

    assert refused() == 429
    assert other() == 7
    assert steps.kinds() == ["paused", "throttled"]
    assert steps[0].facts == {"pause": 7}
    assert "429" in steps[0].text


def test_a_pause_longer_than_max_wait_refuses(clock: FakeClock, vendor: MakeVendor) -> None:
    server = vendor("429 retry-after=3600, 200")

    @throttled
    def fetch() -> None:
        get(server).raise_for_status()

    with pytest.raises(requests.HTTPError):
        fetch()
    with pytest.raises(RateLimited, match="the vendor's limit has no room for") as caught:
        fetch()
    assert caught.value.retry_after == 3600
    assert server.calls == 1


def test_a_stack_with_a_retry_goes_on_after_the_pause(
    clock: FakeClock, vendor: MakeVendor, steps: RecordedSteps
) -> None:
    server = vendor("429 retry-after=3, 200")

    @service("github")
    @retry(attempts=3)
    @throttled("100/s")
    def fetch() -> int:
        response = get(server)
        response.raise_for_status()
        return response.status_code

    assert fetch() == 200
    first, second = (request.at for request in server.requests)
    assert 3 <= second - first <= 3.4
    assert steps.kinds() == ["paused", "retry"]


def test_a_used_up_quota_pauses_before_the_429_comes(
    clock: FakeClock, vendor: MakeVendor, steps: RecordedSteps
) -> None:
    server = vendor("200 x-ratelimit-limit=60 x-ratelimit-remaining=0 x-ratelimit-reset=now+20")

    @throttled
    def fetch() -> dict[str, Any]:
        return dict(get(server).json())

    fetch()
    fetch()
    assert [request.at for request in server.requests] == pytest.approx([0, 20], abs=1)
    assert "0 of 60 calls left" in steps[0].text


def test_the_pause_counts_from_the_answer(clock: FakeClock, vendor: MakeVendor) -> None:
    server = vendor("200 ratelimit-remaining=0 ratelimit-reset=20, 200")

    @throttled
    def fetch() -> float:
        get(server)
        clock.advance(15)  # much to do with the answer
        return clock.now

    fetch()
    fetch()
    assert server.requests[1].at == 20


@pytest.mark.parametrize(
    "script",
    [
        "200",
        "200 retry-after=30",
        "404 retry-after=30",
        "200 x-ratelimit-remaining=1 x-ratelimit-reset=30",
        "500 x-ratelimit-remaining=many x-ratelimit-reset=30",
    ],
)
def test_other_answers_pause_nobody(
    clock: FakeClock, vendor: MakeVendor, steps: RecordedSteps, script: str
) -> None:
    server = vendor(script)

    @throttled
    def fetch() -> int:
        return get(server).status_code

    fetch()
    fetch()
    assert clock.now == 0
    assert not steps


def test_adaptive_off_pays_no_heed(clock: FakeClock, vendor: MakeVendor) -> None:
    server = vendor("429 retry-after=30")

    @throttled("10/s", adaptive=False)
    def fetch() -> int:
        return get(server).status_code

    assert [fetch(), fetch()] == [429, 429]
    assert clock.now == 0


def test_a_refusal_of_our_own_is_no_word_of_the_vendor(clock: FakeClock) -> None:
    @throttled
    def fetch() -> None:
        raise BreakerOpen("another vendor's", retry_after=30)

    for _ in range(2):
        with pytest.raises(BreakerOpen):
            fetch()
    assert clock.now == 0


def test_a_pause_while_others_wait_holds_them_back_too(
    clock: FakeClock, vendor: MakeVendor, in_thread: StartThread
) -> None:
    """The pause is in force before the slot is back, or the first in line would slip through."""
    policy = throttled(calls=1, period=1)
    server = vendor("429 retry-after=9, 200")
    begun, over = threading.Event(), threading.Event()
    went: list[float] = []

    @policy
    def refused() -> None:
        get(server)
        begun.set()
        assert over.wait(REAL_LIMIT)

    @policy
    def waiting() -> None:
        went.append(clock.now)

    in_thread(refused)
    assert begun.wait(REAL_LIMIT)
    in_thread(waiting)
    until(lambda: policy.waiting == 1)
    over.set()
    until(lambda: went)
    assert went[0] >= 9


# Vendors count requests.


def pages_of(server: ScriptedVendor, count: int) -> list[int]:
    return [get(server, f"/{page}").status_code for page in range(count)]


def test_each_page_of_a_call_spends_an_admission(
    clock: FakeClock, vendor: MakeVendor, steps: RecordedSteps
) -> None:
    server = vendor("200")

    @throttled("2 per 10 s")
    def fetch() -> list[int]:
        return pages_of(server, 5)

    assert fetch() == [200] * 5
    assert [request.at for request in server.requests] == [0, 0, 10, 10, 20]
    assert steps.kinds() == ["throttled", "throttled"]


def test_the_first_request_spends_the_calls_own_admission(
    clock: FakeClock, vendor: MakeVendor
) -> None:
    server = vendor("200")
    policy = throttled("1 per 10 s")

    @policy
    def fetch() -> list[int]:
        return pages_of(server, 1)

    fetch()
    assert clock.now == 0
    fetch()
    assert clock.now == 10
    clock.advance(10)
    assert free_slots(policy) == 1


def test_one_slot_is_enough_for_a_call_of_many_pages(clock: FakeClock, vendor: MakeVendor) -> None:
    server = vendor("200")
    policy = throttled("1 per 10 s")

    @policy
    def fetch() -> list[int]:
        return pages_of(server, 3)

    fetch()
    assert [request.at for request in server.requests] == [0, 10, 20]
    clock.advance(9.9)
    assert free_slots(policy) == 0
    clock.advance(0.1)
    assert free_slots(policy) == 1


def test_per_call_counts_function_calls(clock: FakeClock, vendor: MakeVendor) -> None:
    server = vendor("200")

    @throttled("1 per 10 s", per="call")
    def fetch() -> list[int]:
        return pages_of(server, 3)

    fetch()
    assert clock.now == 0
    fetch()
    assert clock.now == 10


@pytest.mark.parametrize("rates", [("2 per 10 s",), ("2 per 10 s", "100/hour")], ids=str)
def test_a_refusal_in_the_middle_gives_back_each_slot_once(
    clock: FakeClock, vendor: MakeVendor, rates: tuple[str, ...]
) -> None:
    server = vendor("200")
    policy = throttled(*rates, max_wait=0)

    @policy
    def fetch(pages: int) -> list[int]:
        return pages_of(server, pages)

    for began in (0.0, 10.0, 20.0):
        assert clock.now == began
        with pytest.raises(RateLimited):
            fetch(3)
        with pytest.raises(RateLimited):
            fetch(1)
        clock.advance(10)
    assert server.calls == 6
    assert free_slots(policy) == 2


def test_a_function_may_handle_the_refusal_and_go_on(clock: FakeClock, vendor: MakeVendor) -> None:
    server = vendor("200")
    policy = throttled("1 per 10 s", max_wait=0)

    @policy
    def fetch() -> None:
        get(server)
        for _ in range(2):
            with pytest.raises(RateLimited):
                get(server)
        clock.advance(10)
        get(server)

    fetch()
    assert [request.at for request in server.requests] == [0, 10]
    clock.advance(10)
    assert free_slots(policy) == 1


def test_a_used_up_quota_between_two_pages_holds_the_next_one_back(
    clock: FakeClock, vendor: MakeVendor
) -> None:
    server = vendor("200 ratelimit-remaining=0 ratelimit-reset=30, 200")

    @throttled("100/s")
    def fetch() -> list[int]:
        return pages_of(server, 2)

    fetch()
    assert [request.at for request in server.requests] == [0, 30]


def test_every_attempt_of_a_retry_spends_an_admission(clock: FakeClock, vendor: MakeVendor) -> None:
    server = vendor("500 x3, 200")
    policy = throttled("1 per 10 s")

    @retry(attempts=4, wait=0)
    @policy
    def fetch() -> int:
        response = get(server)
        response.raise_for_status()
        return response.status_code

    assert fetch() == 200
    assert [request.at for request in server.requests] == [0, 10, 20, 30]
    clock.advance(10)
    assert free_slots(policy) == 1


def test_every_attempt_of_a_retry_below_it_spends_an_admission_too(
    clock: FakeClock, vendor: MakeVendor
) -> None:
    server = vendor("500 x2, 200")
    policy = throttled("1 per 10 s")

    @policy
    @retry(attempts=4, wait=0)
    def fetch() -> int:
        response = get(server)
        response.raise_for_status()
        return response.status_code

    assert fetch() == 200
    assert [request.at for request in server.requests] == [0, 10, 20]
    clock.advance(10)
    assert free_slots(policy) == 1


@pytest.mark.parametrize("pages", [1, 2])
def test_an_attempt_takes_over_nothing_from_the_one_before(
    clock: FakeClock, vendor: MakeVendor, pages: int
) -> None:
    server = vendor("200")
    policy = throttled("20 per 10 s")

    @retry(attempts=3, wait=0, on=LookupError)
    @policy
    def fetch() -> None:
        pages_of(server, pages)
        if server.calls < 3 * pages:
            raise LookupError

    fetch()
    assert clock.now == 0
    assert free_slots(policy) == 20 - 3 * pages
    clock.advance(10)
    assert free_slots(policy) == 3 * pages


def test_two_throttles_on_one_function_both_count_its_requests(
    clock: FakeClock, vendor: MakeVendor
) -> None:
    server = vendor("200")
    by_key, by_host = throttled("1 per 10 s"), throttled("2 per 60 s")
    with pytest.warns(UserWarning, match="throttled stands there"):

        @by_host
        @by_key
        def fetch() -> list[int]:
            return pages_of(server, 4)

    fetch()
    assert [request.at for request in server.requests] == [0, 10, 70, 80]
    clock.advance(60)
    assert free_slots(by_key) == 1
    assert free_slots(by_host) == 2


def test_the_same_throttle_twice_on_one_function_counts_once(
    clock: FakeClock, vendor: MakeVendor
) -> None:
    server = vendor("200")
    policy = throttled("1 per 10 s", max_wait=0)
    with pytest.warns(UserWarning, match="throttled stands there"):

        @policy
        @policy
        def fetch(pages: int) -> list[int]:
            return pages_of(server, pages)

    fetch(1)
    clock.advance(10)
    with pytest.raises(RateLimited):
        fetch(2)
    clock.advance(10)
    assert free_slots(policy) == 1


# Throttled functions that call each other.


def test_a_function_that_calls_another_of_the_same_vendor_does_not_wait_for_itself(
    clock: FakeClock, vendor: MakeVendor
) -> None:
    server = vendor("200")
    policy = throttled("1 per 10 s")

    @policy
    def page(number: int) -> int:
        return get(server, f"/{number}").status_code

    @policy
    def all_pages() -> list[int]:
        return [page(number) for number in range(3)]

    assert all_pages() == [200] * 3
    assert [request.at for request in server.requests] == [0, 10, 20]
    clock.advance(10)
    assert free_slots(policy) == 1


def test_an_inner_call_spends_the_outer_ones_admission_where_there_is_room_too(
    clock: FakeClock, vendor: MakeVendor
) -> None:
    server = vendor("200")
    policy = throttled("9 per 10 s")

    @policy
    def page(number: int) -> int:
        return get(server, f"/{number}").status_code

    @policy
    def all_pages() -> list[int]:
        return [page(number) for number in range(3)]

    all_pages()
    assert free_slots(policy) == 9 - 3
    clock.advance(10)
    assert free_slots(policy) == 3


def test_requests_before_and_after_an_inner_call_spend_their_own_admissions(
    clock: FakeClock, vendor: MakeVendor
) -> None:
    server = vendor("200")
    policy = throttled("1 per 10 s")

    @policy
    def inner() -> None:
        pages_of(server, 2)

    @policy
    def outer() -> None:
        get(server)
        inner()
        pages_of(server, 2)

    outer()
    assert [request.at for request in server.requests] == [0, 10, 20, 30, 40]
    clock.advance(10)
    assert free_slots(policy) == 1


def test_the_outer_calls_first_own_request_is_not_free_after_an_inner_call_took_its_admission(
    clock: FakeClock, vendor: MakeVendor
) -> None:
    server = vendor("200")
    policy = throttled("1 per 10 s")

    @policy
    def inner() -> None:
        get(server)

    @policy
    def outer() -> None:
        inner()
        get(server)

    outer()
    assert [request.at for request in server.requests] == [0, 10]
    clock.advance(10)
    assert free_slots(policy) == 1


def test_an_inherited_admission_does_not_slip_through_a_pause(
    clock: FakeClock, vendor: MakeVendor
) -> None:
    server = vendor("200")
    policy = throttled("5/s")

    @policy
    def inner() -> None:
        get(server)

    @policy
    def outer() -> None:
        policy._quota.pause(30)  # another thread was told
        inner()

    outer()
    assert server.requests[0].at == 30
    clock.advance(1)
    assert policy._quota.logs[0].free == 5


def test_an_inner_call_of_another_key_takes_its_own(clock: FakeClock) -> None:
    policy = throttled("1 per 10 s", key=lambda tenant: tenant, max_wait=0)

    @policy
    def inner(tenant: str) -> str:
        return tenant

    @policy
    def outer(tenant: str) -> str:
        return inner("b")

    assert outer("a") == "b"
    for tenant in "ab":
        with pytest.raises(RateLimited):
            inner(tenant)


# A function's own threads.


def run_in_threads(works: list[Callable[[], object]]) -> None:
    with ThreadPoolExecutor(len(works)) as pool:
        started = [pool.submit(contextvars.copy_context().run, work) for work in works]
        for one in started:
            one.result()


def test_requests_of_a_calls_own_threads_are_counted_and_each_slot_comes_back_once(
    clock: FakeClock, vendor: MakeVendor
) -> None:
    server = vendor("200")
    policy = throttled("40 per 1000 s")

    @policy
    def fetch() -> None:
        start = threading.Barrier(4)

        def work() -> None:
            start.wait(REAL_LIMIT)
            for _ in range(3):
                get(server)

        run_in_threads([work] * 4)

    fetch()
    assert server.calls == 12
    assert clock.now == 0
    assert free_slots(policy, 100) == 28
    clock.advance(1000)
    assert free_slots(policy, 100) == 12


def test_a_thread_that_outlives_the_call_takes_and_gives_back_its_own(
    clock: FakeClock, vendor: MakeVendor, in_thread: StartThread
) -> None:
    server = vendor("200")
    policy = throttled("5 per 10 s", max_wait=0)
    go, done = threading.Event(), threading.Event()

    @policy
    def fetch() -> None:
        context = contextvars.copy_context()

        def later() -> None:
            assert go.wait(REAL_LIMIT)
            for _ in range(3):
                context.run(get, server)
            done.set()

        in_thread(later)

    fetch()
    go.set()
    assert done.wait(REAL_LIMIT)
    # The first request goes on the call's own admission.
    assert free_slots(policy) == 5 - 3
    clock.advance(10)
    assert free_slots(policy) == 3


# Keys and costs.


def test_each_key_has_a_quota_of_its_own(clock: FakeClock) -> None:
    @throttled("1 per 10 s", key=lambda tenant, page=0: tenant, max_wait=0)
    def fetch(tenant: str, page: int = 0) -> str:
        return tenant

    assert [fetch("a"), fetch("b")] == ["a", "b"]
    for tenant in "ab":
        with pytest.raises(RateLimited):
            fetch(tenant, page=1)


def test_a_pause_of_one_key_leaves_the_others_alone(clock: FakeClock, vendor: MakeVendor) -> None:
    server = vendor({"/a": "429 retry-after=30", "/b": "200"})

    @throttled(key=lambda tenant: tenant)
    def fetch(tenant: str) -> float:
        get(server, tenant)
        return clock.now

    assert [fetch("a"), fetch("b"), fetch("a")] == [0, 0, 30]


def test_quotas_are_kept_while_busy_and_forgotten_when_idle(clock: FakeClock) -> None:
    policy = throttled("1 per 10 s", key=lambda tenant: tenant, max_keys=8, max_wait=0)

    @policy
    def fetch(tenant: int) -> int:
        return tenant

    # More tenants than quotas kept: none of them may get a fresh quota by being forgotten.
    for tenant in range(30):
        fetch(tenant)
    for tenant in range(30):
        with pytest.raises(RateLimited):
            fetch(tenant)
    assert len(policy._keyed.by_key) == 30
    clock.advance(10)
    for tenant in range(100, 105):
        fetch(tenant)
        clock.advance(10)
    assert len(policy._keyed.by_key) <= 8


def test_keys_that_a_user_makes_up_do_not_fill_the_memory(clock: FakeClock) -> None:
    policy = throttled("1 per 10 s", key=lambda tenant: tenant, max_keys=10, max_wait=0)

    @policy
    def fetch(tenant: int) -> int:
        return tenant

    most = 0
    for tenant in range(1000):
        fetch(tenant)
        most = max(most, len(policy._keyed.by_key))
    assert most <= FULL * 10 + 1
    # The newest ones still count.
    with pytest.raises(RateLimited):
        fetch(999)


def test_the_quota_of_a_running_call_is_not_forgotten(clock: FakeClock) -> None:
    policy = throttled("2/s", key=lambda tenant: tenant, max_keys=1)

    @policy
    def inner(tenant: str) -> None: ...

    @policy
    def outer(tenant: str) -> None:
        running = policy._keyed.by_key[tenant]
        for _ in range(3):
            inner("b")
            clock.advance(1)
        assert policy._keyed.by_key[tenant] is running

    outer("a")


def test_the_quota_is_that_of_the_call_even_if_its_arguments_change(
    clock: FakeClock, vendor: MakeVendor
) -> None:
    server = vendor("200")
    policy = throttled("2 per 10 s", key=lambda query: query["tenant"], cost=lambda query: 1)

    @policy
    def fetch(query: dict[str, str]) -> None:
        get(server)
        query["tenant"] = "b"
        get(server)

    fetch({"tenant": "a"})
    clock.advance(10)
    for tenant in "ab":
        quota = policy._keyed.by_key.get(tenant)
        if quota is not None:
            assert [quota.take(Permit(quota), clock.now) == 0 for _ in range(3)] == [
                True,
                True,
                False,
            ]


def test_a_cost_takes_as_many_slots(clock: FakeClock) -> None:
    @throttled("5 per 10 s", cost=2)
    def fetch() -> float:
        return clock.now

    assert [fetch() for _ in range(5)] == [0, 0, 10, 10, 20]


def test_a_cost_may_depend_on_the_arguments(clock: FakeClock) -> None:
    @throttled("10 per 10 s", cost=lambda items: len(items))
    def send(items: list[int]) -> float:
        return clock.now

    assert [send([1] * 6), send([1] * 4), send([1]), send([1] * 10)] == [0, 0, 10, 20]
    assert send([1] * 99) == 30  # more than the rate: it takes all of it
    with pytest.raises(ConfigurationError, match=r"throttled\(cost=0\)"):
        send([])


def test_a_refused_cost_leaves_every_slot_in_place(clock: FakeClock) -> None:
    policy = throttled("3 per 10 s", "100/hour", cost=lambda n: n, max_wait=0)

    @policy
    def send(number: int) -> int:
        return number

    assert send(2) == 2
    for _ in range(5):
        with pytest.raises(RateLimited):
            send(2)
    assert send(1) == 1
    clock.advance(10)
    assert free_slots(policy) == 3


# Observing.


@pytest.mark.parametrize("how", ["policy", "service"])
@pytest.mark.parametrize("options", [{}, {"key": lambda: "one"}], ids=["plain", "keyed"])
def test_observing_never_waits_and_records_what_it_would_have_done(
    clock: FakeClock,
    vendor: MakeVendor,
    steps: RecordedSteps,
    how: str,
    options: dict[str, Any],
) -> None:
    server = vendor("200 x3, 429 retry-after=30, 200")
    mode = "observe" if how == "policy" else "enforce"
    policy = throttled("2 per 10 s", max_wait=0, mode=mode, **options)

    @service("github", mode="enforce" if how == "policy" else "observe")
    @policy
    def fetch() -> int:
        return get(server).status_code

    assert [fetch() for _ in range(5)] == [200, 200, 200, 429, 200]
    assert clock.now == 0
    assert steps.kinds() == [
        "would_throttle",
        "would_throttle",
        "would_pause",
        "would_throttle",
    ]
    assert "10 s" in steps[0].text
    # Calls that got no slot have given none back.
    clock.advance(10)
    quota = next(iter(policy._keyed.by_key.values()), policy._quota)
    assert [log.free for log in quota.logs] == [2]


@pytest.mark.parametrize("how", ["policy", "service"])
def test_observing_counts_the_pages_of_a_call(
    clock: FakeClock, vendor: MakeVendor, steps: RecordedSteps, how: str
) -> None:
    server = vendor("200")
    policy = throttled("2 per 10 s", mode="observe" if how == "policy" else "enforce")

    @service("github", mode="enforce" if how == "policy" else "observe")
    @policy
    def fetch() -> list[int]:
        return pages_of(server, 5)

    assert fetch() == [200] * 5
    assert clock.now == 0
    assert steps.kinds() == ["would_throttle"] * 3
    clock.advance(10)
    assert free_slots(policy) == 2


# Headers, all over.


QUOTA = "x-ratelimit-limit={limit} x-ratelimit-remaining={left} x-ratelimit-reset=now+{reset}"


def quota_says(left: int, *, limit: int = 100, reset: int = 60, name: str = "") -> str:
    text = QUOTA.format(limit=limit, left=left, reset=reset)
    return "200 " + text + (f" x-ratelimit-resource={name}" if name else "")


@pytest.mark.parametrize("rates", [(), ("1000/s",), ("1000/s", "5000/min")], ids=str)
@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
def test_resources_of_one_vendor_do_not_block_each_other(
    clock: FakeClock, vendor: MakeVendor, rates: tuple[str, ...], named: bool
) -> None:
    server = vendor(
        {
            "/search": quota_says(0, limit=30, name="search" if named else ""),
            "/core": quota_says(4000, limit=5000, name="core" if named else ""),
        }
    )
    policy = throttled(*rates, max_wait=1)

    @policy
    def core() -> int:
        return get(server, "/core").status_code

    @policy
    def search() -> int:
        return get(server, "/search").status_code

    assert [core(), search()] == [200, 200]
    with pytest.raises(RateLimited, match=r"0 of 30 calls left"):
        search()
    for _ in range(10):
        core()
    assert clock.now < 1
    assert core.resilient.throttle.remaining == 4000
    assert search.resilient.throttle.remaining == 0


def test_what_somebody_else_has_spent_is_not_spent_again(
    clock: FakeClock, vendor: MakeVendor
) -> None:
    """Told 100 per minute, and 3 of them are left by the vendor's word."""
    server = vendor(", ".join(quota_says(left, limit=9) for left in (3, 2, 1, 0, 8)))

    @throttled("100/min", max_wait=100)
    def fetch() -> int:
        return get(server).status_code

    for _ in range(5):
        fetch()
    at = [request.at for request in server.requests]
    assert at[3] < 1
    assert at[4] >= 60


def test_spread_calls_keep_an_even_distance(clock: FakeClock, vendor: MakeVendor) -> None:
    server = vendor("200")

    @throttled("10 per 5 s", pace="spread")
    def fetch() -> int:
        return get(server).status_code

    for _ in range(11):
        fetch()
    at = [request.at for request in server.requests]
    gaps = [later - sooner for sooner, later in itertools.pairwise(at)]
    assert gaps[1:9] == pytest.approx([0.5] * 8)


def test_spread_calls_go_by_what_the_vendor_has_left(clock: FakeClock, vendor: MakeVendor) -> None:
    answers = [quota_says(left, reset=60) for left in (21, 20, 19, 18, 17)]
    server = vendor(", ".join(answers))

    @throttled(pace="spread")
    def fetch() -> int:
        return get(server).status_code

    for _ in range(5):
        fetch()
    at = [request.at for request in server.requests]
    # One may catch up.
    assert all(2 <= later - sooner <= 4 for sooner, later in itertools.pairwise(at[2:]))


def test_a_share_is_kept_for_calls_with_priority(clock: FakeClock) -> None:
    @throttled("10 per 60 s", reserve=0.3, priority=lambda urgent: urgent, max_wait=0)
    def fetch(urgent: bool) -> float:
        return clock.now

    for _ in range(7):
        fetch(False)
    with pytest.raises(RateLimited):
        fetch(False)
    for _ in range(3):
        fetch(True)
    with pytest.raises(RateLimited):
        fetch(True)


def test_a_share_of_the_vendors_quota_is_kept_for_calls_with_priority(
    clock: FakeClock, vendor: MakeVendor
) -> None:
    server = vendor(quota_says(2, limit=9))

    @throttled(reserve=0.5, priority=lambda urgent: urgent, max_wait=0)
    def fetch(urgent: bool) -> int:
        return get(server).status_code

    fetch(False)
    with pytest.raises(RateLimited):
        fetch(False)
    assert fetch(True) == 200


def test_who_has_priority_goes_before_those_in_line(
    clock: FakeClock, in_thread: StartThread
) -> None:
    policy = throttled("1/s", priority=lambda name: name.startswith("urgent"))
    went: list[str] = []
    begun, over = threading.Event(), threading.Event()

    @policy
    def fetch(name: str) -> None:
        if name == "first":
            begun.set()
            assert over.wait(REAL_LIMIT)
        went.append(name)

    in_thread(lambda: fetch("first"))
    assert begun.wait(REAL_LIMIT)
    for place, name in enumerate(["a", "b", "urgent"], start=1):
        in_thread(lambda name=name: fetch(name))  # type: ignore[misc]
        until(lambda: policy.waiting == place)  # noqa: B023
    over.set()
    until(lambda: len(went) == 4)
    assert went == ["first", "urgent", "a", "b"]


def test_refusals_without_a_word_slow_everybody_down_and_are_forgotten(
    clock: FakeClock, vendor: MakeVendor, steps: RecordedSteps
) -> None:
    server = vendor("200 x20, 429, 200")

    @throttled("1000/s", max_wait=600)
    def fetch() -> int:
        clock.advance(0.05)
        return get(server).status_code

    for _ in range(21):
        fetch()
    slowed = fetch.resilient.throttle.slowed_to
    assert slowed is not None
    assert slowed < 20
    assert [step.kind for step in steps].count("slowed") == 1
    text = next(step.text for step in steps if step.kind == "slowed")
    assert "the vendor answered 429 without a word for how long" in text
    before = clock.now
    for _ in range(10):
        fetch()
    assert clock.now - before > 10 / 20
    for _ in range(3000):
        fetch()
        if fetch.resilient.throttle.slowed_to is None:
            break
    assert fetch.resilient.throttle.slowed_to is None
    policy = fetch.resilient.policy("throttled")
    assert policy._quota.guarded_until <= clock.now  # the way without a lock is open again


def test_a_quota_that_will_be_gone_too_soon_is_told_of_once(
    clock: FakeClock, vendor: MakeVendor, steps: RecordedSteps
) -> None:
    reset = int(clock.unix) + 3600
    said = "200 x-ratelimit-limit=1000 x-ratelimit-remaining={} x-ratelimit-reset=" + str(reset)
    server = vendor(", ".join(said.format(1000 - 10 * number) for number in range(1, 40)))

    @throttled
    def fetch() -> int:
        clock.advance(2)
        return get(server).status_code

    for _ in range(39):
        fetch()
    (forecast,) = [step for step in steps if step.kind == "forecast"]
    assert forecast.text.startswith("at this pace the quota is gone at ")
    assert "before its reset" in forecast.text
    assert forecast.facts["gone_in"] < forecast.facts["resets_in"]


def test_a_wait_tells_who_waits_how_long_why_and_until_when(
    clock: FakeClock, vendor: MakeVendor, steps: RecordedSteps
) -> None:
    server = vendor(quota_says(0, limit=30) + ", " + quota_says(29, limit=30))

    @service("github")
    @throttled(max_wait=100)
    def search() -> int:
        return get(server).status_code

    search()
    search()
    paused, waits = steps
    assert paused.kind == "paused"
    assert paused.text.startswith("pauses everybody for 60 s: 0 of 30 calls left, until ")
    assert waits.label == "github.search"
    assert waits.text.startswith("waits 60 s for the vendor's limit: 0 of 30 calls left, until ")
    assert waits.facts["needed"] == pytest.approx(60, abs=1)
    assert waits.facts["waited"] == pytest.approx(waits.facts["needed"], abs=0.1)


def test_its_figures_are_there_while_threads_wait(in_thread: StartThread) -> None:
    policy = throttled("2 per 0.05 s")
    begun, over = threading.Semaphore(0), threading.Event()

    @policy
    def fetch(waits: bool) -> None:
        if waits:
            begun.release()
            assert over.wait(REAL_LIMIT)

    view = fetch.resilient.throttle
    assert (view.limit, view.remaining, view.resets_at, view.waiting) == (2, 2, None, 0)
    for _ in range(2):
        in_thread(lambda: fetch(True))
        assert begun.acquire(timeout=REAL_LIMIT)
    for place in (1, 2, 3):
        in_thread(lambda: fetch(False))
        until(lambda: policy.waiting == place)  # noqa: B023
    view = fetch.resilient.throttle
    assert (view.limit, view.remaining, view.waiting) == (2, 0, 3)
    figures = fetch.resilient.stats()["throttle"]
    assert figures["waiting"] == 3
    assert figures["remaining"] == 0
    assert figures["paused_until"] is None
    over.set()
    until(lambda: policy.waiting == 0)


def test_a_pause_shows_in_the_figures(clock: FakeClock, vendor: MakeVendor) -> None:
    server = vendor("429 retry-after=30, 200")

    @throttled
    def fetch() -> int:
        return get(server).status_code

    fetch()
    view = fetch.resilient.throttle
    assert view.paused_until is not None
    assert view.paused_until.timestamp() == pytest.approx(clock.unix + 30, abs=1)
    assert fetch.resilient.stats()["throttle"]["paused_until"] == view.paused_until.timestamp()
    clock.advance(30)
    assert fetch.resilient.throttle.paused_until is None


def test_each_key_learns_its_own_quota(clock: FakeClock, vendor: MakeVendor) -> None:
    server = vendor({"/poor": quota_says(0), "/rich": quota_says(90)})

    @throttled(key=lambda tenant: tenant, max_wait=0)
    def fetch(tenant: str) -> int:
        return get(server, "/" + tenant).status_code

    assert [fetch("poor"), fetch("rich")] == [200, 200]
    with pytest.raises(RateLimited):
        fetch("poor")
    assert fetch("rich") == 200
    assert fetch.resilient.throttle.remaining == 0  # the one with the least left


def test_ctrl_c_while_waiting_for_a_reset_leaves_nothing_behind(
    clock: FakeClock, vendor: MakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = vendor(quota_says(0, limit=9) + ", " + quota_says(8, limit=9))
    policy = throttled(max_wait=100)

    @policy
    def fetch() -> int:
        return get(server).status_code

    def interrupted(event: threading.Event, timeout: float | None) -> bool:
        raise KeyboardInterrupt

    fetch()
    with monkeypatch.context() as patch:
        patch.setattr(clock_in_force, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch()
    quota = policy._quota
    assert policy.waiting == 0
    assert quota._ramp.under_way == 0
    assert [bucket.ramp.under_way for bucket in quota.buckets.all.values()] == [0]
    assert fetch() == 200
    assert server.requests[1].at >= 60


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_counts_as_under_way_after_a_call_that_failed(
    clock: FakeClock, vendor: MakeVendor, error: type[BaseException]
) -> None:
    server = vendor(quota_says(90))
    policy = throttled()

    @policy
    def fetch(when: str) -> None:
        if when == "before":
            raise error
        get(server)
        raise error

    for when in ["before", "after", "before", "after"]:
        with pytest.raises(error):
            fetch(when)
    quota = policy._quota
    assert quota._ramp.under_way == 0
    assert [bucket.ramp.under_way for bucket in quota.buckets.all.values()] == [0]


def test_observing_learns_and_never_waits(
    clock: FakeClock, vendor: MakeVendor, steps: RecordedSteps
) -> None:
    server = vendor(quota_says(0))

    @throttled(mode="observe")
    def fetch() -> int:
        return get(server).status_code

    assert [fetch() for _ in range(4)] == [200] * 4
    assert clock.now == 0
    assert "would_pause" in steps.kinds()
    assert steps.kinds().count("would_throttle") == 3
    assert fetch.resilient.throttle.remaining == 0


def test_threads_of_one_call_leave_nothing_under_way(clock: FakeClock, vendor: MakeVendor) -> None:
    server = vendor(quota_says(9000, limit=10_000))
    policy = throttled()

    @policy
    def fetch() -> None:
        get(server)
        start = threading.Barrier(6)

        def work() -> None:
            start.wait(REAL_LIMIT)
            for _ in range(5):
                get(server)

        run_in_threads([work] * 6)

    for _ in range(3):
        fetch()
    quota = policy._quota
    assert quota._ramp.under_way == 0
    assert [bucket.ramp.under_way for bucket in quota.buckets.all.values()] == [0]


# Many threads.


def hammer(policy: Any, calls: int) -> list[float]:
    """Sixteen threads call one function; when it ran, by the machine's own clock."""
    ran: list[float] = []
    start = threading.Barrier(16)

    @policy
    def fetch() -> None:
        ran.append(time.monotonic())

    def many() -> None:
        start.wait()
        for _ in range(calls):
            fetch()

    threads = [threading.Thread(target=many) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(ran)


@pytest.mark.stress
@pytest.mark.parametrize(
    ("rates", "options"),
    [
        (["50 per 0.05 s"], {}),
        (["50 per 0.05 s", "80 per 0.1 s"], {}),
        (["50 per 0.05 s"], {"key": lambda: "one", "max_keys": 1}),
        (["100 per 0.05 s"], {"cost": 2}),
    ],
    ids=["one rate", "two rates", "keyed", "cost"],
)
def test_sixteen_threads_never_exceed_the_rate_and_no_slot_is_lost(
    rates: list[str], options: dict[str, Any]
) -> None:
    policy = throttled(*rates, **options)
    ran = hammer(policy, 40)
    assert len(ran) == 640
    cost = options.get("cost", 1)
    for rate in policy.rates:
        most = rate.calls // cost
        gaps = [later - sooner for sooner, later in zip(ran, ran[most:], strict=False)]
        assert min(gaps) >= rate.period
    quota = next(iter(policy._keyed.by_key.values()), policy._quota)
    assert not quota.line.waiting
    later = time.monotonic() + 1
    fewest = min(rate.calls for rate in policy.rates)
    assert sum(quota.take(Permit(quota), later) == 0 for _ in range(fewest + 1)) == fewest


@pytest.mark.stress
def test_sixteen_threads_that_never_wait_lose_no_slot() -> None:
    policy = throttled("5 per 0.002 s", max_wait=0)

    @fallback(None)
    @policy
    def fetch() -> None:
        time.sleep(0)

    start = threading.Barrier(16)

    def many() -> None:
        start.wait()
        for _ in range(500):
            fetch()

    threads = [threading.Thread(target=many) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    later = time.monotonic() + 1
    assert sum(policy._quota.take(Permit(policy._quota), later) == 0 for _ in range(9)) == 5
