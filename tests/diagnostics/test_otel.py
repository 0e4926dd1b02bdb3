"""Spans and metrics, with OpenTelemetry's own SDK."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import requests
from opentelemetry import context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from resilient import breaker, cached, fallback, retry, service, throttled, watching
from resilient.diagnostics import otel_spans
from resilient.diagnostics.otel import install_otel
from resilient.errors import BreakerOpen, ConfigurationError
from resilient.registry import OTHERS, Registry
from resilient.registry import registry as all_functions
from resilient.testing import FakeClock, ScriptedVendor

SECRET = "ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8"


class Spans:
    """What has been exported."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def all(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def of(self, kind: SpanKind) -> list[ReadableSpan]:
        return [span for span in self.all if span.kind is kind]

    @property
    def call(self) -> ReadableSpan:
        [span] = self.of(SpanKind.INTERNAL)
        return span

    @property
    def request(self) -> ReadableSpan:
        [span] = self.of(SpanKind.CLIENT)
        return span

    @property
    def text(self) -> str:
        return "".join(span.to_json() for span in self.all)


@pytest.fixture
def spans() -> Iterator[Spans]:
    spans = Spans()
    undo = install_otel(tracer_provider=spans.provider, figures=None)
    yield spans
    undo()
    assert watching.watchers == []
    assert watching.errors == 0
    assert context.get_current() == {}


class Metrics:
    """Collects, and gives what was observed."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader], shutdown_on_exit=False)

    def collect(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        data = self._reader.get_metrics_data()
        return {
            metric.name: [
                (dict(point.attributes or {}), point) for point in metric.data.data_points
            ]
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def value(self, name: str, **attributes: str) -> float | None:
        wanted = {f"resilient.{label}": value for label, value in attributes.items()}
        for found, point in self.collect().get(name, ()):
            if wanted.items() <= found.items():
                value: float = point.value
                return value
        return None


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


FETCHES: dict[str, Callable[[str], Any]] = {
    "requests": lambda url: requests.get(url, timeout=5),
    "httpx": lambda url: httpx.get(url, timeout=5),
}
each_library = pytest.mark.parametrize("fetch", FETCHES.values(), ids=FETCHES.keys())


# Calls


def test_a_call_is_a_span_around_what_its_function_does(spans: Spans) -> None:
    @service("github")
    def repos() -> None:
        tracer = trace.get_tracer("application", tracer_provider=spans.provider)
        with tracer.start_as_current_span("parsing", kind=SpanKind.PRODUCER):
            pass

    with trace.get_tracer("application", tracer_provider=spans.provider).start_as_current_span(
        "page", kind=SpanKind.SERVER
    ):
        repos()
    [parsing], [page] = spans.of(SpanKind.PRODUCER), spans.of(SpanKind.SERVER)
    assert spans.call.name == "github.repos"
    assert parsing.parent == spans.call.context
    assert spans.call.parent == page.context
    assert spans.call.status.status_code is StatusCode.UNSET
    assert dict(spans.call.attributes or {}) == {
        "resilient.service": "github",
        "resilient.function": "repos",
        "resilient.outcome": "ok",
        "resilient.attempts": 1,
    }


def test_calls_nest(spans: Spans) -> None:
    @service("github")
    def inner() -> None: ...

    @service("github")
    def outer() -> None:
        inner()

    outer()
    first, second = spans.all
    assert (first.name, second.name) == ("github.inner", "github.outer")
    assert first.parent == second.context


def test_what_policies_did_is_in_events_at_its_time(spans: Spans, clock: FakeClock) -> None:
    tries = iter([OSError("first"), OSError("second")])

    @service("github")
    @retry(on=OSError, wait=lambda: iter([1.0] * 9))
    def repos() -> int:
        clock.advance(10)
        for error in tries:
            raise error
        return 1

    repos()
    call = spans.call
    assert [event.name for event in call.events] == ["resilient.retry", "resilient.retry"]
    assert call.start_time is not None
    assert (call.events[0].timestamp - call.start_time) / 1e9 == pytest.approx(10, abs=0.01)
    assert "try 1 of 3 failed" in str((call.events[0].attributes or {})["resilient.text"])
    assert (call.attributes or {})["resilient.attempts"] == 3
    assert call.status.status_code is StatusCode.UNSET


def test_a_failed_call_tells_of_its_error_without_secrets(spans: Spans) -> None:
    @service("github")
    def repos(token: str) -> None:
        raise ValueError(f"bad token={token}")

    with pytest.raises(ValueError):
        repos(SECRET)
    call = spans.call
    assert call.status.status_code is StatusCode.ERROR
    assert call.status.description == "bad token=***"
    assert (call.attributes or {})["error.type"] == "ValueError"
    assert (call.attributes or {})["resilient.outcome"] == "broken"
    [event] = call.events
    assert event.name == "exception"
    assert "in repos" in str((event.attributes or {})["exception.stacktrace"])
    assert SECRET not in spans.text


def test_the_type_of_an_error_has_its_module(spans: Spans) -> None:
    @service("github")
    @breaker
    def repos() -> None: ...

    repos.resilient.breaker.isolate()
    with pytest.raises(BreakerOpen):
        repos()
    assert (spans.call.attributes or {})["error.type"] == "resilient.errors.BreakerOpen"
    assert (spans.call.attributes or {})["resilient.outcome"] == "refused"


def test_ctrl_c_ends_the_span(spans: Spans) -> None:
    @service("github")
    def repos() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repos()
    assert (spans.call.attributes or {})["error.type"] == "KeyboardInterrupt"


def test_an_error_that_cannot_be_shown_is_told_all_the_same(spans: Spans) -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    @service("github")
    def repos() -> None:
        raise Odd

    with pytest.raises(Odd):
        repos()
    assert spans.call.status.description == "<unprintable Odd>"


def test_a_degraded_answer_is_no_error(spans: Spans) -> None:
    @service("github")
    @fallback(["other"])
    def repos() -> list[str]:
        raise OSError

    assert repos() == ["other"]
    assert spans.call.status.status_code is StatusCode.UNSET
    assert (spans.call.attributes or {})["resilient.degraded"] is True
    assert "resilient.fallback" in [event.name for event in spans.call.events]


def test_a_returned_failure_is_one(spans: Spans) -> None:
    with ScriptedVendor("503") as vendor:
        service("github")(requests.get)(vendor.url_for("/"), timeout=5)
    assert spans.call.status.status_code is StatusCode.ERROR
    assert (spans.call.attributes or {})["error.type"] == "503"


def test_a_hit_that_is_only_a_look_has_no_span(spans: Spans) -> None:
    @service("github")
    @cached(ttl=60)
    def repos() -> int:
        return 1

    repos()
    repos()
    assert len(spans.all) == 1


def test_facts_of_any_type_become_attributes(spans: Spans) -> None:
    @service("github")
    def repos() -> None:
        from resilient.call import current

        call = current.get()
        assert call is not None
        call.report("odd", "said", none=None, number=1.5, list=[1], password="hunter2hunter2")

    repos()
    [event] = spans.call.events
    assert dict(event.attributes or {}) == {
        "resilient.text": "said",
        "resilient.number": 1.5,
        "resilient.list": "[1]",
        "resilient.password": "***",
    }


def test_calls_of_many_threads_keep_their_spans_apart(spans: Spans) -> None:
    together = threading.Barrier(4)

    @service("github")
    def inner() -> None: ...

    @service("github")
    def outer() -> None:
        together.wait(10)
        inner()

    threads = [threading.Thread(target=outer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    inners = [span for span in spans.all if span.name.endswith("inner")]
    assert len({span.parent.span_id for span in inners if span.parent}) == 4


def test_the_thread_of_a_hard_deadline_is_below_its_call(spans: Spans) -> None:
    with ScriptedVendor("200") as vendor:

        @service("github", deadline=20, hard_deadline=True)
        def repos() -> int:
            return requests.get(vendor.url_for("/"), timeout=5).status_code

        assert repos() == 200
    assert spans.request.parent == spans.call.context


# Requests


@each_library
def test_a_request_is_a_client_span_below_its_call(
    spans: Spans, fetch: Callable[[str], Any]
) -> None:
    with ScriptedVendor("200") as vendor:
        url = vendor.url_for("/users")
        service("github")(fetch)(url + "?page=2")
    request = spans.request
    assert request.name == "GET"
    assert request.parent == spans.call.context
    assert dict(request.attributes or {}) == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": int(url.split(":")[2].split("/")[0]),
        "url.full": url + "?page=2",
        "http.response.status_code": 200,
    }
    assert request.status.status_code is StatusCode.UNSET
    assert spans.call.start_time <= request.start_time <= request.end_time <= spans.call.end_time  # type: ignore[operator]


@each_library
def test_a_url_is_told_without_its_secrets(spans: Spans, fetch: Callable[[str], Any]) -> None:
    with ScriptedVendor("200") as vendor:
        url = vendor.url_for(f"/bots/{SECRET}").replace("//", "//user:hunter2hunter2@")
        service("github")(fetch)(f"{url}?api_key=abcdefgh1234&page=2")
    told = str((spans.request.attributes or {})["url.full"])
    assert told.endswith("/bots/***?page=2")
    assert "hunter2" not in spans.text
    assert SECRET not in spans.text
    assert "abcdefgh1234" not in spans.text


def test_a_long_url_is_cut(spans: Spans) -> None:
    with ScriptedVendor("200") as vendor:
        service("github")(requests.get)(vendor.url_for("/" + "a" * 5_000), timeout=5)
    assert len(str((spans.request.attributes or {})["url.full"])) == 2_000


@pytest.mark.parametrize("status", [404, 503])
def test_an_answer_of_400_and_up_is_an_error(spans: Spans, status: int) -> None:
    with ScriptedVendor(str(status)) as vendor:
        service("github")(requests.get)(vendor.url_for("/"), timeout=5)
    assert spans.request.status.status_code is StatusCode.ERROR
    assert (spans.request.attributes or {})["error.type"] == str(status)


@each_library
def test_a_request_without_an_answer_tells_its_error(
    spans: Spans, fetch: Callable[[str], Any]
) -> None:
    with ScriptedVendor("reset") as vendor:
        with pytest.raises(Exception):
            service("github")(fetch)(vendor.url_for("/"))
    assert spans.request.status.status_code is StatusCode.ERROR
    assert (spans.request.attributes or {})["error.type"] in (
        "ConnectionResetError",
        "httpx.ReadError",
    )
    assert "http.response.status_code" not in (spans.request.attributes or {})


def resends(spans: Spans) -> list[int]:
    requests = sorted(spans.of(SpanKind.CLIENT), key=lambda span: span.start_time or 0)
    counts = [(span.attributes or {}).get("http.request.resend_count", 0) for span in requests]
    return [int(str(count)) for count in counts]


def test_what_is_sent_again_is_counted(spans: Spans, clock: FakeClock) -> None:
    with ScriptedVendor("503, 503, 200") as vendor:

        @service("github")
        @retry
        def repos() -> int:
            return requests.get(vendor.url_for("/"), timeout=5).status_code

        assert repos() == 200
    assert sorted(resends(spans)) == [0, 1, 2]


def test_a_redirect_counts_as_sent_again(spans: Spans) -> None:
    with ScriptedVendor({"/a": "302 location=/b", "/b": "302 location=/c", "*": "200"}) as vendor:
        service("github")(requests.get)(vendor.url_for("/a"), timeout=5)
    assert resends(spans) == [0, 1, 2]


def test_pages_and_polls_are_not_sent_again(spans: Spans) -> None:
    with ScriptedVendor("200") as vendor:

        @service("github")
        def pages() -> None:
            for path in ("/1", "/2", "/2", "/2"):
                requests.get(vendor.url_for(path), timeout=5)

        pages()
    assert resends(spans) == [0, 0, 0, 0]


def test_an_unknown_method_is_told_as_other(spans: Spans) -> None:
    with ScriptedVendor("200") as vendor:
        service("github")(requests.request)("PROPFIND", vendor.url_for("/"), timeout=5)
    assert spans.request.name == "HTTP"
    assert (spans.request.attributes or {})["http.request.method"] == "_OTHER"
    assert (spans.request.attributes or {})["http.request.method_original"] == "PROPFIND"


def test_where_others_suppress_it_a_request_has_no_span(spans: Spans) -> None:
    with ScriptedVendor("200") as vendor:

        @service("github")
        def repos() -> None:
            token = context.attach(context.set_value("suppress_http_instrumentation", True))
            requests.get(vendor.url_for("/"), timeout=5)
            context.detach(token)

        repos()
    assert spans.of(SpanKind.CLIENT) == []
    assert spans.call.name == "github.repos"


def test_outside_of_decorated_functions_nothing_is_seen(spans: Spans) -> None:
    with ScriptedVendor("200") as vendor:
        requests.get(vendor.url_for("/"), timeout=5)
    assert spans.all == []


def test_an_unsampled_trace_costs_no_telling(metrics: Metrics) -> None:
    undo = install_otel(tracer_provider=TracerProvider(sampler=ALWAYS_OFF), figures=None)
    try:

        @service("github")
        def repos() -> bool:
            return trace.get_current_span().is_recording()

        assert repos() is False
    finally:
        undo()


# Metrics


def test_figures_are_observed(metrics: Metrics, busy: Registry) -> None:
    undo = install_otel(meter_provider=metrics.provider, figures=busy, calls=False, requests=False)
    github = {"service": "github", "function": "repos"}
    assert metrics.value("resilient.calls", **github, outcome="ok") == 1_299
    assert metrics.value("resilient.waited", **github, kind="retry") == 2.0
    assert metrics.value("resilient.call.duration.sum", **github) == pytest.approx(13.0)
    buckets = {
        found["le"]: point.value
        for found, point in metrics.collect()["resilient.call.duration.bucket"]
        if found["resilient.function"] == "repos"
    }
    assert buckets["0.005"] == 0
    assert buckets["0.01"] == buckets["+Inf"] == 1_300
    undo()
    assert metrics.collect() == {}


def test_every_collection_is_of_one_new_reading(metrics: Metrics, busy: Registry) -> None:
    readings = 0
    snapshot = busy.snapshot

    def counting() -> dict[str, Any]:
        nonlocal readings
        readings += 1
        return snapshot()

    busy.snapshot = counting  # type: ignore[method-assign]
    undo = install_otel(meter_provider=metrics.provider, figures=busy, calls=False, requests=False)
    for collected in (1, 2, 3):
        busy.stats_of("github", "repos").durations.append(0.01)
        expected = 1_299 + collected
        assert metrics.value("resilient.calls", function="repos", outcome="ok") == expected
        assert readings == collected
    undo()


def test_state_and_quota_are_gauges(metrics: Metrics) -> None:
    all_functions.reset()

    @service("github", breaker(), throttled("100/s"))
    def repos() -> None: ...

    undo = install_otel(meter_provider=metrics.provider, calls=False, requests=False)
    repos()
    assert metrics.value("resilient.breaker.state", function="repos", state="closed") == 1
    assert metrics.value("resilient.breaker.state", function="repos", state="open") == 0
    assert metrics.value("resilient.quota.remaining", function="repos") == 99
    undo()


def test_the_duration_of_requests_is_a_histogram_by_the_conventions(metrics: Metrics) -> None:
    undo = install_otel(meter_provider=metrics.provider)
    with ScriptedVendor("200, 503") as vendor:
        fetch = service("github")(requests.get)
        fetch(vendor.url_for("/"), timeout=5)
        fetch(vendor.url_for("/"), timeout=5)
    points = metrics.collect()["http.client.request.duration"]
    undo()
    assert [point.count for _, point in points] == [1, 1]
    fine, failed = (attributes for attributes, _ in points)
    assert fine.keys() == {
        "http.request.method",
        "server.address",
        "server.port",
        "http.response.status_code",
    }
    assert failed["error.type"] == "503"
    assert points[0][1].explicit_bounds[0] == 0.005


def test_servers_beyond_the_most_are_measured_together(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otel_spans, "MOST_SERVERS", 1)
    undo = install_otel(meter_provider=metrics.provider)
    for _ in range(3):
        with ScriptedVendor("200") as vendor:
            service("github")(requests.get)(vendor.url_for("/"), timeout=5)
    points = metrics.collect()["http.client.request.duration"]
    undo()
    assert [point.count for _, point in points] == [1, 2]
    assert points[1][0]["server.address"] == OTHERS


# Installing


def test_nobody_watches_before_and_after() -> None:
    assert watching.watchers == []
    undo = install_otel(tracer_provider=Spans().provider, figures=None)
    assert len(watching.watchers) == 1
    undo()
    undo()
    assert watching.watchers == []


def test_asking_again_replaces_what_was_asked_for_before(metrics: Metrics, busy: Registry) -> None:
    first, second = Spans(), Spans()
    options: dict[str, Any] = {"meter_provider": metrics.provider, "figures": busy}
    undo_first = install_otel(tracer_provider=first.provider, **options)
    undo_second = install_otel(tracer_provider=second.provider, **options)
    undo_first()
    service("github")(len)(())
    assert first.all == []
    assert len(second.all) == 1
    [ok] = [
        point
        for found, point in metrics.collect()["resilient.calls"]
        if found["resilient.outcome"] == "ok" and found["resilient.function"] == "repos"
    ]
    assert ok.value == 1_299
    undo_second()
    assert metrics.collect() == {}


@pytest.mark.parametrize("calls", [True, False])
def test_calls_or_requests_may_go_without_spans(calls: bool) -> None:
    spans = Spans()
    undo = install_otel(
        tracer_provider=spans.provider, figures=None, calls=calls, requests=not calls
    )
    with ScriptedVendor("200") as vendor:
        service("github")(requests.get)(vendor.url_for("/"), timeout=5)
    undo()
    assert [span.kind for span in spans.all] == [SpanKind.INTERNAL if calls else SpanKind.CLIENT]


@pytest.mark.parametrize(
    "wrong", [{"tracer_provider": 1}, {"meter_provider": "x"}, {"figures": 5}], ids=str
)
def test_what_is_no_provider_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        install_otel(**wrong)
    assert watching.watchers == []


def test_without_opentelemetry_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "resilient.diagnostics.otel")
    with pytest.raises(ImportError, match=r"resilient-decorators\[otel\]"):
        __import__("resilient.diagnostics.otel")
