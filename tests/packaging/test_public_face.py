import subprocess
import sys
from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType

import resilient

ROOT = Path(__file__).parents[2]

TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "examples",
    "pyproject.toml",
    "resilient",
    "setup.cfg",
    "tests",
}

# What the runtime dependencies load by themselves is not ours to choose: pybreaker, for one, loads
# redis and tornado where they are installed.
LOADED_BY_IMPORT = """
import sys
import backoff, loguru, pybreaker, ratelimit, requests
before = set(sys.modules)
import resilient
names = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(names - sys.stdlib_module_names))
"""


def test_every_name_in_all_is_there_once_and_in_order():
    assert list(resilient.__all__) == sorted(set(resilient.__all__))
    for name in resilient.__all__:
        assert getattr(resilient, name) is not None


def test_every_public_name_stands_in_all():
    public = {
        name
        for name, value in vars(resilient).items()
        if not name.startswith("_")
        and name != "annotations"  # from __future__
        and not isinstance(value, ModuleType)
    }
    assert public <= set(resilient.__all__)


def test_import_loads_the_standard_library_and_the_runtime_dependencies_alone():
    loaded = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOADED_BY_IMPORT],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert loaded.stdout.split() == ["resilient"]
    assert loaded.stderr == ""


def test_top_level_of_the_repository_holds_nothing_else():
    ignored = [".git", *(ROOT / ".gitignore").read_text().replace("/\n", "\n").split()]
    names = {
        path.name
        for path in ROOT.iterdir()
        if not any(fnmatch(path.name, pattern) for pattern in ignored)
    }
    assert names == TOP_LEVEL


def test_changelog_has_an_entry_for_the_version():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["metadata"]["version"] in (ROOT / "CHANGELOG.md").read_text()
