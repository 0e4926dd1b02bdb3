"""What must hold against servers that truly enforce their quotas, for 10 s each.

The loads run side by side, ahead of the tests that read their figures: most of the time they wait.
`python -m tests.loads` prints the same as a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.loads.figures import Figures, line_of
from tests.loads.running import JOBS, alone
from tests.loads.scenarios import LOADS
from tests.real_time import real_time

pytestmark = [pytest.mark.stress, real_time]

Running = dict[str, "Future[Figures]"]


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    """The loads of all tests that were selected, begun in the order in which they are asked for."""
    cases = [
        getattr(item, "callspec", None)  # an item without parameters has none
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
    ]
    selected = [str(case.params["name"]) for case in cases if case is not None]
    with ThreadPoolExecutor(JOBS) as pool:
        yield {name: pool.submit(alone, LOADS[name]) for name in selected}
        pool.shutdown(cancel_futures=True)


def group(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "name", [load.name for load in LOADS.values() if load.group in names]
    )


def check(name: str, running: Running) -> None:
    # Tried again, it runs anew.
    begun = running.pop(name, None)
    figures = begun.result() if begun else alone(LOADS[name])
    if figures.skipped:
        pytest.skip(figures.skipped)
    print(line_of(figures))
    assert not figures.missed, "\n" + line_of(figures)


@group("told")
def test_told_the_rate_nobody_is_turned_away_and_the_quota_is_used(
    name: str, running: Running
) -> None:
    check(name, running)


@group("learned")
def test_told_nothing_headers_teach_it_in_the_first_window(name: str, running: Running) -> None:
    check(name, running)


@group("shared")
def test_another_client_spends_half_of_the_quota(name: str, running: Running) -> None:
    check(name, running)


@group("paging")
def test_a_function_that_pages_is_admitted_by_its_requests(name: str, running: Running) -> None:
    check(name, running)


@group("resources")
def test_a_small_quota_does_not_hold_up_a_large_one(name: str, running: Running) -> None:
    check(name, running)


@group("silent")
def test_a_rate_that_no_header_tells_is_found(name: str, running: Running) -> None:
    check(name, running)


@group("boto3")
def test_boto3_is_held_back_as_well_as_by_its_own_adaptive_mode(
    name: str, running: Running
) -> None:
    check(name, running)


@group("pauses")
def test_those_who_waited_for_the_end_of_a_pause_come_one_by_one(
    name: str, running: Running
) -> None:
    check(name, running)


def test_every_load_is_under_test() -> None:
    tested = {"told", "learned", "shared", "paging", "resources", "silent", "boto3", "pauses"}
    assert {load.group for load in LOADS.values()} == tested
