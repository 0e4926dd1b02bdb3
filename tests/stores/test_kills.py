"""Processes that share a SQLite file and are killed while they write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.stores import kills

pytestmark = [
    pytest.mark.stress,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
]


def test_forty_kills_lose_no_file_and_make_no_answer_wrong(tmp_path: Path) -> None:
    done = kills.run(40, tmp_path / "cache.db")
    assert done["works"] > 40
