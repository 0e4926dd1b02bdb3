"""An origin on loopback whose answers a test writes, and calls that go through a cache."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from resilient.call import Call, Target, current
from resilient.http.caching.cache import HttpCache
from resilient.http.caching.dates import date_text
from resilient.timing import clock
from tests.http.loopback import Vendor

Said = bytes | Callable[[bytes], bytes]
"""What is sent: the bytes of an answer, or what makes them of a request's head. b"" hangs up."""


def say(body: bytes = b"hello", status: str = "200 OK", **fields: str) -> bytes:
    """An answer with a Date, unless `date=""`; header names with _ for -."""
    fields = {"date": date_text(clock.time()), "content_length": str(len(body)), **fields}
    head = [f"HTTP/1.1 {status}"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def fresh(body: bytes = b"hello", seconds: int = 60, **fields: str) -> Said:
    """An answer that is fresh for a while from when it is sent."""
    return lambda head: say(body, cache_control=f"max-age={seconds}", **fields)


def hung_up_after(head: str, status: str = "200 OK") -> Said:
    """The beginning of a head, after which the connection ends."""
    begun = say(b"", status, connection="close", content_length="").removesuffix(b"\r\n")
    return lambda _: begun + head.encode()


class Origin:
    """Gives its answers in turn, the last one again and again; `paths` have answers of their own.

    `held` keeps answers back while it is not set.
    """

    def __init__(self, make_vendor: Callable[..., Vendor], *answers: Said) -> None:
        self.answers: list[Said] = list(answers)
        self.paths: dict[str, Said] = {}
        self.held = threading.Event()
        self.held.set()
        self.came = threading.Semaphore(0)
        self._vendor = make_vendor(self._answer)
        self.url = self._vendor.url

    @property
    def heads(self) -> list[bytes]:
        """The heads of the requests that came."""
        return self._vendor.heads

    @property
    def count(self) -> int:
        return len(self._vendor.heads)

    def fields(self, number: int = -1) -> dict[str, str]:
        """The header fields of a request that came."""
        lines = self.heads[number].decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return {name.lower(): value.strip() for name, _, value in pairs}

    def _answer(self, connection: socket.socket, head: bytes) -> None:
        said = self.paths.get(head.split()[1].decode())
        if said is None:
            said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.came.release()
        self.held.wait(20)
        sent = said(head) if callable(said) else said
        if sent:
            if head.startswith(b"HEAD"):
                sent = sent.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            connection.sendall(sent)
        if not sent or b"connection: close" in sent.lower():
            connection.shutdown(socket.SHUT_RDWR)


def cached_target(cache: HttpCache | None, **facts: Any) -> Target:
    """What a function decorated with @cached(http=True) has."""
    target = Target(cached_target, service="vendor", name="fetch", **facts)
    target.http_cache = cache
    target.http_saved, target.http_missed = [], []
    return target


@contextlib.contextmanager
def through(cache: HttpCache | None, target: Target | None = None, *args: Any) -> Iterator[Call]:
    """An open call whose requests go through a cache."""
    call = Call.of(target or cached_target(cache), *args)
    token = current.set(call)
    try:
        yield call
    finally:
        current.reset(token)
        call.closed = True
