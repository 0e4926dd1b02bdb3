"""How long an answer stays fresh, by its headers: RFC 9111 for a private cache.

headers: names in any case, values as sent. A malformed value counts as absent or stale.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from resilient.call import Exchange
from resilient.http.headers import date_of, value_of
from resilient.timing import clock

_DIRECTIVE = re.compile(r'([!#$%&\'*+.^_`|~\w-]+)(?:=(?:"([^"]*)"|([^\s,;"]*)))?')

_LONGEST = 2.0**31
"""RFC 9111 1.2.2: seconds, as long as any lifetime has to be."""


class Freshness(NamedTuple):
    """lifetime: seconds the answer is fresh from now on; 0.0 if it may not be kept or must be
    validated first; None if the headers don't say. may_be_stale: may it be used after that?
    """

    lifetime: float | None
    may_be_stale: bool


_SILENT = Freshness(None, True)

# RFC 9110 15.1: of the failures, what may be kept although the vendor does not say for how long.
_KEPT_UNASKED = frozenset({404, 405, 410, 414})


def freshness_of(headers: Mapping[str, str], now: float | None = None) -> Freshness:
    """Read how long an answer may be used.

    now: Unix time in seconds, in place of a Date that the answer lacks.
    Source: RFC 9111 4.2.1 (lifetime), 4.2.3 (age), 5.2.2 (directives).
    """
    said = directives_of(value_of(headers, "Cache-Control"))
    may_be_stale = not said.keys() & {"must-revalidate", "no-cache", "no-store"}
    # RFC 9111 5.2.2.4 and 5.2.2.5: nothing is kept here that could be validated later.
    if "no-store" in said or "no-cache" in said:
        return Freshness(0.0, False)
    lifetime: float | None = None
    if "max-age" in said:
        # RFC 9111 4.2.1: what can't be read counts as stale.
        lifetime = _delta_seconds(said["max-age"]) or 0.0
    else:
        expires = value_of(headers, "Expires")
        if expires is not None:
            until = date_of(expires)
            sent = date_of(value_of(headers, "Date"))
            since = sent if sent is not None else (clock.time() if now is None else now)
            lifetime = 0.0 if until is None else max(0.0, until - since)
    if lifetime is not None:
        # RFC 9111 5.1: of several values the first counts, and one that can't be read does not.
        age = (value_of(headers, "Age") or "").partition(",")[0]
        lifetime = max(0.0, lifetime - (_delta_seconds(age) or 0.0))
    return Freshness(lifetime, may_be_stale)


def kept_until(
    exchanges: Sequence[Exchange],
    ttl: float | None,
    stale_for: float,
    now: float,
    *,
    respect_headers: bool = True,
) -> tuple[float, float] | None:
    """Until when a result is fresh and until when it may be stale; None if it may not be kept.

    exchanges: what the result was made of. It is as fresh as the first answer to expire; answers
    that were repeated do not count. now, and what is returned: monotonic seconds.
    """
    fresh_until = math.inf
    last = exchanges[-1] if exchanges else None
    for exchange in exchanges:
        status = exchange.status or 0
        if exchange is not last and not 0 < status < 400:
            continue
        says = freshness_of(exchange.headers or {}) if respect_headers else _SILENT
        if says.lifetime is not None:
            # RFC 9111 4.2.3: the time that the answer took counts as age.
            until = exchange.started + says.lifetime
        elif 300 <= status < 400 and exchange is not last:
            continue  # a redirect that says nothing
        elif ttl is None or not status or (status >= 400 and status not in _KEPT_UNASKED):
            return None
        else:
            until = now + ttl
        fresh_until = min(fresh_until, until)
        if not says.may_be_stale:
            stale_for = 0.0
    if fresh_until == math.inf:
        if ttl is None:
            return None
        fresh_until = now + ttl
    stale_until = fresh_until + stale_for
    return (fresh_until, stale_until) if stale_until > now else None


def directives_of(cache_control: str | None) -> dict[str, str]:
    """The directives by lower-case name; the first of several with one name counts."""
    found: dict[str, str] = {}
    for name, quoted, token in _DIRECTIVE.findall(cache_control or ""):
        found.setdefault(name.lower(), quoted or token)
    return found


def _delta_seconds(text: str) -> float | None:
    """Digits alone (RFC 9111 1.2.2), of any length: what no clock will reach is cut down."""
    text = text.strip()
    return min(float(text), _LONGEST) if text.isascii() and text.isdecimal() else None
