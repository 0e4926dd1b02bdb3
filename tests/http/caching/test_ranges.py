"""RFC 9110 14 and RFC 9111 3.4: parts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.http.caching.ranges import Range, bounds_of, combined, ranges_of, span_of
from tests.http.caching.made import date, part, stored


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes 0-4/10", (0, 4, 10)),
        ("Bytes 0-0/1", (0, 0, 1)),
        (" bytes 5-9/* ", (5, 9, None)),
        *[
            (bad, None)
            for bad in ("", "bytes */10", "bytes 4-0/10", "bytes 0-10/10", "bytes 0-4/0", "l 0-4/9")
        ],
        *[(bad, None) for bad in ("bytes=0-4/10", "bytes 0-4", "bytes -4/10", "bytes 0-4/-1")],
        ("bytes 0-4/10, bytes 5-9/10", None),
        ("bytes 0-" + "9" * 5000 + "/*", None),
        (None, None),
    ],
)
def test_content_range_is_read_14_4(text: str | None, expected: object) -> None:
    assert span_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-4", ((0, 4),)),
        ("BYTES=0-4", ((0, 4),)),
        ("bytes=5-", ((5, None),)),
        ("bytes=-5", ((None, 5),)),
        ("bytes=0-1, 3-4", ((0, 1), (3, 4))),
        *[(bad, ()) for bad in (None, "", "bytes", "bytes=", "bytes=-", "bytes=4-1", "bytes=a-b")],
        *[(bad, ()) for bad in ("lines=0-4", "0-4", "bytes=0-4,", "bytes 0-4", "bytes=0-1,x")],
        ("bytes=" + "0-1," * 1000 + "0-1", ()),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_range_is_read_or_ignored_14_2(text: str | None, expected: object) -> None:
    assert ranges_of(text) == expected


@pytest.mark.parametrize(
    ("wanted", "complete", "expected"),
    [
        ((0, 4), 10, (0, 4)),
        ((5, None), 10, (5, 9)),
        ((5, 99), 10, (5, 9)),
        ((None, 4), 10, (6, 9)),
        ((None, 99), 10, (0, 9)),
        ((10, 11), 10, None),
        ((10, None), 10, None),
        ((None, 0), 10, None),
        ((0, 4), 0, None),
        ((0, 4), None, (0, 4)),
        ((5, None), None, None),
        ((None, 4), None, None),
    ],
)
def test_a_range_is_cut_to_what_there_is_14_1_2(
    wanted: Range, complete: int | None, expected: object
) -> None:
    assert bounds_of(wanted, complete) == expected


@pytest.mark.parametrize(
    ("old", "new", "span", "body"),
    [
        (part(0, 2), part(3, 5), (0, 5, 10), b"012345"),
        (part(3, 5), part(0, 2), (0, 5, 10), b"012345"),
        (part(0, 4), part(3, 7), (0, 7, 10), b"01234567"),
        (part(3, 7), part(0, 4), (0, 7, 10), b"01234567"),
        (part(0, 7), part(2, 4), (0, 7, 10), b"01234567"),
        (part(2, 4), part(0, 7), (0, 7, 10), b"01234567"),
        (part(0, 2, "*"), part(3, 5), (0, 5, 10), b"012345"),
        (part(0, 2), part(3, 5, "*"), (0, 5, 10), b"012345"),
        (part(0, 2, "*"), part(3, 5, "*"), (0, 5, None), b"012345"),
        (part(0, 4), part(5, 9), None, b"0123456789"),
        (part(5, 9, "*"), part(0, 4), None, b"0123456789"),
    ],
    ids=["after", "before", "over the end", "over the begin", "inside", "around"]
    + ["length learned", "length known", "length unknown", "whole", "whole, backwards"],
)
def test_parts_are_put_together_3_4(old: object, new: object, span: object, body: bytes) -> None:
    both = combined(old, new)  # type: ignore[arg-type]
    assert both is not None
    assert (both.span, both.body) == (span, body)
    assert both.status == (206 if span else 200)
    assert both.fields["content-length"] == str(len(body))
    assert ("content-range" in both.fields) is bool(span)


def test_the_newer_fields_count_3_4() -> None:
    both = combined(part(0, 2, X="old", Y="old"), part(3, 5, X="new"))
    assert both is not None
    assert (both.fields["x"], both.fields["y"]) == ("new", "old")
    assert both.fields["content-range"] == "bytes 0-5/10"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (part(0, 2), part(4, 5)),
        (part(0, 2), part(3, 5, ETag='"2"')),
        (part(0, 2, ETag='W/"1"'), part(3, 5, ETag='W/"1"')),
        (part(0, 2, ETag=""), part(3, 5, ETag="")),
        (
            part(0, 2, ETag="", Last_Modified=date(-500)),
            part(3, 5, ETag="", Last_Modified=date(-500)),
        ),
        (part(0, 2, 10), part(3, 5, 11)),
        (stored({"ETag": '"1"', "Content-Encoding": "gzip"}), part(3, 5)),
        (stored({"ETag": '"1"'}, status=404), part(3, 5)),
        (part(3, 5), stored({"ETag": '"1"'})),
    ],
    ids=["gap", "other tag", "weak", "no tag", "dates", "lengths", "encoded", "404", "whole"],
)
def test_parts_that_may_not_belong_together_stay_apart_3_4(old: object, new: object) -> None:
    assert combined(old, new) is None  # type: ignore[arg-type]


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    span_of(text)
    span_of("bytes " + text)
    for wanted in ranges_of("bytes=" + text):
        bounds_of(wanted, 10)
        bounds_of(wanted, None)
    ranges_of(text)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=6))
def test_however_parts_are_put_together_their_bytes_are_those_of_the_whole(
    pairs: list[tuple[int, int]],
) -> None:
    kept = part(*sorted(pairs[0]))
    for pair in pairs[1:]:
        kept = combined(kept, part(*sorted(pair))) or kept
        first, last = kept.span[:2] if kept.span else (0, 9)
        assert kept.body == b"0123456789"[first : last + 1]
        if kept.span is None:
            break
