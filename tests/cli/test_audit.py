from __future__ import annotations

import json
from pathlib import Path

import pytest

from resilient.cli import exits
from tests.cli.conftest import Run


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text("import requests\ndef f():\n    requests.get(u)\n")
    return tmp_path


def test_findings_end_with_1_and_name_the_place(run: Run, code: Path) -> None:
    exit_code, out, err = run("audit", ".")
    assert (exit_code, err) == (exits.FOUND, "")
    assert out.splitlines()[:2] == [
        "app.py:3:5: RES001 f: requests.get called undecorated",
        "app.py:3:5: RES002 f: requests.get has no timeout",
    ]
    assert out.endswith("2 findings in 1 of 1 file.\n")


def test_nothing_found_ends_with_0(run: Run, code: Path) -> None:
    (code / "app.py").write_text("print()\n")
    assert run("audit", ".") == (exits.FINE, "Nothing found in 1 file.\n", "")


def test_a_file_that_does_not_parse_is_named_and_no_finding(run: Run, code: Path) -> None:
    (code / "app.py").write_text("import requests\ndef f(:\n")
    exit_code, out, err = run("audit", ".")
    assert exit_code == exits.FINE
    assert err.startswith("app.py:2: skipped: it does not parse")
    assert out == "Nothing found in 1 file, 1 skipped.\n"


@pytest.mark.parametrize("kind", ["json", "sarif"])
def test_machines_get_json(run: Run, code: Path, kind: str) -> None:
    exit_code, out, _ = run("audit", ".", "--format", kind)
    assert exit_code == exits.FOUND
    assert json.loads(out)
    assert run("audit", ".", "--format", kind, "--output", "report") == (exits.FOUND, "", "")
    assert (code / "report").read_text(encoding="utf-8") == out


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        (["--select", "RES002"], {"RES002"}),
        (["--select", "res001, RES002", "--ignore", "RES001"], {"RES002"}),
        (["--ignore", "RES001,RES002"], set()),
        (["--exclude", "app.py"], set()),
    ],
)
def test_what_is_told_can_be_chosen(
    run: Run, code: Path, options: list[str], rules: set[str]
) -> None:
    _, out, _ = run("audit", ".", "--format", "json", *options)
    assert {one["rule"] for one in json.loads(out)["findings"]} == rules


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "there is no nowhere"),
        ([".", "--select", "RES999"], "--select RES999: use some of RES001"),
        ([".", "--ignore", ","], "--ignore: use some of RES001"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_to_do(
    run: Run, code: Path, arguments: list[str], message: str
) -> None:
    exit_code, out, err = run("audit", *arguments)
    assert (exit_code, out) == (exits.USAGE, "")
    assert message in err


def test_tests_and_folders_are_passed_over_when_asked(run: Run, code: Path) -> None:
    (code / "app.py").rename(code / "test_app.py")
    assert run("audit", ".")[0] == exits.FOUND
    assert run("audit", ".", "--exclude-tests")[0] == exits.FINE
    (code / "build").mkdir()
    (code / "test_app.py").rename(code / "build" / "app.py")
    assert run("audit", ".")[0] == exits.FINE
    assert run("audit", ".", "--no-default-excludes")[0] == exits.FOUND
