"""What it costs to read and to dump the figures of many functions, and what calls pay meanwhile."""

from __future__ import annotations

import itertools
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any
from wsgiref.util import setup_testing_defaults

from loguru import logger
from prometheus_client import CollectorRegistry, generate_latest

from resilient import breaker, retry, service, throttled
from resilient.diagnostics import dump_stats, log_to
from resilient.diagnostics.dashboard import Live, dashboard
from resilient.diagnostics.prometheus import install_prometheus
from resilient.registry import registry

FUNCTIONS = 1_000
SERVICES = 20
EARLIER, SINCE = 60, 3
"""Calls of each function before the first round, and in each round."""

THREADS = 16
CALLS = 4_000
"""Of each thread, in one round."""

SOME = 20
PAUSE = 0.1
"""Seconds between two looks at SOME functions while threads run: a dump, a scrape of Prometheus's,
a page of the dashboard, and so on. Each comes thirty to fifty times as often as anybody needs."""


@dataclass(frozen=True)
class Cost:
    """In milliseconds. best: the round that others disturbed least. median: of wall time."""

    what: str
    best: float
    cpu: float
    median: float
    aim: float


Function = Callable[[float], float]


def decorated(functions: int) -> list[Function]:
    """Functions with policies of their own, and the figures of calls that took their time."""
    draw = random.Random(5)
    made = []
    for number in range(functions):
        function = _decorated(f"service-{number % SERVICES}", f"function_{number}")
        figures = function.resilient.figures  # type: ignore[attr-defined]
        typical = draw.uniform(0.01, 0.5)
        figures.durations += [typical * draw.lognormvariate(0, 0.3) for _ in range(EARLIER)]
        figures.fold()
        made.append(function)
    return made


def _decorated(named: str, name: str) -> Function:
    def work(seconds: float) -> float:
        return seconds

    work.__name__ = work.__qualname__ = name
    throttle, protect = throttled("1000000/hour"), breaker()
    return service(named)(retry(protect(throttle(work))))


def milliseconds(rounds: int) -> list[Cost]:
    """A snapshot, and a dump into a JSON log; all functions were called since the last one."""
    functions = decorated(FUNCTIONS)
    times: dict[str, list[tuple[float, float]]] = {"a snapshot": [], "a dump into a JSON log": []}
    jobs: list[Callable[[], object]] = [registry.snapshot, dump_stats]
    logger.remove()  # loguru's own, on stderr
    with tempfile.TemporaryDirectory() as folder:
        sink = log_to(os.path.join(folder, "stats.log"), serialize=True)
        try:
            for turn in range(-1, rounds):
                for what, job in zip(times, jobs, strict=True):
                    _call_all(functions)
                    wall, cpu = time.perf_counter(), time.process_time()
                    job()
                    took = time.perf_counter() - wall, time.process_time() - cpu
                    if turn >= 0:  # the first round warms up
                        times[what].append(took)
        finally:
            logger.remove(sink)
    return [_cost(what, times[what], aim) for what, aim in zip(times, (20, 100), strict=True)]


def _call_all(functions: Sequence[Function]) -> None:
    for function in functions:
        for _ in range(SINCE):
            function(0.0)


def _cost(what: str, times: Sequence[tuple[float, float]], aim: float) -> Cost:
    walls, cpus = zip(*times, strict=True)
    return Cost(what, 1e3 * min(walls), 1e3 * min(cpus), 1e3 * median(walls), aim)


def ratio_while_looked_at(rounds: int) -> float:
    """How many times as long threads take for their calls while stats are dumped, scraped and
    served; checks totals.

    A round is one run without and one with looks, in turns, so that a machine's moods cancel out.
    """

    @service("bench")
    @retry
    def shared(number: int) -> int:
        return number

    registry.reset()  # or what was dumped before would be dumped again
    some = decorated(SOME)
    ratios = []
    before = shared.resilient.stats()["calls"]
    logger.remove()  # loguru's own, on stderr
    looks = [dump_stats, scrape(), serve()]
    with tempfile.TemporaryDirectory() as folder:
        sink = log_to(os.path.join(folder, "stats.log"), serialize=True)
        try:
            for _ in range(rounds):
                alone = _seconds(shared)
                stopped = threading.Event()
                looker = threading.Thread(target=_look_until, args=(stopped, looks))
                looker.start()
                ratios.append(_seconds(shared) / alone)
                stopped.set()
                looker.join()
        finally:
            logger.remove(sink)
    if len(registry.snapshot()["functions"]) != len(some) + 1:
        raise AssertionError("other functions were dumped than those that were meant")
    counted = shared.resilient.stats()["calls"] - before
    if counted != 2 * rounds * THREADS * CALLS:
        raise AssertionError(f"{counted} calls were counted of {2 * rounds * THREADS * CALLS}")
    return median(ratios)


def scrape() -> Callable[[], object]:
    """What Prometheus asks for."""
    scraped = CollectorRegistry()
    install_prometheus(scraped)
    return lambda: generate_latest(scraped)


def serve() -> Callable[[], object]:
    """The dashboard's first page, from the figures as they are now."""
    board = dashboard()
    source = board.source
    assert isinstance(source, Live)
    environ: dict[str, Any] = {"REMOTE_ADDR": "127.0.0.1"}
    setup_testing_defaults(environ)

    def page() -> bytes:
        source.look()
        return b"".join(board(dict(environ), lambda *_: None))

    assert b"function_0" in page()
    return page


def _look_until(stopped: threading.Event, looks: Sequence[Callable[[], object]]) -> None:
    for look in itertools.cycle(looks):
        if stopped.wait(PAUSE):
            return
        look()


def _seconds(function: Callable[[int], object]) -> float:
    def work() -> None:
        for number in range(CALLS):
            function(number)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started
