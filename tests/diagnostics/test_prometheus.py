from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from resilient import service
from resilient.diagnostics.prometheus import install_prometheus
from resilient.errors import ConfigurationError
from resilient.registry import Registry
from resilient.registry import registry as all_functions
from tests.threads import StartThread


@pytest.fixture
def scraped() -> CollectorRegistry:
    return CollectorRegistry()


def value(scraped: CollectorRegistry, name: str, **labels: str) -> float | None:
    labels = {"service": "github", "function": "repos", **labels}
    return scraped.get_sample_value(name, labels)


def test_a_scrape_shows_the_figures(busy: Registry, scraped: CollectorRegistry) -> None:
    install_prometheus(scraped, figures=busy)
    assert value(scraped, "resilient_calls_total", outcome="ok") == 1_299
    assert value(scraped, "resilient_retries_total") == 2
    assert value(scraped, "resilient_waited_seconds_total", kind="retry") == 2.0
    assert value(scraped, "resilient_failures_total", reason="InvalidToken") == 1
    assert value(scraped, "resilient_call_duration_seconds_count") == 1_300
    assert value(scraped, "resilient_call_duration_seconds_sum") == pytest.approx(13.0)


def test_a_second_scrape_counts_nothing_twice(busy: Registry, scraped: CollectorRegistry) -> None:
    install_prometheus(scraped, figures=busy)
    assert generate_latest(scraped) == generate_latest(scraped)


def test_buckets_are_cumulative_and_end_with_all(
    registry: Registry, scraped: CollectorRegistry
) -> None:
    registry.stats_of("github", "repos").durations += [0.05, 0.3, 0.3, 7.0]
    install_prometheus(scraped, figures=registry, buckets=(0.1, 1))
    within = {
        bound: value(scraped, "resilient_call_duration_seconds_bucket", le=bound)
        for bound in ("0.1", "1.0", "+Inf")
    }
    assert within == {"0.1": 1, "1.0": 3, "+Inf": 4}


@pytest.mark.parametrize("expose", [generate_latest, openmetrics], ids=["text", "OpenMetrics"])
def test_hostile_names_are_exposed_in_each_format(
    registry: Registry, scraped: CollectorRegistry, expose: Callable[[CollectorRegistry], bytes]
) -> None:
    registry.stats_of('a"b\\', "line\nbreak {x} \ud800").durations.append(0.1)
    install_prometheus(scraped, figures=registry)
    text = expose(scraped).decode()
    if expose is generate_latest:
        [labels] = {
            (sample.labels["service"], sample.labels["function"])
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
        assert labels == ('a"b\\', "line\nbreak {x} ?")


def test_the_names_of_counters_and_units_are_as_prometheus_wants_them(
    scraped: CollectorRegistry,
) -> None:
    families = list(install_prometheus(scraped).describe())  # type: ignore[attr-defined]
    assert all(family.name.startswith("resilient_") for family in families)
    assert {family.name for family in families if "seconds" in family.name} == {
        "resilient_waited_seconds",
        "resilient_cache_saved_seconds",
        "resilient_call_duration_seconds",
        "resilient_request_duration_seconds",
    }


def test_asking_twice_changes_nothing(busy: Registry, scraped: CollectorRegistry) -> None:
    installed = install_prometheus(scraped, figures=busy)
    assert install_prometheus(scraped, figures=busy) is installed
    assert value(scraped, "resilient_calls_total", outcome="ok") == 1_299


def test_stopped_it_is_scraped_no_more_and_can_be_asked_for_again(
    busy: Registry, scraped: CollectorRegistry
) -> None:
    installed = install_prometheus(scraped, figures=busy)
    installed.write()
    installed.stop()
    installed.stop()
    assert b"resilient" not in generate_latest(scraped)
    again = install_prometheus(scraped, figures=busy)
    scraped.unregister(again)  # type: ignore[arg-type]
    again.stop()
    install_prometheus(scraped, figures=busy)
    assert b"resilient" in generate_latest(scraped)


def test_the_default_is_the_registry_of_prometheus_client_and_all_functions() -> None:
    all_functions.reset()

    @service("github")
    def repos() -> None: ...

    installed = install_prometheus()
    try:
        repos()
        assert value(REGISTRY, "resilient_calls_total", outcome="ok") == 1
    finally:
        installed.stop()


def test_a_registry_that_is_dropped_is_not_kept_alive(busy: Registry) -> None:
    dropped = CollectorRegistry()
    install_prometheus(dropped, figures=busy)
    known = weakref.ref(dropped)
    del dropped
    gc.collect()
    assert known() is None


def test_names_that_another_collector_has_are_told(scraped: CollectorRegistry) -> None:
    Counter("resilient_calls", "somebody else's", registry=scraped)
    with pytest.raises(ConfigurationError, match="Another collector has these names"):
        install_prometheus(scraped)


def test_figures_of_another_registry_are_not_passed_over(
    busy: Registry, scraped: CollectorRegistry
) -> None:
    install_prometheus(scraped, figures=busy)
    with pytest.raises(ConfigurationError, match="give it a registry of its own"):
        install_prometheus(scraped, figures=Registry())


@pytest.mark.parametrize(
    "buckets",
    [(), (0.1, 0.1), (1, 0.5), (0, 1), (-1,), ("a",), 5, (float("nan"),), (float("inf"),)],
    ids=repr,
)
def test_impossible_buckets_are_refused(scraped: CollectorRegistry, buckets: Any) -> None:
    with pytest.raises(ConfigurationError, match="buckets="):
        install_prometheus(scraped, buckets=buckets)


def test_an_endless_last_bucket_may_be_named(busy: Registry, scraped: CollectorRegistry) -> None:
    install_prometheus(scraped, figures=busy, buckets=(1, float("inf")))
    assert value(scraped, "resilient_call_duration_seconds_bucket", le="+Inf") == 1_300


def test_our_registry_in_place_of_theirs_is_refused_with_the_remedy(busy: Registry) -> None:
    with pytest.raises(ConfigurationError, match="figures="):
        install_prometheus(busy)  # type: ignore[arg-type]


def test_without_prometheus_client_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "resilient.diagnostics.prometheus")
    with pytest.raises(ImportError, match=r"resilient-decorators\[prometheus\]"):
        __import__("resilient.diagnostics.prometheus")


@pytest.mark.stress
def test_totals_are_exact_while_many_threads_are_scraped(
    scraped: CollectorRegistry, in_thread: StartThread
) -> None:
    all_functions.reset()

    @service("github")
    def repos() -> None: ...

    installed = install_prometheus(scraped)
    together = threading.Barrier(17)
    seen: list[float] = []

    def work() -> None:
        together.wait()
        for _ in range(2_000):
            repos()

    threads = [in_thread(work) for _ in range(16)]
    together.wait()
    while any(thread.is_alive() for thread in threads):
        seen.append(value(scraped, "resilient_calls_total", outcome="ok") or 0)
    assert seen == sorted(seen)
    assert value(scraped, "resilient_calls_total", outcome="ok") == 32_000
    installed.stop()
