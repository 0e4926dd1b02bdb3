"""Runs loads side by side, each in a process of its own: most of their time they wait."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.loads.figures import Figures
from tests.loads.scenarios import LOADS, Load
from tests.loads.vendors import ROOT

JOBS = 4


def chosen(names: Sequence[str]) -> list[Load]:
    """Loads by name or group; KeyError if there is no such. A name comes before a group."""
    found: dict[str, Load] = {}
    for name in names:
        group = [load for load in LOADS.values() if load.group == name]
        for load in group if name not in LOADS and group else [LOADS[name]]:
            found[load.name] = load
    return list(found.values())


def side_by_side(
    loads: Sequence[Load], *, seconds: float | None = None, jobs: int = JOBS
) -> Iterator[Figures]:
    """The figures of all loads, in their order."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda load: alone(load, seconds), loads)


def alone(load: Load, seconds: float | None = None) -> Figures:
    """The figures of one load, from a process of its own."""
    command = [sys.executable, "-m", "tests.loads", load.name, "--here", "--json"]
    if seconds is not None:
        command += ["--seconds", str(seconds)]
    # Measuring coverage would slow the client down; what it runs is covered by other tests.
    variables = {
        name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_START"
    }
    done = subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=180, check=False
    )
    if done.returncode:
        why = done.stderr.strip().splitlines()[-3:]
        return Figures(load.name, 0.0, missed=[f"it crashed: {' '.join(map(str.strip, why))}"])
    return Figures(**json.loads(done.stdout))
