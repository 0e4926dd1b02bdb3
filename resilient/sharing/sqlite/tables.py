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
    ahead = _clock_of(db, boot)
    if ahead is None:
        db.execute("BEGIN IMMEDIATE")
        try:
            ahead = _clock_of(db, boot)
            if ahead is None:
                ahead = _set_clock(db, boot)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    return ahead


def boot_of_this_machine() -> str:
    """Names the time since the machine was started, in which its monotonic clock is one."""
    try:
        return _LINUX.read_text().strip()
    except OSError:
        return f"{(clock.time() - clock.monotonic()) / 600:.0f}"


_LATEST = 10 * 365 * 86_400.0
"""Seconds by which no clock is wrong."""

_LINUX = Path("/proc/sys/kernel/random/boot_id")


def _clock_of(db: sqlite3.Connection, boot: str) -> float | None:
    """How far it is ahead; None if nobody has set it, or not to a moment of these times."""
    rows = db.execute("SELECT ahead FROM shared_clock WHERE boot = ?", (boot,)).fetchall()
    if not rows or not isinstance(rows[0][0], float):
        return None
    latest = clock.time() - clock.monotonic() + _LATEST
    return rows[0][0] if -_LATEST < rows[0][0] < latest else None


def _set_clock(db: sqlite3.Connection, boot: str) -> float:
    now = clock.time()
    # Texts, and moments that nobody has kept, are none of ours.
    newest = "SELECT max(kept) FROM shared WHERE kept < ?"
    ((kept,),) = db.execute(newest, (now + _LATEST,)).fetchall()
    ahead = max(now, kept or 0.0) - clock.monotonic()
    db.execute("DELETE FROM shared_clock")
    db.execute("INSERT INTO shared_clock VALUES (?, ?)", (boot, ahead))
    return ahead
