"""What the caching rules of RFC 9111 speak of: requests, stored answers and replies, as plain data.

Nothing here reads a clock or does I/O. Times are Unix seconds.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

Fields = Mapping[str, str]
"""Header fields by lower-case name, the values of one name combined (RFC 9110 5.3)."""

Pairs = tuple[tuple[str, str], ...]
"""Header fields as they were sent: names in their case, one pair a line."""

Span = tuple[int, int, "int | None"]
"""First and last byte of a part, and how many bytes the whole has (None if that is not known)."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ESCAPED = re.compile("(?<!%)%([0-9A-Fa-f]{2})")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class Request(NamedTuple):
    """method: in capitals, as sent. url: absolute."""

    method: str
    url: str
    fields: Fields


class Defaults(NamedTuple):
    """What the decorator says where an answer says nothing; seconds, None if it doesn't either.

    respect_headers: False takes ttl in place of all that answers say about being kept.
    """

    ttl: float | None = None
    stale_if_error: float | None = None
    stale_while_revalidate: float | None = None
    respect_headers: bool = True


class Reply(NamedTuple):
    """What the client is given."""

    status: int
    reason: str
    headers: Pairs
    body: bytes


class Stored:
    """One answer that is kept. Never changed: an update makes a new one (see changed()).

    method: of the request that it answered. body: with any Content-Encoding undone.
    requested_at, received_at: when the request left and when the answer's head was there.
    vary: what the request had in the fields that Vary names, made comparable; None for none.
    span: what a 206 holds; None for a whole answer.
    fields: the headers, to look things up.
    """

    __slots__ = (
        "body",
        "fields",
        "headers",
        "method",
        "reason",
        "received_at",
        "requested_at",
        "span",
        "status",
        "vary",
    )

    def __init__(
        self,
        method: str,
        status: int,
        reason: str,
        headers: Pairs,
        body: bytes,
        requested_at: float,
        received_at: float,
        vary: tuple[tuple[str, str | None], ...] = (),
        span: Span | None = None,
    ) -> None:
        self.method = method
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body
        self.requested_at = requested_at
        self.received_at = received_at
        self.vary = vary
        self.span = span
        self.fields: Fields = fields_of(headers)

    def changed(self, **changes: Any) -> Stored:
        """A copy with some of the constructor's arguments replaced."""
        values = {name: getattr(self, name) for name in self.__slots__ if name != "fields"}
        return Stored(**(values | changes))

    def plain(self) -> list[Any]:
        """JSON types and bytes alone, for a shared store."""
        return [
            self.method,
            self.status,
            self.reason,
            [list(pair) for pair in self.headers],
            self.body,
            self.requested_at,
            self.received_at,
            [list(pair) for pair in self.vary],
            None if self.span is None else list(self.span),
        ]

    @classmethod
    def of_plain(cls, plain: Any) -> Stored:
        """Raises: ValueError if plain() never made this."""
        try:
            method, status, reason, headers, body, requested_at, received_at, vary, span = plain
            names = tuple((name, value) for name, value in headers)
            chosen_by = tuple((name, value) for name, value in vary)
            numbers = [status]
            if span is not None:
                first, last, complete = span
                span = (first, last, complete)
                numbers += [first, last] if complete is None else span
        except (TypeError, ValueError) as error:
            raise ValueError("no stored answer: it has another shape") from error
        texts = [method, reason, *(one for pair in names for one in pair)]
        texts += [one for pair in chosen_by for one in pair if one is not None]
        if not (
            all(type(one) is str for one in texts)
            and all(type(one) is int for one in numbers)
            and all(type(one) in {int, float} for one in (requested_at, received_at))
            and type(body) is bytes
        ):
            raise ValueError("no stored answer: a part of it has another type")
        return cls(method, status, reason, names, body, requested_at, received_at, chosen_by, span)

    def __eq__(self, other: object) -> bool:
        return self.plain() == other.plain() if isinstance(other, Stored) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        # Neither headers nor body: they may hold secrets.
        return f"<Stored {self.method} {self.status}, {len(self.body)} bytes>"


def fields_of(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By lower-case name; of several lines with one name the values are joined by commas."""
    found: dict[str, str] = {}
    for name, value in pairs:
        name = name.lower()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def normalized(url: str) -> str:
    """One spelling for equal URLs (RFC 9110 4.2.3): case of scheme and host, port, path, escapes.

    Without fragment and user information: a server is sent neither. A URL that can't be taken
    apart is returned as it is.
    """
    try:
        scheme, netloc, path, query, _ = urlsplit(url)
    except ValueError:
        return url
    if not scheme or not netloc:
        return url
    netloc = netloc.rpartition("@")[2].lower()
    host, _, port = netloc.rpartition(":")
    is_host = bool(host) and (":" not in host or host.endswith("]"))
    if is_host and (not port or _is_default_port(scheme, port)):
        netloc = host
    if "%" in path or "%" in query:
        path, query = _ESCAPED.sub(_unescaped, path), _ESCAPED.sub(_unescaped, query)
    return f"{scheme}://{netloc}{path or '/'}{'?' if query else ''}{query}"


def resolved(reference: str, url: str) -> str | None:
    """What a reference in a header field means in an answer from `url`, normalized.

    None if it is malformed.
    """
    try:
        # Clients escape what is no ASCII before they ask for it; here its bytes came as Latin-1.
        reference = quote(reference.strip(), safe=string.punctuation, encoding="latin-1")
        return normalized(urljoin(url, reference))
    except ValueError:
        return None


def has_same_origin(one: str, other: str) -> bool:
    """Scheme, host and port (RFC 9110 4.3.1); both normalized."""
    return one.split("/", 3)[:3] == other.split("/", 3)[:3]


def _is_default_port(scheme: str, port: str) -> bool:
    return port.isdecimal() and port.isascii() and _DEFAULT_PORTS.get(scheme) == int(port[:9])


def _unescaped(match: re.Match[str]) -> str:
    char = chr(int(match[1], 16))
    return char if char in _UNRESERVED else match[0].upper()
