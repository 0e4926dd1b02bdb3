from __future__ import annotations

import pytest

from resilient.diagnostics.dashboard import stories as module
from resilient.diagnostics.dashboard.stories import MOST_STORIES, Moment, Stories, Told

STORY = (Moment(0.0, "retry", "try 1 failed"), Moment(1.0, "gave_up", "gave up"))


def told(kind: str = "failed", call: str = "c1", at: float = 100.0, **more: object) -> Told:
    names = {"service": "github", "function": "repos"}
    return Told(at=at, call=call, kind=kind, text=kind, **(names | more))  # type: ignore[arg-type]


@pytest.fixture
def stories() -> Stories:
    return Stories()


def test_a_call_that_failed_has_one_story_however_many_steps_it_took(stories: Stories) -> None:
    stories.add(told("retry"))
    assert stories.of("github", "repos") == []
    stories.add(told("gave_up", story=STORY[:1]))
    stories.add(told("failed", at=101.0, story=STORY))
    (story,) = stories.of("github", "repos")
    assert (story.kind, story.story) == ("failed", STORY)


def test_a_step_that_stands_alone_is_the_story(stories: Stories) -> None:
    stories.add(told("breaker_refused"))
    (story,) = stories.of("github", "repos")
    assert story.story == (Moment(0.0, "breaker_refused", "breaker_refused"),)


def test_what_is_known_less_well_does_not_replace_a_story(stories: Stories) -> None:
    stories.add(told("failed", story=STORY))
    stories.add(told("gave_up"))
    (story,) = stories.of("github", "repos")
    assert story.story == STORY


def test_answered_calls_do_not_crowd_out_those_that_failed(stories: Stories) -> None:
    stories.add(told("failed", call="the failed one", at=1.0))
    for number in range(50):
        stories.add(told("fallback", call=f"c{number}", at=2.0 + number))
    kept = [step.call for step in stories.of("github", "repos")]
    assert len(kept) == MOST_STORIES
    assert kept[0] == "c49"
    assert kept[-1] == "the failed one"


@pytest.mark.parametrize("ended", ["breaker_refused", "failed", "fallback"])
def test_refused_calls_do_not_crowd_out_those_that_tell_why(stories: Stories, ended: str) -> None:
    refusal = Moment(0.0, "breaker_refused", "refused: breaker open")
    request = Moment(0.1, "request", "GET vendor was answered 503")
    for number in range(MOST_STORIES):
        stories.add(told(call=f"f{number}", at=1.0 + number, story=[request]))
    stories.add(told(ended, call="tried first", at=50.0, story=[request, refusal]))
    for number in range(50):
        story = [refusal, Moment(0.1, ended, ended)]
        stories.add(told(ended, call=f"r{number}", at=100.0 + number, story=story))
    kept = [step.call for step in stories.of("github", "repos")]
    assert kept[:5] == ["r49", "r48", "r47", "tried first", "f9"]
    assert len(kept) == MOST_STORIES


def test_calls_of_two_processes_with_one_id_are_two(stories: Stories) -> None:
    stories.add(told(process="1"))
    stories.add(told(process="2"))
    assert len(stories.of("github", "repos")) == 2


def test_breakers_are_known_by_process_until_nobody_hears_of_them(stories: Stories) -> None:
    stories.add(told("breaker_opened", at=100.0, process="1"))
    stories.add(told("breaker_closed", at=3000.0, process="2"))
    assert stories.states(3001.0) == {("github", "repos"): ["open", "closed"]}
    assert stories.states(5000.0) == {("github", "repos"): ["closed"]}


def test_what_is_told_twice_is_kept_once(stories: Stories) -> None:
    stories.add(told("breaker_opened"))
    stories.add(told("breaker_opened"))
    assert len(stories.breakers()) == 1


def test_the_newest_word_on_each_alert_is_kept_and_what_is_not_over_comes_first(
    stories: Stories,
) -> None:
    for at, kind, condition in (
        (1.0, "alert", "failure_rate"),
        (2.0, "alert", "latency_p95"),
        (3.0, "all_clear", "failure_rate"),
        (4.0, "escalated", "latency_p95"),
    ):
        stories.add(told(kind, call="", at=at, condition=condition))
    shown = [(one.kind, one.condition) for one in stories.alerts()]
    assert shown == [("escalated", "latency_p95"), ("all_clear", "failure_rate")]


def test_memory_is_bounded_whatever_is_told(
    stories: Stories, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MOST_FUNCTIONS", "MOST_PROCESSES", "MOST_ALERTS"):
        monkeypatch.setattr(module, name, 5)
    many = tuple(Moment(0.0, "retry", "x" * 10_000) for _ in range(1_000))
    for number in range(400):
        stories.add(told(function=f"f{number}", story=many))
        stories.add(told("breaker_opened", at=number, process=str(number)))
        stories.add(told("alert", condition=str(number)))
    assert len(stories._stories) == 5
    assert len(stories.breakers()) == module.MOST_EVENTS
    assert len(stories.states(400.0)["github", "repos"]) == 5
    assert len(stories.alerts()) == 5
    (story,) = stories.of("github", "f399")
    assert len(story.story) == module.MOST_STEPS
    assert len(story.story[0].text) == module.MOST_TEXT


def test_the_version_changes_with_what_is_to_be_seen_alone(stories: Stories) -> None:
    stories.add(told("retry"))
    assert stories.version == 0
    stories.add(told("failed"))
    assert stories.version == 1
