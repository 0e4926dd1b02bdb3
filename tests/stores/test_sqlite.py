"""The SQLite store: its file, its size, and what befalls both."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from resilient.stores.bytes_store import StoreFailed
from resilient.stores.sqlite import SqliteStore
from resilient.stores.sqlite_file import MOST_CORRUPT
from resilient.testing import FakeClock, RecordedSteps
from tests.stores.conftest import OpenStore
from tests.threads import StartThread

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX alone has these rights")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


@pytest.fixture
def store_of(path: Path) -> Iterator[Callable[..., SqliteStore]]:
    stores: list[SqliteStore] = []

    def make(**options: float | None) -> SqliteStore:
        store = SqliteStore(path, **({"timeout": 5} | options))  # type: ignore[arg-type]
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def store(store_of: Callable[..., SqliteStore]) -> SqliteStore:
    return store_of()


def keep(store: SqliteStore, name: bytes, size: int = 1, *, lives: float = 60.0) -> bool:
    return store.set(name, b"x" * size, written=1, lives=lives)


@contextmanager
def another(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that is not ours."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        yield db


# The file.


@posix
def test_nobody_else_can_read_the_files(store: SqliteStore, path: Path) -> None:
    before = os.umask(0)
    try:
        keep(store, b"a")
    finally:
        os.umask(before)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["cache.db", "cache.db-shm", "cache.db-wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


@posix
def test_a_file_that_others_could_read_is_closed_to_them(store: SqliteStore, path: Path) -> None:
    path.touch(0o666)
    path.chmod(0o666)
    keep(store, b"a")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_closed_store_leaves_one_file(store: SqliteStore, path: Path) -> None:
    keep(store, b"a")
    store.close()
    assert [file.name for file in path.parent.iterdir()] == ["cache.db"]


def test_a_file_that_was_deleted_is_begun_anew(
    store: SqliteStore, path: Path, clock: FakeClock
) -> None:
    keep(store, b"a")
    for file in path.parent.iterdir():
        file.unlink()
    assert keep(store, b"b")
    assert path.exists()
    assert (store.get(b"a"), store.get(b"b")) == (None, b"x")


def test_a_reader_sees_soon_that_the_file_was_replaced(
    store: SqliteStore, store_of: Callable[..., SqliteStore], path: Path, clock: FakeClock
) -> None:
    keep(store, b"a")
    for file in path.parent.iterdir():
        file.unlink()
    keep(store_of(), b"b")
    clock.advance(1.1)
    assert (store.get(b"a"), store.get(b"b")) == (None, b"x")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"not a database at all" * 100,
        lambda data: data[:4096] + b"\xff" * (len(data) - 4096),
        lambda data: data[:100] + os.urandom(len(data) - 100),
        lambda data: data[: len(data) // 2],
    ],
    ids=["foreign", "pages", "chance", "half"],
)
def test_a_corrupt_file_is_kept_aside_and_a_new_one_begun(
    store_of: Callable[..., SqliteStore],
    path: Path,
    steps: RecordedSteps,
    spoil: Callable[[bytes], bytes],
) -> None:
    first = store_of()
    for number in range(50):
        keep(first, b"%d" % number, 1000)
    first.close()
    spoiled = spoil(path.read_bytes())
    path.write_bytes(spoiled)
    second = store_of()
    for number in range(50):
        assert second.get(b"%d" % number) in (None, b"x" * 1000)
        second.delete([b"%d" % number])
    assert keep(second, b"a")
    assert second.get(b"a") == b"x"
    (aside,) = (one for one in path.parent.glob("*.corrupt-*") if one.name[-1].isdigit())
    assert len(aside.read_bytes()) >= len(spoiled) - 4096
    (step,) = steps
    assert (step.kind, step.label) == ("degraded", "sqlite:cache.db")
    assert step.text == f"the file was corrupt: it is kept as {aside.name}, and a new one was begun"


def test_a_file_that_becomes_corrupt_under_us_is_replaced_once(
    store_of: Callable[..., SqliteStore], path: Path, steps: RecordedSteps
) -> None:
    stores = [store_of() for _ in range(3)]
    for store in stores:
        keep(store, b"a")
    with another(path) as db:
        db.execute("DROP TABLE entries")
    assert [store.get(b"a") for store in stores] == [None] * 3
    assert all(keep(store, b"%d" % number) for number, store in enumerate(stores))
    assert [store.get(b"2") for store in stores] == [b"x"] * 3
    assert len(steps) == 1


def test_a_disk_that_spoils_one_file_after_the_other_is_not_filled(
    store: SqliteStore, path: Path
) -> None:
    for _ in range(MOST_CORRUPT):
        path.write_bytes(b"not a database" * 100)
        assert store.get(b"a") is None
        store.close()
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreFailed, match="look at the disk"):
        store.get(b"a")


def test_a_database_of_somebody_else_is_left_as_it_is(store: SqliteStore, path: Path) -> None:
    with another(path) as db:
        db.execute("CREATE TABLE users (name TEXT)")
    before = path.read_bytes()
    for ask in (lambda: store.get(b"a"), lambda: keep(store, b"a")):
        with pytest.raises(StoreFailed, match="something else: use another path"):
            ask()
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


def test_a_file_of_another_version_is_left_as_it_is(store: SqliteStore, path: Path) -> None:
    keep(store, b"a")
    store.close()
    with another(path) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreFailed, match="another version"):
        store.get(b"a")


def test_values_of_other_types_are_bytes_all_the_same(store: SqliteStore, path: Path) -> None:
    keep(store, b"a")
    with another(path) as db:
        db.execute("UPDATE entries SET value = 'text'")
    assert store.get(b"a") == b""


# Failures.


def test_a_writer_waits_for_another_process_no_longer_than_the_bound(
    store_of: Callable[..., SqliteStore], path: Path
) -> None:
    store = store_of(timeout=0.01)
    keep(store, b"a")
    with another(path) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreFailed, match="locked") as caught:
            keep(store, b"b")
        assert caught.value.only_writes
        assert store.get(b"a") == b"x"
    assert keep(store, b"b")


def test_a_writer_waits_for_the_others_of_its_process_no_longer_than_the_bound(
    store_of: Callable[..., SqliteStore], in_thread: StartThread
) -> None:
    store = store_of(timeout=0.01)
    keep(store, b"a")
    has_turn, is_over = threading.Event(), threading.Event()

    def write() -> None:
        with store._connections._turn:
            has_turn.set()
            assert is_over.wait(20)

    writer = in_thread(write)
    assert has_turn.wait(20)
    with pytest.raises(StoreFailed, match=r"more than 0.01 s") as caught:
        keep(store, b"b")
    assert caught.value.only_writes
    is_over.set()
    writer.join(20)
    assert keep(store, b"b")


def test_an_interrupt_just_after_a_writers_turn_has_come_does_not_keep_it(
    store_of: Callable[..., SqliteStore], monkeypatch: pytest.MonkeyPatch, in_thread: StartThread
) -> None:
    store = store_of(timeout=1)
    turn = store._connections._turn

    class Interrupted:
        """Raises after the lock was taken and before anybody knows of it."""

        def acquire(self, **options: float) -> bool:
            turn.acquire(**options)
            raise KeyboardInterrupt

        def release(self) -> None:
            turn.release()

    with monkeypatch.context() as patch:
        patch.setattr(store._connections, "_turn", Interrupted())
        with pytest.raises(KeyboardInterrupt):
            keep(store, b"a")
    kept: list[bool] = []
    in_thread(lambda: kept.append(keep(store, b"b"))).join(20)
    assert kept == [True]


@posix
def test_a_full_disk_stops_writing_and_not_reading(
    opened: OpenStore, sqlite_url: str, steps: RecordedSteps
) -> None:
    import resource

    store = opened(sqlite_url)
    key = store.digest(b"a")
    store.set(key, "kept", lives=60)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, before[1]))
    try:
        kept = store.set(store.digest(b"b"), "x" * 200_000, lives=60)
        read = store.get(key)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not kept
    assert store.stats()["failures"] == 1
    assert steps.kinds() == ["degraded"]
    assert read in ("kept", None)  # by SQLite's mood it is an I/O error, and the store is down


READ_ONLY = """
import os, sys
from resilient.stores.opening import open_store
store = open_store("sqlite:///" + sys.argv[1], key=b"k" * 32, timeout=5)
if os.geteuid() == 0:
    os.seteuid(65534)
key = store.digest(b"a")
print(store.get(key), store.set(key, "new", lives=60), store.stats()["failures"])
"""


@posix
@pytest.mark.parametrize("rights", [0o500, 0o700], ids=["folder too", "file alone"])
def test_a_read_only_file_is_left_alone(opened: OpenStore, rights: int) -> None:
    # Not pytest's own directory: the child may have to be another user, whom root's rights spare.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cache.db"
        store = opened(f"sqlite:///{file}", key=b"k" * 32)
        store.set(store.digest(b"a"), "kept", lives=600)
        store.close()
        if os.geteuid() == 0:
            os.chown(folder, 65534, 65534)
            os.chown(file, 65534, 65534)
        file.chmod(0o400)
        os.chmod(folder, rights)
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(file)], capture_output=True, text=True, timeout=60
        )
        os.chmod(folder, 0o700)
    got, kept, failures = done.stdout.split()
    # With its -shm there, or with the right to make one, SQLite reads such a file.
    assert got in ("kept", "None")
    assert (kept, failures) == ("False", "1")
    assert done.stderr.count("calls go on without") == 1


# Its size.


def test_the_least_recently_used_go_when_it_is_full(
    store_of: Callable[..., SqliteStore], clock: FakeClock
) -> None:
    store = store_of(max_bytes=64_000)
    for number in range(60):
        keep(store, b"%d" % number, 1000, lives=6000)
        clock.advance(1)
    clock.advance(SqliteStore.TOUCH)
    assert store.get(b"0") is not None
    for number in range(60, 90):
        keep(store, b"%d" % number, 1000, lives=6000)
        clock.advance(1)
    kept = [number for number in range(90) if store.get(b"%d" % number) is not None]
    assert kept[0] == 0
    assert kept[1:] == list(range(91 - len(kept), 90))
    assert 50 <= len(kept) <= 64


def test_the_expired_go_before_any_other(
    store_of: Callable[..., SqliteStore], clock: FakeClock
) -> None:
    store = store_of(max_bytes=10_000)
    keep(store, b"old", 4000, lives=600)
    clock.advance(1)
    keep(store, b"expired", 4000, lives=5)
    clock.advance(10)
    keep(store, b"new", 4000)
    assert store.get(b"old") is not None
    assert store.get(b"expired") is None


def test_what_is_larger_than_all_room_is_not_kept(store_of: Callable[..., SqliteStore]) -> None:
    store = store_of(max_bytes=1000)
    keep(store, b"a")
    assert not keep(store, b"b", 1001)
    assert store.get(b"a") == b"x"


def test_the_total_is_right_whatever_was_done(
    store_of: Callable[..., SqliteStore], path: Path, clock: FakeClock
) -> None:
    store = store_of(max_bytes=100_000)
    for number in range(45):
        store.set(b"%d" % (number % 7), b"x" * number, written=number, lives=60, groups=[b"g"])
        if number % 9 == 0:
            store.delete([b"3", b"nobody"])
        if number % 13 == 0:
            store.drop([b"g"])
    with another(path) as db:
        total = db.execute("SELECT bytes FROM total").fetchone()
        assert total == db.execute("SELECT sum(length(value)) FROM entries").fetchone()
        orphans = "SELECT count(*) FROM members WHERE key NOT IN (SELECT key FROM entries)"
        assert db.execute(orphans).fetchone() == (0,)


def test_expired_entries_and_old_epochs_are_cleared_away(
    store: SqliteStore, path: Path, clock: FakeClock
) -> None:
    store.drop([b"g"])
    for number in range(10):
        keep(store, b"%d" % number, lives=5)
    clock.advance(2 * 86400)
    keep(store, b"new")
    with another(path) as db:
        assert db.execute("SELECT key FROM entries").fetchall() == [(b"new",)]
        assert db.execute("SELECT count(*) FROM epochs").fetchone() == (0,)


def test_epochs_grow_even_if_the_clock_goes_back(store: SqliteStore, clock: FakeClock) -> None:
    store.drop([b"g"])
    (before,) = store.epochs([b"g"])
    clock.jump(-1000)
    store.drop([b"g"])
    assert store.epochs([b"g"]) == (before + 1,)


# Several at once.


def test_threads_that_begin_a_file_together_find_one(
    store_of: Callable[..., SqliteStore], path: Path
) -> None:
    stores = [store_of() for _ in range(8)]
    barrier, kept = threading.Barrier(8), []

    def begin(number: int) -> None:
        barrier.wait()
        kept.append(keep(stores[number], b"%d" % number))

    threads = [threading.Thread(target=begin, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept == [True] * 8
    assert all(stores[0].get(b"%d" % number) for number in range(8))
    assert not list(path.parent.glob(".*"))


def test_ctrl_c_in_a_transaction_leaves_nothing_half_done(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(store, b"a")
    with monkeypatch.context() as patched:

        def interrupt(*args: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(SqliteStore, "_make_room", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.set(b"a", b"new", written=2, lives=60, groups=[b"g"])
    assert (store.get(b"a"), store.count(b"g")) == (b"x", 0)
    assert keep(store, b"b")
