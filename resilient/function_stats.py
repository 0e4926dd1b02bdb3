"""The figures of one function, counted so that a healthy call hardly notices.

A healthy call only appends its duration to a list; every BATCH calls these are folded in under the
function's lock, and whoever reads counts what is pending, too. What is noteworthy (an attempt that
failed, a wait, an HTTP exchange) is counted one by one.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from resilient.call import Call, Verdict
from resilient.histogram import Histogram
from resilient.timing import drained

MOST_HOSTS = 100
"""Hosts that one function counts one by one: customers' webhooks, say, are without end."""

MOST_NAMES = 100
"""Reasons of failures, and kinds of steps, that one function counts one by one."""

OTHERS = "(others)"

_LONGEST = 255  # of a host's name, RFC 1035 2.3.4
_COUNT = itemgetter(1)
# Most functions have nothing to tell of most of it: one object for all of them.
_NONE: dict[str, Any] = {}
_NO_DURATIONS = Histogram().snapshot()
# An enum's value costs more to look up than a name.
_OK, _REFUSED = Verdict.OK.value, Verdict.REFUSED.value


class _Figures:
    """What a function that was called has to show. Not locked: its FunctionStats is."""

    __slots__ = (
        "degraded",
        "errors",
        "hits",
        "hosts",
        "http_hits",
        "http_missed",
        "http_saved",
        "latency",
        "missed",
        "outcomes",
        "quick",
        "raised",
        "recovered",
        "retries",
        "saved",
        "steps",
        "told",
        "upstream",
        "waited",
    )

    def __init__(self) -> None:
        self.latency = Histogram()
        self.upstream = Histogram()
        self.outcomes: Counter[str] = Counter()
        self.steps: Counter[str] = Counter()
        self.waited: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.hosts: Counter[str] = Counter()
        self.retries = self.raised = self.degraded = self.recovered = 0
        self.hits = self.quick = self.missed = self.http_hits = self.http_missed = 0
        self.saved = self.http_saved = 0.0
        self.told: dict[str, Any] | None = None
        """What `tell` gave, until something noteworthy happens or is folded in."""

    def add_work(self, call: Call) -> None:
        """Count attempts, steps and exchanges of one call."""
        self.told = None
        self.retries += call.attempt - 1
        for step in call.steps:
            kind = _room_for(step.kind, self.steps, MOST_NAMES)
            self.steps[kind] += 1
            waited = step.facts.get("waited")
            if waited:
                self.waited[kind] += waited
        for exchange in call.exchanges:
            self.hosts[_room_for(exchange.host, self.hosts, MOST_HOSTS)] += 1
        answered = [one.elapsed for one in call.exchanges if one.elapsed is not None]
        self.upstream.add(answered)

    def tell(self, service: str, name: str) -> dict[str, Any]:
        """A snapshot, all but what healthy calls change: calls, outcomes, attempts, latency."""
        return {
            "service": service,
            "function": name,
            "calls": 0,
            "outcomes": dict(self.outcomes) or _NONE,
            "attempts": 0,
            "hits": self.hits,
            "misses": self.missed,
            "saved": self.saved,
            "http_hits": self.http_hits,
            "http_misses": self.http_missed,
            "http_saved": self.http_saved,
            "latency": _NONE,
            "raised": self.raised,
            "degraded": self.degraded,
            "recovered": self.recovered,
            "retries": self.retries,
            "exchanges": dict(self.hosts) or _NONE,
            "errors": _most_common(self.errors, 20) or _NONE,
            "steps": dict(self.steps) or _NONE,
            "waited": dict(self.waited) or _NONE,
            "upstream": self.upstream.snapshot() if self.upstream.count else _NO_DURATIONS,
        }


def _room_for(name: str, counted: Counter[str], most: int) -> str:
    """The name to count one more under: memory stays bounded whatever is counted."""
    name = name[:_LONGEST]
    return name if name in counted or len(counted) < most else OTHERS


class FunctionStats:
    """The figures of one function.

    Functions of the same service and name (a closure made anew for each request, say) share one.

    durations: seconds of finished calls; saved: seconds of upstream time that each answer from a
    cache spared; spared: the same for answers so quick that there was no Call, and no duration;
    missed: anything for each call that the cache could not answer. http_saved, http_missed: the
    same as saved and missed for each request of a function whose requests are cached.
    handle: a weak reference to the newest wrapper's `fn.resilient`, for who asks what its policies
    know now; None if nobody has decorated it.
    Anybody appends to these; `_lock` guards their folding and all other figures, which are made
    with the first call. Only `fold` and `reset` empty them: by their length the wrapper knows when
    other batches are to be folded, too. So a snapshot takes durations in and leaves them there:
    `_taken` is how many of them, from the first, are counted already. `_lock` guards it, too.
    """

    __slots__ = (
        "_figures",
        "_lock",
        "_taken",
        "durations",
        "handle",
        "http_missed",
        "http_saved",
        "missed",
        "name",
        "saved",
        "service",
        "spared",
    )

    def __init__(self, service: str, name: str) -> None:
        self.service = service
        self.name = name
        self.durations: list[float] = []
        self.saved: list[float] = []
        self.spared: list[float] = []
        self.missed: list[float] = []
        self.http_saved: list[float] = []
        self.http_missed: list[float] = []
        self.handle: Callable[[], Any] | None = None
        self._figures: _Figures | None = None
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def is_fresh(self) -> bool:
        """Has nothing been counted yet? Each step of a decoration leaves figures of that kind."""
        return self._figures is None and not self.durations and not self.spared

    def fold(self) -> None:
        """Take in what waits in the lists that anybody appends to."""
        with self._lock:
            figures = self._figures_locked()
            durations = drained(self.durations)
            figures.latency.add(durations[self._taken :] if self._taken else durations)
            self._taken = 0
            if self.saved or self.spared or self.missed or self.http_saved or self.http_missed:
                self._fold_cached_locked(figures)

    def _fold_cached_locked(self, figures: _Figures) -> None:
        figures.told = None
        spared = drained(self.spared)
        saved = drained(self.saved) + spared
        figures.quick += len(spared)
        figures.hits += len(saved)
        figures.saved += math.fsum(saved)
        figures.missed += len(drained(self.missed))
        http_saved = drained(self.http_saved)
        figures.http_hits += len(http_saved)
        figures.http_saved += math.fsum(http_saved)
        figures.http_missed += len(drained(self.http_missed))

    def _figures_locked(self) -> _Figures:
        if self._figures is None:
            self._figures = _Figures()
        return self._figures

    def record(self, call: Call, error: BaseException | None = None) -> None:
        """Count what was noteworthy about one finished call.

        error: what the caller got instead of an answer.
        """
        verdict = call.outcome.verdict
        with self._lock:
            figures = self._figures_locked()
            if verdict is not Verdict.OK:
                figures.outcomes[verdict.value] += 1
                figures.errors[_room_for(call.outcome.reason, figures.errors, MOST_NAMES)] += 1
            elif error is None and call.attempt > 1 and not call.degraded:
                figures.recovered += 1
            figures.raised += error is not None
            figures.degraded += call.degraded
            figures.add_work(call)

    def record_background(self, call: Call) -> None:
        """Count what a call did that nobody made, such as the refresh of a kept result."""
        with self._lock:
            self._figures_locked().add_work(call)

    def reset(self) -> None:
        """Start from zero."""
        with self._lock:
            self._forget_locked()

    def _forget_locked(self) -> None:
        self._figures = None
        self._taken = 0
        for pending in (self.durations, self.saved, self.spared, self.missed):
            drained(pending)
        drained(self.http_saved)
        drained(self.http_missed)

    def reset_in_child(self) -> None:
        """Start from zero after a fork, when the lock may be held by a thread left behind."""
        self._lock = threading.Lock()
        self._forget_locked()

    def snapshot(self) -> dict[str, Any]:
        """Plain data, fit for JSON.

        calls: all that ended. outcomes: calls by verdict. raised: calls that gave their caller an
        error. degraded: answered by a fallback or a stale result. recovered: answered after a
        retry. attempts: runs of the function. retries: attempts beyond the first. exchanges: HTTP
        requests by host. errors: the 20 most common reasons of failures. steps: what happened how
        often, by kind. waited: seconds by kind. hits: answers from the cache; misses: calls that it
        could not answer; saved: seconds of upstream time that the hits spared; http_hits,
        http_misses, http_saved: the same of the requests that cached(http=True) looks after.
        latency: of whole calls, but not of the hits that took no more than a look; upstream: of
        HTTP exchanges; see Histogram.snapshot. What is empty, or has not changed since the last
        snapshot, may be the same object as elsewhere: copy it before you change it.
        """
        with self._lock:
            figures = self._figures or self._figures_locked()
            latency = figures.latency
            if len(self.durations) > self._taken:
                fresh = self.durations[self._taken :]
                latency.add(fresh)
                self._taken += len(fresh)
            if figures.told is None:
                figures.told = figures.tell(self.service, self.name)
            # A copy and a few changes cost half of what all of it costs from the beginning.
            data = figures.told.copy()
            calls, hits = latency.count + figures.quick, figures.hits
            if self.saved or self.spared or self.missed or self.http_saved or self.http_missed:
                spared = self.spared[:]
                saved, http_saved = self.saved + spared, self.http_saved[:]
                calls += len(spared)
                hits += len(saved)
                data["hits"] = hits
                data["misses"] += len(self.missed)
                data["saved"] += math.fsum(saved)
                data["http_hits"] += len(http_saved)
                data["http_misses"] += len(self.http_missed)
                data["http_saved"] += math.fsum(http_saved)
            data["calls"] = calls
            outcomes = data["outcomes"]
            if outcomes:
                data["outcomes"] = {_OK: calls - sum(outcomes.values()), **outcomes}
                asked = calls - hits - outcomes.get(_REFUSED, 0)
            else:
                data["outcomes"] = {_OK: calls}
                asked = calls - hits
            data["attempts"] = (asked if asked > 0 else 0) + figures.retries
            data["latency"] = latency.snapshot()
            return data


def _most_common(counted: Counter[str], most: int) -> dict[str, int]:
    if len(counted) <= most:
        return dict(counted)
    # Counter.most_common of a number imports a module each time, and has a heap for few names.
    return dict(sorted(counted.items(), key=_COUNT, reverse=True)[:most])
