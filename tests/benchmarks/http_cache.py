"""An answer of an HTTP cache in memory: `session.get` through resilient and through its peers.

All ask one server on loopback for one page once, and have it from their cache after that. What the
same call costs with an adapter that does nothing is shown beside them: it is requests' own part.
"""

# The peers' adapters have no useful types.
# mypy: disable-error-code="no-untyped-call, no-any-return"

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Callable
from typing import Any

from tests.benchmarks.measure import Comparison, Contender

Function = Callable[[int], object]

BODY = b'[{"id": 1, "name": "an item", "price": "9.99"}]' * 40
FIELDS = {
    "Content-Type": "application/json; charset=utf-8",
    "Content-Length": str(len(BODY)),
    "Cache-Control": "private, max-age=86400",
    "ETag": '"5f2b8c"',
    "Last-Modified": "Thu, 01 Jan 2026 12:00:00 GMT",
    "Vary": "Accept, Accept-Encoding",
    "X-Request-Id": "8d1c64d4",
    "X-RateLimit-Limit": "5000",
    "X-RateLimit-Remaining": "4999",
    "Strict-Transport-Security": "max-age=31536000",
}


class _Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in FIELDS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@functools.cache
def _url() -> str:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/items"


def _getting(adapter: Any = None) -> Function:
    import requests

    session, url = requests.Session(), _url()
    if adapter is not None:
        session.mount("http://", adapter)

    def get(number: int) -> object:
        return session.get(url)

    return get


def resilient_hit() -> Function:
    from resilient import cached

    return cached(http=True)(_getting())


def cachecontrol_hit() -> Function:
    from cachecontrol import CacheControlAdapter

    return _getting(CacheControlAdapter())


def hishel_hit() -> Function:
    # The fastest storage that it has. Without rfc= it looks at no header of an answer.
    import sqlite3

    from hishel import CacheOptions, SqliteStorage
    from hishel.requests import CacheAdapter

    storage = SqliteStorage(connection=sqlite3.connect(":memory:", check_same_thread=False))
    return _getting(CacheAdapter(storage=storage, rfc=CacheOptions(shared=False)))


def no_cache() -> Function:
    """The same call where an adapter has the answer at once."""
    import requests

    class Ready(requests.adapters.BaseAdapter):
        def __init__(self) -> None:
            super().__init__()
            self.response = requests.get(_url())

        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            return self.response

        def close(self) -> None:
            """Nothing is open."""

    return _getting(Ready())


GROUPS: dict[str, list[Contender]] = {
    "http": [
        Contender("HTTP hit", resilient_hit, same=True),
        Contender("CacheControl hit", cachecontrol_hit, same=True),
        Contender("hishel hit", hishel_hit, same=True),
        Contender("requests alone", no_cache, same=True),
    ]
}

COMPARISONS = [
    Comparison("HTTP hit", "CacheControl's adapter, memory", "HTTP hit", "CacheControl hit", 0.7),
    Comparison("HTTP hit", "hishel's adapter, SQLite in memory", "HTTP hit", "hishel hit", 0.7),
]
