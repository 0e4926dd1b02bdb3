from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resilient.cli import exits
from tests.cli.conftest import Run

Module = Callable[[str], str]

VENDORS = """\
from resilient import cached, breaker, fallback, retry, service
@service("github")
@retry
def repos(): ...
@breaker
@fallback([])
def odd(): ...
def plain(): ...
class Api:
    @retry
    def get(self): ...
    @staticmethod
    @retry
    def make(): ...
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Module]:
    """A module in the working directory, whose name it gives."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    made = []

    def make(text: str) -> str:
        name = f"explained_{tmp_path.name}_{len(made)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        made.append(name)
        return name

    yield make
    for name in made:
        sys.modules.pop(name, None)


def test_a_stack_is_explained(run: Run, module: Module) -> None:
    code, out, err = run("explain", f"{module(VENDORS)}:repos")
    assert (code, err) == (exits.FINE, "")
    assert out.startswith("github.repos: 2 policies, outermost first\n")


def test_an_odd_stack_ends_with_1(run: Run, module: Module) -> None:
    code, out, _ = run("explain", f"{module(VENDORS)}:odd")
    assert code == exits.FOUND
    assert "odd: calls that the breaker refuses get no answer" in out


@pytest.mark.parametrize("name", ["Api.get", "Api.make"])
def test_methods_are_explained(run: Run, module: Module, name: str) -> None:
    code, out, _ = run("explain", f"{module(VENDORS)}:{name}")
    assert code == exits.FINE
    assert f".{name}: 1 policy" in out


def test_a_module_is_explained_whole(run: Run, module: Module) -> None:
    _, out, _ = run("explain", module(VENDORS))
    heads = [line.partition(":")[0].rpartition(".")[2] for line in out.split("\n\n")]
    assert heads == ["odd", "repos", "get", "make"]


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (VENDORS, ":plain", "it is not decorated by resilient; put @service(…) on it"),
        (VENDORS, ":Api.nothing", "there is no nothing"),
        ("x = 1", "", "resilient decorates nothing there"),
        ("raise RuntimeError('no password=hunter2hunter2')", "", "failed: RuntimeError: no pass"),
        ("import sys; sys.exit(3)", "", "failed: SystemExit: 3"),
        ("def f(:", "", "failed: SyntaxError"),
    ],
)
def test_what_cannot_be_explained_ends_with_2(
    run: Run, module: Module, text: str, name: str, message: str
) -> None:
    code, out, err = run("explain", module(text) + name)
    assert (code, out) == (exits.USAGE, "")
    assert message in err
    assert "hunter2" not in err


@pytest.mark.parametrize("target", ["no_such_module_here:f", ":f", "..x:f"])
def test_a_module_that_is_not_there_ends_with_2(run: Run, module: Module, target: str) -> None:
    code, _, err = run("explain", target)
    assert code == exits.USAGE
    assert "importing" in err
