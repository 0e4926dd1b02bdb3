"""RFC 9111 4.1: which of several stored answers a request means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.http.caching.selecting import matches, matching, put, vary_of
from tests.http.caching.made import date, part, request, stored

DE, EN = request(accept_language="de"), request(accept_language="en")
BY_LANGUAGE = {"Vary": "Accept-Language", "Cache-Control": "max-age=60"}


def test_without_vary_any_request_matches_4_1() -> None:
    assert matches(EN, stored({}, asked=DE))
    assert matches(EN, stored({"Vary": ""}, asked=DE))
    assert matches(EN, stored({"Vary": " , "}, asked=DE))


def test_the_nominated_fields_have_to_match_4_1() -> None:
    kept = stored(BY_LANGUAGE, asked=DE)
    assert matches(DE, kept)
    assert matches(request(accept_language="de", accept="x"), kept)
    assert not matches(EN, kept)
    assert not matches(request(), kept)


def test_a_field_that_was_absent_has_to_be_absent_4_1() -> None:
    kept = stored(BY_LANGUAGE, asked=request())
    assert matches(request(), kept)
    assert not matches(DE, kept)
    assert not matches(request(accept_language=""), kept)


@pytest.mark.parametrize("vary", ["A,B", "b , a", "B, ,A,,", "a, B, A"])
def test_all_nominated_fields_count_in_any_spelling_4_1(vary: str) -> None:
    kept = stored({"Vary": vary}, asked=request(a="1", b="2"))
    assert matches(request(A="1", B="2"), kept)
    assert not matches(request(a="1", b="3"), kept)
    assert not matches(request(a="1"), kept)


def test_several_vary_lines_count_4_1() -> None:
    kept = stored([("Vary", "a"), ("vary", "b")], asked=request(a="1", b="2"))
    assert not matches(request(a="1"), kept)


@pytest.mark.parametrize("vary", ["*", "a, *", "*,a", "a,*,b"])
def test_a_star_anywhere_never_matches_4_1(vary: str) -> None:
    assert vary_of({}, {"vary": vary}) is None


@pytest.mark.parametrize("vary", ["a b", "a;b", "a; b,", "a\r\n b"])
def test_names_with_something_else_for_a_comma_count_4_1(vary: str) -> None:
    kept = stored({"Vary": vary}, asked=request(a="1", b="2"))
    assert matches(request(a="1", b="2"), kept)
    assert not matches(request(a="1", b="3"), kept)
    assert not matches(request(a="2", b="2"), kept)


@pytest.mark.parametrize("vary", ['"a"', "a:", "a=1", "(a)", "a, b/c", "\xe4"])
def test_a_name_that_is_none_may_be_any_4_1(vary: str) -> None:
    assert vary_of({}, {"vary": vary}) is None


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("x", "1, 2", " 1,2 "),
        ("x", "1, 2", "1 ,\t2"),
        ("accept-language", "de, EN;q=0.5", "DE,en; q=0.5"),
        ("accept-encoding", "gzip, br", "BR,gzip"),
        ("accept-charset", "utf-8, latin-1", "latin-1, UTF-8"),
        ("accept", "a/b;q=1, c/d", "a/b ; q=1,c/d"),
    ],
)
def test_spelling_that_says_nothing_does_not_count_4_1(name: str, one: str, other: str) -> None:
    assert vary_of({name: one}, {"vary": name}) == vary_of({name: other}, {"vary": name})


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("x", "1, 2", "2, 1"),
        ("x", "a", "A"),
        ("x", "1", "1,"),
        ("x", '"a, b"', '"a,b"'),
        ("accept-language", "de, en", "en, de"),
        ("accept", "a/b, c/d", "c/d, a/b"),
        ("accept-encoding", "gzip", "gzip, br"),
        ("authorization", "a, b", "a,b"),
        ("cookie", "a=1, 2", "a=1,2"),
    ],
)
def test_spelling_that_may_say_something_counts_4_1(name: str, one: str, other: str) -> None:
    assert vary_of({name: one}, {"vary": name}) != vary_of({name: other}, {"vary": name})


@pytest.mark.parametrize("name", ["cookie", "authorization", "x-api-key", "x-anything"])
def test_what_may_be_secret_is_not_kept_in_clear(name: str) -> None:
    kept = stored({"Vary": name}, asked=request(**{name: "hunter2"}))
    assert "hunter2" not in str(kept.plain())


def test_the_most_recent_by_its_date_is_preferred_4() -> None:
    late, early = stored({"Date": date(5)}), stored({"Date": date(-5)})
    assert matching(request(), [early, late]) == matching(request(), [late, early]) == [late, early]


def test_one_with_vary_is_preferred_to_one_that_lacks_it_4_1() -> None:
    varies = stored({**BY_LANGUAGE, "Date": date(-5)}, asked=DE)
    lacks = stored({"Date": date(5)})
    assert matching(DE, [lacks, varies])[0] is varies
    assert matching(EN, [lacks, varies]) == [lacks]


def test_head_is_served_by_get_and_not_the_other_way_round_4() -> None:
    head = request("HEAD")
    assert matches(head, stored())
    assert matches(head, stored(asked=head))
    assert not matches(request(), stored(asked=head))


def test_a_new_answer_replaces_what_its_request_would_have_chosen() -> None:
    german, english = stored(BY_LANGUAGE, asked=DE), stored(BY_LANGUAGE, asked=EN)
    newer = stored(BY_LANGUAGE, asked=DE, body=b"new")
    assert put((german, english), DE, newer) == (newer, english)
    assert put((), DE, newer) == (newer,)


def test_an_answer_that_varies_no_longer_replaces_its_own_variant() -> None:
    german, english = stored(BY_LANGUAGE, asked=DE), stored(BY_LANGUAGE, asked=EN)
    newer = stored({"Cache-Control": "max-age=60"}, body=b"new")
    assert put((german, english), DE, newer) == (newer, english)


def test_the_answer_to_head_replaces_no_get() -> None:
    head = request("HEAD")
    got, kept = stored(), stored(asked=head)
    assert put((got, stored(asked=head)), head, kept) == (kept, got)
    assert put((kept,), request(), got) == (got,)


def test_a_post_that_is_its_own_get_replaces_it_9110_9_3_3() -> None:
    got = stored(BY_LANGUAGE, asked=DE)
    post = DE._replace(method="POST")
    posted = stored({**BY_LANGUAGE, "Content-Location": "items"}, asked=post)
    assert put((got,), post, posted) == (posted,)
    assert matches(DE, posted)


def test_variants_have_a_bound() -> None:
    kept: tuple[object, ...] = ()
    for number in range(200):
        asked = request(accept_language=f"x-{number}")
        kept = put(kept, asked, stored(BY_LANGUAGE, asked=asked))  # type: ignore[arg-type]
    assert len(kept) == 64
    assert matches(request(accept_language="x-199"), kept[0])  # type: ignore[arg-type]


def test_a_part_is_put_to_its_neighbor_3_4() -> None:
    (both,) = put((part(0, 2),), request(), part(3, 5))
    assert (both.span, both.body) == ((0, 5, 10), b"012345")


def test_a_part_of_something_else_replaces_it_3_4() -> None:
    other = part(3, 5, ETag='"2"')
    assert put((part(0, 2),), request(), other) == (other,)
    whole = stored({"ETag": '"1"'})
    assert put((whole,), request(), other) == (other,)


def test_a_newer_part_confirms_the_whole_3_4() -> None:
    whole = stored({"ETag": '"1"', "Cache-Control": "max-age=5"})
    (kept,) = put((whole,), request(), part(3, 5))
    assert (kept.status, kept.span, kept.body) == (200, None, whole.body)
    assert kept.fields["cache-control"] == "max-age=60"


def test_variants_that_are_the_same_representation_are_refreshed_together_4_3_4() -> None:
    headers = {**BY_LANGUAGE, "ETag": '"1"'}
    german, english = stored(headers, asked=DE), stored(headers, asked=EN)
    newer = stored({**headers, "X": "new"}, asked=DE, at=german.received_at + 60)
    _, also = put((german, english), DE, newer)
    assert (also.fields["x"], also.received_at) == ("new", newer.received_at)
    assert matches(EN, also)


@pytest.mark.parametrize(
    "other",
    [{"ETag": 'W/"1"'}, {"ETag": '"2"'}, {}, {"ETag": '"1"', "Vary": "Accept-Language, X"}],
    ids=str,
)
def test_other_representations_are_left_alone_4_3_4(other: dict[str, str]) -> None:
    english = stored({**BY_LANGUAGE, **other}, asked=EN)
    newer = stored({**BY_LANGUAGE, "ETag": other.get("ETag", ""), "X": "1"}, asked=DE, body=b"2")
    assert put((english,), DE, newer)[1] is english


@given(st.text(), st.text())
def test_no_vary_and_no_value_is_too_odd(vary: str, value: str) -> None:
    first = vary_of({vary.lower(): value, "accept": value}, {"vary": vary + ", accept"})
    assert first == vary_of({vary.lower(): value, "accept": value}, {"vary": vary + ", accept"})
