"""What to do with a request: answer it from the store, ask the origin, or both (RFC 9111 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from resilient.http.caching.answering import can_answer
from resilient.http.caching.directives import Directives, asked_of, forbids_reuse, seconds_of
from resilient.http.caching.freshness import age_of, remaining, said_of
from resilient.http.caching.messages import Defaults, Request, Stored
from resilient.http.caching.selecting import matching


class Kind(Enum):
    FRESH = "answer from the store"
    BEHIND = "answer from the store, and refresh it behind the caller's back (RFC 5861 3)"
    STALE_OK = "answer from the store: stale, but the request allows that"
    VALIDATE = "ask the origin, with conditions() of what is stored"
    MISS = "ask the origin; conditions() may still name other variants"
    UNSATISFIABLE = "answer 504: only-if-cached, and it is not (gateway_timeout())"


class Decision(NamedTuple):
    """stored: what to answer with, or what is to be validated and may_stand_in() if that fails."""

    kind: Kind
    stored: Stored | None


class StaleWindows(NamedTuple):
    """Seconds past its freshness that an answer may still be used.

    if_error: after one of FAILURES. while_revalidate: at once. if_disconnected: when the origin
    did not answer at all.
    """

    if_error: float
    while_revalidate: float
    if_disconnected: float


FAILURES = frozenset({500, 502, 503, 504})
"""RFC 5861 4: the statuses that a stale answer may stand in for."""

_DISCONNECTED = 86_400.0
"""Seconds. 4.2.4 sets no bound where neither answer nor decorator does; a day outlasts outages."""

_NEVER_STALE = StaleWindows(0.0, 0.0, 0.0)


def decide(
    request: Request, candidates: Sequence[Stored], now: float, defaults: Defaults
) -> Decision:
    """candidates: all that is stored for the URL (and credentials), in any order."""
    asked = asked_of(request.fields)
    decision = _decision(request, asked, candidates, now, defaults)
    if "only-if-cached" in asked:
        if decision.kind is Kind.BEHIND:  # the caller wants nothing to be sent
            return Decision(Kind.STALE_OK, decision.stored)
        if decision.kind in {Kind.VALIDATE, Kind.MISS}:
            return Decision(Kind.UNSATISFIABLE, decision.stored)
    return decision


def may_stand_in(
    request: Request, stored: Stored, now: float, defaults: Defaults, *, disconnected: bool
) -> bool:
    """May a stored answer be given though the origin could not validate it?

    stored: one that decide() returned. disconnected: the origin did not answer at all (4.2.4);
    False if it answered with one of FAILURES.
    """
    if stored.status in FAILURES:  # an older failure is no better, and hides what is wrong now
        return False
    asked = asked_of(request.fields)
    if "no-cache" in asked or forbids_reuse(said_of(stored.fields, defaults)):
        return False
    left = remaining(stored, now, defaults)
    if left > 0.0:
        return "stale-if-error" in asked or _is_young_enough(asked, stored, now, left)
    windows = stale_windows(stored, defaults)
    if windows is _NEVER_STALE:
        return False
    if "stale-if-error" in asked:  # RFC 5861 4: regardless of any other freshness information
        return -left <= (seconds_of(asked["stale-if-error"]) or 0.0)
    # 5.2.1.1, 5.2.1.3: a caller who says how fresh it has to be does not want a stale one.
    if not asked.keys().isdisjoint({"max-age", "min-fresh"}):
        return False
    return -left <= (windows.if_disconnected if disconnected else windows.if_error)


def stale_windows(stored: Stored, defaults: Defaults) -> StaleWindows:
    """What the answer allows; the decorator, where it does not say.

    proxy-revalidate and s-maxage forbid nothing here: they are for shared caches (5.2.2.8).
    """
    said = said_of(stored.fields, defaults)
    if "must-revalidate" in said or forbids_reuse(said):
        return _NEVER_STALE
    if_error = _window(said, "stale-if-error", defaults.stale_if_error)
    while_revalidate = _window(said, "stale-while-revalidate", defaults.stale_while_revalidate)
    return StaleWindows(
        0.0 if if_error is None else if_error,
        0.0 if while_revalidate is None else while_revalidate,
        _DISCONNECTED if if_error is None else if_error,
    )


def _decision(
    request: Request,
    asked: Directives,
    candidates: Sequence[Stored],
    now: float,
    defaults: Defaults,
) -> Decision:
    fields = request.fields
    # 4.3.2: whether If-Match and If-Unmodified-Since hold, only the origin knows.
    if request.method not in {"GET", "HEAD"} or "if-match" in fields:
        return Decision(Kind.MISS, None)
    if "if-unmodified-since" in fields:
        return Decision(Kind.MISS, None)
    found = matching(request, candidates)
    stored = next((one for one in found if can_answer(request, one)), None)
    if stored is None:
        return Decision(Kind.MISS, None)
    said = said_of(stored.fields, defaults)
    if "no-cache" in asked or forbids_reuse(said):
        return Decision(Kind.VALIDATE, stored)
    left = remaining(stored, now, defaults)
    if asked and not _is_young_enough(asked, stored, now, left):
        return Decision(Kind.VALIDATE, stored)
    if left > 0.0:
        return Decision(Kind.FRESH, stored)
    if "must-revalidate" in said:  # 5.2.2.2: not even if the request would have it stale
        return Decision(Kind.VALIDATE, stored)
    if "max-stale" in asked and -left <= _most_stale(asked["max-stale"]):
        return Decision(Kind.STALE_OK, stored)
    # 5.2.1.1: who says max-age does not want a stale one.
    if "max-age" not in asked and -left < stale_windows(stored, defaults).while_revalidate:
        return Decision(Kind.BEHIND, stored)
    return Decision(Kind.VALIDATE, stored)


def _is_young_enough(asked: Directives, stored: Stored, now: float, left: float) -> bool:
    """Does it heed max-age (5.2.1.1) and min-fresh (5.2.1.3) of the request?"""
    if "max-age" in asked:
        oldest = seconds_of(asked["max-age"]) or 0.0
        # Ages have fractions here: max-age=0 must not be heeded by what has just come.
        if not oldest or age_of(stored, now) > oldest:
            return False
    return "min-fresh" not in asked or left >= (seconds_of(asked["min-fresh"]) or 0.0)


def _most_stale(value: str) -> float:
    """5.2.1.2: without a value, however stale; what can't be read allows nothing."""
    return math.inf if not value else seconds_of(value) or 0.0


def _window(said: Directives, name: str, default: float | None) -> float | None:
    return seconds_of(said[name]) or 0.0 if name in said else default
