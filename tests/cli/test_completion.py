from __future__ import annotations

import shutil
import subprocess

import pytest

from resilient.cli.command import COMMANDS
from tests.cli.conftest import Run

SHELLS = ("bash", "zsh", "fish")


def in_shell(shell: str, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"this machine has no {shell}")
    return subprocess.run(
        [shell, *arguments], input=script, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_every_subcommand_and_option_is_in_the_script(run: Run, shell: str) -> None:
    code, script, _ = run("completion", shell)
    assert code == 0
    for name in (*COMMANDS, "exclude-tests", "select", "every", "sarif", "html"):
        assert name in script


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_takes_the_script(run: Run, shell: str) -> None:
    _, script, _ = run("completion", shell)
    done = in_shell(shell, script, "-n")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("resilient a", ["audit"]),
        ("resilient audit --ex", ["--exclude", "--exclude-tests"]),
        ("resilient audit --format s", ["sarif"]),
        ("resilient report --by p", ["process"]),
        ("resilient completion f", ["fish"]),
        ("resilient config ''", ["check"]),
        ("resilient report --format = j", ["json"]),
        ("resilient report --format = ", ["table", "html", "json"]),
        ("resilient report ''", ["<files>"]),
        ("resilient audit --output ''", ["<files>"]),
        ("resilient audit --select ''", []),
        ("resilient explain ''", []),
    ],
)
def test_bash_completes(run: Run, words: str, expected: list[str]) -> None:
    _, script, _ = run("completion", "bash")
    parts = words.split()
    ask = (
        "compopt() { COMPREPLY=('<files>'); }; "
        f"COMP_WORDS=({words}); COMP_CWORD={len(parts) - 1}; _resilient; "
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    assert in_shell("bash", script + ask).stdout.split() == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("resilient au", ["audit"]),
        ("resilient audit --sel", ["--select"]),
        ("resilient report --format j", ["json"]),
        ("resilient completion z", ["zsh"]),
        ("resilient config chec", ["check"]),
    ],
)
def test_fish_completes(run: Run, line: str, expected: list[str]) -> None:
    _, script, _ = run("completion", "fish")
    done = in_shell("fish", f"{script}complete -C '{line}'\n")
    assert [one.split("\t")[0] for one in done.stdout.splitlines()] == expected


def test_an_option_is_explained_with_all_that_it_does(run: Run) -> None:
    _, script, _ = run("completion", "fish")
    assert "'a table, a page that stands alone, or plain data'" in script
