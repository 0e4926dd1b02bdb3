from __future__ import annotations

from typing import Any

from resilient import cached, retry
from resilient.cli.report_page import page
from resilient.diagnostics import costs, dump_stats
from resilient.diagnostics.by_policy import CALL, costs_of
from resilient.diagnostics.merging import Merger
from resilient.diagnostics.sheets import WIDTH, sheets, stats_table
from resilient.registry import Registry
from tests.diagnostics.dumped import dump_of, dump_of_many
from tests.diagnostics.test_merging import THROTTLE, merger_of

EACH = {"call": 1.0, "retry": 0.5, "breaker": 0.25, "cached": 2.0, "service": 0.125}


def figures(calls: int = 10, ran: int = 10, attempts: int = 10) -> dict[str, Any]:
    return {"calls": calls, "latency": {"count": ran}, "attempts": attempts}


def test_each_policy_costs_what_the_calls_that_reach_it_cost() -> None:
    assert costs_of(["service", "breaker"], figures(), EACH) == {
        "call": 10.0, "service": 1.25, "breaker": 2.5,
    }  # fmt: skip


def test_what_is_below_a_retry_is_paid_for_each_attempt() -> None:
    found = costs_of(["breaker", "retry"], figures(attempts=15), EACH)
    assert (found["breaker"], found["retry"]) == (2.5, 5.0)
    assert costs_of(["retry", "breaker"], figures(attempts=15), EACH)["breaker"] == 3.75


def test_what_is_below_a_cache_is_paid_for_misses_alone() -> None:
    found = costs_of(["cached", "breaker"], figures(calls=100, ran=12, attempts=10), EACH)
    assert found == {"call": 12.0, "cached": 200.0, "breaker": 2.5}


def test_a_policy_of_somebodys_own_costs_nothing_that_is_known() -> None:
    assert costs_of(["theirs"], figures(), EACH) == {"call": 10.0, "theirs": 0.0}


def test_costs_are_measured_once_and_make_sense() -> None:
    found = costs.costs()
    assert found is costs.costs()
    assert 1e-8 < found[CALL] < 1e-3
    assert all(0 <= cost < 1e-2 for cost in found.values())
    assert {"retry", "breaker", "throttled", "cached", "fallback", "bulkhead"} < set(found)


def test_a_dump_tells_the_kinds_of_policies_and_what_they_cost(
    registry: Registry, records: list[dict[str, Any]], monkeypatch: Any
) -> None:
    monkeypatch.setattr("resilient.pipeline.registry", registry)

    @cached(ttl=60)
    @retry
    def work() -> int:
        return 1

    work()
    dump_stats(registry)
    stats = records[-1]["extra"]["resilient_stats"]
    assert stats["functions"][0]["stack"] == ["cached", "retry"]
    assert stats["costs"] == costs.costs()


def told() -> dict[str, Any]:
    policies = {"breaker": "open", "throttle": {**THROTTLE, "paused_until": 1e9},
                "bulkhead": {"limit": 5, "running": 2, "waiting": 3}}  # fmt: skip
    first = dump_of(0.1, policies=policies, stack=["retry", "breaker"], degraded=1)
    second = dump_of(0.1, function="other", stack=["retry"], recovered=1,
                     steps={"breaker_refused": 2}, waited={"retry": 0.5})  # fmt: skip
    dump = dump_of_many(first, second, costs={"call": 1e-6, "retry": 2e-6, "breaker": 1e-6})
    return merger_of(dump, {**dump, "pid": 2}).snapshot()


def test_the_report_tells_how_it_stands_and_what_each_policy_cost_and_saved() -> None:
    _, savings, standing, policies = sheets(told())
    assert savings.caption == "Savings"
    assert standing.rows[0].cells[:3] == ["github.repos", "open", "40 of 100"]
    assert standing.rows[0].cells[4:] == ["8", "4 of 10"]
    rows = {row.cells[0]: row.cells[1:] for row in policies.rows}
    assert rows["retry"] == ["8 µs", "0", "0 s", "2", "1.00 s"]
    assert rows["breaker"] == ["2 µs", "4", "0 s", "0", "0 s"]
    assert rows["fallback"][0] == "–"
    assert policies.total is not None
    assert policies.total[0] == "all"


def test_every_renderer_shows_every_sheet() -> None:
    snapshot = told()
    text, html = stats_table(snapshot), page(snapshot)
    assert max(map(len, text.splitlines())) <= WIDTH
    for sheet in sheets(snapshot):
        assert sheet.heads[-1] in text
        assert f"<h2>{sheet.caption}</h2>" in html


def test_nothing_called_is_no_sheet() -> None:
    assert sheets(Merger().snapshot()) == []
