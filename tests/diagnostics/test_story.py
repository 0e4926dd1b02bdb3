"""The story of a failed call: in its note, and in the one log record that ends it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from resilient import breaker, fallback, retry, service
from resilient.call import Exchange
from resilient.diagnostics.logs import StepLines
from resilient.diagnostics.story import MOST, story_of
from resilient.errors import BreakerOpen
from resilient.testing import FakeClock, RecordedSteps
from tests.diagnostics.conftest import MakeCall

Records = list[dict[str, Any]]


def failing(*policies: Any, error: Exception | None = None) -> Callable[[], Any]:
    def repos() -> Any:
        raise error or ConnectionResetError

    wrapper: Any = repos
    for policy in reversed(policies):
        wrapper = policy(wrapper)
    return wrapper


def ends(records: Records) -> Records:
    return [record for record in records if record["extra"].get("kind") == "failed"]


def test_a_failed_call_has_one_record_that_tells_its_story(
    lines: StepLines, records: Records, clock: FakeClock
) -> None:
    repos = failing(service("github", context={"tenant": "acme"}), retry(attempts=2))
    with pytest.raises(ConnectionResetError) as raised:
        repos()
    story = (
        "try 1 of 2 failed (ConnectionResetError), waits 1 s → "
        "gave up after 2 tries (ConnectionResetError)"
    )
    assert raised.value.__notes__ == [f"github.repos: {story}"]
    [record] = ends(records)
    assert record["level"].name == "WARNING"
    assert record["message"] == f"github.repos: failed (ConnectionResetError) after 1 s: {story}"
    extra = record["extra"]
    assert extra["facts"] == {
        "error": "ConnectionResetError",
        "verdict": "transient",
        "seconds": 1.0,
    }
    assert [event["kind"] for event in extra["story"]] == ["retry", "gave_up"]
    assert [event["at"] for event in extra["story"]] == [0.0, 1.0]
    assert extra["context"] == {"tenant": "acme"}
    assert len({record["extra"]["call"] for record in records}) == 1


def test_a_failure_without_anything_noteworthy_before_it_is_the_callers_alone(
    lines: StepLines, records: Records, clock: FakeClock
) -> None:
    with pytest.raises(KeyError):
        failing(service("github"), error=KeyError())()
    assert records == []


def test_a_failure_whose_only_step_was_a_warning_is_not_told_twice(
    lines: StepLines, records: Records, clock: FakeClock
) -> None:
    repos = failing(service("github"), breaker(fail_max=1))
    with pytest.raises(ConnectionResetError):
        repos()
    with pytest.raises(BreakerOpen):
        repos()
    assert [record["extra"]["kind"] for record in records] == ["breaker_opened", "breaker_refused"]


def test_a_failure_whose_only_step_was_none_is_told(
    lines: StepLines, records: Records, make_call: MakeCall
) -> None:
    call = make_call()
    call.report("throttled", "waited 0.4 s for its turn")
    call.report("failed", "failed (404) after 0.5 s: waited 0.4 s for its turn")
    assert [record["extra"]["kind"] for record in records] == ["throttled", "failed"]


def test_the_line_of_a_fallback_tells_what_led_to_it(
    lines: StepLines, records: Records, clock: FakeClock
) -> None:
    repos = failing(service("github"), fallback([]), retry(attempts=2))
    assert repos() == []
    assert ends(records) == []
    last = records[-1]["extra"]
    assert last["kind"] == "fallback"
    assert [event["kind"] for event in last["story"]] == ["retry", "gave_up", "fallback"]


def test_a_flood_of_failed_calls_is_summed_up(
    lines: StepLines, records: Records, clock: FakeClock
) -> None:
    repos = failing(service("github"), retry(attempts=2, wait=0, budget=None))
    for _ in range(20):
        with pytest.raises(ConnectionResetError):
            repos()
    lines.flush()
    assert len(ends(records)) == 6
    assert ends(records)[-1]["message"].endswith("… and 15 more in 10 s (failed)")


def test_the_end_of_a_call_is_no_step_of_it(steps: RecordedSteps, clock: FakeClock) -> None:
    repos: Any = failing(service("storyless"), retry(attempts=2))
    with pytest.raises(ConnectionResetError):
        repos()
    assert steps.kinds() == ["retry", "gave_up"]
    assert "failed" not in repos.resilient.stats()["steps"]


def test_a_story_holds_no_secret(lines: StepLines, records: Records, make_call: MakeCall) -> None:
    call = make_call()
    call.report("retry", "again: password=s3cr3t-value")
    call.report("failed", "failed: password=s3cr3t-value")
    assert "s3cr3t-value" not in str(records)


def test_requests_stand_in_the_story_where_their_answers_came(
    make_call: MakeCall, clock: FakeClock
) -> None:
    call = make_call()
    refused = Exchange("GET", "api.github.com", clock.now)
    call.add_exchange(refused)
    clock.advance(0.2)
    refused.elapsed, refused.status = 0.2, 503
    call.report("retry", "waits 0.8 s")
    clock.advance(0.8)
    call.add_exchange(Exchange("GET", "api.github.com", clock.now))
    assert story_of(call) == [
        {"at": 0.2, "kind": "request", "text": "GET api.github.com was answered 503 in 200 ms"},
        {"at": 0.2, "kind": "retry", "text": "waits 0.8 s"},
        {"at": 1.0, "kind": "request", "text": "GET api.github.com was not answered"},
    ]


def test_a_long_story_keeps_its_beginning_and_its_end(make_call: MakeCall) -> None:
    call = make_call()
    for number in range(1_000):
        call.report("throttled", f"wait {number}")
    story = story_of(call)
    assert len(story) == MOST + 1
    assert [event["text"] for event in story[18:23]] == [
        "wait 18",
        "wait 19",
        "… and 960 more",
        "wait 980",
        "wait 981",
    ]
