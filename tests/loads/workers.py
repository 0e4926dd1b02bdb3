"""Worker processes that share one quota in a store, against a server that enforces it.

Started with a Job as JSON in its only argument, a worker prints a line when it is ready, runs when
it reads one, and prints its Report.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.loads.driving import client, drive
from tests.loads.vendors import ROOT, Vendor

THREADS = 8
READY = "ready\n"


@dataclass(frozen=True)
class Job:
    """What one worker does. url: of the store."""

    url: str
    port: int
    calls: int
    period: float
    seconds: float


@dataclass
class Report:
    """What came of one worker's calls. longest: seconds. asked: how often it asked the store."""

    calls: int
    failed: int
    refused: int
    longest: float
    asked: int
    failures: int
    errors: dict[str, int] = field(default_factory=dict)


class Crew:
    """Workers that run side by side."""

    def __init__(self, processes: list[subprocess.Popen[str]]) -> None:
        self.processes = processes
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == READY
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(READY)
            process.stdin.flush()
        self._began = time.monotonic()

    def wait_until(self, seconds: float) -> None:
        """Until so many seconds after their beginning."""
        time.sleep(max(0.0, self._began + seconds - time.monotonic()))

    def reports(self) -> list[Report]:
        """Those of all that have lived to the end."""
        texts = [process.communicate(timeout=60)[0] for process in self.processes]
        return [Report(**json.loads(text)) for text in texts if text]


@contextlib.contextmanager
def crew(
    url: str, vendor: Vendor, calls: int, period: float, seconds: float = 10.0, many: int = 4
) -> Iterator[Crew]:
    """Many workers, each with THREADS threads, that call as fast as they are let."""
    job = json.dumps(dataclasses.asdict(Job(url, vendor.port, calls, period, seconds)))
    command = [sys.executable, "-m", "tests.loads.workers", job]
    processes = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(many)
    ]
    try:
        yield Crew(processes)
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def used_between(vendor: Vendor, since: float, until: float) -> int:
    """Requests that the vendor admitted so many seconds after the first one."""
    admitted = [hit.at for hit in vendor.hits() if hit.admitted]
    return sum(since <= at - admitted[0] < until for at in admitted)


def turned_away(vendor: Vendor) -> int:
    return sum(not hit.admitted for hit in vendor.hits())


def _run(job: Job) -> Report:
    from resilient import throttled
    from resilient.sharing.opening import open_state

    state = open_state(job.url)
    asked = _counted(state)
    with client(job.port) as vendor:

        @throttled(calls=job.calls, period=job.period, store=state, name="all")
        def get() -> int:
            return vendor.get()

        print(READY, end="", flush=True)
        sys.stdin.readline()
        driven = drive([get] * THREADS, job.seconds)
    return Report(
        driven.calls,
        driven.failed,
        driven.refused,
        driven.longest,
        asked(),
        state.failures,
        driven.errors,
    )


def _counted(state: object) -> Callable[[], int]:
    asked: list[None] = []
    trade = state.trade  # type: ignore[attr-defined]

    def counting(ask: object) -> object:
        asked.append(None)
        return trade(ask)

    state.trade = counting  # type: ignore[attr-defined]
    return lambda: len(asked)


if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(_run(Job(**json.loads(sys.argv[1]))))))
