"""Figures of every decorated function, and the registry that holds them.

A healthy call only appends its duration to a list; every BATCH calls these are folded in under the
function's lock, and whoever reads counts what is pending, too. What is noteworthy (an attempt that
failed, a wait, an HTTP exchange) is counted one by one.
"""

from __future__ import annotations

import math
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any

from resilient.call import Call, Verdict, listeners
from resilient.histogram import ERROR, Histogram
from resilient.timing import clock, drained

MOST_FUNCTIONS = 5_000
"""Functions with figures of their own. Names that are made up as a program runs (a closure's with a
customer's number in it) are without end: further ones share the figures of OTHERS, one for each
service."""

MOST_SERVICES = 1_000
"""Services whose further functions have an OTHERS of their own; those of the rest share one."""

MOST_HOSTS = 100
"""Hosts that one function counts one by one: customers' webhooks, say, are without end."""

MOST_NAMES = 100
"""Reasons of failures, and kinds of steps, that one function counts one by one."""

OTHERS = "(others)"

_LONGEST = 255  # of a host's name, RFC 1035 2.3.4
_COUNT = itemgetter(1)


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

    def add_work(self, call: Call) -> None:
        """Count attempts, steps and exchanges of one call."""
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

    def fold(self) -> None:
        """Take in what waits in the lists that anybody appends to."""
        with self._lock:
            figures = self._figures_locked()
            durations = drained(self.durations)
            figures.latency.add(durations[self._taken :] if self._taken else durations)
            self._taken = 0
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
        HTTP exchanges; see Histogram.snapshot.
        """
        with self._lock:
            figures = self._figures_locked()
            latency = figures.latency
            fresh = self.durations[self._taken :]
            latency.add(fresh)
            self._taken += len(fresh)
            spared = self.spared[:]
            saved = self.saved + spared
            calls = latency.count + figures.quick + len(spared)
            hits = figures.hits + len(saved)
            refused = figures.outcomes[Verdict.REFUSED.value]
            failed = sum(figures.outcomes.values())
            return {
                "service": self.service,
                "function": self.name,
                "calls": calls,
                "outcomes": {Verdict.OK.value: calls - failed, **figures.outcomes},
                "raised": figures.raised,
                "degraded": figures.degraded,
                "recovered": figures.recovered,
                "attempts": max(0, calls - hits - refused) + figures.retries,
                "retries": figures.retries,
                "exchanges": dict(figures.hosts),
                "errors": _most_common(figures.errors, 20),
                "steps": dict(figures.steps),
                "waited": dict(figures.waited),
                "hits": hits,
                "misses": figures.missed + len(self.missed),
                "saved": figures.saved + math.fsum(saved),
                "http_hits": figures.http_hits + len(self.http_saved),
                "http_misses": figures.http_missed + len(self.http_missed),
                "http_saved": figures.http_saved + math.fsum(self.http_saved[:]),
                "latency": latency.snapshot(),
                "upstream": figures.upstream.snapshot(),
            }


def _most_common(counted: Counter[str], most: int) -> dict[str, int]:
    # Counter.most_common of a number imports a module each time, and has a heap for few names.
    return dict(sorted(counted.items(), key=_COUNT, reverse=True)[:most])


class Registry:
    """The figures of all functions.

    `_lock` guards `_functions`, and `_sorted`: their values by service and name, None if one has
    come since.
    """

    def __init__(self) -> None:
        self._functions: dict[tuple[str, str], FunctionStats] = {}
        self._sorted: list[FunctionStats] | None = None
        self._lock = threading.Lock()
        self._renew()
        if hasattr(os, "register_at_fork"):
            # A child counts from zero, or the parent's calls would be reported twice; and its copy
            # of a lock may be held by a thread that does not exist there.
            os.register_at_fork(after_in_child=self._renew_in_child)

    def _renew(self) -> None:
        self.started = clock.time()
        self._started = clock.monotonic()

    def _renew_in_child(self) -> None:
        self._lock = threading.Lock()
        self._sorted = None
        for stats in self._functions.values():
            stats.reset_in_child()
        self._renew()

    def stats_of(self, service: str, name: str) -> FunctionStats:
        """The figures of one function, made when first asked for.

        Beyond MOST_FUNCTIONS it shares those of OTHERS, which is told once.
        """
        is_first = False
        with self._lock:
            stats = self._functions.get((service, name))
            if stats is None:
                is_first = len(self._functions) == MOST_FUNCTIONS
                stats = self._made_locked(service, name)
        if is_first:
            listeners.announce(
                "degraded",
                service,
                f"{MOST_FUNCTIONS:,} functions have figures of their own; those of {name} and of "
                f"further ones are added up as {OTHERS}. Decorate functions once, and give them "
                "names that hold no data.",
            )
        return stats

    def _made_locked(self, service: str, name: str) -> FunctionStats:
        key = (service, name)
        if len(self._functions) >= MOST_FUNCTIONS:
            key = (service, OTHERS)
            if (
                key not in self._functions
                and len(self._functions) >= MOST_FUNCTIONS + MOST_SERVICES
            ):
                key = (OTHERS, OTHERS)
        stats = self._functions.get(key)
        if stats is None:
            stats = self._functions[key] = FunctionStats(*key)
            self._sorted = None
        return stats

    def snapshot(self) -> dict[str, Any]:
        """Plain data of all functions that were called.

        pid, started and taken (Unix seconds), seconds (the time between, monotonic), functions: a
        list of FunctionStats.snapshot, by service and name.
        """
        return {
            "pid": os.getpid(),
            "started": self.started,
            "taken": clock.time(),
            "seconds": clock.monotonic() - self._started,
            "functions": [
                data for data in map(FunctionStats.snapshot, self._all()) if data["calls"]
            ],
        }

    def handles(self) -> list[tuple[str, str, Any]]:
        """Service, name and `fn.resilient` of each function that is still decorated.

        Without OTHERS: the state of one of them would be taken for that of all.
        """
        own = (stats for stats in self._all() if stats.name != OTHERS)
        found = [(stats, stats.handle() if stats.handle else None) for stats in own]
        return [(stats.service, stats.name, handle) for stats, handle in found if handle]

    def reset(self) -> None:
        """Start all figures from zero."""
        for stats in self._all():
            stats.reset()
        self._renew()

    def _all(self) -> Iterable[FunctionStats]:
        with self._lock:
            if self._sorted is None:
                self._sorted = [self._functions[key] for key in sorted(self._functions)]
            return self._sorted


registry = Registry()

__all__ = [
    "ERROR",
    "MOST_FUNCTIONS",
    "MOST_HOSTS",
    "MOST_NAMES",
    "MOST_SERVICES",
    "OTHERS",
    "FunctionStats",
    "Histogram",
    "Registry",
    "registry",
]
