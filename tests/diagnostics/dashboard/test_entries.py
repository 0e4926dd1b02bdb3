from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from resilient.call import listeners
from resilient.diagnostics import dump_stats, log_to
from resilient.diagnostics.dashboard.entries import entries_in
from resilient.diagnostics.dashboard.stories import Told
from resilient.diagnostics.logs import StepLines
from resilient.registry import Registry
from tests.diagnostics.conftest import MakeCall


def line(**extra: Any) -> dict[str, Any]:
    names = {"service": "github", "function": "repos", "call": "0a1b", "kind": "failed"}
    return {
        "text": "…",
        "record": {
            "time": {"timestamp": 1_000.5},
            "message": "github.repos: failed (503)",
            "process": {"id": 42},
            "extra": names | {"facts": {}} | extra,
        },
    }


def read(data: object) -> object:
    (entry,) = entries_in(json.dumps(data).encode()) or (None,)
    return entry


def test_a_step_is_read_with_its_story() -> None:
    entry = read(line(story=[{"at": 0.5, "kind": "retry", "text": "again"}]))
    assert entry == Told(
        *(1_000.5, "github", "repos", "0a1b", "failed", "failed (503)", "42"),
        story=((0.5, "retry", "again"),),
    )


def test_a_collector_of_logs_may_have_wrapped_it() -> None:
    for wrapped in ({"log": json.dumps(line())}, {"message": json.dumps(line()), "host": "a"}):
        assert isinstance(read(wrapped), Told)


def test_what_our_own_sink_writes_is_read(
    lines: StepLines, make_call: MakeCall, busy: Registry
) -> None:
    file = io.StringIO()
    sink = log_to(file, serialize=True)
    call = make_call()
    call.report("retry", "try 1 of 2 failed (503)")
    call.report("gave_up", "gave up after 2 tries (503)")
    listeners.announce("alert", "github.repos", "too slow", condition="latency_p95")
    dump_stats(busy)
    logger.remove(sink)
    entries = [one for line in file.getvalue().splitlines() for one in entries_in(line.encode())]
    steps = [one for one in entries if isinstance(one, Told)]
    assert [(one.kind, one.text) for one in steps] == [
        ("retry", "try 1 of 2 failed (503)"),
        ("gave_up", "gave up after 2 tries (503)"),
        ("alert", "too slow"),
    ]
    assert steps[0].call == call.id
    assert steps[2].condition == "latency_p95"
    assert sum(isinstance(one, dict) for one in entries) == 2


HOSTILE = [
    *(line(kind=1), line(kind="unheard_of"), line(service=None), line(call=7)),
    *(line(story=[{"at": -1, "kind": "x", "text": "x"}]), line(story=[{"at": True}])),
    *(line(story=["x"]), line(facts={"condition": ["x"]})),
    *([], {"record": []}, {"record": {"extra": []}}, {"extra": {"kind": "failed"}}),
    *({"log": "{" * 2_000 + '"kind" "extra"'}, {"record": None, "extra": None}),
]


@pytest.mark.parametrize("data", HOSTILE, ids=lambda data: json.dumps(data)[-60:])
def test_a_line_that_makes_no_sense_is_passed_over(data: object) -> None:
    assert entries_in(b'{"extra" "kind"') == ()
    assert read(data) is None


@pytest.mark.parametrize("at", [-1, 1e300, True, "now", None, float("nan"), float("inf")])
def test_a_moment_that_can_not_be_is_passed_over(at: object) -> None:
    data = line()
    data["record"]["time"]["timestamp"] = at
    assert read(data) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["record", "extra", "kind", "time", "timestamp", "story", "service", "log"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_line_raises(data: object) -> None:
    entries_in(json.dumps({"extra": data, "kind": data, "record": data}).encode())
