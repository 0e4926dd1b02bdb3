"""RFC 9111 4.3: validation, and what a 304 or the answer to a HEAD changes."""

from __future__ import annotations

import pytest

from resilient.http.caching.messages import Request, Stored
from resilient.http.caching.validating import after_head, conditions, confirmed, refreshed
from tests.http.caching.made import NOON, date, part, request, stored

LATER = NOON + 100
DE, EN = request(accept_language="de"), request(accept_language="en")
STRONG = stored({"ETag": '"1"'})
MODIFIED = stored({"Last-Modified": date(-1000)})


def variant(asked: Request, etag: str, **more: str) -> Stored:
    return stored(
        {"Vary": "Accept-Language", "ETag": etag, **more}, asked=asked, body=etag.encode()
    )


def after_304(
    kept: list[Stored], headers: dict[str, str] | None = None, asked: Request | None = None
) -> Stored | None:
    pairs = tuple((headers or {}).items())
    return refreshed(kept, asked or request(), pairs, LATER - 1, LATER)


def test_tags_and_dates_are_asked_about_4_3_1() -> None:
    assert conditions(request(), [STRONG]) == {"If-None-Match": '"1"'}
    assert conditions(request(), [MODIFIED]) == {"If-Modified-Since": date(-1000)}
    both = stored({"ETag": 'W/"1"', "Last-Modified": date(-1000)})
    assert conditions(request(), [both]) == {
        "If-None-Match": 'W/"1"',
        "If-Modified-Since": date(-1000),
    }
    assert conditions(request("HEAD"), [STRONG]) == {"If-None-Match": '"1"'}


def test_without_a_validator_there_is_nothing_to_ask_4_3_1() -> None:
    assert conditions(request(), [stored()]) == conditions(request(), []) == {}
    assert conditions(request(), [stored({"ETag": " ", "Last-Modified": ""})]) == {}


@pytest.mark.parametrize("etag", ["*", " *", '"1", *', "*, *"])
def test_a_tag_that_would_mean_any_is_not_asked_about_9110_13_1_2(etag: str) -> None:
    assert conditions(request(), [stored({"ETag": etag})]) == {}
    both = stored({"ETag": etag, "Last-Modified": date(-1000)})
    assert conditions(request(), [both]) == {"If-Modified-Since": date(-1000)}
    assert "If-None-Match" in conditions(request(), [stored({"ETag": '"*"'})])


def test_the_tags_of_all_variants_are_asked_about_4_1() -> None:
    kept = [variant(DE, '"de"'), variant(EN, '"en"'), variant(request(), '"en"')]
    assert conditions(EN, kept) == {"If-None-Match": '"en", "de"'}
    assert conditions(request(accept_language="fr"), kept) == {"If-None-Match": '"de", "en"'}


def test_a_date_is_about_one_answer_4_3_1() -> None:
    dated = {"Vary": "Accept-Language", "Last-Modified": date(-9)}
    german, english = stored(dated, asked=DE), variant(EN, '"en"')
    assert conditions(DE, [german, english]) == {"If-Modified-Since": date(-9)}
    assert conditions(EN, [german, english]) == {"If-None-Match": '"en"'}
    assert conditions(request(), [german]) == {}


def test_beside_the_tags_of_several_no_date_is_sent_4_3_1() -> None:
    german, english = (
        stored({"Vary": "Accept-Language", "ETag": etag, "Last-Modified": date(-9)}, asked=asked)
        for asked, etag in ((DE, '"de"'), (EN, '"en"'))
    )
    assert conditions(EN, [german, english]) == {"If-None-Match": '"en", "de"'}
    assert "If-Modified-Since" in conditions(EN, [english])


@pytest.mark.parametrize(
    "name", ["if_none_match", "if_modified_since", "if_match", "if_unmodified_since"]
)
def test_the_callers_conditions_are_left_alone_4_3_2(name: str) -> None:
    assert conditions(request(**{name: "x"}), [STRONG]) == {}


def test_a_part_is_asked_about_only_if_it_holds_the_range_4_3_2() -> None:
    kept = [part(2, 5)]
    assert conditions(request(), kept) == {}
    assert conditions(request(range="bytes=0-5"), kept) == {}
    assert conditions(request(range="bytes=2-3"), kept) == {"If-None-Match": '"1"'}


def test_a_range_is_not_validated_by_date_4_3_1() -> None:
    assert conditions(request(range="bytes=2-3"), [MODIFIED]) == {}


@pytest.mark.parametrize("status", [301, 404, 500])
def test_failures_are_not_asked_about_9110_13_2_1(status: int) -> None:
    assert conditions(request(), [stored({"ETag": '"1"'}, status=status)]) == {}


def test_the_answer_to_head_is_not_asked_about_for_get() -> None:
    kept = [stored({"ETag": '"1"'}, asked=request("HEAD"))]
    assert conditions(request(), kept) == {}
    assert conditions(request("HEAD"), kept) == {"If-None-Match": '"1"'}


def test_the_number_of_tags_has_a_bound() -> None:
    kept = [variant(request(accept_language=f"x{n}"), f'"{n}"') for n in range(60)]
    assert conditions(request(), kept)["If-None-Match"].count(",") < 20


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_validate_nothing_4_3(method: str) -> None:
    assert conditions(request(method), [STRONG]) == {}


def test_a_304_updates_headers_and_times_4_3_4() -> None:
    kept = stored({"ETag": '"1"', "X": "old", "Y": "old", "Content-Length": "10", "Age": "50"})
    headers = {"ETag": '"1"', "X": "new", "Content-Length": "0", "Cache-Control": "max-age=5"}
    new = after_304([kept], headers)
    assert new is not None
    assert (new.body, new.status) == (kept.body, 200)
    assert (new.requested_at, new.received_at) == (LATER - 1, LATER)
    assert dict(new.fields) == {
        "etag": '"1"',
        "x": "new",
        "y": "old",
        "content-length": "10",
        "cache-control": "max-age=5",
        "date": date(100),
    }
    assert kept.fields["x"] == "old"


def test_a_304_selects_by_its_strong_tag_4_3_4() -> None:
    german, english = variant(DE, '"de"'), variant(EN, '"en"')
    new = after_304([german, english], {"ETag": '"de"'}, DE)
    assert new is not None
    assert new.body == b'"de"'


def test_a_variant_that_the_origin_chose_is_that_of_the_request_from_now_on_4_1() -> None:
    swiss = request(accept_language="de-CH")
    new = after_304([variant(DE, '"de"'), variant(EN, '"en"')], {"ETag": '"de"'}, swiss)
    assert new is not None
    assert new.vary == (("accept-language", "de-ch"),)


@pytest.mark.parametrize("etag", ['"2"', 'W/"2"'])
def test_a_304_about_something_else_updates_nothing_4_3_4(etag: str) -> None:
    assert after_304([STRONG], {"ETag": etag}) is None
    assert after_304([stored()], {"ETag": etag}) is None
    assert after_304([], {"ETag": etag}) is None


def test_a_strong_tag_does_not_select_a_weak_one_4_3_4() -> None:
    weak = stored({"ETag": 'W/"1"'})
    assert after_304([weak], {"ETag": '"1"'}) is None
    assert after_304([weak], {"ETag": 'W/"1"'}) is not None
    assert after_304([STRONG], {"ETag": 'W/"1"'}) is not None


@pytest.mark.parametrize("etag", [{}, {"ETag": 'W/"1"'}], ids=["without a tag", "weak tag"])
def test_a_strong_tag_leaves_it_to_a_strong_date_to_select_4_3_4(etag: dict[str, str]) -> None:
    kept = stored({**etag, "Last-Modified": date(-1000)})
    new = after_304([kept], {"ETag": '"1"', "Last-Modified": date(-1000), "X": "new"})
    assert new is not None
    assert (new.fields["etag"], new.fields["x"]) == ('"1"', "new")
    assert after_304([kept], {"ETag": '"1"', "Last-Modified": date(-999)}) is None
    assert after_304([kept], {"ETag": '"1"', "Last-Modified": date(-1000), "Date": "?"}) is None
    # RFC 9110 8.8.2.2: two versions may have been made in that second.
    young = stored({**etag, "Last-Modified": date(-9)})
    assert after_304([young], {"ETag": '"1"', "Last-Modified": date(-9)}) is None


def test_no_date_selects_what_another_tag_denies_4_3_4() -> None:
    kept = stored({"ETag": '"1"', "Last-Modified": date(-1000)})
    assert after_304([kept], {"ETag": '"2"', "Last-Modified": date(-1000)}) is None
    german = stored({"Vary": "Accept-Language", "Last-Modified": date(-1000)}, asked=DE)
    headers = {"ETag": '"1"', "Last-Modified": date(-1000)}
    assert after_304([german], headers, DE) is not None
    assert after_304([german], headers, EN) is None


def test_a_strong_tag_confirms_what_has_it_as_a_weak_one_4_3_4() -> None:
    weak = stored({"ETag": 'W/"1"'})
    assert confirmed([weak], request(), (("ETag", '"1"'),)) is weak
    assert confirmed([weak], request(), (("ETag", '"2"'),)) is None
    assert confirmed([weak], request(), ()) is None
    assert confirmed([weak], request("POST"), (("ETag", '"1"'),)) is None


def test_a_weak_tag_selects_the_most_recent_4_3_4() -> None:
    old, new = (stored({"ETag": 'W/"1"', "Date": date(at), "X": str(at)}) for at in (-9, -5))
    chosen = after_304([old, new], {"ETag": 'W/"1"'})
    assert chosen is not None
    assert chosen.fields["x"] == "-5"


def test_a_304_selects_by_its_date_4_3_4() -> None:
    assert after_304([MODIFIED], {"Last-Modified": date(-1000)}) is not None
    assert after_304([MODIFIED], {"Last-Modified": date(-999)}) is None


def test_a_date_does_not_tell_variants_apart_4_3_4() -> None:
    german = stored({"Vary": "Accept-Language", "Last-Modified": date(-9)}, asked=DE)
    assert after_304([german], {"Last-Modified": date(-9)}, DE) is not None
    assert after_304([german], {"Last-Modified": date(-9)}, EN) is None


def test_a_304_without_a_validator_is_about_what_was_asked_4_3_4() -> None:
    assert after_304([STRONG]) is not None
    assert after_304([MODIFIED]) is not None
    assert after_304([variant(DE, '"de"'), variant(EN, '"en"')], asked=DE) is None
    assert after_304([stored()]) is None


def test_a_304_to_the_callers_own_condition_is_about_what_has_it_4_3_2() -> None:
    assert after_304([STRONG], asked=request(if_none_match='"1"')) is not None
    assert after_304([STRONG], asked=request(if_none_match='"2"')) is None
    assert after_304([STRONG], asked=request(if_none_match='"1", "2"')) is None
    assert after_304([STRONG], asked=request(if_modified_since=date())) is None
    assert after_304([MODIFIED], asked=request(if_modified_since=date(-1000))) is not None
    assert after_304([MODIFIED], asked=request(if_modified_since=date())) is None
    # It has none, nor has the answer: there is only that one.
    assert after_304([stored()], asked=request(if_modified_since=date())) is not None


def test_a_304_updates_a_part_that_holds_the_range_4_3_4() -> None:
    wanted = request(range="bytes=2-3")
    new = after_304([part(2, 5)], {"ETag": '"1"', "Content-Range": "bytes 0-0/1"}, wanted)
    assert new is not None
    assert (new.span, new.fields["content-range"]) == ((2, 5, 10), "bytes 2-5/10")
    assert after_304([part(2, 5)], {"ETag": '"1"'}) is None


def after(
    kept: list[Stored], headers: dict[str, str], status: int = 200, **asked: str
) -> tuple[Stored, ...]:
    wanted = request("HEAD", **asked)
    return after_head(kept, wanted, status, tuple(headers.items()), LATER - 1, LATER)


def test_a_head_updates_what_it_confirms_4_3_5() -> None:
    kept = stored({"ETag": '"1"', "Last-Modified": date(-9), "Content-Length": "10"})
    headers = {"ETag": '"1"', "Last-Modified": date(-9), "Content-Length": "10", "X": "new"}
    (new,) = after([kept], headers)
    assert (new.fields["x"], new.received_at, new.body) == ("new", LATER, kept.body)
    assert new.method == "GET"
    (new,) = after([kept], {"X": "new"})
    assert new.fields["x"] == "new"


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"2"'},
        {"ETag": 'W/"1"'},
        {"ETag": '"1"', "Last-Modified": date(-8)},
        {"ETag": '"1"', "Content-Length": "11"},
        {"Cache-Control": "no-store"},
        {"Vary": "*"},
    ],
    ids=str,
)
def test_a_head_drops_what_it_contradicts_4_3_5(headers: dict[str, str]) -> None:
    kept = stored({"ETag": '"1"', "Last-Modified": date(-9), "Content-Length": "10"})
    assert after([kept], headers) == ()


def test_the_length_of_the_whole_counts_4_3_5() -> None:
    assert after([stored()], {"Content-Length": "10"})
    assert not after([stored()], {"Content-Length": "9"})
    assert after([part(2, 5)], {"Content-Length": "10"})
    assert not after([part(2, 5)], {"Content-Length": "4"})
    assert after([part(2, 5, "*")], {"Content-Length": "4"})
    # The stored body is decoded: what it was on the way is not known.
    assert after([stored({"Content-Encoding": "gzip"})], {"Content-Length": "4"})


@pytest.mark.parametrize("status", [204, 304, 404, 500])
def test_only_a_200_to_head_counts_4_3_5(status: int) -> None:
    assert after([STRONG], {"ETag": '"2"'}, status) == (STRONG,)


def test_other_variants_and_answers_to_head_are_left_alone_4_3_5() -> None:
    german, head = variant(DE, '"de"'), stored(asked=request("HEAD"))
    assert after([german, head], {"ETag": '"2"'}, accept_language="en") == (german, head)
    assert after([stored(status=404)], {}) == ()


def test_a_head_that_must_not_be_stored_updates_nothing_5_2_1_5() -> None:
    assert after([STRONG], {"X": "new"}, cache_control="no-store") == (STRONG,)
    assert after([STRONG], {"ETag": '"2"'}, cache_control="no-store") == ()
