"""What it costs to read and to dump the figures of many functions, and what calls pay meanwhile."""

from __future__ import annotations

import os
import random
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles

from loguru import logger

from resilient import retry, service
from resilient.call import Call, Exchange, Outcome, Step, Target, Verdict
from resilient.diagnostics import dump_stats, log_to
from resilient.registry import FunctionStats, Registry, registry
from resilient.timing import BATCH

FUNCTIONS = 1_000
THREADS = 16
CALLS = 4_000
"""Of each thread, in one round."""

SOME = 20
PAUSE = 0.1
"""Seconds between two dumps of SOME functions while threads run: a hundred times as often as
anybody needs them."""

_OUTCOMES = (
    Outcome(Verdict.OK),
    Outcome(Verdict.TRANSIENT, "503"),
    Outcome(Verdict.TRANSIENT, "ConnectTimeout"),
    Outcome(Verdict.THROTTLED, "429"),
)


@dataclass(frozen=True)
class Cost:
    """value: the median. spread: what half of the rounds lie between. All in milliseconds."""

    what: str
    value: float
    spread: tuple[float, float]
    aim: float


def called(functions: int) -> Registry:
    """Functions with a few outcomes, hosts and kinds of steps each."""
    made = Registry()
    draw = random.Random(5)
    for number in range(functions):
        stats = made.stats_of(f"service-{number % 20}", f"function_{number}")
        typical = draw.uniform(0.01, 0.5)
        for outcome in _OUTCOMES:
            _call(stats, outcome, number)
        stats.durations += [typical * draw.lognormvariate(0, 0.3) for _ in range(40)]
        stats.saved += [typical] * 3
        stats.fold()
    return made


def _call(stats: FunctionStats, outcome: Outcome, number: int) -> None:
    call = Call.of(Target(print, service=stats.service, name=stats.name))
    exchanges = []
    for host in ("api.example.com", "uploads.example.com", f"eu-{number}.example.com"):
        exchange = Exchange("GET", host, 0.0)
        exchange.elapsed = 0.01 * (1 + number % 7)
        exchanges.append(exchange)
    call.exchanges = exchanges
    steps = [Step("retry", call.target.label, "again", {"waited": 0.5}, 0.0)]
    if outcome.verdict is not Verdict.OK:
        steps.append(Step("throttled", call.target.label, "waits", {"waited": 0.1}, 0.0))
        call.outcome = outcome
    call.steps = steps
    stats.record(call)


def milliseconds(rounds: int) -> list[Cost]:
    """A snapshot, and a dump into a JSON log; each function has had some calls since the last."""
    many = called(FUNCTIONS)
    times: dict[str, list[float]] = {"a snapshot": [], "a dump into a JSON log": []}
    jobs: list[Callable[[], object]] = [many.snapshot, lambda: dump_stats(many)]
    logger.remove()  # loguru's own, on stderr
    with tempfile.TemporaryDirectory() as folder:
        sink = log_to(os.path.join(folder, "stats.log"), serialize=True)
        try:
            for turn in range(-1, rounds):
                for what, job in zip(times, jobs, strict=True):
                    _call_all(many)
                    started = time.perf_counter()
                    job()
                    if turn >= 0:  # the first round warms up
                        times[what].append(1e3 * (time.perf_counter() - started))
        finally:
            logger.remove(sink)
    return [_cost(what, times[what], aim) for what, aim in zip(times, (20, 100), strict=True)]


def _call_all(many: Registry) -> None:
    for data in many.snapshot()["functions"]:
        stats = many.stats_of(data["service"], data["function"])
        stats.durations += [data["latency"]["p50"]] * 3
        if len(stats.durations) >= BATCH:
            stats.fold()


def _cost(what: str, times: list[float], aim: float) -> Cost:
    low, _, high = quantiles(times, n=4)
    return Cost(what, median(times), (low, high), aim)


def ratio_while_dumped(rounds: int) -> float:
    """How many times as long threads take for their calls while stats are dumped; checks totals.

    A round is one run without and one with dumps, in turns, so that a machine's moods cancel out.
    """

    @service("bench")
    @retry
    def shared(number: int) -> int:
        return number

    some = called(SOME)
    ratios = []
    before = shared.resilient.stats()["calls"]
    logger.remove()  # loguru's own, on stderr
    with tempfile.TemporaryDirectory() as folder:
        sink = log_to(os.path.join(folder, "stats.log"), serialize=True)
        try:
            for _ in range(rounds):
                alone = _seconds(shared)
                stopped = threading.Event()
                dumper = threading.Thread(target=_dump_until, args=(stopped, some))
                dumper.start()
                ratios.append(_seconds(shared) / alone)
                stopped.set()
                dumper.join()
        finally:
            logger.remove(sink)
    counted = shared.resilient.stats()["calls"] - before
    if counted != 2 * rounds * THREADS * CALLS:
        raise AssertionError(f"{counted} calls were counted of {2 * rounds * THREADS * CALLS}")
    return median(ratios)


def _dump_until(stopped: threading.Event, some: Registry) -> None:
    while not stopped.wait(PAUSE):
        dump_stats(registry)
        dump_stats(some)


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
