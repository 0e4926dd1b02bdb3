from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pytest

from resilient.audit import EXCLUDED, TESTS, as_json, as_sarif, audit, shown
from tests.audit.conftest import Look, rules

FINDING = "import httpx\ndef f(): httpx.get(u)\n"


def paths(folder: Path, **options: object) -> list[str]:
    found = audit([str(folder)], **options).findings  # type: ignore[arg-type]
    return [Path(one.path).relative_to(folder).as_posix() for one in found]


@pytest.mark.parametrize(
    "name",
    [".venv/a.py", "node_modules/a.py", "build/a.py", "x/dist/a.py", "__pycache__/a.py", "a.txt"],
)
def test_what_others_wrote_is_not_looked_into(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(FINDING)
    assert paths(tmp_path) == []
    if name.endswith(".py"):
        assert paths(tmp_path, excluded=()) == [name]


def test_a_virtual_environment_is_known_by_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "pyvenv.cfg").touch()
    (tmp_path / "python" / "a.py").write_text(FINDING)
    assert paths(tmp_path) == []


def test_folders_above_the_one_given_exclude_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "build" / "tests"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text(FINDING)
    assert paths(folder, excluded=(*EXCLUDED, *TESTS)) == ["a.py"]


def test_tests_are_passed_over_when_asked(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    for name in ("tests/a.py", "test_b.py", "c.py"):
        (tmp_path / name).write_text(FINDING)
    assert paths(tmp_path) == ["c.py", "test_b.py", "tests/a.py"]
    assert paths(tmp_path, excluded=TESTS) == ["c.py"]
    assert paths(tmp_path, excluded=("tests/*", "test_*")) == ["c.py"]


def test_a_file_that_is_given_is_looked_at_whatever_it_is_called(tmp_path: Path) -> None:
    script = tmp_path / "test_script"
    script.write_text(FINDING)
    report = audit([str(script), str(script)], excluded=TESTS)
    assert (report.files, len(report.findings)) == (1, 1)


def test_a_path_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.py"):
        audit(["nowhere.py"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"import requests\ndef f(:", "does not parse: "),
        (b"def f(:", "does not parse: "),
        (b"import requests\n\0", "does not parse: "),
        (b"import requests\nx = '\xff'", "does not parse: "),
        (b"# coding: nonsense\nimport requests", "does not parse: "),
        (b"import requests\nx = " + b"(" * 500, "does not parse: "),
        (b"import requests\nx = " + b"-" * 50_000 + b"1", ""),
        (b"requests" + b"\n" * 5_000_001, "has 5,000,009 bytes"),
    ],
    ids=["syntax", "no library", "null", "encoding", "codec", "parentheses", "depth", "size"],
)
def test_what_cannot_be_parsed_is_named_and_skipped(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "bad.py").write_bytes(content)
    (tmp_path / "good.py").write_text(FINDING)
    report = audit([str(tmp_path)])
    assert len(report.findings) == 1
    (problem,) = report.problems
    assert message in problem.message
    assert problem.path.endswith("bad.py")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.py")
    assert [one.message for one in audit([str(tmp_path)]).problems] == ["is no regular file"]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_a_name_that_is_no_text_is_shown_escaped(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/a\xff.py"
    with open(path, "wb") as file:
        file.write(FINDING.encode())
    report = audit([str(tmp_path)])
    assert as_json(report)["findings"][0]["path"].endswith(r"a\xff.py")
    assert "a%FF.py" in str(as_sarif(report, "1"))


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such names there")
def test_a_name_can_not_move_the_cursor(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[2J\n.py"
    path.write_text(FINDING)
    assert shown(audit([str(path)]).findings[0].path).endswith(r"a\x1b[2J\n.py")


def test_other_encodings_and_line_ends_are_read(tmp_path: Path) -> None:
    text = "# coding: latin-1\r\nimport httpx\r\ndef f(): x = 'é'; httpx.get(u)\r\n"
    (tmp_path / "a.py").write_bytes(text.encode("latin-1"))
    (found,) = audit([str(tmp_path)]).findings
    assert (found.line, found.column) == (3, 19)


def test_a_sum_of_a_thousand_texts_is_no_problem(look: Look) -> None:
    assert rules(look(f"import httpx\nx = {' + '.join(['a'] * 900)}\nhttpx.get(x)")) == ["3:RES001"]


def test_a_long_chain_of_calls_is_at_worst_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f"import boto3\nboto3.client('a'){'.get_x()' * 2_000}\n")
    report = audit([str(tmp_path)])
    assert report.findings or report.problems


@pytest.mark.parametrize(
    "code",
    [
        "httpx.get(u)  # resilient: ignore",
        "httpx.get(u)  # resilient: ignore[RES001]",
        "httpx.get(u)  # why not # Resilient: ignore[res002, res001]",
        "httpx.get(\n        u\n    )  # resilient: ignore[RES001]",
    ],
)
def test_a_comment_says_that_it_is_meant(look: Look, code: str) -> None:
    assert rules(look(f"import httpx\ndef f():\n    {code}")) == []


def test_a_comment_on_the_def_speaks_for_the_function(look: Look) -> None:
    code = "import httpx\n{}def f():{}\n    for i in range(3):\n        httpx.get(u)"
    assert rules(look(code.format("", "  # resilient: ignore[RES001]"))) == []
    assert rules(look(code.format("@other  # resilient: ignore\n", ""))) == []


@pytest.mark.parametrize(
    "code",
    [
        "httpx.get('# resilient: ignore')",
        "httpx.get(u)  # resilient: ignore[RES002]",
        "httpx.get(u)  # resilient: ignored",
    ],
)
def test_other_comments_and_texts_say_nothing(look: Look, code: str) -> None:
    assert rules(look(f"import httpx\ndef f(): {code}")) == ["2:RES001"]


def test_only_the_rules_asked_for_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import requests\nrequests.get(u, verify=False)")
    report = audit([str(tmp_path)], rules=["RES004"])
    assert [one.rule for one in report.findings] == ["RES004"]


def test_the_collector_is_left_as_it_was(tmp_path: Path) -> None:
    assert gc.isenabled()
    audit([str(tmp_path)])
    assert gc.isenabled()


@pytest.mark.stress
def test_a_thousand_files_take_seconds(tmp_path: Path) -> None:
    import time

    body = "def f{0}(a, b):\n    x = [a + b for a in range(10)]\n"
    body += "    return requests.get(a, timeout=3)\n"
    text = "import requests\n" + "".join(body.format(number) for number in range(60))
    for number in range(1_000):
        (tmp_path / f"m{number}.py").write_text(text)
    began = time.process_time()
    assert len(audit([str(tmp_path)]).findings) == 60_000
    assert time.process_time() - began < 30
