from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resilient.cli import main
from resilient.registry import Registry

Run = Callable[..., tuple[int, str, str]]
WriteLog = Callable[..., Path]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command: `code, out, err = run("report", path)`."""

    def started(*arguments: object) -> tuple[int, str, str]:
        code = main([str(one) for one in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return started


@pytest.fixture
def write_log(tmp_path: Path) -> WriteLog:
    """A log of one process: `write_log("a.log", pid=1, repos=[0.01, 0.02])`."""

    def write(name: str, pid: int = 1, taken: float = 100.0, **durations: list[float]) -> Path:
        registry = Registry()
        for function, seconds in durations.items():
            registry.stats_of("github", function).durations += seconds
        facts = {"pid": pid, "started": 40.0, "taken": taken}
        path = tmp_path / name
        with path.open("a") as file:
            for data in registry.snapshot()["functions"]:
                stats: dict[str, Any] = {**data, **facts}
                record = {"text": "…", "record": {"extra": {"resilient_stats": stats}}}
                file.write(json.dumps(record) + "\n")
        return path

    return write
