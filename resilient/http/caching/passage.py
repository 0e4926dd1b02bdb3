"""What becomes of one request of a decorated function.

    look     may the cache answer? Then that is all.
    follow   else wait for the same request of another thread, and look again
    lead     else ask the vendor (see `asking`)

An error of ours in any of these costs a hit and never the answer: the request goes on without.
"""

from __future__ import annotations

from functools import partial

import requests

from resilient.call import Call, current
from resilient.errors import DeadlineExceeded
from resilient.http.caching.answering import gateway_timeout
from resilient.http.caching.asking import fetch, only_watch, pass_on
from resilient.http.caching.errand import Errand, Look
from resilient.http.caching.flights import Flight, flight_key
from resilient.http.caching.freshness import fresh_until
from resilient.http.caching.messages import Stored
from resilient.http.caching.reusing import FAILURES, Decision, Kind, decide
from resilient.http.hooks.patches import guarded
from resilient.timing import clock

_ANSWERED = frozenset({Kind.FRESH, Kind.STALE_OK, Kind.BEHIND})
_CACHEABLE = frozenset({"GET", "HEAD"})


def answer(errand: Errand) -> requests.Response:
    """The response to a request, from wherever."""
    if not errand.is_for_cache():
        return errand.send({})
    # What a GET with a body asks for is not in its URL.
    if errand.request.method not in _CACHEABLE or errand.prepared.body:
        return pass_on(errand)
    look = guarded(_look, errand)
    if look is None:
        return errand.send({})
    if errand.cache.observing or errand.owner.target.observing:
        if look.decision.kind in _ANSWERED:
            errand.call.report("would_hit", "would answer a request from the cache")
        return only_watch(errand, look)
    response = guarded(_answered, errand, look)
    if response is not None:
        return response
    if errand.is_streaming or errand.refusal() is not None:
        return fetch(errand, look, None)
    return _fly(errand, look)


def _look(errand: Errand) -> Look:
    cache = errand.cache
    landings = cache.flights.landings
    found = cache.keeping.find(errand.place)
    now = clock.time()
    return Look(found, decide(errand.request, found, now, cache.defaults), now, landings)


def _answered(errand: Errand, look: Look) -> requests.Response | None:
    """A response without asking the vendor; None if he has to be asked."""
    kind, stored = look.decision
    if kind is Kind.UNSATISFIABLE:
        return errand.made_of(gateway_timeout())
    if kind not in _ANSWERED or stored is None:
        return None
    response = errand.given(stored, look.now)
    errand.count_hit(stored)
    if kind is Kind.BEHIND:
        _refresh_behind(errand, look, stored)
    return response


def _fly(errand: Errand, look: Look) -> requests.Response:
    """Ask the vendor, or wait for another thread which is asking the same."""
    flights, key = errand.cache.flights, flight_key(errand.place.key, errand.request)
    flight = Flight(errand.call, errand.request.fields)
    end = clock.monotonic() + errand.cache.max_wait
    while True:
        leader = flights.join(key, flight)
        if leader is flight:
            try:
                return _lead(errand, look, flight)
            finally:
                flights.land(key, flight)
        if leader.is_own():
            return fetch(errand, look, None)
        if leader.call.closed and not leader.landed.is_set():
            # Ctrl-C hit it between two steps of ours.
            flights.land(key, leader)
            continue
        try:
            has_landed = _wait(errand, leader, end)
        except DeadlineExceeded as error:
            stale = errand.stand_in(look, error)
            if stale is None:
                raise
            return stale
        look = guarded(_look, errand) or look
        response = guarded(_answered, errand, look)
        if response is None and has_landed:
            response = _shared(errand, look, leader)
        if response is not None:
            return response
        if leader.answered or not has_landed:
            # An answer that is for nobody else, or one that takes too long.
            return fetch(errand, look, None)


def _lead(errand: Errand, look: Look, flight: Flight) -> requests.Response:
    if errand.cache.flights.landings != look.landings:
        # The same request may have landed just before this one took the lead.
        look = guarded(_look, errand) or look
        response = guarded(_answered, errand, look)
        if response is not None:
            return response
    return fetch(errand, look, flight)


def _wait(errand: Errand, leader: Flight, end: float) -> bool:
    """Has it landed before the end? Raises DeadlineExceeded if the call's own came first."""
    call = errand.call
    since = clock.monotonic()
    longest = max(0.0, end - since)
    left = call.time_left()
    is_short = left is not None and left <= longest
    if left is not None and is_short:
        longest = max(0.0, left)
    has_landed = clock.wait(leader.landed, longest)
    waited = clock.monotonic() - since
    in_vain = "" if has_landed else " in vain"
    call.report("coalesced", f"waited {waited:.3g} s for the same request{in_vain}", waited=waited)
    if is_short and not has_landed:
        raise DeadlineExceeded(
            f"{call.target.label}: at the deadline, the same request of another thread was still "
            "on its way. Raise deadline=, or add @fallback.",
            label=call.target.label,
        )
    return has_landed


def _shared(errand: Errand, look: Look, leader: Flight) -> requests.Response | None:
    """What the leader's failure is for those who waited; None if it is not theirs."""
    error, reply = leader.error, leader.reply
    if error is not None:
        stale = errand.stand_in(look, error)
        if stale is None:
            # As it was: the frames of all who wait must not pile up in it.
            raise error.with_traceback(leader.trace)
        return stale
    if reply is None or not leader.asked_the_same(errand.request.fields):
        return None
    if leader.exchange is not None and leader.call is not errand.call:
        # What the vendor answered to them all: whoever judges this call has to see it.
        errand.call.add_exchange(leader.exchange)
    stale = errand.stand_in(look, reply.status)
    return errand.made_of(reply) if stale is None else stale  # one that says 404 is no truth


def _refresh_behind(errand: Errand, look: Look, stored: Stored) -> None:
    """Have a stale answer fetched anew, once at a time."""
    cache, call = errand.cache, errand.call
    if cache.is_resting(errand.place.key) or errand.refusal() is not None:
        return
    again = errand.in_background()
    # What fails there is for nobody to be told with something stale.
    look = look._replace(decision=Decision(Kind.VALIDATE, None))
    key = flight_key(errand.place.key, errand.request)
    if cache.pool.submit((cache, key), partial(_refresh, again, look)):
        age = max(0.0, look.now - fresh_until(stored, look.now, cache.defaults))
        call.report("refreshing", f"answered with a response stale for {age:.3g} s, asks anew")


def _refresh(errand: Errand, look: Look) -> None:
    """In the background: a call of its own, so that timeouts, gates and stats hold."""
    cache = errand.cache
    call = errand.call = Call.of(errand.call.target)
    call.admitted_from = -1  # nobody has been admitted yet
    token = current.set(call)
    try:
        failure = _failure_of(errand, look)
    finally:
        current.reset(token)
        call.closed = True
    if failure is None:
        took = clock.monotonic() - call.started
        call.report("refreshed", f"fetched anew in the background in {took:.3g} s")
    else:
        cache.rest(errand.place.key)
        call.report("refresh_failed", f"could not be fetched anew in the background: {failure}")
    if cache.record is not None:
        cache.record(call)


def _failure_of(errand: Errand, look: Look) -> str | None:
    """Ask; in a few words what went wrong, None if nothing did."""
    flights, key = errand.cache.flights, flight_key(errand.place.key, errand.request)
    flight = Flight(errand.call, errand.request.fields)
    if flights.join(key, flight) is not flight:
        return None  # somebody is asking already
    try:
        response = fetch(errand, look, flight)
        _ = response.content
        response.close()
    except Exception as error:
        return type(error).__name__
    finally:
        flights.land(key, flight)
    return str(response.status_code) if response.status_code in FAILURES else None
