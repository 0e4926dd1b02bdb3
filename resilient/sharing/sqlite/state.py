"""What the processes of one machine share, in one SQLite file."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from resilient.sharing.rules import budgets, circuits
from resilient.sharing.rules.ledger import Ledger, longest_life
from resilient.sharing.rules.ledger_bytes import packed, unpacked
from resilient.sharing.shapes import (
    Ask,
    BudgetReport,
    BudgetView,
    CircuitReport,
    CircuitTerms,
    CircuitView,
    Grant,
    Probe,
)
from resilient.sharing.sqlite import tables
from resilient.stores.bytes_store import StoreFailed
from resilient.stores.sqlite_connections import Connections
from resilient.timing import clock

T = TypeVar("T")

# SQLite calls resilient_trade in the midst of a statement, which is a transaction by itself at less
# than the price of four statements. What it is given is what was there when it took the lock.
_TRADE = """
    UPDATE shared SET kept = :now, ends = max(ends, :ends),
        state = resilient_trade(CASE WHEN ends > :now THEN state END)
    WHERE name = :name
"""
_FIRST_TRADE = """
    INSERT INTO shared (kept, ends, name, state)
    VALUES (:now, :ends, :name, resilient_trade(NULL))
    ON CONFLICT (name) DO UPDATE SET
        kept = excluded.kept, ends = max(ends, excluded.ends),
        state = resilient_trade(CASE WHEN ends > excluded.kept THEN state END)
"""
_LOOK = "SELECT state FROM shared WHERE name = ? AND ends > ?"
_KEEP = """
    INSERT INTO shared (name, kept, ends, state) VALUES (?, ?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET
        kept = excluded.kept, ends = excluded.ends, state = excluded.state
"""
_ALL = "SELECT name, state FROM shared WHERE name >= ? AND name < ? AND ends > ?"
_SOME = "SELECT rowid, ends FROM shared WHERE rowid > ? ORDER BY rowid LIMIT ?"

_NOTHING = "UPDATE shared_clock SET ahead = ahead"

State = dict[str, Any] | None
_Made = tuple[State, T, float]
"""A state, what is answered, and the seconds for which the state is kept."""
_Move = tuple[str, Callable[[State, float], _Made[T]]]
"""The name of a state, and what makes another one of it."""

_QUOTA, _CIRCUIT, _BUDGET, _FIGURES = "quota:", "circuit:", "budget:", "figures:"


_Known = tuple[bytes, Ledger]
"""A ledger, and what it is as bytes."""


class _Trade:
    """One that is under way.

    known: what this process has written last. error: why it came to nothing. made: what came of it.
    """

    __slots__ = ("ask", "error", "known", "made", "state")

    made: tuple[Grant, _Known]

    def __init__(self, state: SqliteState, ask: Ask, known: _Known | None) -> None:
        self.state = state
        self.ask = ask
        self.known = known
        self.error: BaseException | None = None


_under_way = threading.local()
"""trade: that of this thread, if there is one."""


def _trades() -> Generator[bytes | None, object, None]:
    """What SQLite sends what it has, for what becomes of that.

    No function: a signal may come in as soon as one is entered, before it can catch anything.
    """
    made = None
    try:
        while True:
            made = _traded((yield made))
    except GeneratorExit:
        raise
    except BaseException as error:
        # SQLite tells that something was raised, and not what.
        _under_way.trade.error = error
        raise


def _traded(kept: object) -> bytes:
    trade: _Trade = _under_way.trade
    known, trade.known = trade.known, None  # from here on it is another one
    if type(kept) is not bytes:
        ledger = Ledger()
    elif known is not None and known[0] == kept:
        ledger = known[1]
    else:
        ledger = unpacked(kept) or Ledger()
    grant = ledger.trade(trade.ask, trade.state.now())
    made = packed(ledger)
    trade.made = grant, (made, ledger)
    return made


def open_sqlite(path: Path, bound: float) -> SqliteState:
    """path: from sqlite_file.checked_path. bound: seconds that other writers are waited for."""
    return SqliteState(path, bound)


class SqliteState:
    """See StateStore.

    `_ahead`: of the file's clock, as tables tells it. `_known`: by name, the ledgers that
    were written last, as bytes too. Who takes one out has it alone.
    """

    SWEEP = 10.0
    """Seconds between two looks for what may be forgotten."""
    BATCH = 256
    """Rows that one of them looks at."""
    MOST_KNOWN = 64

    __slots__ = ("__weakref__", "_ahead", "_connections", "_known", "_swept", "_swept_at", "label")

    def __init__(self, path: Path, bound: float) -> None:
        self.label = f"sqlite:{path.name}"
        self._ahead: float | None = None
        self._known: dict[str, _Known] = {}
        self._swept = 0
        self._swept_at = clock.monotonic()
        # Those of this process are waited for first, then those of others.
        self._connections = Connections(path, self.label, bound / 2, self._prepare)

    def trade(self, ask: Ask) -> Grant:
        self._sweep()
        now, name = self.now(), _QUOTA + ask.quota
        values = {"now": now, "ends": now + longest_life(ask), "name": name}
        # The handler of a signal may trade in the midst of another trade.
        outer = getattr(_under_way, "trade", None)
        trade = _under_way.trade = _Trade(self, ask, self._known.pop(name, None))
        try:
            if not self._connections.write_one(_TRADE, values):
                self._connections.write_one(_FIRST_TRADE, values)
        except StoreFailed:
            if trade.error is None:
                raise
            if isinstance(trade.error, Exception):
                raise StoreFailed("its file holds what was not put there by us") from trade.error
            raise trade.error from None
        finally:
            _under_way.trade = outer
        grant, known = trade.made
        if len(self._known) >= self.MOST_KNOWN:
            self._known.clear()
        self._known[name] = known
        return grant

    def circuits(self, worker: str, reports: Sequence[CircuitReport]) -> Sequence[CircuitView]:
        def move_of(report: CircuitReport) -> _Move[CircuitView]:
            def make(known: State, now: float) -> _Made[CircuitView]:
                state, view = circuits.reported(known, worker, report, now)
                return state, view, _circuit_lasts(state, report.terms, now)

            return _CIRCUIT + report.name, make

        return self._move([move_of(report) for report in reports])

    def probe(self, name: str, worker: str, terms: CircuitTerms, lives: float) -> Probe:
        def make(known: State, now: float) -> _Made[Probe]:
            state, probe = circuits.probe(known, worker, terms, lives, now, name)
            return state, probe, _circuit_lasts(state, terms, now)

        return self._move([(_CIRCUIT + name, make)])[0]

    def probed(
        self, name: str, number: int, terms: CircuitTerms, outcome: str, opens: float, why: str
    ) -> CircuitView:
        def make(known: State, now: float) -> _Made[CircuitView]:
            state, view = circuits.probed(known, number, terms, outcome, opens, why, now, name)
            return state, view, _circuit_lasts(state, terms, now)

        return self._move([(_CIRCUIT + name, make)])[0]

    def budgets(self, reports: Sequence[BudgetReport]) -> Sequence[BudgetView]:
        def move_of(report: BudgetReport) -> _Move[BudgetView]:
            def make(known: State, now: float) -> _Made[BudgetView]:
                state, view = budgets.counted(known, report, now)
                return state, view, budgets.lasts(report)

            return _BUDGET + report.name, make

        return self._move([move_of(report) for report in reports])

    def publish(self, worker: str, figures: bytes, lives: float) -> None:
        now = self.now()
        self._connections.write_one(_KEEP, (_FIGURES + worker, now, now + lives, figures))

    def published(self) -> Mapping[str, bytes]:
        def work(db: sqlite3.Connection) -> list[tuple[str, bytes]]:
            values = (_FIGURES, _FIGURES + "\U0010ffff", self.now())
            return db.execute(_ALL, values).fetchall()

        rows = self._connections.run(work)
        return {name[len(_FIGURES) :]: figures for name, figures in rows if type(figures) is bytes}

    def try_to_write(self) -> None:
        self._connections.write_one(_NOTHING, ())

    def close(self) -> None:
        self._connections.close()

    def renew_in_child(self) -> None:
        self._connections.renew_in_child()

    def now(self) -> float:
        """By the file's clock."""
        if self._ahead is None:
            self._connections.run(lambda db: None)
        assert self._ahead is not None
        return clock.monotonic() + self._ahead

    def _move(self, moves: Sequence[_Move[T]]) -> list[T]:
        """Make of each state what its move makes of it; only looking takes no turn to write."""

        def look(db: sqlite3.Connection) -> list[tuple[T, bool]]:
            now = self.now()
            answers = []
            for name, make in moves:
                known = _state_in(db, name, now)
                state, answer, _ = make(known, now)
                answers.append((answer, state is known))
            return answers

        def change(db: sqlite3.Connection) -> list[T]:
            now = self.now()
            answers = []
            for (name, make), (answer, is_done) in zip(moves, seen, strict=True):
                if not is_done:
                    known = _state_in(db, name, now)
                    state, answer, lasts = make(known, now)
                    if state is not known:
                        db.execute(_KEEP, (name, now, now + lasts, json.dumps(state)))
                answers.append(answer)
            return answers

        self._sweep()
        seen = self._connections.run(look)
        if all(is_done for _, is_done in seen):
            return [answer for answer, _ in seen]
        return self._connections.write(change)

    def _prepare(self, db: sqlite3.Connection) -> None:
        self._ahead = tables.prepare(db)
        trades = _trades()
        next(trades)
        db.create_function("resilient_trade", 1, trades.send)

    def _sweep(self) -> None:
        """Forget what nobody has used for long: some rows now and then, round and round."""
        now = clock.monotonic()
        if now - self._swept_at < self.SWEEP:
            return
        self._swept_at = now

        def work(db: sqlite3.Connection) -> None:
            rows = db.execute(_SOME, (self._swept, self.BATCH)).fetchall()
            self._swept = rows[-1][0] if len(rows) == self.BATCH else 0
            now = self.now()
            old = [(row, now) for row, ends in rows if ends <= now]
            if old:
                db.executemany("DELETE FROM shared WHERE rowid = ? AND ends <= ?", old)

        self._connections.write(work)


def _state_in(db: sqlite3.Connection, name: str, now: float) -> State:
    rows = db.execute(_LOOK, (name, now)).fetchall()
    if not rows:
        return None
    try:
        state = json.loads(rows[0][0])
    except (ValueError, TypeError):
        return None
    return state if isinstance(state, dict) else None


def _circuit_lasts(state: State, terms: CircuitTerms, now: float) -> float:
    return 0.0 if state is None else circuits.lasts(state, terms, now)
