from __future__ import annotations

import sys
from pathlib import Path

import pytest

from resilient.cli.command import main

MODULE = """
from resilient import retry, service

@service("billing")
@retry(attempts=3)
def pay(): ...
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "billing_app.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "billing_app", raising=False)
    return "billing_app"


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "a.toml"
    path.write_text(text)
    return str(path)


def test_a_good_file_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "[services.billing.retry]\nattempts = 1\nmax_wait = 2\n")
    assert main(["config", "check", path]) == 0
    assert capsys.readouterr().out == "a.toml: 2 settings, nothing wrong\n"


def test_a_bad_one_is_told_by_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "[services.billing.retry]\n\natempts = 1\n")
    assert main(["config", "check", path]) == 1
    assert capsys.readouterr().out == (
        "a.toml:3: services.billing.retry.atempts: there is no such option; did you mean "
        "attempts?\n"
    )


def test_a_module_s_functions_are_tried_on_demand(
    tmp_path: Path, module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, '[functions."billing.pai"]\nenabled = false\n')
    assert main(["config", "check", path, "--import", module]) == 1
    assert capsys.readouterr().out.startswith(
        'a.toml:2: nothing decorated goes by functions."billing.pai" (did you mean billing.pay?)'
    )
    path = written(tmp_path, '[functions."billing.pay"]\nenabled = false\n')
    assert main(["config", "check", path, "--import", module]) == 0


def test_without_a_name_it_is_the_file_that_processes_would_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["config", "check"]) == 2
    assert "there is no such file" in capsys.readouterr().err
    monkeypatch.setenv("RESILIENT_CONFIG", written(tmp_path, "mode = 3"))
    assert main(["config", "check"]) == 1
    assert capsys.readouterr().out.startswith("a.toml:1: mode=3: ")
