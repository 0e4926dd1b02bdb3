"""What resilient costs besides time per call: its import, its memory, and threads that queue."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

THREADS = 8
PAUSE = 0.1
"""Seconds that the function of the thread test takes."""

_COMPILED = Path(tempfile.gettempdir()) / f"resilient-bench-{os.getuid()}"

_IMPORT = """
import sys, time
sys.modules.update(dict.fromkeys({hidden}))
started = time.perf_counter()
import {modules}
print(time.perf_counter() - started)
"""

# One function is decorated and called first: what all functions share is not counted. The period
# is short, because the log of admissions has as many entries as the vendor's quota allows calls.
_MEMORY = """
import gc, json, tracemalloc
from resilient import breaker, cached, fallback, retry, service, throttled

def decorated():
    @service("bench")
    @fallback(None)
    @cached(ttl=60, max_entries=16)
    @retry(attempts=3)
    @breaker()
    @throttled(calls=10**6, period=0.001)
    def nothing(number):
        return number
    return nothing

FUNCTIONS = 200
first = decorated()
for number in range(2000):
    first(number)
figures = {}
gc.collect()
tracemalloc.start()
before = tracemalloc.get_traced_memory()[0]
functions = [decorated() for _ in range(FUNCTIONS)]
done = 0
for calls in (0, 20, 500):
    for function in functions:
        for number in range(done, calls):
            function(number)
    done = calls
    gc.collect()
    figures[calls] = (tracemalloc.get_traced_memory()[0] - before) / FUNCTIONS
print(json.dumps(figures))
"""


PYBREAKER_LOADS = ("redis", "tornado")
"""Optional libraries that `import pybreaker` loads by itself where they are installed."""


def import_ratio(rounds: int, hidden: Sequence[str] = ()) -> tuple[float, float, float]:
    """Seconds of `import resilient`, of `import requests, loguru`, and the median of their ratios.

    Each import has a process of its own, the two take turns, and the first of each is not counted.

    hidden: modules that are as if they were not installed.
    """
    ours: list[float] = []
    peer: list[float] = []
    for _ in range(rounds + 1):
        ours.append(float(_python(_IMPORT.format(modules="resilient", hidden=hidden))))
        peer.append(float(_python(_IMPORT.format(modules="requests, loguru", hidden=hidden))))
    ratios = [one / other for one, other in zip(ours[1:], peer[1:], strict=True)]
    return median(ours[1:]), median(peer[1:]), median(ratios)


def memory_per_function() -> dict[int, float]:
    """Bytes per function under the six decorators, by the number of calls it has had."""
    figures: dict[str, float] = json.loads(_python(_MEMORY))
    return {int(calls): size for calls, size in figures.items()}


def seconds_of_threads() -> dict[str, float]:
    """How long THREADS threads take to call a function of PAUSE seconds, once each, by breaker."""
    import pybreaker

    from resilient import breaker

    def pause() -> None:
        time.sleep(PAUSE)

    contenders: dict[str, Callable[[], None]] = {
        "no breaker": pause,
        "resilient": breaker()(pause),
        "pybreaker": pybreaker.CircuitBreaker()(pause),
    }
    return {name: _together(function) for name, function in contenders.items()}


def _together(function: Callable[[], None]) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        for future in [pool.submit(function) for _ in range(THREADS)]:
            future.result()
    return time.perf_counter() - started


def _python(program: str) -> str:
    # As an installed package is loaded: compiled by the run that is not counted.
    variables = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    variables["PYTHONPYCACHEPREFIX"] = str(_COMPILED)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env=variables,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout
