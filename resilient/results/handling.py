"""The way of each call through what is kept of its function: as short as it can be."""

from __future__ import annotations

import copy as copying
from typing import Any

from resilient.call import FINE, Call, Target, current
from resilient.keys import UNTAGGED, Uncacheable
from resilient.results.cache import FunctionCache
from resilient.results.calls import Answering, Proceed, Shortcut
from resilient.results.entry import ATOMS
from resilient.results.naming import Nameless
from resilient.timing import clock


def handler_of(answering: Answering, target: Target) -> Proceed:
    """What answers the calls of `target`. Entries are read by number: see `results.entry`."""
    cache, terms, proceed = answering.cache, answering.terms, answering.proceed
    observing = answering.observing
    lead, follow, hit = answering.lead, answering.follow, answering.hit
    key_of, land, failures = cache.key_of, cache.flights.land, cache.failures
    find, keep = cache.store.get, cache.keep
    flights = cache.flights.by_key
    join, flying, leave = flights.setdefault, flights.get, flights.pop
    missed = target.missed.append
    ttl, stale_for, behind_for = terms.ttl or 0.0, terms.stale_for, terms.behind_for
    is_keyed = not (cache.is_shared or cache.has_scope)
    # Results that nobody can change, with no header to read, are kept without further ado.
    is_plain = not (cache.is_shared or cache.has_tags or terms.early or terms.ttl is None)
    is_plain = is_plain and failures is None

    def handler(call: Call) -> Any:
        try:
            key = key_of(call)
            is_first = join(key, call) is call
        except Exception as error:  # whatever it is, it must not cost the caller the answer
            cache.tell_uncacheable(call, _why_no_key(error))
            return proceed(call)
        if not is_first and not observing:
            return follow(key, call)
        started = call.started
        try:
            # Only now: a call with the same key may have landed a moment ago.
            entry = find(key)
        except BaseException as error:
            land(key, call)
            if not isinstance(error, Exception):
                raise
            cache.tell_uncacheable(call, _why_no_key(error))
            return proceed(call)
        if entry is not None and entry[1] > started:
            if not observing:
                land(key, call)
                return hit(key, call, entry)
            call.report("would_hit", "would answer from the cache")
        if not is_first:
            return proceed(call)
        if (entry is not None or failures is not None) and not observing:
            try:
                known = answering.at_hand(key, call, entry, started)
            except BaseException:
                land(key, call)
                raise
            if known is not None:
                land(key, call)
                return known[0]
        missed(started)
        if is_keyed:
            call.cache_key = key
        if not is_plain:
            return lead(key, call, entry)
        try:
            result = proceed(call)
            if (
                call.exchanges
                or call.steps
                or call.outcome is not FINE
                or type(result) not in ATOMS
                or call.carries is not None
            ):
                answering.keep(key, call, result)
            elif not call.rests_on_degraded:
                now = clock.monotonic()
                until = now + ttl
                last, behind, cost = until + stale_for, until + behind_for, now - started
                keep(key, call, (result, until, last, cost, True, behind, until, None, ()))
        except Exception as error:
            old = answering.failed(key, call, entry, error)
            if old is None:
                raise
            return old[0]
        except BaseException:
            land(key, call)
            raise
        if call.outcome is FINE:
            # What `land` does, for a call that has not failed.
            if flying(key) is call:
                leave(key, None)
            if call.landing is not None:
                call.landing.event.set()
            return result
        return answering.returned(key, call, entry, result)

    return handler


def shortcut_of(cache: FunctionCache, target: Target) -> Shortcut:
    """What answers a call from memory before there is a Call, where the arguments are the key."""
    find, count = cache.store.get, cache.keys.count
    add_spared = target.spared.append

    def answer(args: tuple[Any, ...], kwargs: dict[str, Any], now: float) -> tuple[Any, ...] | None:
        if kwargs or len(args) != count:
            return None
        for value in args:
            if type(value) not in UNTAGGED:
                return None
        entry = find(args)
        if entry is None or entry[1] <= now:
            return None
        if entry[7] is not None and current.get() is not None:
            return None  # what it rests on has to be told to the call around
        answered = entry
        if not entry[4]:
            try:
                answered = (copying.deepcopy(entry[0]),)  # type: ignore[assignment]
            except Exception:
                return None  # it has to be told why
        add_spared(entry[3])
        return answered

    return answer


def _why_no_key(error: Exception) -> str:
    # Only our own text is known to show no argument.
    why = str(error) if isinstance(error, Uncacheable) else f"its key raised {type(error).__name__}"
    return f"{why}; give {'scope' if isinstance(error, Nameless) else 'key'}="
