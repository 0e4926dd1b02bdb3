"""Rates as people write them."""

from __future__ import annotations

import pytest

from resilient.admission.rates import parse_rate
from resilient.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/s", (10, 1)),
        ("10 / sec", (10, 1)),
        ("5000/hour", (5000, 3600)),
        ("15 per 15 minutes", (15, 900)),
        ("15 PER 0.5 Seconds", (15, 0.5)),
        ("1_000/min", (1000, 60)),
        ("1,000/m", (1000, 60)),
        ("3 per day", (3, 86400)),
        ("3/2h", (3, 7200)),
        ("7 per 2 days", (7, 172800)),
    ],
)
def test_a_rate_is_read_as_people_write_it(text: str, rate: tuple[int, float]) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "s",
        "/s",
        "0/s",
        "-1/s",
        "1.5/s",
        "10/0s",
        "10 per 0.0 s",
        "10/fortnight",
        "10/ms",  # not the plural of m
        "10/ss",
        "_/s",
        "10 pers",
        "10/s please",
        "١٠/s",
        "9" * 50 + "/s",
        "9" * 5000 + "/s",
        10,
        None,
        b"10/s",
    ],
    ids=lambda text: repr(text)[:12],
)
def test_a_rate_that_cannot_be_read_is_refused_with_what_to_write(text: object) -> None:
    with pytest.raises(ConfigurationError, match=r'"10/s"|at least 1 call'):
        parse_rate(text)


@pytest.mark.parametrize("text", ["10/s", "5/min", "5000/hour", "2/day", "15 per 900 s"])
def test_a_rate_reads_back_from_its_own_text(text: str) -> None:
    assert str(parse_rate(text)) == text
