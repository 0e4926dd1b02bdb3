"""Spares requests what costs it more than the rest of an answer from the cache.

For each request it goes through all environment variables, twice, in search of proxies. Inside a
call whose requests go through a cache it is told again what it found, as long as no variable has
changed.
"""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from typing import Any

import requests.sessions
import requests.utils

from resilient.call import Call
from resilient.http.hooks.patches import Hook, Method

_MOST = 256

_Found = dict[tuple[str, Any], dict[str, str]]
_known: tuple[dict[Any, Any], _Found] = ({}, {})
"""The environment, and what was found in it. Replaced by one atomic step."""


def hooks() -> Iterator[Hook]:
    """What is replaced in requests."""
    yield requests.sessions, "get_environ_proxies", environ_proxies


def environ_proxies(
    original: Method, call: Call, url: str, no_proxy: Any = None, *args: Any, **kwargs: Any
) -> Any:
    global _known
    environment = _environment()
    if environment is None or args or kwargs or not _has_cache(call):
        return original(url, no_proxy, *args, **kwargs)
    before, found = _known
    if environment != before or len(found) > _MOST:
        found = {}
        _known = (environment.copy(), found)
        before = _known[0]
    # Besides the environment it depends on the host and port alone; user information is a secret.
    authority = url.split("/", 3)[2] if url.count("/") > 1 else url
    key = (authority.rpartition("@")[2], no_proxy)
    proxies = found.get(key)
    if proxies is None:
        proxies = original(url, no_proxy)
        if environment == before:
            found[key] = dict(proxies)
    return dict(proxies)


def _environment() -> dict[Any, Any] | None:
    """The variables as Python keeps them; None where they are not all that is looked at."""
    utils: Any = requests.utils
    # macOS and Windows have settings besides; and somebody may have put others in their place.
    if (
        utils.getproxies is not urllib.request.getproxies_environment
        or utils.proxy_bypass is not getattr(urllib.request, "proxy_bypass_environment", None)
    ):
        return None
    data = getattr(os.environ, "_data", None)
    return data if type(data) is dict else None


def _has_cache(call: Call) -> bool:
    at: Call | None = call
    while at is not None and at.target.http_cache is None:
        at = at.parent
    return at is not None
