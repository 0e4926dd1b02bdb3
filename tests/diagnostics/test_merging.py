from __future__ import annotations

import io
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loguru import logger

from resilient.diagnostics import dump_stats, log_to, merging
from resilient.diagnostics.dumps import stats_in
from resilient.diagnostics.merging import Merger, merged
from resilient.registry import MOST_HOSTS, OTHERS, Registry
from tests.diagnostics.dumped import dump_of, line_of


def merger_of(*dumps: Any) -> Merger:
    merger = Merger()
    for dump in dumps:
        for stats in stats_in(line_of(dump)):
            merger.add(stats)
    return merger


def test_what_dump_stats_writes_is_read_back(busy: Registry) -> None:
    for sink_of in (log_to, logger.add):
        written = io.StringIO()
        sink = sink_of(written, serialize=True)
        dump_stats(busy)
        logger.remove(sink)
        merger = Merger()
        for line in written.getvalue().encode().splitlines():
            for stats in stats_in(line):
                merger.add(stats)
        snapshot, original = merger.snapshot(), busy.snapshot()
        assert snapshot["processes"] == 1
        assert snapshot["taken"] == original["taken"]
        rows = [{**row, "costs": {}} for row in original["functions"]]
        assert json.dumps(snapshot["functions"], sort_keys=True) == json.dumps(rows, sort_keys=True)


def test_the_newest_dump_of_a_process_counts_in_any_order(tmp_path: Path) -> None:
    lines = [line_of(dump_of(*[0.1] * number, taken=number)) for number in (2, 3, 1)]
    (tmp_path / "a.log").write_bytes(b"".join(lines))
    (tmp_path / "b.log").write_bytes(lines[0])
    (row,) = merged([str(tmp_path)])["functions"]
    assert row["calls"] == 3


def test_processes_are_added_up_and_their_histograms_merged(tmp_path: Path) -> None:
    parts = [[0.1] * 90, [5.0] * 10]
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(line_of(dump_of(*part, pid=pid)) for pid, part in enumerate(parts)))
    (row,) = merged([str(path)])["functions"]
    together = dump_of(*parts[0], *parts[1])
    assert row["latency"]["p95"] == together["latency"]["p95"]
    assert row["calls"] == row["latency"]["count"] == 100


def test_a_process_that_took_anothers_number_is_another_one() -> None:
    merger = merger_of(*(dump_of(0.1, started=started) for started in (1.0, 2.0)))
    assert merger.snapshot()["functions"][0]["calls"] == 2
    assert merger.snapshot()["processes"] == 2


def test_processes_of_several_hosts_are_several_whatever_their_numbers() -> None:
    merger = merger_of(dump_of(0.1), dump_of(0.1, host="worker-1"), dump_of(0.1, host="worker-2"))
    snapshot = merger.snapshot()
    assert snapshot["processes"] == snapshot["functions"][0]["calls"] == 3
    rows = [row["function"] for row in merger.snapshot("process")["functions"]]
    assert sorted(row.partition(" on ")[2] for row in rows) == ["", "worker-1", "worker-2"]
    assert stats_in(line_of(dump_of(0.1, host=7))) == []


def test_hosts_and_errors_stay_bounded_when_many_processes_are_merged() -> None:
    merger = Merger()
    for pid in range(5):
        names = {f"{pid}-{number}.example": 1 for number in range(MOST_HOSTS)}
        (stats,) = stats_in(line_of(dump_of(0.1, pid=pid, exchanges=names, errors=names)))
        merger.add(stats)
    (row,) = merger.snapshot()["functions"]
    assert len(row["exchanges"]) == MOST_HOSTS + 1
    assert sum(row["exchanges"].values()) == 5 * MOST_HOSTS
    assert len(row["errors"]) == 20


@settings(max_examples=15)
@given(
    st.recursive(
        st.none() | st.floats() | st.text(), lambda inner: st.dictionaries(st.text(), inner)
    )
)
def test_no_value_in_a_dump_breaks_the_reading(value: Any) -> None:
    for name in dump_of(0.1):
        merger = merger_of(dump_of(0.1, **{name: value}))
        for by in merging.BY:
            json.dumps(merger.snapshot(by))


def test_names_can_neither_move_the_cursor_nor_leak() -> None:
    dump = dump_of(0.1, service="a\x1b[2J\n", errors={"password=hunter2abc": 1})
    merger = merger_of(dump)
    text = str(merger.snapshot())
    assert "\x1b" not in text
    assert "hunter2" not in text


def test_a_process_is_a_row_when_asked() -> None:
    merger = merger_of(dump_of(0.1, pid=1), dump_of(0.1, pid=2))
    rows = merger.snapshot("process")["functions"]
    assert [row["function"].split(" of ")[0] for row in rows] == ["pid 1", "pid 2"]
    (row,) = merger.snapshot("service")["functions"]
    assert (row["service"], row["function"], row["calls"]) == ("github", "", 2)


def test_nothing_is_merged_to_nothing() -> None:
    for by in merging.BY:
        assert Merger().snapshot(by)["functions"] == []


def test_a_newer_dump_replaces_what_an_older_one_of_its_process_added() -> None:
    merger = merger_of(
        dump_of(0.1, 0.2, pid=1, waited={"retry": 0.1}, errors={"503": 2, "500": 1}),
        dump_of(0.5, pid=2, waited={"retry": 0.2}),
        dump_of(0.1, 0.2, 0.3, pid=1, taken=11, waited={"retry": 0.3}, errors={"503": 5}),
    )
    (row,) = merger.snapshot()["functions"]
    alone = merger_of(dump_of(0.1, 0.2, 0.3, 0.5)).snapshot()["functions"][0]
    assert row["calls"] == 4
    assert row["errors"] == {"503": 5}
    assert row["waited"]["retry"] == pytest.approx(0.5)
    assert row["latency"]["buckets"] == alone["latency"]["buckets"]
    assert row["latency"]["p50"] == alone["latency"]["p50"]


def test_processes_without_end_cost_no_memory_and_lose_no_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(merging, "MOST_DUMPS", 10)
    merger = Merger()
    (stats,) = stats_in(line_of(dump_of(0.1, 0.2, errors={"503": 1}, exchanges={"a.example": 2})))

    def add(pids: range) -> int:
        for pid in pids:
            merger.add({**stats, "pid": pid, "exchanges": {f"{pid}.example": 2}})
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    add(range(1_500))
    grown = -add(range(1_500, 1_510)) + add(range(1_510, 3_000))
    tracemalloc.stop()
    assert grown < 100_000
    snapshot = merger.snapshot()
    (row,) = snapshot["functions"]
    assert snapshot["processes"] == 3_000
    assert row["calls"] == row["latency"]["count"] == 6_000
    assert sum(row["exchanges"].values()) == 6_000
    assert row["errors"] == {"503": 3_000}


def test_what_gone_processes_left_is_a_row_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "MOST_DUMPS", 2)
    merger = merger_of(*(dump_of(0.1, pid=pid) for pid in range(5)))
    rows = {row["function"]: row["calls"] for row in merger.snapshot("process")["functions"]}
    assert len(rows) == 3
    assert rows[OTHERS] == 3
    assert sum(rows.values()) == 5


def test_functions_beyond_the_bound_share_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "MOST_ROWS", 2)
    merger = merger_of(*(dump_of(0.1, function=f"f{number}") for number in range(5)))
    rows = {row["function"]: row["calls"] for row in merger.snapshot()["functions"]}
    assert rows == {"f0": 1, "f1": 1, OTHERS: 3}


THROTTLE = {"limit": 100, "remaining": 40, "resets_at": None, "waiting": 1,
            "paused_until": None, "slowed_to": None}  # fmt: skip


def test_what_policies_knew_last_in_each_process_is_told_together() -> None:
    old = {"breaker": "open", "throttle": {**THROTTLE, "remaining": 0, "paused_until": 50.0}}
    one = {"breaker": "closed", "throttle": {**THROTTLE, "remaining": 20}}
    other = {"breaker": "half-open", "throttle": THROTTLE,
             "bulkhead": {"limit": 5, "running": 2, "waiting": 0}}  # fmt: skip
    merger = merger_of(
        dump_of(0.1, pid=1, policies=old),
        dump_of(0.1, pid=1, taken=20, policies=one),
        dump_of(0.1, pid=2, policies=other),
    )
    told = merger.snapshot()["functions"][0]["policies"]
    assert told["breaker"] == "half-open"
    assert told["breakers"] == {"half-open": 1, "closed": 1}
    assert (told["throttle"]["remaining"], told["throttle"]["waiting"]) == (20, 2)
    assert told["throttle"]["paused_until"] is None
    assert told["bulkhead"]["running"] == 2
    assert merger.policies() == {("github", "repos"): told}
    (service,) = merger.snapshot("service")["functions"]
    assert service["policies"] == told
    assert len(merger.snapshot("process")["functions"]) == 2


def test_what_a_process_knew_long_ago_is_not_how_it_stands() -> None:
    merger = merger_of(
        dump_of(0.1, pid=1, policies={"breaker": "open"}),
        dump_of(0.1, pid=2, taken=10 + merging.STILL_THERE + 1, policies={"breaker": "closed"}),
    )
    assert merger.snapshot()["functions"][0]["policies"]["breaker"] == "closed"


dumps = st.tuples(st.integers(0, 3), st.integers(0, 20), st.lists(st.floats(1e-6, 1e3), max_size=4))


@settings(max_examples=50)
@given(st.lists(dumps, max_size=12))
def test_the_sums_are_those_of_each_process_newest_dump(told: list[Any]) -> None:
    newest: dict[int, tuple[int, list[float]]] = {}
    merger = Merger()
    for pid, taken, durations in told:
        (stats,) = stats_in(line_of(dump_of(*durations, pid=pid, taken=taken)))
        merger.add(stats)
        if pid not in newest or newest[pid][0] <= taken:
            newest[pid] = (taken, durations)
    expected = merger_of(*(dump_of(*durations, pid=pid) for pid, (_, durations) in newest.items()))
    for by in ("function", "service"):
        rows = merger.snapshot(by)["functions"]
        for row, own in zip(rows, expected.snapshot(by)["functions"], strict=True):
            assert row["calls"] == own["calls"] == row["latency"]["count"]
            assert row["latency"]["buckets"] == own["latency"]["buckets"]
            assert row["latency"]["total"] == pytest.approx(own["latency"]["total"])
