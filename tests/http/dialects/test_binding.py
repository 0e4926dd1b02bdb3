"""Which quota binds, and which belong together."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from resilient.http.dialects.binding import apply, ranked, settle
from resilient.http.dialects.windows import Row


def named(*rows: Row) -> list[str]:
    return [row.name for row in ranked(list(rows))]


def of_family(family: str, row: Row) -> Row:
    row.family = family
    return row


def with_key(key: str, row: Row) -> Row:
    row.key = key
    return row


def test_of_those_with_none_left_the_one_that_resets_last_binds() -> None:
    rows = [Row("soon", 5, 0, 1), Row("late", 5, 0, 9), Row("unknown", 5, 0), Row("some", 5, 1, 99)]
    assert named(*rows) == ["late", "soon", "unknown", "some"]


def test_else_the_one_with_the_smallest_part_of_its_limit_left_binds() -> None:
    rows = [Row("half", 10, 5), Row("tenth", 1000, 100), Row("policy", 3), Row("period", period=1)]
    assert named(*rows) == ["tenth", "half", "policy", "period"]


def test_without_limits_the_one_with_the_least_left_binds() -> None:
    assert named(Row("a", None, 4995), Row("b", None, 58), Row("c", None, 995)) == ["b", "c", "a"]
    assert named(Row("plenty", None, 5000), Row("half", 10, 5)) == ["half", "plenty"]


def test_what_two_dialects_say_of_one_quota_is_one_window() -> None:
    [row] = ranked([Row("", 5, 0, 46), Row("minute", 5, 0, None, 60)])
    assert tuple(row.window())[:5] == ("minute", 5, 0, 46, 60)


def test_what_can_not_be_one_quota_is_not_joined() -> None:
    assert len(ranked([Row("", 5, 1, 46), Row("second", 5, 1, None, 1)])) == 2
    assert len(ranked([Row("a", 5, 1), Row("b", 5, 1)])) == 2
    assert len(ranked([Row("", 5, 1, 10), Row("", 5, 1, 20)])) == 2
    assert len(ranked([Row("", 5, 1, None, 10), Row("", 5, 1, None, 20)])) == 2
    assert len(ranked([Row("", None, 1), Row("", None, 1)])) == 2


def test_a_lone_reset_is_that_of_the_exhausted_or_only_bucket_of_its_family() -> None:
    lone: Callable[[], Row] = lambda: of_family("f", Row("f", reset=9))  # noqa: E731
    one, other = of_family("f", Row("a", 5, 0)), of_family("f", Row("b", 5, 3))
    assert [(row.name, row.reset) for row in ranked([one, lone(), other])] == [
        ("a", 9),
        ("b", None),
    ]
    only = of_family("f", Row("a", 5, 3))
    assert [(row.name, row.reset) for row in ranked([lone(), only])] == [("a", 9)]
    pair = [of_family("f", Row(name, 5, 3)) for name in "ab"]
    assert len(ranked([lone(), *pair])) == 3
    stranger = of_family("g", Row("a", 5, 0))
    assert len(ranked([lone(), stranger])) == 2


def test_a_policy_completes_the_window_of_its_name_or_limit() -> None:
    rows = [Row("default", None, 50, 30), Row("", 100, 7)]
    apply(Row("default", 80, period=60), rows)
    apply(Row("", 100, period=10), rows)
    assert [(row.limit, row.period) for row in rows] == [(80, 60), (100, 10)]


def test_a_policy_that_nothing_is_known_of_stands_for_itself_once() -> None:
    rows = [Row("default", None, 50)]
    for _ in range(2):
        apply(Row("burst", 100, period=60), rows)
    assert [(row.name, row.limit, row.period) for row in rows] == [
        ("default", None, None),
        ("burst", 100, 60),
    ]


def test_a_policy_of_another_partition_is_another_quota() -> None:
    rows = [with_key("one", Row("u", None, 5))]
    apply(with_key("other", Row("u", 10, period=60)), rows)
    apply(with_key("one", Row("u", 20, period=60)), rows)
    assert [(row.limit, row.remaining) for row in rows] == [(20, 5), (10, None)]


def test_only_a_bare_reset_can_be_milliseconds() -> None:
    bare, spelled = Row("", 5, 0, 60000, 60), Row("", 5, 0, 60000, 60)
    bare.bare = True
    settle([bare, spelled], None, in_milliseconds=False)
    assert (bare.reset, spelled.reset) == (60, 60000)


@given(
    st.lists(
        st.builds(
            Row,
            st.sampled_from(["", "a", "b"]),
            *[st.none() | st.integers(0, 3).map(float)] * 4,
        ),
        max_size=8,
    )
)
def test_joining_loses_no_exhausted_quota(rows: list[Row]) -> None:
    exhausted = any(row.remaining == 0 for row in rows)
    joined = ranked(rows)
    assert bool(joined) == bool(rows)
    assert (joined[0].remaining == 0 if joined else False) == exhausted
