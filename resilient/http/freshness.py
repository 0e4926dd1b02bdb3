"""How long an answer stays fresh, by its headers: RFC 9111 for a private cache.

headers: names in any case, values as sent. A malformed value counts as absent or stale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from resilient.call import Exchange
from resilient.http.caching.directives import directives_of
from resilient.http.caching.freshness import explicit_lifetime, received_age
from resilient.http.headers import value_of
from resilient.timing import clock

__all__ = ["Freshness", "directives_of", "freshness_of", "kept_until"]

_READ = ("cache-control", "expires", "date", "age")


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
    fields = {name: value for name in _READ if (value := value_of(headers, name)) is not None}
    said = directives_of(fields.get("cache-control"))
    # RFC 9111 5.2.2.4 and 5.2.2.5: nothing is kept here that could be validated later.
    if "no-store" in said or "no-cache" in said:
        return Freshness(0.0, False)
    lifetime = explicit_lifetime(fields, clock.time() if now is None else now)
    if lifetime is not None:
        lifetime = max(0.0, lifetime - received_age(fields))
    return Freshness(lifetime, "must-revalidate" not in said)


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
