"""What is asked of a store of shared state, and what it answers.

No moment crosses the wire, only durations: "0.3 s ago", "in 1.2 s". Whoever gets one adds it to a
clock of its own, so clocks of machines may differ by any amount. What a worker tells of the past it
has measured before it sends it; what a store tells of the future counts from the coming of its
answer. So a slow network makes a worker late, never early. How long its holder lives, a worker
counts from before it asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

Ages = Sequence[tuple[int, float]]
"""How many, and how many seconds ago."""


class Word(NamedTuple):
    """What the vendor has told one worker, for all of them.

    key: what it is about; a newer word replaces an older one. text: for the workers, no store looks
    into it. age: seconds since the request left that was answered so. left: units of the vendor's
    quota `key` that were left then, None if it says nothing of that. resets_in: seconds from now
    until they are renewed, None if unknown; the word is forgotten then, or after a day. pause:
    seconds from now for which nobody may send anything.
    """

    key: str
    text: str
    age: float
    left: float | None = None
    resets_in: float | None = None
    pause: float = 0.0


class Ask(NamedTuple):
    """One worker's business with one quota, in one step.

    quota: its name in the store. rates: (calls, seconds) of each rate; may be empty.
    holder: the worker. lives: seconds for which it is taken to be alive without being heard of;
    what it holds by then counts as done then.
    want: slots wanted. whole: all of them or none. kept: of each rate, slots that must stay free.
    within: seconds; no slot is given that can't be used before that.
    unused: slots that it was given and gives back, as if never taken. done: those whose requests
    are over. spent: requests that went without the store's knowledge while it could not be asked.
    words: what is new. spends: keys of words whose `left` bounds what may be given.
    seen: the newest word that this worker knows, as `Grant.seen` told it.
    """

    quota: str
    holder: str
    rates: Sequence[tuple[int, float]] = ()
    lives: float = 1.0
    want: int = 0
    whole: bool = False
    kept: Sequence[int] = ()
    within: float = 0.0
    unused: int = 0
    done: Ages = ()
    spent: Ages = ()
    words: Sequence[Word] = ()
    spends: Sequence[str] = ()
    seen: int = 0


class Grant(NamedTuple):
    """What comes of it.

    starts: for each slot given, seconds from the answer until it may be used, ascending. wait: if
    fewer were given than wanted, seconds after which asking again may help; inf if nobody knows,
    since all slots are held by running calls. pause: seconds for which nobody may send.
    words: those newer than `seen`, with their ages now. workers: how many are alive, this one too.
    born: names this state; another one than before means that the old one was lost.
    """

    starts: Sequence[float]
    wait: float = 0.0
    pause: float = 0.0
    words: Sequence[Word] = ()
    seen: int = 0
    workers: int = 1
    born: str = ""


class CircuitTerms(NamedTuple):
    """When the calls of all workers together open a circuit, as in CircuitBreaker; in seconds.

    failure_rate, slow_rate: None: off. fail_max: 0: off.
    """

    window: float = 60.0
    min_calls: int = 10
    failure_rate: float | None = 0.5
    slow_rate: float | None = None
    fail_max: int = 5
    reset_timeout: float = 30.0
    max_reset_timeout: float = 600.0
    growth: float = 2.0
    probes: int = 1
    success_threshold: int = 2


class CircuitReport(NamedTuple):
    """What one worker's calls of one circuit came to since its last report.

    era: the state these calls were admitted in; of another one they don't count. ok, failed, slow:
    calls. streak: failures in a row at their end. opens: seconds for which this worker wants it
    open for all, None if it does not. why: in words, without secrets. forces: "isolated",
    "disabled" or "reset", by an operator.
    """

    name: str
    terms: CircuitTerms
    era: int = 0
    ok: int = 0
    failed: int = 0
    slow: int = 0
    streak: int = 0
    opens: float | None = None
    why: str = ""
    forces: str = ""


class CircuitView(NamedTuple):
    """A circuit as all workers see it.

    state: "closed", "open" or "half-open", as pybreaker spells them. era: grows with each change.
    open_for: seconds until a probe may go. forced: "isolated", "disabled" or "". calls, failed,
    slow: in the window, of all workers.
    """

    name: str
    state: str = "closed"
    era: int = 0
    open_for: float = 0.0
    why: str = ""
    forced: str = ""
    calls: int = 0
    failed: int = 0
    slow: int = 0


class Probe(NamedTuple):
    """May this worker probe? number: names the probe, None if it may not. view: the circuit now."""

    number: int | None
    view: CircuitView


class BudgetReport(NamedTuple):
    """Calls and retries since the last report; window in seconds."""

    name: str
    window: float
    calls: int = 0
    retries: int = 0


class BudgetView(NamedTuple):
    """Calls and retries in the window, of all workers."""

    name: str
    calls: int = 0
    retries: int = 0


NEVER = math.inf
"""Seconds until what nobody knows."""
