"""@cached: fresh answers cost nothing, old ones beat none.

Results are kept by the function's arguments, in memory. Keys are those of `resilient.keys`; the
vendor's Cache-Control and Expires decide when they are seen, `ttl` when they are silent.
"""

from __future__ import annotations

import copy as copying
import threading
import weakref
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ParamSpec, TypeVar, overload

from resilient import options
from resilient.call import FINE, Call, Target, Verdict
from resilient.errors import ConfigurationError, DeadlineExceeded
from resilient.http.freshness import kept_until
from resilient.keys import UNTAGGED, Handover, Key, Uncacheable
from resilient.options import Seconds
from resilient.pipeline import Decorated, Handler, Policy, Shortcut, policy_or_decorated
from resilient.stores.results import Entry, FunctionCache, Landing, copied
from resilient.timing import clock
from resilient.verdict import judge_error

P = ParamSpec("P")
R = TypeVar("R")

ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})
"""Types whose values nobody can change: they are handed out without a copy."""

_MAY_BE_STALE = frozenset({Verdict.TRANSIENT, Verdict.BROKEN, Verdict.THROTTLED, Verdict.REFUSED})


def _is_inside(call: Call, leader: Call) -> bool:
    """Does the leader itself wait for this call? Then waiting for the leader would never end."""
    around = call.parent
    while around is not None:
        if around is leader:
            return True
        around = around.parent
    return False


class Cached(Policy):
    """See `cached`. `_caches_lock` guards `_caches`."""

    kind = "cached"
    rank = 2

    def __init__(
        self,
        ttl: Seconds | None = None,
        *,
        key: Callable[..., Hashable] | None = None,
        copy: bool = True,
        max_entries: int = 1024,
        stale_if_error: Seconds | None = None,
        respect_headers: bool = True,
        max_wait: Seconds = 30,
        mode: str = "enforce",
    ) -> None:
        self.ttl = options.optional_seconds(ttl, "cached(ttl)")
        self.key = options.function(key, "cached(key)")
        self.copy = options.flag(copy, "cached(copy)")
        self.max_entries = options.whole(max_entries, "cached(max_entries)")
        self.stale_if_error = options.optional_seconds(
            stale_if_error, "cached(stale_if_error)", zero=True
        )
        self.respect_headers = options.flag(respect_headers, "cached(respect_headers)")
        self.max_wait = options.seconds(max_wait, "cached(max_wait)", zero=True)
        self.mode = options.choice(mode, "cached(mode)", ("enforce", "observe"))
        if self.ttl is None and not self.respect_headers:
            raise ConfigurationError(
                "cached(respect_headers=False): nothing says how long a result is fresh; give ttl=."
            )
        # By the function's id: not every callable can be hashed. The handlers hold the caches.
        self._caches: weakref.WeakValueDictionary[int, FunctionCache] = (
            weakref.WeakValueDictionary()
        )
        self._caches_lock = threading.Lock()

    def renew_in_child(self) -> None:
        for cache in self._caches.values():
            cache.flights.clear()  # whoever is on its way does not arrive in this process

    def settings(self) -> Mapping[str, object]:
        shown: dict[str, object] = {"ttl": self.ttl, "stale_if_error": self.stale_if_error}
        shown |= {"max_entries": self.max_entries, "respect_headers": self.respect_headers}
        if self.key is not None:
            shown["key"] = self.key
        return shown

    def cache_of(self, function: Callable[..., Any]) -> FunctionCache:
        """What this policy keeps for one (undecorated) function."""
        with self._caches_lock:
            cache = self._caches.get(id(function))
            if cache is None:
                cache = FunctionCache(function, self.max_entries, self.key)
                self._caches[id(function)] = cache
        return cache

    def clear(self) -> None:
        """Forget the results of every function that shares this policy."""
        with self._caches_lock:
            caches = list(self._caches.values())
        for cache in caches:
            cache.clear()

    def check(self, function: Callable[..., Any]) -> None:
        if self.key is None:
            return
        try:
            Handover(self.key, function)
        except TypeError as error:
            shown = getattr(self.key, "__name__", type(self.key).__name__)
            raise ConfigurationError(
                f"cached(key={shown}) can't take the arguments of the function: {error}. Give it "
                "the same parameters."
            ) from None

    def bind(self, proceed: Handler, target: Target) -> Handler:
        cache = self.cache_of(target.function)
        key_of, land = cache.key_of, cache.land
        find, keep = cache.store.get, cache.keep
        join, flying, leave = cache.flights.setdefault, cache.flights.get, cache.flights.pop
        observing = target.observing or self.mode == "observe"
        ttl, stale_for = self.ttl, self.stale_if_error or 0.0

        def handler(call: Call) -> Any:
            try:
                key = key_of(call)
                is_first = join(key, call) is call
            except Exception as error:  # whatever it is, it must not cost the caller the answer
                cache.tell_uncacheable(call, _why_no_key(error))
                return proceed(call)
            if not is_first and not observing:
                return self._follow(cache, key, call, proceed)
            # Only now: a call with the same key may have landed a moment ago.
            entry, started = find(key), call.started
            if entry is not None and entry[1] > started:
                if not observing:
                    land(key, call)
                    return self._hit(call, entry)
                call.report("would_hit", "would answer from the cache")
            if not is_first:
                return proceed(call)
            try:
                result = proceed(call)
                if call.outcome is FINE and not call.rests_on_degraded:
                    if ttl is None or call.exchanges or call.steps or type(result) not in ATOMS:
                        self._keep(cache, key, call, result)
                    else:  # the same, where there is nothing to copy and no header to read
                        now = clock.monotonic()
                        until = now + ttl
                        keep(key, call, (result, until, until + stale_for, now - started, True))
            except Exception as error:
                judge_error(call, error)
                land(key, call, error)
                old = self._stale(call, entry)
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
            land(key, call, returned=(result,))
            old = self._stale(call, entry)
            return result if old is None else old[0]

        return handler

    def shortcut(self, target: Target) -> Shortcut | None:
        if self.key is not None or target.observing or self.mode == "observe":
            return None
        cache = self.cache_of(target.function)
        find, count = cache.store.get, cache.keys.count
        add_spared = target.spared.append

        def answer(
            args: tuple[Any, ...], kwargs: dict[str, Any], now: float
        ) -> tuple[Any, ...] | None:
            if kwargs or len(args) != count:
                return None
            for value in args:
                if type(value) not in UNTAGGED:
                    return None
            entry = find(args)
            if entry is None or entry[1] <= now:
                return None
            add_spared(entry[3])
            return entry if entry[4] else (copying.deepcopy(entry[0]),)

        return answer

    def _follow(self, cache: FunctionCache, key: Key, call: Call, proceed: Handler) -> Any:
        """Wait for the call that is on its way; its result, or its failure, is ours too."""
        leader = cache.flights.get(key)
        landing = None
        fresh = _fresh(cache.store.get(key), call.started)
        if fresh is not None:
            return self._hit(call, fresh)
        if leader is not None and not _is_inside(call, leader):
            try:
                landing = self._wait(cache, key, call, leader)
            except DeadlineExceeded as error:
                judge_error(call, error)
                old = self._stale(call, cache.store.get(key))
                if old is None:
                    raise
                return old[0]
        entry = cache.store.get(key)
        fresh = _fresh(entry, clock.monotonic())
        if fresh is not None:
            return self._hit(call, fresh)
        if landing is not None and (landing.error is not None or landing.returned is not None):
            call.outcome, call.judged = landing.outcome, landing.error
            old = self._stale(call, entry)
            if old is not None:
                return old[0]
            if landing.error is not None:
                # As it was: the frames of all who wait must not pile up in it.
                raise landing.error.with_traceback(landing.trace)
            if landing.degraded:
                call.degrade()
            returned = copied(landing.returned)
            if returned is not None:
                return returned[0]
        return self._alone(cache, key, call, proceed)

    def _wait(self, cache: FunctionCache, key: Key, call: Call, leader: Call) -> Landing | None:
        """How the leader's call ended; None if it did not within `max_wait`, or we came too late.

        Raises: DeadlineExceeded.
        """
        landing: Landing = leader.__dict__.setdefault("landing", Landing())
        if cache.flights.get(key) is not leader:
            return None
        if leader.closed:
            # Ctrl-C hit it between two steps of ours, and it never landed.
            cache.flights.pop(key, None)
            return None
        left = call.time_left()
        is_short = left is not None and left <= self.max_wait
        since = clock.monotonic()
        longest = self.max_wait if left is None else max(0.0, min(left, self.max_wait))
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

    def _alone(self, cache: FunctionCache, key: Key, call: Call, proceed: Handler) -> Any:
        """Make the call beside the one that is on its way."""
        try:
            result = proceed(call)
        except Exception as error:
            judge_error(call, error)
            old = self._stale(call, cache.store.get(key))
            if old is None:
                raise
            return old[0]
        if call.outcome is FINE:
            return result
        old = self._stale(call, cache.store.get(key))
        return result if old is None else old[0]

    def _hit(self, call: Call, entry: Entry) -> Any:
        result, _, _, cost, plain = entry
        call.target.saved.append(cost)
        return result if plain else copying.deepcopy(result)

    def _stale(self, call: Call, entry: Entry | None) -> tuple[Any] | None:
        """An old result in place of a failed call, in a tuple of one; None if none may be used."""
        if entry is None or call.degraded or call.outcome.verdict not in _MAY_BE_STALE:
            return None
        result, fresh_until, stale_until, _, plain = entry
        now = clock.monotonic()
        if stale_until <= now:
            return None
        age = max(0.0, now - fresh_until)
        if self.observes(call):
            call.report("would_stale", f"would answer with a result stale for {age:.3g} s")
            return None
        call.degrade()
        reason = call.outcome.reason
        call.report("stale", f"answered with a result stale for {age:.3g} s after {reason}")
        return (result if plain else copying.deepcopy(result),)

    def _keep(self, cache: FunctionCache, key: Key, call: Call, result: Any) -> None:
        now = clock.monotonic()
        until = kept_until(
            call.attempt_exchanges(),
            self.ttl,
            self.stale_if_error or 0.0,
            now,
            respect_headers=self.respect_headers,
        )
        if until is None:
            return
        plain = not self.copy or type(result) in ATOMS
        if not plain:
            why = f"its result, a {type(result).__name__}, can't be copied"
            # requests reads the body now unless asked to stream it; a copy would read it away.
            kept = None if getattr(result, "_content", None) is False else copied((result,))
            if kept is None:
                cache.tell_uncacheable(call, f"{why}; return plain data, or give copy=False")
                return
            result = kept[0]
        cache.keep(key, call, (result, *until, _upstream_seconds(call, now), plain))


def _fresh(entry: Entry | None, now: float) -> Entry | None:
    return entry if entry is not None and entry[1] > now else None


def _upstream_seconds(call: Call, now: float) -> float:
    """What the next call is spared: the vendor's part of this one, without our own waits."""
    if call.exchanges:
        return sum(exchange.elapsed or 0.0 for exchange in call.exchanges)
    return now - call.started - sum(step.facts.get("waited") or 0.0 for step in call.steps)


def _why_no_key(error: Exception) -> str:
    # Only our own text is known to show no argument.
    why = str(error) if isinstance(error, Uncacheable) else f"its key raised {type(error).__name__}"
    return f"{why}; give key="


@overload
def cached(function: Callable[P, R], /) -> Decorated[P, R]: ...


@overload
def cached(
    ttl: Seconds | None = None,
    *,
    key: Callable[..., Hashable] | None = None,
    copy: bool = True,
    max_entries: int = 1024,
    stale_if_error: Seconds | None = None,
    respect_headers: bool = True,
    max_wait: Seconds = 30,
    mode: str = "enforce",
) -> Cached: ...


def cached(*given: Any, **chosen: Any) -> Any:
    """Keep results by the function's arguments, in memory; concurrent misses make one call.

    `f(1, 2)` and `f(a=1, b=2)` are one entry; `1`, `1.0` and `True` are three. Failed, degraded and
    stale results are never kept as fresh ones.

    ttl: seconds a result is fresh when the vendor's headers don't say; None keeps only what the
        headers allow.
    key: a function of the call's arguments whose value stands for them.
    copy: hand out copies, so that no caller can corrupt what is kept (True).
    max_entries: results kept per function (1024); the least recently used go first.
    stale_if_error: seconds after its freshness that an old result may stand in for a call that
        failed in transit, was throttled or was refused by us (None: never).
    respect_headers: let Cache-Control, Expires and Age decide when they are seen (True).
    max_wait: seconds to wait for a call of the same key that is on its way (30).
    mode: "observe" answers nothing from the cache and records what it would have answered.
    """
    return policy_or_decorated(Cached, "cached", given, chosen)
