"""The figures of all functions for prometheus-client (extra `prometheus`).

    from resilient.diagnostics.prometheus import install_prometheus
    install_prometheus()

One process: a collector reads the figures when it is scraped. Nothing is counted a second time, and
no call does more than without it.

Many workers behind one port (PROMETHEUS_MULTIPROC_DIR is set): a scrape reaches any one of them, so
each writes its figures to that folder every few seconds and when it ends, into the files of
prometheus-client itself. Its MultiProcessCollector then adds up ours with everybody else's:
counters and histograms of workers that are gone stay in, gauges are of those that live, provided
that the server calls prometheus_client.multiprocess.mark_process_dead as its manual says. Don't add
a `pid` label and sum by it: what a scrape does not reach would be missing, then counted anew.

Series: service and function are the same as in the logs; one for a breaker in each state is 1 in
one process, and says in how many processes it is so in many.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from resilient.diagnostics.readings import BUCKETS, METRICS, Metric, Reader
from resilient.errors import ConfigurationError
from resilient.options import Seconds
from resilient.registry import Registry
from resilient.registry import registry as _all_functions

try:
    from prometheus_client import REGISTRY, CollectorRegistry, values
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )
except ImportError as missing:
    raise ImportError(
        "resilient.diagnostics.prometheus: prometheus-client is not installed. "
        "pip install 'resilient-decorators[prometheus]'"
    ) from missing

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


class Installed(Protocol):
    """What tells Prometheus."""

    def write(self) -> None:
        """Write the figures down now; does nothing where a scrape reads them by itself."""

    def stop(self) -> None:
        """Tell Prometheus no more."""


class ResilientCollector:
    """Reads the figures when it is scraped; made by `install_prometheus`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        # Weak, since _installed would keep a registry alive by its own collector.
        self._registry: weakref.ref[CollectorRegistry] | None = None

    @property
    def figures(self) -> Registry:
        """Whose figures it reads."""
        return self._reader.registry

    def collect(self) -> Iterator[Family]:
        for metric, points in self._reader.read().items():
            family = _family(metric)
            for labels, value in points.items():
                if isinstance(family, HistogramMetricFamily):
                    family.add_metric(labels, self._cumulative(value.counts), value.total)
                else:
                    family.add_metric(labels, value)
            yield family

    def describe(self) -> Iterable[Family]:
        """Names without figures, by which prometheus-client sees that nobody else has them."""
        return map(_family, METRICS)

    def register(self, registry: CollectorRegistry) -> None:
        """Let a registry of prometheus-client scrape this. Raises: ValueError if others do."""
        registry.register(self)
        self._registry = weakref.ref(registry)

    def write(self) -> None:
        """A scrape reads by itself."""

    def stop(self) -> None:
        registry = self._registry() if self._registry is not None else None
        self._registry = None
        if registry is not None:
            with contextlib.suppress(KeyError):  # somebody else has done it
                registry.unregister(self)

    def _cumulative(self, counts: Sequence[int]) -> list[tuple[str, float]]:
        within, buckets = 0, []
        for bound, count in zip(self._reader.bounds, counts, strict=True):
            within += count
            buckets.append((bound, float(within)))
        return buckets


def name_of(metric: Metric) -> str:
    """The metric's name with its base unit, and without the `_total` of a counter."""
    unit = "_seconds" if metric.unit == "s" else ""
    return metric.name.replace(".", "_") + unit


def _family(metric: Metric) -> Family:
    kinds: dict[str, type[Family]] = {
        "counter": CounterMetricFamily,
        "gauge": GaugeMetricFamily,
        "histogram": HistogramMetricFamily,
    }
    return kinds[metric.kind](name_of(metric), metric.help, labels=metric.labels)


# Guards _installed.
_changing = threading.Lock()
_installed: weakref.WeakKeyDictionary[CollectorRegistry, ResilientCollector] = (
    weakref.WeakKeyDictionary()
)


def install_prometheus(
    registry: CollectorRegistry | None = None,
    *,
    figures: Registry = _all_functions,
    buckets: Sequence[float] = BUCKETS,
    every: Seconds = 5,
) -> Installed:
    """Tell Prometheus of all functions. Asking twice changes nothing.

    registry: whose scrapes show the figures; None means prometheus_client.REGISTRY. With many
        workers, all that have a MultiProcessCollector do, and this is not used.
    buckets: the histograms' upper bounds in seconds, ascending, met to 2 %.
    every: seconds between two writings, with many workers.
    Returns: `.stop()` ends it.
    """
    reader = Reader(figures, _checked_buckets(buckets))
    if getattr(values.ValueClass, "_multiprocess", False):
        from resilient.diagnostics.prometheus_workers import start_writing

        return start_writing(reader, every)
    where = REGISTRY if registry is None else registry
    if not isinstance(where, CollectorRegistry):
        raise ConfigurationError(
            f"install_prometheus(registry={where!r}): use a prometheus_client.CollectorRegistry; "
            "functions of another resilient registry go by figures=."
        )
    collector = ResilientCollector(reader)
    with _changing:
        try:
            collector.register(where)
        except ValueError as error:
            known = _installed.get(where)
            if known is not None and known.figures is figures:
                return known
            raise ConfigurationError(
                f"install_prometheus: {error}. Another collector has these names; give it a "
                "registry of its own."
            ) from error
        _installed[where] = collector
    return collector


def _checked_buckets(buckets: Sequence[float]) -> list[float]:
    try:
        bounds = [float(bound) for bound in buckets]
    except (TypeError, ValueError):
        bounds = []
    if bounds and bounds[-1] == math.inf:  # it is always there
        bounds.pop()
    ascending = all(low < high for low, high in itertools.pairwise(bounds))
    if not bounds or not ascending or bounds[0] <= 0 or not math.isfinite(bounds[-1]):
        raise ConfigurationError(
            f"install_prometheus(buckets={buckets!r}): use ascending seconds above 0, such as "
            "(0.1, 0.5, 1, 5)."
        )
    return bounds
