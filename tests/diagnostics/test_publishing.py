from __future__ import annotations

import json
import subprocess
import sys
import weakref
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resilient import configure, handle, throttled
from resilient.cli import main
from resilient.diagnostics import publish_stats
from resilient.diagnostics.following import followers
from resilient.diagnostics.merging import merged
from resilient.diagnostics.publishing import EVERY, LIVES, SharedFigures
from resilient.errors import ConfigurationError
from resilient.registry import Registry
from resilient.sharing.opening import open_state
from resilient.sharing.shared import SharedState
from resilient.testing import FakeClock


@pytest.fixture(autouse=True)
def _no_functions_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that nobody has collected yet would share in the default store, too."""
    monkeypatch.setattr(handle, "_filed", weakref.WeakSet())


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/state.db"


@pytest.fixture
def state(url: str, clock: FakeClock) -> SharedState:
    return open_state(url, timeout=10)


def calls_in(source: SharedFigures) -> list[float]:
    return [stats["calls"] for stats in source.new_stats()]


def test_what_a_worker_publishes_is_read_like_a_log(
    url: str, state: SharedState, busy: Registry
) -> None:
    publish_stats(state, registry=busy)
    state.step_now()
    (source,) = followers([url])
    assert [stats["calls"] for stats in source.new_stats()] == [1_300, 4]
    assert list(source.new_stats()) == []
    assert [row["calls"] for row in merged([url])["functions"]] == [1_300, 4]


def test_only_what_is_new_is_published_and_before_the_old_is_forgotten(
    state: SharedState, registry: Registry, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bytes] = []

    def publish(figures: bytes, lives: float) -> bool:
        told.append(figures)
        return True

    monkeypatch.setattr(state, "publish", publish)
    publish_stats(state, registry=registry)
    durations = registry.stats_of("github", "repos").durations

    def told_after(seconds: float) -> int:
        clock.advance(seconds)
        state.step_now()
        return len(told)

    assert told_after(EVERY) == 0
    durations.append(0.1)
    assert [told_after(EVERY) for _ in range(3)] == [1, 1, 1]
    durations.append(0.1)
    assert told_after(EVERY) == 2
    assert told_after(LIVES / 2 + 1) == 3
    state.worker = "a forked child"
    assert told_after(EVERY) == 4


def test_what_hurries_others_does_not_hurry_figures(
    url: str, state: SharedState, busy: Registry, clock: FakeClock
) -> None:
    publish_stats(state, registry=busy)
    source = SharedFigures(url)
    state.step_now()
    assert calls_in(source) == [1_300, 4]
    busy.stats_of("github", "repos").durations.append(0.1)
    clock.advance(EVERY / 4)
    state.step_now()
    assert calls_in(source) == []
    clock.advance(EVERY / 4)
    state.step_now()
    assert calls_in(source) == [1_301, 4]


def test_what_was_ended_is_published_no_more(url: str, state: SharedState, busy: Registry) -> None:
    stop = publish_stats(state, registry=busy)
    stop()
    stop()
    state.step_now()
    assert calls_in(SharedFigures(url)) == []


def test_a_store_that_is_down_costs_nothing_and_is_told_of_once(
    state: SharedState, busy: Registry, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter((False, True))
    monkeypatch.setattr(state, "publish", lambda figures, lives: next(answers))
    publish_stats(state, registry=busy)
    for _ in range(3):
        clock.advance(EVERY)
        state.step_now()
    assert next(answers, None) is None


@pytest.mark.parametrize(
    "figures",
    [b"", b"x" * 100, zlib.compress(b"\xff\xfe{resilient_stats"), zlib.compress(b"x" * 100)[:9]],
)
def test_what_makes_no_sense_is_passed_over(url: str, state: SharedState, figures: bytes) -> None:
    assert state.publish(figures, 60.0)
    assert calls_in(SharedFigures(url)) == []


def test_what_unfolds_without_end_is_cut_off(
    url: str, state: SharedState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resilient.diagnostics.publishing._MOST_BYTES", 1_000)
    stats = json.dumps({"resilient_stats": {}}).encode()
    assert state.publish(zlib.compress(stats + b"\n" * 10_000_000), 60.0)
    assert calls_in(SharedFigures(url)) == []


def test_a_store_that_can_not_be_reached_or_opened_is_an_error_without_its_password(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for url in ("redis://:hunter2abc@127.0.0.1:1/0", "oracle://me:hunter2abc@db"):
        assert main(["report", url]) == 2
        told = capsys.readouterr().err
        assert "hunter2abc" not in told
        assert told.startswith(("resilient: redis", "resilient: oracle://…"))


def test_publishing_without_a_store_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="no store is configured"):
        publish_stats("local")


def test_workers_publish_from_a_thread_of_their_own_and_the_report_adds_them_up(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = f"""
import time
from resilient import service
from resilient.diagnostics import publish_stats
from resilient.sharing.opening import open_state

@service("github")
def repos(): return 1

state = open_state({url!r}, timeout=10)
publish_stats(state, every=0.05)
repos()
limit = time.monotonic() + 30
while not state.published() or state.worker not in state.published():
    assert time.monotonic() < limit
    time.sleep(0.01)
"""
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    assert main(["report", url, "--format", "json"]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert report["processes"] == 2
    assert report["functions"][0]["calls"] == 2
    assert report["functions"][0]["costs"]["call"] > 0


# Without being asked, in the store that is configured.


@pytest.fixture
def default(state: SharedState, busy: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a worker finds whose operators have configured a store."""
    monkeypatch.setattr("resilient.diagnostics.publishing.registry", busy)
    configure(store=state)
    yield
    configure(store=None, publish=None)


@pytest.mark.usefixtures("default")
def test_a_configured_store_gets_the_figures_without_being_asked_for(
    url: str, state: SharedState
) -> None:
    state.step_now()
    assert calls_in(SharedFigures(url)) == [1_300, 4]


@pytest.mark.usefixtures("default")
def test_publishing_can_be_turned_off_and_on_from_outside(
    url: str, state: SharedState, tmp_path: Path
) -> None:
    file = tmp_path / "resilient.toml"
    file.write_text("publish = false\n")
    configure(file=file)
    state.step_now()
    assert calls_in(SharedFigures(url)) == []
    configure(file=None)
    state.step_now()
    assert calls_in(SharedFigures(url)) == [1_300, 4]


@pytest.mark.usefixtures("default")
def test_who_publishes_by_himself_says_how_often_and_when_it_ends(
    url: str, state: SharedState, clock: FakeClock, registry: Registry
) -> None:
    stop = publish_stats(state, every=100, registry=registry)
    configure(publish=False)
    configure(publish=True)
    state.step_now()
    assert calls_in(SharedFigures(url)) == [1_300, 4]
    stop()
    registry.stats_of("github", "repos").durations.append(0.1)
    clock.advance(100)
    state.step_now()
    assert calls_in(SharedFigures(url)) == [1_300, 4]


@pytest.mark.usefixtures("default")
def test_another_store_takes_the_place_of_the_first_one(
    url: str, state: SharedState, tmp_path: Path
) -> None:
    other = open_state(f"sqlite:///{tmp_path}/other.db", timeout=10)
    configure(store=other)
    for one in (state, other):
        one.step_now()
    assert calls_in(SharedFigures(url)) == []
    assert calls_in(SharedFigures(f"sqlite:///{tmp_path}/other.db")) == [1_300, 4]


def test_a_store_that_nothing_is_shared_in_yet_gets_neither_a_thread_nor_a_file(
    tmp_path: Path,
) -> None:
    state = open_state(f"sqlite:///{tmp_path}/state.db")
    configure(store=state)
    try:
        assert not state.is_stepping
        state.end()
        assert list(tmp_path.iterdir()) == []

        @throttled("1000/s")
        def shared() -> None: ...

        shared()
        assert state.is_stepping
    finally:
        configure(store=None)
        state.close()


def test_a_short_job_and_a_forked_child_are_in_the_report(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = f"""
import os, sys
from resilient import configure, service, throttled

configure(store={url!r}, store_timeout=10)

@service("github")
@throttled("1000/s")
def repos(): return 1

repos()
if os.fork() == 0:
    repos()
    repos()
    sys.exit()
assert os.wait()[1] == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)
    assert main(["report", url, "--format", "json"]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert report["processes"] == 2
    assert report["functions"][0]["calls"] == 3
