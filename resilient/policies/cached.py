"""@cached: fresh answers cost nothing, old ones beat none.

Results are kept by the function's arguments, or with `http=True` the answers to the requests that
the function makes. The vendor's Cache-Control and Expires decide when they are seen, `ttl` when
they are silent.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Hashable, Mapping
from typing import Any, ParamSpec, TypeVar, overload

from resilient import options
from resilient.call import FINE, Call, Target
from resilient.errors import ConfigurationError, Refused
from resilient.http.caching.cache import MOST_BYTES, HttpCache
from resilient.http.caching.messages import Defaults
from resilient.http.caching.portable import register_responses
from resilient.keys import Handover
from resilient.options import Seconds
from resilient.pipeline import (
    Decorated,
    Handler,
    Policy,
    Shortcut,
    policy_or_decorated,
)
from resilient.refreshing import refreshes
from resilient.registry import registry
from resilient.results.cache import FunctionCache, Tags
from resilient.results.calls import Answering, Terms
from resilient.results.handling import handler_of, shortcut_of
from resilient.results.scopes import Scope, asked_by, checked_scope, digest_here
from resilient.results.shared import SharedFunctionCache
from resilient.stores.opening import open_store
from resilient.stores.shared import SharedStore
from resilient.wrapping import innermost

P = ParamSpec("P")
R = TypeVar("R")


class Cached(Policy):
    """See `cached`. `_caches_lock` guards `_caches`."""

    kind = "cached"
    rank = 2

    def __init__(
        self,
        ttl: Seconds | None = None,
        *,
        http: bool = False,
        key: Callable[..., Hashable] | None = None,
        scope: Scope | None = None,
        copy: bool = True,
        store: str | SharedStore | None = None,
        max_entries: int = 1024,
        max_bytes: int | None = None,
        stale_if_error: Seconds | None = None,
        stale_while_revalidate: Seconds | None = None,
        errors_ttl: Seconds | None = None,
        early: float = 0.0,
        tags: Tags = (),
        respect_headers: bool = True,
        max_wait: Seconds = 30,
        mode: str = "enforce",
    ) -> None:
        self.ttl = options.optional_seconds(ttl, "cached(ttl)")
        self.http = options.flag(http, "cached(http)")
        self.key = options.function(key, "cached(key)")
        self.scope = checked_scope(scope, "cached(scope=…)")
        self.copy = options.flag(copy, "cached(copy)")
        self.store = _store_of(store)
        self.max_entries = options.whole(max_entries, "cached(max_entries)")
        self.max_bytes = None
        if max_bytes is not None:
            self.max_bytes = options.whole(max_bytes, "cached(max_bytes)")
        self.stale_if_error = options.optional_seconds(
            stale_if_error, "cached(stale_if_error)", zero=True
        )
        self.stale_while_revalidate = options.optional_seconds(
            stale_while_revalidate, "cached(stale_while_revalidate)", zero=True
        )
        self.errors_ttl = options.optional_seconds(errors_ttl, "cached(errors_ttl)")
        self.early = options.share(early, "cached(early)", zero=True)
        self.tags = _checked_tags(tags)
        self.respect_headers = options.flag(respect_headers, "cached(respect_headers)")
        self.max_wait = options.seconds(max_wait, "cached(max_wait)", zero=True)
        self.mode = options.choice(mode, "cached(mode)", ("enforce", "observe"))
        self._check_together()
        # By the function's id: not every callable can be hashed. The handlers hold the caches.
        self._caches: weakref.WeakValueDictionary[int, FunctionCache] = (
            weakref.WeakValueDictionary()
        )
        self._caches_lock = threading.Lock()
        self._http_cache = self._new_http_cache() if self.http else None
        self._askers: dict[int, Callable[[Call], bytes]] = {}

    def _check_together(self) -> None:
        if self.ttl is None and not self.respect_headers:
            raise ConfigurationError(
                "cached(respect_headers=False): nothing says how long a result is fresh; give ttl=."
            )
        if self.store is not None and self.max_bytes is not None:
            raise ConfigurationError(
                f"cached(store=…, max_bytes={self.max_bytes}): a shared store has a bound of its "
                "own; give it to open_store(…, max_bytes=)."
            )
        if not self.http:
            return
        for name, is_given, instead in (
            ("key", self.key is not None, "requests are told apart by themselves"),
            ("copy", not self.copy, "each caller gets a response of its own"),
            ("errors_ttl", self.errors_ttl is not None, "an error's own headers and ttl= tell"),
            ("early", bool(self.early), "use stale_while_revalidate="),
            ("tags", bool(self.tags), "use fn.resilient.cache.invalidate(url)"),
        ):
            if is_given:
                raise ConfigurationError(
                    f"cached(http=True, {name}=…): {name} is for results kept by arguments; "
                    f"{instead}."
                )

    def take_over(self, old: Cached) -> None:
        if any(getattr(self, name) != getattr(old, name) for name in _SHAPING):
            return
        if (self.errors_ttl is None) != (old.errors_ttl is None):
            return
        self._caches, self._caches_lock = old._caches, old._caches_lock
        if self._http_cache is not None and old._http_cache is not None:
            self._http_cache.keeping = old._http_cache.keeping

    def renew_in_child(self) -> None:
        for cache in self._caches.values():
            # Whoever is on its way does not arrive in this process.
            cache.flights.by_key.clear()

    def settings(self) -> Mapping[str, object]:
        shown: dict[str, object] = {"ttl": self.ttl, "stale_if_error": self.stale_if_error}
        if self.store is None:
            shown["max_entries"] = self.max_entries
        else:
            shown["store"] = self.store.label
        shown["respect_headers"] = self.respect_headers
        given = (
            "http",
            "key",
            "max_bytes",
            "stale_while_revalidate",
            "errors_ttl",
            "early",
            "tags",
        )
        shown |= {name: value for name in given if (value := getattr(self, name))}
        if self.scope is not None:  # who that is is nobody's business
            shown["scope"] = self.scope if callable(self.scope) else "…"
        return shown

    def cache_of(self, function: Callable[..., Any]) -> FunctionCache | HttpCache:
        """What this policy keeps for one (undecorated) function; of http=True, for all of them."""
        return self._http_cache or self._results_of(function)

    def _results_of(self, function: Callable[..., Any]) -> FunctionCache:
        with self._caches_lock:
            cache = self._caches.get(id(function))
            if cache is None:
                cache = self._caches[id(function)] = self._new_cache(function)
        return cache

    def clear(self) -> None:
        """Forget the results of every function that shares this policy."""
        with self._caches_lock:
            caches = list(self._caches.values())
        for cache in caches:
            cache.clear()
        if self._http_cache is not None:
            self._http_cache.clear()

    def invalidate_tag(self, tag: str) -> None:
        """Forget what was kept under a tag, of every function that shares this policy."""
        with self._caches_lock:
            caches = list(self._caches.values())
        for cache in caches:
            cache.invalidate_tag(tag)

    def check(self, function: Callable[..., Any]) -> None:
        for name, taker in (("key", self.key), ("scope", self.scope), ("tags", self.tags)):
            if not callable(taker):
                continue
            try:
                Handover(taker, function)
            except TypeError as error:
                shown = getattr(taker, "__name__", type(taker).__name__)
                raise ConfigurationError(
                    f"cached({name}={shown}) can't take the arguments of the function: {error}. "
                    "Give it the same parameters."
                ) from None

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the targets of this policy are told before any policy is bound."""
        if self._http_cache is not None:
            return {"http_cache": self._http_cache}
        return {"watches_credentials": True}

    def bind(self, proceed: Handler, target: Target) -> Handler:
        if self.http:
            return self._bind_http(proceed, target)
        cache = self._results_of(target.function)
        observing = target.observing or self.mode == "observe"
        answering = Answering(cache, self._terms(), proceed, observing=observing)
        return handler_of(answering, target)

    def shortcut(self, target: Target) -> Shortcut | None:
        is_observing = target.observing or self.mode == "observe"
        needs_call = self.key is not None or self.scope is not None or self.store is not None
        if self.http or is_observing or needs_call:
            return None
        return shortcut_of(self._results_of(target.function), target)

    def _bind_http(self, proceed: Handler, target: Target) -> Handler:
        run = innermost(target)
        if self.scope is not None:
            digest = digest_here if self.store is None else self.store.digest
            asker = asked_by(self.scope, target.function, digest)
            self._askers[id(target.function)] = asker

        def handler(call: Call) -> Any:
            try:
                return proceed(call)
            except Refused as refusal:
                if call.ran == call.attempt:  # what the function did is not to be done twice
                    raise
                call.offline = refusal
                call.outcome, call.judged = FINE, None
                return run(call)

        return proceed if target.observing or self.mode == "observe" else handler

    def _terms(self) -> Terms:
        return Terms(
            ttl=self.ttl,
            stale_for=self.stale_if_error or 0.0,
            behind_for=self.stale_while_revalidate or 0.0,
            errors_ttl=self.errors_ttl,
            early=self.early,
            copy=self.copy,
            respect_headers=self.respect_headers,
            max_wait=self.max_wait,
        )

    def _new_cache(self, function: Callable[..., Any]) -> FunctionCache:
        keeps_failures = self.errors_ttl is not None
        if self.store is not None:
            return SharedFunctionCache(
                function,
                self.store,
                key=self.key,
                scope=self.scope,
                tags=self.tags,
                early=self.early,
                keeps_failures=keeps_failures,
            )
        return FunctionCache(
            function,
            key=self.key,
            scope=self.scope,
            tags=self.tags,
            max_entries=self.max_entries,
            max_bytes=self.max_bytes,
            keeps_failures=keeps_failures,
        )

    def _new_http_cache(self) -> HttpCache:
        return HttpCache(
            "http",
            self.store,
            Defaults(
                ttl=self.ttl,
                stale_if_error=self.stale_if_error,
                stale_while_revalidate=self.stale_while_revalidate,
                respect_headers=self.respect_headers,
            ),
            scope=self._who_asks if self.scope is not None else None,
            max_entries=self.max_entries,
            max_bytes=MOST_BYTES if self.max_bytes is None else self.max_bytes,
            max_wait=self.max_wait,
            pool=refreshes,
            record=_record_background,
            observing=self.mode == "observe",
        )

    def _who_asks(self, call: Call) -> bytes:
        """Who a call is for; what tells it was made when its function was decorated."""
        return self._askers[id(call.target.function)](call)


_SHAPING = ("http", "key", "scope", "store", "max_entries", "max_bytes", "early", "tags")
"""Options by which results are kept; what others say holds for results that are there, too."""


def _record_background(call: Call) -> None:
    registry.stats_of(call.target.service, call.target.name).record_background(call)


def _store_of(store: object) -> SharedStore | None:
    if store is None:
        return None
    register_responses()  # functions return them
    if isinstance(store, SharedStore):
        return store
    if isinstance(store, str):
        return _opened(store)
    raise ConfigurationError(
        f'cached(store=…): use a URL such as "sqlite:///cache.db" or "redis://localhost", or '
        f"what open_store(…) returned, and no {type(store).__name__}."
    )


@functools.lru_cache(maxsize=64)
def _opened(url: str) -> SharedStore:
    """One store for all who name the same URL."""
    return open_store(url)


def _checked_tags(tags: object) -> Tags:
    if callable(tags) and not isinstance(tags, type):
        return tags
    if isinstance(tags, (list, tuple, set, frozenset)) and all(isinstance(t, str) for t in tags):
        return tuple(tags)
    raise ConfigurationError(
        "cached(tags=…): use a list of texts, or a function of the call's arguments that returns "
        f"one, and no {type(tags).__name__}."
    )


@overload
def cached(function: Callable[P, R], /) -> Decorated[P, R]: ...


@overload
def cached(
    ttl: Seconds | None = None,
    *,
    http: bool = False,
    key: Callable[..., Hashable] | None = None,
    scope: Scope | None = None,
    copy: bool = True,
    store: str | SharedStore | None = None,
    max_entries: int = 1024,
    max_bytes: int | None = None,
    stale_if_error: Seconds | None = None,
    stale_while_revalidate: Seconds | None = None,
    errors_ttl: Seconds | None = None,
    early: float = 0.0,
    tags: Tags = (),
    respect_headers: bool = True,
    max_wait: Seconds = 30,
    mode: str = "enforce",
) -> Cached: ...


def cached(*given: Any, **chosen: Any) -> Any:
    """Keep results by the function's arguments; concurrent misses make one call.

    `f(1, 2)` and `f(a=1, b=2)` are one entry; `1`, `1.0` and `True` are three. Failed, degraded and
    stale results are never kept as fresh ones. A result whose requests carried a credential that is
    none of the arguments is kept only if `scope=` says who may see it.

    ttl: seconds a result is fresh when the vendor's headers don't say; None keeps only what the
        headers allow.
    http: keep the answers to the function's `requests` instead of its results, as a private cache
        by RFC 9111; the function then runs each time (False). Their credential is part of the key.
    key: a function of the call's arguments whose value stands for them.
    scope: who may see a result: a name that stands for all callers, or a function of the call's
        arguments that tells who asks. In every key it is a keyed hash.
    copy: hand out copies, so that no caller can corrupt what is kept (True).
    store: where it is kept: "sqlite:///path" or "redis://host", shared by processes, or what
        `open_store` made; None is this process's memory.
    max_entries: results kept in memory per function, or answers per policy (1024); the least
        recently used go first.
    max_bytes: the same in bytes, about (None: no bound for results, 64 MiB for answers).
    stale_if_error: seconds after its freshness that an old result may stand in for a call that
        failed in transit, was throttled or was refused by us (None: never).
    stale_while_revalidate: seconds after its freshness that an old result answers at once while
        a new one is fetched in the background (None: never).
    errors_ttl: seconds that an error such as a 404 is raised again without asking (None: never).
    early: the share of a result's freshness, at its end, in which a hit may begin to fetch a new
        one in the background; the moment is drawn at random, so that not all expire at once (0).
    tags: names under which results can be forgotten together, or a function of the arguments that
        gives them: `fn.resilient.cache.invalidate_tag(name)`.
    respect_headers: let Cache-Control, Expires and Age decide when they are seen (True).
    max_wait: seconds to wait for a call of the same key that is on its way (30).
    mode: "observe" answers nothing from the cache and records what it would have answered.
    """
    return policy_or_decorated(Cached, "cached", given, chosen)
