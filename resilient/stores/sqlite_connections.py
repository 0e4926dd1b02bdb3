"""Connections to a SQLite file, the turn to write, and what is done when something goes wrong."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from resilient.call import listeners
from resilient.stores.bytes_store import StoreFailed
from resilient.stores.lending import Spares
from resilient.stores.sqlite_file import Identity, identity_of, make_private, move_aside
from resilient.stores.sqlite_forks import gate
from resilient.stores.sqlite_schema import prepare
from resilient.timing import clock

T = TypeVar("T")

_CORRUPT = ("malformed", "not a database", "no such table", "no such column", "no column named")
"""In SQLite's messages; its codes are there from Python 3.11 on."""


class _Files(NamedTuple):
    """What a connection has open: the file itself and the log beside it, as long as it is used."""

    main: Identity | None
    log: Identity | None


class _Connection(NamedTuple):
    db: sqlite3.Connection
    files: _Files | None


class Connections:
    """Each thread that is at work has one of its own.

    Of the writers of this process one writes at a time, so that SQLite's own waiting, which is
    polling and unfair, is between processes only. `_turn` is held meanwhile, as no other lock is,
    and waited for no longer than the bound.

    All that is asked of SQLite raises StoreFailed if it fails.
    """

    LOOK = 1.0
    """Seconds after which those on a short way see that the file was replaced; others at once."""
    LOOK_TO_WRITE = 0.05
    """The same for writers: others may write to the new file already."""

    __slots__ = (
        "__weakref__",
        "_bound",
        "_files",
        "_label",
        "_log",
        "_looked_at",
        "_path",
        "_prepare",
        "_spares",
        "_turn",
    )

    def __init__(
        self,
        path: Path,
        label: str,
        bound: float,
        prepare: Callable[[sqlite3.Connection], object] = prepare,
    ) -> None:
        """prepare: makes a new connection ready for use; it begins with that of sqlite_schema."""
        self._path = path
        self._log = Path(f"{path}-wal")
        self._label = label
        self._bound = bound
        self._prepare = prepare
        self._spares: Spares[_Connection] = Spares(self._connect, _close)
        self._files: _Files | None = None
        self._looked_at = -math.inf
        # Knows whose it is: only who has it can give it back.
        self._turn = threading.RLock()
        gate.keep_closed(self)

    def look_up(self, statement: str, key: bytes) -> list[Any]:
        """The rows for one key. What a hit costs is mostly this, so it takes the short way."""
        try:
            gate.enter()
            connection = self._borrow(after=self.LOOK)
            try:
                rows = connection.db.execute(statement, (key,)).fetchall()
            except sqlite3.Error as error:
                self._after(connection, error)
                return []  # the file that was begun anew is empty
            except BaseException:
                self._spares.discard(connection)
                raise
            self._spares.give(connection)
            return rows
        finally:
            gate.leave()

    def run(self, work: Callable[[sqlite3.Connection], T], *, writes: bool = False) -> T:
        """Do something on a connection; once more if the file is corrupt, on a new one."""
        try:
            gate.enter()
            return self._run(work, writes=writes)
        finally:
            gate.leave()

    def _run(self, work: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
        for is_last in (False, True):
            connection = self._borrow(after=0.0)
            try:
                result = work(connection.db)
            except sqlite3.Error as error:
                self._after(connection, error, writes=writes, is_last=is_last)
            except (TypeError, ValueError, LookupError) as error:
                self._spares.discard(connection)
                raise StoreFailed("its file holds what was not put there by us") from error
            except BaseException:
                self._spares.discard(connection)
                raise
            else:
                self._spares.give(connection)
                return result
        raise AssertionError  # pragma: no cover

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in a transaction: all of it or nothing, whoever is killed meanwhile."""

        def transaction(db: sqlite3.Connection) -> T:
            db.execute("BEGIN IMMEDIATE")
            try:
                result = work(db)
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            return result

        try:
            # In here, since Ctrl-C may come just after it; and inside, or who waits for this turn
            # would keep the fork that this one waits for.
            gate.enter()
            self._take_turn()
            return self.run(transaction, writes=True)
        finally:
            self._end_turn()
            gate.leave()

    def write_one(self, statement: str, values: Sequence[object] | Mapping[str, object]) -> int:
        """Change rows by one statement, a transaction by itself; how many it has changed.

        It takes the short way, as look_up does, for those who write often.
        """
        try:
            gate.enter()
            self._take_turn()
            connection = self._borrow(after=self.LOOK_TO_WRITE)
            try:
                changed = connection.db.execute(statement, values).rowcount
            except sqlite3.Error as error:
                self._after(connection, error, writes=True)
            except BaseException:
                self._spares.discard(connection)
                raise
            else:
                self._spares.give(connection)
                return changed
            # The file was begun anew.
            return self.run(lambda db: db.execute(statement, values).rowcount, writes=True)
        finally:
            self._end_turn()
            gate.leave()

    def close(self) -> None:
        """Close the idle ones."""
        self._spares.close()

    def renew_in_child(self) -> None:
        """Leave the parent's alone: SQLite forbids using, and even closing, them."""
        self._spares.abandon()

    def _take_turn(self) -> None:
        if not self._turn.acquire(timeout=self._bound):
            text = f"others have been writing for more than {self._bound:g} s"
            raise StoreFailed(text, only_writes=True)

    def _end_turn(self) -> None:
        try:
            self._turn.release()
        except RuntimeError:  # it is not ours
            return

    def _borrow(self, *, after: float) -> _Connection:
        """A connection to the file that has the name, by a look no longer ago than that."""
        now = clock.monotonic()
        if now - self._looked_at >= after:
            self._looked_at = now
            self._files = self._look()
        files = self._files
        try:
            while True:
                connection, is_used = self._spares.take()
                # Who deletes or replaces one of them while we have it open means it; and who went
                # on with a log that is gone would do so apart from all others.
                if not is_used or connection.files == files:
                    return connection
                self._spares.discard(connection)
        except sqlite3.Error as error:
            if not _is_corrupt(error):
                raise _failure(error) from error
            self._replace_file(files)
        except OSError as error:
            raise _failure(error) from error
        try:
            return self._connect()
        except (sqlite3.Error, OSError) as error:
            raise _failure(error) from error

    def _connect(self) -> _Connection:
        make_private(self._path, _make_tables)
        before = identity_of(self._path)
        db = sqlite3.connect(
            self._path, timeout=self._bound, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        files = self._look()
        # If it was replaced meanwhile, nobody knows which one this is: it is used once.
        self._files = files if files.main == before else None
        return _Connection(db, self._files)

    def _look(self) -> _Files:
        return _Files(identity_of(self._path), identity_of(self._log))

    def _after(
        self,
        connection: _Connection,
        error: sqlite3.Error,
        *,
        writes: bool = False,
        is_last: bool = False,
    ) -> None:
        """Raise StoreFailed, but if the file was corrupt put a new one in its place."""
        self._spares.discard(connection)
        if is_last or not _is_corrupt(error):
            raise _failure(error, writes=writes) from error
        self._replace_file(connection.files)

    def _replace_file(self, corrupt: _Files | None) -> None:
        self._spares.close()
        try:
            aside = move_aside(self._path, None if corrupt is None else corrupt.main)
        except OSError as error:
            raise StoreFailed(f"the file is corrupt: {error.strerror}") from error
        if aside is not None:
            text = f"the file was corrupt: it is kept as {aside.name}, and a new one was begun"
            listeners.announce("degraded", self._label, text)


def _make_tables(path: Path) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        prepare(db)
    finally:
        db.close()


def _close(connection: _Connection) -> None:
    connection.db.close()


def _is_corrupt(error: sqlite3.Error) -> bool:
    return any(words in str(error) for words in _CORRUPT)


def _failure(error: sqlite3.Error | OSError, *, writes: bool = False) -> StoreFailed:
    if isinstance(error, OSError):
        return StoreFailed(f"its file can't be made: {error.strerror}")
    # What SQLite says names tables and limits, and neither paths nor values.
    text = str(error)
    only_writes = writes and any(words in text for words in ("readonly", "full", "locked"))
    return StoreFailed(f"SQLite says: {text}", only_writes=only_writes)
