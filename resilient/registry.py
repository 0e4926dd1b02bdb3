"""Figures of every decorated function, and the registry that holds them.

A healthy call only appends its duration to a list; every BATCH calls these are folded in under the
function's lock, and whoever reads counts what is pending, too. What is noteworthy (an attempt that
failed, a wait, an HTTP exchange) is counted one by one.
"""

from __future__ import annotations

import math
import os
import threading
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from resilient.call import Call, Verdict
from resilient.timing import clock, drained

ERROR = 0.02
"""How far a quantile may be off, relative to its true value."""

MOST_HOSTS = 100
"""Hosts that one function counts one by one: customers' webhooks, say, are without end."""

OTHERS = "(others)"

_GROWTH = (1 + ERROR) / (1 - ERROR)
_LOWEST, _HIGHEST = (math.ceil(math.log(seconds, _GROWTH)) for seconds in (1e-9, 1e6))
# Bucket i holds durations up to the i-th power of _GROWTH: looked up here, which costs half of a
# logarithm.
_BOUNDS = [*(_GROWTH**index for index in range(_LOWEST, _HIGHEST)), math.inf]


class Histogram:
    """Durations in buckets that grow by a constant factor: quantiles within 2 %, mergeable.

    The relative-error bound and the merge are those of DDSketch (Masson, Rim, Lee: "DDSketch: A
    Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", VLDB 2019).

    Not locked: its owner is.
    """

    __slots__ = ("buckets", "count", "largest", "total")

    def __init__(self) -> None:
        self.buckets: Counter[int] = Counter()
        self.count = 0
        self.total = 0.0
        self.largest = 0.0

    def add(self, durations: list[float]) -> None:
        """Count durations in seconds; what is under a nanosecond counts as one."""
        if not durations:
            return
        # This is what stats cost a healthy call. Sorted, the durations of one bucket stand
        # together, and those of a fast function fill only a few buckets.
        ordered = sorted(durations)
        buckets, start, count = self.buckets, 0, len(ordered)
        while start < count:
            place = bisect_left(_BOUNDS, ordered[start])
            end = bisect_right(ordered, _BOUNDS[place], start + 1)
            buckets[place + _LOWEST] += end - start
            start = end
        self.count += count
        self.total += math.fsum(ordered)
        self.largest = max(self.largest, ordered[-1])

    def merge(self, other: Histogram) -> None:
        """Add the other's figures to these; the same as if all had been added here."""
        self.buckets.update(other.buckets)
        self.count += other.count
        self.total += other.total
        self.largest = max(self.largest, other.largest)

    def quantile(self, share: float) -> float:
        """The duration that `share` (0..1) of all stay within, at most 2 % off; 0.0 if empty."""
        if not self.count:
            return 0.0
        rank = share * (self.count - 1)
        seen = 0
        for index in sorted(self.buckets):
            seen += self.buckets[index]
            if seen > rank:
                return min(_middle(index), self.largest)
        return self.largest

    def spread(self, bounds: Sequence[float]) -> list[int]:
        """How many durations lie within each of some ascending bounds, but beyond the one before.

        Returns: one more count than bounds, for what lies beyond the last. A bound is met to 2 %.
        """
        counts = [0] * (len(bounds) + 1)
        for index, count in self.buckets.items():
            counts[bisect_left(bounds, _middle(index))] += count
        return counts

    def snapshot(self) -> dict[str, Any]:
        """Plain data: count, and mean, p50, p95, p99, max in seconds; buckets by index."""
        return {
            "count": self.count,
            "mean": self.total / self.count if self.count else 0.0,
            "p50": self.quantile(0.5),
            "p95": self.quantile(0.95),
            "p99": self.quantile(0.99),
            "max": self.largest,
            "total": self.total,
            "buckets": dict(self.buckets),
        }

    @classmethod
    def of_snapshot(cls, data: Mapping[str, Any]) -> Histogram:
        """Read back what `snapshot` gave, also after a way through JSON."""
        histogram = cls()
        histogram.buckets.update({int(index): count for index, count in data["buckets"].items()})
        histogram.count = data["count"]
        histogram.total = data["total"]
        histogram.largest = data["max"]
        return histogram


def _middle(index: int) -> float:
    """The duration that stands for all of a bucket, at most 2 % off."""
    return 2 * _GROWTH**index / (_GROWTH + 1)


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
            self.steps[step.kind] += 1
            waited = step.facts.get("waited")
            if waited:
                self.waited[step.kind] += waited
        for exchange in call.exchanges:
            known = exchange.host in self.hosts or len(self.hosts) < MOST_HOSTS
            self.hosts[exchange.host if known else OTHERS] += 1
        answered = [one.elapsed for one in call.exchanges if one.elapsed is not None]
        self.upstream.add(answered)


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
    other batches are to be folded, too.
    """

    __slots__ = (
        "_figures",
        "_lock",
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
        self._lock = threading.Lock()

    def fold(self) -> None:
        """Take in what waits in the lists that anybody appends to."""
        with self._lock:
            figures = self._figures_locked()
            figures.latency.add(drained(self.durations))
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
                figures.errors[call.outcome.reason] += 1
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
            latency = Histogram()
            latency.merge(figures.latency)
            latency.add(self.durations[:])
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
                "errors": dict(figures.errors.most_common(20)),
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


class Registry:
    """The figures of all functions. `_lock` guards `_functions`."""

    def __init__(self) -> None:
        self._functions: dict[tuple[str, str], FunctionStats] = {}
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
        for stats in self._functions.values():
            stats.reset_in_child()
        self._renew()

    def stats_of(self, service: str, name: str) -> FunctionStats:
        """The figures of one function, made when first asked for."""
        key = (service, name)
        with self._lock:
            stats = self._functions.get(key)
            if stats is None:
                stats = self._functions[key] = FunctionStats(service, name)
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
        """Service, name and `fn.resilient` of each function that is still decorated."""
        found = [(stats, stats.handle() if stats.handle else None) for stats in self._all()]
        return [(stats.service, stats.name, handle) for stats, handle in found if handle]

    def reset(self) -> None:
        """Start all figures from zero."""
        for stats in self._all():
            stats.reset()
        self._renew()

    def _all(self) -> Iterable[FunctionStats]:
        with self._lock:
            keys = sorted(self._functions)
            return [self._functions[key] for key in keys]


registry = Registry()
