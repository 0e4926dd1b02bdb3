from __future__ import annotations

import json
import math
import os
import threading
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient import cached, fallback, retry, service
from resilient.call import Call, Outcome, Target, Verdict
from resilient.registry import ERROR, FunctionStats, Histogram, Registry, registry
from resilient.testing import FakeClock, ScriptedVendor
from resilient.timing import BATCH

durations = st.floats(min_value=1e-7, max_value=1e5)


def exact_quantile(values: list[float], share: float) -> float:
    return sorted(values)[math.floor(share * (len(values) - 1))]


@given(st.lists(durations, min_size=1, max_size=300), st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_at_most_two_percent_off(values: list[float], share: float) -> None:
    histogram = Histogram()
    histogram.add(values)
    found = histogram.quantile(share)
    assert found == pytest.approx(exact_quantile(values, share), rel=ERROR + 1e-9)


@given(st.lists(durations, max_size=200), st.lists(durations, max_size=200))
def test_merged_histograms_are_as_if_all_had_been_added_to_one(
    first: list[float], second: list[float]
) -> None:
    one, other, both = Histogram(), Histogram(), Histogram()
    one.add(first)
    other.add(second)
    both.add(first + second)
    one.merge(other)
    assert one.buckets == both.buckets
    assert one.count == both.count
    assert one.largest == both.largest
    assert one.total == pytest.approx(both.total)


@given(st.lists(durations, min_size=1, max_size=200))
def test_a_histogram_survives_the_way_through_json(values: list[float]) -> None:
    histogram = Histogram()
    histogram.add(values)
    read = Histogram.of_snapshot(json.loads(json.dumps(histogram.snapshot())))
    assert read.snapshot() == histogram.snapshot()


def test_durations_of_nothing_and_of_no_time_do_no_harm() -> None:
    histogram = Histogram()
    histogram.add([])
    assert histogram.quantile(0.5) == 0.0
    assert histogram.snapshot()["mean"] == 0.0
    histogram.add([0.0, 0.0, -1e-12])
    assert histogram.count == 3
    assert histogram.quantile(0.5) <= 1e-9


def figures(stats: FunctionStats, *names: str) -> list[object]:
    data = stats.snapshot()
    return [data[name] for name in names]


def test_a_call_is_counted_before_its_batch_is_full() -> None:
    @service("registry")
    def once() -> int:
        return 1

    before = once.resilient.stats()["calls"]
    once()
    assert once.resilient.stats()["calls"] == before + 1


def test_a_full_batch_is_folded_without_anybody_reading() -> None:
    @service("registry")
    def often() -> None:
        return None

    for _ in range(BATCH * 3):
        often()
    stats = registry.stats_of("registry", "often")
    assert len(stats.durations) < BATCH
    assert stats.snapshot()["calls"] == BATCH * 3


def test_functions_of_one_name_share_their_figures_and_dropped_ones_keep_theirs() -> None:
    def made() -> None:
        @service("registry")
        def closure() -> None:
            return None

        closure()

    for _ in range(5):
        made()
    assert registry.stats_of("registry", "closure").snapshot()["calls"] == 5


def test_outcomes_waits_and_hosts_are_counted_from_real_traffic(
    resilient_clock: FakeClock,
) -> None:
    import requests

    with ScriptedVendor("503, 429 retry-after=3, 200, 404") as vendor:

        @service("registry")
        @fallback("nothing")
        @cached(ttl=60)
        @retry(attempts=3)
        def traffic(number: int) -> str:
            answer = requests.get(vendor.url, timeout=5)
            answer.raise_for_status()
            return answer.text

        traffic(1)
        traffic(1)
        assert traffic(2) == "nothing"
        stats = traffic.resilient.stats()
    assert stats["calls"] == 3
    assert stats["outcomes"] == {"ok": 2, "mistake": 1}
    assert stats["errors"] == {"404": 1}
    assert stats["retries"] == 2
    assert stats["attempts"] == 4
    assert stats["recovered"] == 1
    assert stats["degraded"] == 1
    assert stats["raised"] == 0
    assert stats["hits"] == 1
    assert stats["steps"]["retry"] == 2
    assert stats["waited"]["retry"] >= 3
    assert sum(stats["exchanges"].values()) == 4
    assert stats["upstream"]["count"] == 4


def test_a_snapshot_is_json_and_lists_only_functions_that_were_called() -> None:
    own = Registry()
    own.stats_of("a", "called").durations.append(0.5)
    own.stats_of("a", "idle")
    data = json.loads(json.dumps(own.snapshot()))
    assert [function["function"] for function in data["functions"]] == ["called"]
    assert data["pid"] == os.getpid()
    assert data["taken"] >= data["started"]


def test_reset_starts_from_zero() -> None:
    own = Registry()
    stats = own.stats_of("a", "f")
    stats.durations.append(0.5)
    call = Call.of(Target(lambda: None, service="a", name="f"))
    call.outcome = Outcome(Verdict.BROKEN, "500")
    stats.record(call, ValueError())
    own.reset()
    assert figures(stats, "calls", "raised", "errors") == [0, 0, {}]
    assert own.snapshot()["functions"] == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_counts_from_zero_even_if_a_lock_was_held() -> None:
    stats = registry.stats_of("registry", "forked")
    stats.durations.append(0.5)
    reader, writer = os.pipe()
    with stats._lock:
        child = os.fork()
        if child == 0:
            os.write(writer, str(stats.snapshot()["calls"]).encode())
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 10) == b"0"
    assert stats.snapshot()["calls"] == 1
    os.close(reader)
    os.close(writer)


@pytest.mark.stress
def test_no_call_is_lost_under_sixteen_threads() -> None:
    @service("registry")
    @retry
    def busy(number: int) -> int:
        if number % 10 == 0:
            raise TypeError
        return number

    start = threading.Barrier(16)

    def work() -> None:
        start.wait()
        for number in range(1000):
            with suppress(TypeError):
                busy(number)
            if number % 100 == 0:
                busy.resilient.stats()

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = busy.resilient.stats()
    assert stats["calls"] == 16_000
    assert stats["outcomes"] == {"ok": 14_400, "mistake": 1_600}
    assert stats["latency"]["count"] == sum(stats["latency"]["buckets"].values()) == 16_000
