"""What an unsafe request makes void (RFC 9111 4.4)."""

from __future__ import annotations

from resilient.http.caching.messages import (
    Fields,
    Request,
    has_same_origin,
    normalized,
    resolved,
)

# The methods that are registered as safe.
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "PROPFIND", "QUERY", "REPORT", "SEARCH", "TRACE"})


def is_unsafe(method: str) -> bool:
    """Any method that is not known to be safe. Methods are told apart by case (RFC 9110 9.1)."""
    return method not in _SAFE


def invalidated_by(request: Request, status: int, fields: Fields) -> list[str]:
    """Normalized URLs whose stored answers must not be used any more, the request's own first.

    None after an error: the request is taken to have changed nothing. Location and
    Content-Location count for their own origin alone, or one could void what another has.
    """
    if not is_unsafe(request.method) or not 200 <= status < 400:
        return []
    url = normalized(request.url)
    found = [url]
    for name in ("location", "content-location"):
        other = resolved(fields[name], url) if name in fields else None
        if other is not None and other not in found and has_same_origin(url, other):
            found.append(other)
    return found
