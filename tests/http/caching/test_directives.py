"""RFC 9111 5.2: Cache-Control, however it is written."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.http.caching.directives import (
    asked_of,
    directives_of,
    fields_named,
    forbids_reuse,
    seconds_of,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, {}),
        ("", {}),
        ("max-age=60", {"max-age": "60"}),
        ("MAX-AGE=60, Private", {"max-age": "60", "private": ""}),
        ('max-age="60"', {"max-age": "60"}),
        (r'ext="a \"b\", no-store", max-age=1', {"ext": 'a "b", no-store', "max-age": "1"}),
        (",, max-age=1 ,\t,no-store,", {"max-age": "1", "no-store": ""}),
        ("max-age=60, max-age=5", {"max-age": "60"}),
        ("a=1;b", {"a": "1", "b": ""}),
        ("a=1,\r\n b=2", {"a": "1", "b": "2"}),
        ('"no-store"', {}),
        ('"no-store", max-age=1', {"max-age": "1"}),
    ],
    ids=str,
)
def test_directives_are_read_apart_5_2(text: str | None, expected: dict[str, str]) -> None:
    assert directives_of(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "max-age =60",
            "max-age= 60",
            "max-age=",
            "max-age=60 5",
            'max-age="60"5',
            'max-age=6"0"',
        ),
        *("x max-age=60", '"x" max-age=60', "public max-age=60", "@max-age=60", "x, @ max-age=60"),
    ],
)
def test_a_value_that_shares_its_place_with_something_is_none_that_can_be_read_4_2_1(
    text: str,
) -> None:
    assert seconds_of(directives_of(text)["max-age"]) is None
    # Nor does it count as one without a value, which would mean however stale.
    assert directives_of(text.replace("max-age", "max-stale"))["max-stale"]


@pytest.mark.parametrize(
    "text", ["max-age=60 no-store", "no-store foo", "x no-store, a", "no-store="]
)
def test_a_prohibition_counts_in_any_company(text: str) -> None:
    assert "no-store" in directives_of(text)
    assert forbids_reuse(directives_of(text.replace("no-store", "no-cache")))


@pytest.mark.parametrize(
    "text", ['x="a, no-store', '"a, no-store', 'x="a\\", no-store', 'no-store="']
)
def test_a_string_without_an_end_hides_no_prohibition_5_2(text: str) -> None:
    assert "no-store" in directives_of(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no-cache", True),
        ('no-cache="set-cookie"', False),
        ("no-cache=set-cookie", False),
        ('no-cache="set-cookie, x-a"', False),
        ('no-cache=""', True),
        ('no-cache=","', True),
        ('no-cache="a/b"', True),
        ('no-cache="set-cookie", no-cache', True),
        ('no-cache, no-cache="set-cookie"', True),
        ("max-age=1", False),
    ],
    ids=str,
)
def test_no_cache_with_field_names_is_about_these_alone_5_2_2_4(text: str, expected: bool) -> None:
    assert forbids_reuse(directives_of(text)) is expected


def test_several_lists_of_fields_are_one_5_2_2_4() -> None:
    said = directives_of('no-cache="a, B", no-cache="c"')
    assert fields_named(said["no-cache"]) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("60", 60),
        (" 60\t", 60),
        ("007", 7),
        ("2147483649", 2**31),
        ("9" * 5000, 2**31),
        *[(bad, None) for bad in ("", "-1", "+1", "1.5", "1e3", "6_0", "0x1", "60s", "1 2", "٣")],
        (None, None),
    ],
    ids=lambda value: str(value)[:12],
)
def test_delta_seconds_are_digits_alone_1_2_2(text: str | None, expected: float | None) -> None:
    assert seconds_of(text) == expected


def test_pragma_counts_in_requests_without_cache_control_5_4() -> None:
    assert "no-cache" in asked_of({"pragma": "no-cache"})
    assert "no-cache" in asked_of({"pragma": "x=1, No-Cache"})
    assert not asked_of({"pragma": "x"})
    assert asked_of({"pragma": "no-cache", "cache-control": "max-age=5"}) == {"max-age": "5"}
    assert not asked_of({})


@given(st.text(alphabet='abc-=", \\\t;\n0') | st.text())
def test_no_text_is_too_odd(text: str) -> None:
    for name, value in directives_of(text).items():
        assert name == name.lower()
        fields_named(value)
        seconds_of(value)


@pytest.mark.parametrize("text", ['"', '\\"', 'a="', 'a="\\"', "a,", "=", 'a="b",', '"\\'])
def test_reading_takes_time_in_proportion_to_the_text(text: str) -> None:
    begun = time.process_time()
    directives_of(text * 30_000)
    assert time.process_time() - begun < 2.0
