"""RFC 9111 4.2: how long an answer is fresh, and how old it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.http.caching.freshness import (
    age_of,
    explicit_lifetime,
    fresh_until,
    is_fresh,
    remaining,
)
from resilient.http.caching.messages import Defaults, fields_of
from tests.http.caching.made import NOON, SILENT, date, stored

DAY = 86_400.0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Cache-Control": "max-age=60"}, 60),
        ({"Cache-Control": 'max-age="60"'}, 60),
        ({"Cache-Control": "max-age=60", "Expires": date(5)}, 60),
        ({"Cache-Control": "max-age=soon", "Expires": date(5)}, 0),
        ({"Cache-Control": "max-age=-1"}, 0),
        ({"Cache-Control": "max-age"}, 0),
        ({"Cache-Control": "max-age=99999999999"}, 2**31),
        ({"Expires": date(60), "Date": date()}, 60),
        ({"Expires": date(60), "Date": date(20)}, 40),
        ({"Expires": date(-60), "Date": date()}, 0),
        ({"Expires": date(60)}, 60),
        ({"Expires": date(60), "Date": "yesterday"}, 60),
        *[({"Expires": bad}, 0) for bad in ("0", "-1", "", "soon", date(60).replace("GMT", "PST"))],
        ({"Expires": date(60).upper(), "Date": date().lower()}, 60),
        ({"Expires": f"{date(60)}, {date(90)}"}, 0),
    ],
    ids=str,
)
def test_what_the_answer_says_counts_4_2_1(headers: dict[str, str], expected: float | None) -> None:
    assert explicit_lifetime(fields_of(headers.items()), NOON) == expected


def test_s_maxage_is_for_shared_caches_5_2_2_10() -> None:
    assert explicit_lifetime({"cache-control": "s-maxage=60, max-age=5"}, NOON) == 5
    assert explicit_lifetime({"cache-control": "s-maxage=60"}, NOON) is None


def test_immutable_does_not_make_fresh_8246_2() -> None:
    kept = stored({"Cache-Control": "max-age=60, immutable"})
    assert is_fresh(kept, NOON + 59, SILENT)
    assert not is_fresh(kept, NOON + 60, SILENT)
    assert not is_fresh(stored({"Cache-Control": "immutable"}), NOON, SILENT)


def test_freshness_ends_when_the_age_is_the_lifetime_4_2() -> None:
    kept = stored({"Cache-Control": "max-age=60"})
    assert is_fresh(kept, NOON + 59.9, SILENT)
    assert not is_fresh(kept, NOON + 60, SILENT)
    assert fresh_until(kept, NOON + 10, SILENT) == NOON + 60


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ("20", 20),
        ("20, 50", 20),
        (" 20 ", 20),
        ("007", 7),
        ("0", 0),
        ("9" * 30, 2**31),
        *[(bad, 0) for bad in ("", "old", "-20", "2.5", "+20", "20s", '"20"', "1e3", "old, 20")],
    ],
)
def test_the_age_it_came_with_counts_5_1(age: str, expected: float) -> None:
    assert age_of(stored({"Age": age}), NOON) == expected


def test_several_age_lines_count_as_a_list_5_1() -> None:
    assert age_of(stored([("Age", "20"), ("Age", "50")]), NOON) == 20


def test_the_way_here_counts_as_age_4_2_3() -> None:
    assert age_of(stored({"Age": "20"}, took=3), NOON) == 23
    assert age_of(stored(took=3), NOON) == 3


def test_a_date_in_the_past_counts_as_age_4_2_3() -> None:
    assert age_of(stored({"Date": date(-100)}), NOON) == 100
    assert age_of(stored({"Date": date(-100), "Age": "120"}), NOON) == 120
    assert age_of(stored({"Date": date(-100), "Age": "20"}, took=3), NOON) == 100
    assert age_of(stored({"Date": date(+100)}), NOON) == 0


def test_what_date_leaves_out_of_its_second_is_no_age_4_2_3() -> None:
    assert age_of(stored({"Date": date()}, at=NOON + 0.9), NOON + 0.9) == 0
    assert age_of(stored({"Date": date()}, at=NOON + 1.1), NOON + 1.1) == 1


@pytest.mark.parametrize("sent", ["", "yesterday", "0"])
def test_without_a_date_it_is_as_old_as_its_receipt_4_2_3(sent: str) -> None:
    assert age_of(stored({"Date": sent} if sent else {}), NOON) == 0


def test_time_in_the_store_counts_as_age_4_2_3() -> None:
    assert age_of(stored({"Age": "20"}), NOON + 30) == 50


def test_a_clock_that_was_set_back_makes_nothing_younger_4_2_3() -> None:
    assert age_of(stored({"Age": "20"}, took=-5), NOON - 3600) == 20


def test_freshness_is_estimated_from_the_last_modification_4_2_2() -> None:
    kept = stored({"Last-Modified": date(-1000)})
    assert remaining(kept, NOON, SILENT) == 100
    assert remaining(stored({"Last-Modified": date(-1000), "Age": "30"}), NOON, SILENT) == 70


def test_an_estimate_has_a_bound_4_2_2() -> None:
    kept = stored({"Last-Modified": date(-1000 * DAY)})
    assert remaining(kept, NOON, SILENT) == DAY


@pytest.mark.parametrize("bad", ["", "soon", date(500)])
def test_a_last_modification_that_makes_no_sense_estimates_nothing_4_2_2(bad: str) -> None:
    assert not is_fresh(stored({"Last-Modified": bad}), NOON, SILENT)


@pytest.mark.parametrize("says", [{"Cache-Control": "max-age=0"}, {"Expires": "0"}], ids=str)
def test_nothing_is_estimated_where_the_answer_says_4_2_2(says: dict[str, str]) -> None:
    kept = stored({"Last-Modified": date(-1000), **says})
    assert not is_fresh(kept, NOON, Defaults(ttl=60))


def test_only_some_statuses_are_estimated_4_2_2() -> None:
    modified = {"Last-Modified": date(-1000)}
    for status in (200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501):
        assert is_fresh(stored(modified, status=status), NOON, SILENT), status
    for status in (201, 202, 302, 303, 307, 400, 403, 500, 503, 299, 599):
        assert not is_fresh(stored(modified, status=status), NOON, SILENT), status
        assert not is_fresh(stored(status=status), NOON, Defaults(ttl=60)), status
        public = {**modified, "Cache-Control": "public"}
        assert is_fresh(stored(public, status=status), NOON, SILENT), status


def test_no_information_is_no_freshness_4_2() -> None:
    assert not is_fresh(stored(), NOON, SILENT)
    assert not is_fresh(stored({"ETag": '"1"'}), NOON, SILENT)


def test_the_configured_lifetime_is_for_answers_that_are_silent_4_2_2() -> None:
    defaults = Defaults(ttl=60)
    assert remaining(stored(), NOON + 10, defaults) == 50
    assert remaining(stored({"Last-Modified": date(-DAY)}), NOON + 10, defaults) == 50
    assert remaining(stored({"Cache-Control": "max-age=5"}), NOON, defaults) == 5
    # Wherever it came from, it was got now.
    assert remaining(stored({"Date": date(-DAY), "Age": "100"}), NOON + 10, defaults) == 50


def test_pragma_alone_keeps_from_estimating_5_4() -> None:
    modified = {"Last-Modified": date(-1000), "Pragma": "no-cache"}
    assert not is_fresh(stored(modified), NOON, SILENT)
    assert not is_fresh(stored({"Pragma": "no-cache"}), NOON, Defaults(ttl=60))
    assert is_fresh(stored({**modified, "Cache-Control": "private"}), NOON, SILENT)
    assert is_fresh(stored({"Pragma": "no-cache", "Expires": date(60)}), NOON, SILENT)


def test_headers_can_be_left_out_of_it() -> None:
    defaults = Defaults(ttl=60, respect_headers=False)
    kept = stored({"Cache-Control": "max-age=5, no-cache", "Age": "100", "Expires": "0"})
    assert remaining(kept, NOON + 10, defaults) == 50
    without = Defaults(respect_headers=False)
    assert not is_fresh(stored({"Cache-Control": "max-age=5"}), NOON, without)
    assert not is_fresh(stored({"Last-Modified": date(-1000)}), NOON, without)


FIELD = st.text() | st.sampled_from([date(), date(60), "0", "60", "max-age=60", "no-cache"])


@given(
    st.dictionaries(
        st.sampled_from(["Cache-Control", "Expires", "Date", "Age", "Last-Modified", "Pragma"]),
        FIELD,
    ),
    st.integers(200, 599),
    st.floats(-1e12, 1e12),
)
def test_no_answer_is_too_odd(headers: dict[str, str], status: int, later: float) -> None:
    kept = stored(headers, status=299 if status in {206, 304} else status)
    assert age_of(kept, NOON + later) >= 0
    remaining(kept, NOON + later, SILENT)
    remaining(kept, NOON + later, Defaults(ttl=5))
