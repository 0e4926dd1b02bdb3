from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from loguru import logger

from resilient.diagnostics import dump_every, dump_stats, log_to, reports
from resilient.errors import ConfigurationError
from resilient.registry import Histogram, Registry
from resilient.testing import FakeClock

Records = list[dict[str, Any]]


def test_a_dump_writes_a_readable_line_a_function(busy: Registry, records: Records) -> None:
    records.clear()
    dump_stats(busy)
    (record,) = records
    assert record["level"].name == "INFO"
    assert record["message"].splitlines() == [
        "2 functions",
        "  github.repos: 1,300 calls, 99.9 % ok, 2 retried, waited 2.00 s, 400 cache hits, "
        "0 refused, 0 fallbacks, p50 9.8 ms, p95 9.8 ms",
        "  stripe.pay: 4 calls, 0.0 % ok, 0 retried, waited 0 s, 0 cache hits, 3 refused, "
        "1 fallback, p50 496 ms, p95 496 ms",
    ]


def test_a_dump_holds_the_figures_and_where_and_when_they_were_taken(
    busy: Registry, records: Records, clock: FakeClock
) -> None:
    records.clear()
    dump_stats(busy)
    stats = records[0]["extra"]["resilient_stats"]
    [repos, _] = busy.snapshot()["functions"]
    assert stats["pid"] == os.getpid()
    assert stats["taken"] == clock.time()
    assert stats["seconds"] == 60
    assert stats["functions"][0]["errors"] == {"InvalidToken": 1}
    assert stats["functions"][0]["calls"] == repos["calls"]


def test_dumped_figures_can_be_read_back_from_a_masked_json_log(busy: Registry) -> None:
    stream = io.StringIO()
    handler = log_to(stream, serialize=True)
    dump_stats(busy)
    logger.remove(handler)
    (line,) = stream.getvalue().splitlines()
    read = json.loads(line)["record"]["extra"]["resilient_stats"]["functions"]
    taken = busy.snapshot()["functions"]
    assert [data["steps"] for data in read] == [data["steps"] for data in taken]
    assert read[0]["errors"] == {"InvalidToken": 1}
    for data, original in zip(read, taken, strict=True):
        latency = Histogram.of_snapshot(data["latency"])
        assert latency.snapshot() == original["latency"]


def test_a_dump_without_calls_writes_nothing(registry: Registry, records: Records) -> None:
    dump_stats(registry)
    assert records == []


def test_names_with_braces_are_dumped(registry: Registry, records: Records) -> None:
    registry.stats_of("odd", "{name}").durations.append(0.1)
    dump_stats(registry)
    assert records[0]["message"].startswith("odd.{name}: 1 call, 100 % ok")


class Dumps:
    """A sink that can be waited for."""

    def __init__(self) -> None:
        self._arrived = threading.Semaphore(0)

    def __call__(self, text: str) -> None:
        self._arrived.release()

    def wait(self) -> None:
        assert self._arrived.acquire(timeout=30)


@pytest.fixture
def dumps() -> Iterator[Dumps]:
    sink = Dumps()
    handler = logger.add(sink, filter=lambda record: "resilient_stats" in record["extra"])
    yield sink
    if reports._dumper is not None:
        reports._dumper.stop()
    logger.remove(handler)


def test_figures_are_dumped_every_so_often_until_stopped(busy: Registry, dumps: Dumps) -> None:
    dumper = dump_every(0.001, busy)
    for _ in range(6):
        dumps.wait()
    dumper.stop()
    assert not dumper.is_running


def test_asking_again_replaces_the_dumper(busy: Registry, dumps: Dumps) -> None:
    first = dump_every(3600, busy)
    second = dump_every(0.001, busy)
    assert not first.is_running
    dumps.wait()
    second.stop()


def test_a_failing_dump_is_counted_and_tried_again(dumps: Dumps) -> None:
    twice = threading.Event()

    class Broken(Registry):
        calls = 0

        def process(self) -> dict[str, Any]:
            self.calls += 1
            if self.calls == 3:
                twice.set()
            raise RuntimeError("broken")

    dumper = dump_every(0.001, Broken())
    assert twice.wait(30)
    dumper.stop()
    assert dumper.errors >= 2


@pytest.mark.parametrize("seconds", [0, -1, "10"])
def test_an_impossible_interval_is_refused(seconds: Any) -> None:
    with pytest.raises(ConfigurationError, match="dump_every="):
        dump_every(seconds)


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )


CALLED = """
import os, sys
from resilient.diagnostics import dump_at_exit, dump_every, log_to
from resilient.registry import registry
log_to(sys.stdout, format="{process.id} {message}")
registry.stats_of("github", "repos").durations.append(0.5)
"""


def test_figures_are_dumped_once_at_exit() -> None:
    done = run(CALLED + "dump_at_exit(); dump_at_exit()")
    assert done.stdout.count("github.repos: 1 call, 100 % ok") == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_goes_on_dumping_its_own_figures() -> None:
    done = run(
        CALLED
        + """
import threading, time
from loguru import logger
arrived = threading.Event()
dumper = dump_every(0.01)
dumper.stop()
dumper = dump_every(3600)
dumper.every = 0.01
child = os.fork()
if child == 0:
    logger.add(lambda text: arrived.set())
    registry.stats_of("github", "repos").durations.extend([0.5, 0.5])
    assert arrived.wait(30)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("child", child)
"""
    )
    child = done.stdout.split("child ")[1].strip()
    assert f"{child} github.repos: 2 calls" in done.stdout


def test_a_dump_tells_on_which_host_and_in_which_process_it_was_made(
    busy: Registry, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "worker-1 token=s3cr3t-value")
    records.clear()
    dump_stats(busy)
    stats = records[0]["extra"]["resilient_stats"]
    assert stats["host"] == "worker-1 token=***"
    assert (stats["pid"], stats["started"]) == (os.getpid(), busy.started)
