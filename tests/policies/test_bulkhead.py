"""How many calls run at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from resilient import BulkheadFull, ConfigurationError, bulkhead, service
from resilient.testing import FakeClock, RecordedSteps
from resilient.waiting import _Turn
from tests.threads import REAL_LIMIT, until


class Gauge:
    """A function whose calls stay inside until let go, and that counts how many are."""

    def __init__(self) -> None:
        self.inside: list[None] = []
        self.most = 0
        self.over = threading.Event()

    def __call__(self) -> str:
        self.inside.append(None)
        self.most = max(self.most, len(self.inside))
        try:
            assert self.over.wait(REAL_LIMIT)
        finally:
            self.inside.pop()
        return "done"


@pytest.fixture
def gauge() -> Iterator[Gauge]:
    made = Gauge()
    yield made
    made.over.set()


def test_as_many_as_allowed_run_at_once_and_one_more_is_refused(
    gauge: Gauge, in_thread: Any
) -> None:
    policy = bulkhead(3)

    @policy
    def work() -> str:
        return gauge()

    for _ in range(3):
        in_thread(work)
    until(lambda: len(gauge.inside) == 3)
    assert policy.running == 3
    with pytest.raises(BulkheadFull, match=r"work: 3 calls are running already") as caught:
        work()
    assert caught.value.label.endswith(".work")
    assert gauge.most == 3
    gauge.over.set()
    until(lambda: policy.running == 0)
    assert work() == "done"


def test_a_call_waits_for_a_place_and_no_longer_than_max_wait(
    clock: FakeClock, steps: RecordedSteps
) -> None:
    policy = bulkhead(1, max_wait=timedelta(seconds=5))

    @policy
    def inner() -> None:
        raise AssertionError("it has no place")

    @policy
    def outer() -> None:
        inner()

    with pytest.raises(BulkheadFull, match="within 5 s"):
        outer()
    assert clock.now == 5
    assert steps.kinds() == ["bulkhead_full"]
    assert policy.running == 0
    assert policy.waiting == 0


def test_the_deadline_shortens_the_wait(clock: FakeClock) -> None:
    policy = bulkhead(1, max_wait=60)

    @service("vendor", deadline=2)
    @policy
    def inner() -> None: ...

    @policy
    def outer() -> None:
        inner()

    with pytest.raises(BulkheadFull):
        outer()
    assert clock.now == 2


def test_those_who_wait_go_in_the_order_of_their_coming(in_thread: Any) -> None:
    policy = bulkhead(1, max_wait=REAL_LIMIT)
    went: list[int] = []
    begun, over = threading.Event(), threading.Event()

    @policy
    def block() -> None:
        begun.set()
        assert over.wait(REAL_LIMIT)

    @policy
    def work(number: int) -> None:
        went.append(number)

    in_thread(block)
    assert begun.wait(REAL_LIMIT)
    for number in range(5):
        in_thread(lambda number=number: work(number))
        until(lambda: policy.waiting == number + 1)  # noqa: B023
    over.set()
    until(lambda: len(went) == 5)
    assert went == list(range(5))


def test_nobody_takes_a_free_place_past_those_in_line() -> None:
    """The first in line has been woken, but its thread has not run yet."""
    policy = bulkhead(2)

    @policy
    def work() -> None: ...

    policy._line._join_locked(_Turn(None, urgent=False))
    with pytest.raises(BulkheadFull):
        work()
    assert policy.running == 0


def test_a_wait_is_told_of_once(in_thread: Any, steps: RecordedSteps, clock: FakeClock) -> None:
    policy = bulkhead(1, max_wait=60)
    begun, over = threading.Event(), threading.Event()

    @policy
    def block() -> None:
        begun.set()
        assert over.wait(REAL_LIMIT)

    @policy
    def work() -> None: ...

    in_thread(block)
    assert begun.wait(REAL_LIMIT)
    # Two in line: the first holds the fake time still while it is patient.
    waiter = in_thread(work)
    until(lambda: policy.waiting == 1)
    clock.advance(3)
    over.set()
    waiter.join(REAL_LIMIT)
    (step,) = steps
    assert step.kind == "bulkhead_waited"
    assert step.facts["waited"] >= 3


def test_max_waiting_bounds_the_line(in_thread: Any) -> None:
    policy = bulkhead(1, max_wait=REAL_LIMIT, max_waiting=1)
    begun, over = threading.Event(), threading.Event()

    @policy
    def block() -> None:
        begun.set()
        assert over.wait(REAL_LIMIT)

    @policy
    def work() -> None: ...

    in_thread(block)
    assert begun.wait(REAL_LIMIT)
    in_thread(work)
    until(lambda: policy.waiting == 1)
    with pytest.raises(BulkheadFull):
        work()
    over.set()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_place_comes_back_whatever_ends_the_call(error: type[BaseException]) -> None:
    policy = bulkhead(1)

    @policy
    def work(raises: bool) -> str:
        if raises:
            raise error
        return "done"

    for _ in range(3):
        with pytest.raises(error):
            work(True)
    assert work(False) == "done"
    assert policy.running == 0


def test_a_place_comes_back_when_the_report_of_the_wait_is_interrupted(
    in_thread: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = bulkhead(1)

    def report(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    @policy
    def work() -> None: ...

    call: Any = type("Interrupted", (), {"report": report})()
    policy._attempt(0)
    with pytest.raises(KeyboardInterrupt):
        policy._tell_of_wait(call, 1.0)
    assert policy.running == 0


def test_functions_that_share_it_share_its_places() -> None:
    policy = bulkhead(1)

    @policy
    def inner() -> None: ...

    @policy
    def outer() -> None:
        inner()

    with pytest.raises(BulkheadFull):
        outer()

    @bulkhead(1)
    def apart() -> str:
        return "done"

    @policy
    def other() -> str:
        return apart()

    assert other() == "done"


def test_it_decorates_functions_and_methods_bare_and_called() -> None:
    @bulkhead
    def plain(number: int) -> int:
        return number

    class Client:
        @bulkhead(limit=2)
        def fetch(self, number: int) -> tuple[Client, int]:
            return self, number

        @bulkhead
        @staticmethod
        def static(number: int) -> int:
            return number

    client = Client()
    assert plain(3) == 3
    assert client.fetch(4) == (client, 4)
    assert Client.static(5) == 5
    assert plain.resilient.policy("bulkhead").limit == 10


@pytest.mark.parametrize("how", ["policy", "service"])
def test_observing_refuses_nothing_and_records_what_it_would_have(
    how: str, steps: RecordedSteps, clock: FakeClock
) -> None:
    policy = bulkhead(1, max_wait=5, mode="observe" if how == "policy" else "enforce")
    around = service("vendor", mode="enforce" if how == "policy" else "observe")

    @around
    @policy
    def work(depth: int) -> int:
        return depth if depth == 0 else work(depth - 1) + 1

    assert work(2) == 2
    assert steps.kinds() == ["would_bulkhead", "would_bulkhead"]
    assert clock.now == 0
    # Those that had no place have given none back.
    assert policy.running == 0
    assert len(policy._free) == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"limit": 0}, "bulkhead(limit=0): use a whole number of 1 or more"),
        ({"limit": -1}, "bulkhead(limit=-1)"),
        ({"limit": 2.5}, "bulkhead(limit=2.5)"),
        ({"limit": True}, "bulkhead(limit=True)"),
        ({"max_wait": -1}, "bulkhead(max_wait=-1)"),
        ({"max_wait": "5"}, "bulkhead(max_wait='5')"),
        ({"max_waiting": 0}, "bulkhead(max_waiting=0)"),
        ({"mode": "watch"}, "use 'enforce' or 'observe'"),
        ({"limits": 3}, "did you mean limit?"),
    ],
    ids=str,
)
def test_bad_options_are_refused_with_what_to_use(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        bulkhead(**options)
    assert text in str(caught.value)


def test_settings_are_shown() -> None:
    assert repr(bulkhead(3, max_wait=2)) == "bulkhead(limit=3, max_wait=2)"


@pytest.mark.stress
def test_sixteen_threads_never_exceed_the_limit_and_no_place_is_lost() -> None:
    policy = bulkhead(3, max_wait=60)
    inside: list[None] = []
    most = [0]
    start = threading.Barrier(16)

    @policy
    def work() -> None:
        inside.append(None)
        most[0] = max(most[0], len(inside))
        time.sleep(0)
        inside.pop()

    def many() -> None:
        start.wait()
        for _ in range(300):
            work()

    threads = [threading.Thread(target=many) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 3
    assert policy.running == 0
    assert policy.waiting == 0
