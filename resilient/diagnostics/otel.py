"""Spans and metrics for OpenTelemetry (extra `otel`).

    from resilient.diagnostics.otel import install_otel
    install_otel()

Spans: one a decorated call, as the current span of whatever its function does, with what policies
did as events; one an HTTP request below it, by the semantic conventions for HTTP clients. A hit of
a cache that takes no more than a look has none. See `otel_spans`.

Metrics: the registry's figures as observable instruments, read when a reader collects: nothing is
counted a second time. OpenTelemetry has no observable histogram, so durations are counters: `.sum`
in seconds, and `.bucket` with the attribute `le`, cumulative as in Prometheus, the last of them the
count. `http.client.request.duration` is a real histogram, by the conventions.

A server that forks installs this in each worker, as OpenTelemetry asks for its own SDK.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

from resilient import watching
from resilient.diagnostics.readings import METRICS, Labels, Metric, Reader
from resilient.errors import ConfigurationError
from resilient.registry import Registry
from resilient.registry import registry as _all_functions

try:
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation
except ImportError as missing:
    raise ImportError(
        "resilient.diagnostics.otel: OpenTelemetry is not installed. "
        "pip install 'resilient-decorators[otel]'"
    ) from missing

from resilient.diagnostics.otel_spans import SpanWatcher

_SCOPE = "resilient"
_ATTRIBUTES: Mapping[str, str] = {"host": "server.address", "reason": "error.type", "le": "le"}
"""By label. What the semantic conventions don't know has our name in front."""

Undo = Callable[[], None]

# Guards _undo and _told.
_changing = threading.Lock()
_undo: list[Undo] = []
# A meter's instruments can't be taken away, so there are some once per provider and registry.
_told: weakref.WeakKeyDictionary[MeterProvider, list[FigureInstruments]] = (
    weakref.WeakKeyDictionary()
)


def install_otel(
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    calls: bool = True,
    requests: bool = True,
    figures: Registry | None = _all_functions,
) -> Undo:
    """Make spans of calls and requests, and metrics of all figures; returns what ends it.

    tracer_provider, meter_provider: None means OpenTelemetry's global ones.
    calls, requests: of what spans are made. With an instrumentation of the HTTP library itself,
        requests=False keeps each request from having two; its spans stand below the call's too.
    figures: whose metrics are told; None: no metrics, also not of requests.
    Asking again replaces what was asked for before.
    """
    _check_provider("tracer_provider", tracer_provider, "get_tracer")
    _check_provider("meter_provider", meter_provider, "get_meter")
    if figures is not None and not isinstance(figures, Registry):
        raise ConfigurationError(
            f"install_otel(figures={figures!r}): use resilient.registry, or None for no metrics."
        )
    with _changing:
        while _undo:
            _undo.pop()()
        meter = None
        if figures is not None:
            provider = metrics.get_meter_provider() if meter_provider is None else meter_provider
            meter = provider.get_meter(_SCOPE)
            instruments = _instruments_locked(provider, meter, figures)
            instruments.is_live = True
            _undo.append(partial(instruments.stop))
        if calls or requests:
            tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
            watcher = SpanWatcher(tracer, meter, calls=calls, requests=requests)
            watching.add(watcher)
            _undo.append(partial(watching.remove, watcher))
        mine = list(_undo)

    def undo() -> None:
        with _changing:
            for one in mine:
                if one in _undo:
                    _undo.remove(one)
                    one()

    return undo


def _check_provider(name: str, provider: Any, needed: str) -> None:
    if provider is not None and not hasattr(provider, needed):
        raise ConfigurationError(
            f"install_otel({name}={type(provider).__name__}): use a provider of "
            "opentelemetry.sdk, or None for the global one."
        )


def _instruments_locked(
    provider: MeterProvider, meter: Meter, figures: Registry
) -> FigureInstruments:
    known = _told.setdefault(provider, [])
    for instruments in known:
        if instruments.reader.registry is figures:
            return instruments
    made = FigureInstruments(meter, Reader(figures))
    known.append(made)
    return made


class FigureInstruments:
    """Observable instruments that read a registry.

    One collection asks each instrument in turn, and all are to be told of the same reading: it is
    handed out in parts, and who asks for a part that is gone gets a new reading. To take a part is
    one atomic step, and so is to put new ones in place.
    """

    def __init__(self, meter: Meter, reader: Reader) -> None:
        self.reader = reader
        self.is_live = False
        self._parts: dict[str, list[Observation]] = {}
        kinds = {
            "counter": meter.create_observable_counter,
            "gauge": meter.create_observable_gauge,
        }
        for metric in METRICS:
            for name, kind, unit, text in _instruments_of(metric):
                kinds[kind](name, [self._callback(name)], unit=unit, description=text)

    def stop(self) -> None:
        """Tell of nothing any more; the instruments stay."""
        self.is_live = False

    def _callback(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def callback(_: CallbackOptions) -> Iterable[Observation]:
            return self._part(name) if self.is_live else ()

        return callback

    def _part(self, name: str) -> Sequence[Observation]:
        part = self._parts.pop(name, None)
        if part is None:
            parts = self._read()
            part = parts.pop(name)
            self._parts = parts
        return part

    def _read(self) -> dict[str, list[Observation]]:
        parts: dict[str, list[Observation]] = {
            name: [] for metric in METRICS for name, *_ in _instruments_of(metric)
        }
        for metric, points in self.reader.read().items():
            for labels, value in points.items():
                for name, one, attributes in self._observed(metric, labels, value):
                    parts[name].append(Observation(one, attributes))
        return parts

    def _observed(
        self, metric: Metric, labels: Labels, value: Any
    ) -> Iterator[tuple[str, float, dict[str, str]]]:
        attributes = dict(zip(map(_attribute, metric.labels), labels, strict=True))
        if metric.kind != "histogram":
            yield metric.name, value, attributes
            return
        yield f"{metric.name}.sum", value.total, attributes
        for bound, within in zip(self.reader.bounds, accumulate(value.counts), strict=True):
            yield f"{metric.name}.bucket", within, {**attributes, "le": bound}


def _instruments_of(metric: Metric) -> Iterator[tuple[str, str, str, str]]:
    """Name, kind, unit and description of each instrument that tells of a metric."""
    if metric.kind != "histogram":
        yield metric.name, metric.kind, metric.unit, metric.help
        return
    yield f"{metric.name}.sum", "counter", metric.unit, f"{metric.help} Their sum."
    yield f"{metric.name}.bucket", "counter", "{call}", f"{metric.help} How many took up to `le`."


def _attribute(label: str) -> str:
    return _ATTRIBUTES.get(label, f"resilient.{label}")
