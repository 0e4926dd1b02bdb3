"""Which header fields are kept, and which of them a later answer replaces (RFC 9111 3.1, 3.2)."""

from __future__ import annotations

from collections.abc import Iterable

from resilient.http.caching.dates import date_of, date_text
from resilient.http.caching.directives import directives_of, fields_named
from resilient.http.caching.messages import Pairs, fields_of

# 3.1, and RFC 9110 7.6.1: they are about the connection, or the proxy at its other end.
_NEVER_KEPT = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

# RFC 9110 7.6.1: fields for all recipients are not to be listed in Connection. If one of these were
# dropped because it is, the answer would be used for longer, or for more, than its origin allows.
_ALWAYS_KEPT = frozenset({"age", "cache-control", "date", "expires", "pragma", "vary"})

# 3.2: they describe the body as it is stored, which a 304 or the answer to a HEAD does not change.
# The body is stored decoded, and perhaps as a part.
_ABOUT_THE_BODY = frozenset({"content-encoding", "content-length", "content-range"})


def headers_kept(headers: Iterable[tuple[str, str]]) -> Pairs:
    """Without what belongs to the connection, and what no-cache="…" names (3.1, 5.2.2.4).

    What private="…" names is kept: nobody else is served from here.
    """
    pairs = tuple(headers)
    fields = fields_of(pairs)
    dropped = _NEVER_KEPT
    named = {name.strip().lower() for name in fields.get("connection", "").split(",")}
    named |= fields_named(directives_of(fields.get("cache-control")).get("no-cache", ""))
    named -= _ALWAYS_KEPT
    if "transfer-encoding" in fields:
        named.add("content-length")  # RFC 9112 6.3: it is overridden, and must go with it
    if named:
        dropped |= named
    return tuple(pair for pair in pairs if pair[0].lower() not in dropped)


def dated(headers: Pairs, received_at: float) -> Pairs:
    """With the time of its receipt for a Date that is missing or malformed (RFC 9110 6.6.1)."""
    if date_of(fields_of(headers).get("date"), received_at) is not None:
        return headers
    return _without(headers, {"date"}) + (("Date", date_text(received_at)),)


def updated(headers: Pairs, newer: Iterable[tuple[str, str]], received_at: float) -> Pairs:
    """Stored headers with those of a 304, or of the answer to a HEAD, in their place (3.2).

    received_at: when the newer ones were.
    """
    kept = tuple(pair for pair in headers_kept(newer) if pair[0].lower() not in _ABOUT_THE_BODY)
    # Age and Date tell when the origin was last asked; the old ones no longer do.
    replaced = {name.lower() for name, _ in kept} | {"age", "date"}
    # no-cache="…" may name fields only now.
    return headers_kept(_without(headers, replaced) + dated(kept, received_at))


def _without(headers: Pairs, names: set[str]) -> Pairs:
    return tuple(pair for pair in headers if pair[0].lower() not in names)
