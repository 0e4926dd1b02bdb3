"""Reading header fields."""

from __future__ import annotations

import math
import time
from email.message import Message

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from resilient.http.headers import date_of, number_of, value_of

RFC_EXAMPLE = 784_111_777.0
"""Unix time of the date that RFC 9110 5.6.7 writes in three ways."""


def of_message() -> Message:
    message = Message()
    message["Retry-After"] = "3"
    return message


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "3"},
        {"retry-after": "3"},  # as botocore keeps them
        {"RETRY-AFTER": "3"},
        CaseInsensitiveDict({"ReTrY-aFtEr": "3"}),
        of_message(),
    ],
    ids=["as asked", "lower", "upper", "requests", "http.client"],
)
def test_a_field_is_found_in_any_case(headers: dict[str, str]) -> None:
    assert value_of(headers, "Retry-After") == "3"
    assert value_of(headers, "Retry") is None


@pytest.mark.parametrize("value", [None, b"3", 3, ["3"]])
def test_what_is_no_text_counts_as_absent(value: object) -> None:
    assert value_of({"Retry-After": value}, "Retry-After") is None  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("0", 0), ("120", 120), (" 7 ", 7), ("0.5", 0.5), ("1767225600", 1767225600), ("5.", 5)],
        *[("+1", 1), ("1e3", 1000), ("1.5E+2", 150), ('"42"', 42), ("007", 7), ("9" * 16, 1e16)],
        *[("30,000", 30000), ("1,234,567", 1234567)],
    ],
)
def test_a_number_is_read(text: str, number: float) -> None:
    assert number_of(text) == number


@pytest.mark.parametrize(
    "text",
    [
        *[
            "",
            " ",
            "-1",
            "+-1",
            "1_000",
            "1e-3",
            "nan",
            "NaN",
            "inf",
            "Infinity",
            "0x10",
            ".5",
            ".",
        ],
        *[
            "3s",
            "3, 3",
            "1,00",
            "1000,000",
            "1,000.5e",
            "null",
            "9" * 22,
            "9" * 99,
            "1e30",
            "1e999",
        ],
        *["٣", "³", "３０", "½", "1 000", "1\n2"],
    ],
)
def test_what_is_no_number_counts_as_absent(text: str) -> None:
    assert number_of(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ],
    ids=["IMF-fixdate", "RFC 850", "asctime"],
)
def test_the_three_forms_of_an_http_date_are_one_moment(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "EST5")  # the machine's zone has no say in it
        time.tzset()
        read = date_of(text)
    time.tzset()
    assert read == RFC_EXAMPLE


@pytest.mark.parametrize(
    "text",
    [None, 3, "", "soon", "120", "120, 120", "2026-01-01T00:00:00Z", "Sun, 06 Nov 1994" * 9]
    + ["Sun, 99 Nov 1994 08:49:37 GMT", "Thu, 31 Nov 2026 00:00:30 GMT"]
    + ["Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 99:49:37 GMT"],
)
def test_what_is_no_date_counts_as_absent(text: str | None) -> None:
    assert date_of(text) is None


@given(st.text(max_size=40))
@example("Mon, 01 Jan 0000 00:00:00 GMT")
@example("1 Jan 10000 00:00:00 GMT")
@example(", , , ,")
def test_nothing_makes_the_readers_raise(text: str) -> None:
    for read in (number_of, date_of):
        number = read(text)
        assert number is None or math.isfinite(number)


@given(
    st.lists(st.sampled_from(["Sun", ",", " ", "06", "Nov", "1994", ":", "-", "99", "GMT", "0"]))
)
def test_no_heap_of_pieces_of_a_date_makes_the_reader_raise(pieces: list[str]) -> None:
    moment = date_of("".join(pieces))
    assert moment is None or math.isfinite(moment)
