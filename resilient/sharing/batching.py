"""What many policies of a process have for one store goes there in one question."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from resilient.forking import keep_forkable
from resilient.sharing.shapes import BudgetReport, BudgetView, CircuitReport, CircuitView
from resilient.sharing.shared import SharedState
from resilient.timing import clock

Report = TypeVar("Report")
View = TypeVar("View")
Report_co = TypeVar("Report_co", covariant=True)
View_contra = TypeVar("View_contra", contravariant=True)

HURRY = 0.05
"""Seconds between two steps that are asked for before their time, unless it is urgent."""


class Reporter(Protocol[Report_co, View_contra]):
    """A policy's part in it. Both are called by one thread at a time, `heard` after each report."""

    def report(self) -> Report_co:
        """What is new here."""

    def heard(self, view: View_contra | None, asked: float) -> None:
        """How it stands everywhere, asked at that monotonic time; None: the store is down."""


class Batch(Generic[Report, View]):
    """Reports of all who are kept by somebody else. `_lock` guards `_members`, `_hurried_at`."""

    def __init__(
        self, ask: Callable[[SharedState, Sequence[Report]], Sequence[View] | None]
    ) -> None:
        self._ask = ask
        self._state: weakref.ref[SharedState] | None = None
        self._lock = threading.Lock()
        self._members: list[weakref.ref[Reporter[Report, View]]] = []
        self._hurried_at = -math.inf
        keep_forkable(self)

    def begin(self, state: SharedState) -> None:
        """Keep in step with `state`, which must not be kept by its own batches."""
        self._state = weakref.ref(state)
        state.in_step(self)

    def add(self, member: Reporter[Report, View]) -> None:
        """Let `member` take part."""
        with self._lock:
            self._members.append(weakref.ref(member))

    def remove(self, member: Reporter[Report, View]) -> None:
        """Let `member` take part no longer, from the next step on."""
        with self._lock:
            self._members = [key for key in self._members if key() is not member]

    def hurry(self, *, is_urgent: bool = False) -> None:
        """Let the next step come at once: other workers wait for what it tells."""
        state = None if self._state is None else self._state()
        with self._lock:
            now = clock.monotonic()
            if state is None or (now - self._hurried_at < HURRY and not is_urgent):
                return
            self._hurried_at = now
        state.hurry(self)

    def step(self) -> None:
        """Ask once for all."""
        state = None if self._state is None else self._state()
        members = self._present()
        if state is None or not members:
            return
        asked = clock.monotonic()
        views = self._ask(state, [member.report() for member in members])
        heard: Sequence[View | None] = [None] * len(members) if views is None else views
        for member, view in zip(members, heard, strict=True):
            member.heard(view, asked)

    def renew_in_child(self) -> None:
        """Its lock is open again; the members see to themselves."""

    def _present(self) -> list[Reporter[Report, View]]:
        with self._lock:
            found = [(key, key()) for key in self._members]
            if any(member is None for _, member in found):
                self._members = [key for key, member in found if member is not None]
        return [member for _, member in found if member is not None]


CircuitBatch = Batch[CircuitReport, CircuitView]
BudgetBatch = Batch[BudgetReport, BudgetView]

# Guards both below.
_lock = threading.Lock()
_circuits: weakref.WeakKeyDictionary[SharedState, CircuitBatch] = weakref.WeakKeyDictionary()
_budgets: weakref.WeakKeyDictionary[SharedState, BudgetBatch] = weakref.WeakKeyDictionary()


def circuits_of(state: SharedState) -> CircuitBatch:
    """The circuits that this process shares in a store."""
    with _lock:
        batch = _circuits.get(state)
        if batch is None:
            batch = _circuits[state] = Batch(SharedState.circuits)
            batch.begin(state)
    return batch


def budgets_of(state: SharedState) -> BudgetBatch:
    """The retry budgets that this process shares in a store."""
    with _lock:
        batch = _budgets.get(state)
        if batch is None:
            batch = _budgets[state] = Batch(SharedState.budgets)
            batch.begin(state)
    return batch
