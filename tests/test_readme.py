"""Everything that README shows runs, and its tables say what the code does."""

from __future__ import annotations

import inspect
import re
import textwrap
import time
import types
from pathlib import Path
from typing import Any

import pytest

import resilient
from resilient.diagnostics import prometheus
from resilient.pipeline import Handle
from resilient.policies.breaker import Breaker
from resilient.policies.bulkhead import Bulkhead
from resilient.policies.cached import Cached
from resilient.policies.fallback import Fallback
from resilient.policies.retry import Retry
from resilient.policies.service import Service
from resilient.policies.throttled import Throttled
from resilient.testing import fake_clock

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
BLOCKS = [
    textwrap.dedent(block)
    for block in re.findall(r"^ *```python\n(.*?)^ *```", TEXT, re.DOTALL | re.MULTILINE)
]
POLICIES = {
    "service": Service,
    "fallback": Fallback,
    "cached": Cached,
    "retry": Retry,
    "breaker": Breaker,
    "throttled": Throttled,
    "bulkhead": Bulkhead,
}


@pytest.fixture
def readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that all of README's blocks define, run one after the other."""
    from loguru import logger

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESILIENT_CACHE_KEY", "a key of 16 bytes or more")
    monkeypatch.setenv("CACHE_KEY", "another key of 16 bytes or more")
    monkeypatch.setenv("OPERATOR_TOKEN", "0123456789abcdef0123456789abcdef")
    sinks = []
    add = resilient.log_to
    monkeypatch.setattr(resilient, "log_to", lambda *a, **k: sinks.append(add(*a, **k)))
    monkeypatch.setattr(resilient, "dump_at_exit", lambda: None)
    # What goes on until it is stopped, and how.
    ends: list[Any] = []
    every, alert, protect = resilient.dump_every, resilient.alert, resilient.protect
    monkeypatch.setattr(resilient, "dump_every", lambda s: ends.append(every(s).stop))
    monkeypatch.setattr(resilient, "alert", lambda **k: ends.append(alert(**k).stop))
    monkeypatch.setattr(resilient, "protect", lambda: ends.append(protect()))
    install = prometheus.install_prometheus
    monkeypatch.setattr(prometheus, "install_prometheus", lambda: ends.append(install().stop))
    # A real module, as its functions' names and globals have to be found.
    module = types.ModuleType("readme")
    try:
        for block in BLOCKS:
            exec(compile(block, str(README), "exec"), module.__dict__)
    finally:
        if "board" in module.__dict__:
            module.__dict__["board"].close()
        for end in ends:
            end()
        for sink in sinks:
            logger.remove(sink)
    assert (tmp_path / "app.log").stat().st_mode & 0o777 == 0o600
    return module.__dict__


def test_every_block_runs_and_decorates_what_it_shows(readme: dict[str, Any]) -> None:
    assert len(BLOCKS) >= 6
    for name, kinds in {
        "repos": ["service", "fallback", "cached", "retry", "breaker", "throttled"],
        "invoice": ["service", "retry", "breaker"],
        "user": ["service", "cached", "retry", "breaker", "throttled"],
        "star": ["service", "breaker", "throttled"],
        "stock": ["service", "retry", "breaker", "throttled"],
        "price": ["service", "cached", "retry"],
        "headlines": ["service", "cached"],
    }.items():
        handle = readme[name].resilient
        assert isinstance(handle, Handle)
        assert [policy.kind for policy in handle.policies] == kinds
        assert "odd:" not in str(handle)


def test_the_tests_it_shows_pass(readme: dict[str, Any]) -> None:
    shown = [value for name, value in readme.items() if name.startswith("test_")]
    assert len(shown) == 2
    for test in shown:
        test()


def test_the_refusal_it_shows_is_caught(readme: dict[str, Any]) -> None:
    # Its own monotonic time goes on, which what README has made counts by.
    with fake_clock(time.monotonic()):
        assert readme["repositories_page"]("nobody") == "0 repositories"


@pytest.mark.parametrize("name", POLICIES)
def test_the_table_shows_the_defaults(name: str) -> None:
    row = next(line for line in TEXT.splitlines() if line.startswith(f"| `{name}` | "))
    shown = dict(re.findall(r"`(\w+)=([^`]*)`", row))
    parameters = inspect.signature(POLICIES[name]).parameters
    assert shown
    for option, value in shown.items():
        default = parameters[option].default
        names = {"wait": "backoff.expo", "on": "Exception" if name == "fallback" else "()"}
        expected = names.get(option, repr(default).replace("'", '"'))
        assert value == expected, f"{name}({option}=…)"
    rare = {"exclude", "listeners", "state_storage", "name", "throw_new_error_on_trip"}
    rare |= {"calls", "period", "unknown"}
    unnamed = {n for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY} - rare
    assert unnamed <= shown.keys()


def test_both_commands_stand_there_as_ci_runs_them() -> None:
    ci = (README.parent / ".ci" / "run").read_text(encoding="utf-8")
    assert 'python -m pip install -e ".[test]" && python -m pytest' in TEXT
    assert 'python -m pip install -e ".[test]" && python -m pytest' in ci
    assert "python -m pip install . && python examples/quickstart.py" in TEXT
