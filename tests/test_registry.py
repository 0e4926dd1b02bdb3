from __future__ import annotations

import json
import math
import os
import threading
from contextlib import suppress
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient import cached, dump_stats, fallback, retry, service, stats_table
from resilient.call import Call, Outcome, Target, Verdict
from resilient.registry import (
    ERROR,
    MOST_NAMES,
    OTHERS,
    FunctionStats,
    Histogram,
    Registry,
    registry,
)
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor
from resilient.timing import BATCH

# Its name in the package is that of the object in it.
registry_module = import_module("resilient.registry")

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


@given(st.lists(st.lists(durations, max_size=20), max_size=12))
def test_quantiles_that_are_followed_are_those_that_are_looked_up(
    batches: list[list[float]],
) -> None:
    histogram = Histogram()
    for batch in batches:
        histogram.add(batch)
        told = histogram.snapshot()
        assert told == Histogram.of_snapshot(told).snapshot()


def test_quantiles_are_found_again_wherever_a_function_goes() -> None:
    histogram = Histogram()
    for duration in (0.1, 0.1001, 0.2, 900.0, 1e-6, 0.0, 1e9, 0.1):
        for many in (1, 3, 50):
            histogram.add([duration] * many)
            told = histogram.snapshot()
            assert told == Histogram.of_snapshot(told).snapshot()


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


def test_a_snapshot_leaves_what_waits_where_the_wrapper_counts_it_and_counts_it_once() -> None:
    stats = FunctionStats("a", "f")
    stats.durations += [0.1] * 10
    assert [stats.snapshot()["calls"] for _ in range(3)] == [10] * 3
    stats.durations += [0.2] * 5
    assert stats.snapshot()["latency"]["count"] == 15
    assert len(stats.durations) == 15
    stats.durations += [0.3]
    stats.fold()
    assert stats.durations == []
    stats.durations += [0.4] * 2
    data = stats.snapshot()["latency"]
    assert data["count"] == sum(data["buckets"].values()) == 18
    assert data["total"] == pytest.approx(10 * 0.1 + 5 * 0.2 + 0.3 + 2 * 0.4)


def test_after_a_reset_nothing_is_taken_for_counted_already() -> None:
    stats = FunctionStats("a", "f")
    stats.durations += [0.1] * 10
    stats.snapshot()
    stats.reset()
    stats.durations += [0.1] * 3
    assert stats.snapshot()["calls"] == 3
    stats.reset_in_child()
    stats.durations += [0.1] * 4
    stats.fold()
    assert stats.snapshot()["calls"] == 4


def test_functions_beyond_the_bound_share_one_row_a_service_and_that_is_told_once(
    monkeypatch: pytest.MonkeyPatch, steps: RecordedSteps
) -> None:
    monkeypatch.setattr(registry_module, "MOST_FUNCTIONS", 3)
    monkeypatch.setattr(registry_module, "MOST_SERVICES", 2)
    own = Registry()
    for service_name in ("a", "b", "c", "d"):
        for number in range(3):
            own.stats_of(service_name, f"f{number}").durations.append(0.1)
    rows = {(row["service"], row["function"]): row["calls"] for row in own.snapshot()["functions"]}
    assert rows == {
        ("a", "f0"): 1, ("a", "f1"): 1, ("a", "f2"): 1,
        ("b", OTHERS): 3, ("c", OTHERS): 3, (OTHERS, OTHERS): 3,
    }  # fmt: skip
    assert own.stats_of("a", "f1") is own.stats_of("a", "f1")
    assert own.stats_of("d", "new") is own.stats_of("e", "f")
    assert [step.kind for step in steps] == ["degraded"]
    assert "3 functions have figures of their own" in steps[0].text


def test_the_state_of_one_function_is_not_taken_for_that_of_all_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry_module, "MOST_FUNCTIONS", 0)
    own = Registry()
    monkeypatch.setattr("resilient.pipeline.registry", own)

    @service("registry")
    def crowded() -> int:
        return 1

    crowded()
    assert own.handles() == []
    assert crowded.resilient.stats()["function"] == OTHERS
    assert crowded.resilient.stats()["calls"] == 1


def test_reasons_kinds_and_hosts_stay_bounded_whatever_they_are() -> None:
    stats = FunctionStats("a", "f")
    target = Target(lambda: None, service="a", name="f")
    for number in range(MOST_NAMES + 50):
        call = Call.of(target)
        call.report(f"kind{number}", "odd", waited=1.0)
        call.outcome = Outcome(Verdict.BROKEN, f"{number} " + "x" * 1_000)
        stats.record(call, OSError())
    stats.durations += [0.1] * (MOST_NAMES + 50)
    data = stats.snapshot()
    assert data["errors"][OTHERS] == data["steps"][OTHERS] == data["waited"][OTHERS] == 50
    assert len(data["steps"]) == len(data["waited"]) == MOST_NAMES + 1
    assert max(map(len, data["errors"])) <= 255
    assert data["outcomes"]["broken"] == MOST_NAMES + 50


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


def test_a_snapshot_that_was_given_out_does_not_change_when_more_happens() -> None:
    stats = FunctionStats("a", "f")
    target = Target(lambda: None, service="a", name="f")

    def fail() -> None:
        call = Call.of(target)
        call.report("retry", "again", waited=1.0)
        call.outcome = Outcome(Verdict.BROKEN, "500")
        stats.record(call, OSError())

    fail()
    first = stats.snapshot()
    fail()
    second = stats.snapshot()
    assert [data["errors"] for data in (first, second)] == [{"500": 1}, {"500": 2}]
    assert [data["steps"]["retry"] for data in (first, second)] == [1, 2]
    assert [data["raised"] for data in (first, second)] == [1, 2]
    call = Call.of(target)
    call.report("refreshed", "in the background")
    stats.record_background(call)
    assert stats.snapshot()["steps"] == {"retry": 2, "refreshed": 1}


def test_what_functions_have_nothing_of_stays_empty() -> None:
    own = Registry()
    quiet, busy = own.stats_of("a", "quiet"), own.stats_of("a", "busy")
    quiet.durations.append(0.1)
    before = json.dumps(quiet.snapshot())
    call = Call.of(Target(lambda: None, service="a", name="busy"))
    call.report("retry", "again", waited=1.0)
    call.outcome = Outcome(Verdict.BROKEN, "500")
    busy.record(call, OSError())
    stats_table(own.snapshot())
    dump_stats(own)
    assert json.dumps(quiet.snapshot()) == before


def test_figures_that_were_taken_out_of_a_histogram_leave_what_was_there() -> None:
    one, other, rest = Histogram(), Histogram(), Histogram()
    one.add([0.1, 0.2, 5.0])
    rest.add([0.1, 0.2, 5.0])
    other.add([0.2, 0.5])
    one.merge(other)
    one.snapshot()
    one.remove(other)
    assert one.buckets == rest.buckets
    assert one.quantile(0.95) == rest.quantile(0.95)
    assert one.total == pytest.approx(rest.total)
    one.remove(rest)
    assert one.snapshot()["p99"] == one.snapshot()["total"] == 0
