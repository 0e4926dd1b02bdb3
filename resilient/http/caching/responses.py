"""What callers are given: requests-cache's CachedResponse, made anew for each of them.

A hit is mostly the making of this object, so what not every caller looks at is made when one does.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from email.message import Message
from typing import Any

import requests
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar
from requests.models import REDIRECT_STATI
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from requests_cache.models.raw_response import CachedHTTPResponse
from requests_cache.models.response import CachedResponse
from urllib3 import HTTPHeaderDict

from resilient.http.caching.freshness import fresh_until
from resilient.http.caching.messages import Defaults, Reply, Stored

NO_TIME = datetime.timedelta(0)


class RawReply(CachedHTTPResponse):
    """The raw response of a reply: a file of its body that is opened when it is first used."""

    _original_response = None

    def __init__(self, reply: Reply, url: str) -> None:
        self.__dict__["_unopened"] = (reply, url)

    def __getattr__(self, name: str) -> Any:
        unopened = self.__dict__.pop("_unopened", None)
        if unopened is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        reply, url = unopened
        init: Any = CachedHTTPResponse.__init__  # attrs has given it another signature
        init(
            self,
            body=reply.body,
            headers=HTTPHeaderDict(reply.headers),
            reason=reply.reason,
            status=reply.status,
            request_url=url,
        )
        return getattr(self, name)

    @property
    def closed(self) -> bool:
        # Python asks this of every file that it forgets, and closes it.
        return "_unopened" not in self.__dict__ and bool(super().closed)

    __repr__ = object.__repr__  # the long one shows headers

    def close(self) -> None:
        if "_unopened" not in self.__dict__:
            super().close()


_raw_of: Any = RawReply  # attrs has given it another signature


class ReplyResponse(CachedResponse):
    """A response that the cache gives. See `response_of`, which makes them."""

    def __getattr__(self, name: str) -> Any:
        make = _LATER.get(name)
        if make is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = self.__dict__[name] = make(self)
        return value

    @property
    def raw(self) -> Any:
        raw = self.__dict__.get("raw")
        if raw is None and "_reply" in self.__dict__:
            raw = self.__dict__["raw"] = _raw_of(self._reply, self.url)
        return raw

    @raw.setter
    def raw(self, raw: Any) -> None:
        self.__dict__["raw"] = raw

    @property
    def from_cache(self) -> bool:
        return "_reply" not in self.__dict__ or self._stored is not None

    @property
    def is_redirect(self) -> bool:
        # requests asks this of every response, and then there are headers to be looked at.
        return self.status_code in REDIRECT_STATI and bool(super().is_redirect)

    @property
    def next(self) -> Any:
        return self._next  # requests sets it, with redirects off

    def __reduce__(self) -> tuple[Any, ...]:
        # What a Response keeps of itself, and not the session's adapter nor an open file.
        state = {name: getattr(self, name) for name in requests.Response.__attrs__}
        names = ("_reply", "_stored", "_defaults", "created_at", "expires", "revalidated")
        kept = {name: getattr(self, name) for name in names if hasattr(self, name)}
        return _made_of, ({**state, **kept, "_next": None},)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()

    # attrs looks for converters, of which only `expires` has one.
    __setattr__ = object.__setattr__
    # Not the long ones, which show headers and bodies.
    __repr__ = __str__ = requests.Response.__repr__
    # attrs compares them by what they hold.
    __eq__ = object.__eq__
    __hash__ = object.__hash__  # type: ignore[assignment]


def response_of(
    reply: Reply,
    request: requests.PreparedRequest,
    connection: Any,
    *,
    stored: Stored | None,
    defaults: Defaults,
    validated: bool = False,
) -> ReplyResponse:
    """A response for one caller, who may change it as he likes.

    stored: what it was made of; None for a reply that does not come from the cache. validated: the
    vendor has just said that it holds.
    """
    return _made_of(
        {
            "_content": reply.body,
            "_next": None,
            "_reply": reply,
            "_stored": stored,
            "_defaults": defaults,
            "connection": connection,
            "elapsed": NO_TIME,
            "history": [],
            "reason": reply.reason,
            "request": request,
            "revalidated": validated,
            "status_code": reply.status,
            "url": request.url,
        }
    )


def _headers_of(response: Any) -> CaseInsensitiveDict[str]:
    pairs = response._reply.headers
    headers: CaseInsensitiveDict[str] = CaseInsensitiveDict(pairs)
    if len(headers) != len(pairs):  # some in several lines
        headers = CaseInsensitiveDict(HTTPHeaderDict(pairs))
    return headers


def _made_of(facts: dict[str, Any]) -> ReplyResponse:
    response = ReplyResponse.__new__(ReplyResponse)
    response.__dict__.update(facts)
    return response


def cookies_of(pairs: Any, request: Any) -> RequestsCookieJar:
    """The cookies that a reply sets. requests would put them into the session's jar once more."""
    jar = RequestsCookieJar()
    lines = [(name, value) for name, value in pairs if name.lower().startswith("set-cookie")]
    if lines:
        extract_cookies_to_jar(jar, request, _Original(lines))
    return jar


class _Original:
    """As much of a response of http.client as requests needs to find the cookies."""

    def __init__(self, lines: list[tuple[str, str]]) -> None:
        self._original_response = self
        self.msg = Message()
        for name, value in lines:
            self.msg[name] = value


def _moment(seconds: float) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    except (OverflowError, OSError, ValueError):  # fresh for ever
        return None


def _created(response: Any) -> datetime.datetime | None:
    stored = response.__dict__.get("_stored")
    return None if stored is None else _moment(stored.received_at)


def _expires(response: Any) -> datetime.datetime | None:
    stored = response.__dict__.get("_stored")
    if stored is None:
        return None
    return _moment(fresh_until(stored, stored.received_at, response._defaults))


_LATER: dict[str, Callable[[Any], Any]] = {
    "headers": _headers_of,
    "encoding": lambda response: get_encoding_from_headers(_headers_of(response)),
    "cookies": lambda response: cookies_of(response._reply.headers, response.request),
    "created_at": _created,
    "expires": _expires,
    "_decoded_content": lambda response: None,
}
