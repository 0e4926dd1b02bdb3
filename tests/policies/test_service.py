"""@service: identity, timeouts and deadlines on real HTTP, and functions that hang elsewhere."""

from __future__ import annotations

import contextlib
import contextvars
import gc
import math
import threading
import urllib.request
import weakref
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
import urllib3

from resilient import (
    BulkheadFull,
    ConfigurationError,
    DeadlineExceeded,
    OrderWarning,
    RateLimited,
    breaker,
    bulkhead,
    cached,
    fallback,
    registry,
    retry,
    service,
    throttled,
)
from resilient.call import DEFAULT_TIMEOUT, Call, Step, current, listeners
from resilient.policies.service import MAX_ABANDONED, MAX_CALLED, Service
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor, fake_clock

REAL_LIMIT = 10.0
"""Real seconds that a thread of these tests may take before they fail."""


@pytest.fixture(autouse=True)
def clock() -> Iterator[FakeClock]:
    registry.reset()  # functions of the same name share their figures
    with fake_clock() as clock:
        yield clock


def get(url: str) -> str:
    response = requests.get(url)
    response.raise_for_status()
    return response.text


def by_urllib(url: str) -> bytes:
    with urllib.request.urlopen(url) as response:
        body: bytes = response.read()
    return body


def by_urllib3(url: str) -> bytes:
    with urllib3.PoolManager(retries=False) as pool:
        return pool.request("GET", url).data


CLIENTS = [get, by_urllib, by_urllib3]


# Identity


def plain() -> str:
    return "done"


def test_the_name_stands_in_stats_steps_and_errors(steps: RecordedSteps) -> None:
    fetch = service("github", deadline=5)(retry(get))
    assert fetch.resilient.label == "github.get"
    with ScriptedVendor("timeout") as vendor, pytest.raises(DeadlineExceeded) as raised:
        fetch(vendor.url)
    stats = fetch.resilient.stats()
    assert (stats["service"], stats["function"]) == ("github", "get")
    assert {step.label for step in steps} == {"github.get"}
    assert raised.value.label == "github.get"
    assert str(raised.value).startswith("github.get: ")


@pytest.mark.parametrize(
    "decorated", [service(plain), service()(plain), retry(plain)], ids=["bare", "()", "without"]
)
def test_without_a_name_a_function_is_filed_under_its_module(
    decorated: Callable[[], str],
) -> None:
    assert decorated() == "done"
    assert decorated.resilient.label == f"{__name__}.plain"  # type: ignore[attr-defined]


def test_the_outer_of_two_services_names_the_function() -> None:
    with pytest.warns(OrderWarning):
        both = service("outer")(service("inner")(plain))
    assert both.resilient.label == "outer.plain"


@pytest.mark.parametrize(
    "context", [{"team": "payments"}, lambda *args, **kwargs: {"team": "payments"}]
)
def test_context_is_kept_for_whoever_writes_lines(context: Any) -> None:
    seen: list[object] = []

    def hear(call: Call | None, step: Step) -> None:
        assert call is not None
        seen.append(call.target.context)

    listeners.add(hear)
    try:
        with ScriptedVendor("503, 200") as vendor:
            service("v", context=context)(retry(get))(vendor.url)
    finally:
        listeners.remove(hear)
    assert seen == [context]


# Timeouts


@pytest.mark.parametrize("use", CLIENTS)
def test_a_request_without_a_timeout_gets_one(
    use: Callable[[str], object], clock: FakeClock
) -> None:
    timeouts = (requests.Timeout, urllib3.exceptions.ReadTimeoutError, TimeoutError)
    with ScriptedVendor("timeout") as vendor, pytest.raises(timeouts) as raised:
        service("v", timeout=7)(use)(vendor.url)
    assert not isinstance(raised.value, DeadlineExceeded)
    assert clock.now == pytest.approx(7)


@pytest.mark.parametrize(
    ("decorator", "allowed"),
    [
        (service("v"), DEFAULT_TIMEOUT),
        (service("v", timeout=timedelta(seconds=9)), 9),
        (retry(attempts=1), DEFAULT_TIMEOUT),
    ],
    ids=["the default", "a timedelta", "no service"],
)
def test_the_timeout_is_30_seconds_if_nobody_says_else(
    decorator: Any, allowed: float, clock: FakeClock
) -> None:
    with ScriptedVendor("timeout") as vendor, pytest.raises(requests.Timeout):
        decorator(get)(vendor.url)
    assert clock.now == pytest.approx(allowed)


@pytest.mark.parametrize(("own", "allowed"), [(3, 3), (50, 50), ((2, 4), 4)])
def test_a_request_keeps_the_timeout_it_has(own: Any, allowed: float, clock: FakeClock) -> None:
    @service("v", timeout=7)
    def fetch() -> None:
        requests.get(vendor.url, timeout=own)

    with ScriptedVendor("timeout") as vendor, pytest.raises(requests.Timeout):
        fetch()
    assert clock.now == pytest.approx(allowed)


def test_no_timeout_is_given_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    send = requests.adapters.HTTPAdapter.send

    def spy(self: Any, request: Any, **options: Any) -> Any:
        given.append(options["timeout"])
        return send(self, request, **options)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", spy)
    with ScriptedVendor("200") as vendor:
        service("v", timeout=None)(get)(vendor.url)
        service("v", timeout=None)(retry(lambda url: retry(get)(url)))(vendor.url)
        service("v", timeout=4)(retry(lambda url: retry(get)(url)))(vendor.url)
    assert given == [None, None, 4]


# Deadlines


@pytest.mark.parametrize("use", CLIENTS)
@pytest.mark.parametrize(
    "script", ["timeout", "200 delay=60", "200 drip=1 body='one byte a second'", "stall json={}"]
)
def test_a_hung_or_dripping_answer_is_cut_off_at_the_deadline(
    script: str, use: Callable[[str], object], clock: FakeClock, steps: RecordedSteps
) -> None:
    with ScriptedVendor(script) as vendor, pytest.raises(DeadlineExceeded) as raised:
        service("v", deadline=5)(use)(vendor.url)
    assert clock.now == pytest.approx(5, abs=0.01)
    assert "cut off at its deadline of 5 s" in str(raised.value)
    assert isinstance(raised.value.__cause__, Exception)
    assert steps.kinds() == ["deadline"]


def test_the_deadline_spans_all_attempts(clock: FakeClock) -> None:
    with ScriptedVendor("timeout") as vendor:
        with pytest.raises(DeadlineExceeded):
            service("v", timeout=4, deadline=12)(retry(attempts=9)(get))(vendor.url)
        assert vendor.calls == 3  # 4 s, a wait of 1 s, 4 s, a wait of 2 s, and 1 s that is left
    assert clock.now == pytest.approx(12, abs=0.01)


def test_a_deadline_is_for_one_call(clock: FakeClock) -> None:
    fetch = service("v", deadline=5)(get)
    with ScriptedVendor("200 delay=3") as vendor:
        for _ in range(4):
            fetch(vendor.url)


def test_a_mistake_found_too_late_is_still_a_mistake(clock: FakeClock) -> None:
    @service("v", deadline=5)
    def fetch() -> None:
        clock.advance(6)
        raise KeyError("name")

    with pytest.raises(KeyError):
        fetch()


def test_a_result_that_comes_late_is_given(clock: FakeClock) -> None:
    @service("v", deadline=5)
    def compute() -> str:
        clock.advance(6)
        return "late"

    assert compute() == "late"


def test_a_failure_before_the_deadline_is_the_vendors_own() -> None:
    with ScriptedVendor("close") as vendor, pytest.raises(requests.ConnectionError):
        service("v", deadline=5)(get)(vendor.url)


def test_a_fallback_answers_for_a_call_that_was_cut_off() -> None:
    with ScriptedVendor("timeout") as vendor:
        assert service("v", deadline=5)(fallback("old")(get))(vendor.url) == "old"


def test_a_wait_for_the_quota_does_not_outlast_the_deadline(clock: FakeClock) -> None:
    fetch = service("v", deadline=5)(throttled("1/min")(get))
    with ScriptedVendor("200") as vendor:
        fetch(vendor.url)
        with pytest.raises(RateLimited, match="the deadline leaves 5 s") as raised:
            fetch(vendor.url)
        assert vendor.calls == 1
    assert raised.value.retry_after == 60
    assert clock.now == 0


def test_a_wait_for_a_place_does_not_outlast_the_deadline(clock: FakeClock) -> None:
    entered, leave = threading.Event(), threading.Event()

    @service("v", deadline=5)
    @bulkhead(1, max_wait=60)
    def hold() -> None:
        entered.set()
        leave.wait(REAL_LIMIT)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert entered.wait(REAL_LIMIT)
        with pytest.raises(BulkheadFull, match="within 5 s"):
            hold()
    finally:
        leave.set()
        holder.join(REAL_LIMIT)


def test_a_wait_for_the_same_call_does_not_outlast_the_deadline(clock: FakeClock) -> None:
    entered, leave = threading.Event(), threading.Event()
    runs: list[int] = []

    @service("v", deadline=5)
    @cached(ttl=60)
    def compute() -> str:
        runs.append(1)
        if len(runs) == 1:
            entered.set()
            leave.wait(REAL_LIMIT)
        return "done"

    leader = threading.Thread(target=compute)
    leader.start()
    try:
        assert entered.wait(REAL_LIMIT)
        with pytest.raises(DeadlineExceeded):
            compute()
    finally:
        leave.set()
        leader.join(REAL_LIMIT)
    assert clock.now == pytest.approx(5)
    assert runs == [1]


@pytest.mark.parametrize(
    ("outer", "inner", "cut_at"), [(5, 60, 5), (60, 5, 5), (5, None, 5), (None, 5, 5)]
)
def test_the_nearest_deadline_of_nested_calls_is_in_force(
    outer: float | None, inner: float | None, cut_at: float, clock: FakeClock
) -> None:
    inside = service("inside", deadline=inner, timeout=900)(retry(get))
    outside = service("outside", deadline=outer)(lambda url: inside(url))
    with ScriptedVendor("timeout") as vendor, pytest.raises(DeadlineExceeded) as raised:
        outside(vendor.url)
    assert clock.now == pytest.approx(cut_at, abs=0.01)
    assert raised.value.label.startswith("outside" if outer == cut_at else "inside")


def test_the_deadline_around_is_over_when_the_call_around_is(clock: FakeClock) -> None:
    inside = service("inside", deadline=60)(get)

    @service("outside", deadline=5)
    def outside() -> None:
        clock.advance(3)
        inside(vendor.url)

    with ScriptedVendor("200 delay=4") as vendor:
        with pytest.raises(DeadlineExceeded):
            outside()
        assert clock.now == pytest.approx(5, abs=0.01)
        inside(vendor.url)


# Functions that hang outside HTTP


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hanging functions wait for; opened when the test is over."""
    gate = threading.Event()
    yield gate
    gate.set()
    join_threads()


def join_threads() -> None:
    """Wait for the threads that functions run on."""
    for thread in threading.enumerate():
        if thread.name.startswith("resilient "):
            thread.join(REAL_LIMIT)


def hard(**options: Any) -> Service:
    return service("v", deadline=5, hard_deadline=True, **options)


def test_a_function_that_hangs_is_left_alone_at_the_deadline(
    gate: threading.Event, clock: FakeClock, steps: RecordedSteps
) -> None:
    @hard()
    def hang() -> None:
        gate.wait(REAL_LIMIT)

    with pytest.raises(DeadlineExceeded, match="still running at its deadline of 5 s") as raised:
        hang()
    assert raised.value.label == "v.hang"
    assert clock.now == pytest.approx(5)
    assert steps.kinds() == ["abandoned"]
    assert hang.resilient.stats()["outcomes"]["refused"] == 1


def test_a_function_that_ends_in_time_gives_its_result_or_error() -> None:
    caller = threading.get_ident()
    error = KeyError("x")

    @hard()
    def answer(failing: bool) -> int:
        if failing:
            raise error
        assert threading.current_thread().daemon  # it may hang when the process ends
        return threading.get_ident()

    assert answer(False) != caller
    with pytest.raises(KeyError) as raised:
        answer(True)
    assert raised.value is error


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_exit_on_the_thread_reaches_the_caller(kind: type[BaseException]) -> None:
    @hard()
    def leave() -> None:
        raise kind

    calls = leave.resilient.stats()["calls"]
    with pytest.raises(kind):
        leave()
    assert leave.resilient.stats()["calls"] == calls


def test_without_hard_deadline_a_function_never_leaves_its_thread() -> None:
    assert service("v", deadline=5)(threading.get_ident)() == threading.get_ident()


def test_the_callers_context_is_carried_to_the_thread() -> None:
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant")
    tenant.set("acme")

    @hard()
    def look() -> tuple[str, Call | None, Call | None]:
        call = current.get()
        seen = tenant.get()
        tenant.set("changed on the thread")
        return seen, call, call and call.parent

    @service("outside")
    def outside() -> tuple[Call | None, tuple[str, Call | None, Call | None]]:
        return current.get(), look()

    around, (seen, call, parent) = outside()
    assert seen == tenant.get() == "acme"
    assert call is not None
    assert parent is around


def test_http_on_the_thread_is_seen_and_bounded(clock: FakeClock) -> None:
    fetch = hard(timeout=2)(get)
    with ScriptedVendor("200 body=done, timeout") as vendor:
        assert fetch(vendor.url) == "done"
        hosts = fetch.resilient.stats()["exchanges"]
        with pytest.raises(requests.Timeout):
            fetch(vendor.url)
    assert hosts == {"127.0.0.1": 1}


def test_calls_left_hanging_are_bounded_and_count_until_they_end(
    gate: threading.Event, clock: FakeClock, steps: RecordedSteps
) -> None:
    vendor_api = hard()

    @vendor_api
    def hang() -> None:
        gate.wait(REAL_LIMIT)

    @vendor_api
    def work() -> str:
        return "done"

    for _ in range(MAX_ABANDONED):
        with pytest.raises(DeadlineExceeded, match="still running"):
            hang()
    before = clock.now
    with pytest.raises(DeadlineExceeded, match="8 calls were left hanging"):
        work()
    assert clock.now == before
    assert steps.kinds() == ["abandoned"] * 8 + ["deadline"]
    gate.set()
    join_threads()
    assert work() == "done"


def test_a_late_result_is_dropped_and_what_its_policies_took_is_given_back(
    gate: threading.Event, clock: FakeClock
) -> None:
    places = bulkhead(1)
    fails = [True]

    @hard()
    @cached(ttl=60)
    @retry(attempts=5)
    @places
    def answer() -> str:
        if fails.pop():
            fails.append(False)
            gate.wait(REAL_LIMIT)
            return "late"
        fails.append(False)
        return "in time"

    with pytest.raises(DeadlineExceeded):
        answer()
    assert places.running == 1
    gate.set()
    join_threads()
    assert places.running == 0
    assert answer() == "in time"


def test_an_abandoned_call_is_not_retried_behind_the_callers_back(
    gate: threading.Event, clock: FakeClock
) -> None:
    runs: list[int] = []

    @hard()
    @retry(attempts=5)
    def fail_late() -> None:
        runs.append(1)
        gate.wait(REAL_LIMIT)
        raise ConnectionResetError

    with pytest.raises(DeadlineExceeded):
        fail_late()
    gate.set()
    join_threads()
    assert runs == [1]


# Code that can't be decorated


def test_call_serves_what_cannot_be_decorated(clock: FakeClock) -> None:
    github = service("github", breaker(fail_max=2))
    with ScriptedVendor("200 body=done, 503 x2, 200") as vendor:
        assert github.call(get, vendor.url) == "done"
        for _ in range(2):
            with pytest.raises(requests.HTTPError):
                github.call(get, url=vendor.url)
        with pytest.raises(Exception, match="breaker open"):
            github.call(get, vendor.url)
        assert vendor.calls == 3


def test_call_keeps_no_more_than_a_few_functions_alive() -> None:
    class Client:
        def fetch(self) -> str:
            return "done"

    github = service("github", cached(ttl=60))
    alive: list[weakref.ref[Client]] = []
    for _ in range(2 * MAX_CALLED):
        client = Client()
        alive.append(weakref.ref(client))
        assert github.call(client.fetch) == "done"
    del client
    gc.collect()
    assert sum(client() is not None for client in alive) <= MAX_CALLED


def test_call_decorates_the_same_function_once() -> None:
    class Client:
        def fetch(self) -> str:
            return "done"

    class Counting(Service):
        decorated = 0

        def unfold(self) -> Any:
            type(self).decorated += 1
            return super().unfold()

    github, client = Counting("github"), Client()
    for _ in range(3):
        github.call(client.fetch)
    first = Counting.decorated
    assert first > 0
    github.call(client.fetch)
    assert Counting.decorated == first


def test_call_takes_objects_that_have_no_hash() -> None:
    class Fetch:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, value: int) -> int:
            return value

    assert service("github").call(Fetch(), 3) == 3


# Bundles


def test_functions_of_a_bundle_share_its_state(clock: FakeClock) -> None:
    github = service("github", breaker(fail_max=2), throttled("10/s"))

    @github
    def repos(url: str) -> str:
        return get(url)

    @github
    def users(url: str) -> str:
        return get(url)

    with ScriptedVendor("503 x2, 200") as vendor:
        for function in (repos, users):
            with pytest.raises(requests.HTTPError):
                function(vendor.url)
        for function in (repos, users):
            with pytest.raises(Exception, match="breaker open"):
                function(vendor.url)
        assert vendor.calls == 2
    assert repos.resilient.breaker is users.resilient.breaker
    assert repos.resilient.label == "github.repos"


@pytest.mark.parametrize("reverse", [False, True])
def test_members_of_a_bundle_take_their_recommended_places(reverse: bool) -> None:
    members = [retry(), breaker(), throttled("10/s"), bulkhead()]
    github = service("github", *(reversed(members) if reverse else members))
    fetch = github(fallback([])(cached(ttl=60)(get)))
    kinds = [policy.kind for policy in fetch.resilient.policies]
    assert kinds == [
        *("service", "fallback", "cached", "retry", "breaker", "throttled"),
        "bulkhead",
    ]


def takes_nothing() -> str:
    return ""


def test_a_bundle_checks_its_members_against_the_function() -> None:
    github = service("github", fallback(takes_nothing))
    with pytest.raises(ConfigurationError, match="can't take the arguments of get"):
        github(get)
    with pytest.raises(ConfigurationError, match="can't take the arguments of get"):
        github(cached(ttl=60)(retry(get)))


# Options


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: service(""), "service(''): give the vendor's name"),
        (lambda: service(3), "service(3): give the vendor's name"),
        (lambda: service(breaker()), "service(breaker("),
        (lambda: service("v", breaker), "service('v', breaker): it bundles policies; write"),
        (lambda: service("v", 3), "service('v', int): it bundles policies; write an object"),
        (lambda: service("v", service("w")), "service('v', …): a service can't bundle a service"),
        (lambda: service("v", timeout=0), "service(timeout=0): use a finite time of more than 0"),
        (lambda: service("v", timeout="5"), "service(timeout='5'): use seconds"),
        (lambda: service("v", timeout=math.inf), "service(timeout=inf)"),
        (lambda: service("v", deadline=-1), "service(deadline=-1)"),
        (lambda: service("v", deadline=True), "service(deadline=True)"),
        (lambda: service("v", hard_deadline=True), "service(hard_deadline=True): there is no"),
        (lambda: service("v", deadline=1, hard_deadline=1), "service(hard_deadline=1): use True"),
        (lambda: service("v", context="a"), "service(context=…): use a dict, or a function"),
        (lambda: service("v", mode="off"), "service(mode='off'): use 'enforce' or 'observe'"),
        (lambda: service("v", timeouts=3), "service(timeouts=…): there is no such option; did you"),
        (lambda: service(timeout=3, name_="v"), "service(name_=…): there is no such option"),
    ],
)
def test_a_bad_option_is_refused_when_the_service_is_made(
    make: Callable[[], object], named: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make()
    assert str(refused.value).startswith(named)


def test_its_settings_can_be_read() -> None:
    assert repr(service("v")) == "service(name='v', timeout=30, deadline=None)"
    assert repr(hard()) == "service(name='v', timeout=30, deadline=5, hard_deadline=True)"


# Threads


@pytest.mark.stress
def test_many_threads_hang_and_end_and_none_is_lost(gate: threading.Event) -> None:
    threads, rounds = 8, 40
    vendor_api = service("v", deadline=0.5, hard_deadline=True)
    start = threading.Barrier(threads)
    done: list[int] = []

    @vendor_api
    def work(number: int) -> int:
        return number

    def run(number: int) -> None:
        start.wait()
        for turn in range(rounds):
            with contextlib.suppress(DeadlineExceeded):
                done.append(work(number * rounds + turn))

    workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(done) == list(range(threads * rounds))
    join_threads()
    assert vendor_api._abandoned == 0
