from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resilient import handle as filed
from resilient import pipeline
from resilient.configuration.sources import sources
from resilient.sharing import opening

WriteFile = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _nothing_is_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    # Functions of other tests, which the garbage collector has not come to yet.
    monkeypatch.setattr(filed, "_filed", weakref.WeakSet())
    sources.forget()
    sources._configuration._told.clear()
    yield
    sources.forget()
    assert pipeline.enabled()
    assert opening.default_state() is None


@pytest.fixture
def write(tmp_path: Path) -> WriteFile:
    """Replaces resilient.toml in one step, as those who deploy do."""

    def write_file(text: str) -> Path:
        path = tmp_path / "resilient.toml"
        new = tmp_path / "resilient.new"
        new.write_text(text, encoding="utf-8")
        return new.replace(path)

    return write_file
