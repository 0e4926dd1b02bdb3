"""Asking whether what is stored still holds (RFC 9111 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from resilient.http.caching.answering import can_answer
from resilient.http.caching.dates import is_strong_date
from resilient.http.caching.directives import asked_of, directives_of
from resilient.http.caching.fields import updated
from resilient.http.caching.messages import Fields, Pairs, Request, Stored, fields_of
from resilient.http.caching.ranges import is_encoded
from resilient.http.caching.selecting import matches, matching, vary_of
from resilient.http.caching.tags import is_strong, listed_in, matches_weakly, tag_of

_CONDITIONS = ("if-none-match", "if-modified-since", "if-match", "if-unmodified-since")

_MOST_TAGS = 16
"""In one request: some servers refuse long header fields."""


def has_conditions(fields: Fields) -> bool:
    """Does a request come with conditions of its own (RFC 9110 13.1)?"""
    return any(name in fields for name in _CONDITIONS)


def conditions(request: Request, candidates: Sequence[Stored]) -> dict[str, str]:
    """Header fields to send with the request; none if it has conditions of its own.

    Those are left alone although 4.3.2 would allow to add to them: of an origin that leaves ETag
    out of its 304 one could not tell who was meant.

    candidates: all that is stored for the key, as for decide().
    """
    if has_conditions(request.fields):
        return {}
    usable = _usable(request, candidates)
    # What the request would choose comes first; 4.1: the others may be what it is to get, too.
    tags = [tag_of(stored.fields) for stored in usable]
    tags = list(dict.fromkeys(filter(None, tags)))[:_MOST_TAGS]
    modified = None
    # 4.3.1: a date is for one answer, and not for a part of it.
    if usable and matches(request, usable[0]) and "range" not in request.fields:
        chosen = usable[0].fields
        modified = chosen.get("last-modified")
        if modified and not tag_of(chosen):
            tags = []  # beside those of others the date would not count (RFC 9110 13.1.3)
    found = {"If-None-Match": ", ".join(tags)} if tags else {}
    if modified and len(tags) < 2:
        found["If-Modified-Since"] = modified
    return found


def refreshed(
    candidates: Sequence[Stored],
    request: Request,
    headers: Pairs,
    requested_at: float,
    received_at: float,
) -> Stored | None:
    """The stored answer that a 304 is about, with its headers updated (4.3.4).

    request: the caller's, without conditions(). headers: of the 304, as received.
    Returns: what to give to put() if may_store() still allows it, and to reply_of() with
    validated=True; None if it can't be told which: ask again without conditions, unless
    the request had conditions of its own (then the 304 is the caller's).
    """
    stored = _meant(candidates, request, fields_of(headers), received_at)
    if stored is None:
        return None
    new = stored.changed(
        headers=updated(stored.headers, headers, received_at),
        requested_at=requested_at,
        received_at=received_at,
    )
    # The origin chose it for this request, whichever one it was stored for.
    vary = vary_of(request.fields, new.fields)
    return new if vary is None or vary == new.vary else new.changed(vary=vary)


def confirmed(candidates: Sequence[Stored], request: Request, headers: Pairs) -> Stored | None:
    """What a 304 says holds, though it must not be updated by it (4.3.4).

    An origin whose answers get compressed on their way is known by weak tags, and sends its strong
    ones with a 304. It has told us that what has the weak one will do.
    """
    etag = tag_of(fields_of(headers))
    usable = _usable(request, candidates) if is_strong(etag) else []
    return next((one for one in usable if _has_tag(one, etag)), None)


def after_head(
    candidates: Sequence[Stored],
    request: Request,
    status: int,
    headers: Pairs,
    requested_at: float,
    received_at: float,
) -> tuple[Stored, ...]:
    """What is stored for a key after a HEAD was answered (4.3.5).

    Stored GETs that it confirms are updated, those that it contradicts are gone. The answer to
    the HEAD itself may be kept besides, as any answer.
    """
    if status != 200:
        return tuple(candidates)
    fields = fields_of(headers)
    forgotten = "no-store" in directives_of(fields.get("cache-control"))
    left_alone = "no-store" in asked_of(request.fields)
    found: list[Stored] = []
    for stored in candidates:
        if stored.method == "HEAD" or not matches(request, stored):
            found.append(stored)
        elif forgotten or not _is_confirmed(stored, fields):
            continue
        elif left_alone:
            found.append(stored)
        else:
            newer = updated(stored.headers, headers, received_at)
            new = stored.changed(headers=newer, requested_at=requested_at, received_at=received_at)
            vary = vary_of(request.fields, new.fields)
            if vary is not None:
                found.append(new.changed(vary=vary))
    return tuple(found)


def _usable(request: Request, candidates: Sequence[Stored]) -> list[Stored]:
    """What a 304 could be answered with, that which the request would choose first."""
    if request.method not in {"GET", "HEAD"}:
        return []
    # RFC 9110 13.2.1: an origin heeds conditions where it would answer with success; a 304 about a
    # stored failure would be about something else that has its tag. 9111 4.3.2: no parts that
    # don't hold what is asked for.
    found = [
        stored
        for stored in candidates
        if 200 <= stored.status < 300
        and (stored.method != "HEAD" or request.method == "HEAD")
        and can_answer(request, stored)
    ]
    if len(found) < 2:
        return found
    chosen = matching(request, found)
    return chosen + [stored for stored in found if not any(stored is one for one in chosen)]


def _meant(
    candidates: Sequence[Stored], request: Request, fields: Fields, received_at: float
) -> Stored | None:
    usable = _usable(request, candidates)
    etag = fields.get("etag", "").strip()
    if etag:
        # A strong one must be the very same; of those that a weak one means, the first.
        same = str.__eq__ if is_strong(etag) else matches_weakly
        found = next((one for one in usable if same(etag, one.fields.get("etag", ""))), None)
        if found is not None:
            return found
    # What follows does not tell variants apart.
    usable = [one for one in usable if matches(request, one)]
    modified = fields.get("last-modified")
    if etag:
        # Its date may be another strong validator (RFC 9110 8.8.2.2), if the tags don't deny it.
        if not is_strong_date(modified, fields.get("date"), received_at):
            return None
        usable = [one for one in usable if _may_be_tagged(one, etag) and _has_strong_date(one)]
    if modified is not None:
        return next((one for one in usable if one.fields.get("last-modified") == modified), None)
    return _asked_about(request, candidates, usable)


def _asked_about(
    request: Request, candidates: Sequence[Stored], usable: Sequence[Stored]
) -> Stored | None:
    """What a 304 without any validator is about: the only one that was asked about.

    4.3.4 speaks of stored answers without validators only. But an origin that was asked about one
    tag can mean no other, and several leave it out of their 304.
    """
    sent = fields_of(conditions(request, candidates).items()) or request.fields
    if "if-none-match" in sent:
        tags = listed_in(sent["if-none-match"])
        if len(tags) != 1:
            return None
        return next((one for one in usable if _has_tag(one, tags[0])), None)
    since = sent.get("if-modified-since")
    if since is None:
        return None
    dated = next((one for one in usable if one.fields.get("last-modified") == since), None)
    if dated is not None or len(candidates) != 1:
        return dated
    # 4.3.4: the only one, and it has no validator either.
    return next((o for o in usable if not o.fields.keys() & {"etag", "last-modified"}), None)


def _has_tag(stored: Stored, tag: str) -> bool:
    return matches_weakly(stored.fields.get("etag", ""), tag)


def _may_be_tagged(stored: Stored, tag: str) -> bool:
    return "etag" not in stored.fields or _has_tag(stored, tag)


def _has_strong_date(stored: Stored) -> bool:
    fields = stored.fields
    return is_strong_date(fields.get("last-modified"), fields.get("date"), stored.received_at)


def _is_confirmed(stored: Stored, fields: Fields) -> bool:
    """Do the validators of a HEAD's answer, and the length, agree with what is stored?"""
    if stored.status not in {200, 206}:
        return False
    for name in ("etag", "last-modified"):
        if name in fields and stored.fields.get(name) != fields[name]:
            return False
    length = fields.get("content-length")
    return length is None or _length_of(stored) in {None, length.strip()}


def _length_of(stored: Stored) -> str | None:
    """What Content-Length would say of the whole; None if that is not known."""
    if stored.span is not None:
        return None if stored.span[2] is None else str(stored.span[2])
    said = stored.fields.get("content-length")
    if said is not None:
        return said.strip()
    return None if is_encoded(stored.fields) else str(len(stored.body))
