"""python -m tests.stores.kills: processes that share a SQLite file and are killed at random.

Four workers read, write and forget; one of them gets SIGKILL every few milliseconds and another
takes its place. No file may be lost, no answer wrong, nobody may hang.

What is right is kept outside: per key, in memory that all processes share, the version that the
vendor has now, and the newest one that was announced (all older answers have been forgotten). An
answer that is older than what was announced before it was asked for is wrong.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from resilient.stores.opening import open_store
from resilient.stores.shared import SharedStore

KEY = b"a key of the workers, long enough"
WORKERS = 4
KEYS = 32
HANGS_AFTER = 20.0
"""Seconds without a sign of life."""


class Truth:
    """Numbers that all processes see; a worker's own keys are changed by nobody else."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8 * (2 * KEYS + 2 * WORKERS))
        numbers = memoryview(self._memory).cast("q")
        self.now, self.announced = numbers[:KEYS], numbers[KEYS : 2 * KEYS]
        self.works, self.wrong = numbers[2 * KEYS :][:WORKERS], numbers[2 * KEYS + WORKERS :]


def run(kills: int, path: Path, *, seed: int | None = None, timeout: float = 5.0) -> dict[str, int]:
    """Kill workers so many times. Raises AssertionError if anything is not as it should be."""
    chance = random.Random(seed)
    truth = Truth()
    workers = [_start(path, slot, truth, timeout) for slot in range(WORKERS)]
    try:
        for _ in range(kills):
            time.sleep(chance.uniform(0.002, 0.04))
            slot = chance.randrange(WORKERS)
            os.kill(workers[slot], signal.SIGKILL)
            _, status = os.waitpid(workers[slot], 0)
            assert os.WIFSIGNALED(status), "a worker has ended by itself"
            workers[slot] = _start(path, slot, truth, timeout)
        before = list(truth.works)
        end = time.monotonic() + HANGS_AFTER
        while any(now == then for now, then in zip(truth.works, before, strict=True)):
            assert time.monotonic() < end, "a worker hangs"
            time.sleep(0.01)
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
            os.waitpid(worker, 0)
    assert sum(truth.wrong) == 0, "wrong answers"
    return _looked_over(path, truth, timeout) | {"kills": kills, "works": sum(truth.works)}


def _looked_over(path: Path, truth: Truth, timeout: float) -> dict[str, int]:
    others = [file.name for file in path.parent.iterdir() if "corrupt" in file.name]
    assert not others, f"a file was lost: {others}"
    with closing(open_store(f"sqlite:///{path}", key=KEY, timeout=timeout)) as store:
        for number in range(KEYS):
            _check(store, number, truth)
        stats = store.stats()
    assert stats["failures"] == stats["tampered"] == stats["unreadable"] == 0, stats
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        total = db.execute("SELECT bytes FROM total").fetchone()
        kept = db.execute("SELECT coalesce(sum(length(value)), 0) FROM entries").fetchone()
        assert total == kept, "the total is wrong"
    return {"hits": stats["hits"]}


def _start(path: Path, slot: int, truth: Truth, timeout: float) -> int:
    worker = os.fork()
    if worker == 0:
        try:
            _work(path, slot, truth, timeout)
        finally:
            os._exit(1)
    return worker


def _work(path: Path, slot: int, truth: Truth, timeout: float) -> None:
    chance = random.Random()
    store = open_store(f"sqlite:///{path}", key=KEY, timeout=timeout, max_bytes=200_000)
    while True:
        number = chance.randrange(KEYS)
        if chance.random() < 0.1:
            _change(store, number // WORKERS * WORKERS + slot, truth)
        elif not _check(store, number, truth):
            group = store.digest(b"group", b"%d" % number)
            epochs = store.epochs([group])
            version = truth.now[number]
            if chance.random() < 0.3:
                time.sleep(chance.uniform(0, 0.003))
            value = [number, version, "x" * chance.randrange(12_000)]
            key = store.digest(b"%d" % number)
            store.set(key, value, lives=60, groups=[group], epochs=epochs)
        stats = store.stats()
        truth.wrong[slot] += stats["tampered"] + stats["unreadable"]
        truth.works[slot] += 1


def _change(store: SharedStore, number: int, truth: Truth) -> None:
    """The vendor changes something, and tells."""
    truth.now[number] += 1
    version = truth.now[number]
    before = store.stats()
    store.drop([store.digest(b"group", b"%d" % number)])
    after = store.stats()
    if all(before[name] == after[name] for name in ("failures", "skipped")):
        truth.announced[number] = version


def _check(store: SharedStore, number: int, truth: Truth) -> bool:
    """Was there an answer?"""
    announced = truth.announced[number]
    kept = store.get(store.digest(b"%d" % number))
    if kept is None:
        return False
    if kept[0] != number or kept[1] < announced:
        truth.wrong[0] += 1
    return True


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.stores.kills", description=__doc__)
    parser.add_argument("kills", nargs="?", type=int, default=1000)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args(arguments)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        done = run(options.kills, Path(folder) / "cache.db", seed=options.seed)
    print(f"{done} in {time.monotonic() - started:.0f} s: no file lost, no answer wrong")


if __name__ == "__main__":
    sys.exit(main())
