"""Four processes of eight threads on one quota that a real server enforces, for 10 s each."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.loads.quotas import QuotaSpec
from tests.loads.server import ServerSpec
from tests.loads.vendors import Vendor, running
from tests.loads.workers import Report, crew, turned_away, used_between
from tests.real_time import real_time
from tests.valkey import running_valkey

pytestmark = [pytest.mark.stress, real_time]

SECONDS = 10.0


@pytest.fixture
def server() -> Iterator[Any]:
    """A real Valkey server of this test's own."""
    with running_valkey() as server:
        yield server


@pytest.fixture(params=["sqlite", "valkey"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    return f"redis://127.0.0.1:{request.getfixturevalue('server').port}/0"


def enforcing(calls: int, period: float, dialect: str = "none", kind: str = "sliding") -> Any:
    quota = QuotaSpec(kind=kind, calls=calls, period=period)
    return running(ServerSpec(quotas=(quota,), dialect=dialect))


def check(vendor: Vendor, reports: list[Report], calls: int, period: float) -> None:
    used = used_between(vendor, 0.0, SECONDS) / (calls * SECONDS / period)
    print(f"{used:.1%} used", *reports, sep="\n  ")
    assert turned_away(vendor) == 0
    assert used >= 0.95
    assert not any(report.failed for report in reports)


@pytest.mark.parametrize("dialect", ["none", "x-delta-float"])
def test_workers_use_a_quota_up_and_are_never_turned_away(url: str, dialect: str) -> None:
    with enforcing(100, 2.0, dialect) as vendor, crew(url, vendor, 100, 2.0) as workers:
        check(vendor, workers.reports(), 100, 2.0)


def test_most_calls_ask_nobody_at_a_high_rate(url: str) -> None:
    with enforcing(1000, 1.0) as vendor, crew(url, vendor, 1000, 1.0) as workers:
        reports = workers.reports()
        calls, asked = (
            sum(column) for column in zip(*((r.calls, r.asked) for r in reports), strict=True)
        )
        print(f"{asked / calls:.3f} round trips a call", *reports, sep="\n  ")
        assert turned_away(vendor) == 0
        assert asked / calls <= 0.15


def test_the_share_of_killed_workers_comes_back_within_a_window(url: str) -> None:
    calls, period = 100, 2.0
    with enforcing(calls, period) as vendor, crew(url, vendor, calls, period) as workers:
        workers.wait_until(3.1)
        for process in workers.processes[:2]:
            process.send_signal(signal.SIGKILL)
        reports = workers.reports()
        print(*reports, sep="\n  ")
        assert turned_away(vendor) == 0
        # A worker is taken for dead after half a second.
        since = 3.1 + 0.5 + period
        used = used_between(vendor, since, SECONDS)
        assert used >= 0.95 * calls * (SECONDS - since) / period - calls / 10


def test_a_store_that_goes_and_comes_back_fails_and_holds_up_nobody(
    tmp_path: Path, server: Any
) -> None:
    calls, period = 100, 2.0
    url = f"redis://127.0.0.1:{server.port}/0"
    with enforcing(calls, period) as vendor, crew(url, vendor, calls, period) as workers:
        workers.wait_until(3.0)
        server.stop()
        workers.wait_until(6.0)
        server.start()
        reports = workers.reports()
        print(turned_away(vendor), "turned away", *reports, sep="\n  ")
        assert len(reports) == 4
        assert all(report.failures for report in reports)
        assert not any("TurnedAway" not in error for r in reports for error in r.errors)
        assert max(report.longest for report in reports) < 2 * period + 1
        assert turned_away(vendor) == 0
        assert used_between(vendor, 0.0, SECONDS) >= 0.7 * calls * SECONDS / period
