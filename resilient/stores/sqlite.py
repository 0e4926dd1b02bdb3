"""The store in one SQLite file that the processes of one machine share."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from resilient.stores.bytes_store import DAY, LEEWAY, Epochs
from resilient.stores.sqlite_connections import Connections
from resilient.timing import clock

_GET = "SELECT value, used FROM entries WHERE key = ?"
_SET = f"""
    INSERT INTO entries (key, value, written, expires, used) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, written = excluded.written,
        expires = excluded.expires, used = excluded.used
    WHERE entries.written <= excluded.written OR entries.written > excluded.written + {LEEWAY}
"""  # noqa: S608  # LEEWAY is a number of ours
_BUMP = """
    INSERT INTO epochs (name, epoch) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET epoch = max(excluded.epoch, epoch + 1)
"""
_FORGET_GROUP = """
    DELETE FROM entries WHERE key IN (SELECT key FROM members WHERE name = ? LIMIT ?)
"""
_FORGET_EXPIRED = """
    DELETE FROM entries WHERE key IN (SELECT key FROM entries WHERE expires <= ? LIMIT ?)
"""
_FORGET_OLDEST = "DELETE FROM entries WHERE key IN (SELECT key FROM entries ORDER BY used LIMIT ?)"


class SqliteStore:
    """See ByteStore.

    max_bytes: of the entries, sealed; past it those go that were not used for longest, as far as
    that is known: a use is written down with the next write, and once in TOUCH seconds. The file
    may be larger than that, since SQLite keeps free pages for later.

    Uses are noted without a lock; only a writer, one at a time, takes what was noted.
    """

    TOUCH = 60.0
    PRUNE = 30.0
    BATCH = 256
    """Entries that one transaction forgets, so that other writers don't wait for long."""
    MOST_TOUCHED = 4096

    __slots__ = (
        "__weakref__",
        "_connections",
        "_max_bytes",
        "_pruned_at",
        "_touched",
        "label",
    )

    def __init__(self, path: Path, *, timeout: float, max_bytes: int | None = None) -> None:
        self.label = f"sqlite:{path.name}"
        self._connections = Connections(path, self.label, timeout)
        self._max_bytes = max_bytes
        self._touched: dict[bytes, None] = {}
        self._pruned_at = 0.0

    def get(self, key: bytes) -> bytes | None:
        rows = self._connections.look_up(_GET, key)
        if not rows:
            return None
        ((sealed, used),) = rows
        if self._max_bytes is not None:
            self._touch(key, used)
        # Whatever somebody else has put there, it is bytes.
        return sealed if type(sealed) is bytes else b""

    def set(
        self,
        key: bytes,
        sealed: bytes,
        *,
        written: int,
        lives: float,
        groups: Sequence[bytes] = (),
        epochs: Epochs | None = None,
    ) -> bool:
        if self._max_bytes is not None and len(sealed) > self._max_bytes:
            return False
        now = clock.time()

        def work(db: sqlite3.Connection) -> bool:
            if epochs is not None and _epochs(db, groups) != epochs:
                return False
            done = db.execute(_SET, (key, sealed, written, now + lives, now))
            if not done.rowcount:
                return False
            pairs = [(group, key) for group in groups]
            db.executemany("INSERT OR IGNORE INTO members (name, key) VALUES (?, ?)", pairs)
            self._make_room(db, now)
            return True

        return self._connections.write(work)

    def delete(self, keys: Sequence[bytes]) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.executemany("DELETE FROM entries WHERE key = ?", [(key,) for key in keys])

        self._connections.write(work)

    def epochs(self, groups: Sequence[bytes]) -> Epochs:
        return self._connections.run(lambda db: _epochs(db, groups))

    def drop(self, groups: Sequence[bytes]) -> None:
        now = int(clock.time() * 1e6)
        bumps = [(group, now) for group in groups]
        self._connections.write(lambda db: db.executemany(_BUMP, bumps))
        for group in groups:
            while self._connections.write(partial(_forget_some, group=group, most=self.BATCH)):
                pass

    def count(self, group: bytes) -> int:
        ask = "SELECT count(*) FROM members JOIN entries USING (key) WHERE name = ? AND expires > ?"
        values = (group, clock.time())
        return int(self._connections.run(lambda db: db.execute(ask, values).fetchall())[0][0])

    def close(self) -> None:
        self._connections.close()

    def renew_in_child(self) -> None:
        self._connections.renew_in_child()

    def _touch(self, key: bytes, used: float) -> None:
        if clock.time() - used > self.TOUCH and len(self._touched) < self.MOST_TOUCHED:
            self._touched[key] = None

    def _make_room(self, db: sqlite3.Connection, now: float) -> None:
        if now - self._pruned_at > self.PRUNE:
            self._pruned_at = now
            db.execute(_FORGET_EXPIRED, (now, self.BATCH))
            db.execute("DELETE FROM epochs WHERE epoch < ?", (int((now - DAY) * 1e6),))
        if self._max_bytes is None:
            return
        if self._touched:
            keys, self._touched = self._touched, {}
            touches = [(now, key) for key in list(keys)]
            db.executemany("UPDATE entries SET used = ? WHERE key = ?", touches)
        if _total(db) <= self._max_bytes:
            return
        db.execute(_FORGET_EXPIRED, (now, self.BATCH))
        # Some ahead of need, so that a full store does not work for each entry that comes.
        while _total(db) > self._max_bytes * 15 // 16:
            if not db.execute(_FORGET_OLDEST, (8,)).rowcount:
                break


def _epochs(db: sqlite3.Connection, groups: Iterable[bytes]) -> Epochs:
    ask = "SELECT epoch FROM epochs WHERE name = ?"
    rows = [db.execute(ask, (group,)).fetchall() for group in groups]
    return tuple(row[0][0] if row else 0 for row in rows)


def _forget_some(db: sqlite3.Connection, group: bytes, most: int) -> int:
    return db.execute(_FORGET_GROUP, (group, most)).rowcount


def _total(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT bytes FROM total").fetchall()[0][0])
