"""From a URL to the store of shared state; the same URL is the same store."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from resilient import options
from resilient.errors import ConfigurationError
from resilient.sharing.protocol import StateStore
from resilient.sharing.shared import SharedState
from resilient.stores.opening import checked_namespace, scheme_of, sqlite_path
from resilient.stores.redis_connection import SCHEMES

REMEDY = (
    "use sqlite:///path/of/a/file, redis://host:6379/0, rediss://…, redis+cluster://host:6379 or "
    "redis+sentinel://host1:26379,host2:26379/name/0"
)

Store = str | SharedState
"""A store as users give it."""

Hear = Callable[[SharedState | None], object]

# Guards the two below.
_lock = threading.Lock()
_open: weakref.WeakValueDictionary[tuple[str, float, str], SharedState] = (
    weakref.WeakValueDictionary()
)
_default: SharedState | None = None

# Replaced as a whole.
_hears: Hear | None = None
_is_published = True


def open_state(
    url: str, *, timeout: options.Seconds = 0.25, namespace: str = "resilient"
) -> SharedState:
    """Open a store of what workers share; nothing is connected before it is used.

    url: `sqlite:///relative.db`, `sqlite:////absolute/path.db`, `redis://user:password@host:6379/0`
        (`rediss://` with TLS, `unix://` for a socket, `valkey://` for the same),
        `redis+cluster://host:6379` (any node), `redis+sentinel://host1:26379,host2:26379/name/0`;
        `memory://name` for the threads of this process alone. Opening a URL again gives the same
        store.
    timeout: seconds that the store may take for one thing; then calls go on without it for a while.
    namespace: stands in front of all keys in Redis, so that several programs can share a server.
    Raises: ConfigurationError.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"open_state({type(url).__name__}): use a URL: {REMEDY}.")
    bound = options.seconds(timeout, "open_state(timeout)")
    checked_namespace(namespace, "open_state")
    key = (url, bound, namespace)
    with _lock:
        state = _open.get(key)
        if state is None:
            state = _open[key] = SharedState(_raw_state(url, bound, namespace), bound)
    return state


def state_for(store: Store | None, option: str) -> SharedState | None:
    """What a policy's option `store=` means: None the default, "local" none at all."""
    if store is None:
        return _default
    if store == "local":
        return None
    if isinstance(store, SharedState):
        return store
    if isinstance(store, str) and "://" in store:
        return open_state(store)
    raise ConfigurationError(f'{option}: {REMEDY}, or "local" to share nothing.')


def set_default(store: Store | None) -> None:
    """Share in `store` from now on, wherever a policy names none; None shares nothing."""
    global _default
    state = None if store is None else state_for(store, "configure(store)")
    with _lock:
        _default = state
    _tell()


def when_published(hear: Hear | None) -> None:
    """Let one hear, now and after each change, in which store figures are to be published, if any.

    That is the default one, unless the configuration says otherwise. None ends it.
    """
    global _hears
    _hears = hear
    _tell()


def let_publish(is_published: bool) -> None:
    """Are figures to be published in the default store?"""
    global _is_published
    if _is_published != is_published:
        _is_published = is_published
        _tell()


def _tell() -> None:
    if _hears is not None:
        _hears(_default if _is_published else None)


def default_state() -> SharedState | None:
    """Where policies share that name no store."""
    return _default


def _raw_state(url: str, bound: float, namespace: str) -> StateStore:
    scheme, rest = scheme_of(url)
    if scheme == "sqlite":
        from resilient.sharing.sqlite.state import open_sqlite

        return open_sqlite(sqlite_path(rest, "open_state"), bound)
    if scheme == "memory":
        from resilient.sharing.memory import MemoryState

        return MemoryState(f"memory:{rest}")
    if scheme.partition("+")[0] in SCHEMES:
        from resilient.sharing.redis.state import open_redis

        return open_redis(scheme, rest, bound, namespace)
    raise ConfigurationError(f'open_state("{scheme}://…"): there is no such store; {REMEDY}.')
