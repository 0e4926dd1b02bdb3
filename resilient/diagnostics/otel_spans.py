"""Spans of calls and of their HTTP requests, made by watching (see `watching`).

The spans of requests, and http.client.request.duration, are those of OpenTelemetry's semantic
conventions for HTTP (stable since 1.23). All that is text is masked. A request for which no
connection could be had may have no span of its own; its call's tells of the error.
"""

from __future__ import annotations

import contextlib
import functools
import traceback
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.metrics import Histogram, Meter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from resilient.call import FINE, Call, Exchange
from resilient.diagnostics.masking import mask, masked
from resilient.http.secret_urls import without_secrets
from resilient.registry import OTHERS
from resilient.timing import clock
from resilient.verdict import judge_error
from resilient.watching import End

LONGEST_URL = 2_000
LONGEST_TRACE = 20_000
MOST_SERVERS = 1_000
"""Servers whose durations are told one by one."""

MOST_RESENDS = 1_000
"""Different requests of one call that are known again when they are sent again."""

# RFC 9110 9.1, RFC 5789, and QUERY, as the conventions list them.
_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"}
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}
_SUPPRESSED = ("suppress_instrumentation", "suppress_http_instrumentation")
"""What other instrumentations ask for in the context, when they do the same already."""
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

# Kept in the instance dictionary of a call.
_SENT = "_resilient_otel_sent"


class SpanWatcher:
    """Makes the spans. meter: for the durations of requests, None if they are not wanted."""

    def __init__(self, tracer: Tracer, meter: Meter | None, *, calls: bool, requests: bool) -> None:
        self._tracer = tracer
        self._calls = calls
        self._requests = requests
        self._durations = None if meter is None or not requests else _durations_of(meter)
        self._servers: set[tuple[str, int | None]] = set()

    def call_begins(self, call: Call) -> End | None:
        if not self._calls:
            return None
        target = call.target
        # The call has begun a moment ago, and steps tell their time from there.
        began = clock.time() - (clock.monotonic() - call.started)
        span = self._tracer.start_span(
            _name(target.label),
            start_time=_nanoseconds(began),
            attributes={
                "resilient.service": _name(target.service),
                "resilient.function": _name(target.name),
            },
        )
        token = otel_context.attach(trace.set_span_in_context(span))

        def end(error: BaseException | None) -> None:
            otel_context.detach(token)
            try:
                if span.is_recording():
                    _tell_of_call(span, call, error, began)
            finally:
                span.end(_nanoseconds(began + clock.monotonic() - call.started))

        return end

    def request_leaves(self, call: Call, exchange: Exchange, url: str) -> End | None:
        if not self._requests or any(map(otel_context.get_value, _SUPPRESSED)):
            return None
        common = _server_of(exchange, url)
        sent: _Sent = call.__dict__.setdefault(_SENT, _Sent())
        resends = sent.count(call, exchange, url)
        began = clock.time()
        span = self._tracer.start_span(
            str(common["http.request.method"]) if exchange.method in _METHODS else "HTTP",
            kind=SpanKind.CLIENT,
            start_time=_nanoseconds(began),
            attributes={
                **common,
                "url.full": mask(without_secrets(url))[:LONGEST_URL],
                **_method_as_sent(exchange),
                **({"http.request.resend_count": resends} if resends else {}),
            },
        )

        def end(error: BaseException | None) -> None:
            told = _answer_of(exchange, error)
            seconds = exchange.elapsed
            if seconds is None:
                seconds = clock.monotonic() - exchange.started
            if self._durations is not None:
                in_span = trace.set_span_in_context(span)
                measured = {**self._bounded(common), **told}
                self._durations.record(max(0.0, seconds), measured, context=in_span)
            span.set_attributes(told)
            if "error.type" in told:
                span.set_status(Status(StatusCode.ERROR))
            span.end(_nanoseconds(began + seconds))

        return end

    def _bounded(self, common: dict[str, Any]) -> dict[str, Any]:
        """The same, or without the server if there are too many for a series each."""
        server = (common["server.address"], common.get("server.port"))
        if server not in self._servers:
            if len(self._servers) >= MOST_SERVERS:
                return {
                    "http.request.method": common["http.request.method"],
                    "server.address": OTHERS,
                }
            self._servers.add(server)
        return common


def _durations_of(meter: Meter) -> Histogram:
    name, text = "http.client.request.duration", "Duration of HTTP client requests."
    try:
        return meter.create_histogram(
            name, unit="s", description=text, explicit_bucket_boundaries_advisory=_BUCKETS
        )
    except TypeError:  # before OpenTelemetry 1.30
        return meter.create_histogram(name, unit="s", description=text)


def _tell_of_call(span: Span, call: Call, error: BaseException | None, began: float) -> None:
    if isinstance(error, Exception):
        judge_error(call, error)
    outcome = call.outcome
    span.set_attribute("resilient.outcome", outcome.verdict.value)
    span.set_attribute("resilient.attempts", call.attempt)
    if call.degraded:
        span.set_attribute("resilient.degraded", True)
    for step in call.steps:
        span.add_event(
            f"resilient.{step.kind}",
            {"resilient.text": mask(step.text), **_facts(step.facts)},
            timestamp=_nanoseconds(began + step.at),
        )
    if error is not None:
        span.set_attribute("error.type", _type_of(error))
        span.add_event("exception", _exception(error))
        span.set_status(Status(StatusCode.ERROR, mask(_text_of(error))[:LONGEST_URL]))
    elif outcome is not FINE and not call.degraded and outcome.verdict is not FINE.verdict:
        span.set_attribute("error.type", mask(outcome.reason))
        span.set_status(Status(StatusCode.ERROR))


@functools.lru_cache(maxsize=4096)
def _name(text: str) -> str:
    """What names a function or a host, masked; there are few of them, and they come often."""
    return mask(text)


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    plain = masked(dict(facts))
    return {
        f"resilient.{name}": value if isinstance(value, (bool, int, float, str)) else str(value)
        for name, value in plain.items()
        if value is not None
    }


def _exception(error: BaseException) -> dict[str, str]:
    told = {
        "exception.type": _type_of(error),
        "exception.message": mask(_text_of(error)),
    }
    with contextlib.suppress(Exception):  # of somebody's own, that can't be shown
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        told["exception.stacktrace"] = mask("".join(lines))[-LONGEST_TRACE:]
    return told


def _type_of(error: BaseException) -> str:
    kind = type(error)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return f"<unprintable {type(error).__name__}>"


def _server_of(exchange: Exchange, url: str) -> dict[str, Any]:
    """What spans and durations of requests have in common."""
    attributes: dict[str, Any] = {
        "http.request.method": exchange.method if exchange.method in _METHODS else "_OTHER",
        "server.address": _name(exchange.host),
    }
    with contextlib.suppress(ValueError):  # no URL, or a port that is no number
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme.lower())
        if port is not None:
            attributes["server.port"] = port
    return attributes


def _method_as_sent(exchange: Exchange) -> dict[str, str]:
    known = exchange.method in _METHODS
    return {} if known else {"http.request.method_original": mask(exchange.method)[:100]}


def _answer_of(exchange: Exchange, error: BaseException | None) -> dict[str, Any]:
    status = exchange.status
    if status is not None:
        told: dict[str, Any] = {"http.response.status_code": status}
        # For a client, a 4xx is an error as well.
        return {**told, "error.type": str(status)} if status >= 400 else told
    # Nobody heard how it ended: the call was over first.
    return {"error.type": "_OTHER" if error is None else _type_of(error)}


class _Sent:
    """The requests that a call has sent, to tell how often one was sent again.

    A function that polls has not sent a request again: it was, if it failed, if it was redirected,
    or if the function runs anew.
    """

    __slots__ = ("_last", "_requests", "_resends")

    def __init__(self) -> None:
        self._requests: dict[int, tuple[Exchange, int]] = {}
        self._resends: dict[int, int] = {}
        self._last = 0

    def count(self, call: Call, exchange: Exchange, url: str) -> int:
        """How often this request was sent before."""
        key = hash((exchange.method, url))
        known = self._requests.get(key)
        count = 0
        if known is not None:
            before, attempt = known
            if attempt < call.attempt or before.status is None or before.status >= 400:
                count = self._resends[key] + 1
        elif len(self._requests) >= MOST_RESENDS:
            return 0
        last = call.exchanges[-2] if len(call.exchanges) > 1 else None
        if last is not None and last.status in _REDIRECTS:
            count = max(count, self._last + 1)
        self._requests[key] = exchange, call.attempt
        self._resends[key] = self._last = count
        return count


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
