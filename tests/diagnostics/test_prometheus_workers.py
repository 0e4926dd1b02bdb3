"""Many workers behind one port, with real processes and prometheus-client's own collector."""

from __future__ import annotations

import gc
import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from resilient import breaker, service, throttled
from resilient.diagnostics import prometheus_workers
from resilient.diagnostics.prometheus import install_prometheus
from resilient.diagnostics.prometheus_workers import WorkerWriter
from resilient.errors import ConfigurationError
from resilient.registry import Registry
from resilient.registry import registry as all_functions
from resilient.testing import FakeClock
from tests.threads import StartThread

START = """
import multiprocessing, os, sys
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from resilient import breaker, bulkhead, registry, service, throttled
from resilient.diagnostics import prometheus_workers
from resilient.diagnostics.prometheus import install_prometheus

@service("github", breaker(), throttled("1000000/s"), bulkhead(3))
def repos():
    pass

def call(times):
    for _ in range(times):
        repos()

def scrape():
    scraped = CollectorRegistry()
    MultiProcessCollector(scraped)
    print(generate_latest(scraped).decode())
"""
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

Scrape = dict[tuple[str, str | None], float]


def run(folder: Path, code: str) -> str:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    script = folder.parent / "worker.py"
    script.write_text(START + code)
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_and_scrape(folder: Path, code: str) -> Scrape:
    """What a scrape at the end says: by name, and by the value of the last label of its own."""
    return samples_in(run(folder, code + "\nscrape()\n"))


def samples_in(text: str) -> Scrape:
    samples: Scrape = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            own = [sample.labels[label] for label in sample.labels if label not in _COMMON]
            samples[sample.name, own[-1] if own else None] = sample.value
    return samples


_COMMON = ("service", "function")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "metrics"
    made.mkdir()
    return made


@forks
def test_the_calls_of_all_workers_are_summed_up_exactly(folder: Path) -> None:
    """A worker that os.fork made, as a server does, and one of multiprocessing."""
    scraped = run_and_scrape(
        folder,
        """
install_prometheus(every=3600)
call(10)
for times in (100, 200):
    if os.fork() == 0:
        call(times)
        sys.exit()
    os.wait()
forked = multiprocessing.get_context("fork").Process(target=call, args=(1000,))
forked.start()
forked.join()
installed = install_prometheus()
installed.write()
installed.write()
""",
    )
    assert scraped["resilient_calls_total", "ok"] == 1310
    assert scraped["resilient_call_duration_seconds_count", None] == 1310
    assert scraped["resilient_call_duration_seconds_bucket", "+Inf"] == 1310
    assert scraped["resilient_call_duration_seconds_sum", None] > 0


@pytest.mark.stress
def test_a_spawned_worker_is_summed_up_too(folder: Path) -> None:
    scraped = run_and_scrape(
        folder,
        """
def work():
    install_prometheus(every=3600)
    call(7)

if __name__ == "__main__":
    spawned = multiprocessing.get_context("spawn").Process(target=work)
    spawned.start()
    spawned.join()
else:
    def scrape(): pass
""",
    )
    assert scraped["resilient_calls_total", "ok"] == 7


@forks
def test_gauges_are_of_living_workers(folder: Path) -> None:
    scraped = run_and_scrape(
        folder,
        """
install_prometheus(every=3600).write()
call(1)
for is_dead in (True, False):
    child = os.fork()
    if child == 0:
        call(1)
        repos.resilient.breaker.isolate()
        sys.exit()
    os.wait()
    if is_dead:
        mark_process_dead(child)
install_prometheus().write()
""",
    )
    assert scraped["resilient_breaker_state", "closed"] == 1
    assert scraped["resilient_breaker_state", "isolated"] == 1
    assert scraped["resilient_bulkhead_limit", None] == 6
    assert scraped["resilient_quota_limit", None] == 1_000_000
    assert scraped["resilient_calls_total", "ok"] == 3


# In one process, as prometheus-client would work if the variable were set.


class Worker:
    """One process after the other, all of them this one."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
        self._patch = monkeypatch
        self.begin()

    def begin(self) -> None:
        """A process that gets the number of the one before."""
        self._patch.setattr(values, "ValueClass", values.MultiProcessValue(lambda: 7))
        self._patch.setattr(prometheus_workers, "_writer", None)

    def scrape(self) -> Scrape:
        scraped = CollectorRegistry()
        MultiProcessCollector(scraped)
        return samples_in(generate_latest(scraped).decode())


@pytest.fixture
def worker(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    yield Worker(folder, monkeypatch)
    if prometheus_workers._writer is not None:
        prometheus_workers._writer.stop()


def install(figures: Registry, every: float = 3600) -> WorkerWriter:
    installed = install_prometheus(figures=figures, every=every)
    assert isinstance(installed, WorkerWriter)
    return installed


def test_a_process_with_the_number_of_a_dead_one_goes_on_with_its_counters(
    worker: Worker, busy: Registry
) -> None:
    install(busy).stop()
    worker.begin()
    install(busy).stop()
    scraped = worker.scrape()
    assert scraped["resilient_calls_total", "transient"] == 2


def test_a_registry_that_was_reset_takes_nothing_away(worker: Worker, registry: Registry) -> None:
    stats = registry.stats_of("github", "repos")
    stats.durations += [0.1] * 5
    installed = install(registry)
    for started in (registry.started, registry.started + 1):
        registry.reset()
        registry.started = started
        stats.durations += [0.1] * 3
        installed.write()
    assert worker.scrape()["resilient_calls_total", "ok"] == 11


def test_a_function_that_is_gone_has_no_gauges_left(worker: Worker, clock: FakeClock) -> None:
    all_functions.reset()

    @service("github", breaker(), throttled("100/s"))
    def repos() -> None: ...

    repos()
    installed = install(all_functions)
    assert worker.scrape()["resilient_breaker_state", "closed"] == 1
    del repos
    gc.collect()
    installed.write()
    scraped = worker.scrape()
    assert scraped["resilient_breaker_state", "closed"] == 0
    assert scraped["resilient_quota_remaining", None] == math.inf
    assert scraped["resilient_calls_total", "ok"] == 1


def test_ours_and_the_applications_own_metrics_share_the_files(
    worker: Worker, busy: Registry, folder: Path
) -> None:
    mine = Counter("mine", "of the application", registry=None)
    mine.inc(3)
    installed = install(busy)
    mine.inc()
    installed.write()
    scraped = worker.scrape()
    assert scraped["mine_total", None] == 4
    assert scraped["resilient_calls_total", "transient"] == 1
    assert (folder / "counter_7.db").exists()


def test_figures_are_written_every_so_often_until_stopped(
    worker: Worker, busy: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = threading.Semaphore(0)
    write = WorkerWriter.write

    def counting(writer: WorkerWriter) -> None:
        write(writer)
        written.release()

    monkeypatch.setattr(WorkerWriter, "write", counting)
    installed = install(busy, every=0.001)
    assert install(busy) is installed
    for _ in range(3):
        assert written.acquire(timeout=30)
    installed.stop()
    assert not installed.is_running
    # The second one knows what the first has told.
    assert install(busy) is not installed
    assert worker.scrape()["resilient_calls_total", "transient"] == 1


def test_a_failing_writing_is_counted_and_tried_again(
    worker: Worker, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = install(registry)
    monkeypatch.setattr(registry, "snapshot", lambda: 1 / 0)
    installed.stop()
    installed.stop()
    assert installed.errors == 2


def test_a_folder_that_is_not_there_is_told_with_the_remedy(
    worker: Worker, busy: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "missing"))
    with pytest.raises(ConfigurationError, match=r"PROMETHEUS_MULTIPROC_DIR .* Make it, empty"):
        install(busy)


@pytest.mark.parametrize("every", [0, -1, "5", None], ids=repr)
def test_an_impossible_interval_is_refused(worker: Worker, busy: Registry, every: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"every="):
        install(busy, every=every)


def test_many_threads_write_no_figure_twice(
    worker: Worker, busy: Registry, in_thread: StartThread
) -> None:
    installed = install(busy)
    for thread in [in_thread(installed.write) for _ in range(8)]:
        thread.join()
    assert worker.scrape()["resilient_calls_total", "transient"] == 1


@forks
@pytest.mark.stress
def test_a_fork_in_the_middle_of_a_writing_leaves_no_child_hanging(folder: Path) -> None:
    scraped = run_and_scrape(
        folder,
        """
import threading
installed = install_prometheus(every=3600)
mine = Counter("mine", "of the application")
over = threading.Event()

def write():
    while not over.is_set():
        call(1)
        installed.write()

threading.Thread(target=write).start()
for _ in range(100):
    if os.fork() == 0:
        mine.inc()
        call(1)
        installed.write()
        os._exit(0)
    assert os.wait()[1] == 0
over.set()
""",
    )
    assert scraped["mine_total", None] == 100
