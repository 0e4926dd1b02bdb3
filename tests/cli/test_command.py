from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from resilient.cli import command, exits
from resilient.cli.command import COMMANDS
from tests.cli.conftest import Run, WriteLog


def python(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, **options
    )


def test_without_a_subcommand_the_help_is_shown(run: Run) -> None:
    code, out, _ = run()
    assert code == exits.USAGE
    for name in COMMANDS:
        assert name in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_help(run: Run, name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == exits.FINE
    assert f"usage: resilient {name}" in out


@pytest.mark.parametrize("arguments", [["nonsense"], ["report"], ["report", "--by", "x", "y"]])
def test_wrong_usage_ends_with_2(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (exits.USAGE, "")
    assert "usage:" in err


def test_the_version_is_that_of_the_distribution(run: Run) -> None:
    code, out, _ = run("--version")
    assert (code, out) == (exits.FINE, f"resilient {command.version()}\n")


def test_ctrl_c_ends_it_without_a_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_module", interrupted)
    assert run("report", "x") == (exits.INTERRUPTED, "", "")


def test_it_runs_as_a_module() -> None:
    done = python("-m", "resilient.cli", "--version")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    calls = "\n".join(f" httpx.get({number}, timeout=None)" for number in range(5_000))
    (tmp_path / "a.py").write_text(f"import httpx\ndef f():\n{calls}\n")
    program = f"{sys.executable} -m resilient.cli audit {tmp_path} | head -n 1"
    done = subprocess.run(program, shell=True, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("redirected", "code"),
    [("> /dev/full", exits.USAGE), (">&-", exits.FOUND), (">&- 2>&-", exits.FOUND)],
)
def test_what_can_not_be_written_is_not_taken_for_a_finding(
    tmp_path: Path, redirected: str, code: int
) -> None:
    (tmp_path / "a.py").write_text("import httpx\nhttpx.get('x')\n")
    program = f"{sys.executable} -m resilient.cli audit {tmp_path} {redirected}"
    done = subprocess.run(program, shell=True, capture_output=True, text=True, timeout=60)
    assert done.returncode == code
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["top", "dashboard"])
@pytest.mark.parametrize("seconds", ["0", "nan", "often"])
def test_a_time_that_is_none_is_refused_with_what_to_use(
    run: Run, command: str, seconds: str
) -> None:
    code, _, err = run(command, "x.log", "--every", seconds)
    assert code == exits.USAGE
    assert f"'{seconds}': use 0.1 to 3600 seconds" in err


def test_a_terminal_without_unicode_gets_escapes(write_log: WriteLog) -> None:
    path = write_log("a.log", repos=[0.1])
    done = python("-m", "resilient.cli", "report", str(path), env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert r"\u2500" in done.stdout


def test_importing_resilient_loads_none_of_it() -> None:
    code = (
        "import sys, resilient; print([name for name in sys.modules if name.startswith("
        "('resilient.cli', 'resilient.audit', 'resilient.diagnostics.merging', 'rich'))])"
    )
    assert python("-c", code).stdout == "[]\n"


def test_a_subcommand_loads_no_other() -> None:
    code = (
        "import sys; from resilient.cli import main; main(['report', '--help']); "
        "print([name for name in sys.modules if name.startswith('resilient.audit')])"
    )
    assert python("-c", code).stdout.endswith("[]\n")
