"""How long an answer is fresh, and how old it is (RFC 9111 4.2)."""

from __future__ import annotations

from resilient.http.caching.dates import date_of
from resilient.http.caching.directives import Directives, directives_of, seconds_of
from resilient.http.caching.messages import Defaults, Fields, Stored

HEURISTIC = frozenset({200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501})
"""RFC 9110 15.1: the statuses whose freshness may be estimated."""

_PART_OF_ITS_AGE = 0.1
"""4.2.2 suggests a tenth of the time since the last modification."""
_LONGEST_ESTIMATE = 86_400.0
"""Seconds. 4.2.2 sets no bound; what nobody promised is looked at once a day at least."""

_SAYS_NOTHING: Directives = {}


def said_of(fields: Fields, defaults: Defaults) -> Directives:
    """The answer's directives; none if the decorator does not want them obeyed."""
    if not defaults.respect_headers:
        return _SAYS_NOTHING
    return directives_of(fields.get("cache-control"))


def explicit_lifetime(fields: Fields, received_at: float) -> float | None:
    """Seconds from its Date on, as the answer says; None if it does not (4.2.1).

    s-maxage is for shared caches only (5.2.2.10). immutable (RFC 8246) adds nothing to it: that is
    about reloads of pages, and a caller who asks for validation here means it.
    """
    said = directives_of(fields.get("cache-control"))
    if "max-age" in said:
        # 4.2.1: what can't be read is stale. 5.3: Expires does not count beside it.
        return seconds_of(said["max-age"]) or 0.0
    expires = fields.get("expires")
    if expires is None:
        return None
    until = date_of(expires, received_at)
    if until is None:  # 5.3: "0" above all
        return 0.0
    since = date_of(fields.get("date"), received_at)
    return max(0.0, until - (received_at if since is None else since))


def may_estimate(status: int, fields: Fields, defaults: Defaults) -> bool:
    """May its freshness be estimated or configured, if the answer does not say (4.2.2)?"""
    if not defaults.respect_headers:
        return status in HEURISTIC
    if status not in HEURISTIC and "public" not in said_of(fields, defaults):
        return False
    # 5.4 gives it no meaning in an answer, but an origin that sends it alone means one.
    return "cache-control" in fields or "no-cache" not in directives_of(fields.get("pragma"))


def remaining(stored: Stored, now: float, defaults: Defaults) -> float:
    """Seconds that it stays fresh; how long it has been stale, if that is 0 or less."""
    fields = stored.fields
    if defaults.respect_headers:
        explicit = explicit_lifetime(fields, stored.received_at)
        if explicit is not None:
            return explicit - age_of(stored, now)
    if not may_estimate(stored.status, fields, defaults):
        return -age_of(stored, now)
    if defaults.ttl is not None:
        # It was configured for answers as this client gets them: neither the origin's clock nor
        # caches on the way make it shorter.
        return defaults.ttl - max(0.0, now - stored.received_at)
    sent = date_of(fields.get("date"), stored.received_at)
    modified = date_of(fields.get("last-modified"), stored.received_at)
    estimate = 0.0
    if defaults.respect_headers and sent is not None and modified is not None:
        estimate = min(max(0.0, sent - modified) * _PART_OF_ITS_AGE, _LONGEST_ESTIMATE)
    return estimate - age_of(stored, now)


def is_fresh(stored: Stored, now: float, defaults: Defaults) -> bool:
    """Does its lifetime exceed its age?"""
    return remaining(stored, now, defaults) > 0.0


def fresh_until(stored: Stored, now: float, defaults: Defaults) -> float:
    """Unix seconds; in the past for what is stale."""
    return now + remaining(stored, now, defaults)


def age_of(stored: Stored, now: float) -> float:
    """Seconds since the origin made or last validated it (4.2.3)."""
    fields, received_at = stored.fields, stored.received_at
    delay = max(0.0, received_at - stored.requested_at)
    corrected = received_age(fields) + delay
    sent = date_of(fields.get("date"), received_at)
    # The formula is one of whole seconds: what Date leaves out of its second is no age.
    apparent = 0.0 if sent is None else int(received_at) - sent
    return max(apparent, corrected) + max(0.0, now - received_at)


def received_age(fields: Fields) -> float:
    """Age as the answer came with it: the first of several; 0.0 if it can't be read (5.1)."""
    text = fields.get("age")
    return 0.0 if text is None else seconds_of(text.partition(",")[0]) or 0.0
