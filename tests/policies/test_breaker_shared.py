"""@breaker(store=…): one circuit for all workers, here several stores over one memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pybreaker
import pytest

from resilient import BreakerOpen, ConfigurationError, breaker, service
from resilient.circuit.sharing import SharedProbe
from resilient.policies.breaker import Breaker
from resilient.sharing import opening
from resilient.sharing.memory import MemoryState
from resilient.sharing.shapes import CircuitReport, CircuitTerms
from resilient.sharing.shared import SharedState
from resilient.stores.bytes_store import StoreFailed
from resilient.testing import FakeClock, RecordedSteps, fake_clock
from tests.threads import StartThread

DOWN = ConnectionError("reset by peer")


class Store(MemoryState):
    """A memory that can be down, and forget."""

    __slots__ = ("asked", "is_down")

    def __init__(self) -> None:
        super().__init__("memory")
        self.is_down = False
        self.asked: list[str] = []

    def _now_locked(self) -> float:
        if self.is_down:
            raise StoreFailed("it is down")
        return super()._now_locked()

    def circuits(self, *args: Any) -> Any:
        self.asked.append("circuits")
        return super().circuits(*args)

    def probe(self, *args: Any) -> Any:
        self.asked.append("probe")
        return super().probe(*args)

    def forget(self) -> None:
        self._circuits.clear()


class Worker:
    """One of several processes: a store of its own over the same memory, and a function."""

    def __init__(self, store: Store, **options: Any) -> None:
        self.state = SharedState(store, 0.25)
        self.breaker = breaker(store=self.state, name="github", **options)
        self.calls = 0
        self.does: Any = "fine"

        @service("github")
        @self.breaker
        def repos() -> Any:
            self.calls += 1
            if isinstance(self.does, BaseException):
                raise self.does
            return self.does() if callable(self.does) else self.does

        self.function = repos

    def call(self, times: int = 1) -> None:
        for _ in range(times):
            with contextlib.suppress(ConnectionError, BreakerOpen):
                self.function()

    def fails(self, times: int = 1) -> None:
        self.does = DOWN
        self.call(times)
        self.does = "fine"

    def step(self) -> None:
        self.state.step_now()

    @property
    def stands(self) -> str:
        return str(self.breaker.current_state)


@pytest.fixture(autouse=True)
def clock() -> Iterator[FakeClock]:
    with fake_clock(uniform=min) as clock:
        yield clock


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def workers(store: Store) -> Callable[..., list[Worker]]:
    def make(count: int, **options: Any) -> list[Worker]:
        made = [Worker(store, **options) for _ in range(count)]
        step(*made)
        return made

    return make


def step(*workers: Worker) -> None:
    for worker in workers:
        worker.step()


def open_for_all(*workers: Worker) -> None:
    """Every worker fails a bit, too little for itself."""
    for _ in range(4):
        for worker in workers:
            worker.fails()
        step(*workers)
    step(*workers)
    assert {worker.stands for worker in workers} == {"open"}


# Opening


def test_failures_of_all_workers_open_it_for_all(
    workers: Callable[..., list[Worker]], steps: RecordedSteps
) -> None:
    made = workers(4)
    open_for_all(*made)
    assert all(worker.calls < 5 for worker in made)
    with pytest.raises(BreakerOpen, match="5 failures in a row of all workers") as refused:
        made[0].function()
    assert refused.value.retry_after == pytest.approx(30)
    texts = [one.text for one in steps.of("breaker_opened")]
    assert texts[0] == (
        "breaker opened for 30 s: 5 failures in a row of all workers, the last: ConnectionError"
    )
    assert len(texts) == 4


def test_calls_that_are_made_while_the_first_report_is_under_way_are_told_with_the_next(
    store: Store,
) -> None:
    worker = Worker(store)
    mirror = worker.breaker._mirror
    assert mirror is not None
    worker.call(2)
    views = store.circuits("me", [mirror.report()])
    worker.call(3)
    worker.fails()
    mirror.heard(views[0], 0.0)
    worker.step()
    (view,) = store.circuits("me", [CircuitReport("breaker:github", CircuitTerms())])
    assert (view.calls, view.failed) == (6, 1)


def test_calls_from_before_another_worker_opened_it_are_not_told(
    workers: Callable[..., list[Worker]], store: Store
) -> None:
    one, *others = workers(4)
    mirror = one.breaker._mirror
    assert mirror is not None
    report = mirror.report()
    one.call(3)
    open_for_all(*others)
    views = store.circuits("me", [report])
    mirror.heard(views[0], 0.0)
    assert one.stands == "open"
    assert mirror.report().ok == 0


def test_a_worker_by_itself_opens_it_for_itself_alone(
    workers: Callable[..., list[Worker]], steps: RecordedSteps
) -> None:
    good, bad = workers(2)
    good.call(20)
    step(good)
    bad.fails(5)
    step(bad, good)
    assert (bad.stands, good.stands) == ("open", "closed")
    assert steps.of("breaker_opened")[0].text == (
        "breaker opened in this worker for 30 s: 5 failures in a row, the last: ConnectionError"
    )


def test_a_worker_that_opened_it_for_itself_probes_by_itself(
    workers: Callable[..., list[Worker]], store: Store, clock: FakeClock
) -> None:
    good, bad = workers(2)
    good.call(20)
    step(good)
    bad.fails(5)
    step(bad)
    clock.advance(30)
    bad.call(2)
    assert bad.stands == "closed"
    assert "probe" not in store.asked


def test_with_shared_state_any_workers_trip_opens_it_for_all(
    workers: Callable[..., list[Worker]], steps: RecordedSteps, clock: FakeClock
) -> None:
    one, other = workers(2, shared="state")
    one.fails(5)
    clock.advance(1)
    step(one, other)
    assert other.stands == "open"
    assert other.breaker.remaining() == pytest.approx(29)
    texts = [one.text for one in steps.of("breaker_opened")]
    assert texts == [
        "breaker opened for 30 s: 5 failures in a row, the last: ConnectionError",
        "breaker opened by another worker for 29 s: 5 failures in a row, the last: ConnectionError",
    ]


def test_with_shared_state_workers_count_each_for_itself(
    workers: Callable[..., list[Worker]],
) -> None:
    made = workers(4, shared="state")
    for worker in made:
        worker.fails(4)
    step(*made, *made)
    assert {worker.stands for worker in made} == {"closed"}


def test_with_shared_off_nothing_is_shared(store: Store) -> None:
    opening.set_default(SharedState(store, 0.25))
    try:
        guard = breaker(shared="off")
        guard(lambda: None)
        assert guard._mirror is None
    finally:
        opening.set_default(None)


def test_the_default_store_is_used(store: Store) -> None:
    state = SharedState(store, 0.25)
    opening.set_default(state)
    try:
        guard = breaker(name="github")
        guard(lambda: None)
        assert guard._mirror is not None
        assert guard._mirror.state is state
        assert guard.settings()["shared"] == "counts"
        local = breaker(store="local", name="github")
        local(lambda: None)
        assert local._mirror is None
    finally:
        opening.set_default(None)


def test_slow_calls_of_all_workers_open_it_for_all(
    workers: Callable[..., list[Worker]], clock: FakeClock
) -> None:
    made = workers(3, slow_call=1, failure_rate=None, fail_max=None)
    for worker in made:
        worker.does = lambda: clock.advance(2)
        worker.call(4)
        step(worker)
    step(*made)
    assert {worker.stands for worker in made} == {"open"}


def test_healthy_calls_ask_nothing(workers: Callable[..., list[Worker]], store: Store) -> None:
    (worker,) = workers(1)
    asked = len(store.asked)
    worker.call(1000)
    assert len(store.asked) == asked
    step(worker)
    assert len(store.asked) == asked + 1


def test_all_breakers_of_a_process_ask_in_one_question(store: Store) -> None:
    state = SharedState(store, 0.25)
    guards = [breaker(store=state, name=f"service {number}") for number in range(5)]
    for guard in guards:
        guard(lambda: None)
    state.step_now()
    assert store.asked == ["circuits"]


# Half-open


def test_no_more_probes_than_agreed_go_over_all_workers(
    workers: Callable[..., list[Worker]], clock: FakeClock
) -> None:
    made = workers(4)
    open_for_all(*made)
    clock.advance(30)
    calls = sum(worker.calls for worker in made)
    first = made[0].breaker._admit()
    assert isinstance(first, SharedProbe)
    for worker in made:
        worker.call(3)
    assert sum(worker.calls for worker in made) == calls


def test_probes_that_went_well_close_it_for_all(
    workers: Callable[..., list[Worker]], clock: FakeClock, steps: RecordedSteps
) -> None:
    made = workers(3)
    open_for_all(*made)
    clock.advance(30)
    made[0].call()
    assert made[0].stands == "half-open"
    made[1].call()
    assert made[1].stands == "closed"
    step(*made)
    assert {worker.stands for worker in made} == {"closed"}
    texts = [one.text for one in steps.of("breaker_closed")]
    assert texts.count("breaker closed: it works again") == 1
    assert texts.count("breaker closed by another worker") == 2


def test_a_failed_probe_opens_it_for_longer_for_all(
    workers: Callable[..., list[Worker]], clock: FakeClock
) -> None:
    made = workers(3)
    open_for_all(*made)
    clock.advance(30)
    made[2].fails()
    step(*made)
    for worker in made:
        assert worker.breaker.remaining() == pytest.approx(60)
        with pytest.raises(BreakerOpen, match="the probe failed: ConnectionError"):
            worker.function()


def test_a_slow_probe_opens_it_again(
    workers: Callable[..., list[Worker]], clock: FakeClock
) -> None:
    made = workers(3, slow_call=1)
    open_for_all(*made)
    clock.advance(30)
    made[0].does = lambda: clock.advance(2)
    made[0].call()
    step(*made)
    assert {worker.stands for worker in made} == {"open"}


def test_a_probe_that_is_interrupted_gives_its_place_back(
    workers: Callable[..., list[Worker]], clock: FakeClock
) -> None:
    made = workers(3)
    open_for_all(*made)
    clock.advance(30)
    made[0].does = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        made[0].function()
    calls = made[1].calls
    made[1].call()
    assert made[1].calls == calls + 1


def test_a_probe_of_the_callers_mistake_gives_its_place_back(
    workers: Callable[..., list[Worker]], clock: FakeClock
) -> None:
    made = workers(3)
    open_for_all(*made)
    clock.advance(30)
    made[0].does = TypeError("a bug")
    with pytest.raises(TypeError):
        made[0].function()
    assert made[0].stands == "half-open"
    assert isinstance(made[1].breaker._admit(), SharedProbe)


def test_calls_that_are_refused_for_a_probe_do_not_ask_each_time(
    workers: Callable[..., list[Worker]], clock: FakeClock, store: Store
) -> None:
    made = workers(3)
    open_for_all(*made)
    clock.advance(30)
    made[0].breaker._admit()
    made[1].call(100)
    assert store.asked.count("probe") == 2
    clock.advance(0.06)
    made[1].call()
    assert store.asked.count("probe") == 3


def test_a_lost_probe_does_not_keep_it_half_open(
    workers: Callable[..., list[Worker]], clock: FakeClock
) -> None:
    made = workers(3)
    open_for_all(*made)
    clock.advance(30)
    made[0].breaker._admit()  # its process is killed
    clock.advance(31)
    made[1].call(2)
    assert made[1].stands == "closed"


def test_a_call_that_ends_after_the_circuit_was_opened_changes_nothing(
    workers: Callable[..., list[Worker]],
) -> None:
    made = workers(3)
    admission = made[0].breaker._admit()
    open_for_all(*made)
    assert made[0].breaker._succeed(admission) is None
    assert made[0].stands == "open"


def test_pybreakers_own_call_probes_too(
    workers: Callable[..., list[Worker]], clock: FakeClock
) -> None:
    made = workers(3)
    open_for_all(*made)
    clock.advance(30)
    assert made[0].breaker.call(lambda: 1) == 1
    assert made[0].breaker.call(lambda: 2) == 2
    assert made[0].stands == "closed"


def test_listeners_hear_what_other_workers_do(store: Store, clock: FakeClock) -> None:
    heard: list[str] = []

    class Listener(pybreaker.CircuitBreakerListener):
        def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
            heard.append(f"{old_state.name} -> {new_state.name}")

    made = [Worker(store, shared="state", listeners=[Listener()]), Worker(store, shared="state")]
    step(*made)
    made[1].fails(5)
    step(made[1], made[0])
    clock.advance(30)
    made[1].call(2)
    step(made[0])
    assert heard == ["closed -> open", "open -> closed"]


def test_one_that_only_observes_lets_calls_through_and_counts(
    workers: Callable[..., list[Worker]], steps: RecordedSteps
) -> None:
    made = workers(3, mode="observe")
    open_for_all(*made)
    calls = made[0].calls
    made[0].call(5)
    assert made[0].calls == calls + 5
    assert len(steps.of("would_break")) >= 5


# Operators


@pytest.mark.parametrize("how", ["isolated", "disabled"])
def test_what_an_operator_does_in_one_worker_holds_in_all(
    workers: Callable[..., list[Worker]], how: str, steps: RecordedSteps
) -> None:
    one, other = workers(2)
    (one.breaker.isolate if how == "isolated" else one.breaker.disable)()
    step(one, other)
    assert other.breaker._forced == how
    assert len(steps.of("breaker_forced")) == 2
    other.breaker.reset()
    assert other.breaker._forced is None
    step(other, one)
    assert one.breaker._forced is None
    step(other, one)
    assert (one.breaker._forced, other.breaker._forced) == (None, None)


def test_a_reset_closes_what_a_worker_has_opened_for_itself(
    workers: Callable[..., list[Worker]],
) -> None:
    good, bad = workers(2)
    good.call(20)
    step(good)
    bad.fails(5)
    step(bad)
    assert bad.stands == "open"
    good.breaker.reset()
    step(good, bad)
    assert bad.stands == "closed"


def test_a_wish_that_could_not_be_told_is_told_later(
    workers: Callable[..., list[Worker]], store: Store, clock: FakeClock
) -> None:
    one, other = workers(2)
    store.is_down = True
    one.breaker.isolate()
    step(one)
    store.is_down = False
    clock.advance(5)
    step(one, other)
    assert other.breaker._forced == "isolated"


# The store is down


def test_while_the_store_is_down_each_goes_on_by_itself(
    workers: Callable[..., list[Worker]], store: Store, clock: FakeClock
) -> None:
    made = workers(3)
    open_for_all(*made)
    store.is_down = True
    clock.advance(30)
    made[0].call(2)
    assert made[0].stands == "closed"
    made[1].fails()
    assert made[1].stands == "open"
    assert made[1].breaker.remaining() == pytest.approx(60)


def test_when_it_is_back_all_stand_as_it_says(
    workers: Callable[..., list[Worker]], store: Store, clock: FakeClock
) -> None:
    made = workers(3)
    open_for_all(*made)
    store.is_down = True
    clock.advance(30)
    made[0].call(2)
    step(*made)
    store.is_down = False
    clock.advance(5)
    step(*made)
    assert made[0].stands == "open"
    made[1].call(2)
    step(*made)
    assert {worker.stands for worker in made} == {"closed"}


def test_a_probe_that_ends_while_the_store_is_down_counts_here(
    workers: Callable[..., list[Worker]], store: Store, clock: FakeClock
) -> None:
    made = workers(3, success_threshold=1)
    open_for_all(*made)
    clock.advance(30)

    def meanwhile() -> None:
        store.is_down = True

    made[0].does = meanwhile
    made[0].call()
    assert made[0].stands == "closed"
    assert made[0].calls <= 5


def test_a_probe_that_fails_while_the_store_is_down_opens_it_here(
    workers: Callable[..., list[Worker]], store: Store, clock: FakeClock
) -> None:
    made = workers(3)
    open_for_all(*made)
    clock.advance(30)

    def fails_meanwhile() -> None:
        store.is_down = True
        raise DOWN

    made[0].does = fails_meanwhile
    made[0].call()
    assert made[0].stands == "open"
    assert made[0].breaker.remaining() == pytest.approx(60)


def test_a_store_that_was_emptied_is_told_how_the_circuit_stood(
    workers: Callable[..., list[Worker]], store: Store, clock: FakeClock
) -> None:
    made = workers(3)
    open_for_all(*made)
    clock.advance(10)
    store.forget()
    step(*made, *made)
    assert {worker.stands for worker in made} == {"open"}
    newcomer = Worker(store)
    step(newcomer)
    assert newcomer.stands == "open"
    assert newcomer.breaker.remaining() == pytest.approx(20)


def test_a_store_that_was_emptied_is_told_what_an_operator_had_forced(
    workers: Callable[..., list[Worker]], store: Store
) -> None:
    one, other = workers(2)
    one.breaker.isolate()
    step(one, other)
    store.forget()
    step(other, one, other, one)
    newcomer = Worker(store)
    step(newcomer)
    assert newcomer.breaker._forced == "isolated"


def test_refusing_while_the_store_is_down(
    workers: Callable[..., list[Worker]], store: Store, clock: FakeClock
) -> None:
    (worker,) = workers(1, on_store_error="refuse")
    store.is_down = True
    step(worker)
    with pytest.raises(BreakerOpen, match="its store can't be reached"):
        worker.function()
    assert worker.breaker.settings()["state"] == "unreachable"
    store.is_down = False
    clock.advance(5)
    step(worker)
    assert worker.function() == "fine"


def test_refusing_a_probe_while_the_store_is_down(
    workers: Callable[..., list[Worker]], store: Store, clock: FakeClock
) -> None:
    made = workers(3, on_store_error="refuse")
    open_for_all(*made)
    clock.advance(30)
    store.is_down = True
    with pytest.raises(BreakerOpen, match="its store can't be reached"):
        made[0].function()


def test_an_answer_that_comes_too_late_does_not_undo_a_newer_one(
    workers: Callable[..., list[Worker]], clock: FakeClock, store: Store
) -> None:
    made = workers(3, success_threshold=1)
    open_for_all(*made)
    mirror = made[0].breaker._mirror
    assert mirror is not None
    asked = clock.monotonic()
    (old,) = store.circuits("x", [mirror.report()])
    clock.advance(30)
    made[0].call()
    assert made[0].stands == "closed"
    mirror.heard(old, asked)
    assert made[0].stands == "closed"


# Options


def test_a_storage_of_pybreaker_and_a_store_are_one_too_many() -> None:
    storage = pybreaker.CircuitMemoryStorage("closed")
    with pytest.raises(ConfigurationError, match="both say where the state is kept"):
        breaker(state_storage=storage, store="memory://x")


def test_a_storage_of_pybreaker_goes_before_the_default_store(store: Store) -> None:
    opening.set_default(SharedState(store, 0.25))
    try:
        guard = breaker(state_storage=pybreaker.CircuitMemoryStorage("closed"))
        guard(lambda: None)
        assert guard._mirror is None
    finally:
        opening.set_default(None)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"shared": "all"}, "use 'counts' or 'state' or 'off'"),
        ({"on_store_error": "panic"}, "use 'local' or 'refuse'"),
        ({"store": "memory"}, "store"),
        ({"store": 5}, "store"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        breaker(**options)


def test_a_breaker_that_a_service_bundles_is_called_as_the_service(store: Store) -> None:
    guard = breaker(store=SharedState(store, 0.25))
    service("stripe", guard)(lambda: None)
    assert guard._mirror is not None
    assert guard._mirror.name == "breaker:stripe"


def test_functions_of_one_breaker_share_one_circuit(store: Store) -> None:
    guard = breaker(store=SharedState(store, 0.25), name="github")
    guard(lambda: 1)
    mirror = guard._mirror
    guard(lambda: 2)
    assert guard._mirror is mirror


def test_a_breaker_that_is_gone_takes_no_part(store: Store) -> None:
    state = SharedState(store, 0.25)

    def decorate() -> None:
        breaker(store=state, name="gone")(lambda: None)

    decorate()
    import gc

    gc.collect()
    state.step_now()
    assert store.asked == []


def test_threads_get_no_more_probes_than_agreed(
    workers: Callable[..., list[Worker]], clock: FakeClock, in_thread: StartThread
) -> None:
    made = workers(4)
    open_for_all(*made)
    clock.advance(30)
    before = sum(worker.calls for worker in made)
    got: list[object] = []

    def tries(guard: Breaker) -> None:
        with contextlib.suppress(BreakerOpen):
            got.append(guard._admit())

    threads = [in_thread(lambda w=worker: tries(w.breaker)) for worker in made for _ in range(4)]  # type: ignore[misc]
    for thread in threads:
        thread.join(20)
    assert len(got) == 1
    assert sum(worker.calls for worker in made) == before


# Taking over


def test_a_breaker_that_takes_over_stays_open_for_the_time_that_is_left(clock: FakeClock) -> None:
    old, new = breaker(), breaker(fail_max=3)
    failing = old(_fails)
    for _ in range(5):
        with pytest.raises(ConnectionError):
            failing()
    clock.advance(10)
    new.take_over(old)
    assert new.remaining() == pytest.approx(20)
    with pytest.raises(BreakerOpen, match="5 failures in a row, the last: ConnectionError"):
        new(_fails)()


def test_a_breaker_that_takes_over_goes_on_counting(clock: FakeClock) -> None:
    old, new = breaker(fail_max=None), breaker(fail_max=None, failure_rate=0.3)
    calls = [ConnectionError()] * 3 + [None] * 6

    def vendor() -> None:
        answer = calls.pop()
        if answer is not None:
            raise answer

    function = old(vendor)
    for _ in range(8):
        with contextlib.suppress(ConnectionError):
            function()
    new.take_over(old)
    with pytest.raises(ConnectionError):
        new(vendor)()
    with pytest.raises(ConnectionError):
        new(_fails)()
    assert new.current_state == "open"


def test_a_breaker_that_takes_over_stays_isolated() -> None:
    old, new = breaker(), breaker()
    old.isolate()
    new.take_over(old)
    with pytest.raises(BreakerOpen, match="isolated"):
        new(lambda: None)()


def test_a_shared_breaker_that_takes_over_counts_nothing_twice(
    workers: Callable[..., list[Worker]], store: Store
) -> None:
    (worker,) = workers(1)
    worker.call(5)
    step(worker)
    new = breaker(store=worker.state, name="github")
    new.take_over(worker.breaker)
    new(lambda: None)
    step(worker)
    (view,) = store.circuits("x", [CircuitReport("breaker:github", CircuitTerms())])
    assert view.calls == 5


def _fails() -> None:
    raise DOWN


def test_a_breaker_whose_default_store_is_gone_goes_on_alone(
    store: Store, clock: FakeClock
) -> None:
    guard = breaker(name="github", on_store_error="refuse")
    state = SharedState(store, 0.25)
    opening.set_default(state)
    try:
        guard(lambda: None)
    finally:
        opening.set_default(None)
    store.is_down = True
    state.step_now()
    assert guard._forced == "unreachable"
    assert guard(lambda: "fine")() == "fine"


def test_a_forked_child_tells_nothing_of_its_parents_calls(
    workers: Callable[..., list[Worker]], store: Store
) -> None:
    (worker,) = workers(1)
    worker.call(100)
    worker.fails(3)
    mirror = worker.breaker._mirror
    assert mirror is not None
    mirror.renew_in_child()
    report = mirror.report()
    assert (report.ok, report.failed, report.streak) == (0, 0, 0)
