"""What requests finds about proxies in the environment, and when it is looked for again."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import requests.utils

from resilient.http.caching.cache import HttpCache
from resilient.http.hooks import environment
from tests.http.caching.origin import through

pytestmark = [
    pytest.mark.usefixtures("observing"),
    pytest.mark.skipif(
        urllib.request.getproxies is not urllib.request.getproxies_environment,
        reason="this system has settings beside the environment",
    ),
]

URL = "http://vendor.test/items"


@pytest.fixture
def cache() -> HttpCache:
    return HttpCache("vendor.fetch")


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where requests has looked."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    seen: list[str] = []
    original = requests.utils.should_bypass_proxies

    def look(url: str, no_proxy: Any) -> bool:
        seen.append(url)
        return original(url, no_proxy)

    monkeypatch.setattr(requests.utils, "should_bypass_proxies", look)
    monkeypatch.setattr(environment, "_known", ({}, {}))
    return seen


def proxies(session: requests.Session, url: str = URL, **given: Any) -> dict[str, str]:
    return dict(session.merge_environment_settings(url, given, None, None, None)["proxies"])


def test_the_environment_is_looked_through_once_as_long_as_it_stays(
    looks: list[str], session: requests.Session, monkeypatch: pytest.MonkeyPatch, cache: HttpCache
) -> None:
    with through(cache):
        assert [proxies(session, URL + f"?page={page}") for page in range(3)] == [{}] * 3
        assert len(looks) == 1
        monkeypatch.setenv("HTTP_PROXY", "http://proxy.test")
        assert [proxies(session) for _ in range(2)] == [{"http": "http://proxy.test"}] * 2
        monkeypatch.setenv("no_proxy", "vendor.test")
        assert proxies(session) == {}
        assert proxies(session, "http://other.test/")["http"] == "http://proxy.test"
        monkeypatch.delenv("HTTP_PROXY")
        assert "http" not in proxies(session, "http://other.test/")
    assert len(looks) == 5


def test_what_a_session_makes_of_it_does_not_show_later(
    looks: list[str], session: requests.Session, monkeypatch: pytest.MonkeyPatch, cache: HttpCache
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test")
    session.proxies["https"] = "http://own.test"
    with through(cache):
        for _ in range(2):
            found = proxies(session, ftp="http://given.test")
            assert found == {
                "http": "http://proxy.test",
                "https": "http://own.test",
                "ftp": "http://given.test",
            }
            found.clear()
        assert proxies(session, no_proxy="vendor.test") == {
            "https": "http://own.test",
            "no_proxy": "vendor.test",
        }


def test_without_a_cache_requests_looks_by_itself(
    looks: list[str], session: requests.Session, cache: HttpCache
) -> None:
    for _ in range(2):
        proxies(session)
    with through(None):
        for _ in range(2):
            proxies(session)
    assert len(looks) == 4
    with through(cache), through(None):
        for _ in range(2):
            proxies(session)
    assert len(looks) == 5


def test_another_source_of_proxies_is_always_asked(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch, cache: HttpCache, looks: list[str]
) -> None:
    found = iter([{"http": "http://one.test"}, {"http": "http://two.test"}])
    monkeypatch.setattr(requests.utils, "getproxies", lambda: next(found))
    with through(cache):
        assert [proxies(session)["http"] for _ in range(2)] == [
            "http://one.test",
            "http://two.test",
        ]


def test_an_environment_that_is_no_environment_is_left_to_requests(
    looks: list[str], session: requests.Session, monkeypatch: pytest.MonkeyPatch, cache: HttpCache
) -> None:
    monkeypatch.setattr(os, "environ", {"PATH": ""})
    with through(cache):
        proxies(session)
        proxies(session)
    assert len(looks) == 2


@pytest.mark.parametrize("url", ["", "vendor.test", "http://", "http://[", "http:vendor"])
def test_any_text_is_taken_as_requests_takes_it(
    url: str, looks: list[str], session: requests.Session, cache: HttpCache
) -> None:
    def ask() -> Any:
        try:
            return proxies(session, url)
        except ValueError as error:
            return str(error)

    expected = ask()
    with through(cache):
        assert [ask(), ask()] == [expected, expected]


def test_hosts_without_end_do_not_pile_up(
    looks: list[str], session: requests.Session, cache: HttpCache
) -> None:
    with through(cache):
        for number in range(600):
            proxies(session, f"http://host{number}.test/")
    assert len(environment._known[1]) <= 257
