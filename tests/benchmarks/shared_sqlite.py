"""What a slot of a shared quota costs in a SQLite file, against a bare transaction and a peer.

The bare transaction is on the same file with the same settings: BEGIN IMMEDIATE, one UPDATE of one
row, COMMIT. pyrate-limiter has no lock here, which it needs where several processes share a file.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.leases import throttled_call
from tests.benchmarks.measure import Comparison, Contender

Function = Callable[[int], object]

CALLS, PERIOD = 100_000, 5.0
"""More than any of them makes, so that all of them are admitted."""


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="resilient-benchmark-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def acquire() -> Function:
    """One slot, with the former one done."""
    from resilient.sharing.shapes import Ask
    from resilient.sharing.sqlite.state import open_sqlite

    state = open_sqlite(_folder() / "state.db", 5.0)
    first = Ask("quota", "worker", [(CALLS, PERIOD)], 5.0, want=1)
    next_one = first._replace(done=[(1, 0.0)])
    state.trade(first)
    return lambda number: state.trade(next_one).starts[0]


def call() -> Function:
    """A call of a decorated function, most of which find a slot that was leased before."""
    return throttled_call(f"sqlite:///{_folder()}/calls.db", CALLS, PERIOD)


def transaction() -> Function:
    from resilient.sharing.shapes import Ask
    from resilient.sharing.sqlite.state import open_sqlite

    path = _folder() / "state.db"
    state = open_sqlite(path, 5.0)
    state.trade(Ask("bare", "worker"))
    state.close()
    db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
    db.execute("PRAGMA synchronous = NORMAL")

    def write(number: int) -> object:
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE shared SET kept = kept + 1 WHERE name = 'quota:bare'")
        return db.execute("COMMIT")

    return write


@functools.cache
def _bucket() -> Any:
    import pyrate_limiter

    rates = [pyrate_limiter.Rate(CALLS, int(PERIOD * 1000))]
    return pyrate_limiter.SQLiteBucket.init_from_file(rates, db_path=str(_folder() / "pyrate.db"))


def pyrate_limiter_bucket() -> Function:
    import pyrate_limiter

    limiter = pyrate_limiter.Limiter(_bucket())

    def acquire_one(number: int) -> object:
        assert limiter.try_acquire("quota", blocking=False)
        return None

    return acquire_one


def _forget_pyrate() -> None:
    """It counts its rows each time: no more of them than one turn makes."""
    _bucket().flush()


GROUPS: dict[str, list[Contender]] = {
    "shared-sqlite": [
        Contender("SQLite trade", acquire, same=True),
        Contender("throttled on SQLite", call, same=True),
        Contender("bare transaction", transaction, same=True),
        Contender(
            "pyrate-limiter on SQLite", pyrate_limiter_bucket, _forget_pyrate, same=True, calls=16
        ),
    ],
}

COMPARISONS = [
    Comparison(
        "shared slot, SQLite", "a bare transaction", "SQLite trade", "bare transaction", 2.0
    ),
    Comparison("the same", "pyrate-limiter", "SQLite trade", "pyrate-limiter on SQLite", 1.0),
    Comparison(
        "a call of it, SQLite", "a bare transaction", "throttled on SQLite", "bare transaction", 1.0
    ),
]
