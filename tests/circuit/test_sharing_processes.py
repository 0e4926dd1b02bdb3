"""One circuit for several processes, over a SQLite file and a real server."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resilient import BreakerOpen, breaker, service
from resilient.sharing.opening import open_state
from tests.circuit import sharing_workers
from tests.circuit.sharing_workers import LIMIT
from tests.real_time import real_time
from tests.threads import until
from tests.valkey import running_valkey

pytestmark = [pytest.mark.stress, real_time]

SOON = 0.25
"""Seconds within which others see a trip."""

SPAWN = multiprocessing.get_context("spawn")

DATABASES = itertools.count()
"""Of the server."""


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with running_valkey(databases=64) as server:
        yield server


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a store that nobody uses yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    pytest.importorskip("redis")
    port = request.getfixturevalue("server").port
    # A database of its own: breakers of the last test, which nobody has collected yet, see that all
    # is gone from theirs, and tell how the circuit stood.
    return f"redis://127.0.0.1:{port}/{next(DATABASES)}"


class Processes:
    """Started together, once all of them are ready."""

    def __init__(self) -> None:
        self.told: Any = SPAWN.Queue()
        self.go = SPAWN.Event()
        self.started: list[Any] = []

    def add(self, work: Callable[..., None], *given: Any) -> None:
        process = SPAWN.Process(target=work, args=(*given, self.told, self.go), daemon=True)
        process.start()
        self.started.append(process)

    def let_go(self) -> None:
        for _ in self.started:
            assert self.told.get(timeout=LIMIT)[0] == "ready"
        time.sleep(0.25)  # each has heard how the circuit stands
        self.go.set()

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.join(LIMIT)

    def hear(self) -> tuple[str, float]:
        told: tuple[str, float] = self.told.get(timeout=LIMIT)
        return told


@pytest.fixture
def processes() -> Iterator[Processes]:
    processes = Processes()
    yield processes
    processes.end()


def test_a_trip_in_one_process_is_seen_by_the_others_within_a_quarter_second(
    url: str, processes: Processes
) -> None:
    processes.add(sharing_workers.trips, url, "state")
    for _ in range(3):
        processes.add(sharing_workers.watches, url, "state")
    processes.let_go()
    told = [processes.hear() for _ in range(4)]
    (tripped,) = [moment for word, moment in told if word == "tripped"]
    seen = [moment - tripped for word, moment in told if word == "open"]
    print("seen within", [f"{1000 * one:.0f} ms" for one in sorted(seen)])
    assert len(seen) == 3
    assert max(seen) < SOON


def test_failures_of_several_processes_open_it_for_all_within_a_quarter_second(
    url: str, processes: Processes
) -> None:
    for _ in range(4):
        processes.add(sharing_workers.fails_once, url)
    processes.let_go()
    began = time.monotonic()
    told = [processes.hear() for _ in range(4)]
    print("open after", [f"{1000 * (moment - began):.0f} ms" for _, moment in told])
    assert {word for word, _ in told} == {"open"}
    assert max(moment for _, moment in told) - began < SOON + 0.1


@pytest.mark.parametrize("most", [1, 2])
def test_no_more_probes_than_agreed_reach_the_vendor_from_all_processes(
    url: str, most: int, processes: Processes
) -> None:
    under_way, worst, calls = (SPAWN.Value("i", 0) for _ in range(3))
    for _ in range(4):
        processes.add(sharing_workers.probes, url, most, under_way, worst, calls)
    processes.let_go()
    for _ in range(4):
        assert processes.hear()[0] == "done"
    print(f"{calls.value} probes, at most {worst.value} at once")
    assert calls.value > 0
    assert worst.value <= most


def test_a_process_that_is_killed_while_it_probes_does_not_keep_it_half_open(
    url: str, processes: Processes
) -> None:
    processes.add(sharing_workers.dies_probing, url)
    processes.let_go()
    assert processes.hear()[0] == "probing"
    state = open_state(url, timeout=10)
    guard = breaker(store=state, name="github", shared="state", reset_timeout=0.5)
    function = service("github")(guard(lambda: "fine"))
    state.step_now()
    assert guard.current_state == "half-open"
    end = time.monotonic() + LIMIT
    while guard.current_state != "closed":
        assert time.monotonic() < end
        with contextlib.suppress(BreakerOpen):
            function()
        time.sleep(0.01)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_shares_the_circuit_of_its_parent(url: str) -> None:
    state = open_state(url, timeout=10)
    guard = breaker(store=state, name="github", shared="state")
    function = service("github")(guard(sharing_workers._down))
    state.step_now()
    child = os.fork()
    if not child:
        for _ in range(5):
            with contextlib.suppress(ConnectionError):
                function()
        time.sleep(LIMIT)
        os._exit(1)
    end = time.monotonic() + LIMIT
    while guard.current_state != "open" and time.monotonic() < end:
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert guard.current_state == "open"


def test_a_server_that_is_stopped_and_started_again_costs_no_call() -> None:
    with running_valkey() as first:
        port = first.port
        guard = breaker(store=f"redis://127.0.0.1:{port}/0", name="github", shared="state")
        function = service("github")(guard(lambda: "fine"))
        mirror = guard._mirror
        assert mirror is not None
        mirror.state.step_now()
        guard.isolate()
        guard.reset()
        mirror.state.step_now()
    longest = 0.0
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        before = time.monotonic()
        assert function() == "fine"
        longest = max(longest, time.monotonic() - before)
        time.sleep(0.001)
    assert mirror.state.is_down
    guard.isolate()
    with running_valkey(port=port):
        until(lambda: mirror.forced == "isolated")
        other = breaker(store=f"redis://127.0.0.1:{port}/0", name="github")
        other_function = service("github")(other(lambda: "fine"))
        until(lambda: other._forced)
        with pytest.raises(BreakerOpen, match="isolated"):
            other_function()
    print(f"the longest call took {1000 * longest:.1f} ms")
    assert longest < SOON


def test_threads_that_fail_probe_and_reset_at_once_leave_a_circuit_that_works(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'state.db'}"
    guard = breaker(
        store=open_state(url, timeout=10), name="github", shared="state",
        fail_max=2, reset_timeout=0.01, max_reset_timeout=0.01, success_threshold=1,
    )  # fmt: skip
    numbers = itertools.count()

    def vendor() -> None:
        if next(numbers) % 3:
            raise ConnectionError("down")

    function = service("github")(guard(vendor))
    end = time.monotonic() + 2
    odd: list[BaseException] = []

    def hammer(number: int) -> None:
        while time.monotonic() < end:
            try:
                function()
            except (BreakerOpen, ConnectionError):
                pass
            except BaseException as error:
                odd.append(error)
            if number == 0:
                guard.reset()
            time.sleep(0.001)

    threads = [threading.Thread(target=hammer, args=(number,), daemon=True) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert odd == []
    fine = service("github")(guard(lambda: "fine"))

    def works() -> bool:
        try:
            return fine() == "fine"
        except BreakerOpen:
            return False

    until(works)
