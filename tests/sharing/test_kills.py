"""Processes that share a quota and are killed while they have slots."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.sharing import kills

pytestmark = [
    pytest.mark.stress,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
]


def test_forty_kills_never_lead_over_the_quota_and_keep_none_of_it(tmp_path: Path) -> None:
    done = kills.run(40, tmp_path / "state.db")
    assert done["requests"] > 40
