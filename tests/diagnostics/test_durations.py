from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from resilient.diagnostics.durations import seconds_of, spoken
from resilient.errors import ConfigurationError


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("5m", 300),
        ("90s", 90),
        ("1h 30m", 5400),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("2 days", 172_800),
        ("1.5 min", 90),
        (2, 2),
        (0.25, 0.25),
        (timedelta(minutes=2), 120),
    ],
    ids=str,
)
def test_times_are_read_as_people_write_them(written: Any, seconds: float) -> None:
    assert seconds_of(written, "alert(over)") == seconds


@pytest.mark.parametrize(
    "wrong",
    ["", " ", "5", "m", "5 parsecs", "5m!", "-5m", "5m" * 60, "1e3s", "٥m", "0s", 0, None, True],
    ids=repr,
)
def test_a_time_that_is_none_is_refused_with_a_remedy(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"alert\(over=.*\): .*use|write"):
        seconds_of(wrong, "alert(over)")


def test_no_time_at_all_is_one_where_zero_is_allowed() -> None:
    assert seconds_of("0s", "alert(hold)", zero=True) == 0


def test_a_huge_number_stays_finite_or_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        seconds_of("9" * 400 + "d", "alert(over)")
    assert seconds_of("9" * 90 + "d", "alert(over)") > 1e90


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.5, "0.5 s"),
        (45, "45 s"),
        (60, "1 min"),
        (93, "93 s"),
        (300, "5 min"),
        (3600, "1 h"),
        (9000, "2 h 30 min"),
        (259_200, "3 d"),
        (180_000, "2 d 2 h"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert spoken(seconds) == said
