"""python -m tests.sharing.kills: processes that share a quota in a SQLite file, killed at random.

Four workers take slots, send requests and bring the slots back; one of them gets SIGKILL every few
milliseconds and another takes its place. The vendor is never over its quota, whoever was killed in
the midst of what, and what the dead had comes back.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from resilient.sharing.shapes import Ask
from resilient.sharing.sqlite.state import open_sqlite
from resilient.stores.bytes_store import StoreFailed

WORKERS = 4
RATES = ((40, 0.5),)
LIVES = 0.25
MOST_REQUESTS = 100_000
HANGS_AFTER = 20.0
"""Seconds."""


class Vendor:
    """When its requests came, in memory that all processes see; each worker writes its own part."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8 * WORKERS * (1 + MOST_REQUESTS))
        self._counts = memoryview(self._memory).cast("q")
        self._moments = memoryview(self._memory).cast("d")

    def sees_request(self, slot: int) -> None:
        begins = slot * (1 + MOST_REQUESTS)
        number = self._counts[begins]
        # First the moment: who is killed in between has not sent it.
        self._moments[begins + 1 + number] = time.monotonic()
        self._counts[begins] = number + 1

    def came(self) -> list[float]:
        moments: list[float] = []
        for slot in range(WORKERS):
            begins = slot * (1 + MOST_REQUESTS)
            moments += self._moments[begins + 1 : begins + 1 + self._counts[begins]]
        return sorted(moments)


def run(kills: int, path: Path, *, seed: int | None = None, pause: float = 0.02) -> dict[str, int]:
    """Kill workers so many times. Raises AssertionError if anything is not as it should be."""
    chance = random.Random(seed)
    vendor = Vendor()
    workers = [_start(path, slot, vendor) for slot in range(WORKERS)]
    try:
        for _ in range(kills):
            time.sleep(chance.uniform(0, 2 * pause))
            slot = chance.randrange(WORKERS)
            os.kill(workers[slot], signal.SIGKILL)
            _, status = os.waitpid(workers[slot], 0)
            assert os.WIFSIGNALED(status), "a worker has ended by itself"
            workers[slot] = _start(path, slot, vendor)
        sent, end = len(vendor.came()), time.monotonic() + HANGS_AFTER
        while len(vendor.came()) < sent + RATES[0][0]:
            assert time.monotonic() < end, "what the dead had does not come back"
            time.sleep(0.01)
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)
    came = vendor.came()
    for calls, period in RATES:
        for first, last in zip(came, came[calls:], strict=False):
            assert last - first >= period, f"{calls + 1} requests in {last - first:.6f} s"
    assert not [one for one in path.parent.iterdir() if "corrupt" in one.name], "a file was lost"
    with closing(open_sqlite(path, 5.0)) as state:
        time.sleep(LIVES + max(period for _, period in RATES))
        grant = state.trade(Ask("q", "heir", RATES, want=10 * RATES[0][0]))
        assert len(grant.starts) == RATES[0][0], "not all of it has come back"
    return {"kills": kills, "requests": len(came)}


def _start(path: Path, slot: int, vendor: Vendor) -> int:
    worker = os.fork()
    if worker == 0:
        try:
            _work(path, slot, vendor)
        finally:
            os._exit(1)
    return worker


def _work(path: Path, slot: int, vendor: Vendor) -> None:
    chance = random.Random()
    state = open_sqlite(path, 5.0)
    name, numbers = f"{os.getpid()}", 0
    done: list[float] = []
    unused = 0
    while True:
        asked = time.monotonic()
        ages = [(1, asked - moment) for moment in done]
        ask = Ask(
            "q",
            f"{name}.{numbers}",
            RATES,
            lives=LIVES,
            want=chance.randrange(1, 4),
            within=chance.choice((0.0, 0.05)),
            unused=unused,
            done=ages,
        )
        try:
            grant = state.trade(ask)
        except StoreFailed:
            # Nobody knows whether it was heard: another name, and the old one ends by itself.
            numbers, done, unused = numbers + 1, [], 0
            continue
        answered = time.monotonic()
        done, unused = [], 0
        for start in grant.starts:
            time.sleep(max(0.0, answered + start - time.monotonic()))
            # A process that was held up for too long must not use what it had.
            if time.monotonic() > asked + LIVES / 2 or chance.random() < 0.1:
                unused += 1
                continue
            vendor.sees_request(slot)
            time.sleep(chance.uniform(0, 0.003))
            done.append(time.monotonic())
        if not grant.starts:
            time.sleep(min(grant.wait, 0.01))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.sharing.kills", description=__doc__)
    parser.add_argument("kills", nargs="?", type=int, default=500)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        done = run(options.kills, Path(folder) / "state.db", seed=options.seed)
    print(f"{done} in {time.monotonic() - started:.0f} s: never over the quota")


if __name__ == "__main__":
    sys.exit(main())
