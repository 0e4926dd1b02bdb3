"""Asking the vendor, and what is kept and forgotten after that (RFC 9111 3, 4.3 and 4.4)."""

from __future__ import annotations

from typing import Any

import requests

from resilient.call import Exchange
from resilient.errors import DeadlineExceeded
from resilient.http.caching.errand import Errand, Look
from resilient.http.caching.flights import Flight
from resilient.http.caching.invalidating import invalidated_by, is_unsafe
from resilient.http.caching.keeping import Place, Variants
from resilient.http.caching.messages import Stored
from resilient.http.caching.received import Answer
from resilient.http.caching.reusing import FAILURES, Decision, Kind
from resilient.http.caching.selecting import matching, put
from resilient.http.caching.storing import may_store, stored_of
from resilient.http.caching.validating import (
    after_head,
    conditions,
    confirmed,
    has_conditions,
    refreshed,
)
from resilient.http.hooks.patches import guarded
from resilient.timing import clock

_GONE = frozenset({404, 410})
"""What says, beside an answer that worked, that what is stored holds no longer."""


def fetch(errand: Errand, look: Look, flight: Flight | None) -> requests.Response:
    """Ask, validating what there is. What others may share is told to those who wait for `flight`.

    Answers with something stale where the vendor fails and that is allowed.
    """
    extra = guarded(conditions, errand.request, look.found) or {}
    with _UnderWay(errand) as under_way:
        return under_way.ask(look, flight, extra)


def only_watch(errand: Errand, look: Look) -> requests.Response:
    """Ask as if there were no cache, but keep what it would keep."""
    look = look._replace(decision=Decision(Kind.MISS, None))
    with _UnderWay(errand) as under_way:
        return under_way.ask(look, None, {})


def pass_on(errand: Errand) -> requests.Response:
    """Send what a cache does not answer, and forget what it changes (RFC 9111 4.4)."""
    requested_at = clock.time()
    response = errand.send({})
    if not is_unsafe(errand.request.method):
        return errand.own(response)
    answer = guarded(Answer, response, requested_at, clock.time())
    if answer is not None:
        guarded(_invalidate, errand, answer)
        if not errand.is_streaming and _may_store(errand, answer):
            # RFC 9110 9.3.3: the answer to a POST may be what a GET would be answered.
            with _UnderWay(errand) as under_way:
                answer.read()
                guarded(under_way.keep, answer)
    return errand.own(response)


class _UnderWay:
    """A request that has left, or is about to, until what came of it has been kept."""

    def __init__(self, errand: Errand) -> None:
        self.errand = errand
        self.keeping = errand.cache.keeping
        self.place: Place = errand.place
        self.begun: Any = None

    def __enter__(self) -> _UnderWay:
        self.begun = self.keeping.begin(self.place)
        return self

    def __exit__(self, *_: object) -> None:
        self.keeping.end(self.place, self.begun)

    def ask(self, look: Look, flight: Flight | None, extra: dict[str, str]) -> requests.Response:
        errand = self.errand
        requested_at = clock.time()
        try:
            try:
                response = errand.send(extra)
            finally:
                errand.count_miss(clock.time() - requested_at)
            answer = guarded(Answer, response, requested_at, clock.time())
            if answer is None:  # what a mock says, perhaps
                return errand.own(response)
            is_failure = answer.status in FAILURES
            # 4.2.4: one that breaks off is no answer, if there is something to stand in for it.
            is_read = is_failure or look.decision.stored is not None
            if not errand.is_streaming and (is_read or _may_store(errand, answer)):
                answer.read()
        except Exception as error:
            if flight is not None and not _is_own_fault(errand, error):
                flight.failed(error)
            stale = errand.stand_in(look, error)
            if stale is None:
                raise
            return stale
        if flight is not None:
            flight.answered = True
        if answer.status == 304 and (extra or has_conditions(errand.request.fields)):
            return self._confirmed(look, answer, flight, extra)
        if is_failure:
            stale = errand.stand_in(look, answer.status)
            if flight is not None and errand.is_told_apart:
                flight.exchange = _exchange_of(errand, answer.status)
                flight.reply = answer.as_reply()
            if stale is not None:
                answer.discard()
                return stale
        if look.decision.stored is not None and guarded(answer.is_whole) is False:
            # 4.2.4: this one broke off, too, though it looks like an answer.
            stale = errand.stand_in(look, requests.ConnectionError())
            if stale is not None:
                answer.discard()
                return stale
        guarded(self.keep, answer)
        return errand.own(response)

    def _confirmed(
        self, look: Look, answer: Answer, flight: Flight | None, extra: dict[str, str]
    ) -> requests.Response:
        """After a 304 (RFC 9111 4.3.4)."""
        errand = self.errand
        updated = guarded(
            refreshed,
            look.found,
            errand.request,
            answer.pairs,
            answer.requested_at,
            answer.received_at,
        )
        if updated is not None:
            guarded(self._keep_updated, updated)
        if not extra:
            return errand.own(answer.response)  # to the caller's own condition: his answer
        answer.discard()
        held = updated or guarded(confirmed, look.found, errand.request, answer.pairs)
        if held is not None:
            response = guarded(_given_again, errand, held, answer.received_at)
            if response is not None:
                errand.call.report("revalidated", "the vendor said that the stored response holds")
                return response
        # It can't be told what the 304 is about.
        return self.ask(look, flight, {})

    def _keep_updated(self, updated: Stored) -> None:
        request, defaults = self.errand.request, self.errand.cache.defaults
        if not self.errand.is_told_apart:
            return
        if may_store(request, updated.status, updated.fields, defaults):
            self.keeping.update(self.place, self.begun, lambda old: put(old, request, updated))
        else:
            self.keeping.update(self.place, self.begun, self._without_chosen)

    def keep(self, answer: Answer) -> None:
        """Keep an answer if it may be, and forget what it replaces."""
        request, status = self.errand.request, answer.status
        if not self.errand.is_told_apart:
            return  # what others may see is no concern of this answer
        if not answer.is_whole():
            return  # what is missing of it might have said anything
        new: Stored | None = None
        is_storable = not self.errand.is_streaming and not answer.may_lack_fields()
        if is_storable and _may_store(self.errand, answer):
            times = answer.requested_at, answer.received_at
            new = stored_of(request, status, answer.reason, answer.pairs, answer.body, *times)
        # An answer that is not kept may still show that what is kept is of no use any more.
        is_whole = 200 <= status < 400 and status not in {206, 304}
        replaces = request.method == "GET" and (is_whole or status in _GONE)

        def change(old: Variants) -> Variants:
            if request.method == "HEAD":
                times = answer.requested_at, answer.received_at
                old = after_head(old, request, status, answer.pairs, *times)
            if new is not None:
                return put(old, request, new)
            return self._without_chosen(old) if replaces else old

        self.keeping.update(self.place, self.begun, change)

    def _without_chosen(self, old: Variants) -> Variants:
        """Without what this request would have been answered with."""
        chosen = matching(self.errand.request, old)
        return tuple(one for one in old if not any(one is other for other in chosen))


def _may_store(errand: Errand, answer: Answer) -> bool:
    if not errand.is_told_apart:
        return False
    defaults = errand.cache.defaults
    return bool(guarded(may_store, errand.request, answer.status, answer.fields, defaults))


def _given_again(errand: Errand, held: Stored, now: float) -> requests.Response:
    return errand.given(held, now, validated=True)


def _invalidate(errand: Errand, answer: Answer) -> None:
    cache = errand.cache
    for url in invalidated_by(errand.request, answer.status, answer.fields):
        cache.keeping.drop(cache.url_key(url))


def _is_own_fault(errand: Errand, error: Exception) -> bool:
    """Was it this call's own deadline that ended the request? Others may have more time."""
    left = errand.call.time_left()
    return isinstance(error, DeadlineExceeded) or (left is not None and left <= 0)


def _exchange_of(errand: Errand, status: int) -> Exchange | None:
    """The request that has just been answered, as the observer saw it."""
    exchanges = errand.call.exchanges
    last = exchanges[-1] if exchanges else None
    return last if last is not None and last.status == status else None
