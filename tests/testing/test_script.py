"""The language of vendor scripts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.errors import ConfigurationError
from resilient.testing.script import FAULTS, JSON_TYPE, SILENT, TEXT_TYPE, Answer, parse


def test_a_script_is_a_list_of_answers_with_options() -> None:
    assert parse("429 retry-after=3, timeout, 500 x2, 200") == (
        Answer(429, headers=(("retry-after", "3"),)),
        Answer(fault="timeout"),
        Answer(500, times=2),
        Answer(200),
    )


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("  200  ", Answer(200)),
        ("599", Answer(599)),
        ("200 x12", Answer(200, times=12)),
        ("reset delay=2", Answer(fault="reset", delay=2)),
        ("timeout x3", Answer(fault="timeout", times=3)),
        ("200 delay=.5 drip=1e-1", Answer(200, delay=0.5, drip=0.1)),
        ("200 body=hello", Answer(200, body="hello", media=TEXT_TYPE)),
        ("200 body='a, b x2'", Answer(200, body="a, b x2", media=TEXT_TYPE)),
        ("200 body=''", Answer(200, body="", media=TEXT_TYPE)),
        (r"200 body='it\'s \\'", Answer(200, body="it's \\", media=TEXT_TYPE)),
        ('200 body="it\'s"', Answer(200, body="it's", media=TEXT_TYPE)),
        ('200 json={"a": [1, 2]} x2', Answer(200, body='{"a": [1, 2]}', times=2)),
        ("200 json=null", Answer(200, body="null")),
        ('200 json="a, b"', Answer(200, body='"a, b"')),
        ("200 a=1 a=2", Answer(200, headers=(("a", "1"), ("a", "2")))),
        ("200 X-RateLimit-Reset=now+60", Answer(200, headers=(("X-RateLimit-Reset", "now+60"),))),
        ("truncated body=abc", Answer(fault="truncated", body="abc", media=TEXT_TYPE)),
        (
            "stall link='<a>; rel=\"next\"'",
            Answer(fault="stall", headers=(("link", '<a>; rel="next"'),)),
        ),
    ],
)
def test_each_option_is_read(text: str, answer: Answer) -> None:
    assert parse(text) == (answer,)


def test_answers_may_stand_on_lines_of_their_own() -> None:
    assert parse("\n  500,\n  200\n") == (Answer(500), Answer(200))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "an answer is missing"),
        ("200,", "an answer is missing after a comma"),
        ("200,, 500", "an answer is missing after a comma"),
        ("99", "'99' is neither"),
        ("600", "'600' is neither"),
        ("٢٠٠", "is neither a status"),
        ("timout", "did you mean timeout?"),
        ("200 retry", "'retry' is neither xN nor name=value"),
        ("200 x0", "'x0' repeats nothing"),
        ("200 x2 x3", "xN stands twice"),
        ("200 delay=1 delay=1", "delay stands twice"),
        ("200 body=a json=1", "body stands twice"),
        ("200 body=a body=a", "body stands twice"),
        ("200 delay=soon", "delay=soon is not a time"),
        ("200 delay=-1", "delay=-1 is not a time"),
        ("200 drip=inf", "drip=inf is not a time"),
        ("200 drip=nan", "drip=nan is not a time"),
        ("200 retry-after=", "retry-after= has no value"),
        ("200 body='open", "body='open has a quote"),
        ("200 body=it's", "body=it's has a quote"),
        ("200 body='a'b", "'b' follows a closing quote"),
        ("200 json={a}", "json={a} is not JSON"),
        ("200 json={}{}", "'{}' follows the JSON"),
        ("200 a='1\n2'", "can't be a header"),
        ("200 a=\N{SNOWMAN}", "can't be a header"),
        ("timeout delay=1", "delay= does not go with timeout"),
        ("reset retry-after=1", "retry-after= does not go with reset"),
        ("close body=a", "body= does not go with close"),
        ("garbage drip=1", "drip= does not go with garbage"),
    ],
)
def test_a_script_that_can_not_be_read_names_the_piece_and_shows_the_grammar(
    text: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    first, grammar = str(caught.value).split("\n", 1)
    assert problem in first or problem in str(caught.value)
    assert "A script is a list of answers" in str(caught.value)
    assert all(fault in grammar for fault in FAULTS)


def test_a_script_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="script=200: use a text"):
        parse(200)  # type: ignore[arg-type]


times = st.integers(1, 1000)
seconds = st.floats(0, 1e9, allow_nan=False)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]*", fullmatch=True).filter(
    lambda name: name.lower() not in ("delay", "drip", "body", "json")
)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))
headers = st.lists(st.tuples(names, values), max_size=3).map(tuple)
texts = st.tuples(st.text(st.characters(codec="utf-8")), st.just(TEXT_TYPE))
documents = st.tuples(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=5,
    ).map(json.dumps),
    st.just(JSON_TYPE),
)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    fault = draw(st.none() | st.sampled_from(FAULTS))
    status = draw(st.integers(100, 599)) if fault is None else 200
    if fault in SILENT:
        delay = 0.0 if fault == "timeout" else draw(seconds)
        return Answer(fault=fault, delay=delay, times=draw(times))
    body, media = draw(st.just((None, JSON_TYPE)) | texts | documents)
    return Answer(
        status,
        fault,
        draw(headers),
        body,
        media,
        delay=draw(seconds),
        drip=draw(seconds),
        times=draw(times),
    )


@given(st.lists(answers(), min_size=1, max_size=4))
def test_an_answer_s_text_reads_back_as_the_same_answer(given_answers: list[Answer]) -> None:
    assert parse(", ".join(map(str, given_answers))) == tuple(given_answers)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert parse(text)
    except ConfigurationError as error:
        assert "A script is" in str(error)
