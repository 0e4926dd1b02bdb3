"""A store of shared state that may fail: asked within a bound, left alone while it is down."""

from __future__ import annotations

import hashlib
import math
import secrets
import socket
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import ParamSpec, TypeVar

from resilient.ending import at_end
from resilient.forking import keep_forkable
from resilient.sharing.protocol import StateStore
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
from resilient.sharing.stepping import InStep, Members
from resilient.stores.bytes_store import StoreFailed
from resilient.stores.guard import Guard
from resilient.ticking import Ticker
from resilient.timing import clock

P = ParamSpec("P")
T = TypeVar("T")

STEP = 0.1
"""Seconds between the steps of those who keep in step, unless they say otherwise."""


class SharedState:
    """See StateStore. None instead of an answer: the store is down, or was not asked since it was
    down a moment ago. Nothing is raised, and nothing takes longer than `bound` seconds, or twice
    that where it first has to connect, or to see whether it can be written again.

    returns: how often it came back after it had been down; by then others, or a server that was
    started anew, may have forgotten what was told before. losses: how often it was found that it
    has. looked_at: when somebody looked last (monotonic); both are for those who keep in step.
    is_ending: does the program end, so that nothing should be held ahead?
    """

    def __init__(self, raw: StateStore, bound: float) -> None:
        self.label = raw.label
        self.bound = bound
        self.returns = 0
        self.losses = 0
        self.looked_at = -math.inf
        self.is_ending = False
        self.worker = _new_worker()
        self._is_read_only = False  # when it failed last
        self._late_at = math.inf  # when an answer came late, if none came in time since
        self._raw = raw
        self._guard = _StateGuard(raw.label, "shared state")
        self._members = Members(raw.label)
        self._ticker = Ticker(_weakly(self), STEP, "resilient-sharing")
        # Or its thread would keep it for ever.
        weakref.finalize(self, self._ticker.stop).atexit = False
        keep_forkable(self)
        _states.add(self)
        at_end(_end_all)

    def __repr__(self) -> str:
        return f"<shared state in {self.label}>"

    @property
    def is_down(self) -> bool:
        """Did it fail when it was asked last?"""
        return self._guard.is_down

    @property
    def failures(self) -> int:
        """How often it failed."""
        return self._guard.failures

    @property
    def skipped(self) -> int:
        """How often it was not asked, since it was down."""
        return self._guard.skipped

    # What it is asked.

    def trade(self, ask: Ask) -> Grant | None:
        """See StateStore."""
        return self._ask(self._raw.trade, ask)

    def circuits(self, reports: Sequence[CircuitReport]) -> Sequence[CircuitView] | None:
        """See StateStore."""
        return self._ask(self._raw.circuits, self.worker, reports)

    def probe(self, name: str, terms: CircuitTerms, lives: float) -> Probe | None:
        """See StateStore."""
        return self._ask(self._raw.probe, name, self.worker, terms, lives)

    def probed(
        self, name: str, number: int, terms: CircuitTerms, outcome: str, opens: float, why: str
    ) -> CircuitView | None:
        """See StateStore."""
        return self._ask(self._raw.probed, name, number, terms, outcome, opens, why)

    def budgets(self, reports: Sequence[BudgetReport]) -> Sequence[BudgetView] | None:
        """See StateStore."""
        return self._ask(self._raw.budgets, reports)

    def publish(self, figures: bytes, lives: float) -> bool:
        """Keep this worker's figures; False if that failed."""
        return self._ask(self._published, figures, lives) is not None

    def published(self) -> Mapping[str, bytes] | None:
        """See StateStore."""
        return self._ask(self._raw.published)

    def close(self) -> None:
        """Take no more steps, and close connections; what is asked later opens new ones."""
        self._ticker.stop()
        self._raw.close()

    # Behind the callers' backs.

    @property
    def is_stepping(self) -> bool:
        """Is there a thread that takes steps?"""
        return self._ticker.is_running

    def in_step(self, member: InStep, every: float = STEP, *, starts: bool = True) -> None:
        """Call `member.step()` about every so many seconds, as long as somebody else keeps it.

        A member that says so again steps faster or slower from then on.
        starts: may a thread be started for it? Else it waits until there is one for others.
        """
        self._members.add(member, every)
        if starts and _is_time_real():
            # Who can have no thread any more, since the program ends or has too many, asks when
            # its calls do.
            with suppress(RuntimeError):
                self._ticker.start()

    def note_loss(self, known: int) -> None:
        """What was told is gone, found by a question from when there were `known` losses."""
        # Whoever asks because of a loss finds the same one.
        if known == self.losses:
            self.losses += 1
            self.hurry()

    def hurry(self, member: InStep | None = None) -> None:
        """Let a member take a step at once, or everybody."""
        self._members.hurry(member)
        self._ticker.hurry()

    def step_now(self) -> None:
        """Let everybody take a step, in this thread: for tests under a fake clock."""
        self._members.hurry()
        self._members.step()

    def end(self) -> None:
        """Let everybody step once more before the program ends, within the bound."""
        if not self._ticker.is_running or not _is_time_real() or self.is_down:
            return
        self.is_ending = True
        self._members.until = 0.0
        self._ticker.stop()
        self._members.until = clock.monotonic() + self.bound
        self.step_now()

    def renew_in_child(self) -> None:
        """A forked child is a worker of its own."""
        self.worker = _new_worker()
        self._members.renew_in_child()
        self._raw.renew_in_child()

    def _published(self, figures: bytes, lives: float) -> bool:
        self._raw.publish(self.worker, figures, lives)
        return True

    def _ask(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        if not self._guard.may_ask():
            return None
        started = clock.monotonic()
        try:
            if self._is_read_only and self._guard.is_down:
                # That it can be read from says nothing.
                self._raw.try_to_write()
            answer = work(*args, **kwargs)
        except StoreFailed as failure:
            self._is_read_only = failure.only_writes
            self._guard.failed(str(failure), started)
            return None
        now = clock.monotonic()
        took = now - started
        if took <= self.bound:
            self._late_at = math.inf
            if self._guard.is_down and self._guard.worked(started):
                self.returns += 1
        elif self._guard.is_down or started >= self._late_at:
            text = f"it took {took:.2f} s, more than the {self.bound:g} s that it may take"
            self._guard.failed(text, started)
        else:
            # Once may be this process, which was stopped meanwhile, and the store is fine.
            self._late_at = now
        return answer

    def _step(self) -> None:
        if _is_time_real():
            self._members.step()


_states: weakref.WeakSet[SharedState] = weakref.WeakSet()


def _end_all() -> None:
    for state in list(_states):
        state.end()


def _weakly(state: SharedState) -> Callable[[], None]:
    kept = weakref.ref(state)

    def step() -> None:
        found = kept()
        if found is not None:
            found._step()

    return step


class _StateGuard(Guard):
    """Workers come back soon after each other, so that none is without its share for long."""

    LONGEST = 2.0

    __slots__ = ()


def _new_worker() -> str:
    """Names this process. Those of one host begin alike, since what is wrong with it, say its
    network, is wrong with all of them.
    """
    host = hashlib.blake2b(socket.gethostname().encode("utf-8", "replace"), digest_size=4)
    return f"{host.hexdigest()}/{secrets.token_hex(8)}"


def _is_time_real() -> bool:
    """Whoever has replaced the time decides when to step."""
    return clock.wait is threading.Event.wait
