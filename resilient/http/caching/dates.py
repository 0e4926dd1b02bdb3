"""HTTP-dates (RFC 9110 5.6.7) as a cache has to read them.

RFC 9111 4.2: in any case; no zone but GMT; and what is malformed is no date, however plain it may
seem what was meant, since an Expires that can't be read is in the past (5.3).
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email.utils import formatdate
from functools import lru_cache

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY = "(?:mon|tue|wed|thu|fri|sat|sun)"
_LONG_DAY = "(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday)"
_MONTH = "(?P<month>" + "|".join(_MONTHS) + ")"
_TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        rf"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        rf"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        rf"{_DAY} {_MONTH} (?P<day>[0-9 ][0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)


_SURELY_LATER = 60.0
"""Seconds between Last-Modified and Date from which a date is a strong validator (RFC 9110
8.8.2.2): the clocks behind them may differ, and two changes may fall into one second."""

_LONGEST = 64
_LAST = 253_402_300_799.0
"""The last second that has a date of four digits."""


def date_of(text: str | None, now: float) -> float | None:
    """Unix seconds; None if it is malformed.

    now: Unix time, for years of two digits.
    """
    if text is None or len(text) > _LONGEST:
        return None
    read = _read(text)
    if not isinstance(read, tuple):
        return read
    # RFC 9110 5.6.7: a year of two digits that seems more than 50 years ahead is a past one.
    latest = datetime.fromtimestamp(min(max(now, 0.0), _LAST), timezone.utc).year + 50
    year, *rest = read
    return _seconds(latest - (latest - year) % 100, *rest)


def is_strong_date(modified: str | None, sent: str | None, now: float) -> bool:
    """Does a Last-Modified name one version alone, given the Date beside it?

    now: Unix time, that of the receipt; it stands in for a Date that is missing.
    """
    at, since = date_of(modified, now), now if sent is None else date_of(sent, now)
    return at is not None and since is not None and since - at >= _SURELY_LATER


def date_text(seconds: float) -> str:
    """As it is sent. A time that no date can express is cut down to one that can."""
    return formatdate(min(max(seconds, 0.0), _LAST), usegmt=True)


# All answers of one second have the same date.
@lru_cache(maxsize=512)
def _read(text: str) -> float | tuple[int, ...] | None:
    """Unix seconds, or the numbers themselves if the year has two digits."""
    match = next(filter(None, (form.fullmatch(text.strip(" \t")) for form in _FORMS)), None)
    if match is None:
        return None
    month = _MONTHS.index(match["month"].lower()) + 1
    numbers = (int(match["year"]), month) + tuple(
        int(match[name]) for name in ("day", "hour", "minute", "second")
    )
    return numbers if len(match["year"]) == 2 else _seconds(*numbers)


def _seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> float | None:
    try:
        # A leap second: RFC 9111 4.2 wants the nearest time that is not later.
        date = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=timezone.utc)
    except ValueError:
        return None
    return date.timestamp() if second <= 60 else None
