"""What workers have done, each in its own way and all at once, is what the store knows of it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from resilient import open_state
from resilient.sharing.shapes import Ask, BudgetReport, CircuitReport, CircuitTerms

pytestmark = pytest.mark.stress

SLOTS = 60_000

BURST = """
import json, multiprocessing, random, sys, threading, time
from loguru import logger
from resilient import breaker, open_state, retry, service, throttled

logger.remove()

def work(number, told):
    chance = random.Random(f"{sys.argv[2]} {number}")
    store = open_state(sys.argv[1], timeout=10)  # however busy the machine is, nothing is lost
    shop = service(
        "shop",
        retry(attempts=2, wait=0, budget=0.5, store=store),
        breaker(failure_rate=None, fail_max=10**6, window=600, store=store),
        throttled("60000/minute", max_wait=1, store=store),
    )
    tally = {"calls": 0, "attempts": 0, "failed": 0}
    lock = threading.Lock()
    rate = chance.choice([0, 0.05, 0.3])

    @shop
    def fetch():
        fails = chance.random() < rate
        with lock:
            tally["attempts"] += 1
            tally["failed"] += fails
        if fails:
            raise ConnectionError

    count, pause = chance.choice([(1, 0), (5, 0.02), (40, 0.003), (150, 0)])

    def call():
        time.sleep(chance.choice([0, 0, 0.12]))
        for _ in range(count):
            with lock:
                tally["calls"] += 1
            try:
                fetch()
            except ConnectionError:
                pass
            time.sleep(chance.random() * pause)

    threads = [threading.Thread(target=call) for _ in range(chance.choice([1, 4]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told.send(tally)

forking = multiprocessing.get_context("fork")
pipes = [forking.Pipe(duplex=False) for _ in range(3)]
workers = [forking.Process(target=work, args=(n, pipe[1])) for n, pipe in enumerate(pipes)]
for worker in workers:
    worker.start()
tallies = [pipe[0].recv() for pipe in pipes]
for worker in workers:
    worker.join()
print(json.dumps({name: sum(tally[name] for tally in tallies) for name in tallies[0]}))
"""


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state.db'}"
    pytest.importorskip("redis")
    server: Any = request.getfixturevalue("server")
    return f"redis://127.0.0.1:{server.port}/7"


@pytest.mark.skipif(sys.platform == "win32", reason="this system does not fork")
def test_no_call_is_lost_or_counted_twice_and_nothing_stays_leased(url: str) -> None:
    if url.startswith("redis"):
        import redis

        redis.Redis.from_url(url).flushdb()
    seed = str(random.randrange(10**6))
    command = [sys.executable, "-c", BURST, url, seed]
    done = subprocess.run(command, check=True, timeout=60, capture_output=True)
    tally = json.loads(done.stdout)
    state = open_state(url, timeout=10)
    terms = CircuitTerms(window=600, failure_rate=None, fail_max=10**6)
    circuits = state.circuits([CircuitReport("breaker:shop", terms)])
    budgets = state.budgets([BudgetReport("retry:shop", 60.0)])
    grant = state.trade(Ask("throttled:shop", "me", [(SLOTS, 60.0)], want=SLOTS))
    assert circuits is not None
    assert budgets is not None
    assert grant is not None
    circuit, budget = circuits[0], budgets[0]
    calls, attempts = tally["calls"], tally["attempts"]
    assert (circuit.calls, circuit.failed) == (attempts, tally["failed"]), seed
    assert (budget.calls, budget.retries) == (calls, attempts - calls), seed
    assert sum(start <= 0 for start in grant.starts) == SLOTS - attempts, seed
