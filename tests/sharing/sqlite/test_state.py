from __future__ import annotations

import _thread
import contextlib
import functools
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resilient.sharing.shapes import Ask, BudgetReport, CircuitReport, CircuitTerms, Grant
from resilient.sharing.sqlite import state as sqlite_state
from resilient.sharing.sqlite import tables
from resilient.sharing.sqlite.state import SqliteState, open_sqlite
from resilient.stores.bytes_store import StoreFailed
from resilient.stores.opening import open_store
from resilient.stores.sqlite_connections import Connections
from resilient.testing import FakeClock

THREE_A_SECOND = ((3, 1.0),)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def state(path: Path, clock: FakeClock) -> Iterator[SqliteState]:
    with contextlib.closing(open_sqlite(path, 0.05)) as state:
        yield state


@contextlib.contextmanager
def database(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        yield db


def take(state: SqliteState, want: int = 3, **facts: Any) -> Grant:
    ask = Ask("q", "one", THREE_A_SECOND, want=want, lives=1e6)
    return state.trade(ask._replace(**facts))


def test_quota_survives_a_restart(state: SqliteState, path: Path, clock: FakeClock) -> None:
    take(state, 2)
    state.close()
    with contextlib.closing(open_sqlite(path, 0.05)) as again:
        assert len(take(again).starts) == 1


def test_time_of_day_that_jumps_changes_nothing(
    state: SqliteState, path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(state, done=[(3, 0)])
    for jump in (-86_400.0, 86_400.0):
        monkeypatch.setattr(clock, "_ahead", clock._ahead + jump)
        with contextlib.closing(open_sqlite(path, 0.05)) as other:
            assert take(other, holder="other").wait > 0


def reboot(clock: FakeClock, monkeypatch: pytest.MonkeyPatch, *, time_off: float) -> None:
    """The monotonic clock begins at 5, and the time of day has gone on for `time_off` seconds."""
    now = clock.time()
    monkeypatch.setattr(tables, "boot_of_this_machine", lambda: f"boot at {now}")
    monkeypatch.setattr(clock, "_now", 5.0)
    monkeypatch.setattr(clock, "_ahead", now + time_off - 5.0)


@pytest.mark.parametrize(
    ("time_off", "wait"), [(0.25, 0.75), (-1000.0, 1.0)], ids=["goes on", "set back"]
)
def test_reboot_goes_on_from_the_time_of_day_and_never_goes_back(
    path: Path,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    time_off: float,
    wait: float,
) -> None:
    clock.advance(1000)
    with contextlib.closing(open_sqlite(path, 0.05)) as state:
        take(state, 0, spent=[(3, 0)])
    reboot(clock, monkeypatch, time_off=time_off)
    with contextlib.closing(open_sqlite(path, 0.05)) as state:
        assert take(state, 1).wait == pytest.approx(wait, abs=0.01)
        clock.advance(wait + 0.01)
        assert len(take(state, 1).starts) == 1


def test_processes_of_one_boot_have_one_clock(
    state: SqliteState, path: Path, clock: FakeClock
) -> None:
    take(state)
    clock.advance(100)
    with contextlib.closing(open_sqlite(path, 0.05)) as other:
        take(other)
        assert other._ahead == state._ahead


def test_boot_is_known_without_the_file_that_names_it(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_LINUX", Path("/nowhere/at/all"))
    boot = tables.boot_of_this_machine()
    clock.advance(1000)
    assert tables.boot_of_this_machine() == boot


def test_cache_and_shared_state_may_live_in_one_file(path: Path, clock: FakeClock) -> None:
    key = b"a key of the tests, 32 bytes long"
    with contextlib.closing(open_store(f"sqlite:///{path}", key=key)) as store:
        store.set(store.digest(b"k"), "value", lives=60)
        with contextlib.closing(open_sqlite(path, 0.05)) as state:
            take(state)
        assert store.get(store.digest(b"k")) == "value"


def test_database_of_something_else_is_left_alone(path: Path, clock: FakeClock) -> None:
    with database(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    with contextlib.closing(open_sqlite(path, 0.05)) as state:
        with pytest.raises(StoreFailed, match="something else"):
            take(state)
    with database(path) as db:
        tables = db.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("theirs",)]


@pytest.mark.skipif(os.name != "posix", reason="there are no such rights here")
def test_file_is_for_its_owner_alone(state: SqliteState, path: Path) -> None:
    take(state)
    assert path.stat().st_mode & 0o777 == 0o600


def test_other_writer_is_waited_for_no_longer_than_the_bound(
    state: SqliteState, path: Path
) -> None:
    take(state, 1)
    with database(path) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreFailed, match="locked"):
            take(state, 1)
        with pytest.raises(StoreFailed, match="locked"):
            state.budgets([BudgetReport("b", 10, calls=1)])
        db.execute("ROLLBACK")
    assert len(take(state).starts) == 2


def test_who_only_looks_waits_for_nobody(state: SqliteState, path: Path) -> None:
    terms = CircuitTerms()
    state.circuits("one", [CircuitReport("c", terms, failed=1, opens=30.0)])
    with database(path) as db:
        db.execute("BEGIN IMMEDIATE")
        assert state.circuits("other", [CircuitReport("c", terms)])[0].state == "open"
        assert state.probe("c", "other", terms, 10.0).number is None
        assert state.budgets([BudgetReport("b", 10)])[0].calls == 0
        assert state.published() == {}
        db.execute("ROLLBACK")


def test_trade_that_fails_takes_nothing(
    state: SqliteState, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(state, 1)
    with monkeypatch.context() as patch:

        def packed(_: object) -> bytes:
            raise KeyboardInterrupt

        patch.setattr(sqlite_state, "packed", packed)
        with pytest.raises(KeyboardInterrupt):
            take(state, 1)
    assert len(take(state).starts) == 2


def test_state_that_another_process_has_changed_is_read_anew(
    state: SqliteState, path: Path
) -> None:
    with contextlib.closing(open_sqlite(path, 0.05)) as other:
        given = [len(take(one, 1).starts) for one in (state, other, state, other, state)]
    assert given == [1, 1, 1, 0, 0]


def test_many_quotas_keep_few_ledgers_in_mind(state: SqliteState) -> None:
    for number in range(3 * state.MOST_KNOWN):
        take(state, quota=f"q{number}")
    assert len(state._known) <= state.MOST_KNOWN
    assert len(take(state, quota="q0").starts) == 0


@pytest.mark.parametrize(
    "value",
    [b"", b"\x01nonsense", "text", 7, b"\xff" * 100],
    ids=["empty", "cut", "text", "n", "ff"],
)
def test_state_that_is_not_ours_begins_anew(state: SqliteState, path: Path, value: object) -> None:
    take(state)
    with database(path) as db:
        db.execute("UPDATE shared SET state = ?", (value,))
    assert len(take(state).starts) == 3


@pytest.mark.parametrize("value", ["{", b"\xff\xfe\x00", 7], ids=["cut", "bytes", "number"])
def test_circuit_that_is_not_ours_begins_anew(
    state: SqliteState, path: Path, value: object
) -> None:
    report = CircuitReport("c", CircuitTerms(), failed=1, opens=30.0)
    state.circuits("one", [report])
    with database(path) as db:
        db.execute("UPDATE shared SET state = ?", (value,))
    assert state.circuits("one", [report])[0].state == "open"


@pytest.mark.parametrize("ahead", ["abc", b"x", 1e300, -1e300, 9e15])
@pytest.mark.parametrize("kept", ["abc", 1e300])
def test_clock_that_is_not_ours_begins_anew(
    state: SqliteState, path: Path, clock: FakeClock, ahead: object, kept: object
) -> None:
    take(state)
    state.close()
    with database(path) as db:
        db.execute("UPDATE shared_clock SET ahead = ?", (ahead,))
        db.execute("UPDATE shared SET kept = ?", (kept,))
    take(state, 0)
    assert abs(state.now() - clock.time()) < 1


def test_corrupt_file_is_set_aside(state: SqliteState, path: Path, steps: Any) -> None:
    take(state)
    state.close()
    path.write_bytes(b"no database at all" * 500)
    assert len(take(state).starts) == 3
    assert len([one for one in path.parent.iterdir() if "corrupt" in one.name]) >= 1


def test_file_that_was_deleted_is_begun_anew(
    state: SqliteState, path: Path, clock: FakeClock
) -> None:
    take(state)
    for one in list(path.parent.iterdir()):
        one.unlink()
    clock.advance(0.05)  # others may count in the new one already
    assert len(take(state).starts) == 3


def test_who_has_a_log_open_that_was_deleted_begins_the_one_that_others_will_find(
    state: SqliteState, path: Path, clock: FakeClock
) -> None:
    log = Path(f"{path}-wal")
    take(state, 1)
    for deleted in (log, Path(f"{path}-shm")):
        deleted.unlink()
    clock.advance(0.05)
    take(state, 1)
    assert log.stat().st_size


def test_rows_that_nobody_needs_are_deleted_by_and_by(
    state: SqliteState, path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqliteState, "BATCH", 4)
    for number in range(10):
        take(state, quota=f"old{number}")
    clock.advance(7200)
    for _ in range(4):
        clock.advance(state.SWEEP + 1)
        take(state, 0, quota="new")
    with database(path) as db:
        names = db.execute("SELECT name FROM shared").fetchall()
    assert names == [("quota:new",)]


def test_closed_state_opens_again(state: SqliteState) -> None:
    take(state, 1)
    state.close()
    assert len(take(state).starts) == 2


def test_child_uses_connections_of_its_own(state: SqliteState) -> None:
    take(state, 1)
    state.renew_in_child()
    assert len(take(state).starts) == 2


def test_ctrl_c_in_the_midst_of_a_statement_is_no_failure_of_the_file(
    path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def connected(*given: Any, **chosen: Any) -> sqlite3.Connection:
        opened.append(connect(*given, **chosen))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", connected)
    with contextlib.closing(open_sqlite(path, 0.05)) as state:
        assert len(take(state, 1).starts) == 1
        # It comes once, while SQLite is at work, so that Python sees it when our code is called.
        once = map(_thread.interrupt_main, [signal.SIGINT])
        opened[-1].set_progress_handler(functools.partial(next, once, 0), 1)
        with pytest.raises(KeyboardInterrupt):
            take(state, 1)
        assert len(take(state, 3).starts) == 2


def test_one_that_is_locked_can_be_read_from_and_not_be_written(
    state: SqliteState, path: Path
) -> None:
    take(state, 1)
    with database(path) as db:
        db.execute("BEGIN IMMEDIATE")
        assert state.published() == {}
        with pytest.raises(StoreFailed) as raised:
            state.try_to_write()
        assert raised.value.only_writes
        db.execute("ROLLBACK")
    state.try_to_write()
    assert len(take(state).starts) == 2


def test_the_handler_of_a_signal_may_trade_in_the_midst_of_a_trade(
    state: SqliteState, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_one = Connections.write_one
    interrupts = iter([functools.partial(take, state, 1, holder="handler")])

    def interrupted(*given: Any) -> int:
        for interrupt in interrupts:
            assert len(interrupt().starts) == 1
        return write_one(*given)

    monkeypatch.setattr(Connections, "write_one", interrupted)
    assert len(take(state, 2).starts) == 2
    assert len(take(state, 1, holder="other").starts) == 0
