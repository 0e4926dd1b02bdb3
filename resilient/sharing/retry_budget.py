"""How many retries there may be: a share of the recent calls, of this process or of all workers."""

from __future__ import annotations

import threading

from resilient.forking import keep_forkable
from resilient.sharing.batching import budgets_of
from resilient.sharing.shapes import BudgetReport, BudgetView
from resilient.sharing.shared import SharedState
from resilient.timing import RollingWindow, clock


class Budget:
    """Keeps retries under a share of the recent calls, so that they can't multiply an outage.

    The first FLOOR retries of a window are free: with little traffic a share means nothing. Where
    it is shared, both are counted over all workers: theirs as the store has told them last, its
    own as they are.

    `_lock` makes asking and counting one step, and guards all fields but `calls`. `_told`, `_sent`:
    calls and retries that the store knows of, and that it is being told of.
    """

    WINDOW = 60.0
    FLOOR = 10

    __slots__ = (
        "__weakref__",
        "_lock",
        "_name",
        "_refuses",
        "_retries",
        "_sent",
        "_state",
        "_told",
        "_view",
        "calls",
        "is_cut_off",
        "share",
    )

    def __init__(self, share: float) -> None:
        self.share = share
        self.calls = RollingWindow(self.WINDOW)
        self.is_cut_off = False
        """Is there no retry, since the store is down?"""
        self._retries: RollingWindow | None = None
        self._state: SharedState | None = None
        self._lock = threading.Lock()

    def share_in(self, state: SharedState, name: str, *, refuses: bool = False) -> None:
        """Share it with other workers from now on. refuses: no retries while the store is down."""
        if self._state is state:
            return
        self.unshare()
        with self._lock:
            self._state = state
            self._name = name
            self._refuses = refuses
            self._view: BudgetView | None = None
            self._told = self._sent = self._ever_locked()
        keep_forkable(self)
        budgets_of(state).add(self)

    def unshare(self) -> None:
        """Go by this worker's own calls from now on."""
        with self._lock:
            state, self._state = self._state, None
            self.is_cut_off = False
        if state is not None:
            budgets_of(state).remove(self)

    def take_over(self, old: Budget) -> None:
        """Go on with the counts of `old`; those of a shared one are in the store."""
        if old._state is None:
            self.calls, self._retries = old.calls, old._retries

    @property
    def shared_in(self) -> str | None:
        """The store, in words."""
        return None if self._state is None else self._state.label

    def take(self) -> bool:
        """May one more retry be made? If so, it is counted."""
        with self._lock:
            now = clock.monotonic()
            if self._retries is None:  # few functions ever need it
                self._retries = RollingWindow(self.WINDOW)
            calls, retries = self._counts_locked(now)
            if self.is_cut_off or (retries >= self.FLOOR and retries >= self.share * calls):
                return False
            self._retries.add(now)
            state = self._state
        if state is not None:
            budgets_of(state).hurry()
        return True

    # Sharing: see sharing.batching.

    def report(self) -> BudgetReport:
        """Calls and retries that the store does not know of."""
        with self._lock:
            now = clock.monotonic()
            self._sent = self._ever_locked()
            calls, retries = self._untold(self._sent)
            # What was made while the store was down is told once it is back, if it counts still.
            calls = min(calls, self.calls.total(now))
            retries = 0 if self._retries is None else min(retries, self._retries.total(now))
            return BudgetReport(self._name, self.WINDOW, calls, retries)

    def heard(self, view: BudgetView | None, asked: float) -> None:
        """What the store has answered; None if it is down: its own figures decide then."""
        with self._lock:
            self._view = view
            self.is_cut_off = view is None and self._refuses and self._state is not None
            if view is not None:
                self._told = self._sent

    def renew_in_child(self) -> None:
        """What the parent has not told yet, it tells itself."""
        self._told = self._sent = self._ever_locked()

    def _counts_locked(self, now: float) -> tuple[int, int]:
        assert self._retries is not None
        view = None if self._state is None else self._view
        if view is None:
            return self.calls.total(now), self._retries.total(now)
        calls, retries = self._untold(self._ever_locked())
        return view.calls + calls, view.retries + retries

    def _untold(self, ever: tuple[int, int]) -> tuple[int, int]:
        return ever[0] - self._told[0], ever[1] - self._told[1]

    def _ever_locked(self) -> tuple[int, int]:
        self.calls.fold()
        if self._retries is None:
            return self.calls.ever, 0
        self._retries.fold()
        return self.calls.ever, self._retries.ever
