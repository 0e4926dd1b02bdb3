"""Answers a function's calls from what is kept of it, and keeps what they get.

fresh                      → the kept result
stale, may be so           → the kept result, and a new one is fetched in the background
a failure that is kept     → the same error
the same call on its way   → wait for it (single-flight)
else                       → call; a failure may be answered by an old result
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from resilient.call import FINE, Call, Carried, Exchange, Verdict
from resilient.errors import DeadlineExceeded
from resilient.http.credentials import note_credential
from resilient.http.freshness import freshness_of, kept_until
from resilient.keys import Key
from resilient.refreshing import refreshes
from resilient.registry import registry
from resilient.results.cache import FunctionCache
from resilient.results.entry import (
    ATOMS,
    BEHIND_UNTIL,
    CARRIES,
    COST,
    FRESH_UNTIL,
    STALE_UNTIL,
    Entry,
    copied,
    copied_error,
    is_fresh,
    result_of,
    soft_end,
)
from resilient.results.flights import Landing, is_inside
from resilient.stores.plain import Unstorable
from resilient.timing import clock
from resilient.verdict import judge_error

Proceed = Callable[[Call], Any]
Shortcut = Callable[[tuple[Any, ...], dict[str, Any], float], "tuple[Any, ...] | None"]
"""As in `pipeline`, which stands above."""

_MAY_BE_STALE = frozenset({Verdict.TRANSIENT, Verdict.BROKEN, Verdict.THROTTLED, Verdict.REFUSED})

KEPT_FAILURES = frozenset({400, 404, 405, 410, 413, 414, 415, 422, 451})
"""Statuses of mistakes that the same arguments will make again. Not 401 and 403: what is missing
there is a right, which somebody is about to give."""


class Terms(NamedTuple):
    """How long results are kept for what; times are seconds."""

    ttl: float | None
    stale_for: float
    behind_for: float
    errors_ttl: float | None
    early: float
    copy: bool
    respect_headers: bool
    max_wait: float


class Answering:
    """How one function's calls are answered on its policy's terms; see the module."""

    def __init__(
        self, cache: FunctionCache, terms: Terms, proceed: Proceed, *, observing: bool
    ) -> None:
        self.cache = cache
        self.terms = terms
        self.proceed = proceed
        self.observing = observing

    def hit(self, key: Key, call: Call, entry: Entry) -> Any:
        """Answer with what is kept."""
        try:
            result = result_of(entry)
        except Exception as error:  # a copy that can't be copied once more
            self.cache.tell_uncacheable(call, f"copying its result raised {type(error).__name__}")
            return self._alone(key, call)
        call.target.saved.append(entry[COST])
        _rests_on(key, call, entry[CARRIES])
        return result

    def at_hand(self, key: Key, call: Call, entry: Entry | None, now: float) -> tuple[Any] | None:
        """What answers although nothing is fresh, in a tuple of one. Raises: a kept failure."""
        if entry is not None and entry[BEHIND_UNTIL] > now:
            age = now - entry[FRESH_UNTIL]
            if age > 0:
                call.degrade()
                call.report(
                    "refreshing", f"answered with a result stale for {age:.3g} s, asks anew"
                )
            if not self.cache.is_resting(key, now):
                # What fetches it anew must not find this call on its way.
                self.cache.flights.land(key, call)
                self._refresh(key, call)
            return (self.hit(key, call, entry),)
        failures = self.cache.failures
        known = None if failures is None else failures.get(key)
        if known is not None and known.until > now:
            error = copied_error(known.error)
            if error is not None:
                call.outcome, call.judged = known.outcome, error
                call.target.saved.append(0.0)
                _rests_on(key, call, known.carries)
                try:
                    raise error
                finally:
                    del error  # its traceback holds this frame
        return None

    def lead(self, key: Key, call: Call, entry: Entry | None) -> Any:
        """Make the call that others with the same key wait for. entry: what is kept, and is old."""
        try:
            self.cache.before(key, call)
            result = self.proceed(call)
            self.keep(key, call, result)
        except Exception as error:
            old = self.failed(key, call, entry, error)
            if old is None:
                raise
            return old[0]
        except BaseException:
            self.cache.flights.land(key, call)
            raise
        return self.returned(key, call, entry, result)

    def failed(
        self, key: Key, call: Call, entry: Entry | None, error: Exception
    ) -> tuple[Any] | None:
        """A call has raised: what answers in its place, in a tuple of one; None if nothing does."""
        shared = None
        try:
            judge_error(call, error)
            if self.terms.errors_ttl is not None:
                self._keep_failure(key, call, error)
            shared = error if self._may_be_shared(call) else None
        finally:
            self.cache.flights.land(key, call, shared)
        return self.stale(key, call, entry)

    def returned(self, key: Key, call: Call, entry: Entry | None, result: Any) -> Any:
        """A call has returned: its result, or what answers in the place of a failure."""
        if call.outcome is FINE:
            # What a store that is down has not kept, those who wait get all the same.
            self.cache.flights.land(key, call, returned=call.__dict__.get("unkept"))
            return result
        shared = (result,) if self._may_be_shared(call) else None
        self.cache.flights.land(key, call, returned=shared)
        old = self.stale(key, call, entry)
        return result if old is None else old[0]

    def follow(self, key: Key, call: Call) -> Any:
        """Wait for the call that is on its way; its result, or its failure, is ours too."""
        cache = self.cache
        leader = cache.flights.by_key.get(key)
        landing = None
        entry = cache.store.get(key)
        if entry is not None and is_fresh(entry, call.started):
            return self.hit(key, call, entry)
        known = self.at_hand(key, call, entry, call.started)
        if known is not None:
            return known[0]
        if leader is not None and not is_inside(call, leader):
            try:
                landing = self._wait(key, call, leader)
            except DeadlineExceeded as error:
                judge_error(call, error)
                old = self.stale(key, call, cache.store.get(key))
                if old is None:
                    raise
                return old[0]
        entry = cache.store.get(key)
        if entry is not None and entry[FRESH_UNTIL] > clock.monotonic():
            return self.hit(key, call, entry)
        if landing is not None and (landing.error is not None or landing.returned is not None):
            call.outcome, call.judged = landing.outcome, landing.error
            _rests_on(key, call, landing.carries)
            old = self.stale(key, call, entry)
            if old is not None:
                return old[0]
            if landing.error is not None:
                try:
                    # As it was: the frames of all who wait must not pile up in it.
                    raise landing.error.with_traceback(landing.trace)
                finally:
                    del landing  # the traceback holds this frame
            if landing.degraded:
                call.degrade()
            returned = copied(landing.returned)
            if returned is not None:
                return returned[0]
        return self._alone(key, call)

    def _wait(self, key: Key, call: Call, leader: Call) -> Landing | None:
        """How the leader's call ended; None if it did not within `max_wait`, or we came too late.

        Raises: DeadlineExceeded.
        """
        landing = self.cache.flights.landing_of(key, leader)
        if landing is None:
            return None
        max_wait = self.terms.max_wait
        left = call.time_left()
        is_short = left is not None and left <= max_wait
        since = clock.monotonic()
        longest = max_wait if left is None else max(0.0, min(left, max_wait))
        has_landed = clock.wait(landing.event, longest)
        waited = clock.monotonic() - since
        in_vain = "" if has_landed else " in vain"
        call.report("coalesced", f"waited {waited:.3g} s for the same call{in_vain}", waited=waited)
        if has_landed:
            return landing
        if is_short:
            raise DeadlineExceeded(
                f"{call.target.label}: at the deadline, the same call of another thread was still "
                "on its way. Raise deadline=, or add @fallback.",
                label=call.target.label,
            )
        return None

    def _alone(self, key: Key, call: Call) -> Any:
        """Make the call beside the one that is on its way."""
        try:
            result = self.proceed(call)
        except Exception as error:
            judge_error(call, error)
            old = self.stale(key, call, self.cache.store.get(key))
            if old is None:
                raise
            return old[0]
        if call.outcome is FINE:
            return result
        old = self.stale(key, call, self.cache.store.get(key))
        return result if old is None else old[0]

    def stale(self, key: Key, call: Call, entry: Entry | None) -> tuple[Any] | None:
        """An old result in place of a failed call, in a tuple of one; None if none may be used."""
        if entry is None or call.degraded or call.outcome.verdict not in _MAY_BE_STALE:
            return None
        now = clock.monotonic()
        if entry[STALE_UNTIL] <= now:
            return None
        age = max(0.0, now - entry[FRESH_UNTIL])
        if self.observing:
            call.report("would_stale", f"would answer with a result stale for {age:.3g} s")
            return None
        try:
            result = result_of(entry)
        except Exception:  # what the call came to says more
            return None
        call.degrade()
        _rests_on(key, call, entry[CARRIES])
        reason = call.outcome.reason
        call.report("stale", f"answered with a result stale for {age:.3g} s after {reason}")
        return (result,)

    def keep(self, key: Key, call: Call, result: Any) -> None:
        """Keep what a call got, if it may be kept."""
        terms, cache = self.terms, self.cache
        if call.outcome is not FINE or call.rests_on_degraded:
            return
        now = clock.monotonic()
        until = kept_until(
            call.attempt_exchanges(),
            terms.ttl,
            max(terms.stale_for, terms.behind_for),
            now,
            respect_headers=terms.respect_headers,
        )
        if until is None:
            return
        if not self._may_be_shared(call):
            why = f"its request carries {call.credential}, which is none of the arguments"
            cache.tell_uncacheable(call, f"{why}; say by scope= who may see the result")
            return
        plain = not terms.copy or type(result) in ATOMS
        if not plain:
            # requests reads the body now unless asked to stream it; a copy would read it away.
            kept = None if getattr(result, "_content", None) is False else copied((result,))
            if kept is None:
                why = f"its result, a {type(result).__name__}, can't be copied"
                cache.tell_uncacheable(call, f"{why}; return plain data, or give copy=False")
                return
            result = kept[0]
        tags = cache.tags_of(call)
        if tags is None:
            return  # told already
        fresh_until, last = until
        may_be_stale = last > fresh_until
        entry = (
            result,
            soft_end(now, fresh_until, terms.early),
            fresh_until + terms.stale_for if may_be_stale else fresh_until,
            upstream_seconds(call, now),
            plain,
            fresh_until + terms.behind_for if may_be_stale else fresh_until,
            fresh_until,
            call.carries,
            tags,
        )
        try:
            cache.keep(key, call, entry)
        except Unstorable as error:
            cache.tell_uncacheable(call, str(error))

    def _keep_failure(self, key: Key, call: Call, error: Exception) -> None:
        lifetime = self.terms.errors_ttl
        if call.outcome.status not in KEPT_FAILURES or lifetime is None:
            return
        if not self._may_be_shared(call):
            return
        exchanges = call.attempt_exchanges()
        if exchanges and self.terms.respect_headers:
            said = freshness_of(exchanges[-1].headers or {}).lifetime
            lifetime = lifetime if said is None else said
        kept = copied_error(error) if lifetime else None
        if kept is not None:
            self.cache.keep_failure(key, call, kept, clock.monotonic() + lifetime)

    def _refresh(self, key: Key, asked: Call) -> None:
        """Fetch a new result in the background, one at a time for each key."""
        refreshes.submit((id(self.cache), key), lambda: self._fetch(key, asked))

    def _fetch(self, key: Key, asked: Call) -> None:
        cache, flights = self.cache, self.cache.flights
        call = Call.of(asked.target, *asked.args, **asked.kwargs)
        if asked.deadline is not None:
            call.deadline = call.started + (asked.deadline - asked.started)
        if self._key_of(call) != key or flights.by_key.setdefault(key, call) is not call:
            return  # the caller has changed its arguments since, or somebody asks already
        if call.cache_key is None and not cache.has_scope:
            call.cache_key = key
        failure: Exception | None = None
        try:
            cache.before(key, call)
            result = self.proceed(call)
            if self._key_of(call) == key:  # or it may belong to other arguments
                self.keep(key, call, result)
        except Exception as error:
            failure = error
            judge_error(call, error)
        finally:
            flights.land(key, call, failure if self._may_be_shared(call) else None)
            call.closed = True
            call.judged = failure = None  # their tracebacks hold this frame
        took = clock.monotonic() - call.started
        if call.outcome is FINE:
            call.report("refreshed", f"fetched anew in the background in {took:.3g} s")
        else:
            cache.rest(key)
            reason = call.outcome.reason
            call.report("refresh_failed", f"could not be fetched anew in the background: {reason}")
        registry.stats_of(call.target.service, call.target.name).record_background(call)

    def _may_be_shared(self, call: Call) -> bool:
        """May those who wait for this call have what it failed with? It may be another user's."""
        return call.credential is None or self.cache.has_scope

    def _key_of(self, call: Call) -> Key | None:
        try:
            return self.cache.key_of(call)
        except Exception:
            return None


def _rests_on(key: Key, call: Call, carried: Carried | None) -> None:
    """A call is answered by what such a request once gave: those around it have to know."""
    if carried is not None:
        if call.cache_key is None:
            call.cache_key = key
        note_credential(call, carried)


def upstream_seconds(call: Call, now: float) -> float:
    """What the next call is spared: the vendor's part of this one, without our own waits."""
    exchanges: Sequence[Exchange] = call.exchanges
    if exchanges:
        return sum(exchange.elapsed or 0.0 for exchange in exchanges)
    return now - call.started - sum(step.facts.get("waited") or 0.0 for step in call.steps)
