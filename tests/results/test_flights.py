"""Calls on their way: whoever ends them, and however, nobody waits in vain."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from resilient import cached
from resilient.call import FINE, Call, Target
from resilient.results.flights import Flights, is_inside
from resilient.stores.memory import MemoryStore
from resilient.testing import FakeClock
from tests.threads import until


def a_call() -> Call:
    return Call.of(Target(len, service="s", name="n"))


def test_who_waits_learns_how_the_call_ended() -> None:
    flights, leader, error = Flights(), a_call(), ValueError("failed")
    flights.by_key["k"] = leader
    landing = flights.landing_of("k", leader)
    assert landing is not None
    assert not landing.event.is_set()
    flights.land("k", leader, error)
    assert landing.event.is_set()
    assert landing.error is error
    assert landing.outcome is FINE
    assert flights.by_key == {}


def test_a_landed_call_holds_nothing_of_its_end() -> None:
    flights, leader = Flights(), a_call()
    flights.by_key["k"] = leader
    flights.landing_of("k", leader)
    flights.land("k", leader, ValueError())
    assert leader.landing is None
    assert flights.landing_of("k", leader) is None


def test_landing_does_not_take_off_another_call_of_the_key() -> None:
    flights, cleared, newer = Flights(), a_call(), a_call()
    flights.by_key["k"] = newer
    flights.land("k", cleared)
    assert flights.by_key == {"k": newer}


class InterruptedCopy:
    def __deepcopy__(self, memo: Any) -> Any:
        raise KeyboardInterrupt


def test_an_interrupt_while_the_result_is_copied_lets_those_go_who_wait() -> None:
    flights, leader = Flights(), a_call()
    flights.by_key["k"] = leader
    landing = flights.landing_of("k", leader)
    assert landing is not None
    with pytest.raises(KeyboardInterrupt):
        flights.land("k", leader, returned=(InterruptedCopy(),))
    assert landing.event.is_set()
    assert landing.returned is None


def test_a_call_is_inside_those_around_it() -> None:
    outer, inner, other = a_call(), a_call(), a_call()
    inner.parent = outer
    assert is_inside(inner, outer)
    assert not is_inside(outer, inner)
    assert not is_inside(inner, other)


def test_a_function_that_asks_itself_on_another_thread_waits_no_longer_than_max_wait(
    clock: FakeClock,
) -> None:
    depth = []

    @cached(ttl=10, max_wait=5)
    def fetch() -> int:
        depth.append(1)
        if len(depth) > 1:
            return len(depth)
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(fetch).result(20)

    assert fetch() == 2
    assert clock.slept == [5.0]


def test_a_thread_that_carries_the_call_does_not_wait_for_it(clock: FakeClock) -> None:
    depth = []

    @cached(ttl=10, max_wait=5)
    def fetch() -> int:
        depth.append(1)
        if len(depth) > 1:
            return len(depth)
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(copy_context().run, fetch).result(20)

    assert fetch() == 2
    assert clock.slept == []


STEPS = ["store get", "store set", "copying", "key", "tags", "judging", "keeping a failure"]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit], ids=str)
@pytest.mark.parametrize("step", STEPS)
def test_an_interrupt_at_any_step_passes_and_holds_nobody_up(
    step: str, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    armed = [False]

    def strike(*args: Any, **kwargs: Any) -> Any:
        if armed[0]:
            armed[0] = False
            raise kind

    class Result:
        def __deepcopy__(self, memo: Any) -> Any:
            if step == "copying":
                strike()
            return Result()

    class NotFoundError(Exception):
        status_code = 404

    fails = step in ("judging", "keeping a failure")
    started, may_go_on = threading.Event(), threading.Event()

    def origin() -> Any:
        started.set()
        assert may_go_on.wait(20)
        if fails:
            raise NotFoundError
        return Result()

    stores: list[Any] = []
    if step.startswith("store"):
        name = step.split()[1]
        real = getattr(MemoryStore, name)

        def hooked(self: Any, *args: Any) -> Any:
            if self in stores:
                strike()
            return real(self, *args)

        # Before it is decorated: bound methods are taken then.
        monkeypatch.setattr(MemoryStore, name, hooked)
    fetch = cached(
        ttl=10,
        errors_ttl=10,
        key=(lambda: strike() or "k") if step == "key" else None,
        tags=(lambda: strike() or ["t"]) if step == "tags" else [],
    )(origin)
    cache = fetch.resilient.cache
    stores.append(cache.store)
    if step == "judging":
        monkeypatch.setattr("resilient.results.calls.judge_error", strike)
    if step == "keeping a failure":
        monkeypatch.setattr("resilient.results.calls.copied_error", strike)

    if step in ("store get", "key", "tags"):
        armed[0] = True
        may_go_on.set()
        with pytest.raises(kind):
            fetch()
    else:
        with ThreadPoolExecutor(2) as pool:
            leader: Future[Any] = pool.submit(_caught, fetch)
            assert started.wait(20)
            follower: Future[Any] = pool.submit(_caught, fetch)
            until(lambda: any(call.landing for call in cache.flights.by_key.copy().values()))
            armed[0] = True
            may_go_on.set()
            assert isinstance(leader.result(20), kind)
            assert follower.result(20) is not None
    assert cache.flights.by_key == {}
    monkeypatch.undo()
    assert isinstance(_caught(fetch), (Result, NotFoundError))
    assert cache.flights.by_key == {}


def _caught(function: Any) -> Any:
    try:
        return function()
    except BaseException as error:
        return error


def test_the_errors_of_a_call_that_others_waited_for_are_freed_when_they_are_dropped() -> None:
    class OwnError(ConnectionError):
        pass

    started, may_go_on = threading.Event(), threading.Event()
    made: list[Any] = []

    @cached(ttl=10)
    def fetch() -> None:
        started.set()
        assert may_go_on.wait(20)
        error = OwnError("down")
        made.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    def ask() -> None:
        with pytest.raises(OwnError):
            fetch()

    gc.collect()
    gc.disable()
    try:
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert started.wait(20)
        flights = fetch.resilient.cache.flights.by_key
        until(lambda: any(call.landing for call in flights.copy().values()))
        may_go_on.set()
        for thread in threads:
            thread.join(20)
        assert made
        assert not any(one() for one in made)
    finally:
        gc.enable()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_that_is_forked_while_a_call_is_under_way_does_not_wait_for_it() -> None:
    started, may_go_on = threading.Event(), threading.Event()
    parent = os.getpid()

    @cached(ttl=60, max_wait=30)
    def fetch() -> int:
        if os.getpid() == parent:
            started.set()
            assert may_go_on.wait(20)
        return os.getpid()

    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(fetch)
        assert started.wait(20)
        child = os.fork()
        if child == 0:
            answered = fetch() == fetch() == os.getpid()
            os._exit(0 if answered else 1)
        _, status = os.waitpid(child, 0)
        may_go_on.set()
        assert call.result(20) == parent
    assert os.waitstatus_to_exitcode(status) == 0
