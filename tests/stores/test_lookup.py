"""A name is looked up within a bound, whatever the system's resolver does."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from resilient.stores.lookup import Lookup
from resilient.timing import clock as system
from tests.threads import REAL_LIMIT, until


class Resolver:
    """Answers when it may. asked: how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = threading.Event()

    def __call__(self, *_: Any, **__: Any) -> list[Any]:
        self.asked += 1
        self.may_answer.wait(REAL_LIMIT)
        return []


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    resolver = Resolver()
    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", resolver)
        yield resolver
        resolver.may_answer.set()
        until(lambda: "resilient-lookup" not in [one.name for one in threading.enumerate()])


def test_a_name_that_is_not_found_in_time_is_waited_for_no_longer(resolver: Resolver) -> None:
    lookup = Lookup("cache.internal", 6379)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            lookup.wait(system.monotonic() + 0.01)
    assert resolver.asked == 1


def test_a_name_is_looked_up_anew_once_the_last_answer_has_come(resolver: Resolver) -> None:
    lookup = Lookup("cache.internal", 6379)
    resolver.may_answer.set()
    for _ in range(2):
        lookup.wait(system.monotonic() + REAL_LIMIT)
    assert resolver.asked == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_is_not_looked_up(resolver: Resolver, host: str) -> None:
    Lookup(host, 6379).wait(system.monotonic())
    assert not resolver.asked


def test_a_name_that_nobody_knows_is_left_to_who_connects(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    Lookup("nowhere.invalid", 6379).wait(system.monotonic() + REAL_LIMIT)


def test_where_no_thread_can_be_had_nothing_is_waited_for(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fails)
        Lookup("cache.internal", 6379).wait(system.monotonic())
    assert not resolver.asked


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_looks_for_itself(resolver: Resolver) -> None:
    lookup = Lookup("cache.internal", 6379)
    with pytest.raises(TimeoutError):
        lookup.wait(system.monotonic())
    child = os.fork()
    if not child:
        resolver.may_answer = threading.Event()
        resolver.may_answer.set()
        try:
            lookup.wait(system.monotonic() + REAL_LIMIT)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
