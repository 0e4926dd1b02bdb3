"""@breaker: when it opens, whom it refuses, how it closes again."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import fakeredis
import pybreaker
import pytest
import requests

from resilient import (
    BreakerOpen,
    ConfigurationError,
    RateLimited,
    Refused,
    Verdict,
    breaker,
    retry,
    rule,
    service,
)
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor, fake_clock
from resilient.timing import chance
from resilient.verdict import forget_rule

PATIENCE = 20
"""Real seconds after which a thread counts as stuck."""

OPENED_BY = "3 failures in a row, the last: ConnectionError"


@pytest.fixture(autouse=True)
def clock() -> Iterator[FakeClock]:
    """A clock without jitter, so that open times are round."""
    with fake_clock(uniform=min) as clock:
        yield clock


@pytest.fixture
def vendor() -> Iterator[Callable[[str], ScriptedVendor]]:
    with contextlib.ExitStack() as vendors:
        yield lambda script: vendors.enter_context(ScriptedVendor(script))


class Vendor:
    """A function to decorate that does what it is told: returns, raises, or calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.does: Any = "fine"

    def __call__(self, *policies: Any) -> Any:
        def repos(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if isinstance(self.does, BaseException):
                raise self.does
            return self.does() if callable(self.does) else self.does

        for policy in reversed(policies):
            repos = policy(repos)
        return service("github")(repos)


@pytest.fixture
def scripted() -> Vendor:
    return Vendor()


DOWN = ConnectionError("reset by peer")


def call(function: Any, times: int = 1) -> None:
    """Call, whatever comes of it."""
    for _ in range(times):
        with contextlib.suppress(Exception):
            function()


def opened(scripted: Vendor, **options: Any) -> Any:
    """A decorated function whose breaker is open."""
    function = scripted(breaker(fail_max=3, **options))
    scripted.does = DOWN
    call(function, 3)
    assert state(function) == "open"
    scripted.calls = 0
    return function


def half_open(scripted: Vendor, clock: FakeClock, **options: Any) -> Any:
    """A decorated function whose breaker admits probes."""
    function = opened(scripted, **options)
    clock.advance(function.resilient.breaker.remaining())
    return function


def state(function: Any) -> str:
    return str(function.resilient.breaker.current_state)


def in_threads(*targets: Callable[[], Any]) -> list[Any]:
    """What the targets return or raise, each in a thread of its own."""
    results: list[Any] = [None] * len(targets)

    def run(place: int, target: Callable[[], Any]) -> None:
        try:
            results[place] = target()
        except BaseException as error:
            results[place] = error

    threads = [
        threading.Thread(target=run, args=(place, target), daemon=True)
        for place, target in enumerate(targets)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads), "stuck"
    return results


# Opening


def test_failures_in_a_row_open_it_and_the_vendor_is_left_alone(
    vendor: Callable[[str], ScriptedVendor],
) -> None:
    server = vendor("503")

    @service("github")
    @breaker(fail_max=3)
    def repos() -> Any:
        answer = requests.get(server.url_for("/repos"), timeout=5)
        answer.raise_for_status()
        return answer.json()

    for _ in range(3):
        with pytest.raises(requests.HTTPError):
            repos()
    for _ in range(5):
        with pytest.raises(BreakerOpen):
            repos()
    assert server.calls == 3


def test_refusal_tells_the_time_left_the_cause_and_the_remedy(
    scripted: Vendor, clock: FakeClock
) -> None:
    repos = opened(scripted)
    clock.advance(17.6)
    with pytest.raises(BreakerOpen) as refused:
        repos()
    assert str(refused.value) == (
        f"github.repos: breaker open for 12.4 s more ({OPENED_BY}). "
        "Add @fallback, or retry after exc.retry_after seconds."
    )
    assert refused.value.retry_after == pytest.approx(12.4)
    assert refused.value.label == "github.repos"
    assert isinstance(refused.value, pybreaker.CircuitBreakerError)
    assert isinstance(refused.value, Refused)
    assert scripted.calls == 0


def test_bare_form_has_the_documented_defaults() -> None:
    @breaker
    def ping() -> None: ...

    shown = dict(ping.resilient.breaker.settings())
    assert shown == {
        "failure_rate": 0.5, "window": 60.0, "min_calls": 10, "fail_max": 5, "reset_timeout": 30.0,
        "probes": 1, "success_threshold": 2, "state": "closed",
    }  # fmt: skip
    assert str(breaker(fail_max=None, slow_call=2)).startswith("breaker(failure_rate=0.5, ")
    assert "fail_max=None" in str(breaker(fail_max=None))


def test_failure_rate_opens_it_once_there_were_enough_calls(
    scripted: Vendor, steps: RecordedSteps
) -> None:
    repos = scripted(breaker(failure_rate=0.6, min_calls=5, fail_max=None))
    for does in ("fine", DOWN, DOWN, "fine"):
        scripted.does = does
        call(repos)
    assert state(repos) == "closed"
    scripted.does = DOWN
    call(repos)
    assert state(repos) == "open"
    assert [step.text for step in steps] == [
        "breaker opened for 30 s: 3 of 5 calls failed, the last: ConnectionError"
    ]


def test_calls_that_left_the_window_do_not_count(scripted: Vendor, clock: FakeClock) -> None:
    repos = scripted(breaker(failure_rate=0.5, window=timedelta(seconds=10), min_calls=4))
    scripted.does = DOWN
    call(repos, 3)
    clock.advance(11.1)  # the window, and the tenth that it is exact to
    scripted.does = "fine"
    call(repos, 3)
    scripted.does = DOWN
    call(repos)
    assert state(repos) == "closed"


def test_quick_successes_are_part_of_the_rate(scripted: Vendor) -> None:
    repos = scripted(breaker(failure_rate=0.5, min_calls=4, fail_max=None))
    call(repos, 200)
    scripted.does = DOWN
    call(repos, 100)
    assert state(repos) == "closed"
    call(repos, 100)
    assert state(repos) == "open"


def test_success_ends_a_row_of_failures(scripted: Vendor) -> None:
    repos = scripted(breaker(fail_max=2, failure_rate=None))
    for does in (DOWN, "fine", DOWN, "fine", DOWN):
        scripted.does = does
        call(repos)
    assert state(repos) == "closed"
    call(repos)
    assert state(repos) == "open"


def status(server: ScriptedVendor, path: str, check: bool) -> Any:
    answer = requests.get(server.url_for(path), timeout=5)
    if check:
        answer.raise_for_status()
    return answer


def lacking(server: ScriptedVendor) -> Any:
    return requests.get(server.url_for("/"), timeout=5).json()["key"]


HTTP_MEANINGS = {
    "a raised 404": ("404", lambda s: status(s, "/", True), "closed"),
    "a raised 401": ("401", lambda s: status(s, "/", True), "closed"),
    "a raised 429": ("429", lambda s: status(s, "/", True), "closed"),
    "a returned 429": ("429", lambda s: status(s, "/", False), "closed"),
    "a raised 503": ("503", lambda s: status(s, "/", True), "open"),
    "a returned 503": ("503", lambda s: status(s, "/", False), "open"),
    "a swallowed 503": ("503", lambda s: status(s, "/", False) and None, "open"),
    "a 503 whose body lacks a key": ("503 json={}", lacking, "open"),
    "a 200 whose body lacks a key": ("200 json={}", lacking, "closed"),
    "a 500": ("500", lambda s: status(s, "/", True), "open"),
    "an answer that is no JSON": ("200 body=hm", lambda s: status(s, "/", False).json(), "open"),
    "a reset": ("reset", lambda s: status(s, "/", True), "open"),
    "a timeout": ("timeout", lambda s: status(s, "/", True), "open"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("script", "does", "expected"), HTTP_MEANINGS.values(), ids=HTTP_MEANINGS.keys()
)
def test_only_what_speaks_against_the_vendor_opens_it(
    vendor: Callable[[str], ScriptedVendor],
    scripted: Vendor,
    script: str,
    does: Callable[[ScriptedVendor], Any],
    expected: str,
) -> None:
    server = vendor(script)
    repos = scripted(breaker(fail_max=3, min_calls=3))
    scripted.does = lambda: does(server)
    call(repos, 4)
    assert state(repos) == expected


NEUTRAL = [
    pytest.param(TypeError("ours"), id="a bug"),
    pytest.param(RateLimited("later", retry_after=3), id="a refusal of our own"),
    pytest.param(BreakerOpen("of another"), id="another breaker's refusal"),
]


@pytest.mark.parametrize("error", NEUTRAL)
def test_neutral_outcome_changes_nothing_in_a_closed_circuit(
    scripted: Vendor, error: Exception
) -> None:
    repos = scripted(breaker(fail_max=3, min_calls=1000))
    for does in (DOWN, DOWN, *[error] * 5):
        scripted.does = does
        call(repos)
    policy = repos.resilient.breaker
    assert (policy.current_state, policy.fail_counter) == ("closed", 2)
    assert policy.health.counts() == (2, 2, 0)
    scripted.does = DOWN
    call(repos)
    assert policy.current_state == "open"


@pytest.mark.parametrize("error", [*NEUTRAL, pytest.param(KeyboardInterrupt(), id="Ctrl-C")])
def test_neutral_outcome_changes_nothing_in_a_half_open_circuit_and_frees_the_place(
    scripted: Vendor, clock: FakeClock, error: BaseException
) -> None:
    repos = half_open(scripted, clock, success_threshold=1)
    scripted.does = error
    for _ in range(3):
        with pytest.raises(type(error)):
            repos()
    assert scripted.calls == 3
    assert state(repos) == "half-open"
    scripted.does = "fine"
    assert repos() == "fine"
    assert state(repos) == "closed"


def test_error_that_a_rule_calls_fine_is_a_success(scripted: Vendor, clock: FakeClock) -> None:
    class NoContentError(Exception):
        pass

    rule(NoContentError, Verdict.OK)
    try:
        repos = half_open(scripted, clock, success_threshold=1)
        scripted.does = NoContentError()
        with pytest.raises(NoContentError):
            repos()
        assert state(repos) == "closed"
    finally:
        forget_rule(NoContentError)


@pytest.mark.parametrize(
    "exclude",
    [ConnectionError, [ConnectionError], (lambda error: "peer" in str(error),)],
    ids=["a class", "a list", "a predicate"],
)
def test_excluded_exceptions_are_no_failures(scripted: Vendor, exclude: Any) -> None:
    repos = scripted(breaker(fail_max=1, min_calls=1, exclude=exclude))
    scripted.does = DOWN
    call(repos, 5)
    assert state(repos) == "closed"
    scripted.does = TimeoutError()
    call(repos)
    assert state(repos) == "open"


def test_vendors_own_error_is_raised_on_trip_unless_asked_otherwise(scripted: Vendor) -> None:
    theirs = pybreaker.CircuitBreaker(fail_max=1)
    scripted.does = DOWN
    plain = scripted(breaker(fail_max=1))
    with pytest.raises(pybreaker.CircuitBreakerError):
        theirs.call(plain.resilient.function)
    with pytest.raises(ConnectionError):
        plain()
    as_theirs = scripted(breaker(fail_max=1, throw_new_error_on_trip=True))
    with pytest.raises(BreakerOpen, match="Failures threshold reached") as tripped:
        as_theirs()
    assert tripped.value.__cause__ is DOWN
    assert tripped.value.retry_after == 30


# Slow calls


def slow(clock: FakeClock, seconds: float, error: Exception | None = None) -> Callable[[], Any]:
    def take() -> str:
        clock.advance(seconds)
        if error is not None:
            raise error
        return "late"

    return take


def slow_breaker(**options: Any) -> Any:
    return breaker(
        failure_rate=None, fail_max=None, slow_call=2, slow_rate=0.5, min_calls=4, **options
    )


@pytest.mark.parametrize("error", [None, TimeoutError()], ids=["answered", "timed out"])
def test_share_of_slow_calls_opens_it_whether_they_fail_or_not(
    scripted: Vendor, clock: FakeClock, steps: RecordedSteps, error: Exception | None
) -> None:
    repos = scripted(slow_breaker())
    scripted.does = slow(clock, 1.9, error)
    call(repos, 2)
    scripted.does = slow(clock, 2, error)
    call(repos)
    assert state(repos) == "closed"
    call(repos)
    assert state(repos) == "open"
    assert [step.text for step in steps] == ["breaker opened for 30 s: 2 of 4 calls were slow"]


def test_slow_probe_opens_it_again(
    scripted: Vendor, clock: FakeClock, steps: RecordedSteps
) -> None:
    repos = scripted(slow_breaker())
    scripted.does = slow(clock, 5)
    call(repos, 4)
    clock.advance(30)
    assert repos() == "late"
    assert state(repos) == "open"
    assert steps[-1].text == "breaker opened for 60 s: the probe was slow"


def test_time_of_a_call_is_its_own_and_not_that_of_the_retries_before_it(
    scripted: Vendor, clock: FakeClock, monkeypatch: Any
) -> None:
    monkeypatch.setattr(chance, "uniform", max)  # the longest waits
    answers = iter([DOWN, "fine"] * 5)

    def answer() -> Any:
        said = next(answers)
        if isinstance(said, Exception):
            raise said
        return said

    repos = scripted(retry(wait=lambda: iter([10.0] * 9), budget=None), slow_breaker())
    scripted.does = answer
    assert [repos() for _ in range(5)] == ["fine"] * 5
    assert clock.total == 50
    assert repos.resilient.breaker.health.counts() == (10, 5, 0)


# Half-open


def test_probe_after_the_reset_timeout_and_successes_close_it(
    scripted: Vendor, clock: FakeClock, steps: RecordedSteps
) -> None:
    repos = opened(scripted, reset_timeout=30, success_threshold=2)
    clock.advance(29.9)
    with pytest.raises(BreakerOpen):
        repos()
    clock.advance(0.1)
    scripted.does = "fine"
    assert repos() == "fine"
    assert state(repos) == "half-open"
    assert repos() == "fine"
    assert state(repos) == "closed"
    assert [(step.kind, step.text) for step in steps] == [
        ("breaker_opened", f"breaker opened for 30 s: {OPENED_BY}"),
        ("breaker_refused", f"refused: breaker open for 0.1 s more ({OPENED_BY})"),
        ("breaker_half_open", "breaker half-open: tries whether it works again"),
        ("breaker_closed", "breaker closed: it works again"),
    ]
    assert steps[0].facts == {"open_for": 30.0}


def test_closed_circuit_starts_with_a_clean_slate(scripted: Vendor, clock: FakeClock) -> None:
    repos = half_open(scripted, clock, success_threshold=1, min_calls=4)
    scripted.does = "fine"
    repos()
    policy = repos.resilient.breaker
    assert (policy.fail_counter, policy.health.counts()) == (0, (0, 0, 0))
    scripted.does = DOWN
    call(repos, 2)
    assert state(repos) == "closed"


def test_open_time_doubles_with_each_failed_probe_up_to_its_maximum(
    scripted: Vendor, clock: FakeClock, steps: RecordedSteps
) -> None:
    repos = opened(scripted, reset_timeout=30, max_reset_timeout=100, success_threshold=1)
    for pause in (30, 60, 100, 100):
        assert steps[-1].facts == {"open_for": pause}
        assert repos.resilient.breaker.remaining() == pause
        clock.advance(pause - 0.1)
        with pytest.raises(BreakerOpen):
            repos()
        clock.advance(0.1)
        with pytest.raises(ConnectionError):
            repos()
    assert steps[-1].text == "breaker opened for 100 s: the probe failed: ConnectionError"
    # and a closed circuit starts over
    clock.advance(100)
    scripted.does = "fine"
    repos()
    scripted.does = DOWN
    call(repos, 3)
    assert repos.resilient.breaker.remaining() == 30


def test_open_time_is_spread_by_up_to_a_tenth(scripted: Vendor, monkeypatch: Any) -> None:
    drawn = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    monkeypatch.setattr(chance, "uniform", uniform)
    repos = opened(scripted, reset_timeout=30)
    assert drawn == [(0.0, 0.1)]
    assert repos.resilient.breaker.remaining() == pytest.approx(33)


def test_open_time_is_at_least_what_the_vendor_asked_for(
    vendor: Callable[[str], ScriptedVendor], scripted: Vendor, clock: FakeClock
) -> None:
    server = vendor("503 retry-after=4000, 503 retry-after=7, 503")
    repos = scripted(breaker(fail_max=1, reset_timeout=30))
    policy = repos.resilient.breaker
    scripted.does = lambda: status(server, "/", True)
    call(repos)
    with pytest.raises(BreakerOpen, match=r"open for 4000 s more") as refused:
        repos()
    assert refused.value.retry_after == 4000
    clock.advance(4000)
    call(repos)
    # what it asked for the last time counts, and is not the time it has to be open at least
    assert policy.remaining() == 60
    clock.advance(60)
    call(repos)
    assert policy.remaining() == 120


def test_what_the_vendor_asked_for_is_forgotten_when_it_is_back(
    vendor: Callable[[str], ScriptedVendor], scripted: Vendor, clock: FakeClock
) -> None:
    server = vendor("503 retry-after=4000, 200")
    repos = scripted(breaker(fail_max=1, reset_timeout=30))
    policy = repos.resilient.breaker
    scripted.does = lambda: status(server, "/", True)
    call(repos)
    clock.advance(4000)
    call(repos, 2)
    policy.open()
    assert policy.remaining() == 30


def test_who_waits_for_as_long_as_the_refusal_says_is_admitted(
    scripted: Vendor, clock: FakeClock
) -> None:
    clock.advance(0.06)  # from here on 7.7 and what is left of 30 seconds add up to less than 30
    repos = opened(scripted, reset_timeout=30, success_threshold=1)
    scripted.does = "fine"
    clock.advance(7.7)
    with pytest.raises(BreakerOpen) as refused:
        repos()
    clock.advance(refused.value.retry_after or 0)
    assert repos() == "fine"


def test_as_many_probes_as_allowed_are_under_way_and_others_are_refused(
    scripted: Vendor, clock: FakeClock
) -> None:
    repos = half_open(scripted, clock, probes=2, success_threshold=2)
    both_inside = threading.Barrier(2)
    leave = threading.Event()
    refused = threading.Semaphore(0)

    def probe() -> str:
        both_inside.wait(PATIENCE)
        assert leave.wait(PATIENCE)
        return "fine"

    def try_it() -> Any:
        try:
            return repos()
        except BreakerOpen as error:
            refused.release()
            return str(error)

    def release() -> None:
        for _ in range(6):
            assert refused.acquire(timeout=PATIENCE)
        leave.set()

    scripted.does = probe
    *results, _ = in_threads(*[try_it] * 8, release)
    assert (
        sorted(results)
        == ["fine"] * 2
        + [
            "github.repos: breaker half-open, with as many calls on their way as it admits. "
            "Add @fallback, or try again in a moment."
        ]
        * 6
    )
    assert scripted.calls == 2
    assert state(repos) == "closed"


def test_lost_probe_does_not_keep_the_breaker_half_open(scripted: Vendor, clock: FakeClock) -> None:
    repos = half_open(scripted, clock, success_threshold=1, reset_timeout=30)
    never_comes_back = repos.resilient.breaker._admit()
    with pytest.raises(BreakerOpen):
        repos()
    clock.advance(30)
    scripted.does = "fine"
    assert repos() == "fine"
    assert state(repos) == "closed"
    assert never_comes_back.is_probe


def test_half_opening_is_reported_once_by_the_call_that_did_it(
    scripted: Vendor, clock: FakeClock, steps: RecordedSteps
) -> None:
    repos = half_open(scripted, clock)
    inside = threading.Event()
    refused = threading.Event()

    def probe() -> None:
        inside.set()
        assert refused.wait(PATIENCE)

    def other() -> None:
        assert inside.wait(PATIENCE)
        with contextlib.suppress(BreakerOpen):
            repos()
        refused.set()

    scripted.does = probe
    in_threads(repos, other)
    assert steps.kinds().count("breaker_half_open") == 1


# Results that come too late


def test_failure_from_before_the_opening_does_not_count(
    scripted: Vendor, steps: RecordedSteps
) -> None:
    repos = scripted(breaker(fail_max=1))
    policy = repos.resilient.breaker

    def opened_meanwhile() -> None:
        policy.open()
        raise DOWN

    scripted.does = opened_meanwhile
    with pytest.raises(ConnectionError):
        repos()
    assert (policy.fail_counter, policy.health.counts()) == (0, (0, 0, 0))
    assert steps.kinds() == []


@pytest.mark.parametrize("answer", ["fine", DOWN], ids=["success", "failure"])
def test_result_from_before_a_recovery_does_not_count(scripted: Vendor, answer: Any) -> None:
    repos = scripted(breaker(fail_max=1))
    policy = repos.resilient.breaker

    def recovered_meanwhile() -> Any:
        policy.open()
        policy.close()
        if isinstance(answer, Exception):
            raise answer
        return answer

    scripted.does = recovered_meanwhile
    call(repos)
    assert policy.current_state == "closed"
    assert policy.health.counts() == (0, 0, 0)


def test_call_that_finds_it_closed_but_belongs_to_an_older_state_cannot_open_it(
    scripted: Vendor,
) -> None:
    """The state is read without the lock: a change may come between that and the era."""
    repos = scripted(breaker(fail_max=1))
    policy = repos.resilient.breaker
    storage = policy._state_storage

    scripted.does = DOWN

    class Racing(type(policy)):  # type: ignore[misc]
        @property
        def _forced(self) -> None:
            # Looked at right after the state, on the way of a healthy call.
            if self.current_state == "closed":
                self.open()

        @_forced.setter
        def _forced(self, value: Any) -> None: ...

    policy.__class__ = Racing
    with pytest.raises(ConnectionError):
        repos()
    assert storage.counter == 0
    assert policy._why == "opened by hand"


# Ramp-up


def test_traffic_ramps_up_after_closing(
    scripted: Vendor, clock: FakeClock, monkeypatch: Any
) -> None:
    repos = half_open(scripted, clock, success_threshold=1, ramp_up=100)
    scripted.does = "fine"
    assert repos() == "fine"
    draws = {"now": 0.0}
    monkeypatch.setattr(chance, "uniform", lambda low, high: draws["now"])
    for passed, share in ((0, 0.1), (40, 0.4), (30, 0.7)):
        clock.advance(passed)
        draws["now"] = share
        assert repos() == "fine"
        draws["now"] = share + 0.01
        with pytest.raises(BreakerOpen, match="closed again, but its traffic still ramps up") as no:
            repos()
        assert no.value.retry_after is None
    clock.advance(30)
    draws["now"] = 1.0
    assert repos() == "fine"


def test_nothing_ramps_up_in_a_circuit_that_never_opened(
    scripted: Vendor, monkeypatch: Any
) -> None:
    monkeypatch.setattr(chance, "uniform", lambda low, high: high)
    repos = scripted(breaker(ramp_up=100))
    assert repos() == "fine"


# Operators


def test_isolated_breaker_refuses_until_reset(scripted: Vendor, steps: RecordedSteps) -> None:
    repos = scripted(breaker())
    policy = repos.resilient.breaker
    policy.isolate()
    assert policy.settings()["state"] == "isolated"
    with pytest.raises(BreakerOpen) as refused:
        repos()
    assert str(refused.value) == (
        "github.repos: breaker isolated by an operator. "
        "It stays so until reset(); add @fallback meanwhile."
    )
    assert refused.value.retry_after is None
    with pytest.raises(BreakerOpen, match="isolated"):
        policy.call(pytest.fail)
    policy.reset()
    assert repos() == "fine"
    assert [(step.kind, step.label) for step in steps] == [
        ("breaker_forced", "github"), ("breaker_refused", "github.repos"),
        ("breaker_closed", "github"),
    ]  # fmt: skip


def test_disabled_breaker_lets_all_through_and_counts_nothing(
    scripted: Vendor, clock: FakeClock
) -> None:
    repos = opened(scripted)
    policy = repos.resilient.breaker
    before = policy.health.counts()
    policy.disable()
    for _ in range(5):
        with pytest.raises(ConnectionError):
            repos()
    scripted.does = "fine"
    assert repos() == policy.call(lambda: "fine") == "fine"
    assert policy.health.counts() == before
    assert policy.settings()["state"] == "disabled"
    policy.reset()
    assert (policy.current_state, policy.health.counts()) == ("closed", (0, 0, 0))


def test_opening_by_hand_says_so(scripted: Vendor) -> None:
    repos = scripted(breaker())
    repos.resilient.breaker.open()
    with pytest.raises(BreakerOpen, match=r"open for 30 s more \(opened by hand\)"):
        repos()


# Sharing


def test_functions_decorated_with_one_breaker_share_its_state() -> None:
    github = breaker(fail_max=2)

    @github
    def repos() -> None:
        raise DOWN

    @github
    def users() -> None:
        raise DOWN

    @breaker(fail_max=2)
    def others() -> str:
        return "fine"

    call(repos)
    call(users)
    for function in (repos, users):
        with pytest.raises(BreakerOpen):
            function()
    assert others() == "fine"


def test_methods_of_all_instances_share_one_breaker() -> None:
    class Client:
        @breaker(fail_max=2)
        def repos(self) -> None:
            raise DOWN

    call(Client().repos)
    call(Client().repos)
    with pytest.raises(BreakerOpen, match=r"Client\.repos"):
        Client().repos()


# Observing


@pytest.mark.parametrize("whose", ["policy", "service"])
def test_observing_refuses_nothing_and_records_what_it_would(
    scripted: Vendor, clock: FakeClock, steps: RecordedSteps, whose: str
) -> None:
    mode = "observe" if whose == "policy" else "enforce"
    repos = scripted(
        breaker(fail_max=3, success_threshold=1, throw_new_error_on_trip=True, mode=mode)
    )
    if whose == "service":
        repos = service("github", mode="observe")(repos.resilient.policies[-1](scripted_of(repos)))
    scripted.does = DOWN
    for _ in range(5):
        with pytest.raises(ConnectionError) as raised:
            repos()
        assert raised.value.__context__ is None
    assert scripted.calls == 5
    assert steps.kinds() == ["breaker_opened", "would_break", "would_break"]
    assert steps[-1].text == f"would be refused: breaker open for 30 s more ({OPENED_BY})"
    # its state goes on as if it had refused
    clock.advance(30)
    scripted.does = "fine"
    assert repos() == "fine"
    assert state(repos) == "closed"
    assert steps.kinds()[3:] == ["breaker_half_open", "breaker_closed"]


def scripted_of(function: Any) -> Any:
    return function.resilient.function


def test_isolated_breaker_that_observes_only_says_so(
    scripted: Vendor, steps: RecordedSteps
) -> None:
    repos = scripted(breaker(mode="observe"))
    repos.resilient.breaker.isolate()
    assert repos() == "fine"
    assert steps[-1].text == "would be refused: breaker isolated by an operator"


def down() -> None:
    raise DOWN


def test_pybreakers_own_call_is_not_refused_either_by_one_that_observes(
    clock: FakeClock, steps: RecordedSteps
) -> None:
    observing = breaker(fail_max=2, success_threshold=1, mode="observe", name="github")
    for _ in range(4):
        with pytest.raises(ConnectionError):
            observing.call(down)
    assert observing.current_state == "open"
    assert steps.of("would_break")[0].label == "github"
    assert len(steps.of("would_break")) == 2
    clock.advance(31)
    assert observing.call(lambda: "fine") == "fine"
    assert observing.current_state == "closed"
    observing.isolate()
    assert observing.call(lambda: "fine") == "fine"
    assert steps[-1].text == "would be refused: breaker isolated by an operator"


def test_one_that_observes_keeps_the_error_that_trips_it() -> None:
    observing = breaker(fail_max=1, throw_new_error_on_trip=True, mode="observe")
    with pytest.raises(ConnectionError):
        observing.call(down)
    assert observing.current_state == "open"
    enforcing = breaker(fail_max=1, throw_new_error_on_trip=True)
    with pytest.raises(BreakerOpen):
        enforcing.call(down)


# As a pybreaker


class Recorder(pybreaker.CircuitBreakerListener):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def before_call(self, cb: Any, func: Any, *args: Any, **kwargs: Any) -> None:
        self.heard.append(f"before {func.__name__} {args} {kwargs}")

    def failure(self, cb: Any, exc: BaseException) -> None:
        self.heard.append(f"failure {type(exc).__name__}: {exc}")

    def success(self, cb: Any) -> None:
        self.heard.append("success")

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
        self.heard.append(f"{old_state.name} -> {new_state.name}")


def test_pybreakers_listeners_hear_of_it(scripted: Vendor, clock: FakeClock) -> None:
    recorder = Recorder()
    repos = scripted(breaker(fail_max=1, success_threshold=1, listeners=[recorder]))
    scripted.does = DOWN
    call(repos)
    call(repos)
    clock.advance(30)
    scripted.does = "fine"
    repos(1, page=2)
    assert recorder.heard == [
        "before repos () {}",
        "failure ConnectionError: reset by peer",
        "closed -> open",
        "open -> half-open",
        "before repos (1,) {'page': 2}",
        "half-open -> closed",
        "success",
    ]


def test_listener_added_later_hears_of_the_next_call(scripted: Vendor) -> None:
    repos = scripted(breaker())
    repos()
    recorder = Recorder()
    repos.resilient.breaker.add_listener(recorder)
    repos()
    assert recorder.heard == ["before repos () {}", "success"]


def test_listener_hears_of_a_failure_that_was_returned(
    vendor: Callable[[str], ScriptedVendor], scripted: Vendor
) -> None:
    server = vendor("503")
    recorder = Recorder()
    repos = scripted(breaker(listeners=[recorder]))
    scripted.does = lambda: status(server, "/", False)
    assert repos().status_code == 503
    assert recorder.heard[1:] == ["failure ResilientError: github.repos returned a failure: 503"]


def test_raising_listener_is_told_of_once_and_changes_no_result(
    scripted: Vendor, steps: RecordedSteps
) -> None:
    class Clumsy(Recorder):
        def success(self, cb: Any) -> None:
            raise RuntimeError

    repos = scripted(breaker(listeners=[Clumsy()]))
    assert [repos() for _ in range(3)] == ["fine"] * 3
    assert repos.resilient.breaker.listener_errors == 3
    assert [(step.kind, step.label) for step in steps] == [("degraded", "github")]


@pytest.mark.parametrize("decode", [False, True])
def test_two_processes_share_a_breaker_through_redis(
    scripted: Vendor, clock: FakeClock, decode: bool
) -> None:
    server = fakeredis.FakeServer()

    def storage() -> Any:
        client = fakeredis.FakeStrictRedis(server=server, decode_responses=decode)
        return pybreaker.CircuitRedisStorage("closed", client, namespace="github")

    here = scripted(breaker(fail_max=2, success_threshold=1, state_storage=storage()))
    there = scripted(breaker(fail_max=2, success_threshold=1, state_storage=storage()))
    scripted.does = DOWN
    call(here)
    call(there)
    for repos in (here, there):
        with pytest.raises(BreakerOpen) as refused:
            repos()
        assert refused.value.retry_after == pytest.approx(30, abs=1)
    with pytest.raises(BreakerOpen, match="opened elsewhere"):
        here()
    clock.advance(31)
    scripted.does = "fine"
    assert here() == there() == "fine"
    assert state(here) == state(there) == "closed"
    # what opened it there the last time is not why it is open now
    here.resilient.breaker.open()
    with pytest.raises(BreakerOpen, match="opened elsewhere"):
        there()


class Dead(pybreaker.CircuitBreakerStorage):
    """A storage that is down from the start."""

    def __init__(self) -> None:
        super().__init__("dead")

    def _fail(self, *_: Any) -> Any:
        raise OSError("no route to the storage")

    state = counter = success_counter = opened_at = property(_fail, _fail)  # type: ignore[assignment]
    increment_counter = reset_counter = _fail
    increment_success_counter = reset_success_counter = _fail


def test_dead_storage_degrades_to_a_breaker_of_this_process(
    scripted: Vendor, clock: FakeClock, steps: RecordedSteps
) -> None:
    repos = opened(scripted, state_storage=Dead())
    with pytest.raises(BreakerOpen, match=r"open for 30 s more \(3 failures in a row"):
        repos()
    clock.advance(30)
    scripted.does = "fine"
    assert [repos(), repos()] == ["fine", "fine"]
    assert state(repos) == "closed"
    assert steps.kinds().count("degraded") == 1
    assert repos.resilient.breaker.storage_errors > 1


def test_it_can_be_used_as_the_class_it_is(scripted: Vendor) -> None:
    policy = breaker(fail_max=2, name="github")
    assert isinstance(policy, pybreaker.CircuitBreaker)
    assert policy.call(lambda value: value, 7) == 7
    with policy.calling():
        pass
    scripted.does = DOWN
    plain = scripted(policy).resilient.function
    with pytest.raises(ConnectionError):
        policy.call(plain)
    # neutral here too, where pybreaker's excluded exceptions end the row
    with pytest.raises(TypeError):
        policy.call(len)
    with pytest.raises(ConnectionError), policy.calling():
        plain()
    with pytest.raises(BreakerOpen, match="Timeout not elapsed yet") as refused:
        policy.call(plain)
    assert refused.value.label == "github"


# Threads


@pytest.mark.parametrize("options", [{}, {"slow_call": 60}, {"listeners": [Recorder()]}])
def test_eight_threads_are_inside_the_function_at_once(
    scripted: Vendor, options: dict[str, Any]
) -> None:
    together = threading.Barrier(8)
    repos = scripted(breaker(**options))
    scripted.does = lambda: together.wait(PATIENCE)
    assert sorted(in_threads(*[repos] * 8)) == list(range(8))


def test_only_one_of_eight_failing_together_opens_it(
    scripted: Vendor, steps: RecordedSteps
) -> None:
    together = threading.Barrier(8)
    repos = scripted(breaker(fail_max=1))

    def fail_together() -> None:
        together.wait(PATIENCE)
        raise DOWN

    scripted.does = fail_together
    in_threads(*[repos] * 8)
    assert steps.kinds() == ["breaker_opened"]
    assert repos.resilient.breaker.fail_counter == 1


@pytest.mark.stress
def test_threads_through_many_outages_leave_a_consistent_breaker(
    clock: FakeClock, steps: RecordedSteps
) -> None:
    policy = breaker(fail_max=3, reset_timeout=0.5, max_reset_timeout=2, probes=2)
    probes = []

    @policy
    def repos() -> None:
        probes.append(len(policy._probes_out))
        if clock.now // 10 % 2:
            raise DOWN

    together = threading.Barrier(8)

    def work() -> None:
        together.wait(PATIENCE)
        for _ in range(2000):
            call(repos)
            clock.advance(0.01)

    in_threads(*[work] * 8)
    assert set(probes) <= {0, 1, 2}
    assert 1 in probes
    assert policy._probes_out == []
    assert (policy._depth, policy._collecting, policy._teller) == (0, None, None)
    kinds = steps.kinds()
    assert kinds.count("breaker_opened") >= kinds.count("breaker_half_open")
    assert kinds.count("breaker_half_open") >= kinds.count("breaker_closed") > 5
    clock.advance(2)
    for _ in range(2):
        policy.call(int)
    assert policy.current_state == "closed"


# Configuration


WRONG = {
    "failure_rate=0": ({"failure_rate": 0}, r"failure_rate=0\): use a share"),
    "failure_rate=50": ({"failure_rate": 50}, r"write 0\.5"),
    "window=0": ({"window": 0}, r"window=0\): use a finite time"),
    "min_calls=0": ({"min_calls": 0}, r"min_calls=0\): use a whole number"),
    "fail_max=0": ({"fail_max": 0}, r"fail_max=0\): use a whole number of 1 or more; None"),
    "fail_max=2.5": ({"fail_max": 2.5}, r"fail_max=2\.5"),
    "slow_call=0": ({"slow_call": 0}, r"slow_call=0"),
    "slow_rate=2": ({"slow_call": 1, "slow_rate": 2}, r"slow_rate=2"),
    "reset_timeout=-1": ({"reset_timeout": -1}, r"reset_timeout=-1"),
    "max_reset_timeout=nan": ({"max_reset_timeout": float("nan")}, r"max_reset_timeout=nan"),
    "below": ({"reset_timeout": 60, "max_reset_timeout": 30}, r"raise max_reset_timeout"),
    "probes=0": ({"probes": 0}, r"probes=0"),
    "success_threshold=0": ({"success_threshold": 0}, r"success_threshold=0"),
    "ramp_up=-1": ({"ramp_up": -1}, r"ramp_up=-1"),
    "exclude text": ({"exclude": "ValueError"}, r"exclude='ValueError'"),
    "exclude number": ({"exclude": 5}, r"exclude=5"),
    "exclude a class": ({"exclude": [int]}, r"exclude=int"),
    "exclude Ctrl-C": ({"exclude": [KeyboardInterrupt]}, r"Ctrl-C and exits are never"),
    "listeners=print": ({"listeners": print}, r"listeners=\[<built-in.*CircuitBreakerListener"),
    "listeners=[class]": ({"listeners": [Recorder]}, r"CircuitBreakerListener"),
    "state_storage": ({"state_storage": "redis://"}, r"state_storage=…\): .* and no str"),
    "throw": ({"throw_new_error_on_trip": 1}, r"use True or False"),
    "name": ({"name": 5}, r"name=5"),
    "mode": ({"mode": "watch"}, r"use 'enforce' or 'observe'"),
    "never opens": ({"failure_rate": None, "fail_max": None}, r"it could never open"),
    "unknown": ({"fail_maximum": 3}, r"did you mean fail_max\?"),
}


@pytest.mark.parametrize(("options", "text"), WRONG.values(), ids=WRONG.keys())
def test_wrong_option_is_refused_with_its_value_and_a_remedy(
    options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ConfigurationError, match=text):
        breaker(**options)


def test_options_are_given_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"breaker\(…\)"):
        breaker(0.5)  # type: ignore[call-overload]
