"""Times as people write them: "5m", "1h 30m", "500ms"; and as people say them."""

from __future__ import annotations

import re

from resilient import options
from resilient.errors import ConfigurationError

_UNITS = {
    "ms": 0.001,
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]+)\s*", re.IGNORECASE | re.ASCII)

Duration = options.Seconds | str
"""A time as users give it: "5m", seconds, or a timedelta."""


def seconds_of(value: object, option: str, *, zero: bool = False) -> float:
    """A time in seconds, finite and positive (or zero, if allowed).

    option: as in `options`, such as "alert(over)".
    """
    if not isinstance(value, str):
        return options.seconds(value, option, zero=zero)
    total, end = 0.0, 0
    while end < len(value) < 100:
        part = _PART.match(value, end)
        unit = part and _UNITS.get(part[2].lower())
        if part is None or unit is None:
            break
        total += float(part[1]) * unit
        end = part.end()
    if not value or end != len(value):
        raise ConfigurationError(
            f'{option.removesuffix(")")}={value[:100]!r}): no such time; write "30s", "5m", '
            '"1h 30m", or seconds as a number.'
        )
    return options.seconds(total, option, zero=zero)


def spoken(seconds: float) -> str:
    """A time of a second or more, as people say it: `90 s`, `5 min`, `2 h 30 min`, `3 d`."""
    whole = round(seconds)
    if whole < 120 and whole != 60:
        return f"{seconds:.3g} s" if seconds < 10 else f"{whole} s"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min"
    days, hours = divmod(hours, 24) if hours >= 48 else (0, hours)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
