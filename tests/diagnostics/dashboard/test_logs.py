from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resilient.diagnostics.dashboard import Access, Dashboard, Logs, dashboard
from resilient.diagnostics.dashboard import logs as module
from resilient.diagnostics.dashboard.history import MOST_WINDOWS
from resilient.diagnostics.dashboard.view import ALL
from resilient.registry import Registry
from tests.diagnostics.dashboard.conftest import Client
from tests.threads import until

Dump = Callable[..., None]
START = 1_700_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.touch()
    return path


@pytest.fixture
def dump(path: Path) -> Dump:
    """Appends what a process dumps: `dump(calls=10, after=60.0, pid=1)`."""

    def write(
        calls: int, after: float, pid: int = 1, *, seconds: float = 0.1, **more: object
    ) -> None:
        registry = Registry()
        registry.stats_of("github", "repos").durations += [seconds] * calls
        (data,) = registry.snapshot()["functions"]
        stats = {**data, "pid": pid, "started": START, "taken": START + after, **more}
        record = {"text": "…", "record": {"extra": {"resilient_stats": stats}}}
        with path.open("a") as file:
            file.write(json.dumps(record) + "\n")

    return write


@pytest.fixture
def tell(path: Path) -> Callable[..., None]:
    """Appends the line of a step."""

    def write(kind: str, text: str, pid: int = 1, at: float | None = None, **extra: Any) -> None:
        names = {"service": "github", "function": "repos", "call": "0a1b", "kind": kind}
        record = {
            "time": {"timestamp": time.time() if at is None else at},
            "message": f"github.repos: {text}",
            "process": {"id": pid},
            "extra": names | extra,
        }
        with path.open("a") as file:
            file.write(json.dumps({"text": "", "record": record}) + "\n")

    return write


def calls(logs: Logs) -> list[float]:
    return [window.calls for window in logs.history.windows(ALL)]


def test_the_past_is_plotted_from_what_processes_dumped_then(path: Path, dump: Dump) -> None:
    for minute in range(1, 6):
        dump(calls=10 * minute, after=60.0 * minute)
        dump(calls=1 * minute, after=60.0 * minute + 1, pid=2)
    logs = Logs([str(path)])
    logs.look()
    assert logs.history.step >= 60
    assert sum(calls(logs)) == 55
    assert logs.snapshot()["functions"][0]["calls"] == 55


def test_what_is_appended_is_seen_with_the_next_look(path: Path, dump: Dump) -> None:
    dump(calls=5, after=60.0)
    logs = Logs([str(path)])
    logs.look()
    version = logs.version
    logs.look()
    assert logs.version == version
    dump(calls=12, after=120.0)
    logs.look()
    assert logs.version != version
    assert calls(logs)[-2:] == [5, 7]


def test_a_log_of_a_whole_day_fits_into_a_plot(path: Path, dump: Dump) -> None:
    for number in range(1, 97):
        dump(calls=number, after=900.0 * number)
    logs = Logs([str(path)])
    logs.look()
    assert logs.history.step == 900.0
    assert len(calls(logs)) == MOST_WINDOWS
    assert sum(calls(logs)) == 96


def test_what_came_during_a_long_silence_has_no_place_in_the_plot(path: Path, dump: Dump) -> None:
    dump(calls=5, after=60.0)
    dump(calls=1_000_000, after=8 * 3600.0)
    dump(calls=1_000_002, after=8 * 3600.0 + 60)
    logs = Logs([str(path)])
    logs.look()
    assert sum(calls(logs)) == 7


def test_a_dump_from_the_far_future_does_not_push_out_the_present(path: Path, dump: Dump) -> None:
    dump(calls=5, after=60.0)
    dump(calls=6, after=1e9, pid=2)
    logs = Logs([str(path)])
    logs.look()
    assert sum(calls(logs)) == 5


def test_stories_and_breakers_of_all_processes_come_from_the_lines(
    path: Path, dump: Dump, tell: Callable[..., None]
) -> None:
    dump(calls=5, after=60.0)
    tell("breaker_opened", "breaker opened for 30 s")
    tell("breaker_closed", "breaker closed", pid=2)
    tell("failed", "failed (503)", story=[{"at": 0.1, "kind": "retry", "text": "try 1 failed"}])
    logs = Logs([str(path)])
    logs.look()
    assert logs.now()["github", "repos"].breakers == ["open", "closed"]
    page = Client(Dashboard(logs, Access())).get("/").text
    assert "1 down" in page
    (story,) = logs.stories.of("github", "repos")
    assert story.story[0].text == "try 1 failed"


THROTTLE = {"limit": 100, "remaining": 7, "resets_at": None, "waiting": 2,
            "paused_until": None, "slowed_to": None}  # fmt: skip


def test_how_breakers_and_quotas_stand_comes_from_the_dumps_and_from_newer_lines(
    path: Path, dump: Dump, tell: Callable[..., None]
) -> None:
    now = time.time()
    tell("breaker_opened", "breaker opened for 30 s", at=now - 100)
    dump(5, 60.0, started=now - 120, taken=now - 60,
         policies={"breaker": "half-open", "throttle": THROTTLE})  # fmt: skip
    dump(5, 60.0, 2, started=now - 120, taken=now - 60, policies={"breaker": "open"})
    tell("breaker_closed", "breaker closed", pid=2, at=now - 10)
    logs = Logs([str(path)])
    logs.look()
    known = logs.now()["github", "repos"]
    assert known.breakers == ["half-open", "closed"]
    assert known.throttle is not None
    assert (known.throttle["remaining"], known.throttle["waiting"]) == (7, 2)
    assert "7 of 100" in Client(Dashboard(logs, Access())).get("/").text


def test_a_log_that_is_rotated_away_is_tried_again(path: Path, dump: Dump) -> None:
    dump(calls=5, after=60.0)
    logs = Logs([str(path)])
    logs.look()
    path.rename(path.with_suffix(".1"))
    logs.look()
    assert logs.unreadable == 1
    dump(calls=6, after=120.0)
    logs.look()
    assert sum(calls(logs)) == 6


def test_tallies_of_processes_without_end_are_bounded(
    path: Path, dump: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_TALLIES", 3)
    for pid in range(10):
        dump(calls=1, after=60.0, pid=pid)
    logs = Logs([str(path)])
    logs.look()
    assert len(logs._tallies) == 3
    assert sum(calls(logs)) == 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_goes_on_following_the_logs(path: Path, dump: Dump) -> None:
    dump(calls=5, after=60.0)
    board = dashboard(logs=str(path), every=0.01)
    logs = board.source
    assert isinstance(logs, Logs)
    pid = os.fork()
    if not pid:  # the child
        try:
            dump(calls=9, after=120.0)
            until(lambda: sum(calls(logs)) == 9)
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    until(lambda: sum(calls(logs)) == 9)
    board.close()
    assert status == 0


def test_rubbish_is_passed_over(path: Path, dump: Dump) -> None:
    path.write_bytes(b'\xff\xfe {"kind" "extra"\n{"resilient_stats": [}\n' + b"x" * 100 + b"\n")
    dump(calls=5, after=60.0)
    logs = Logs([str(path)])
    logs.look()
    assert sum(calls(logs)) == 5


def test_a_log_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Logs([str(tmp_path / "none.log")])


@pytest.mark.parametrize("index", ["1999", "-1999", "0", "400", "-600"])
def test_latencies_beyond_all_measure_do_no_harm(path: Path, dump: Dump, index: str) -> None:
    dump(calls=5, after=60.0)
    record = json.loads(path.read_text())
    latency = record["record"]["extra"]["resilient_stats"]["latency"]
    latency["buckets"] = {index: 5}
    path.write_text(json.dumps(record) + "\n")
    dump(calls=6, after=61.0, pid=2)
    logs = Logs([str(path)])
    logs.look()
    assert sum(calls(logs)) >= 6
