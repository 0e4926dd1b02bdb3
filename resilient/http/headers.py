"""Reading header fields: names in any case, values as sent, malformed ones count as absent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import lru_cache

_NUMBER = re.compile(r"\+?([0-9]{1,30}(?:\.[0-9]{0,30})?(?:[eE]\+?[0-9]{1,2})?)")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3}){1,5}")
_LARGEST = 1e21
_LONGEST_DATE = 64


def value_of(headers: Mapping[str, str], name: str) -> str | None:
    """One field's value, None if there is none."""
    value = headers.get(name)
    if value is None:
        # A plain dict, as botocore keeps it, knows only one spelling.
        wanted = name.lower()
        value = next((v for k, v in headers.items() if str(k).lower() == wanted), None)
    return value if isinstance(value, str) else None


def number_of(text: str) -> float | None:
    """A number of 0 or more: digits, perhaps quoted, with a fraction, an exponent or "30,000"."""
    # float() takes more: "1_000", "nan", digits of any script.
    if text.isdecimal() and text.isascii() and len(text) < 16:
        return float(text)
    text = text.strip(" \t\"'") if len(text) < 100 else ""
    match = _NUMBER.fullmatch(text)
    if match:
        number = float(match[1])
        return number if number < _LARGEST else None
    return float(text.replace(",", "")) if _THOUSANDS.fullmatch(text) else None


def date_of(text: str | None) -> float | None:
    """Unix seconds of an HTTP-date (RFC 9110 5.6.7)."""
    if not isinstance(text, str) or len(text) > _LONGEST_DATE:
        return None
    return _date_of(text)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IMF = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT"
)


# All answers of one second have the same date.
@lru_cache(maxsize=256)
def _date_of(text: str) -> float | None:
    try:
        match = _IMF.fullmatch(text)
        if match and match[2] in _MONTHS:
            day, name, year, hour, minute, second = match.groups()
            month = _MONTHS.index(name) + 1
            date = datetime(int(year), month, int(day), int(hour), int(minute), int(second))
        else:
            date = parsedate_to_datetime(text)
        # The asctime form names no zone: all HTTP-dates are in GMT.
        return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
