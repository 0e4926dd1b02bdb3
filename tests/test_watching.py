"""Watchers hear of every call and every request, and can harm neither."""

from __future__ import annotations

import gc
import http.client
import urllib.request
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import requests

from resilient import registry, service, watching
from resilient.call import Call, Exchange, current
from resilient.testing import RecordedSteps, ScriptedVendor

Told = list[tuple[Any, ...]]


class Spy:
    """Writes down what it is told."""

    def __init__(self, told: Told) -> None:
        self.told = told

    def call_begins(self, call: Call) -> watching.End:
        self.told.append(("call", call.target.name))
        return lambda error: self.told.append(("call over", call.target.name, error))

    def request_leaves(self, call: Call, exchange: Exchange, url: str) -> watching.End:
        self.told.append(("request", exchange.method, url))
        return lambda error: self.told.append(("request over", exchange.status, error))


@pytest.fixture
def told() -> Iterator[Told]:
    told: Told = []
    spy = Spy(told)
    watching.add(spy)
    yield told
    watching.remove(spy)
    watching.errors = 0


@pytest.fixture
def vendor() -> Iterator[ScriptedVendor]:
    with ScriptedVendor("200") as vendor:
        yield vendor


FETCHES: dict[str, Callable[[str], object]] = {
    "requests": lambda url: requests.get(url, timeout=5),
    "urllib": lambda url: urllib.request.urlopen(url, timeout=5).read(),
    "httpx": lambda url: httpx.get(url, timeout=5),
}
each_library = pytest.mark.parametrize("fetch", FETCHES.values(), ids=FETCHES.keys())


def test_a_healthy_call_is_told_from_begin_to_end(told: Told) -> None:
    @service("vendor")
    def answer() -> int:
        told.append(("runs",))
        return 42

    assert answer() == 42
    assert told == [("call", "answer"), ("runs",), ("call over", "answer", None)]


def test_an_error_is_told_and_raised_unchanged(told: Told) -> None:
    error = KeyError("no")

    @service("vendor")
    def fail() -> None:
        raise error

    with pytest.raises(KeyError) as raised:
        fail()
    assert raised.value is error
    assert told[-1] == ("call over", "fail", error)


def test_ctrl_c_ends_a_watched_call_too(told: Told) -> None:
    @service("vendor")
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert isinstance(told[-1][2], KeyboardInterrupt)


@each_library
def test_a_request_is_told_with_its_whole_url(
    told: Told, vendor: ScriptedVendor, fetch: Callable[[str], object]
) -> None:
    url = vendor.url_for("/users") + "?page=2"
    service("vendor")(fetch)(url)
    assert told[1:3] == [("request", "GET", url), ("request over", 200, None)]


@each_library
def test_a_request_without_an_answer_is_over_with_its_error(
    told: Told, fetch: Callable[[str], object]
) -> None:
    with ScriptedVendor("reset") as vendor:
        url = vendor.url_for("/users")
        with pytest.raises(Exception):
            service("vendor")(fetch)(url)
    [over] = [entry for entry in told if entry[0] == "request over"]
    assert over[1] is None
    assert isinstance(over[2], Exception)
    assert told.index(over) < len(told) - 1, "not only when the call was over"


def test_a_request_that_nobody_heard_of_again_is_over_with_its_call(
    told: Told, vendor: ScriptedVendor
) -> None:
    @service("vendor")
    def forget() -> None:
        port = urlsplit(vendor.url_for("/")).port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/users")
        connection.close()

    forget()
    assert told[-2:] == [("request over", None, None), ("call over", "forget", None)]


@pytest.mark.parametrize(
    ("host", "port", "path", "url"),
    [
        ("api.example", 80, "/a?b", "http://api.example/a?b"),
        ("api.example", 8080, "/a", "http://api.example:8080/a"),
        ("::1", 80, "/", "http://[::1]/"),
        ("proxy.example", 3128, "http://api.example/a", "http://api.example/a"),
    ],
    ids=["default port", "other port", "IPv6", "through a proxy"],
)
def test_the_url_is_put_together_from_the_connection(
    told: Told, host: str, port: int, path: str, url: str
) -> None:
    @service("vendor")
    def begin() -> None:
        http.client.HTTPConnection(host, port).putrequest("GET", path)

    begin()
    assert told[1] == ("request", "GET", url)


def test_a_tunnel_and_tls_show_in_the_url(told: Told) -> None:
    @service("vendor")
    def begin() -> None:
        connection = http.client.HTTPSConnection("proxy.example", 3128)
        connection.set_tunnel("api.example", 443)
        connection.putrequest("GET", "/a")

    begin()
    assert told[1] == ("request", "GET", "https://api.example/a")


class Broken:
    """Raises whenever it is told something."""

    def call_begins(self, call: Call) -> watching.End:
        raise RuntimeError("broken")

    def request_leaves(self, call: Call, exchange: Exchange, url: str) -> watching.End:
        def end(error: BaseException | None) -> None:
            raise RuntimeError("broken")

        return end


def test_a_broken_watcher_harms_no_call_and_is_told_once(
    told: Told, vendor: ScriptedVendor, steps: RecordedSteps
) -> None:
    broken = Broken()
    watching.add(broken)
    try:
        for _ in range(3):
            answer = service("vendor")(requests.get)(vendor.url_for("/"), timeout=5)
            assert answer.status_code == 200
    finally:
        watching.remove(broken)
    assert watching.errors == 6
    assert steps.kinds() == ["degraded"]
    assert [entry[0] for entry in told[:4]] == ["call", "request", "request over", "call over"]


def test_a_watcher_may_come_and_go_while_calls_are_open(told: Told) -> None:
    late: Told = []
    spy = Spy(late)

    @service("vendor")
    def inner() -> None:
        watching.remove(spy)

    @service("vendor")
    def outer() -> None:
        watching.add(spy)
        inner()

    outer()
    assert late == [("call", "inner"), ("call over", "inner", None)]


def test_the_same_watcher_is_told_once(told: Told) -> None:
    spy = Spy(told)
    watching.add(spy)
    watching.add(spy)
    service("vendor")(len)(())
    watching.remove(spy)
    assert [entry[0] for entry in told] == ["call", "call", "call over", "call over"]


def test_a_failed_call_that_was_watched_leaves_no_cycle(told: Told) -> None:
    calls: list[weakref.ref[Any]] = []

    class Marker:
        pass

    @service("vendor")
    def fail(marker: Marker) -> None:
        raise ValueError

    marker = Marker()
    calls.append(weakref.ref(marker))
    gc.disable()
    try:
        with pytest.raises(ValueError):
            fail(marker)
        told.clear()
        del marker
        assert calls[0]() is None
    finally:
        gc.enable()
    assert current.get() is None


def test_nobody_watches_by_default() -> None:
    assert watching.watchers == []
    assert Exchange("GET", "localhost", 0.0).ends == ()


def test_the_registry_knows_who_is_still_decorated() -> None:
    @service("watching")
    def known() -> None: ...

    def found() -> list[str]:
        return [name for service, name, _ in registry.handles() if service == "watching"]

    assert found() == ["known"]
    del known
    gc.collect()
    assert found() == []
