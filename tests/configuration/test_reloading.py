from __future__ import annotations

import errno
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resilient import ConfigurationError, configure, retry, service
from resilient.configuration import files, reloading
from resilient.configuration.reloading import WatchedFile
from resilient.configuration.sources import sources
from resilient.testing import RecordedSteps
from tests.configuration.conftest import WriteFile
from tests.threads import REAL_LIMIT

Attempts = Callable[[], object]


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reloading, "_SETTLES", 0.0)


@pytest.fixture
def attempts() -> Attempts:
    repos: Any = service("github")(retry(attempts=3)(lambda: None))
    return lambda: repos.resilient.policy("retry").attempts


@pytest.fixture
def watched(write: WriteFile, attempts: Attempts) -> WatchedFile:
    configure(file=write(text_of(4)))
    watched = sources.file
    assert watched is not None
    watched.stop()
    assert attempts() == 4
    return watched


def text_of(attempts: object) -> str:
    return f"[services.github]\nretry.attempts = {attempts}\n"


def told(steps: RecordedSteps) -> list[str]:
    return [f"{step.kind}: {step.text}" for step in steps]


def test_a_change_is_seen_at_the_next_look(
    watched: WatchedFile, write: WriteFile, attempts: Attempts
) -> None:
    write(text_of(5))
    assert attempts() == 4
    watched.look()
    assert attempts() == 5


def test_a_file_that_stays_is_not_read_again(
    watched: WatchedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "read", pytest.fail)
    watched.look()


def test_a_bad_file_is_told_once_the_last_good_one_stays_and_its_mending_is_told(
    watched: WatchedFile, write: WriteFile, attempts: Attempts, steps: RecordedSteps
) -> None:
    for more in ("", "# tried again"):
        write(text_of(0) + more)
        watched.look()
        watched.look()
        assert attempts() == 4
    (text,) = told(steps)
    assert text.startswith(
        "degraded: configuration refused, what was in force stays: resilient.toml:2: "
        "services.github.retry.attempts: retry(attempts=0): "
    )
    write(text_of(6))
    watched.look()
    assert attempts() == 6
    assert told(steps)[1:] == ["restored: resilient.toml is in force again"]


def test_another_mistake_in_a_bad_file_is_told_too(
    watched: WatchedFile, write: WriteFile, attempts: Attempts, steps: RecordedSteps
) -> None:
    for bad in (0, -1):
        write(text_of(bad))
        watched.look()
    assert attempts() == 4
    assert ["attempts=0" in text for text in told(steps)] == [True, False]
    assert "attempts=-1" in told(steps)[1]


def test_a_file_that_is_gone_stays_in_force_until_it_is_back(
    watched: WatchedFile, write: WriteFile, attempts: Attempts, steps: RecordedSteps
) -> None:
    os.remove(watched.path)
    watched.look()
    watched.look()
    assert attempts() == 4
    write(text_of(4))
    watched.look()
    assert [step.kind for step in steps] == ["degraded", "restored"]


def test_a_file_that_could_not_be_read_is_read_as_soon_as_it_can_be(
    watched: WatchedFile,
    write: WriteFile,
    attempts: Attempts,
    monkeypatch: pytest.MonkeyPatch,
    steps: RecordedSteps,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    write(text_of(5))
    with monkeypatch.context() as patched:
        patched.setattr(files, "open", refuse, raising=False)
        watched.look()
        watched.look()
    assert attempts() == 4
    watched.look()
    assert attempts() == 5
    assert [step.kind for step in steps] == ["degraded", "restored"]


def test_an_emptied_file_takes_everything_back(
    watched: WatchedFile, write: WriteFile, attempts: Attempts
) -> None:
    write("")
    watched.look()
    assert attempts() == 3


def test_who_is_still_writing_is_waited_for(
    watched: WatchedFile,
    write: WriteFile,
    attempts: Attempts,
    monkeypatch: pytest.MonkeyPatch,
    steps: RecordedSteps,
) -> None:
    write("[services.git")
    monkeypatch.setattr(time, "sleep", lambda _: write(text_of(5)))
    watched.look()
    assert attempts() == 4
    monkeypatch.setattr(time, "sleep", lambda _: None)
    watched.look()
    assert attempts() == 5
    assert not told(steps)


def test_a_mounted_volume_is_followed_through_its_links(tmp_path: Path, attempts: Attempts) -> None:
    for number in (4, 5):
        (tmp_path / f"v{number}").mkdir()
        (tmp_path / f"v{number}" / "resilient.toml").write_text(text_of(number))
    data = tmp_path / "..data"
    data.symlink_to("v4")
    link = tmp_path / "mounted.toml"
    link.symlink_to("..data/resilient.toml")
    configure(file=link)
    assert sources.file is not None
    sources.file.stop()
    new = tmp_path / "..new"
    new.symlink_to("v5")
    new.replace(data)
    sources.file.look()
    assert attempts() == 5


def test_names_that_nothing_goes_by_are_listed_once(
    write: WriteFile, attempts: Attempts, steps: RecordedSteps
) -> None:
    text = (
        '[services.gitlab]\nmode = "observe"\n[functions."github.<lambda>."]\nenabled = false\n'
        "[services.github.breaker]\nprobes = 2\n"
    )
    configure(file=write(text))
    assert sources.file is not None
    sources.file.stop()
    for _ in range(3 * reloading._PATIENCE):
        sources.file.look()
    (listed,) = told(steps)
    assert listed == (
        "degraded: configuration: resilient.toml:2: nothing decorated goes by services.gitlab (did "
        "you mean github?); resilient.toml:6: services.github has no breaker to change; "
        'resilient.toml:4: nothing decorated goes by functions."github.<lambda>." (did you mean '
        "github.<lambda>?)"
    )


def test_one_thread_looks_and_none_without_a_file(write: WriteFile, tmp_path: Path) -> None:
    def threads() -> list[str]:
        return [one.name for one in threading.enumerate() if "configuration" in one.name]

    configure(mode="observe")
    assert not threads()
    configure(file=write(text_of(4)))
    configure(file=tmp_path / "resilient.toml")
    assert threads() == ["resilient-configuration"]
    configure(file=None)
    assert not threads()


def test_the_thread_sees_a_change(
    write: WriteFile, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reloading, "EVERY", 0.01)
    configure(file=write(text_of(4)))
    seen = threading.Event()
    assert sources.file is not None
    change = sources.file._configuration.change

    def changed(**said: Any) -> None:
        change(**said)
        seen.set()

    monkeypatch.setattr(sources.file._configuration, "change", changed)
    write(text_of(5))
    assert seen.wait(REAL_LIMIT)
    assert attempts() == 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_looks_on(
    write: WriteFile, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reloading, "EVERY", 0.01)
    configure(file=write(text_of(4)))
    context = multiprocessing.get_context("fork")
    changed, seen = context.Event(), context.Event()

    def child() -> None:
        changed.wait(REAL_LIMIT)
        pause = threading.Event()
        while attempts() != 5:
            pause.wait(0.01)
        seen.set()

    process = context.Process(target=child)
    process.start()
    write(text_of(5))
    changed.set()
    assert seen.wait(REAL_LIMIT)
    process.join(REAL_LIMIT)
    assert process.exitcode == 0


START = """
import resilient
from resilient import retry, service

@service("github")
@retry(attempts=3)
def repos(): ...

print(repos.resilient.policy("retry").attempts)
"""


def started(tmp_path: Path, **variables: str) -> tuple[str, str]:
    """What a program prints, and what it tells, that starts there."""
    done = subprocess.run(
        [sys.executable, "-c", START],
        cwd=tmp_path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=REAL_LIMIT,
        check=True,
    )
    return done.stdout.strip(), done.stderr


def test_a_program_goes_by_the_file_it_finds_and_starts_whatever_is_wrong(
    write: WriteFile, tmp_path: Path
) -> None:
    write(text_of(4))
    attempts, told = started(tmp_path, RESILIENT_MODE="off")
    assert attempts == "4"
    assert "configuration by the environment refused: RESILIENT_MODE: mode='off'" in told


def test_a_program_that_can_have_no_thread_goes_by_its_file_all_the_same(
    write: WriteFile, attempts: Attempts, monkeypatch: pytest.MonkeyPatch, steps: RecordedSteps
) -> None:
    def fails(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setenv("RESILIENT_CONFIG", str(write(text_of(7))))
    monkeypatch.setattr(threading.Thread, "start", fails)
    sources.start()
    assert attempts() == 7
    assert told(steps) == [
        "degraded: changes of resilient.toml will not be seen: can't start new thread"
    ]


def test_no_file_is_looked_for_if_the_environment_says_so(
    write: WriteFile, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(text_of(4))
    monkeypatch.setenv("RESILIENT_CONFIG", "")
    sources.start()
    assert attempts() == 3
    monkeypatch.delenv("RESILIENT_CONFIG")
    sources.start()
    assert attempts() == 4


def test_a_file_that_was_refused_at_the_start_applies_when_it_is_mended(
    write: WriteFile, tmp_path: Path, attempts: Attempts, steps: RecordedSteps
) -> None:
    write(text_of(0))
    sources.start()
    assert attempts() == 3
    assert sources.file is not None
    write(text_of(4))
    sources.file.look()
    assert attempts() == 4


def test_the_same_file_given_again_is_read_again_by_its_own_looks_alone(
    watched: WatchedFile, write: WriteFile, attempts: Attempts
) -> None:
    write(text_of(0))
    configure(file=watched.path, mode="observe")
    assert attempts() == 4
    with pytest.raises(ConfigurationError):
        watched.load()


def test_a_bad_file_in_its_place_leaves_the_former_one_looked_at(
    watched: WatchedFile, write: WriteFile, tmp_path: Path, attempts: Attempts
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("mood = 3")
    with pytest.raises(ConfigurationError, match=r"bad\.toml:1: mood: "):
        configure(file=bad)
    assert sources.file is watched
    watched.stop()
    write(text_of(6))
    watched.look()
    assert attempts() == 6
