"""RFC 9111 4, 5.2 and RFC 5861: when a stored answer is used, and when the origin is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.http.caching.messages import Defaults, Stored
from resilient.http.caching.reusing import Decision, Kind, decide, may_stand_in
from tests.http.caching.made import NOON, SILENT, date, part, request, stored

FRESH, STALE_OK, BEHIND = Kind.FRESH, Kind.STALE_OK, Kind.BEHIND
VALIDATE, MISS, UNSATISFIABLE = Kind.VALIDATE, Kind.MISS, Kind.UNSATISFIABLE


def decided(
    control: str, asked: str = "", after: float = 0.0, defaults: Defaults = SILENT, **more: str
) -> Kind:
    """What to do `after` seconds; control and asked: Cache-Control of answer and request."""
    headers = {"Cache-Control": control, **{n.replace("_", "-"): more[n] for n in more}}
    wanted = request(cache_control=asked) if asked else request()
    return decide(wanted, [stored(headers)], NOON + after, defaults).kind


def stands_in(
    control: str,
    asked: str = "",
    after: float = 0.0,
    defaults: Defaults = SILENT,
    disconnected: bool = False,
) -> bool:
    wanted = request(cache_control=asked) if asked else request()
    kept = stored({"Cache-Control": control})
    return may_stand_in(wanted, kept, NOON + after, defaults, disconnected=disconnected)


@pytest.mark.parametrize("disconnected", [True, False])
@pytest.mark.parametrize(
    ("status", "helps"), [(200, True), (404, True), (500, False), (503, False)]
)
def test_a_stored_failure_stands_in_for_none_5861_4(
    status: int, helps: bool, disconnected: bool
) -> None:
    kept = stored({"Cache-Control": "max-age=60, stale-if-error=60"}, status=status)
    may = may_stand_in(request(), kept, NOON + 90, SILENT, disconnected=disconnected)
    assert may is helps
    assert decide(request(), [kept], NOON + 30, SILENT).kind is FRESH


def test_what_is_fresh_is_used_4() -> None:
    kept = stored({"Cache-Control": "max-age=60"})
    assert decide(request(), [kept], NOON + 59, SILENT) == Decision(FRESH, kept)
    assert decide(request("HEAD"), [kept], NOON + 59, SILENT) == Decision(FRESH, kept)


def test_what_is_stale_is_validated_4_2_4() -> None:
    kept = stored({"Cache-Control": "max-age=60"})
    assert decide(request(), [kept], NOON + 60, SILENT) == Decision(VALIDATE, kept)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "FOO"])
def test_other_methods_are_for_the_origin_4(method: str) -> None:
    kept = stored({"Cache-Control": "max-age=60"})
    assert decide(request(method), [kept], NOON, SILENT) == Decision(MISS, None)


def test_nothing_stored_is_a_miss_4() -> None:
    assert decide(request(), [], NOON, SILENT) == Decision(MISS, None)
    varies = stored({"Cache-Control": "max-age=60", "Vary": "X"}, asked=request(x="1"))
    assert decide(request(x="2"), [varies], NOON, SILENT) == Decision(MISS, None)


def test_no_cache_is_validated_though_it_is_fresh_5_2_2_4() -> None:
    assert decided("no-cache, max-age=60") is VALIDATE
    assert decided("max-age=60", ext="no-cache") is FRESH
    assert decided('no-cache="x", max-age=60') is FRESH


def test_must_revalidate_counts_only_when_stale_5_2_2_2() -> None:
    assert decided("max-age=60, must-revalidate", after=59) is FRESH
    assert decided("max-age=60, must-revalidate", after=60) is VALIDATE
    assert decided("max-age=60, must-revalidate", "max-stale", after=61) is VALIDATE
    assert decided("max-age=60, must-revalidate, stale-while-revalidate=60", after=61) is VALIDATE


@pytest.mark.parametrize("name", ["proxy-revalidate", "s-maxage=0"])
def test_directives_for_shared_caches_do_not_count_5_2_2(name: str) -> None:
    assert decided(f"max-age=60, {name}") is FRESH
    assert decided(f"max-age=60, {name}", "max-stale=5", after=61) is STALE_OK


def test_immutable_is_validated_when_stale_or_when_asked_for_8246_2() -> None:
    assert decided("max-age=60, immutable", after=61) is VALIDATE
    assert decided("max-age=60, immutable", "no-cache") is VALIDATE


def test_a_request_can_have_it_validated_5_2_1_4() -> None:
    assert decided("max-age=60", "no-cache") is VALIDATE
    assert decided("max-age=60", "max-stale, NO-CACHE") is VALIDATE


def test_pragma_no_cache_has_it_validated_5_4() -> None:
    kept = stored({"Cache-Control": "max-age=60"})
    assert decide(request(pragma="no-cache"), [kept], NOON, SILENT).kind is VALIDATE


@pytest.mark.parametrize(
    ("asked", "after", "expected"),
    [
        ("max-age=30", 29, FRESH),
        ("max-age=30", 30, FRESH),
        ("max-age=30", 31, VALIDATE),
        ('max-age="30"', 31, VALIDATE),
        ("max-age=0", 0, VALIDATE),
        ("max-age=soon", 0, VALIDATE),
        ("max-age=90", 61, VALIDATE),
        ("max-age=90, max-stale=5", 61, STALE_OK),
        ("max-age=30, max-stale", 31, VALIDATE),
    ],
)
def test_a_request_can_bound_the_age_5_2_1_1(asked: str, after: float, expected: Kind) -> None:
    assert decided("max-age=60", asked, after) is expected


def test_the_age_it_came_with_counts_for_that_5_2_1_1() -> None:
    assert decided("max-age=60", "max-age=30", Age="31") is VALIDATE
    assert decided("max-age=60", "max-age=30", Date=date(-31)) is VALIDATE


@pytest.mark.parametrize(
    ("asked", "after", "expected"),
    [
        ("min-fresh=20", 40, FRESH),
        ("min-fresh=20", 41, VALIDATE),
        ("min-fresh=20, max-stale", 41, VALIDATE),
        ("min-fresh=soon", 59, FRESH),
        ("min-fresh=0", 61, VALIDATE),
    ],
)
def test_a_request_can_have_it_fresh_for_longer_5_2_1_3(
    asked: str, after: float, expected: Kind
) -> None:
    assert decided("max-age=60", asked, after) is expected


@pytest.mark.parametrize(
    ("asked", "after", "expected"),
    [
        ("max-stale=20", 59, FRESH),
        ("max-stale=20", 80, STALE_OK),
        ("max-stale=20", 81, VALIDATE),
        ("max-stale", 1e9, STALE_OK),
        ("max-stale=soon", 61, VALIDATE),
        ("max-stale=0", 61, VALIDATE),
    ],
)
def test_a_request_can_accept_it_stale_5_2_1_2(asked: str, after: float, expected: Kind) -> None:
    assert decided("max-age=60", asked, after) is expected


def test_max_stale_does_not_undo_no_cache_5_2_2_4() -> None:
    assert decided("max-age=60, no-cache", "max-stale", after=61) is VALIDATE


def test_a_request_that_must_not_be_stored_is_answered_from_the_store_5_2_1_5() -> None:
    assert decided("max-age=60", "no-store") is FRESH


def test_only_if_cached_never_asks_the_origin_5_2_1_7() -> None:
    assert decided("max-age=60", "only-if-cached") is FRESH
    assert decided("max-age=60", "only-if-cached", after=61) is UNSATISFIABLE
    assert decided("max-age=60", "only-if-cached, max-stale", after=61) is STALE_OK
    assert decided("max-age=60", "only-if-cached, no-cache") is UNSATISFIABLE
    wanted = request(cache_control="only-if-cached")
    assert decide(wanted, [], NOON, SILENT).kind is UNSATISFIABLE
    swr = "max-age=60, stale-while-revalidate=60"
    assert decided(swr, "only-if-cached", after=61) is STALE_OK


def test_stale_while_revalidate_answers_first_5861_3() -> None:
    control = "max-age=60, stale-while-revalidate=30"
    assert decided(control, after=59) is FRESH
    assert decided(control, after=61) is BEHIND
    assert decided(control, after=89) is BEHIND
    assert decided(control, after=90) is VALIDATE
    assert decided("max-age=60, stale-while-revalidate=soon", after=61) is VALIDATE
    assert decided("max-age=60, no-cache, stale-while-revalidate=30", after=61) is VALIDATE


def test_a_caller_who_bounds_the_age_gets_nothing_stale_5_2_1_1() -> None:
    control = "max-age=60, stale-while-revalidate=30"
    assert decided(control, "max-age=90", after=61) is VALIDATE
    assert decided(control, "min-fresh=1", after=61) is VALIDATE


def test_the_decorator_counts_where_the_answer_is_silent() -> None:
    defaults = Defaults(stale_while_revalidate=30)
    assert decided("max-age=60", after=61, defaults=defaults) is BEHIND
    assert decided("max-age=60", after=91, defaults=defaults) is VALIDATE
    said = "max-age=60, stale-while-revalidate=0"
    assert decided(said, after=61, defaults=defaults) is VALIDATE
    assert decided("max-age=60, must-revalidate", after=61, defaults=defaults) is VALIDATE
    assert decided("", after=59, defaults=Defaults(ttl=60)) is FRESH


def test_headers_can_be_left_out_of_it() -> None:
    defaults = Defaults(ttl=60, respect_headers=False)
    assert decided("no-cache, max-age=5", after=59, defaults=defaults) is FRESH
    assert decided("max-age=600", after=61, defaults=defaults) is VALIDATE
    assert decided("", "no-cache", defaults=defaults) is VALIDATE


@pytest.mark.parametrize("name", ["if_match", "if_unmodified_since"])
def test_conditions_that_only_the_origin_knows_go_there_4_3_2(name: str) -> None:
    kept = stored({"Cache-Control": "max-age=60", "ETag": '"1"'})
    assert decide(request(**{name: '"1"'}), [kept], NOON, SILENT) == Decision(MISS, None)


def test_a_part_answers_only_what_it_holds_3_3() -> None:
    kept = [part(2, 5)]
    assert decide(request(), kept, NOON, SILENT).kind is MISS
    assert decide(request("HEAD"), kept, NOON, SILENT).kind is MISS
    assert decide(request(range="bytes=2-5"), kept, NOON, SILENT).kind is FRESH
    assert decide(request(range="bytes=2-5"), kept, NOON + 61, SILENT).kind is VALIDATE
    assert decide(request(range="bytes=2-6"), kept, NOON, SILENT).kind is MISS


def test_one_that_can_answer_is_preferred_to_a_later_one_that_cannot_4() -> None:
    whole = stored({"Cache-Control": "max-age=60", "Date": date(-5)})
    assert decide(request(), [part(2, 5), whole], NOON, SILENT).stored is whole


def test_stale_if_error_stands_in_5861_4() -> None:
    control = "max-age=60, stale-if-error=30"
    assert stands_in(control, after=90)
    assert not stands_in(control, after=91)
    assert not stands_in(control, after=91, disconnected=True)
    assert not stands_in("max-age=60, stale-if-error=soon", after=61)


def test_without_it_an_error_is_passed_on_5861_4() -> None:
    assert not stands_in("max-age=60", after=61)
    assert stands_in("max-age=60", after=61, defaults=Defaults(stale_if_error=30))
    assert not stands_in("max-age=60", after=91, defaults=Defaults(stale_if_error=30))
    said = "max-age=60, stale-if-error=0"
    assert not stands_in(said, after=61, defaults=Defaults(stale_if_error=30))


def test_a_request_can_ask_for_it_5861_4() -> None:
    assert stands_in("max-age=60", "stale-if-error=30", after=61)
    assert not stands_in("max-age=60", "stale-if-error=30", after=91)
    assert stands_in("max-age=60", "stale-if-error=30, max-age=5", after=61)
    assert not stands_in("max-age=60, must-revalidate", "stale-if-error=30", after=61)


def test_without_a_connection_it_stands_in_for_a_day_4_2_4() -> None:
    assert stands_in("max-age=60", after=61, disconnected=True)
    assert stands_in("max-age=60", after=86_400, disconnected=True)
    assert not stands_in("max-age=60", after=90_000, disconnected=True)
    none = Defaults(stale_if_error=0)
    assert not stands_in("max-age=60", after=61, defaults=none, disconnected=True)


@pytest.mark.parametrize("control", ["max-age=60, must-revalidate", "max-age=60, no-cache"])
@pytest.mark.parametrize("disconnected", [False, True])
def test_it_never_stands_in_where_that_is_forbidden_4_2_4(control: str, disconnected: bool) -> None:
    control += ", stale-if-error=600"
    assert not stands_in(control, after=61, disconnected=disconnected)


@pytest.mark.parametrize("asked", ["no-cache", "max-age=0", "max-age=90", "min-fresh=5"])
def test_a_caller_who_wants_it_fresh_gets_no_stale_one_5_2_1(asked: str) -> None:
    assert not stands_in("max-age=60, stale-if-error=600", asked, after=61, disconnected=True)


def test_what_is_fresh_stands_in_where_it_would_have_been_used() -> None:
    assert stands_in("max-age=60, must-revalidate", after=10)
    assert not stands_in("max-age=60", "no-cache", after=10)
    assert not stands_in("max-age=60, no-cache", after=10)
    assert not stands_in("max-age=60", "max-age=5", after=10)
    assert stands_in("max-age=60", "max-age=5, stale-if-error=60", after=10)


TEXT = st.text() | st.lists(
    st.sampled_from(
        ["max-age=60", "max-age=x", "no-cache", "must-revalidate", "max-stale", "min-fresh=5"]
        + ["stale-if-error=5", "stale-while-revalidate=9", "only-if-cached", "no-store"]
    )
).map(", ".join)


@given(TEXT, TEXT, st.floats(0, 200))
def test_what_forbids_stale_use_is_never_overruled(control: str, asked: str, after: float) -> None:
    kept: Stored = stored({"Cache-Control": control})
    wanted = request(cache_control=asked)
    kind = decide(wanted, [kept], NOON + after, SILENT).kind
    if kind in {STALE_OK, BEHIND}:
        assert "must-revalidate" not in control.split(", ")
        assert "no-cache" not in control.split(", ") + asked.split(", ")
    may_stand_in(wanted, kept, NOON + after, SILENT, disconnected=True)
