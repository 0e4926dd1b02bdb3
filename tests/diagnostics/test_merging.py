from __future__ import annotations

import gzip
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient.diagnostics import dump_stats, log_to, merging
from resilient.diagnostics.merging import LogFile, Merger, followers, merged, stats_in
from resilient.registry import MOST_HOSTS, FunctionStats, Registry
from tests.diagnostics.conftest import MakeCall

Dump = Callable[..., dict[str, Any]]


def dump_of(*durations: float, pid: int = 1, taken: float = 10.0, **more: Any) -> dict[str, Any]:
    stats = FunctionStats("github", "repos")
    stats.durations += durations
    facts = {"pid": pid, "started": 4.0, "taken": taken}
    return json.loads(json.dumps({**stats.snapshot(), **facts, **more}))  # type: ignore[no-any-return]


def line_of(stats: Any) -> bytes:
    return json.dumps({"record": {"extra": {"resilient_stats": stats}}}).encode() + b"\n"


def test_what_dump_stats_writes_is_read_back(busy: Registry) -> None:
    from loguru import logger

    for sink_of in (log_to, logger.add):
        written = io.StringIO()
        sink = sink_of(written, serialize=True)
        dump_stats(busy)
        logger.remove(sink)
        merger = Merger()
        for line in written.getvalue().encode().splitlines():
            stats = stats_in(line)
            assert stats is not None
            merger.add(stats)
        snapshot, original = merger.snapshot(), busy.snapshot()
        assert snapshot["processes"] == 1
        assert snapshot["taken"] == original["taken"]
        assert json.dumps(snapshot["functions"], sort_keys=True) == json.dumps(
            original["functions"], sort_keys=True
        )


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
    merger = Merger()
    for started in (1.0, 2.0):
        stats = stats_in(line_of(dump_of(0.1, started=started)))
        assert stats is not None
        merger.add(stats)
    assert merger.snapshot()["functions"][0]["calls"] == 2
    assert merger.snapshot()["processes"] == 2


def test_processes_of_several_hosts_are_several_whatever_their_numbers() -> None:
    merger = Merger()
    for dump in (dump_of(0.1), dump_of(0.1, host="worker-1"), dump_of(0.1, host="worker-2")):
        stats = stats_in(line_of(dump))
        assert stats is not None
        merger.add(stats)
    snapshot = merger.snapshot()
    assert snapshot["processes"] == snapshot["functions"][0]["calls"] == 3
    rows = [row["function"] for row in merger.snapshot("process")["functions"]]
    assert sorted(row.partition(" on ")[2] for row in rows) == ["", "worker-1", "worker-2"]
    assert stats_in(line_of(dump_of(0.1, host=7))) is None


def test_hosts_and_errors_stay_bounded_when_many_processes_are_merged() -> None:
    merger = Merger()
    for pid in range(5):
        names = {f"{pid}-{number}.example": 1 for number in range(MOST_HOSTS)}
        stats = stats_in(line_of(dump_of(0.1, pid=pid, exchanges=names, errors=names)))
        assert stats is not None
        merger.add(stats)
    (row,) = merger.snapshot()["functions"]
    assert len(row["exchanges"]) == MOST_HOSTS + 1
    assert sum(row["exchanges"].values()) == 5 * MOST_HOSTS
    assert len(row["errors"]) == 20


@pytest.mark.parametrize(
    "wrap",
    [
        lambda line: b"2026-11-25T14:05:10Z stdout F " + line,
        lambda line: json.dumps({"log": line.decode(), "stream": "stdout"}).encode(),
        lambda line: json.dumps({"message": line.decode()}).encode(),
        lambda line: json.dumps(json.loads(line)["record"]["extra"]).encode(),
        lambda line: json.dumps(json.loads(line)["record"]).encode(),
    ],
    ids=["kubernetes", "docker", "collector", "extra", "record"],
)
def test_what_collectors_wrap_around_a_line_is_passed_over(wrap: Callable[[bytes], bytes]) -> None:
    assert stats_in(wrap(line_of(dump_of(0.1)))) is not None


@pytest.mark.parametrize(
    "stats",
    [
        None,
        [],
        "x",
        {},
        dump_of(0.1, pid="1"),
        dump_of(0.1, pid=-1),
        dump_of(0.1, calls=-1),
        dump_of(0.1, calls=True),
        dump_of(0.1, calls=float("inf")),
        dump_of(0.1, calls=float("nan")),
        dump_of(0.1, calls=10**30),
        dump_of(0.1, taken=1e300),
        dump_of(0.1, service=None),
        dump_of(0.1, latency=None),
        dump_of(0.1, latency={"buckets": {"999999": 1}, "total": 1, "max": 1}),
        dump_of(0.1, latency={"buckets": {"x": 1}, "total": 1, "max": 1}),
        dump_of(0.1, latency={"buckets": {"1": -1}, "total": 1, "max": 1}),
        dump_of(0.1, errors={"a": "b"}),
    ],
)
def test_what_makes_no_sense_is_passed_over(stats: Any) -> None:
    assert stats_in(line_of(stats)) is None


@pytest.mark.parametrize(
    "line",
    [
        b"resilient_stats",
        b'{"resilient_stats": ',
        b'{"resilient_stats": ' + b"[" * 100_000,
        b'{"resilient_stats": ' + b"9" * 10_000 + b"}",
        b'{"log": "\\"resilient_stats\\""}',
        b'\xff\xfe{"resilient_stats": 1}',
    ],
)
def test_broken_lines_are_passed_over(line: bytes) -> None:
    assert stats_in(line) is None


@settings(max_examples=15)
@given(
    st.recursive(
        st.none() | st.floats() | st.text(), lambda inner: st.dictionaries(st.text(), inner)
    )
)
def test_no_value_in_a_dump_breaks_the_reading(value: Any) -> None:
    for name in dump_of(0.1):
        stats = stats_in(line_of(dump_of(0.1, **{name: value})))
        if stats is not None:
            merger = Merger()
            merger.add(stats)
            for by in merging.BY:
                json.dumps(merger.snapshot(by))


def test_a_dump_of_an_older_version_lacks_figures_without_harm() -> None:
    stats = dump_of(0.1)
    del stats["misses"], stats["upstream"], stats["hits"]
    read = stats_in(line_of(stats))
    assert read is not None
    assert (read["misses"], read["hits"]) == (0, 0)


def test_names_can_neither_move_the_cursor_nor_leak() -> None:
    merger = Merger()
    stats = stats_in(line_of(dump_of(0.1, service="a\x1b[2J\n", errors={"password=hunter2abc": 1})))
    assert stats is not None
    merger.add(stats)
    text = str(merger.snapshot())
    assert "\x1b" not in text
    assert "hunter2" not in text


def calls_of(log: LogFile) -> list[float]:
    return [stats["calls"] for stats in log.new_stats()]


def test_a_log_is_followed_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(line_of(dump_of(0.1)))
    log = LogFile(str(path))
    assert calls_of(log) == [1]
    assert calls_of(log) == []
    whole = line_of(dump_of(0.1, 0.1))
    with path.open("ab", buffering=0) as file:
        file.write(whole[:50])
        assert calls_of(log) == []
        file.write(whole[50:])
    assert calls_of(log) == [2]


def test_a_log_that_is_rotated_or_cut_off_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(line_of(dump_of(0.1)) * 3)
    log = LogFile(str(path))
    assert calls_of(log) == [1, 1, 1]
    path.write_bytes(line_of(dump_of(0.1)))
    assert calls_of(log) == [1]
    other = tmp_path / "b.log"
    other.write_bytes(line_of(dump_of(0.1, 0.1)) * 5)
    os.replace(other, path)
    assert calls_of(log) == [2] * 5


def test_logs_that_come_later_to_a_folder_are_seen(tmp_path: Path) -> None:
    (one,) = followers([str(tmp_path)], growing=True)
    assert list(one.new_stats()) == []
    for pid in (1, 2):
        (tmp_path / f"worker-{pid}.json").write_bytes(line_of(dump_of(0.1, pid=pid)))
        assert [stats["pid"] for stats in one.new_stats()] == [pid]
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    assert list(one.new_stats()) == []
    shutil.rmtree(tmp_path)
    with pytest.raises(OSError, match="No such file"):
        list(one.new_stats())


def test_a_compressed_log_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "a.log.gz"
    path.write_bytes(gzip.compress(line_of(dump_of(0.1))))
    log = LogFile(str(path))
    assert calls_of(log) == [1]
    assert calls_of(log) == []


def test_a_compressed_log_that_is_cut_off_gives_what_it_has(tmp_path: Path) -> None:
    lines = b"".join(line_of(dump_of(0.1, pid=pid)) for pid in range(500))
    (tmp_path / "a.gz").write_bytes(gzip.compress(lines)[:-2_000])
    assert len(list(LogFile(str(tmp_path / "a.gz")).new_stats())) > 10


def test_a_line_without_end_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = line_of(dump_of(0.1))
    monkeypatch.setattr(merging, "LONGEST_LINE", len(good) + 10)
    (tmp_path / "a.log").write_bytes(b"x" * 100_000 + good + b"\n" + good)
    assert calls_of(LogFile(str(tmp_path / "a.log"))) == [1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such pipes")
def test_a_pipe_is_read_to_its_end(tmp_path: Path, in_thread: Any) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    in_thread(lambda: path.write_bytes(line_of(dump_of(0.1))))
    (log,) = followers([str(path)])
    assert [stats["calls"] for stats in log.new_stats()] == [1]


def test_a_process_is_a_row_when_asked(make_call: MakeCall) -> None:
    merger = Merger()
    for pid in (1, 2):
        stats = stats_in(line_of(dump_of(0.1, pid=pid)))
        assert stats is not None
        merger.add(stats)
    rows = merger.snapshot("process")["functions"]
    assert [row["function"].split(" of ")[0] for row in rows] == ["pid 1", "pid 2"]
    (row,) = merger.snapshot("service")["functions"]
    assert (row["service"], row["function"], row["calls"]) == ("github", "", 2)


def test_nothing_is_merged_to_nothing() -> None:
    assert Merger().snapshot()["functions"] == []
