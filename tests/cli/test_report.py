from __future__ import annotations

import io
import json
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from resilient.cli import exits
from tests.cli.conftest import Run, WriteLog


@pytest.fixture
def logs(write_log: WriteLog) -> Path:
    write_log("a.log", pid=1, repos=[0.01] * 10)
    return write_log("b.log", pid=2, repos=[0.01] * 20, pay=[2.0]).parent


def test_the_figures_of_all_processes_are_one_table(run: Run, logs: Path) -> None:
    code, out, err = run("report", logs)
    assert (code, err) == (exits.FINE, "")
    assert out.startswith("resilient: 2 functions, 31 calls in 60.0 s (2 processes)\n")
    assert [line.split()[:2] for line in out.splitlines() if "github" in line] == [
        ["github.pay", "1"],
        ["github.repos", "30"],
    ]


@pytest.mark.parametrize(
    ("sort", "first"),
    [("name", "pay"), ("calls", "repos"), ("latency", "pay"), ("failures", "pay")],
)
def test_rows_come_in_the_order_asked_for(run: Run, logs: Path, sort: str, first: str) -> None:
    _, out, _ = run("report", logs, "--sort", sort, "--format", "json")
    assert json.loads(out)["functions"][0]["function"] == first


@pytest.mark.parametrize(("by", "rows"), [("function", 2), ("service", 1), ("process", 2)])
def test_a_row_is_what_was_asked_for(run: Run, logs: Path, by: str, rows: int) -> None:
    _, out, _ = run("report", logs, "--by", by, "--format", "json")
    assert len(json.loads(out)["functions"]) == rows
    _, table, _ = run("report", logs, "--by", by)
    assert by in table


def test_the_format_goes_by_the_name_of_the_output(run: Run, logs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("r.json", "r.html", "r.txt"):
        assert run("report", logs / "a.log", "--output", folder / name) == (0, "", "")
    assert json.loads((folder / "r.json").read_text(encoding="utf-8"))["processes"] == 1
    assert (folder / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (folder / "r.txt").read_text(encoding="utf-8").startswith("resilient: 1 function")


def test_logs_without_figures_end_with_1_and_say_what_to_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "plain.log").write_text("14:05 | INFO | github.repos: 1 call, 100 % ok\n")
    code, out, err = run("report", tmp_path)
    assert (code, out) == (exits.FOUND, "")
    assert "dump_every(60)" in err
    assert "serialize=True" in err
    assert "publish_stats(url)" in err


def test_a_log_that_is_not_there_ends_with_2(run: Run) -> None:
    code, _, err = run("report", "nowhere.log")
    assert (code, err) == (exits.USAGE, "resilient: nowhere.log: No such file or directory\n")


def test_an_output_that_cannot_be_written_ends_with_2(run: Run, logs: Path) -> None:
    code, _, err = run("report", logs, "--output", logs / "no" / "r.json")
    assert code == exits.USAGE
    assert "No such file or directory" in err


def test_a_log_is_read_from_the_standard_input(
    run: Run, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piped = io.TextIOWrapper(io.BytesIO((logs / "a.log").read_bytes()))
    monkeypatch.setattr(sys, "stdin", piped)
    code, out, _ = run("report", "-")
    assert code == exits.FINE
    assert "10 calls" in out


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href")]


def test_the_page_stands_alone_and_runs_nothing(run: Run, logs: Path) -> None:
    _, out, _ = run("report", logs, "--format", "html")
    page = _Page(out)
    assert page.addresses == []
    assert not {"script", "link", "img", "iframe", "base"} & set(page.tags)
    assert "default-src &#x27;none&#x27;" in out
    assert "prefers-color-scheme: dark" in out
    assert page.tags.count("details") == 2
    assert "svg" in page.tags


def test_names_are_text_in_every_form(run: Run, write_log: WriteLog) -> None:
    name = "<script>alert(1)</script>[red]{x}\x1b[31m"
    path = write_log("a.log", **{name: [0.1]})
    _, page, _ = run("report", path, "--format", "html")
    assert "script" not in _Page(page).tags
    _, table, _ = run("report", path)
    assert "\x1b" not in table + page
    assert "[red]" in table


def test_secrets_in_names_are_masked(run: Run, write_log: WriteLog) -> None:
    path = write_log("a.log", **{"f password=hunter2hunter2": [0.1]})
    for kind in ("table", "html", "json"):
        code, out, _ = run("report", path, "--format", kind)
        assert code == exits.FINE
        assert "hunter2" not in out
