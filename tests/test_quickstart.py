"""The main job: examples/quickstart.py, as a newcomer runs it."""

from __future__ import annotations

import re

import pytest

from tests import quickstart


@pytest.fixture(scope="module")
def output() -> str:
    code, output, errors = quickstart.outcome()
    assert code == 0, errors
    assert errors == ""
    return output


def test_every_shop_gets_an_answer_each_time(output: str) -> None:
    asked, answered = re.search(r"asked (\d+) times and got (\d+) answers", output).groups()
    assert asked == answered


def test_the_vendor_sees_far_fewer_requests_than_there_were_calls(output: str) -> None:
    asked = int(re.search(r"asked (\d+) times", output)[1])
    seen = int(re.search(r"The vendor saw (\d+) requests", output)[1])
    assert 0 < seen < asked / 2


def test_the_lines_tell_of_each_thing_that_went_wrong(output: str) -> None:
    for step in (
        "pauses everybody for",
        "failed (429)",
        "failed (500)",
        "failed (ConnectionError)",
        "breaker opened",
        "breaker half-open",
        "breaker closed",
        "answered with a result stale for",
    ):
        assert step in output, step


def test_no_secret_is_printed(output: str) -> None:
    assert "api_key=***" in output
    assert "sk_live" not in output


def test_it_ends_with_the_table_of_what_was_saved(output: str) -> None:
    assert re.search(r"Saved: \d+ requests", output.splitlines()[-1])
