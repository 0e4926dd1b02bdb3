from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from resilient.audit import Finding, audit

Look = Callable[..., list[Finding]]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Audits one file of this text, beside others by name: `look(text, vendors="…")`."""

    def run(text: str, **others: str) -> list[Finding]:
        for name, other in {**others, "app": text}.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(other))
        found = audit([str(tmp_path)]).findings
        return [one for one in found if Path(one.path).name == "app.py"]

    return run


def rules(found: list[Finding]) -> list[str]:
    """`1:RES001`, in order."""
    return [f"{one.line}:{one.rule}" for one in found]
