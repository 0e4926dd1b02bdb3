"""Writes a worker's figures into prometheus-client's own files (its multiprocess mode).

The values are made as prometheus-client's metrics make theirs, so its MultiProcessCollector merges
them, and mark_process_dead takes away a dead worker's gauges. What a figure has grown by is added,
not set: a process that gets the number of a dead one goes on with its file.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from prometheus_client import values

from resilient import options
from resilient.diagnostics.prometheus import name_of
from resilient.diagnostics.readings import METRICS, Labels, Metric, Reader, Reading
from resilient.ending import at_end
from resilient.errors import ConfigurationError
from resilient.ticking import Ticker


class _Sample(NamedTuple):
    """One line of what is scraped. suffix: what its name has behind the metric's."""

    metric: Metric
    suffix: str
    names: Labels
    labels: Labels


class WorkerWriter:
    """Writes every so often, from a daemon thread, and when the process ends.

    `_turn` is held while figures are read and written, so that the older of two readings can't be
    taken for a start from zero. It guards `_values`, `_told` and `_whose`. `_writing` is held
    around what holds the lock of prometheus-client, and while the process forks: a child whose
    copy of that lock is held by nobody would hang with its first metric.
    """

    def __init__(self, reader: Reader, seconds: float, before: WorkerWriter | None) -> None:
        self.errors = 0
        """Writings that failed; the next one is tried all the same."""
        self._ticker = Ticker(self._write_unless_broken, seconds, "resilient-prometheus")
        self._reader = reader
        self._turn = threading.Lock()
        self._writing = threading.Lock()
        self._values: dict[_Sample, Any] = {}
        self._told: dict[_Sample, float] = {}
        self._whose: tuple[int, float] | None = None
        if before is not None:  # it is stopped; two objects for one value would not agree
            self._values = before._values
            if before._reader.registry is reader.registry:
                self._told, self._whose = before._told, before._whose

    def start(self) -> None:
        """Start the thread."""
        self._ticker.start()

    def stop(self) -> None:
        """Write a last time, and no more."""
        self._ticker.stop()
        self._write_unless_broken()

    def write(self) -> None:
        """Write the figures as they are now. Raises: OSError, as for a full disk."""
        with self._turn:
            whose = (os.getpid(), self._reader.registry.started)
            if whose != self._whose:
                # A child's figures start from zero, as do those of a registry that was reset.
                self._told.clear()
                self._whose = whose
            reading = self._reader.read()
            with self._writing:
                self._write_locked(reading)

    def _write_locked(self, reading: Reading) -> None:
        gauges: set[_Sample] = set()
        for sample, value in self._samples(reading):
            if sample.metric.kind == "gauge":
                gauges.add(sample)
                self._value_locked(sample).set(value)
                continue
            told = self._told.get(sample, 0.0)
            grown = value - told if value >= told else value
            if grown or sample not in self._values:
                self._value_locked(sample).inc(grown)
            self._told[sample] = value
        for sample in self._values.keys() - gauges:
            if sample.metric.kind == "gauge":  # nobody knows it any more, but it can't be removed
                self._values[sample].set(math.inf if sample.metric.merge == "min" else 0.0)

    def _value_locked(self, sample: _Sample) -> Any:
        value = self._values.get(sample)
        if value is None:
            metric = sample.metric
            name = name_of(metric)
            value = self._values[sample] = values.ValueClass(
                metric.kind,
                name,
                name + sample.suffix,
                sample.names,
                sample.labels,
                metric.help,
                multiprocess_mode=f"live{metric.merge}" if metric.kind == "gauge" else "",
            )
        return value

    def _samples(self, reading: Reading) -> Iterator[tuple[_Sample, float]]:
        for metric in METRICS:
            names = metric.labels
            for labels, value in reading[metric].items():
                if metric.kind == "histogram":
                    yield _Sample(metric, "_sum", names, labels), value.total
                    # Each bucket for itself: whoever merges them adds them up.
                    for bound, count in zip(self._reader.bounds, value.counts, strict=True):
                        inside = _Sample(metric, "_bucket", (*names, "le"), (*labels, bound))
                        yield inside, float(count)
                else:
                    suffix = "_total" if metric.kind == "counter" else ""
                    yield _Sample(metric, suffix, names, labels), float(value)

    def _write_unless_broken(self) -> None:
        try:
            self.write()
        except Exception:
            self.errors += 1

    @property
    def is_running(self) -> bool:
        """Has it been started, and not stopped?"""
        return self._ticker.is_running


# Guards _writer.
_changing = threading.Lock()
_writer: WorkerWriter | None = None


def start_writing(reader: Reader, every: options.Seconds) -> WorkerWriter:
    """Write every so many seconds, in forked children too; a process has one such thread."""
    global _writer
    seconds = options.seconds(every, "install_prometheus(every)")
    with _changing:
        if _writer is not None and _writer.is_running:
            return _writer
        writer = WorkerWriter(reader, seconds, before=_writer)
        try:
            writer.write()
        except OSError as error:
            raise ConfigurationError(
                "install_prometheus: the folder that PROMETHEUS_MULTIPROC_DIR names can't be "
                f"written to ({type(error).__name__}). Make it, empty, before the server starts."
            ) from error
        writer.start()
        _writer = writer
    at_end(_write_last)
    return writer


def _write_last() -> None:
    if _writer is not None and _writer.is_running:
        _writer._write_unless_broken()


def _before_fork() -> None:
    if _writer is not None:
        _writer._writing.acquire()


def _after_in_parent() -> None:
    if _writer is not None:
        _writer._writing.release()


# A child opens all locks; see forking.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_in_parent)
