"""With rich and a terminal, or without one of them."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from resilient.cli import exits, terminal, top
from resilient.cli.terminal import progress
from tests.cli.conftest import Run, WriteLog

rich = pytest.importorskip("rich")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    screen = Terminal()
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    return screen


@pytest.fixture
def run_on(run: Run, screen: Terminal, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command with the screen as its standard output."""

    def started(*arguments: object) -> tuple[int, str, str]:
        # Not for longer: pytest puts its own back between a fixture and its test.
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", screen)
            code, _, err = run(*arguments)
        return code, screen.getvalue(), err

    return started


@pytest.fixture
def no_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal.util, "find_spec", lambda name: None)


def test_a_terminal_gets_whole_numbers_and_colors(run_on: Run, write_log: WriteLog) -> None:
    path = write_log("a.log", **{"f[red]" * 9: [0.0123] * 1_234})
    code, shown, _ = run_on("report", path)
    assert code == exits.FINE
    assert "\x1b[" in shown
    assert "1,234" in shown
    assert "f[red]" in shown
    assert "12 ms" in shown


def test_a_terminal_without_rich_gets_plain_text(
    run_on: Run, write_log: WriteLog, no_rich: None
) -> None:
    code, shown, _ = run_on("report", write_log("a.log", repos=[0.1]))
    assert code == exits.FINE
    assert "\x1b" not in shown
    assert "github.repos" in shown


def test_findings_are_shown_by_file(run_on: Run, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import httpx\nhttpx.get(u, verify=False)\n")
    code, shown, _ = run_on("audit", tmp_path)
    assert code == exits.FOUND
    assert shown.count("a.py") == 1
    assert "RES001" in shown
    assert "2 findings in 1 of 1 file." in shown


def test_top_says_how_to_get_rich(run_on: Run, no_rich: None) -> None:
    code, _, err = run_on("top", "x.log")
    assert code == exits.USAGE
    assert "python -m pip install 'resilient-decorators[cli]'" in err


def test_top_shows_the_figures_once(run_on: Run, write_log: WriteLog) -> None:
    code, shown, _ = run_on("top", "--once", write_log("a.log", repos=[0.1]))
    assert code == exits.FINE
    assert "github.repos" in shown


def test_top_follows_what_is_written(
    run_on: Run, write_log: WriteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_log("a.log", taken=100.0)
    looks = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 1:
            path.unlink()
        elif len(looks) == 2:
            write_log("a.log", taken=200.0, repos=[0.1] * 77)
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr(top.time, "sleep", sleep)
    code, shown, _ = run_on("top", path, "--every", "5")
    assert code == exits.INTERRUPTED
    assert looks == [5, 5, 5]
    assert "No figures yet" in shown
    assert "77 calls" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.log"], "nowhere.log: No such file"),
        (["-"], "can't follow the standard input"),
        (["x", "--every", "0"], "use 0.1 to 3600 seconds"),
        (["x", "--every", "nan"], "use 0.1 to 3600 seconds"),
    ],
)
def test_top_refuses_what_it_cannot_do(run_on: Run, arguments: list[str], message: str) -> None:
    code, _, err = run_on("top", *arguments)
    assert code == exits.USAGE
    assert message in err


def test_top_needs_a_terminal(run: Run, write_log: WriteLog) -> None:
    code, _, err = run("top", write_log("a.log", repos=[0.1]))
    assert code == exits.USAGE
    assert "resilient report" in err


def test_a_bar_is_shown_once_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    assert list(progress([1, 2, 3], "auditing")) == [1, 2, 3]
    assert screen.getvalue() == ""
    monkeypatch.setattr(terminal, "PATIENCE", -1)
    assert list(progress([1, 2, 3], "auditing")) == [1, 2, 3]
    assert "auditing" in screen.getvalue()


def test_no_bar_is_written_to_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "PATIENCE", -1)
    assert list(progress([1, 2], "auditing")) == [1, 2]
    assert capsys.readouterr() == ("", "")
