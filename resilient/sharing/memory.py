"""What the threads of one process share: the same as workers do, without a server or a file."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from resilient.sharing.rules import budgets, circuits
from resilient.sharing.rules.ledger import Ledger, longest_life
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
from resilient.timing import clock


class MemoryState:
    """See StateStore. A forked child has a copy of its own.

    `_lock` guards all of it. Each thing is kept with the moment from which it may be forgotten.
    """

    SWEEP = 60.0
    """Seconds between two looks for what may be forgotten."""

    __slots__ = (
        "__weakref__",
        "_budgets",
        "_circuits",
        "_figures",
        "_ledgers",
        "_lock",
        "_swept_at",
        "label",
    )

    def __init__(self, label: str = "memory") -> None:
        self.label = label
        self._ledgers: dict[str, tuple[float, Ledger | None]] = {}
        self._circuits: dict[str, tuple[float, dict[str, Any]]] = {}
        self._budgets: dict[str, tuple[float, dict[str, Any]]] = {}
        self._figures: dict[str, tuple[float, bytes]] = {}
        self._swept_at = clock.monotonic()
        self._lock = threading.Lock()

    def trade(self, ask: Ask) -> Grant:
        with self._lock:
            now = self._now_locked()
            ends, ledger = self._ledgers.get(ask.quota, (0.0, None))
            if ledger is None or ends <= now:
                ledger = Ledger()
            grant = ledger.trade(ask, now)
            self._ledgers[ask.quota] = max(ends, now + longest_life(ask)), ledger
        return grant

    def circuits(self, worker: str, reports: Sequence[CircuitReport]) -> Sequence[CircuitView]:
        views = []
        with self._lock:
            now = self._now_locked()
            for report in reports:
                known = self._circuit_locked(report.name, now)
                state, view = circuits.reported(known, worker, report, now)
                self._keep_circuit_locked(report.name, state, report.terms, now)
                views.append(view)
        return views

    def probe(self, name: str, worker: str, terms: CircuitTerms, lives: float) -> Probe:
        with self._lock:
            now = self._now_locked()
            known = self._circuit_locked(name, now)
            state, probe = circuits.probe(known, worker, terms, lives, now, name)
            self._keep_circuit_locked(name, state, terms, now)
        return probe

    def probed(
        self, name: str, number: int, terms: CircuitTerms, outcome: str, opens: float, why: str
    ) -> CircuitView:
        with self._lock:
            now = self._now_locked()
            known = self._circuit_locked(name, now)
            state, view = circuits.probed(known, number, terms, outcome, opens, why, now, name)
            self._keep_circuit_locked(name, state, terms, now)
        return view

    def budgets(self, reports: Sequence[BudgetReport]) -> Sequence[BudgetView]:
        views = []
        with self._lock:
            now = self._now_locked()
            for report in reports:
                kept = self._budgets.get(report.name)
                state, view = budgets.counted(kept[1] if kept else None, report, now)
                if state is not None:
                    self._budgets[report.name] = now + budgets.lasts(report), state
                views.append(view)
        return views

    def publish(self, worker: str, figures: bytes, lives: float) -> None:
        with self._lock:
            self._figures[worker] = self._now_locked() + lives, figures

    def published(self) -> Mapping[str, bytes]:
        with self._lock:
            now = self._now_locked()
            return {name: figures for name, (ends, figures) in self._figures.items() if now < ends}

    def try_to_write(self) -> None:
        pass

    def close(self) -> None:
        """Nothing to do: whoever has it may go on."""

    def renew_in_child(self) -> None:
        """Give up what the parent's workers have: they are not this child's."""
        self._ledgers.clear()
        self._circuits.clear()
        self._budgets.clear()
        self._figures.clear()

    def _now_locked(self) -> float:
        now = clock.monotonic()
        if now - self._swept_at > self.SWEEP:
            self._swept_at = now
            kept: dict[str, tuple[float, Any]]
            for kept in (self._ledgers, self._circuits, self._budgets, self._figures):
                for name in [name for name, (ends, _) in kept.items() if ends <= now]:
                    del kept[name]
        return now

    def _circuit_locked(self, name: str, now: float) -> dict[str, Any] | None:
        kept = self._circuits.get(name)
        return kept[1] if kept is not None and now < kept[0] else None

    def _keep_circuit_locked(
        self, name: str, state: dict[str, Any] | None, terms: CircuitTerms, now: float
    ) -> None:
        if state is not None:
            self._circuits[name] = now + circuits.lasts(state, terms, now), state
