from __future__ import annotations

import json
from pathlib import Path

import pytest

from resilient.audit import RULES, Report, as_json, as_sarif, audit


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a b.py").write_text(
        "import requests\ndef f():\n requests.get(u)\n requests.get(u)\n"
    )
    (tmp_path / "bad.py").write_text("import requests\ndef f(:")
    return audit(["."])


def test_json_holds_all_of_a_finding(report: Report) -> None:
    data = json.loads(json.dumps(as_json(report)))
    assert data["files"] == 2
    assert data["findings"][0] == {
        "rule": "RES001",
        "name": "undecorated-call",
        "level": "warning",
        "path": "a b.py",
        "line": 3,
        "column": 2,
        "function": "f",
        "message": "requests.get called undecorated",
        "remedy": RULES["RES001"].remedy,
    }
    assert [one["path"] for one in data["problems"]] == ["bad.py"]


def test_sarif_has_what_the_standard_requires(report: Report) -> None:
    log = json.loads(json.dumps(as_sarif(report, "1.2.3")))
    assert log["version"] == "2.1.0"  # SARIF 2.1.0 3.13.2
    (run,) = log["runs"]
    driver = run["tool"]["driver"]  # 3.18.2, 3.19.8
    assert driver["name"]
    assert [rule["id"] for rule in driver["rules"]] == list(RULES)
    for result in run["results"]:
        assert result["message"]["text"]  # 3.27.11
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert physical["artifactLocation"]["uri"] == "a%20b.py"  # 3.10.1: a URI
        assert physical["region"]["startLine"] >= 1
        assert physical["region"]["startColumn"] >= 1
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is True  # 3.20.14
    assert "bad.py" in str(invocation["toolExecutionNotifications"])


def test_equal_findings_have_fingerprints_of_their_own(report: Report) -> None:
    (run,) = as_sarif(report, "1")["runs"]
    prints = [one["partialFingerprints"]["resilientAudit/v1"] for one in run["results"]]
    assert len(set(prints)) == len(prints) == 3


def test_a_fingerprint_outlives_a_line_above(report: Report, tmp_path: Path) -> None:
    def prints(report: Report) -> list[str]:
        (run,) = as_sarif(report, "1")["runs"]
        return [str(one["partialFingerprints"]) for one in run["results"]]

    path = tmp_path / "a b.py"
    path.write_text("\n\n" + path.read_text())
    assert prints(audit(["."])) == prints(report)
