"""Origins, caches and sessions for tests of the caching adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import requests

from resilient.http.caching.cache import HttpCache
from tests.http.caching.origin import Origin, Said
from tests.http.loopback import Vendor


@pytest.fixture
def origin(vendor: Callable[..., Vendor], observing: None) -> Callable[..., Origin]:
    """Makes origins: `origin(answer, answer)`."""

    def make(*answers: Said) -> Origin:
        return Origin(vendor, *answers)

    return make


@pytest.fixture
def cache() -> HttpCache:
    return HttpCache("vendor.fetch")


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session
