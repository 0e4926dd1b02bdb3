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

from resilient.call import Outcome, Verdict
from resilient.diagnostics import dump_every, dump_stats, log_to, reports, stats_table
from resilient.diagnostics.logs import StepLines
from resilient.errors import ConfigurationError
from resilient.registry import Histogram, Registry
from resilient.testing import FakeClock
from tests.diagnostics.conftest import MakeCall

Records = list[dict[str, Any]]


@pytest.fixture
def registry(clock: FakeClock) -> Registry:
    return Registry()


@pytest.fixture
def busy(registry: Registry, make_call: MakeCall, lines: StepLines, clock: FakeClock) -> Registry:
    """Two functions with something of everything."""
    repos = registry.stats_of("github", "repos")
    repos.durations += [0.01] * 1_300
    repos.saved += [0.25] * 400
    retried = make_call()
    retried.report("retry", "again", waited=1.5)
    retried.next_attempt()
    repos.record(retried)
    failed = make_call()
    failed.report("retry", "again", waited=0.5)
    failed.next_attempt()
    failed.outcome = Outcome(Verdict.TRANSIENT, "InvalidToken")
    repos.record(failed, OSError())
    observed = make_call()
    observed.report("would_throttle", "would wait", waited=99.0)
    repos.record(observed)
    pay = registry.stats_of("stripe", "pay")
    pay.durations += [0.5] * 4
    for kind in ("breaker_refused", "rate_limited", "bulkhead_full", "deadline"):
        call = make_call(service="stripe", name="pay")
        call.report(kind, "refused")
        call.outcome = Outcome(Verdict.REFUSED, "refused")
        call.degraded = kind == "breaker_refused"
        pay.record(call, None if call.degraded else OSError())
    clock.advance(60)
    return registry


def test_a_dump_writes_one_readable_record_a_function(busy: Registry, records: Records) -> None:
    records.clear()
    dump_stats(busy)
    assert [record["message"] for record in records] == [
        "github.repos: 1,300 calls, 99.9 % ok, 2 retried, waited 2.00 s, 400 cache hits, "
        "0 refused, 0 fallbacks, p50 9.8 ms, p95 9.8 ms",
        "stripe.pay: 4 calls, 0.0 % ok, 0 retried, waited 0 s, 0 cache hits, 3 refused, "
        "1 fallback, p50 496 ms, p95 496 ms",
    ]
    assert {record["level"].name for record in records} == {"INFO"}


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
    assert stats["errors"] == {"InvalidToken": 1}
    assert stats["calls"] == repos["calls"]


def test_dumped_figures_can_be_read_back_from_a_masked_json_log(busy: Registry) -> None:
    stream = io.StringIO()
    handler = log_to(stream, serialize=True)
    dump_stats(busy)
    logger.remove(handler)
    read = [
        json.loads(line)["record"]["extra"]["resilient_stats"]
        for line in stream.getvalue().splitlines()
    ]
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
    assert not dumper._thread.is_alive()


def test_asking_again_replaces_the_dumper(busy: Registry, dumps: Dumps) -> None:
    first = dump_every(3600, busy)
    second = dump_every(0.001, busy)
    assert not first._thread.is_alive()
    dumps.wait()
    second.stop()


def test_a_failing_dump_is_counted_and_tried_again(dumps: Dumps) -> None:
    twice = threading.Event()

    class Broken(Registry):
        calls = 0

        def snapshot(self) -> dict[str, Any]:
            self.calls += 1
            if self.calls == 3:
                twice.set()
            raise RuntimeError("broken")

    dumper = dump_every(0.001, Broken())
    assert twice.wait(30)
    dumper.stop()
    assert dumper.errors >= 2


def test_a_dumper_can_be_stopped_from_its_own_thread(dumps: Dumps) -> None:
    done = threading.Event()

    class Stopping(Registry):
        def snapshot(self) -> dict[str, Any]:
            dumper.stop()
            done.set()
            return {"pid": 1, "started": 0, "taken": 0, "seconds": 0, "functions": []}

    started = Stopping()
    dumper = reports.Dumper(3600, started)
    dumper.stop()
    dumper.seconds = 0.001
    dumper.start()
    assert done.wait(30)
    dumper._thread.join(30)
    assert not dumper._thread.is_alive()


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
dumper.seconds = 0.01
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


TABLE = """\
resilient: 2 functions, 1,304 calls in 60.0 s (pid 42)

function      calls      ok  retries  waited  hits  refused  fallbacks     p50     p95
──────────────────────────────────────────────────────────────────────────────────────
github.repos  1,300  99.9 %        2  2.00 s   400        0          0  9.8 ms  9.8 ms
stripe.pay        4   0.0 %        0     0 s     0        3          1  496 ms  496 ms
──────────────────────────────────────────────────────────────────────────────────────
all           1,304  99.6 %        2  2.00 s   400        3          1  9.8 ms  9.8 ms

saved by the stack  requests spared  upstream time  hidden failures  by retries  by fallbacks
─────────────────────────────────────────────────────────────────────────────────────────────
github.repos                    400          100 s                1           1             0
stripe.pay                        3            0 s                1           0             1
─────────────────────────────────────────────────────────────────────────────────────────────
all                             403          100 s                2           1             1

Saved: 403 requests (400 cached, 3 refused), 100 s of upstream time, 2 failures hidden."""


def test_the_table_tells_what_happened_and_what_was_saved(busy: Registry) -> None:
    assert stats_table({**busy.snapshot(), "pid": 42}) == TABLE


def test_the_table_fits_in_100_columns_however_long_a_name_is(busy: Registry) -> None:
    busy.stats_of("service" * 10, "function" * 10).durations += [1234.5] * 1_234_567
    text = stats_table(busy.snapshot())
    assert max(map(len, text.splitlines())) == 100
    assert "servicese…" in text
    assert "1,234,567" in text


def test_a_table_without_savings_says_so(registry: Registry) -> None:
    registry.stats_of("", "main").durations += [0.5, 0.0005, 0.0, 0.005]
    text = stats_table(registry.snapshot())
    assert "saved by the stack" not in text
    assert "main" in text
    assert text.endswith("Nothing to save so far: no cache hit, no refusal, no failure hidden.")


def test_a_table_without_calls_says_so(registry: Registry) -> None:
    assert stats_table(registry.snapshot()) == "resilient: no calls yet"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *[(0.0, "0 s"), (0.0000005, "0 µs"), (0.000340, "340 µs"), (0.0099, "9.9 ms")],
        *[(0.0125, "12 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"), (9.94, "9.94 s")],
        *[(9.96, "10.0 s"), (99.94, "99.9 s"), (99.96, "100 s"), (12_345.6, "12,346 s")],
    ],
)
def test_durations_have_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert reports._time(seconds) == text
