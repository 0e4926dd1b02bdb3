"""How a stack of policies becomes one wrapper, and what it refuses to wrap."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests

from resilient import (
    BreakerOpen,
    ConfigurationError,
    OrderWarning,
    breaker,
    bulkhead,
    cached,
    fallback,
    registry,
    retry,
    service,
    throttled,
)
from resilient.call import Call, Target, current, listeners
from resilient.pipeline import Handle, Handler, Policy, decorate, enabled, oddities
from resilient.testing import FakeClock, ScriptedVendor, fake_clock, policies_off
from resilient.timing import BATCH
from resilient.timing import clock as timing_clock
from tests.ids import said

FACTORIES: dict[str, Callable[[], Any]] = {
    "service": lambda: service("vendor"),
    "fallback": lambda: fallback("other"),
    "cached": lambda: cached(ttl=60),
    "retry": retry,
    "breaker": breaker,
    "throttled": lambda: throttled("1000/s"),
    "bulkhead": bulkhead,
}
BARE: dict[str, Any] = {
    "service": service,
    "cached": cached,
    "retry": retry,
    "breaker": breaker,
    "throttled": throttled,
    "bulkhead": bulkhead,
}
each_policy = pytest.mark.parametrize("make", FACTORIES.values(), ids=FACTORIES.keys())
each_bare = pytest.mark.parametrize("bare", BARE.values(), ids=BARE.keys())


@pytest.fixture(autouse=True)
def clock() -> Iterator[FakeClock]:
    registry.reset()  # functions of the same name share their figures
    with fake_clock() as clock:
        yield clock


class Marking(Policy):
    """Writes down when a call comes by."""

    rank = 9

    def __init__(self, kind: str, log: list[str]) -> None:
        self.kind = kind  # type: ignore[misc]  # one class for several kinds
        self.log = log

    def bind(self, proceed: Handler, target: Target) -> Handler:
        def handler(call: Call) -> Any:
            self.log.append(self.kind)
            try:
                return proceed(call)
            finally:
                self.log.append(f"/{self.kind}")

        return handler


def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


# One wrapper


def test_policies_apply_in_the_order_they_are_written() -> None:
    log: list[str] = []

    @Marking("first", log)
    @Marking("second", log)
    @Marking("third", log)
    def function() -> None:
        log.append("function")

    function()
    inward = ["first", "second", "third"]
    assert log == [*inward, "function", *(f"/{kind}" for kind in reversed(inward))]
    assert [policy.kind for policy in function.resilient.policies] == inward


def test_a_stack_is_one_wrapper_around_the_function() -> None:
    stacked = service("v")(fallback(0)(retry(breaker(add))))
    assert stacked.resilient.function is add
    assert stacked.__wrapped__ is add  # type: ignore[attr-defined]
    depth: list[str] = []

    def look() -> int:
        frame = sys._getframe(1)
        while frame is not None and frame.f_code is not test_code:
            depth.append(frame.f_code.co_name)
            frame = frame.f_back  # type: ignore[assignment]
        return 0

    test_code = sys._getframe().f_code
    service("v")(fallback(0)(retry(breaker(look))))()
    assert depth.count("wrapper") == 1


@each_policy
def test_a_decorated_function_looks_like_the_function(make: Callable[[], Any]) -> None:
    decorated = make()(add)
    assert decorated(1) == decorated(1, b=2) == decorated(b=2, a=1) == 3
    assert inspect.signature(decorated) == inspect.signature(add)
    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        assert getattr(decorated, name) == getattr(add, name)
    assert inspect.isfunction(decorated)


@each_bare
def test_each_decorator_can_be_used_bare(bare: Any) -> None:
    decorated = bare(add)
    assert decorated(1) == 3
    assert len(decorated.resilient.policies) == 1
    assert type(decorated.resilient.policies[0]) is type(bare())


@each_policy
def test_methods_bind_as_usual(make: Callable[[], Any]) -> None:
    policy = make()

    class Client:
        name = "class"

        def __init__(self) -> None:
            self.name = "instance"

        @policy
        def method(self, more: str) -> str:
            return self.name + more

        @policy
        @classmethod
        def above(cls, more: str) -> str:
            return cls.name + more

        @classmethod
        @policy
        def below(cls, more: str) -> str:
            return cls.name + more

        @policy
        @staticmethod
        def static_above(more: str) -> str:
            return "static" + more

        @staticmethod
        @policy
        def static_below(more: str) -> str:
            return "static" + more

        @property
        @policy
        def size(self) -> str:
            return self.name + "!"

    client = Client()
    assert client.method("!") == Client.method(client, "!") == client.size == "instance!"
    assert client.above("!") == Client.above("!") == client.below("!") == "class!"
    assert client.static_above("!") == Client.static_below("!") == "static!"
    assert Client.method.resilient.label.endswith(".Client.method")
    assert client.method.resilient is Client.method.resilient
    assert isinstance(Client.above.resilient, Handle)


@each_bare
def test_bare_decorators_take_classmethods_too(bare: Any) -> None:
    class Client:
        @bare
        @classmethod
        def make(cls) -> str:
            return cls.__name__

        @bare
        @staticmethod
        def size() -> int:
            return 1

    assert Client.make() == Client().make() == "Client"
    assert Client.size() == 1


def test_two_decorators_above_a_classmethod_make_one_stack() -> None:
    class Client:
        @retry
        @breaker
        @classmethod
        def make(cls) -> str:
            return cls.__name__

    assert Client.make() == "Client"
    assert [policy.kind for policy in Client.make.resilient.policies] == ["retry", "breaker"]


def test_partials_and_objects_that_can_be_called_are_decorated() -> None:
    class Fetch:
        def __call__(self, value: int) -> int:
            return value + 1

    assert retry(functools.partial(add, b=5))(1) == 6
    assert retry(functools.partial(add, b=5)).resilient.label == f"{__name__}.add"
    assert retry(Fetch())(1) == 2
    assert retry(Fetch()).resilient.label == f"{__name__}.Fetch"
    assert retry(len)([1, 2]) == 2  # type: ignore[arg-type]


def test_decorating_a_decorated_function_leaves_the_old_wrapper_alone() -> None:
    runs: list[int] = []

    def fail() -> None:
        runs.append(1)
        raise ConnectionResetError

    twice = retry(attempts=2, wait=0)(fail)
    answered = fallback("other")(twice)
    assert answered() == "other"
    assert len(runs) == 2
    with pytest.raises(ConnectionResetError):
        twice()
    assert len(runs) == 4
    assert [policy.kind for policy in twice.resilient.policies] == ["retry"]
    assert [policy.kind for policy in answered.resilient.policies] == ["fallback", "retry"]


def shouting(function: Callable[..., str]) -> Callable[..., str]:
    """A foreign decorator, as any code base has them."""

    @functools.wraps(function)
    def shouted(*args: Any, **kwargs: Any) -> str:
        return function(*args, **kwargs).upper()

    return shouted


@each_policy
def test_a_foreign_decorator_in_between_is_not_dropped(make: Callable[[], Any]) -> None:
    inner = retry(attempts=2, wait=0)(lambda: "done")
    foreign = shouting(inner)
    assert isinstance(foreign.resilient, Handle)  # type: ignore[attr-defined]  # wraps copied it
    outer = make()(foreign)
    assert outer() == "DONE"
    assert outer.resilient.function is foreign
    assert len(outer.resilient.policies) == 1


def test_a_cache_of_functools_in_between_is_not_dropped() -> None:
    runs: list[int] = []

    @retry
    @functools.lru_cache
    @breaker
    def compute(number: int) -> int:
        runs.append(number)
        return number

    assert [compute(1), compute(1)] == [1, 1]
    assert runs == [1]


def test_what_a_foreign_decorator_has_marked_is_kept() -> None:
    def route(path: str) -> Callable[[Any], Any]:
        def mark(function: Any) -> Any:
            function.path = path
            function.__doc__ = "Marked."
            return function

        return mark

    decorated = retry(route("/users")(breaker(add)))
    assert decorated.path == "/users"
    assert decorated.__doc__ == "Marked."
    assert decorated.__wrapped__ is add
    assert len(decorated.resilient.policies) == 2


# The handle


def test_the_handle_gives_figures_policies_and_the_function() -> None:
    decorated = service("vendor")(cached(ttl=60)(retry(breaker(throttled("9/s")(add)))))
    decorated(1)
    decorated(1)
    handle = decorated.resilient
    assert handle.label == "vendor.add"
    assert handle.function is add
    assert handle.stats()["calls"] == 2
    assert handle.stats()["hits"] == 1
    assert len(handle.cache) == 1
    handle.cache.clear()
    assert len(handle.cache) == 0
    assert handle.breaker is handle.policies[3]
    assert handle.breaker.current_state == "closed"
    assert handle.throttle.limit == 9
    assert handle.stats()["throttle"]["waiting"] == 0
    assert handle.policy("retry") is handle.policies[2]
    assert repr(handle) == "<resilient vendor.add: service, cached, retry, breaker, throttled>"


@pytest.mark.parametrize(
    ("part", "kind"), [("breaker", "breaker"), ("cache", "cached"), ("throttle", "throttled")]
)
def test_asking_for_a_policy_that_is_not_there_says_so(part: str, kind: str) -> None:
    with pytest.raises(ConfigurationError, match=f"add has no {kind}: put @{kind} on it"):
        getattr(retry(add).resilient, part)


def test_explain_prints_the_stack_in_order_and_what_is_odd(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.warns(OrderWarning):
        decorated = service("vendor", mode="observe")(retry(2, mode="observe")(fallback(0)(add)))
    decorated.resilient.explain()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "vendor.add: 3 policies, outermost first"
    assert printed[1].startswith("  service(name='vendor', ")
    assert printed[1].endswith("  [observes only]")
    assert printed[2] == (
        "  retry(attempts=2, wait=expo, max_wait=60, budget=0.2)  [observes only]"
    )
    assert printed[3].startswith("  fallback(")
    assert printed[4] == "  → add()"
    assert "nothing is enforced" in printed[5]
    assert printed[6].startswith("  odd: nothing is ever retried")
    assert len(printed) == 7
    assert str(retry(add).resilient).startswith(f"{__name__}.add: 1 policy\n")


# Odd orders

ODD = [
    (("breaker", "fallback"), "calls that the breaker refuses get no answer"),
    (("throttled", "fallback"), "calls that the quota refuses get no answer"),
    (("bulkhead", "fallback"), "calls that the bulkhead refuses get no answer"),
    (("retry", "fallback"), "nothing is ever retried"),
    (("cached", "fallback"), "stale answers are never used"),
    (("throttled", "cached"), "answers from the cache wait for the quota"),
    (("bulkhead", "cached"), "answers from the cache wait for a free place"),
    (("breaker", "cached"), "answers from the cache count as successes"),
    (("retry", "cached"), "a stale answer is given after the first failure"),
    (("retry", "service"), "@service is not outermost"),
    (("retry", "retry"), "@retry stands there more than once"),
]


@pytest.mark.parametrize(("kinds", "problem"), ODD, ids=lambda value: str(value)[:40])
def test_an_order_that_cannot_be_meant_warns_once(kinds: tuple[str, str], problem: str) -> None:
    inner = FACTORIES[kinds[1]]()(add)
    outer = FACTORIES[kinds[0]]()
    with pytest.warns(OrderWarning, match=f"^add: .*{problem}") as warned:
        decorated = outer(inner)
    assert len(warned) == 1
    assert problem in str(decorated.resilient)
    # One more policy on top has nothing to do with it.
    with warnings.catch_warnings(record=True) as later:
        warnings.simplefilter("always")
        Marking("marking", [])(decorated)
    assert [str(one.message) for one in later] == []


def test_the_recommended_order_is_not_odd() -> None:
    decorated = add
    for make in reversed(FACTORIES.values()):
        decorated = make()(decorated)
    assert oddities(decorated.resilient.policies) == []  # type: ignore[attr-defined]
    ranks = [policy.rank for policy in decorated.resilient.policies]  # type: ignore[attr-defined]
    assert ranks == sorted(ranks)


def line() -> int:
    """The caller's next line."""
    return sys._getframe(1).f_lineno + 1


def test_the_warning_names_the_users_own_line() -> None:
    inner, named = fallback(0)(add), service("inner")(add)
    lines = []
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        lines.append(line())
        retry(inner)
        lines.append(line())
        retry(attempts=2)(inner)
        lines.append(line())
        retry(staticmethod(inner))  # type: ignore[arg-type]
        lines.append(line())
        retry(attempts=2)(classmethod(inner))  # type: ignore[arg-type]
        lines.append(line())
        decorate(inner, retry(), stacklevel=2)
        lines.append(line())
        service("outer").call(named, 1)
        below = retry(add)
        lines.append(line())
        fallback(0)(service("v")(retry(breaker(cached(below)))))
    assert {Path(one.filename).name for one in warned} == {"test_pipeline.py"}
    assert list(dict.fromkeys(one.lineno for one in warned)) == lines


# What can't be decorated


async def coroutine() -> None: ...


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> Any:
    yield 1


class AsyncCallable:
    async def __call__(self) -> None: ...


class GeneratorCallable:
    def __call__(self) -> Iterator[int]:
        yield 1


class Plain:
    pass


UNFIT = [
    (coroutine, "on async def coroutine: resilient runs synchronous functions only; decorate"),
    (functools.partial(coroutine), "on async def coroutine"),
    (AsyncCallable(), "on async def AsyncCallable"),
    (staticmethod(coroutine), "on async def coroutine"),
    (generator, "on the generator generator: its body would run after the policies are done"),
    (functools.partial(generator), "on the generator generator"),
    (GeneratorCallable(), "on the generator GeneratorCallable"),
    (async_generator, "on the generator async_generator"),
    (Plain, "on the class Plain: decorate its methods"),
    (property(add), "on a property: put @property above @"),
]


@each_policy
@pytest.mark.parametrize(("unfit", "why"), UNFIT, ids=lambda value: said(value)[:30])
def test_what_cannot_work_is_refused_at_decoration(
    make: Callable[[], Any], unfit: Any, why: str
) -> None:
    policy = make()
    with pytest.raises(ConfigurationError) as refused:
        policy(unfit)
    assert str(refused.value).startswith(f"@{policy.kind} {why}")


@each_bare
@pytest.mark.parametrize(("unfit", "why"), UNFIT, ids=lambda value: said(value)[:30])
def test_what_cannot_work_is_refused_bare_too(bare: Any, unfit: Any, why: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        bare(unfit)
    assert str(refused.value).startswith(f"@{bare.__name__} {why}")


@each_policy
@pytest.mark.parametrize("unfit", [None, 3, "name", [add]])
def test_what_cannot_be_called_is_refused(make: Callable[[], Any], unfit: Any) -> None:
    with pytest.raises(ConfigurationError):
        make()(unfit)


def test_a_function_that_calls_async_code_by_itself_is_fine() -> None:
    async def answer() -> int:
        return 1

    assert retry(lambda: asyncio.run(answer()))() == 1


# Unknown options, for every decorator

MADE_OF: dict[str, Callable[..., Any]] = {
    "service": functools.partial(service, "vendor"),
    "fallback": functools.partial(fallback, None),
    "cached": cached,
    "retry": retry,
    "breaker": breaker,
    "throttled": throttled,
    "bulkhead": bulkhead,
}
each_made = pytest.mark.parametrize(("kind", "make"), MADE_OF.items(), ids=MADE_OF.keys())


@each_made
def test_an_unknown_option_is_refused_with_the_nearest_one(
    kind: str, make: Callable[..., Any]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make(moode="observe")
    assert str(refused.value) == f"{kind}(moode=…): there is no such option; did you mean mode?"
    with pytest.raises(ConfigurationError, match=r"no such option; use one of .*mode"):
        make(zzz=1)


@each_made
def test_an_unknown_mode_is_refused(kind: str, make: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make(mode="dry-run")
    assert str(refused.value) == f"{kind}(mode='dry-run'): use 'enforce' or 'observe'."


@pytest.mark.parametrize(
    "make",
    [
        lambda: retry("3"),
        lambda: retry(3, 4),
        lambda: retry(ValueError),
        lambda: breaker(5),
        lambda: breaker(5, 60),
        lambda: throttled(10),
        lambda: throttled("10 apples"),
        lambda: cached("60"),
        lambda: cached(60, 70),
        lambda: bulkhead("10"),
        lambda: bulkhead(1, 2),
        lambda: service(42),
        lambda: retry(add, attempts=3),
        lambda: cached(add, ttl=3),
    ],
)
def test_arguments_in_the_wrong_place_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError):
        make()


# Calls


def test_exits_pass_untouched_and_uncounted() -> None:
    exits = [KeyboardInterrupt(), SystemExit(3), GeneratorExit()]
    raised: list[BaseException] = []
    places = bulkhead(1)
    guard = breaker(fail_max=1)

    @service("vendor", deadline=60)
    @fallback("other")
    @cached(ttl=60)
    @retry(on=Exception)
    @guard
    @throttled("9/s")
    @places
    def leave(number: int) -> None:
        raise exits[number]

    for number, expected in enumerate(exits):
        with pytest.raises(type(expected)) as caught:
            leave(number)
        assert caught.value is expected
        raised.append(caught.value)
        assert caught.value.__context__ is None
        assert not hasattr(caught.value, "__notes__")
    assert leave.resilient.stats()["calls"] == 0
    assert guard.current_state == "closed"
    assert guard.fail_counter == 0
    assert places.running == 0


def test_an_ordinary_error_passes_as_it_is() -> None:
    error = ValueError("mine")

    def fail() -> None:
        raise error

    decorated = add
    for make in ("breaker", "retry", "cached", "service"):
        decorated = FACTORIES[make]()(fail if decorated is add else decorated)
    with pytest.raises(ValueError, match=r"^mine$") as raised:
        decorated()  # type: ignore[call-arg]
    assert raised.value is error
    assert (error.__cause__, error.__context__) == (None, None)
    assert not hasattr(error, "__notes__")


def test_policies_can_be_turned_off(clock: FakeClock) -> None:
    decorated = fallback(0)(retry(add))
    calls = decorated.resilient.stats()["calls"]
    failing = fallback("other")(lambda: 1 / 0)
    with policies_off():
        assert decorated(1) == 3
        with pytest.raises(ZeroDivisionError):
            failing()
        with policies_off():
            pass
        assert enabled() is False
    assert enabled() is True
    assert failing() == "other"
    assert decorated.resilient.stats()["calls"] == calls


def test_calls_nest_and_each_knows_its_parent() -> None:
    seen: list[Call | None] = []

    @service("inner")
    def inner() -> None:
        seen.append(current.get())

    @service("outer")
    def outer() -> None:
        seen.append(current.get())
        inner()
        assert current.get() is seen[0]

    assert current.get() is None
    outer()
    assert current.get() is None
    around, inside = seen
    assert around is not None
    assert inside is not None
    assert (around.parent, inside.parent) == (None, around)
    assert (around.target.label, inside.target.label) == ("outer.outer", "inner.inner")


def test_the_current_call_is_left_behind_by_errors_too() -> None:
    @retry
    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert current.get() is None


def test_a_call_that_is_over_is_closed_however_it_ended() -> None:
    seen: list[Call] = []

    @retry
    def work(error: type[BaseException] | None) -> None:
        call = current.get()
        assert call is not None
        assert not call.closed
        seen.append(call)
        requests.get(vendor.url, timeout=5)
        if error is not None:
            raise error

    with ScriptedVendor("200") as vendor:
        work(None)
        for error in (KeyError, KeyboardInterrupt):
            with pytest.raises(error):
                work(error)
    assert [call.closed for call in seen] == [True] * 3


def test_a_failed_answer_whose_exchange_was_not_seen_is_counted() -> None:
    class Answer:
        status_code = 503
        headers: ClassVar[dict[str, str]] = {}

    fetch = service("vendor")(lambda: Answer())
    fetch()
    assert fetch.resilient.stats()["outcomes"]["transient"] == 1


def test_recursion_opens_a_call_for_each_level() -> None:
    depths: list[int] = []

    @service("vendor", deadline=60)
    @retry
    @breaker
    def factorial(number: int) -> int:
        call, depth = current.get(), 0
        while call is not None:
            call, depth = call.parent, depth + 1
        depths.append(depth)
        return number * factorial(number - 1) if number > 1 else 1

    assert factorial(5) == 120
    assert depths == [1, 2, 3, 4, 5]
    assert factorial.resilient.stats()["calls"] == 5


def test_calls_of_several_threads_do_not_mix() -> None:
    threads = 8
    meet = threading.Barrier(threads)
    wrong: list[object] = []

    @service("vendor", deadline=60)
    @retry(attempts=2, wait=0, budget=None)
    def fetch(number: int) -> int:
        call = current.get()
        meet.wait(10)
        if call is not current.get() or call is None or call.args != (number,):
            wrong.append(call)
        assert call is not None
        if call.attempt == 1:
            raise ConnectionResetError
        return number

    def work(number: int) -> None:
        if fetch(number) != number:
            wrong.append(number)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(10)
    assert wrong == []
    stats = fetch.resilient.stats()
    assert (stats["calls"], stats["retries"], stats["recovered"]) == (8, 8, 8)


def test_exchanges_belong_to_the_innermost_call() -> None:
    with ScriptedVendor("200") as vendor:
        inner = service("inner")(lambda: requests.get(vendor.url, timeout=5).text)
        outer = service("outer")(lambda: [inner(), requests.get(vendor.url, timeout=5).text])
        outer()
    assert sum(inner.resilient.stats()["exchanges"].values()) == 1
    assert sum(outer.resilient.stats()["exchanges"].values()) == 1


# The happy path


class CountedLock:
    """A lock that counts how often it is taken."""

    taken = 0

    def __init__(self, lock: Any) -> None:
        self._lock = lock

    def __enter__(self) -> bool:
        type(self).taken += 1
        return bool(self._lock.__enter__())

    def __exit__(self, *error: object) -> None:
        self._lock.__exit__(*error)

    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        type(self).taken += 1
        return bool(self._lock.acquire(*args, **kwargs))

    def release(self) -> None:
        self._lock.release()


def test_a_healthy_call_takes_no_lock_and_makes_no_step(
    monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    real_lock, real_rlock = threading.Lock, threading.RLock
    with monkeypatch.context() as patched:
        patched.setattr(threading, "Lock", lambda: CountedLock(real_lock()))
        patched.setattr(threading, "RLock", lambda: CountedLock(real_rlock()))
        stack = fallback(0)(retry(breaker(throttled("1000/s")(bulkhead(lambda: 1)))))
        stack = service("vendor", deadline=60)(stack)
    reads: list[int] = []
    real_monotonic = timing_clock.monotonic

    def monotonic() -> float:
        reads.append(1)
        return real_monotonic()

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(timing_clock, "monotonic", monotonic)
    monkeypatch.setattr(Call, "report", refuse)
    monkeypatch.setattr(listeners, "tell", refuse)
    CountedLock.taken = 0
    calls = 50  # fewer than are folded at once
    for _ in range(calls):
        assert stack() == 1
    assert CountedLock.taken == 0
    # When it starts, when its slot of the quota is given back, and when it ends.
    assert len(reads) <= 3 * calls
    assert stack.resilient.breaker.current_state == "closed"
    for _ in range(BATCH):
        stack()
    assert CountedLock.taken > 0  # the counting works


@pytest.mark.parametrize("way", ["over http", "failing", "while somebody reads the figures"])
def test_what_healthy_calls_leave_behind_does_not_pile_up(way: str) -> None:
    policy, guard = retry(), breaker()

    @policy
    @guard
    def work() -> None:
        if way == "over http":
            session.get(vendor.url, timeout=5)
        if way == "failing":
            raise KeyError

    with ScriptedVendor("200") as vendor, requests.Session() as session:
        for _ in range(3 * BATCH):
            if way == "failing":
                with pytest.raises(KeyError):
                    work()
            else:
                work()
            if way == "while somebody reads the figures":
                work.resilient.stats()
    assert policy.budget is not None
    assert len(policy.budget.calls.pending) < BATCH
    assert len(guard.health.ok.pending) < BATCH
    stats = work.resilient.stats()
    assert stats["calls"] == stats["latency"]["count"] == 3 * BATCH


def test_a_breaker_on_a_pipeline_refuses_with_the_functions_label() -> None:
    guard = breaker(fail_max=1)

    @service("vendor")
    @guard
    def fail() -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        fail()
    with pytest.raises(BreakerOpen) as refused:
        fail()
    assert refused.value.label == "vendor.fail"
