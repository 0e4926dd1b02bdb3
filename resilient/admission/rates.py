"""Rates as people write them: "10/s", "5000/hour", "15 per 15 minutes"."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

from resilient import options
from resilient.errors import ConfigurationError

_UNITS = {
    1.0: ("s", "sec", "secs", "second", "seconds"),
    60.0: ("min", "m", "mins", "minute", "minutes"),
    3600.0: ("hour", "h", "hours"),
    86400.0: ("day", "d", "days"),
}
_SECONDS = {name: seconds for seconds, names in _UNITS.items() for name in names}
_RATE = re.compile(
    r"\s*(?P<calls>[0-9][0-9_,]*)\s*(?:/|per\b)\s*"
    r"(?P<count>[0-9]+(?:\.[0-9]+)?)?\s*(?P<unit>[a-z]+)\s*",
    re.IGNORECASE | re.ASCII,
)


class Rate(NamedTuple):
    """At most `calls` in any `period` seconds."""

    calls: int
    period: float

    def __str__(self) -> str:
        names = _UNITS.get(self.period)
        return f"{self.calls}/{names[0]}" if names else f"{self.calls} per {self.period:g} s"


def parse_rate(text: object) -> Rate:
    """Read one rate; ConfigurationError says what to write instead."""
    match = _RATE.fullmatch(text) if isinstance(text, str) and len(text) < 100 else None
    unit = match and _SECONDS.get(match["unit"].lower())
    if match is None or unit is None:
        raise ConfigurationError(
            f'throttled({text!r}): no such rate; write "10/s", "5000/hour" or "15 per 15 minutes".'
        )
    calls, period = int(re.sub("[_,]", "", match["calls"])), float(match["count"] or 1) * unit
    # What counts slots holds no more than sys.maxsize.
    if not 1 <= calls <= sys.maxsize or period <= 0:
        raise ConfigurationError(
            f"throttled({text!r}): use at least 1 call in more than 0 seconds."
        )
    return Rate(calls, period)


def rates_of(
    texts: Sequence[object], calls: object, period: options.Seconds | None
) -> tuple[Rate, ...]:
    """All rates of a throttle, as texts or as ratelimit spells one."""
    rates = [parse_rate(text) for text in texts]
    if calls is not None or period is not None:
        if calls is None or period is None:
            raise ConfigurationError(
                'throttled(calls=…, period=…): give both, or write the rate as "15/min".'
            )
        most = options.whole(calls, "throttled(calls)")
        if most > sys.maxsize:
            raise ConfigurationError(f"throttled(calls={most}): use {sys.maxsize} or less.")
        rates.append(Rate(most, options.seconds(period, "throttled(period)")))
    return tuple(rates)
