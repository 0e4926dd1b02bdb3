"""What one worker was told, as the others read it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.admission.answer import Answer
from resilient.admission.bucket import Told
from resilient.admission.words import REFUSED, Words, answer_in, key_of
from resilient.sharing.shapes import Word

TOLD = Told(42.0, 100.0, 160.0, 99.0, 100.0, False)


def answer(*told: Told, **facts: Any) -> Answer:
    windows = [("core", one, True) for one in told]
    known = Answer("f", "vendor.example", 99.0, 100.0, False, 0.0, "200", windows, scope="search")
    return known._replace(**facts)


def said(*answers: Answer, now: float = 101.0) -> list[Word]:
    words = Words()
    for one in answers:
        words.note(one)
    return words.said("me", now)


def test_a_word_says_what_was_left_when_its_request_left() -> None:
    (word,) = said(answer(TOLD))
    assert (word.left, word.age, word.resets_in) == (42.0, 2.0, 59.0)


def test_another_worker_reads_the_same_on_a_clock_of_its_own() -> None:
    (word,) = said(answer(TOLD))
    heard = answer_in(word, "another", 5001.0)
    assert heard is not None
    assert heard == answer(Told(42.0, 100.0, 5060.0, 4999.0, 5000.0, False))._replace(
        sent=4999.0, at=5000.0, windows=heard.windows
    )
    assert list(heard.windows) == [("core", Told(42.0, 100.0, 5060.0, 4999.0, 5000.0, False), True)]


def test_nobody_heeds_a_word_of_its_own() -> None:
    (word,) = said(answer(TOLD))
    assert answer_in(word, "me", 101.0) is None


def test_the_newest_word_of_a_quota_is_told() -> None:
    newer = TOLD._replace(remaining=41.0)
    later = answer(newer, sent=99.5)
    assert [word.left for word in said(answer(TOLD), later)] == [41.0]
    assert [word.left for word in said(later, answer(TOLD))] == [41.0]


def test_what_could_not_be_told_does_not_replace_what_is_newer() -> None:
    older, words = Words(), Words()
    older.note(answer(TOLD))
    words.note(answer(TOLD._replace(remaining=41.0), sent=99.5))
    words.put_back(older)
    assert [word.left for word in words.said("me", 101.0)] == [41.0]


def test_units_that_are_no_requests_bound_no_slots() -> None:
    words = Words()
    words.note(answer()._replace(windows=[("tokens", TOLD, False)]))
    assert [word.left for word in words.said("me", 101.0)] == [None]


def test_a_wait_for_one_quota_alone_is_told_as_that() -> None:
    spent = TOLD._replace(remaining=0.0, resets_at=None)
    (word,) = said(answer(spent, refused=True, wait=30.0, scoped=True))
    assert (word.left, word.resets_in, word.pause) == (0.0, 29.0, 0.0)


def test_a_refusal_without_a_word_is_told_for_a_moment() -> None:
    (word,) = said(answer(refused=True, wait=None))
    assert (word.key, word.left, word.resets_in) == (REFUSED, None, 1.0)
    heard = answer_in(word, "another", 101.0)
    assert heard is not None
    assert heard.refused
    assert heard.wait is None


def test_a_key_tells_nothing_of_what_headers_said() -> None:
    assert "secret" not in key_of(("vendor.example", "secret-account", "", "100"))


@given(st.text(max_size=50), st.floats(allow_nan=True))
def test_no_text_of_a_foreign_store_raises(text: str, age: float) -> None:
    answer_in(Word("key", text, age), "me", 101.0)


@pytest.mark.parametrize("age", [math.nan, math.inf, -1.0])
def test_an_age_that_can_not_be_is_no_word(age: float) -> None:
    (word,) = said(answer(TOLD))
    assert answer_in(word._replace(age=age), "another", 101.0) is None
