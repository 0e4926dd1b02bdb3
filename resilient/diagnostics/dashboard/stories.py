"""What happened to calls that went wrong, step by step, and what became of breakers and alerts.

It comes from a listener (see `live`) or from lines of logs (see `entries`). Texts are kept as they
came, and masked when they are shown.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST_STEPS = 50
"""Steps kept of one story; `diagnostics.story` tells no more."""

MOST_STORIES = 10
"""Stories kept of one function: the newest."""

MOST_REFUSED = 3
"""Of these, stories of calls that were refused before anything was sent."""

MOST_FUNCTIONS = 500
MOST_EVENTS = 200
MOST_ALERTS = 100
MOST_PROCESSES = 64
MOST_TEXT = 500

BREAKER_STATES = {
    "breaker_opened": "open",
    "breaker_half_open": "half-open",
    "breaker_closed": "closed",
}
ALERTS = ("alert", "escalated", "all_clear")
BREAKERS = frozenset({*BREAKER_STATES, "breaker_forced"})

ANSWERED = frozenset({"fallback", "stale"})
"""Steps that end a story well: the caller got an answer all the same."""

ENDS = ANSWERED | {
    *("failed", "gave_up", "retry_refused", "rate_limited", "breaker_refused", "bulkhead_full"),
    *("fallback_failed", "deadline", "abandoned"),
}
"""Steps after which a call is worth telling of."""

_REFUSALS = frozenset({"breaker_refused", "rate_limited", "bulkhead_full"})

STATE_HOLDS = 3600.0
"""Seconds: a breaker that was not heard of for so long may have gone with its process."""


class Moment(NamedTuple):
    """One step of a story. at: seconds since the call began."""

    at: float
    kind: str
    text: str


class Told(NamedTuple):
    """One step, as it reached us.

    at: Unix seconds. call: its id, "" outside a call. process: who told it. story: all that
    happened to the call so far, if that is known. condition: what an alert is about.
    """

    at: float
    service: str
    function: str
    call: str
    kind: str
    text: str
    process: str = ""
    story: Sequence[Moment] = ()
    condition: str = ""


class Stories:
    """The newest stories of each function, and what breakers and alerts did.

    `_lock` guards all of it.
    """

    def __init__(self) -> None:
        self.version = 0
        """Grows with whatever is to be shown."""
        self.renew()

    def renew(self) -> None:
        """Forget everything, and open the lock that a fork may have copied while it was held."""
        self._lock = threading.Lock()
        self._stories: OrderedDict[tuple[str, str], OrderedDict[tuple[str, str], Told]]
        self._stories = OrderedDict()
        self._events: deque[Told] = deque(maxlen=MOST_EVENTS)
        self._alerts: OrderedDict[tuple[str, ...], Told] = OrderedDict()
        self._states: OrderedDict[tuple[str, str], OrderedDict[str, tuple[float, str]]]
        self._states = OrderedDict()

    def add(self, step: Told) -> None:
        """Take one step of a call, or one that no call made."""
        is_end = bool(step.call) and step.kind in ENDS
        is_alert = step.kind in ALERTS
        if not (is_end or is_alert or step.kind in BREAKERS):
            return
        step = step._replace(text=step.text[:MOST_TEXT], story=_bounded(step.story))
        with self._lock:
            if is_alert:
                subject = (step.process, step.service, step.function, step.condition)
                self._alerts[subject] = step
                self._alerts.move_to_end(subject)
                if len(self._alerts) > MOST_ALERTS:
                    self._alerts.popitem(last=False)
            if step.kind in BREAKERS and step not in self._events:
                self._events.append(step)
                self._keep_state_locked(step)
            if is_end:
                self._keep_story_locked(step)
            self.version += 1

    def _keep_state_locked(self, step: Told) -> None:
        state = BREAKER_STATES.get(step.kind)
        if state is None:
            return
        self._hold_locked((step.service, step.function), step.process, step.at, state)

    def hold(self, service: str, function: str, process: str, at: float, state: str) -> None:
        """Take the state that a breaker was in at some moment."""
        with self._lock:
            self._hold_locked((service, function), process, at, state)

    def _hold_locked(self, names: tuple[str, str], process: str, at: float, state: str) -> None:
        by_process = _kept(self._states, names, OrderedDict())
        if process in by_process and by_process[process][0] > at:
            return
        by_process[process] = (at, state)
        by_process.move_to_end(process)
        while len(by_process) > MOST_PROCESSES:
            by_process.popitem(last=False)

    def _keep_story_locked(self, step: Told) -> None:
        stories = _kept(self._stories, (step.service, step.function), OrderedDict())
        call = (step.process, step.call)
        known = stories.get(call)
        if known is not None and len(known.story) > len(step.story):
            return
        stories[call] = step
        stories.move_to_end(call)
        while len(stories) > MOST_STORIES:
            del stories[_least_wanted(stories)]

    def of(self, service: str, function: str) -> list[Told]:
        """The last steps of a function's calls that went wrong, with their stories; newest first.

        Where only that step is known, it is the story.
        """
        with self._lock:
            told = list(self._stories.get((service, function), {}).values())
        told.sort(key=lambda step: -step.at)
        return [
            step if step.story else step._replace(story=(Moment(0.0, step.kind, step.text),))
            for step in told
        ]

    def breakers(self) -> list[Told]:
        """What breakers did, the newest first."""
        with self._lock:
            return sorted(self._events, key=lambda step: -step.at)

    def alerts(self) -> list[Told]:
        """The newest word on each condition that was told of: what is not over first."""
        with self._lock:
            return sorted(
                self._alerts.values(), key=lambda step: (step.kind == "all_clear", -step.at)
            )

    def states(self, now: float) -> dict[tuple[str, str], list[str]]:
        """The state of each function's breakers, one for each process heard of lately."""
        with self._lock:
            return {
                key: [state for at, state in by_process.values() if now - at < STATE_HOLDS]
                for key, by_process in self._states.items()
            }


def _kept(
    by_function: OrderedDict[tuple[str, str], OrderedDict[K, V]],
    key: tuple[str, str],
    fresh: OrderedDict[K, V],
) -> OrderedDict[K, V]:
    """What is kept of a function; those heard of longest ago make room."""
    kept = by_function.setdefault(key, fresh)
    by_function.move_to_end(key)
    while len(by_function) > MOST_FUNCTIONS:
        by_function.popitem(last=False)
    return kept


def _least_wanted(stories: Mapping[tuple[str, str], Told]) -> tuple[str, str]:
    """The oldest; of calls that were refused or answered, if they crowd out those that failed."""
    refused = [call for call, step in stories.items() if _is_refused(step)]
    if len(refused) > MOST_REFUSED:
        return refused[0]
    answered = [call for call, step in stories.items() if step.kind in ANSWERED]
    return answered[0] if len(answered) > MOST_STORIES // 2 else next(iter(stories))


def _is_refused(step: Told) -> bool:
    """Was nothing sent? A breaker that opened says why; those that it refuses say nothing new."""
    kinds = {step.kind, *(one.kind for one in step.story)}
    return not kinds.isdisjoint(_REFUSALS) and kinds.isdisjoint(("request", "retry"))


def _bounded(story: Iterable[Moment]) -> tuple[Moment, ...]:
    moments = tuple(story)[:MOST_STEPS]
    return tuple(one._replace(text=one.text[:MOST_TEXT]) for one in moments)
