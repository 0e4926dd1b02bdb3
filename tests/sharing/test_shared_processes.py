from __future__ import annotations

import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from resilient.sharing.shapes import Ask, CircuitReport, CircuitTerms
from resilient.sharing.sqlite.state import open_sqlite

BURST = """
import sys
from resilient import breaker, open_state, throttled

store = open_state(sys.argv[1], timeout=10)

@throttled("1000/min", store=store, name="q", max_wait=0)
@breaker(store=store, name="b")
def fetch(fails=False):
    if fails:
        raise ConnectionError

for _ in range(200):
    fetch()
try:
    fetch(True)
except ConnectionError:
    pass
"""


@pytest.mark.stress
def test_a_job_that_ends_at_once_leaves_nothing_leased_and_tells_how_its_calls_went(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.db"
    command = [sys.executable, "-W", "error", "-c", BURST, f"sqlite:///{path}"]
    subprocess.run(command, check=True, timeout=60)
    state = open_sqlite(path, 1.0)
    try:
        grant = state.trade(Ask("throttled:q", "me", [(1000, 60.0)], want=1000))
        assert len(grant.starts) == 1000 - 201
        (view,) = state.circuits("me", [CircuitReport("breaker:b", CircuitTerms())])
        assert (view.calls, view.failed) == (201, 1)
    finally:
        state.close()


def _call(url: str) -> None:
    from resilient import open_state, throttled

    fetch = throttled("1000/min", store=open_state(url, timeout=10), name="q", max_wait=0)(
        lambda: None
    )
    for _ in range(200):
        fetch()


@pytest.mark.stress
@pytest.mark.parametrize("how", multiprocessing.get_all_start_methods())
def test_a_process_of_multiprocessing_leaves_nothing_leased(tmp_path: Path, how: str) -> None:
    path = tmp_path / "state.db"
    context: Any = multiprocessing.get_context(how)
    process = context.Process(target=_call, args=(f"sqlite:///{path}",))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    state = open_sqlite(path, 1.0)
    try:
        grant = state.trade(Ask("throttled:q", "me", [(1000, 60.0)], want=1000))
        assert len(grant.starts) == 800
    finally:
        state.close()
