"""The tables of shared state in a SQLite file, which a cache may use as well, and their clock.

The clock of the file is the machine's monotonic one, which all its processes read alike, plus a
number that is kept with the machine's boot: to set the time of day changes nothing. After a reboot
it goes on from the time of day, and never from before what was kept last.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from resilient.stores import sqlite_schema
from resilient.timing import clock

_TABLES = (
    # The last column is the long one: the others are read without it.
    """CREATE TABLE IF NOT EXISTS shared (
        name TEXT PRIMARY KEY, kept REAL NOT NULL, ends REAL NOT NULL, state BLOB NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS shared_clock (
        boot TEXT PRIMARY KEY, ahead REAL NOT NULL) WITHOUT ROWID""",
)


def prepare(db: sqlite3.Connection) -> float:
    """Make a new connection ready for use; how far the file's clock is ahead of the monotonic one.

    Raises: StoreFailed if the file is somebody else's; sqlite3.Error.
    """
    sqlite_schema.prepare(db)
    for statement in _TABLES:
        db.execute(statement)
    boot = boot_of_this_machine()
    ask = "SELECT ahead FROM shared_clock WHERE boot = ?"
    rows = db.execute(ask, (boot,)).fetchall()
    if not rows:
        db.execute("BEGIN IMMEDIATE")
        try:
            rows = db.execute(ask, (boot,)).fetchall() or [(_set_clock(db, boot),)]
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    return float(rows[0][0])


def boot_of_this_machine() -> str:
    """Names the time since the machine was started, in which its monotonic clock is one."""
    try:
        return _LINUX.read_text().strip()
    except OSError:
        return f"{(clock.time() - clock.monotonic()) / 600:.0f}"


_LINUX = Path("/proc/sys/kernel/random/boot_id")


def _set_clock(db: sqlite3.Connection, boot: str) -> float:
    ((newest,),) = db.execute("SELECT max(kept) FROM shared").fetchall()
    ahead = max(clock.time(), newest or 0.0) - clock.monotonic()
    db.execute("DELETE FROM shared_clock")
    db.execute("INSERT INTO shared_clock VALUES (?, ?)", (boot, ahead))
    return ahead
