"""What a user gets: the wheel, built from a copy of the sources and installed where nothing is."""

import os
import shutil
import subprocess
import sys
import venv
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.stress


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    # A build leaves folders behind, and would pack what an earlier one has left.
    sources = tmp_path_factory.mktemp("sources")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    for name in ("resilient", "tests", "examples"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, sources / name, ignore=skipped)
    target = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", target, sources)
    (built,) = target.glob("*.whl")
    return built


def run(*command, cwd=None):
    # The environment's own settings stay: a mirror of PyPI is one of them.
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=cwd, env=variables
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_holds_every_module_and_the_typing_mark_and_nothing_else(wheel):
    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "resilient").rglob("*.py")}
    assert packed == modules | {"resilient/py.typed"}


def test_wheel_says_what_it_is_and_what_it_needs(wheel):
    with ZipFile(wheel) as archive:
        facts = Parser().parsestr(read(archive, "METADATA"))
        entry_points = read(archive, "entry_points.txt")
    assert facts["Name"] == "resilient-decorators"
    assert facts["Requires-Python"] == ">=3.10"
    needed = [line for line in facts.get_all("Requires-Dist") if "extra ==" not in line]
    assert sorted(line.partition(">")[0].partition("<")[0] for line in needed) == [
        "backoff",
        "loguru",
        "pybreaker",
        "ratelimit",
        "requests",
        "requests-cache",
        "tomli",
    ]
    assert 'tomli>=2; python_version < "3.11"' in needed
    assert "resilient = resilient.testing.plugin" in entry_points


def read(archive, name):
    (path,) = [path for path in archive.namelist() if path.endswith(f".dist-info/{name}")]
    return archive.read(path).decode()


def test_wheel_works_in_an_empty_environment(wheel, tmp_path):
    venv.create(tmp_path / "empty", with_pip=True)
    python = tmp_path / "empty" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(python, "-m", "pip", "install", "--no-warn-script-location", wheel)
    program = "import resilient; print(resilient.retry(lambda: 'works')())"
    assert run(python, "-I", "-W", "error", "-c", program, cwd=tmp_path).strip() == "works"
