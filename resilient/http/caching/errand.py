"""One request on its way through a cache: who asks for what, and how it is sent and answered."""

from __future__ import annotations

import copy
from functools import partial
from http.client import HTTPException
from typing import Any, NamedTuple

import requests
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict

from resilient.call import FINE, Call, Outcome, Verdict
from resilient.errors import Refused
from resilient.http.caching.answering import reply_of
from resilient.http.caching.cache import HttpCache
from resilient.http.caching.freshness import fresh_until
from resilient.http.caching.keeping import Place, Variants
from resilient.http.caching.messages import Reply, Request, Stored
from resilient.http.caching.responses import response_of
from resilient.http.caching.reusing import Decision, may_stand_in
from resilient.http.credentials import Credential, credentials_of
from resilient.http.hooks.patches import guarded
from resilient.http.leaving import leaving
from resilient.http.signing import signed_in
from resilient.timing import clock


class Look(NamedTuple):
    """What the cache has for a request. found: all variants. landings: of the flights, before."""

    found: Variants
    decision: Decision
    now: float
    landings: int


class Errand:
    """One request, and what is needed to answer it.

    call: the innermost open one. owner: the one whose function has the cache. prepared: as the
    session made it. options: what the session hands to its adapter. behind: nobody waits for it.
    is_told_apart: does the key know all that the request was seen to authenticate with?
    """

    __slots__ = (
        "adapter",
        "behind",
        "cache",
        "call",
        "is_told_apart",
        "options",
        "owner",
        "place",
        "prepared",
        "request",
    )

    place: Place
    request: Request

    def __init__(
        self,
        cache: HttpCache,
        adapter: Any,
        call: Call,
        owner: Call,
        prepared: requests.PreparedRequest,
        options: dict[str, Any],
    ) -> None:
        self.cache = cache
        self.adapter = adapter
        self.call = call
        self.owner = owner
        self.prepared = prepared
        self.options = options
        self.behind = False
        self.is_told_apart = True

    def is_for_cache(self) -> bool:
        """Find out who asks for what; False if that can't be told."""
        prepared, options, cache = self.prepared, self.options, self.cache
        url, method = prepared.url, prepared.method
        if not isinstance(url, str) or url[:4].lower() != "http" or not method:
            return False
        try:
            headers = _pairs_of(prepared.headers)
            cert, verify = options.get("cert"), options.get("verify")
            signed = signed_in(self.call)
            key = cache.key_of(self.owner, url, headers, cert, verify, signed)
            self.place = Place(key, partial(cache.url_key, url))
            self.request = Request(method.upper(), url, cache.fields_of(headers))
        except Refused:
            raise
        except Exception as error:  # a scope= that raises: nobody knows whose answer it would be
            cache.tell_uncacheable(
                self.call, f"it can't be told who asks ({type(error).__name__}); see scope="
            )
            return False
        return True

    @property
    def is_streaming(self) -> bool:
        """Will the caller read the body by himself?"""
        return bool(self.options.get("stream"))

    def in_background(self) -> Errand:
        """The same request once more, when its caller may have gone on and changed it."""
        prepared = with_fields(self.prepared, {}, always=True)
        options = {**self.options, "stream": False}
        again = Errand(self.cache, self.adapter, self.call, self.owner, prepared, options)
        again.place, again.request, again.behind = self.place, self.request, True
        return again

    def refusal(self) -> Refused | None:
        """Why nothing may be sent; None if it may."""
        at: Call | None = self.call
        while at is not None:
            if at.offline is not None:
                return at.offline
            at = at.parent
        return None

    def send(self, extra: dict[str, str]) -> requests.Response:
        """By the session's own adapter, with some more header fields."""
        refusal = self.refusal()
        if refusal is not None:
            raise refusal.with_traceback(None)
        sent = with_fields(self.prepared, extra)
        known = guarded(self._known) or set()  # before an adapter may change the request itself
        with leaving() as credentials:
            try:
                response: requests.Response = self.adapter.inner.send(sent, **self.options)
            finally:
                guarded(self._tell_apart, known, credentials)
        return response

    def _known(self) -> set[tuple[str, str]]:
        """What the request authenticates with, as far as the key knows."""
        prepared, options = self.prepared, self.options
        signed, cert = signed_in(self.call), options.get("cert")
        found = credentials_of(prepared.url or "", prepared.headers, cert, signed)
        return {(one.kind, one.value) for one in found}

    def _tell_apart(self, known: set[tuple[str, str]], sent: list[Credential]) -> None:
        if self.cache.has_scope:
            return
        added = next((one for one in sent if (one.kind, one.value) not in known), None)
        if added is not None:
            self.is_told_apart = False
            why = f"their session's adapter adds {added.kind}; name with scope= who may see them"
            self.cache.tell_uncacheable(self.call, why)

    def own(self, response: requests.Response) -> requests.Response:
        """The vendor's own response, as if no cache had had a part in it."""
        guarded(self._make_own, response)
        return response

    def _make_own(self, response: Any) -> None:
        response.request = self.prepared
        # Digest authentication asks again by it, and what that changes must be heard of.
        response.connection = self.adapter
        if not hasattr(type(response), "from_cache"):
            response.from_cache = False

    def given(self, stored: Stored, now: float, *, validated: bool = False) -> requests.Response:
        """A response made of what is stored."""
        reply = reply_of(self.request, stored, now, validated=validated)
        return self.made_of(reply, stored, validated=validated)

    def made_of(
        self, reply: Reply, stored: Stored | None = None, *, validated: bool = False
    ) -> requests.Response:
        """A response made of a reply. stored: None if it does not come from the cache."""
        return response_of(
            reply,
            self.prepared,
            self.adapter,
            stored=stored,
            defaults=self.cache.defaults,
            validated=validated,
        )

    def stand_in(self, look: Look, failure: Exception | int) -> requests.Response | None:
        """Something stale in place of a failure, an error or a status; None if none may be used."""
        stored = look.decision.stored
        if (
            stored is None
            or not self.is_told_apart
            or not (isinstance(failure, int) or is_failure(failure))
        ):
            return None
        return guarded(self._stale, stored, failure)

    def _stale(self, stored: Stored, failure: Exception | int) -> requests.Response | None:
        call, defaults, now = self.call, self.cache.defaults, clock.time()
        is_answer = isinstance(failure, int)
        if not may_stand_in(self.request, stored, now, defaults, disconnected=not is_answer):
            return None
        response = self.given(stored, now)
        reason = str(failure) if is_answer else type(failure).__name__
        if not is_answer and call.outcome is FINE:
            # What a breaker has to hear of, though the function does not.
            is_ours = isinstance(failure, Refused)
            verdict = Verdict.REFUSED if is_ours else Verdict.TRANSIENT
            call.outcome = Outcome(verdict, reason)
        call.degrade()
        age = max(0.0, now - fresh_until(stored, now, defaults))
        call.report("stale", f"answered with a response stale for {age:.3g} s after {reason}")
        return response

    def count_hit(self, stored: Stored) -> None:
        saved = self.owner.target.http_saved
        if saved is not None:
            saved.append(max(0.0, stored.received_at - stored.requested_at))

    def count_miss(self, seconds: float) -> None:
        missed = self.owner.target.http_missed
        if missed is not None and not self.behind:
            missed.append(max(0.0, seconds))


def _pairs_of(headers: Any) -> list[tuple[str, str]]:
    """A request's header fields by lower-case name, as text."""
    if isinstance(headers, CaseInsensitiveDict):
        pairs = list(headers.lower_items())
    else:
        pairs = [(_text(name).lower(), value) for name, value in headers.items()]
    for name, value in pairs:
        if type(name) is not str or type(value) is not str:
            return [(_text(name).lower(), _text(value)) for name, value in pairs]
    return pairs


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str) else bytes(value).decode("latin-1")


def is_failure(error: Exception) -> bool:
    """Did the request fail on its way, or was it refused by us? Not if it was no request at all."""
    if isinstance(error, ValueError):  # requests' InvalidURL and its like
        return False
    return isinstance(error, (OSError, urllib3.exceptions.HTTPError, HTTPException, Refused))


def with_fields(
    prepared: requests.PreparedRequest, extra: dict[str, str], *, always: bool = False
) -> requests.PreparedRequest:
    """A copy with some more header fields; the request itself if there are none."""
    if not extra and not always:
        return prepared
    again = copy.copy(prepared)
    again.headers = prepared.headers.copy()
    again.headers.update(extra)
    return again
