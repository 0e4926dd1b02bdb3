"""The adapter between a session and its own one, while a decorated function runs."""

from __future__ import annotations

from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter

from resilient.call import Call, current
from resilient.http.caching.cache import HttpCache
from resilient.http.caching.errand import Errand
from resilient.http.caching.passage import answer

_OPTIONS = ("stream", "timeout", "verify", "cert", "proxies")


class CachingAdapter(BaseAdapter):
    """Answers from a cache what it can; has all else sent by `inner`, and looks like it."""

    def __init__(self, cache: HttpCache, inner: Any) -> None:
        self.cache = cache
        self.inner = inner

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        options.update(zip(_OPTIONS, args, strict=False))
        call = current.get()
        owner = None if call is None else _owner_of(call, self.cache)
        if call is None or owner is None:
            # Kept by somebody, as requests' digest authentication does, beyond its call.
            response: Response = self.inner.send(request, **options)
            return response
        return answer(Errand(self.cache, self, call, owner, request, options))

    def close(self) -> None:
        self.inner.close()

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # a copy whose __init__ has not run
            raise AttributeError(name)
        return getattr(self.inner, name)


def _owner_of(call: Call, cache: HttpCache) -> Call | None:
    at: Call | None = call
    while at is not None and at.target.http_cache is not cache:
        at = at.parent
    return at
