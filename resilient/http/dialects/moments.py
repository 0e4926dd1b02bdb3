"""When a quota is whole again: every form of a time in which vendors write it.

    30, 30.5, 1e3            seconds from now; or Unix time in s, ms, µs or ns, told by magnitude
    6m0s, 120ms, 1 day       durations, as Go and people write them
    PT1M30S, 00:01:30        durations, as ISO 8601 and .NET write them
    2026-01-01T00:00Z        ISO 8601, without a zone in UTC, with or without seconds
    Thu, 01 Jan 2026 …       HTTP-dates (RFC 9110 5.6.7) and JavaScript's

Nothing here raises; what can't be read, is negative or more than a year away is None.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

from resilient.http.headers import date_of, number_of
from resilient.timing import clock

YEAR = 366 * 86400.0
"""Seconds; what is further away is no time that anybody meant."""

_LONGEST = 120
"""Characters; JavaScript's dates spell out their zone."""

_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]+([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,12}))?)?)?"
    r" ?(?:[Zz]|UTC|GMT|([+-])([01][0-9]|2[0-3]):?([0-5][0-9])?)?"
)
_JAVASCRIPT = re.compile(
    r"[A-Z][a-z]{2} ([A-Z][a-z]{2} [0-9]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}) GMT([+-][0-9]{4})"
    r"(?: \(.*\))?"
)
_ISO_DURATION = re.compile(
    r"P(?:([0-9]{1,6})W)?(?:([0-9]{1,6})D)?"
    r"(?:T(?:([0-9]{1,8})H)?(?:([0-9]{1,8})M)?(?:([0-9]{1,10}(?:[.,][0-9]{1,12})?)S)?)?"
)
_CLOCK = re.compile(r"(?:([0-9]{1,4})\.)?([0-9]{1,4}):([0-9]{2}):([0-9]{2}(?:\.[0-9]{1,12})?)")
_STEP = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?([A-Za-zµμÂ]{1,12})[ ,]{0,2}")

UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "Âµs": 1e-6,  # sent as UTF-8, read as Latin-1
    "ms": 1e-3,
    "msec": 1e-3,
    "millis": 1e-3,
    "millisecond": 1e-3,
    "milliseconds": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "secs": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "m": 60.0,
    "min": 60.0,
    "mins": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hr": 3600.0,
    "hrs": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
    "d": 86400.0,
    "day": 86400.0,
    "days": 86400.0,
    "w": 604800.0,
    "week": 604800.0,
    "weeks": 604800.0,
}
"""Seconds."""


class ServerTime:
    """Unix time as the answer's sender has it; its Date is looked at when it is first needed.

    date: the Date field. age: seconds that the answer spent in caches (RFC 9111 5.1).
    now: our own Unix time, for an answer without a Date; None asks the clock.
    """

    __slots__ = ("_age", "_at", "_date", "_now")

    def __init__(self, date: str | None, age: float = 0.0, now: float | None = None) -> None:
        self._date = date
        self._age = age
        self._now = now
        self._at: float | None = None

    def at(self) -> float:
        if self._at is None:
            sent = None if self._date is None else date_of(self._date)
            if sent is not None:
                self._at = sent + self._age
            else:
                self._at = clock.time() if self._now is None else self._now
        return self._at


def seconds_until(text: str, server: ServerTime, scale: float = 1.0) -> float | None:
    """Seconds from now of a time in any of the forms, 0.0 if it has passed.

    scale: seconds that a bare number counts, where the field's name tells.
    """
    if len(text) > _LONGEST:
        return None
    if text[-1:].isalpha():  # "6m0s", the most frequent one after numbers
        lasting = duration_of(text)
        if lasting is not None:
            return lasting if lasting <= YEAR else None
    number = number_of(text)
    if number is not None:
        if number * scale <= YEAR:
            return number * scale
        for unit in _EPOCHS:
            if unit <= number < 4.1 * unit:
                return _from_now(number * 1e9 / unit, server)
        return None
    text = text.strip(" \t\"'")
    lasting = duration_of(text)
    if lasting is not None:
        return lasting if lasting <= YEAR else None
    moment = _date(text)
    return None if moment is None else _from_now(moment, server)


def latest_of(text: str, server: ServerTime, scale: float = 1.0) -> float | None:
    """The same for a field that may have come several times; the latest counts."""
    until = seconds_until(text, server, scale)
    if until is None and "," in text and len(text) <= 8 * _LONGEST:
        told = [seconds_until(part, server, scale) for part in text.split(",")]
        return max((one for one in told if one is not None), default=None)
    return until


_EPOCHS = (1e9, 1e12, 1e15, 1e18)
"""Unix time in s, ms, µs and ns, in September 2001; four times as much is in 2099."""


def _from_now(moment: float, server: ServerTime) -> float | None:
    until = moment - server.at()
    if until <= 0:
        return 0.0
    # Fractions of a Unix time carry noise from the 7th decimal on.
    return round(until, 6) if until <= YEAR else None


@lru_cache(256)  # the same few stand in most answers of a vendor
def duration_of(text: str) -> float | None:
    """Seconds of a duration that has units."""
    if not text or len(text) > _LONGEST:
        return None
    if text[0] == "P":
        match = _ISO_DURATION.fullmatch(text)
        return _summed(match, (604800.0, 86400.0, 3600.0, 60.0, 1.0)) if match else None
    if ":" in text:
        match = _CLOCK.fullmatch(text)
        return _summed(match, (86400.0, 3600.0, 60.0, 1.0)) if match else None
    at, total = 0, 0.0
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            return None
        number, word = step.groups()
        unit = UNITS.get(word) or UNITS.get(word.lower())
        if unit is None:
            return None
        total += float(number) * unit
        at = step.end()
    return total


def _summed(match: re.Match[str], units: tuple[float, ...]) -> float | None:
    parts = [
        float(part.replace(",", ".")) * unit
        for part, unit in zip(match.groups(), units, strict=True)
        if part is not None
    ]
    return sum(parts) if parts else None


def _date(text: str) -> float | None:
    if not text.isascii():  # int() takes digits of any script
        return None
    try:
        match = _ISO.fullmatch(text)
        if match:
            return _iso(match)
        match = _JAVASCRIPT.fullmatch(text)
        if match:
            return datetime.strptime(match[1] + match[2], "%b %d %Y %H:%M:%S%z").timestamp()
    except (ValueError, OverflowError):
        return None
    return date_of(text) if ":" in text and any(letter.isalpha() for letter in text) else None


def _iso(match: re.Match[str]) -> float:
    year, month, day, hour, minute, second, fraction, sign, off_hours, off_minutes = match.groups()
    moment = datetime(
        int(year),
        int(month),
        int(day),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        tzinfo=timezone.utc,
    )
    offset = timedelta(hours=int(off_hours or 0), minutes=int(off_minutes or 0))
    seconds = (moment - offset if sign == "+" else moment + offset).timestamp()
    return seconds + float(f"0.{fraction}") if fraction else seconds
