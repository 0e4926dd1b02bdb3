"""Callers, a vendor and time, simulated: deterministic, and minutes take milliseconds.

Each caller is a thread, but one at a time runs, until it sleeps or waits in line; then the time
moves on to whoever is due next. So the policy's own code is under test, its lines and wake-ups
included, and a run repeats itself. Whoever holds a lock while it waits hangs the run, and whoever
asks without end is caught by `MOST_STEPS`.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import math
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, NamedTuple

from resilient import RateLimited, throttled
from resilient.call import Exchange, current
from resilient.testing import fake_clock
from resilient.timing import clock
from tests.loads.quotas import Decision, Fixed, QuotaSpec

MOST_STEPS = 200_000
"""Turns of one run; more is a busy loop."""

Headers = dict[str, str]


class Over(BaseException):
    """The run is over: unwinds the callers as Ctrl-C would."""


def closed_lock() -> threading.Lock:
    """A semaphore of 0 that is handed over in a tenth of a `threading.Semaphore`'s time."""
    lock = threading.Lock()
    lock.acquire()
    return lock


class Task:
    """One thread, which runs only when it is told to."""

    def __init__(self, time: Time, work: Callable[[], object]) -> None:
        self.event: threading.Event | None = None
        self.turn = 0  # grows with each wait, so that older alarms are recognized
        self.error: BaseException | None = None
        self._time = time
        self._work = work
        self._go = closed_lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def resume(self) -> None:
        """Run it until it waits or ends."""
        self.turn += 1
        self.event = None
        self._go.release()
        self._time.back.acquire()

    def pause(self) -> None:
        """Called by the thread itself: let the others run."""
        self._time.back.release()
        self._go.acquire()
        if self._time.is_over:
            raise Over

    def _run(self) -> None:
        self._go.acquire()
        try:
            if not self._time.is_over:
                self._work()
        except Over:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self._time.tasks.remove(self)
            self._time.errors += [self.error] if self.error else []
            self._time.back.release()


class Time:
    """What moves the time, and lets whoever is due run. Stands in for the clock in force.

    lateness: seconds a thread takes at most to run after it was woken.
    """

    def __init__(self, chance: random.Random, lateness: float) -> None:
        self.now = 0.0
        self.tasks: list[Task] = []
        self.errors: list[BaseException] = []
        self.back = closed_lock()
        self.is_over = False
        self.steps = 0
        self._chance = chance
        self._lateness = lateness
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._running: Task | None = None

    def at(self, moment: float, step: Callable[[], None]) -> None:
        """Do something at a moment (monotonic seconds)."""
        self._count += 1
        heapq.heappush(self._due, (moment, self._count, step))

    def spawn(self, work: Callable[[], object], at: float = 0.0) -> None:
        """Start a thread at a moment."""
        task = Task(self, work)
        self.tasks.append(task)
        self._wake(task, at)

    def run(self, until: float) -> None:
        """Let the time pass until then."""
        while self._due and self._due[0][0] <= until:
            self.steps += 1
            assert self.steps < MOST_STEPS, f"a busy loop at {self.now} s"
            self.now, _, step = heapq.heappop(self._due)
            step()
            if self.errors:
                raise self.errors[0]
            for task in self.tasks:
                if task.event is not None and task.event.is_set():
                    task.event = None
                    self._wake(task, self.now + self._chance.uniform(0, self._lateness))
        self.now = until

    def end(self) -> None:
        """Unwind all threads."""
        self.is_over = True
        while self.tasks:
            self.tasks[0].resume()

    def sleep(self, seconds: float) -> None:
        """Stands in for `clock.sleep`."""
        assert 0 <= seconds < math.inf, seconds
        task = self._current()
        self._wake(task, self.now + seconds)
        task.pause()

    def wait(self, event: threading.Event, timeout: float | None) -> bool:
        """Stands in for `clock.wait`."""
        assert timeout is None or timeout >= 0, timeout
        if event.is_set():
            return True
        task = self._current()
        task.event = event
        if timeout is not None:
            late = self._chance.uniform(0, self._lateness)
            self._wake(task, max(self.now + timeout, math.nextafter(self.now, math.inf)) + late)
        task.pause()
        return event.is_set()

    def monotonic(self) -> float:
        """Stands in for `clock.monotonic`."""
        return self.now

    def _wake(self, task: Task, at: float) -> None:
        turn = task.turn

        def resume() -> None:
            if task.turn == turn and task in self.tasks:
                self._running = task
                task.resume()

        self.at(at, resume)

    def _current(self) -> Task:
        assert self._running is not None
        return self._running


class Sent(NamedTuple):
    """One request as the vendor saw it."""

    at: float
    path: str
    is_ours: bool
    admitted: bool
    window: int


@dataclass(frozen=True)
class World:
    """What a run is about.

    quotas: by path. dialect: how the quota is told, see `headers_of`. retry_after: is it sent?
    others: the share of each quota that somebody else spends, "evenly" or in "bursts".
    callers: how many for each path. latency: seconds before and after a request is counted.
    work: seconds a caller takes between two calls. lateness: see Time.
    """

    quotas: Mapping[str, QuotaSpec]
    dialect: str = "none"
    retry_after: bool = False
    others: float = 0.0
    spending: str = "evenly"
    callers: int = 8
    latency: float = 0.02
    work: float = 0.0
    lateness: float = 0.002
    seed: int = 1
    names: bool = False
    unix: float = 1_767_225_600.0
    answer: Callable[[random.Random, float], tuple[int, Headers]] | None = None


@dataclass
class Run:
    """A run, and what came of it."""

    world: World
    time: Time
    chance: random.Random
    quotas: dict[str, Any]
    sent: list[Sent] = field(default_factory=list)
    refused_by_us: list[tuple[float, str, float]] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    counts: Counter[tuple[str, int]] = field(default_factory=Counter)
    throttle: Any = None

    def request(self, path: str) -> int:
        """One request of the open call, as the observer would see it."""
        call = current.get()
        assert call is not None
        call.admit_request()
        exchange = Exchange("GET", "vendor.example", clock.monotonic())
        call.add_exchange(exchange)
        self.time.sleep(self.chance.uniform(0, self.world.latency))
        status, headers = self.count(path, is_ours=True)
        self.time.sleep(self.chance.uniform(0, self.world.latency))
        exchange.elapsed = clock.monotonic() - exchange.started
        exchange.headers = headers
        exchange.status = status
        for gate in call.target.gates:
            gate.answered(call, exchange)
        return status

    def count(self, path: str, *, is_ours: bool) -> tuple[int, Headers]:
        """What the vendor makes of a request."""
        now = self.time.now
        if self.world.answer is not None:
            status, headers = self.world.answer(self.chance, now)
            self.sent.append(Sent(now, path, is_ours, status < 400, 0))
            return status, headers
        quota = self.quotas[path]
        decision = quota.ask(now)
        self.sent.append(Sent(now, path, is_ours, decision.admitted, decision.window))
        headers = headers_of(self.world, quota.spec, path, decision)
        if not decision.admitted and self.world.retry_after:
            headers["Retry-After"] = str(math.ceil(decision.retry_in))
        return (200 if decision.admitted else 429), headers

    def call_for_ever(self, function: Callable[[str], object], path: str, number: int) -> None:
        """One caller: call after call; a refusal of ours is waited out."""
        while True:
            try:
                function(path)
                self.calls[path] += 1
                self.counts[path, number] += 1
            except RateLimited as refusal:
                wait = refusal.retry_after or 0.0
                self.refused_by_us.append((self.time.now, path, wait))
                self.time.sleep(max(wait, 0.01))
            if self.world.work:
                self.time.sleep(self.chance.uniform(0, self.world.work))

    def spend(self, path: str) -> None:
        """Be the other client of a quota, from now on."""
        spec = self.quotas[path].spec
        share = spec.calls * self.world.others
        at_once, pause = 1, spec.period / share
        first = self.time.now
        if self.world.spending == "bursts":
            at_once, pause = round(share), spec.period
            if isinstance(self.quotas[path], Fixed):
                self.quotas[path].anchor = first

        def spend(turn: int) -> None:
            for _ in range(at_once):
                self.count(path, is_ours=False)
            self.time.at(first + (turn + 1) * pause + 0.001, lambda: spend(turn + 1))

        spend(0)

    # What came of it.

    @property
    def each_caller(self) -> dict[str, list[int]]:
        """How many calls each caller of a path has made."""
        numbers = range(self.world.callers)
        return {path: [self.counts[path, one] for one in numbers] for path in self.quotas}

    def refusals(self, since: float = 0.0, path: str | None = None) -> list[Sent]:
        """Refusals of ours, by the vendor."""
        return [one for one in self.ours(since, path) if not one.admitted]

    def ours(self, since: float = 0.0, path: str | None = None) -> list[Sent]:
        """Requests of ours."""
        return [
            one
            for one in self.sent
            if one.is_ours and one.at >= since and (path is None or one.path == path)
        ]

    def used(self, since: float = 0.0, path: str = "/", until: float = math.inf) -> float:
        """The share used of what the quota allowed, by everybody, window by window."""
        spec: QuotaSpec = self.quotas[path].spec
        admitted = [one for one in self.sent if one.path == path and one.admitted]
        if isinstance(self.quotas[path], Fixed):
            per_window: dict[int, int] = defaultdict(int)
            for one in admitted:
                per_window[one.window] += 1
            begun = [one.window for one in admitted if one.at >= since]
            whole = range(min(begun) + 1, max(begun))
            assert whole, "no whole window: run it longer"
            return sum(per_window[window] for window in whole) / (spec.calls * len(whole))
        end = min(until, self.time.now)
        count = sum(since <= one.at < end for one in admitted)
        return count / (spec.calls * (end - since) / spec.period)

    def longest_silence(self, since: float = 0.0) -> float:
        """Seconds in which no request of ours reached the vendor."""
        moments = [since, *(one.at for one in self.ours(since)), self.time.now]
        return max(later - sooner for sooner, later in itertools.pairwise(moments))


def headers_of(world: World, spec: QuotaSpec, path: str, decision: Decision) -> Headers:
    """How the vendor tells of its quota.

    none; no-reset; float, ceil, floor, round: seconds until the reset; epoch-ceil, epoch-floor:
    Unix seconds.
    """
    if world.dialect == "none":
        return {}
    told = {"X-RateLimit-Limit": str(spec.calls), "X-RateLimit-Remaining": str(decision.remaining)}
    told["Date"] = formatdate(clock.time(), usegmt=True)
    if world.names:
        told["X-RateLimit-Resource"] = path.strip("/")
    left = decision.reset_in
    resets: dict[str, Callable[[], object]] = {
        "float": lambda: f"{left:.3f}",
        "ceil": lambda: math.ceil(left),
        "floor": lambda: math.floor(left),
        "round": lambda: round(left),
        "epoch-ceil": lambda: math.ceil(clock.time() + left),
        "epoch-floor": lambda: math.floor(clock.time() + left),
    }
    if world.dialect != "no-reset":
        told["X-RateLimit-Reset"] = str(resets[world.dialect]())
    return told


@contextmanager
def simulated(
    world: World,
    policy: Callable[[], Any] = throttled,
    paths: Sequence[str] | None = None,
    requests: Callable[[random.Random], int] = lambda chance: 1,
) -> Iterator[Run]:
    """A run whose callers have been started; `run.time.run(seconds)` lets them call.

    policy: makes the throttle that all of them share. requests: how many one call sends. When the
    block ends, all callers are interrupted, and everything they held must have come back.
    """
    chance = random.Random(world.seed)
    with fake_clock(unix=world.unix, uniform=chance.uniform):
        time = Time(chance, world.lateness)
        clock.monotonic, clock.sleep, clock.wait = time.monotonic, time.sleep, time.wait
        clock.time = lambda: world.unix + time.now
        run = Run(world, time, chance, {path: spec.make() for path, spec in world.quotas.items()})
        throttle = run.throttle = policy()
        for path in paths or world.quotas:

            def fetch(path: str) -> list[int]:
                return [run.request(path) for _ in range(requests(chance))]

            fetch.__name__ = fetch.__qualname__ = "fetch" + path.replace("/", "_")
            function = throttle(fetch)
            for number in range(world.callers):
                work = functools.partial(run.call_for_ever, function, path, number)
                time.spawn(work, number * 1e-4)
            if world.others:
                time.at(0.0, functools.partial(run.spend, path))
        try:
            yield run
        finally:
            time.end()
        assert_all_is_back(throttle)


def assert_all_is_back(throttle: Any) -> None:
    """Nobody waits any more, and nothing is held."""
    assert throttle.waiting == 0
    for quota in throttle._all_quotas():
        assert not quota.line._groups
        assert quota._ramp.under_way == 0
        assert [bucket.ramp.under_way for bucket in quota.buckets.all.values()] == [0] * len(
            quota.buckets.all
        )
        assert [log.running for log in quota.logs] == [0] * len(quota.logs)
