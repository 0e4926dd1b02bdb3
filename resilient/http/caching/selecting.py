"""Which of several stored answers is meant by a request (RFC 9111 4.1)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

from resilient.http.caching.dates import date_of
from resilient.http.caching.fields import updated
from resilient.http.caching.messages import Fields, Request, Stored
from resilient.http.caching.ranges import combined

_MOST_VARIANTS = 64
"""Per key; what was not put for longest goes first."""

# Members may be told apart by case nowhere in these; in the last two their order says nothing
# either. In the others an origin may take it for a preference.
_WITHOUT_CASE = frozenset({"accept-language", "accept-charset", "accept-encoding"})
_WITHOUT_ORDER = frozenset({"accept-charset", "accept-encoding"})

# In lists of names a blank or a semicolon for a comma is a mistake whose meaning is plain.
_BETWEEN_NAMES = re.compile(r"[\s,;]+")
_NAME = re.compile(r"[!#$%&'*+.^_`|~\w-]+", re.ASCII)

_AROUND_COMMAS = re.compile(r"[ \t]*(?:,[ \t]*)+")
_AROUND_SEMICOLONS = re.compile(r"[ \t]*;[ \t]*")
_SECRET = frozenset({"authorization", "cookie", "proxy-authorization"})


def vary_of(request_fields: Fields, fields: Fields) -> tuple[tuple[str, str | None], ...] | None:
    """What a request has in the fields that an answer's Vary names; None if it may be anything."""
    names = names_in(fields.get("vary", ""))
    if names is None:
        return None
    return tuple((name, _comparable(name, request_fields.get(name))) for name in sorted(names))


def names_in(vary: str) -> set[str] | None:
    """The fields that a Vary names, in lower case; None for "*" and for what is no name."""
    names = set(_BETWEEN_NAMES.split(vary.lower())) - {""}
    return None if "*" in names or not all(map(_NAME.fullmatch, names)) else names


def matches(request: Request, stored: Stored) -> bool:
    """Was it chosen by the same values, and does its method's answer serve this method?"""
    if stored.method == "HEAD" and request.method != "HEAD":
        return False
    fields = request.fields
    for name, value in stored.vary:  # noqa: SIM110  # a generator costs as much as what it does
        if _comparable(name, fields.get(name)) != value:
            return False
    return True


def matching(request: Request, candidates: Sequence[Stored]) -> list[Stored]:
    """Those that match, the one to be preferred first."""
    found = [stored for stored in candidates if matches(request, stored)]
    if len(found) > 1:
        # 4.1: origins forget Vary on the answer to a request without preferences; one that has it
        # is the better choice. Then the most recent (4).
        found.sort(key=_preference, reverse=True)
    return found


def put(stored: Sequence[Stored], request: Request, new: Stored) -> tuple[Stored, ...]:
    """What is stored for a key (all variants) once `new`, the answer to this request, is kept.

    Variants that this request would have chosen give way; parts are put together (3.4), so that
    what was added may differ from `new`; other variants stay, up to a number.
    """
    request = request._replace(method="HEAD")  # which any of them serves
    others: list[Stored] = []
    for old in stored:
        if not matches(request, old):
            others.append(_freshened(old, new))
        elif new.method == "HEAD" and old.method != "HEAD":
            others.append(old)
        else:
            new = combined(old, new) or new
    return (new, *others)[:_MOST_VARIANTS]


def _freshened(old: Stored, new: Stored) -> Stored:
    """4.3.4: a strong validator names one representation, whichever requests choose it."""
    etag = new.fields.get("etag", "")
    if (
        etag.startswith('"')
        and old.fields.get("etag") == etag
        and old.fields.get("vary") == new.fields.get("vary")
        and (old.method, old.status, old.span) == (new.method, new.status, new.span)
        and old.body == new.body
    ):
        return old.changed(
            headers=updated(old.headers, new.headers, new.received_at),
            requested_at=new.requested_at,
            received_at=new.received_at,
        )
    return old


def _preference(stored: Stored) -> tuple[bool, float, float]:
    sent = date_of(stored.fields.get("date"), stored.received_at)
    return bool(stored.vary), stored.received_at if sent is None else sent, stored.received_at


def _comparable(name: str, value: str | None) -> str | None:
    """One spelling for what means the same (4.1): white space, and case and order where they don't
    count. What is not one of the well-known preferences is compared, and stored, as a digest: it
    may be a cookie or a key.
    """
    if value is None:
        return None
    value = value.strip(" \t")
    if name in _WITHOUT_CASE or name == "accept":
        return _preferences(name, value)
    # A field that may come in several lines is a list, and white space between its members says
    # nothing; credentials and what has quoted parts are left alone.
    if name not in _SECRET and '"' not in value:
        value = _AROUND_COMMAS.sub(",", value)
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=256)
def _preferences(name: str, value: str) -> str:
    if '"' in value:
        return value
    value = _AROUND_SEMICOLONS.sub(";", _AROUND_COMMAS.sub(",", value)).strip(",")
    if name in _WITHOUT_CASE:
        value = value.lower()
    if name in _WITHOUT_ORDER:
        value = ",".join(sorted(value.split(",")))
    return value
