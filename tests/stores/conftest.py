from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resilient.stores.opening import open_store
from resilient.stores.shared import SharedStore
from tests.valkey import running_valkey

KEY = b"a key of the tests, 32 bytes long"

OpenStore = Callable[..., SharedStore]

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Any]:
    """A real Valkey server, one for all tests."""
    with running_valkey() as server:
        yield server


@pytest.fixture
def opened() -> Iterator[OpenStore]:
    """Opens stores, which may be slow since the machine may be busy; and closes them."""
    stores: list[SharedStore] = []

    def open_one(url: str, **options: Any) -> SharedStore:
        store = open_store(url, **({"key": KEY, "timeout": 5} | options))
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'cache.db'}"


@pytest.fixture
def redis_url(server: Any) -> str:
    return f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture(params=["sqlite", "redis"])
def any_store(request: pytest.FixtureRequest, opened: OpenStore) -> OpenStore:
    """Opens the same store at each call: once on a SQLite file, once on a real server."""
    url = request.getfixturevalue(f"{request.param}_url")
    namespace = f"test{next(_numbers)}"

    def open_it(**options: Any) -> SharedStore:
        return opened(url, **({"namespace": namespace} | options))

    return open_it
