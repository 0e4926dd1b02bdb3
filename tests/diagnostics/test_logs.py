from __future__ import annotations

import threading
from typing import Any

import pytest
from loguru import logger

from resilient.call import listeners
from resilient.diagnostics import logs
from resilient.diagnostics.logs import KINDS, StepLines
from resilient.testing import FakeClock
from tests.diagnostics.conftest import MakeCall

Records = list[dict[str, Any]]


def messages(records: Records) -> list[str]:
    return [record["message"] for record in records]


def test_a_step_becomes_one_line_with_everything_known_about_it(
    lines: StepLines, records: Records, make_call: MakeCall
) -> None:
    call = make_call(context={"tenant": "acme"})
    call.report("retry", "attempt 1 of 4 failed (503), waits 0.8 s", waited=0.8)
    [record] = records
    assert record["message"] == "github.repos: attempt 1 of 4 failed (503), waits 0.8 s"
    assert record["level"].name == "INFO"
    assert record["extra"] == {
        "service": "github",
        "function": "repos",
        "call": call.id,
        "attempt": 1,
        "kind": "retry",
        "facts": {"waited": 0.8},
        "context": {"tenant": "acme"},
    }


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        *[(kind, of.level) for kind, of in KINDS.items()],
        ("would_throttle", "INFO"),
        ("news", "INFO"),
    ],
)
def test_each_kind_has_its_level(
    lines: StepLines, records: Records, make_call: MakeCall, kind: str, level: str
) -> None:
    make_call().report(kind, "something")
    assert [record["level"].name for record in records] == [level]


def test_a_step_outside_a_call_is_told_with_the_name_of_its_policy(
    lines: StepLines, records: Records
) -> None:
    listeners.announce("breaker_opened", "payments", "opened by an operator")
    [record] = records
    assert record["message"] == "payments: opened by an operator"
    assert record["extra"] == {
        "service": "payments",
        "function": None,
        "kind": "breaker_opened",
        "facts": {},
    }


def test_braces_and_color_marks_in_a_text_are_plain_text(
    lines: StepLines, records: Records, make_call: MakeCall
) -> None:
    # A trap of loguru: logger.info(text, key=…) takes the text for a format.
    with pytest.raises(KeyError):
        logger.info("{user} failed", key=1)
    make_call().report("retry", "{user} {0} <red>failed</red> {")
    assert messages(records) == ["github.repos: {user} {0} <red>failed</red> {"]


def test_every_sink_of_the_application_gets_masked_text_facts_and_context(
    lines: StepLines, records: Records, make_call: MakeCall
) -> None:
    call = make_call(context={"api_key": "s3cr3t", "url": "https://u:s3cr3t@h"})
    call.report("gave_up", "gave up: token=s3cr3t", last="password=s3cr3t")
    assert "s3cr3t" not in str(records)
    assert records[0]["extra"]["context"] == {"api_key": "***", "url": "https://u:***@h"}


def test_context_is_asked_with_the_arguments_of_the_call(
    lines: StepLines, records: Records, make_call: MakeCall
) -> None:
    make_call("acme", context=lambda tenant: {"tenant": tenant}).report("retry", "again")
    assert records[0]["extra"]["context"] == {"tenant": "acme"}


def test_context_is_not_asked_while_no_line_is_written(
    lines: StepLines, records: Records, make_call: MakeCall
) -> None:
    asked: list[int] = []
    call = make_call(context=lambda: asked.append(1) or {})
    logger.disable("resilient")
    try:
        call.report("retry", "again")
    finally:
        logger.enable("resilient")
    assert records == []
    for _ in range(8):
        call.report("throttled", "waited")
    assert len(asked) == lines.LINES


@pytest.mark.parametrize("context", [lambda: 1 / 0, lambda: 5, lambda one_more: {}, 7])
def test_a_failing_context_costs_its_tags_and_is_counted(
    lines: StepLines, records: Records, make_call: MakeCall, context: Any
) -> None:
    make_call(context=context).report("retry", "again")
    assert messages(records) == ["github.repos: again"]
    assert "context" not in records[0]["extra"]
    assert lines.context_errors == 1
    assert listeners.errors == 0


def test_a_context_that_makes_a_noteworthy_call_itself_does_not_ask_for_ever(
    lines: StepLines, records: Records, make_call: MakeCall
) -> None:
    call = make_call(context=lambda: call.report("retry", "inner") or {"tenant": "acme"})
    call.report("retry", "outer")
    assert messages(records) == ["github.repos: outer"]
    assert lines.nested == 1


def test_a_flood_is_summed_up_when_its_time_is_over(
    lines: StepLines, records: Records, make_call: MakeCall, clock: FakeClock
) -> None:
    for number in range(9_817):
        make_call().report("throttled", f"waited {number}")
    assert messages(records) == [f"github.repos: waited {number}" for number in range(5)]
    records.clear()
    clock.advance(9.9)
    make_call().report("throttled", "still the same window")
    assert records == []
    clock.advance(0.1)
    make_call().report("throttled", "a new window")
    assert messages(records) == [
        "github.repos: … and 9,813 more in 10 s (throttled)",
        "github.repos: a new window",
    ]
    assert records[0]["extra"]["facts"] == {"more": 9_813, "seconds": 10.0}
    assert records[0]["extra"]["service"] == "github"


def test_a_flood_of_one_kind_or_function_hides_no_other(
    lines: StepLines, records: Records, make_call: MakeCall
) -> None:
    for _ in range(20):
        make_call().report("throttled", "waited")
    make_call().report("paused", "asked to wait")
    make_call(name="users").report("throttled", "waited")
    assert messages(records)[5:] == ["github.repos: asked to wait", "github.users: waited"]


def test_any_later_step_sums_up_a_flood_that_is_over(
    lines: StepLines, records: Records, make_call: MakeCall, clock: FakeClock
) -> None:
    for _ in range(7):
        make_call().report("throttled", "waited")
    clock.advance(60)
    make_call(name="users").report("retry", "again")
    assert messages(records)[5:] == [
        "github.repos: … and 2 more in 10 s (throttled)",
        "github.users: again",
    ]


def test_what_is_left_of_a_flood_is_told_at_exit(
    lines: StepLines, records: Records, make_call: MakeCall
) -> None:
    for _ in range(6):
        make_call().report("throttled", "waited")
    lines.flush()
    lines.flush()
    assert messages(records)[5:] == ["github.repos: … and 1 more in 10 s (throttled)"]


def test_a_clock_put_back_does_not_keep_a_window_open(
    lines: StepLines, records: Records, make_call: MakeCall, clock: FakeClock
) -> None:
    clock.advance(1_000_000)
    for _ in range(5):
        lines(None, make_step("retry"))
    clock._now = 0.0
    lines(None, make_step("retry"))
    assert len(records) == 6


def make_step(kind: str) -> Any:
    from resilient.call import Step

    return Step(kind, "github.repos", "text", {}, 0.0)


def test_old_windows_are_forgotten(
    lines: StepLines, records: Records, make_call: MakeCall, clock: FakeClock
) -> None:
    for number in range(100):
        make_call(name=f"f{number}").report("retry", "again")
    clock.advance(11)
    make_call().report("retry", "again")
    assert len(lines._windows) == 1


def test_a_sink_may_make_noteworthy_calls(lines: StepLines, make_call: MakeCall) -> None:
    # loguru refuses to be entered from its own sink, and prints the record instead.
    heard: list[str] = []

    def sink(text: str) -> None:
        heard.append(str(text))
        make_call().report("retry", "while alerting")

    handler = logger.add(sink, format="{message}")
    try:
        make_call().report("breaker_opened", "opened")
    finally:
        logger.remove(handler)
    assert heard == ["github.repos: opened\n"]
    assert lines.nested == 1


def test_no_lock_is_held_while_loguru_writes(lines: StepLines, make_call: MakeCall) -> None:
    free: list[bool] = []

    def sink(text: str) -> None:
        got = lines._lock.acquire(blocking=False)
        free.append(got)
        if got:
            lines._lock.release()

    handler = logger.add(sink)
    try:
        for _ in range(6):
            make_call().report("throttled", "waited")
        lines.flush()
    finally:
        logger.remove(handler)
    assert free == [True] * 6


def test_many_threads_write_no_more_lines_than_one(
    lines: StepLines, records: Records, make_call: MakeCall
) -> None:
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        for _ in range(50):
            make_call().report("throttled", "waited")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines.flush()
    assert len(records) == 6
    assert records[-1]["message"] == "github.repos: … and 395 more in 10 s (throttled)"


def test_a_forked_child_begins_anew(lines: StepLines, records: Records) -> None:
    lines._lock.acquire()
    lines.renew()
    lines(None, make_step("retry"))
    assert len(records) == 1


def test_installing_twice_writes_each_line_once(
    lines: StepLines, records: Records, make_call: MakeCall
) -> None:
    listeners.remove(lines)
    logs.install()
    logs.install()
    try:
        make_call().report("retry", "again")
    finally:
        logs.uninstall()
        logs.lines.renew()
    make_call().report("retry", "again")
    assert len(records) == 1
