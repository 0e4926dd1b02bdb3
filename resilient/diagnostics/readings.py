"""The registry's figures as metrics: what Prometheus and OpenTelemetry are told alike.

    reader = Reader(registry)
    reader.read()[CALLS]  ->  {("github", "repos", "ok"): 1300, …}

Every time a label has too many values, or a value that may be a secret, it is dealt with here. What
is once lumped with others stays there, and so does what is not: a counter never goes down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from resilient.diagnostics.masking import mask
from resilient.diagnostics.states import BREAKER_STATES, states_or_none
from resilient.registry import OTHERS, Histogram, Registry

MOST_FUNCTIONS = 2_000
"""Functions with series of their own; the figures of further ones are added up under OTHERS."""

MOST_HOSTS = 2_000
"""Pairs of function and host with series of their own; the same goes for them."""

MOST_REASONS = 2_000
"""Pairs of function and reason that are told. Further ones are left out: what failed is in CALLS
by outcome, too."""

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds."""

_LONGEST = 200


class Metric(NamedTuple):
    """One thing that is measured.

    name: with dots, without the unit. kind: counter, gauge or histogram. unit: by UCUM.
    merge: what becomes of several gauges with the same labels: sum, min or max.
    """

    name: str
    kind: str
    unit: str
    help: str
    labels: tuple[str, ...]
    merge: str = "sum"


_F = ("service", "function")

CALLS = Metric("resilient.calls", "counter", "{call}", "Calls that ended.", (*_F, "outcome"))
RAISED = Metric(
    "resilient.raised", "counter", "{call}", "Calls that gave their caller an error.", _F
)
DEGRADED = Metric(
    "resilient.degraded", "counter", "{call}", "Calls answered by a fallback or an old result.", _F
)
RECOVERED = Metric(
    "resilient.recovered", "counter", "{call}", "Calls that were answered after a retry.", _F
)
FAILURES = Metric(
    "resilient.failures", "counter", "{call}", "Calls that failed, by reason.", (*_F, "reason")
)
ATTEMPTS = Metric("resilient.attempts", "counter", "{attempt}", "Runs of the function.", _F)
RETRIES = Metric(
    "resilient.retries", "counter", "{attempt}", "Runs of the function beyond the first.", _F
)
REQUESTS = Metric(
    "resilient.requests", "counter", "{request}", "HTTP requests seen, by host.", (*_F, "host")
)
STEPS = Metric(
    "resilient.steps", "counter", "{step}", "Noteworthy things that policies did.", (*_F, "kind")
)
WAITED = Metric("resilient.waited", "counter", "s", "Time spent waiting.", (*_F, "kind"))
HITS = Metric(
    "resilient.cache.hits", "counter", "{answer}", "Answers from a cache.", (*_F, "cache")
)
MISSES = Metric(
    "resilient.cache.misses", "counter", "{answer}", "What a cache could not answer.",
    (*_F, "cache"),
)  # fmt: skip
SAVED = Metric(
    "resilient.cache.saved", "counter", "s", "Upstream time spared by caches.", (*_F, "cache")
)
LATENCY = Metric(
    "resilient.call.duration", "histogram", "s",
    "Whole calls, but for hits of a cache that took no more than a look.", _F,
)  # fmt: skip
UPSTREAM = Metric(
    "resilient.request.duration", "histogram", "s", "HTTP requests until their headers.", _F
)
BREAKER = Metric(
    "resilient.breaker.state", "gauge", "{breaker}", "1 for the state that the breaker is in.",
    (*_F, "state"),
)  # fmt: skip
QUOTA_LIMIT = Metric(
    "resilient.quota.limit", "gauge", "{request}", "Requests a window, by the vendor or the rate.",
    _F, "max",
)  # fmt: skip
QUOTA_LEFT = Metric(
    "resilient.quota.remaining", "gauge", "{request}", "Requests left in the window.", _F, "min"
)
THROTTLE_WAITING = Metric(
    "resilient.throttle.waiting", "gauge", "{call}", "Calls in line for the quota.", _F
)
RUNNING = Metric(
    "resilient.bulkhead.running", "gauge", "{call}", "Places of the bulkhead that are taken.", _F
)
PLACES = Metric("resilient.bulkhead.limit", "gauge", "{call}", "Places of the bulkhead.", _F)
BULKHEAD_WAITING = Metric(
    "resilient.bulkhead.waiting", "gauge", "{call}", "Calls in line for a place.", _F
)

METRICS = (
    CALLS, RAISED, DEGRADED, RECOVERED, FAILURES, ATTEMPTS, RETRIES, REQUESTS, STEPS, WAITED, HITS,
    MISSES, SAVED, LATENCY, UPSTREAM, BREAKER, QUOTA_LIMIT, QUOTA_LEFT, THROTTLE_WAITING, RUNNING,
    PLACES, BULKHEAD_WAITING,
)  # fmt: skip


class Spread(NamedTuple):
    """What a histogram tells: counts between its bounds, and the sum of all durations."""

    counts: tuple[int, ...]
    total: float


Labels = tuple[str, ...]
Reading = dict[Metric, dict[Labels, Any]]
"""Numbers, or Spreads, by the values of the metric's labels."""


class Reader:
    """Reads a registry. Any thread may: what is known of labels only grows, by one atomic step."""

    def __init__(self, registry: Registry, buckets: Sequence[float] = BUCKETS) -> None:
        self.registry = registry
        self.buckets = tuple(map(float, buckets))
        self.bounds = (*map(repr, self.buckets), "+Inf")
        """The buckets' upper ends, as they are spelled in OpenMetrics."""
        self._functions: dict[Labels, Labels] = {}
        self._hosts: dict[Labels, Labels] = {}
        self._reasons: dict[Labels, Labels] = {}

    def read(self) -> Reading:
        """All figures as they are now, of each metric."""
        reading: Reading = {metric: {} for metric in METRICS}
        called: dict[Labels, Labels] = {}
        for data in self.registry.snapshot()["functions"]:
            key = (data["service"], data["function"])
            called[key] = self._shown(self._functions, key, MOST_FUNCTIONS) or (OTHERS, OTHERS)
            for metric, labels, value in self._counted(key, data):
                _add(reading[metric], metric, (*called[key], *labels), value)
        for service, name, handle in self.registry.handles():
            if (service, name) in called:
                for metric, labels, value in _gauges(states_or_none(handle)):
                    _add(reading[metric], metric, (*called[service, name], *labels), value)
        return reading

    def _counted(
        self, key: Labels, data: Mapping[str, Any]
    ) -> Iterator[tuple[Metric, Labels, Any]]:
        for metric, name in _PLAIN:
            yield metric, (), data[name]
        for metric, name in _BY_LABEL:
            for label, count in data[name].items():
                yield metric, (label,), count
        for host, count in data["exchanges"].items():
            shown = self._shown(self._hosts, (*key, host), MOST_HOSTS)
            yield REQUESTS, (shown[-1] if shown else OTHERS,), count
        for reason, count in data["errors"].items():
            shown = self._shown(self._reasons, (*key, reason), MOST_REASONS)
            if shown:
                yield FAILURES, shown[-1:], count
        for cache, start in (("result", ""), ("http", "http_")):
            hits, misses = data[f"{start}hits"], data[f"{start}misses"]
            if hits or misses:
                yield HITS, (cache,), hits
                yield MISSES, (cache,), misses
                yield SAVED, (cache,), data[f"{start}saved"]
        for metric, name in ((LATENCY, "latency"), (UPSTREAM, "upstream")):
            durations = data[name]
            if durations["count"]:
                counts = Histogram.of_snapshot(durations).spread(self.buckets)
                yield metric, (), Spread(tuple(counts), durations["total"])

    def _shown(self, known: dict[Labels, Labels], key: Labels, most: int) -> Labels | None:
        """The values of labels as they are told; None if there are too many."""
        shown = known.get(key)
        if shown is None and len(known) < most:
            return known.setdefault(key, tuple(map(_safe, key)))
        return shown


_PLAIN = (
    (RAISED, "raised"),
    (DEGRADED, "degraded"),
    (RECOVERED, "recovered"),
    (ATTEMPTS, "attempts"),
    (RETRIES, "retries"),
)
_BY_LABEL = ((CALLS, "outcomes"), (STEPS, "steps"), (WAITED, "waited"))


def _gauges(states: Mapping[str, Any]) -> Iterator[tuple[Metric, Labels, float]]:
    if "breaker" in states:
        for state in BREAKER_STATES:
            yield BREAKER, (state,), int(state == states["breaker"])
    if "throttle" in states:
        throttle = states["throttle"]
        if throttle["limit"] is not None:
            yield QUOTA_LIMIT, (), throttle["limit"]
        if throttle["remaining"] is not None:
            yield QUOTA_LEFT, (), throttle["remaining"]
        yield THROTTLE_WAITING, (), throttle["waiting"]
    if "bulkhead" in states:
        bulkhead = states["bulkhead"]
        yield RUNNING, (), bulkhead["running"]
        yield PLACES, (), bulkhead["limit"]
        yield BULKHEAD_WAITING, (), bulkhead["waiting"]


def _add(points: dict[Labels, Any], metric: Metric, labels: Labels, value: Any) -> None:
    before = points.get(labels)
    if before is None:
        points[labels] = value
    elif isinstance(value, Spread):
        counts = tuple(map(sum, zip(before.counts, value.counts, strict=True)))
        points[labels] = Spread(counts, before.total + value.total)
    elif metric.merge == "sum":
        points[labels] = before + value
    else:
        points[labels] = (min if metric.merge == "min" else max)(before, value)


def _safe(label: str) -> str:
    """A label without secrets that a text format can hold."""
    shown = mask(str(label))[:_LONGEST]
    # A lone surrogate can't be sent as UTF-8.
    return shown.encode("utf-8", "replace").decode("utf-8")
