from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from resilient.diagnostics import following
from resilient.diagnostics.following import LogFile, followers
from tests.diagnostics.dumped import dump_of, line_of


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
    monkeypatch.setattr(following, "LONGEST_LINE", len(good) + 10)
    (tmp_path / "a.log").write_bytes(b"x" * 100_000 + good + b"\n" + good)
    assert calls_of(LogFile(str(tmp_path / "a.log"))) == [1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such pipes")
def test_a_pipe_is_read_to_its_end(tmp_path: Path, in_thread: Any) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    in_thread(lambda: path.write_bytes(line_of(dump_of(0.1))))
    (log,) = followers([str(path)])
    assert [stats["calls"] for stats in log.new_stats()] == [1]
