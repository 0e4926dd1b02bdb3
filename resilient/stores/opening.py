"""From a URL and a key to a store that processes share."""

from __future__ import annotations

import os
import re
from pathlib import Path

from resilient import options
from resilient.errors import ConfigurationError
from resilient.stores.bytes_store import ByteStore
from resilient.stores.redis_connection import SCHEMES
from resilient.stores.sealing import LEAST_KEY, MAKE_A_KEY, Seals
from resilient.stores.shared import SharedStore

KEY_VARIABLE = "RESILIENT_CACHE_KEY"
OLD_KEY_VARIABLE = "RESILIENT_CACHE_OLD_KEY"

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_NAMESPACE = re.compile(r"[\w.:-]+")
_REMEDY = "use sqlite:///path/of/a/file, redis://host:6379/0, rediss://… or unix://…"


def open_store(
    url: str,
    *,
    key: str | bytes | None = None,
    old_key: str | bytes | None = None,
    encrypt: bool = False,
    serializer: str = "json",
    timeout: options.Seconds = 0.25,
    max_bytes: int | None = None,
    namespace: str = "resilient",
) -> SharedStore:
    """Open a store that processes share; nothing is connected before it is used.

    url: `sqlite:///relative.db`, `sqlite:////absolute/path.db`, `redis://user:password@host:6379/0`
        (`rediss://` with TLS, `unix://` for a socket, `valkey://` for the same).
    key: signs what is stored, at least 16 bytes; RESILIENT_CACHE_KEY if left out. All processes
        need the same. Whoever has it can put anything into the cache.
    old_key: reads what was stored with the former key; RESILIENT_CACHE_OLD_KEY if left out. To
        change keys while processes run, give all of them the new one as old_key first: until then,
        those that have one key only do not forget what others wrote with another.
    encrypt: AES-GCM, needs the extra `crypto`.
    serializer: "json" (see stores.plain), or "pickle" if all who have the key are trusted to run
        code here.
    timeout: seconds that the store may take; then calls go on without it for a while. A disk that
        hangs can't be cut off.
    max_bytes: of all entries, for SQLite; None: until they end. A Redis server has `maxmemory`.
    namespace: stands in front of all keys in Redis, so that several caches can share a server.
    Raises: ConfigurationError.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"open_store({type(url).__name__}): use a URL: {_REMEDY}.")
    options.flag(encrypt, "open_store(encrypt)")
    options.choice(serializer, "open_store(serializer)", ("json", "pickle"))
    bound = options.seconds(timeout, "open_store(timeout)")
    if max_bytes is not None:
        options.whole(max_bytes, "open_store(max_bytes)")
    checked_namespace(namespace, "open_store")
    scheme, rest = scheme_of(url)
    if scheme not in (*SCHEMES, "sqlite"):
        remedy = (
            "leave store= out for the memory of this process"
            if url.startswith("memory")
            else _REMEDY
        )
        raise ConfigurationError(f'open_store("{scheme}://…"): there is no such store; {remedy}.')
    given = _bytes_of(key, "key", KEY_VARIABLE)
    if given is None:
        raise ConfigurationError(
            f'open_store("{scheme}://…"): what is shared has to be signed. Set {KEY_VARIABLE}, or '
            f"give key=, the same for all processes. Make one: {MAKE_A_KEY}"
        )
    seals = Seals(given, _bytes_of(old_key, "old_key", OLD_KEY_VARIABLE), encrypt=encrypt)
    raw = _raw_store(scheme, rest, bound, max_bytes, namespace)
    return SharedStore(raw, seals, serializer=serializer, timeout=bound)


def checked_namespace(namespace: object, opens: str) -> None:
    """Raise ConfigurationError if it can't stand in front of keys. opens: who was given it."""
    if not isinstance(namespace, str) or not _NAMESPACE.fullmatch(namespace):
        raise ConfigurationError(
            f"{opens}(namespace=…): use letters, digits and any of _ . : - for it."
        )


def scheme_of(url: str) -> tuple[str, str]:
    """A URL's scheme, "…" if it has none that may be shown, and what comes behind "://"."""
    scheme, has_scheme, rest = url.partition("://")
    # What is no scheme may be a part of a password.
    return (scheme if has_scheme and _SCHEME.fullmatch(scheme) else "…"), rest


def sqlite_path(rest: str, opens: str) -> Path:
    """The file that a URL names. opens: who was given it. Raises: ConfigurationError."""
    from resilient.stores.sqlite_file import checked_path

    if not rest.startswith("/"):
        raise ConfigurationError(
            f'{opens}("sqlite://…"): use three slashes for a relative path (sqlite:///cache.db), '
            "four for an absolute one."
        )
    if rest[1:] in ("", ":memory:"):
        raise ConfigurationError(
            f'{opens}("sqlite://{rest}"): that names no file. Use sqlite:///cache.db, or leave '
            "store= out for the memory of this process."
        )
    return checked_path(rest[1:], opens)


def _raw_store(
    scheme: str, rest: str, bound: float, max_bytes: int | None, namespace: str
) -> ByteStore:
    if scheme == "sqlite":
        from resilient.stores.sqlite import SqliteStore

        return SqliteStore(sqlite_path(rest, "open_store"), timeout=bound, max_bytes=max_bytes)
    if max_bytes is not None:
        raise ConfigurationError(
            "open_store(max_bytes=…): that is for SQLite. Set maxmemory, with a policy such as "
            "allkeys-lru, on the Redis server."
        )
    from resilient.stores.redis import RedisStore
    from resilient.stores.redis_connection import Wire

    return RedisStore(Wire(f"{scheme}://{rest}", bound), namespace)


def _bytes_of(key: str | bytes | None, option: str, variable: str) -> bytes | None:
    """A key as bytes. No message shows it."""
    name = f"open_store({option}=…)"
    if key is None:
        key = os.environ.get(variable) or None
        name = variable
    if key is None:
        return None
    if not isinstance(key, (str, bytes)):
        raise ConfigurationError(f"{name}: use a str or bytes. Make one: {MAKE_A_KEY}")
    data = key.encode("utf-8", "surrogateescape") if isinstance(key, str) else key
    if len(data) < LEAST_KEY:
        raise ConfigurationError(
            f"{name}: it has {len(data)} bytes, too few: use {LEAST_KEY} or more, made by chance. "
            f"{MAKE_A_KEY}"
        )
    return data
