"""What the caller gets instead: which alternative, when, and with which arguments."""

from __future__ import annotations

import copy
import functools
import inspect
import pydoc
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from resilient import (
    ConfigurationError,
    DeadlineExceeded,
    breaker,
    cached,
    fallback,
    registry,
    retry,
    service,
    throttled,
)
from resilient.call import current
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor, fake_clock

MakeVendor = Callable[[str], ScriptedVendor]


@pytest.fixture(autouse=True)
def clock() -> Iterator[FakeClock]:
    with fake_clock() as clock:
        yield clock


@pytest.fixture(autouse=True)
def _fresh_figures() -> None:
    """Functions of one name share their figures, over all tests."""
    registry.reset()


@pytest.fixture
def vendor_of() -> Iterator[MakeVendor]:
    with ExitStack() as vendors:
        yield lambda script: vendors.enter_context(ScriptedVendor(script))


def failing(*args: Any, **kwargs: Any) -> Any:
    raise ConnectionError("the vendor's own")


class Then:
    """A function that gives one result after the other, and raises those that are errors."""

    def __init__(self, *results: Any) -> None:
        self.results = list(results)

    def __call__(self, *args: Any) -> Any:
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, BaseException):
            raise result
        return result


# Values


def test_the_callers_get_the_value_when_the_call_has_failed() -> None:
    assert fallback(None)(failing)() is None
    assert fallback("instead")(failing)() == "instead"


def test_a_call_that_works_is_left_alone(steps: RecordedSteps) -> None:
    result: list[int] = []
    fetch = fallback("instead")(lambda: result)
    assert fetch() is result
    assert steps == []
    assert fetch.resilient.stats()["degraded"] == 0


@pytest.mark.parametrize(
    ("value", "spoil"),
    [
        ([[1]], lambda given: given[0].clear()),
        ({"a": {}}, lambda given: given["a"].update(b=1)),
        ({1}, lambda given: given.add(2)),
        (deque([1]), lambda given: given.append(2)),
        (bytearray(b"a"), lambda given: given.extend(b"b")),
        ([], lambda given: given.append(1)),
        ({}, lambda given: given.update(a=1)),
        (deque(), lambda given: given.append(1)),
    ],
    ids=["list", "dict", "set", "deque", "bytearray", "no list", "no dict", "no deque"],
)
def test_what_a_caller_does_to_the_value_stays_with_that_caller(value: Any, spoil: Any) -> None:
    before = copy.deepcopy(value)
    fetch = fallback(value)(failing)
    for _ in range(2):
        given = fetch()
        assert given == before
        spoil(given)
    assert value == before


def test_a_sentinel_stays_the_very_object() -> None:
    class Missing:
        pass

    for sentinel in (object(), Missing(), inspect.Parameter.empty()):
        assert fallback(sentinel)(failing)() is sentinel


def test_an_instance_with_state_is_copied() -> None:
    class Answer:
        def __init__(self) -> None:
            self.items: list[int] = []

    fetch = fallback(Answer())(failing)
    fetch().items.append(1)
    assert fetch().items == []


def test_a_value_that_cannot_be_copied_is_handed_out_as_it_is() -> None:
    lock = threading.Lock()
    assert fallback(lock)(failing)() is lock


# Functions


def test_a_function_gets_the_calls_own_arguments() -> None:
    fetch = fallback(lambda user, page: (user, page))(failing_with_signature)
    assert fetch("ann", 2) == ("ann", 2)
    assert fetch("ann") == ("ann", 1)


def failing_with_signature(user: str, page: int = 1) -> Any:
    raise ConnectionError


def test_a_function_may_call_its_parameters_otherwise_than_the_callers() -> None:
    fetch = fallback(lambda who, which: (who, which))(failing_with_signature)
    assert fetch(user="ann", page=2) == ("ann", 2)
    assert fetch("ann", page=2) == ("ann", 2)
    assert fetch(page=2, user="ann") == ("ann", 2)


def test_keyword_only_arguments_go_by_name() -> None:
    def search(text: str, *, limit: int = 10, **more: Any) -> Any:
        raise ConnectionError

    def instead(query: str, *, limit: int, **more: Any) -> Any:
        return query, limit, more

    assert fallback(instead)(search)(text="x", lang="en") == ("x", 10, {"lang": "en"})


def test_a_function_gets_the_error_if_it_has_a_parameter_for_it() -> None:
    error = ConnectionError("the vendor's own")

    def fetch(user: str) -> Any:
        raise error

    assert fallback(lambda user, error: (user, error))(fetch)("ann") == ("ann", error)
    assert fallback(lambda error, user: (user, error))(fetch)(user="ann") == ("ann", error)
    assert fallback(lambda user, *, error=None: error)(fetch)("ann") is error


def test_for_a_returned_failure_the_error_is_none(vendor_of: MakeVendor) -> None:
    vendor = vendor_of("503")

    @fallback(lambda error: ("instead", error))
    def fetch() -> Any:
        return requests.get(vendor.url, timeout=5)

    assert fetch() == ("instead", None)


def test_a_method_as_alternative_gets_self() -> None:
    class Client:
        name = "ann"

        def backup(self, number: int) -> str:
            return f"{self.name} {number}"

        @fallback(backup)
        def get(self, number: int) -> str:
            raise ConnectionError

        @classmethod
        @fallback(lambda cls, number: (cls, number))
        def make(cls, number: int) -> Any:
            raise ConnectionError

        @staticmethod
        @fallback(lambda number: number)
        def plain(number: int) -> int:
            raise ConnectionError

    assert Client().get(number=1) == "ann 1"
    assert Client.make(1) == (Client, 1)
    assert Client().plain(2) == 2


@pytest.mark.parametrize(
    "alternative",
    [functools.partial(lambda a, user: (a, user), "a"), Then(("a", "ann"))],
    ids=["partial", "callable object"],
)
def test_whatever_can_be_called_is_called(alternative: Any) -> None:
    @fallback(alternative)
    def fetch(user: str) -> Any:
        raise ConnectionError

    assert fetch("ann") == ("a", "ann")


# Which, and when


def test_the_first_alternative_that_works_answers(steps: RecordedSteps) -> None:
    tried: list[str] = []

    def first() -> Any:
        tried.append("first")
        raise LookupError("secret")

    def second() -> Any:
        tried.append("second")
        return "second"

    fetch = fallback(first, second, "value")(lambda: failing())
    assert fetch() == "second"
    assert tried == ["first", "second"]
    assert steps.kinds() == ["fallback_failed", "fallback"]
    assert "first() (LookupError)" in steps[0].text
    assert "secret" not in steps[0].text


def test_if_every_alternative_fails_the_original_error_is_raised_with_the_story() -> None:
    error = ConnectionError("the vendor's own")

    def fetch() -> Any:
        raise error

    def backup() -> Any:
        raise LookupError

    with pytest.raises(ConnectionError) as caught:
        fallback(backup, fallback.last_good())(fetch)()
    assert caught.value is error
    assert error.__context__ is None
    (note,) = error.__notes__
    assert "backup() (LookupError)" in note
    assert "last good result (none is kept)" in note


def test_if_every_alternative_fails_a_returned_failure_is_returned(vendor_of: MakeVendor) -> None:
    vendor = vendor_of("503")
    fetch = fallback(lambda: failing())(lambda: requests.get(vendor.url, timeout=5))
    assert fetch().status_code == 503


def test_an_alternative_that_returns_a_failed_response_has_failed(
    vendor_of: MakeVendor, steps: RecordedSteps
) -> None:
    vendor, backup = vendor_of("503"), vendor_of("502")
    fetch = fallback(lambda: requests.get(backup.url, timeout=5), "value")(
        lambda: requests.get(vendor.url, timeout=5)
    )
    assert fetch() == "value"
    assert "(502)" in steps.of("fallback_failed")[0].text


def test_an_alternative_may_make_do_with_a_failed_request(vendor_of: MakeVendor) -> None:
    backup = vendor_of("502")

    def from_disk() -> Any:
        requests.get(backup.url, timeout=5)
        return range(3)

    assert fallback(from_disk, "value")(lambda: failing())() == range(3)


@pytest.mark.parametrize("script", ["503", "500", "429 retry-after=1"])
def test_a_returned_failure_is_answered(script: str, vendor_of: MakeVendor) -> None:
    vendor = vendor_of(script)
    assert fallback("instead")(lambda: requests.get(vendor.url, timeout=5))() == "instead"


def test_a_swallowed_failure_is_answered(vendor_of: MakeVendor) -> None:
    vendor = vendor_of("503")

    @fallback("instead")
    def fetch() -> Any:
        response = requests.get(vendor.url, timeout=5)
        return response.json() if response.ok else None

    assert fetch() == "instead"


def test_a_result_that_was_handled_is_not_answered(vendor_of: MakeVendor) -> None:
    vendor = vendor_of("404")

    @fallback("instead")
    def find() -> Any:
        response = requests.get(vendor.url, timeout=5)
        return None if response.status_code == 404 else response.json()

    assert find() is None


@pytest.mark.parametrize("script", ["400", "401", "404"])
def test_a_mistake_that_raised_is_answered(script: str, vendor_of: MakeVendor) -> None:
    vendor = vendor_of(script)

    @fallback("instead")
    def fetch() -> Any:
        requests.get(vendor.url, timeout=5).raise_for_status()

    assert fetch() == "instead"
    assert fetch.resilient.stats()["outcomes"]["mistake"] == 1


def test_only_the_chosen_exceptions_are_answered() -> None:
    fetch = fallback("instead", on=(ConnectionError, LookupError))(
        Then(ConnectionError(), KeyError(), ValueError())
    )
    assert [fetch(), fetch()] == ["instead", "instead"]
    with pytest.raises(ValueError):
        fetch()


def test_with_chosen_exceptions_a_returned_failure_passes(vendor_of: MakeVendor) -> None:
    vendor = vendor_of("503")
    fetch = fallback("instead", on=ConnectionError)(lambda: requests.get(vendor.url, timeout=5))
    assert fetch().status_code == 503


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_interrupts_and_exits_pass(kind: type[BaseException]) -> None:
    with pytest.raises(kind):
        fallback("instead")(Then(kind()))()
    with pytest.raises(kind):
        fallback(Then(kind()), "instead")(lambda: failing())()


def test_our_own_refusals_are_answered() -> None:
    body = Then("first", "second")
    fetch = fallback("instead")(throttled("1/min", max_wait=0)(body))
    assert [fetch(), fetch()] == ["first", "instead"]
    circuit = fallback("instead")(breaker(fail_max=1)(failing))
    assert [circuit(), circuit()] == ["instead", "instead"]
    assert circuit.resilient.stats()["steps"]["breaker_refused"] == 1


def test_the_answer_comes_after_the_last_retry() -> None:
    body = Then(ConnectionError(), ConnectionError(), "too late")
    fetch = fallback("instead")(retry(attempts=2, wait=0, idempotent=True)(body))
    assert fetch() == "instead"
    assert body.results == ["too late"]


def test_the_figures_tell_that_an_answer_was_degraded() -> None:
    fetch = fallback("instead")(Then(ConnectionError(), "real"))
    assert [fetch(), fetch()] == ["instead", "real"]
    stats = fetch.resilient.stats()
    assert (stats["calls"], stats["degraded"], stats["raised"]) == (2, 1, 0)
    assert stats["outcomes"] == {"ok": 1, "transient": 1}
    assert stats["steps"] == {"fallback": 1}


def test_observing_lets_the_failure_pass_and_tells(steps: RecordedSteps) -> None:
    called: list[str] = []
    with pytest.raises(ConnectionError):
        fallback(lambda: called.append("called"), mode="observe")(lambda: failing())()
    observed = service("vendor", mode="observe")(fallback("instead")(lambda: failing()))
    with pytest.raises(ConnectionError):
        observed()
    assert called == []
    assert steps.kinds() == ["would_fallback", "would_fallback"]


# HTTP of an alternative


def test_requests_of_an_alternative_are_a_part_of_the_call(vendor_of: MakeVendor) -> None:
    vendor, backup = vendor_of("503"), vendor_of("200 json=[1]")

    def from_backup() -> Any:
        return requests.get(backup.url, timeout=5).json()

    @fallback(from_backup)
    def fetch() -> Any:
        requests.get(vendor.url, timeout=5).raise_for_status()

    assert fetch() == [1]
    stats = fetch.resilient.stats()
    assert stats["exchanges"] == {"127.0.0.1": 2}
    assert stats["outcomes"]["transient"] == 1
    assert current.get() is None


def test_requests_of_an_alternative_are_bounded_by_the_deadline_and_the_timeout(
    clock: FakeClock, vendor_of: MakeVendor
) -> None:
    vendor, backup = vendor_of("timeout"), vendor_of("timeout")
    caught: list[Any] = []

    def from_backup() -> Any:
        try:
            requests.get(backup.url)  # that is the point
        except Exception as error:
            caught.append((type(error), clock.now))
            raise

    @service("vendor", timeout=3, deadline=5)
    @fallback(from_backup, "value")
    def fetch() -> Any:
        requests.get(vendor.url)

    assert fetch() == "value"
    (kind, now), *_ = caught
    assert now == 5
    assert issubclass(kind, (DeadlineExceeded, requests.Timeout))


def test_requests_of_an_alternative_do_not_wait_for_the_vendors_quota(
    clock: FakeClock, vendor_of: MakeVendor
) -> None:
    vendor, backup = vendor_of("503"), vendor_of("200")

    def from_backup() -> Any:
        requests.get(backup.url, timeout=5)
        requests.get(backup.url, timeout=5)
        return "from backup"

    @fallback(from_backup)
    @throttled("1/min", max_wait=0)
    def fetch() -> Any:
        requests.get(vendor.url, timeout=5).raise_for_status()

    assert [fetch(), fetch()] == ["from backup", "from backup"]
    assert (vendor.calls, backup.calls) == (1, 4)
    assert clock.slept == []


def test_a_decorated_alternative_is_a_call_inside_the_call() -> None:
    outer: list[Any] = []

    @service("backup")
    def backup(user: str) -> str:
        call = current.get()
        while call is not None:
            outer.append(call.target.label)
            call = call.parent
        return user

    @service("vendor", deadline=5)
    @fallback(backup)
    def fetch(name: str) -> Any:
        raise ConnectionError

    assert fetch(name="ann") == "ann"
    assert outer[0] == "backup.backup"
    assert outer[-1] == "vendor.fetch"


# The last good result


def test_the_last_good_result_for_the_same_arguments_answers() -> None:
    body = Then("ann's", "bob's", ConnectionError())
    fetch = fallback(fallback.last_good(), "nothing")(lambda user: body(user))
    fetch("ann")
    fetch("bob")
    assert [fetch("ann"), fetch(user="bob"), fetch("cid")] == ["ann's", "bob's", "nothing"]


def test_the_last_good_result_answers_until_it_is_too_old(clock: FakeClock) -> None:
    fetch = fallback(fallback.last_good(60), "nothing")(Then("good", ConnectionError()))
    fetch()
    clock.advance(60)
    assert fetch() == "good"
    clock.advance(0.001)
    assert fetch() == "nothing"


def test_the_newest_good_result_counts(clock: FakeClock) -> None:
    fetch = fallback(fallback.last_good(60), "nothing")(Then("old", "new", ConnectionError()))
    fetch()
    clock.advance(50)
    fetch()
    clock.advance(50)
    assert fetch() == "new"


def test_what_a_caller_does_to_a_result_does_not_change_the_last_good_one() -> None:
    fetch = fallback(fallback.last_good())(Then([1], ConnectionError()))
    for _ in range(3):
        result = fetch()
        assert result == [1]
        result.append(2)


def test_functions_that_share_a_fallback_do_not_share_good_results() -> None:
    shared = fallback(fallback.last_good(), "nothing")
    first, second = shared(Then("first", ConnectionError())), shared(failing)
    first()
    assert (first(), second()) == ("first", "nothing")


def test_good_results_are_bounded() -> None:
    broken = [False]

    @fallback(fallback.last_good(max_entries=2), "nothing")
    def fetch(number: int) -> int:
        if broken[0]:
            raise ConnectionError
        return number

    # Getting 1 anew makes 2 the one that is longest out of use.
    for number in (1, 2, 1, 3):
        fetch(number)
    broken[0] = True
    assert [fetch(1), fetch(2), fetch(3)] == [1, "nothing", 3]


def test_what_is_not_good_is_not_remembered() -> None:
    inner = fallback("degraded")(failing)
    turns = [inner, failing]
    rests_on_it = fallback(fallback.last_good(), "nothing")(lambda: turns.pop(0)())
    assert rests_on_it() == "degraded"
    assert rests_on_it() == "nothing"


def test_arguments_that_are_no_key_go_without_a_good_result() -> None:
    argument = memoryview(bytearray(1))
    body = Then("good", ConnectionError())
    fetch = fallback(fallback.last_good(), "nothing")(lambda data: body())
    assert [fetch(argument), fetch(argument)] == ["good", "nothing"]


def test_a_result_that_cannot_be_copied_is_not_remembered() -> None:
    numbers = (number for number in range(3))
    fetch = fallback(fallback.last_good(), "nothing")(Then(numbers, ConnectionError()))
    assert list(fetch()) == [0, 1, 2]
    assert fetch() == "nothing"


def test_a_fallback_stays_out_of_the_cache_below_and_behind_its_stale_result(
    clock: FakeClock,
) -> None:
    body = Then(ConnectionError(), "good", ConnectionError())
    fetch = fallback("instead")(cached(ttl=10, stale_if_error=60)(body))
    assert [fetch(), fetch()] == ["instead", "good"]
    clock.advance(10)
    assert fetch() == "good"
    clock.advance(60)
    assert fetch() == "instead"


# Misuse


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: fallback(), "say what the caller gets"),
        (lambda: fallback(list), r"write list\(\)"),
        (lambda: fallback(ValueError), r"write ValueError\(\)"),
        (lambda: fallback(fallback.last_good), r"write fallback\.last_good\(\)"),
        (lambda: fallback(retry(attempts=2)), "put @retry below"),
        (lambda: fallback(number for number in [1]), "used up"),
        (lambda: fallback(None, onn=ValueError), "did you mean on"),
        (lambda: fallback(None, on="ValueError"), "exception classes"),
        (lambda: fallback(None, on=KeyboardInterrupt), "Ctrl-C"),
        (lambda: fallback(None, on=()), "answer nothing"),
        (lambda: fallback(None, mode="dry"), "'observe'"),
        (lambda: fallback.last_good(0), "more than 0"),
        (lambda: fallback.last_good(max_entries=0), "1 or more"),
    ],
    ids=["nothing", "class", "error class", "uncalled", "policy", "generator", "unknown option"]
    + ["text", "interrupt", "no types", "mode", "age", "entries"],
)
def test_options_that_cannot_be_meant_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        make()


async def answer_async() -> None: ...


class AsyncCallable:
    async def __call__(self) -> None: ...


async def pages() -> Any:
    yield 1


@pytest.mark.parametrize(
    "alternative",
    [answer_async, functools.partial(answer_async), AsyncCallable(), pages],
    ids=["function", "partial", "object", "generator"],
)
def test_an_async_alternative_is_refused(alternative: Any) -> None:
    with pytest.raises(ConfigurationError, match="async"):
        fallback(alternative)


@pytest.mark.parametrize(
    "alternative",
    [
        lambda: None,
        lambda user: None,
        lambda user, page, more: None,
        lambda page, user: None,
        lambda user, page, *, region: None,
        lambda error: None,
    ],
    ids=["none", "too few", "too many", "swapped", "one more", "error alone"],
)
def test_an_alternative_that_cannot_take_the_arguments_is_refused_at_decoration(
    alternative: Any,
) -> None:
    with pytest.raises(ConfigurationError, match=r"can't take the arguments of fetch\(user"):

        @fallback(alternative)
        def fetch(user: str, page: int) -> Any: ...


def test_a_method_whose_alternative_forgot_self_is_refused() -> None:
    def get(self: Any, number: int) -> Any: ...

    with pytest.raises(ConfigurationError, match="get"):
        fallback(lambda number: None)(get)


@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), ((1,), {}), ((), {"user": 1}), ((len, 2), {}), ((None,), {})]
)
def test_a_bare_fallback_tells_what_is_missing_when_the_function_is_called(
    args: Any, kwargs: Any
) -> None:
    @fallback
    def fetch(*args: Any, **kwargs: Any) -> Any: ...

    with pytest.raises(ConfigurationError, match=r"fetch stands under a bare @fallback"):
        fetch(*args, **kwargs)


def test_a_call_with_wrong_arguments_is_answered_by_values_alone() -> None:
    assert fallback("instead")(failing_with_signature)() == "instead"
    with pytest.raises(TypeError, match="user"):
        fallback(lambda user, page: "instead")(failing_with_signature)()


def test_the_settings_name_functions_and_show_no_values() -> None:
    def backup() -> Any: ...

    shown = str(fallback(backup, fallback.last_good(60), {"token": 1})(failing_no_args).resilient)
    assert "fallback(alternatives=['backup', 'last_good(60)', 'dict'], on=Exception)" in shown
    assert "token" not in shown


def failing_no_args() -> Any:
    raise ConnectionError


def test_help_reads_as_of_a_function() -> None:
    text = pydoc.render_doc(fallback, renderer=pydoc.plaintext)
    assert re.search(r"fallback\(\s*\*alternatives: 'object',\s+on:", text)
    assert "first alternative that works" in text
    assert len(text.splitlines()) < 40


# Many threads


@pytest.mark.stress
def test_threads_get_values_and_good_results_of_their_own() -> None:
    start = threading.Barrier(16)
    broken = threading.Event()

    @fallback(fallback.last_good(max_entries=64), {"items": []})
    def fetch(number: int) -> dict[str, list[int]]:
        if broken.is_set() or number >= 32:
            raise ConnectionError
        return {"items": [number]}

    def work(seed: int) -> bool:
        start.wait(60)
        ok = True
        for turn in range(1000):
            number = (seed + turn) % 48
            if turn == 500:
                start.wait(60)
                broken.set()
            result = fetch(number)
            ok = ok and result == {"items": [number] if number < 32 else []}
            result["items"].append(-1)
        return ok

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(16)))
    stats = fetch.resilient.stats()
    assert stats["calls"] == 16_000
    assert stats["degraded"] == stats["steps"]["fallback"] > 8000


def test_the_last_good_result_of_one_user_is_not_given_to_another(
    clock: FakeClock, steps: RecordedSteps
) -> None:
    with ScriptedVendor("200 x2, 503 x2, 200 x2, 503 x2") as vendor:
        token = ["ann"]

        def me() -> str:
            requests.get(
                vendor.url, headers={"Authorization": f"Bearer {token[0]}-123"}, timeout=5
            ).raise_for_status()
            return token[0]

        alone = fallback(fallback.last_good(), "nobody")(me)
        scoped = fallback(fallback.last_good(scope=lambda: token[0]), "nobody")(me)
        assert [alone(), scoped()] == ["ann", "ann"]
        token[0] = "bob"
        assert [alone(), scoped()] == ["nobody", "nobody"]
        assert [alone(), scoped()] == ["bob", "bob"]
        assert [alone(), scoped()] == ["nobody", "bob"]
    told = [step.text for step in steps if step.kind == "uncacheable"]
    assert ["scope=" in text for text in told] == [True]
    assert "123" not in "".join(told)


def test_a_credential_among_the_arguments_keeps_last_good_results_apart() -> None:
    with ScriptedVendor("200, 503 x2") as vendor:

        @fallback(fallback.last_good(), "nobody")
        def me(token: str) -> str:
            headers = {"Authorization": f"Bearer {token}"}
            requests.get(vendor.url, headers=headers, timeout=5).raise_for_status()
            return token

        assert me("ann-token") == "ann-token"
        assert me("bob-token") == "nobody"
        assert me("ann-token") == "ann-token"
