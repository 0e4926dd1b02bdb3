"""The tables of a SQLite store, and what each connection has to be told."""

from __future__ import annotations

import sqlite3

from resilient.stores.bytes_store import StoreFailed

OURS = 0x72657363
"""SQLite's application_id: tells our files from all others."""
VERSION = 1

_TABLES = (
    """CREATE TABLE entries (
        key BLOB PRIMARY KEY, value BLOB NOT NULL, written INTEGER NOT NULL,
        expires REAL NOT NULL, used REAL NOT NULL)""",
    "CREATE INDEX entries_by_end ON entries (expires)",
    "CREATE INDEX entries_by_use ON entries (used)",
    "CREATE TABLE members (name BLOB, key BLOB, PRIMARY KEY (name, key)) WITHOUT ROWID",
    "CREATE INDEX members_by_key ON members (key)",
    "CREATE TABLE epochs (name BLOB PRIMARY KEY, epoch INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE total (bytes INTEGER NOT NULL)",
    "INSERT INTO total VALUES (0)",
    # Kept by SQLite itself, so that they hold whoever writes, and whoever is killed meanwhile.
    """CREATE TRIGGER entry_came AFTER INSERT ON entries BEGIN
        UPDATE total SET bytes = bytes + length(new.value); END""",
    """CREATE TRIGGER entry_changed AFTER UPDATE OF value ON entries BEGIN
        UPDATE total SET bytes = bytes + length(new.value) - length(old.value); END""",
    """CREATE TRIGGER entry_went AFTER DELETE ON entries BEGIN
        UPDATE total SET bytes = bytes - length(old.value);
        DELETE FROM members WHERE key = old.key; END""",
    f"PRAGMA application_id = {OURS}",
    f"PRAGMA user_version = {VERSION}",
)

_SETTINGS = (
    # What is in the file may be anybody's.
    "PRAGMA trusted_schema = OFF",
    "PRAGMA journal_mode = WAL",
    # With WAL this loses no file, and at most the newest entries when the power fails.
    "PRAGMA synchronous = NORMAL",
    "PRAGMA journal_size_limit = 4194304",
)


def prepare(db: sqlite3.Connection) -> None:
    """Make a new connection, and a new file, ready for use.

    Raises: StoreFailed if the file is somebody else's; sqlite3.Error.
    """
    if not _is_ours(db):
        # Two processes may begin one file at once: the second finds it made.
        db.execute("BEGIN IMMEDIATE")
        try:
            if not _is_ours(db):
                for statement in _TABLES:
                    db.execute(statement)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    for setting in _SETTINGS:
        db.execute(setting).fetchall()


def _is_ours(db: sqlite3.Connection) -> bool:
    """Raises: StoreFailed if it is neither ours nor empty."""
    ((owner,),) = db.execute("PRAGMA application_id").fetchall()
    ((version,),) = db.execute("PRAGMA user_version").fetchall()
    if (owner, version) == (OURS, VERSION):
        return True
    ((tables,),) = db.execute("SELECT count(*) FROM sqlite_master").fetchall()
    if owner == OURS and version:
        raise StoreFailed("its file is of another version of resilient: use another path")
    if tables or owner:
        raise StoreFailed("its file is a database of something else: use another path")
    return False
