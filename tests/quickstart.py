"""examples/quickstart.py in a process of its own, started early and asked for late."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

QUICKSTART = Path(__file__).parent.parent / "examples" / "quickstart.py"

_running: subprocess.Popen[str] | None = None


def is_about(item: pytest.Item) -> bool:
    """Does this test look at what the quickstart prints?"""
    return item.path.name == "test_quickstart.py"


def start() -> None:
    """Let it run from now on."""
    global _running
    _running = subprocess.Popen(
        [sys.executable, "-W", "error", str(QUICKSTART)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=QUICKSTART.parent.parent,
    )


def outcome() -> tuple[int, str, str]:
    """Its exit code, output and errors, once it has ended."""
    assert _running is not None
    output, errors = _running.communicate(timeout=100)
    return _running.returncode, output, errors


def stop() -> None:
    """End it if nobody asked for its outcome."""
    if _running is not None and _running.returncode is None:
        _running.kill()
        _running.communicate()
