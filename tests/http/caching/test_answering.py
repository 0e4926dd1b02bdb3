"""RFC 9111 4, 4.3.2, 5.1 and RFC 9110 13, 14: the reply that is made of a stored answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.http.caching.answering import can_answer, gateway_timeout, reply_of
from resilient.http.caching.messages import Reply, Stored, fields_of
from tests.http.caching.made import NOON, date, part, request, stored

TAGGED = stored({"ETag": '"1"', "Cache-Control": "max-age=60"})
DATED = stored({"Last-Modified": date(-1000), "Cache-Control": "max-age=60"})


def replied(kept: Stored = TAGGED, method: str = "GET", **fields: str) -> Reply:
    asked = request(method, **fields)
    assert can_answer(asked, kept)
    return reply_of(asked, kept, NOON)


def test_it_is_given_as_it_is_with_its_age_5_1() -> None:
    kept = stored([("X", "1"), ("Age", "5"), ("x", "2")])
    assert reply_of(request(), kept, NOON + 7.9) == Reply(
        200, "OK", (("X", "1"), ("x", "2"), ("Date", date()), ("Age", "12")), b"0123456789"
    )


def test_a_great_age_is_cut_down_1_2_2() -> None:
    reply = reply_of(request(), stored({"Age": "9" * 30}), NOON + 5)
    assert fields_of(reply.headers)["age"] == "2147483648"


def test_what_was_just_validated_has_only_the_age_that_it_came_with_5_1() -> None:
    assert "age" not in fields_of(reply_of(request(), TAGGED, NOON, validated=True).headers)
    kept = stored({"Age": "5"})
    assert fields_of(reply_of(request(), kept, NOON, validated=True).headers)["age"] == "5"


def test_head_gets_no_body_9110_9_3_2() -> None:
    reply = replied(method="HEAD")
    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize(
    ("etag", "known", "status"),
    [
        ('"1"', '"1"', 304),
        ('"1"', 'W/"1"', 304),
        ('W/"1"', '"1"', 304),
        ('"1"', '"2"', 200),
        ('"1"', '"2", "1"', 304),
        ('"1"', ' "2","3", W/"1" ', 304),
        ('"1"', "*", 304),
        ('"a, b"', '"x", "a, b"', 304),
        ('"a, b"', '"a", "b"', 200),
        ('"1"', "", 200),
        ('"1"', "1", 200),
        ("1", "1", 304),
    ],
)
def test_the_callers_if_none_match_is_answered_4_3_2(etag: str, known: str, status: int) -> None:
    kept = stored({"ETag": etag})
    reply = replied(kept, if_none_match=known)
    assert reply.status == status
    assert reply.body == (b"" if status == 304 else kept.body)
    assert replied(kept, "HEAD", if_none_match=known).status == status


def test_without_a_tag_only_a_star_matches_9110_13_1_2() -> None:
    assert replied(DATED, if_none_match='"1"').status == 200
    assert replied(DATED, if_none_match="*").status == 304


@pytest.mark.parametrize(
    ("since", "status"),
    [
        (date(-1000), 304),
        (date(-999), 304),
        (date(-1001), 200),
        (date(-1000).lower(), 304),
        ("soon", 200),
        ("", 200),
    ],
)
def test_the_callers_if_modified_since_is_answered_4_3_2(since: str, status: int) -> None:
    assert replied(DATED, if_modified_since=since).status == status


def test_without_last_modified_its_date_counts_4_3_2() -> None:
    kept = stored({"Date": date(-100)})
    assert replied(kept, if_modified_since=date(-100)).status == 304
    assert replied(kept, if_modified_since=date(-101)).status == 200


def test_if_none_match_comes_before_if_modified_since_9110_13_2_2() -> None:
    kept = stored({"ETag": '"1"', "Last-Modified": date(-1000)})
    both = {"if_none_match": '"2"', "if_modified_since": date()}
    assert replied(kept, **both).status == 200
    both = {"if_none_match": '"1"', "if_modified_since": date(-2000)}
    assert replied(kept, **both).status == 304


@pytest.mark.parametrize("status", [301, 404, 500])
def test_conditions_are_about_success_9110_13_2_1(status: int) -> None:
    kept = stored({"ETag": '"1"'}, status=status)
    assert replied(kept, if_none_match='"1"').status == status


def test_a_304_says_what_a_200_would_have_said_9110_15_4_5() -> None:
    headers = {
        "ETag": '"1"',
        "Date": date(-5),
        "Cache-Control": "max-age=60",
        "Expires": date(60),
        "Content-Location": "/a",
        "Vary": "X",
    }
    more = {"Content-Type": "a/b", "Content-Length": "10", "Last-Modified": date(-9), "X": "1"}
    reply = replied(stored(headers | more), if_none_match="*")
    assert fields_of(reply.headers) == fields_of((headers | {"Age": "5"}).items())
    assert reply.reason == "Not Modified"


def test_a_304_without_a_tag_says_when_it_was_modified_9110_15_4_5() -> None:
    assert "last-modified" in fields_of(replied(DATED, if_modified_since=date()).headers)


@pytest.mark.parametrize(
    ("wanted", "body", "said"),
    [
        ("bytes=0-4", b"01234", "bytes 0-4/10"),
        ("bytes=5-", b"56789", "bytes 5-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        ("BYTES=0-0", b"0", "bytes 0-0/10"),
        ("bytes=0-9", b"0123456789", "bytes 0-9/10"),
    ],
)
def test_a_range_is_answered_out_of_the_whole_9110_14_2(
    wanted: str, body: bytes, said: str
) -> None:
    kept = stored({"ETag": '"1"', "Content-Length": "10"})
    reply = replied(kept, range=wanted)
    fields = fields_of(reply.headers)
    assert (reply.status, reply.reason, reply.body) == (206, "Partial Content", body)
    assert (fields["content-range"], fields["content-length"]) == (said, str(len(body)))
    assert fields["etag"] == '"1"'
    assert "age" in fields


def test_a_range_is_answered_out_of_a_part_3_3() -> None:
    reply = replied(part(2, 5), range="bytes=3-4")
    assert (reply.status, reply.body) == (206, b"34")
    assert fields_of(reply.headers)["content-range"] == "bytes 3-4/10"
    assert replied(part(5, 9), range="bytes=-2").body == b"89"
    assert replied(part(5, 9), range="bytes=5-").body == b"56789"
    unknown = replied(part(2, 5, "*"), range="bytes=2-5")
    assert fields_of(unknown.headers)["content-range"] == "bytes 2-5/*"


@pytest.mark.parametrize(
    "wanted", ["bytes=0-4", "bytes=3-6", "bytes=3-", "bytes=-4", "bytes=3-4,5-5", "x=3-4", "3-4"]
)
def test_a_part_answers_nothing_else_3_3(wanted: str) -> None:
    assert not can_answer(request(range=wanted), part(2, 5))
    assert not can_answer(request(), part(2, 5))
    assert not can_answer(request("HEAD", range="bytes=3-4"), part(2, 5))


@pytest.mark.parametrize("wanted", ["", "x=0-4", "bytes=a", "bytes=4-1", "0-4"])
def test_a_range_that_makes_no_sense_is_ignored_9110_14_2(wanted: str) -> None:
    assert replied(range=wanted).status == 200


def test_a_range_is_for_get_alone_9110_14_2() -> None:
    assert replied(method="HEAD", range="bytes=0-4").status == 200


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=-0", "bytes=0-1,4-5"])
def test_refusals_and_several_parts_are_left_to_the_origin_9110_14_2(wanted: str) -> None:
    assert not can_answer(request(range=wanted), TAGGED)


def test_of_an_encoded_answer_only_the_origin_knows_the_bytes_9110_14() -> None:
    assert not can_answer(request(range="bytes=0-4"), stored({"Content-Encoding": "gzip"}))
    assert can_answer(request(range="x=0-4"), stored({"Content-Encoding": "gzip"}))


def test_a_range_of_an_error_is_the_error_9110_14_2() -> None:
    assert replied(stored(status=404), range="bytes=0-4").status == 404


@pytest.mark.parametrize(
    ("headers", "known", "status"),
    [
        ({"ETag": '"1"'}, '"1"', 206),
        ({"ETag": '"1"'}, '"2"', 200),
        ({"ETag": 'W/"1"'}, 'W/"1"', 200),
        ({"ETag": '"1"'}, 'W/"1"', 200),
        ({"Last-Modified": date(-60)}, date(-60), 206),
        ({"Last-Modified": date(-60)}, date(-61), 200),
        ({"Last-Modified": date(-60)}, date(-59), 200),
        ({"Last-Modified": date(-59)}, date(-59), 200),
        ({"Last-Modified": "soon"}, "soon", 200),
        ({}, "", 200),
    ],
)
def test_if_range_has_to_be_strongly_the_same_9110_13_1_5(
    headers: dict[str, str], known: str, status: int
) -> None:
    assert replied(stored(headers), range="bytes=0-4", if_range=known).status == status


def test_a_part_does_not_answer_an_if_range_that_fails_9110_13_1_5() -> None:
    assert can_answer(request(range="bytes=3-4", if_range='"1"'), part(2, 5))
    assert not can_answer(request(range="bytes=3-4", if_range='"2"'), part(2, 5))


def test_conditions_come_before_ranges_9110_13_2_2() -> None:
    assert replied(range="bytes=0-4", if_none_match='"1"').status == 304
    assert replied(range="bytes=0-4", if_none_match='"2"').status == 206


def test_what_is_not_there_is_a_504_5_2_1_7() -> None:
    reply = gateway_timeout()
    assert (reply.status, reply.body) == (504, b"")


@given(st.sampled_from(["if_none_match", "if_modified_since", "range", "if_range"]), st.text())
def test_no_field_is_too_odd(name: str, value: str) -> None:
    for kept in (TAGGED, DATED, part(2, 5), stored(body=b"")):
        asked = request(**{"range": "bytes=0-4", name: value})
        if can_answer(asked, kept):
            reply_of(asked, kept, NOON)


@given(st.integers(0, 12), st.integers(0, 12), st.booleans(), st.integers(0, 9), st.integers(0, 9))
def test_a_part_of_what_is_held_has_the_bytes_of_the_whole(
    first: int, last: int, suffix: bool, one: int, other: int
) -> None:
    asked = request(range=f"bytes=-{last}" if suffix else f"bytes={first}-{last}")
    whole, held = stored({"ETag": '"1"'}), part(min(one, other), max(one, other))
    if can_answer(asked, held):
        assert reply_of(asked, held, NOON).body == reply_of(asked, whole, NOON).body
