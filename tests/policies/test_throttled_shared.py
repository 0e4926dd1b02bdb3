"""@throttled with a store: what workers share, seen from the decorated function."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resilient import ConfigurationError, RateLimited, service, throttled
from resilient.admission.shared_quota import SharedQuota
from resilient.call import Call, Outcome, Verdict
from resilient.sharing.opening import open_state, set_default
from resilient.sharing.shared import SharedState
from resilient.testing import FakeClock, RecordedSteps
from tests.admission.workers import Store


@pytest.fixture
def store(clock: FakeClock) -> Store:
    return Store()


def worker_of(store: Store, *rates: str, name: str = "q", **options: Any) -> Any:
    """A function of one worker."""

    @throttled(*rates, store=SharedState(store, 0.25), name=name, **options)
    def fetch(argument: object = None, /, **facts: Any) -> str:
        return "fetched"

    return fetch


def calls(function: Callable[..., object], *args: object, most: int = 50) -> int:
    """How many calls go through now."""
    for count in range(most):
        try:
            function(*args)
        except RateLimited:
            return count
    return most


def test_functions_of_several_workers_share_one_quota(clock: FakeClock, store: Store) -> None:
    one, two = (worker_of(store, "10/min", max_wait=0) for _ in range(2))
    assert calls(one, most=4) == 4
    assert calls(two) == 6
    assert calls(one) == 0


def test_a_refused_caller_is_told_when_the_shared_quota_has_room(
    clock: FakeClock, store: Store
) -> None:
    one, two = (worker_of(store, "1/min", max_wait=0) for _ in range(2))
    one()
    clock.advance(0.25)
    one.resilient.policy("throttled")._state.step_now()
    clock.advance(19.75)
    with pytest.raises(RateLimited) as caught:
        two()
    assert caught.value.retry_after == pytest.approx(40)


def test_who_may_wait_gets_the_slot_of_another_worker(clock: FakeClock, store: Store) -> None:
    one, two = (worker_of(store, "1/min", max_wait=90) for _ in range(2))
    one()
    clock.advance(0.25)
    one.resilient.policy("throttled")._state.step_now()
    assert two() == "fetched"
    assert clock.now == pytest.approx(60, abs=1)


def test_each_key_has_a_shared_quota_of_its_own_whose_name_does_not_tell_the_key(
    clock: FakeClock, store: Store
) -> None:
    options: dict[str, Any] = {"key": lambda secret: secret, "max_wait": 0}
    one, two = (worker_of(store, "3/min", **options) for _ in range(2))
    assert calls(one, "hunter2") == 3
    assert calls(two, "hunter2") == 0
    assert calls(two, "another") == 3
    assert not any("hunter2" in ask.quota or "another" in ask.quota for ask in store.asks)


def test_a_key_that_is_taken_over_is_called_as_in_every_process(
    clock: FakeClock, store: Store
) -> None:
    options: dict[str, Any] = {"key": lambda key: key, "max_wait": 0}
    old, other = (worker_of(store, "3/min", **options) for _ in range(2))
    assert calls(old, "a", most=2) == 2
    policy = old.resilient.policy("throttled")
    heir = throttled("3/min", store=policy._state, name="q", **options)
    heir.take_over(policy)
    assert calls(heir(lambda key: key), "a") == 1
    assert calls(other, "a") == 0


def test_a_store_that_is_configured_later_counts_what_went_without_it(
    clock: FakeClock, store: Store
) -> None:
    alone = throttled("10/min", store="local", max_wait=0)
    assert calls(alone(lambda: None), most=4) == 4
    heir = throttled("10/min", store=SharedState(store, 0.25), name="q", max_wait=0)
    heir.take_over(alone)
    assert calls(heir(lambda: None)) == 6
    assert calls(worker_of(store, "10/min", max_wait=0)) == 0


def test_other_rates_in_the_same_store_count_nothing_twice(clock: FakeClock, store: Store) -> None:
    old = worker_of(store, "10/min", max_wait=0)
    assert calls(old, most=4) == 4
    policy = old.resilient.policy("throttled")
    heir = throttled("12/min", store=policy._state, name="q", max_wait=0)
    heir.take_over(policy)
    assert calls(heir(lambda: None)) == 8


def test_a_key_that_looks_different_in_every_process_is_refused(
    clock: FakeClock, store: Store
) -> None:
    fetch = worker_of(store, "3/min", key=lambda thing: thing)
    with pytest.raises(ConfigurationError, match="for a quota that processes share"):
        fetch(object())


def test_cost_and_reserve_hold_over_all_workers(clock: FakeClock, store: Store) -> None:
    options: dict[str, Any] = {
        "cost": lambda cost: cost,
        "priority": lambda cost: cost == 2,
        "reserve": 0.2,
        "max_wait": 0,
    }
    one, two = (worker_of(store, "10/min", **options) for _ in range(2))
    assert calls(one, 3) == 2
    assert calls(two, 3) == 0
    assert calls(two, 2) == 2
    assert calls(one, 1) == 0


def test_the_functions_of_a_service_share_by_its_name_in_every_process(
    clock: FakeClock, store: Store
) -> None:
    def bundle() -> Any:
        vendor = service("github", throttled("5/min", max_wait=0, store=SharedState(store, 0.25)))

        @vendor
        def repos() -> str:
            return "repos"

        @vendor
        def users() -> str:
            return "users"

        return repos, users

    (repos, _), (_, users) = bundle(), bundle()
    assert calls(repos, most=2) == 2
    assert calls(users) == 3
    assert {ask.quota for ask in store.asks} == {"throttled:github"}


def test_observing_never_waits_holds_no_slot_ahead_and_tells_what_it_would_have_done(
    clock: FakeClock, store: Store, steps: RecordedSteps
) -> None:
    one, two = (worker_of(store, "2/min", mode="observe") for _ in range(2))
    assert calls(one, most=2) == 2
    assert calls(two, most=3) == 3
    assert [step.kind for step in steps] == ["would_throttle"] * 3
    assert clock.now == 0


def test_a_vendors_refusal_of_one_worker_pauses_the_functions_of_all(
    clock: FakeClock, store: Store
) -> None:
    states = [SharedState(store, 0.25) for _ in range(2)]
    told = iter([Outcome(Verdict.THROTTLED, "429", retry_after=30.0)])

    class Told(Exception):
        status_code = 429
        retry_after = 30

    @throttled("100/s", store=states[0], name="q", max_wait=0)
    def one() -> None:
        next(told)
        raise Told

    two = worker_of(store, "100/s", max_wait=0)
    two()
    with pytest.raises(Told):
        one()
    states[0].step_now()
    clock.advance(0.3)
    two.resilient.policy("throttled")._state.step_now()
    if one.resilient.throttle.paused_until is None:
        pytest.fail("the refusal itself was not heard")
    with pytest.raises(RateLimited, match="the vendor asked for a pause"):
        two()


# Without the store.


def test_calls_go_on_without_the_store_and_it_is_told_once(
    clock: FakeClock, store: Store, steps: RecordedSteps
) -> None:
    fetch = worker_of(store, "100/min", max_wait=0)
    store.is_out = True
    assert calls(fetch, most=20) == 20
    assert [step.kind for step in steps] == ["degraded"]


def test_a_store_that_can_not_be_reached_refuses_by_name_if_it_is_to(
    clock: FakeClock, store: Store
) -> None:
    fetch = worker_of(store, "100/min", on_store_error="refuse")
    store.is_out = True
    with pytest.raises(RateLimited, match=r"can't be reached.*\"local\"") as caught:
        fetch()
    assert caught.value.retry_after == 1.0
    store.is_out = False
    clock.advance(3)
    assert fetch() == "fetched"


def test_a_store_that_can_not_be_reached_stops_no_call_that_is_only_observed(
    clock: FakeClock, store: Store, steps: RecordedSteps
) -> None:
    fetch = worker_of(store, "100/min", on_store_error="refuse", mode="observe")
    store.is_out = True
    assert fetch() == "fetched"
    assert [step.kind for step in steps] == ["degraded", "would_throttle"]


# How it is made.


def test_without_a_store_nothing_is_shared_and_the_short_way_is_open() -> None:
    policy = throttled("10/s")
    assert policy._quota.is_simple
    assert not isinstance(policy._quota, SharedQuota)


def test_the_default_store_counts_unless_a_policy_stays_local(clock: FakeClock) -> None:
    set_default("memory://default")
    try:
        assert isinstance(throttled("10/s")._quota, SharedQuota)
        assert not isinstance(throttled("10/s", store="local")._quota, SharedQuota)
    finally:
        set_default(None)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"store": "nonsense"}, r"throttled\(store\)"),
        ({"store": 3}, r"throttled\(store\)"),
        ({"on_store_error": "raise"}, r"throttled\(on_store_error='raise'\)"),
        ({"name": ""}, r"throttled\(name=''\)"),
        ({"name": 3}, r"throttled\(name=3\)"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        throttled("10/s", **options)


def test_explain_shows_the_store_without_its_password(clock: FakeClock) -> None:
    policy = throttled("10/s", store="redis://user:hunter2@nowhere.example:6379/0")
    assert "on_store_error" in repr(policy)
    assert "hunter2" not in repr(policy)


def test_a_call_that_is_interrupted_gives_its_slot_back(clock: FakeClock, store: Store) -> None:
    state = SharedState(store, 0.25)

    @throttled("2/min", store=state, name="q", max_wait=0)
    def stopped() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    clock.advance(0.25)
    state.step_now()
    assert [count for ask in store.asks for count, _ in ask.done] == [1]


def test_each_request_of_a_call_takes_a_slot_of_all_workers(clock: FakeClock, store: Store) -> None:
    policy = throttled("4/min", store=SharedState(store, 0.25), name="q", max_wait=0)
    other = worker_of(store, "4/min", max_wait=0)

    @policy
    def pages() -> None:
        call = _open_call()
        for _ in range(3):
            call.admit_request()

    pages()
    assert calls(other) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_worker_shares_the_quota_and_takes_nothing_of_its_parents(tmp_path: Path) -> None:
    state = open_state(f"sqlite:///{tmp_path}/state.db", timeout=10)

    @throttled("10/hour", store=state, name="q", max_wait=0)
    def fetch() -> None: ...

    assert calls(fetch, most=4) == 4
    child = os.fork()
    if not child:
        status = 1
        try:
            status = calls(fetch)
        finally:
            sys.stdout.flush()
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(ended) == 6
    assert calls(fetch) == 0
    state.close()


def _open_call() -> Call:
    from resilient.call import current

    call = current.get()
    assert call is not None
    return call
