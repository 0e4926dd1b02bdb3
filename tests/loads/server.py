"""A vendor in a process of its own that truly enforces its quotas, and keeps a log of the truth.

Started with a ServerSpec as JSON in its only argument; prints its port, and ends with its standard
input. Nothing but the standard library is imported, so that it starts at once.

GET /-/truth gives the log: one row [moment, client, path, admitted, window, ticket] a request, the
moment in monotonic seconds (the same clock in all processes of one machine).
A client names itself in X-Client; X-Ticket is kept for who wants to know the order of arrival.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import random
import re
import sys
import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from tests.loads.dialects import headers_of, retry_after_of
from tests.loads.quotas import Fixed, Quota, QuotaSpec

OTHER = "other"
"""The client that the server itself plays."""

_HEADER = re.compile(rb"\r\n(x-client|x-ticket|content-length|authorization):[ ]*([^\r]*)", re.I)


@dataclass(frozen=True)
class ServerSpec:
    """How a server behaves.

    quotas: the first whose path fits is asked; each credential (Authorization) has its own.
    dialect, retry_after: see `dialects`. protocol: "http", or "aws" for errors as AWS sends them.
    before, after: a request takes up to so many seconds before and after it is counted.
    spends: the share of the quota that another client of the same account uses: "evenly", or in
        "bursts" at the start of each window.
    """

    quotas: tuple[QuotaSpec, ...] = (QuotaSpec(),)
    dialect: str = "none"
    retry_after: str = "none"
    protocol: str = "http"
    before: float = 0.0
    after: float = 0.0
    spends: float = 0.0
    spending: str = "evenly"

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ServerSpec:
        facts = json.loads(text)
        quotas = tuple(QuotaSpec(**quota) for quota in facts.pop("quotas"))
        return cls(quotas=quotas, **facts)


class Vendor:
    """The quotas and the log of one server; all of it runs on the event loop."""

    def __init__(self, spec: ServerSpec, loop: asyncio.AbstractEventLoop) -> None:
        self.spec = spec
        self.loop = loop
        self.log: list[tuple[float, str, str, bool, int, str]] = []
        self._quotas: dict[tuple[str, bytes], Quota] = {}

    def count(self, client: str, path: str, credential: bytes, ticket: str) -> bytes:
        """Ask the quota for one request, and log what came of it; returns the answer."""
        quota = self._quota_of(path, credential)
        now = time.monotonic()
        decision = quota.ask(now)
        self.log.append((now, client, path, decision.admitted, decision.window, ticket))
        if client == OTHER:
            return b""
        spec = self.spec
        told = headers_of(spec.dialect, quota.spec, decision)
        told += retry_after_of(spec.retry_after, decision)
        if spec.protocol == "aws":
            return _aws_answer(decision.admitted)
        if decision.admitted:
            return _answer(b"200 OK", told, b"ok")
        return _answer(b"429 Too Many Requests", told, b"")

    def truth(self) -> bytes:
        body = json.dumps({"log": self.log}).encode()
        return _answer(b"200 OK", [("Content-Type", "application/json")], body)

    def _quota_of(self, path: str, credential: bytes) -> Quota:
        spec = next(one for one in self.spec.quotas if path.startswith(one.path))
        key = (spec.path, credential)
        quota = self._quotas.get(key)
        if quota is None:
            quota = self._quotas[key] = spec.make()
            if self.spec.spends:
                # After the request that is being counted, which anchors the windows.
                self.loop.call_soon(self._spend, quota, credential, time.monotonic(), 0)
        return quota

    def _spend(self, quota: Quota, credential: bytes, first: float, turn: int) -> None:
        """Be the other client, now and again: turn by turn without drifting."""
        spec = quota.spec
        share = spec.calls * self.spec.spends
        at_once, pause = 1, spec.period / share
        if self.spec.spending == "bursts":
            at_once, pause = round(share), spec.period
            if isinstance(quota, Fixed) and not turn:
                first = quota.start_of(0) + 0.001
        for _ in range(at_once):
            self.count(OTHER, spec.path, credential, "")
        wait = max(0.0, first + (turn + 1) * pause - time.monotonic())
        self.loop.call_later(wait, self._spend, quota, credential, first, turn + 1)


def _answer(status: bytes, headers: list[tuple[str, object]], body: bytes) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return b"HTTP/1.1 %b\r\nDate: %b\r\nContent-Length: %d\r\n%b\r\n%b" % (
        status,
        formatdate(usegmt=True).encode(),
        len(body),
        lines.encode(),
        body,
    )


def _aws_answer(admitted: bool) -> bytes:
    told: list[tuple[str, object]] = [
        ("Content-Type", "application/x-amz-json-1.1"),
        ("x-amzn-RequestId", "00000000-0000-0000-0000-000000000000"),
    ]
    if admitted:
        return _answer(b"200 OK", told, b"{}")
    body = b'{"__type":"ThrottlingException","message":"Rate exceeded"}'
    return _answer(b"400 Bad Request", told, body)


class Connection(asyncio.Protocol):
    """One client's connection: requests one after the other, kept alive."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            told = {name.lower(): value for name, value in _HEADER.findall(head)}
            length = int(told.get(b"content-length", 0))
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            path = head.split(b" ", 2)[1].decode()
            if path == "/-/truth":
                self._transport.write(self._vendor.truth())
            else:
                self._delayed(self._vendor.spec.before, self._count, path, told)

    def _count(self, path: str, told: dict[bytes, bytes]) -> None:
        answer = self._vendor.count(
            told.get(b"x-client", b"").decode(),
            path,
            told.get(b"authorization", b"") if self._vendor.spec.protocol == "http" else b"",
            told.get(b"x-ticket", b"").decode(),
        )
        self._delayed(self._vendor.spec.after, self._transport.write, answer)

    def _delayed(self, most: float, step: Any, *args: Any) -> None:
        if most:
            self._vendor.loop.call_later(random.uniform(0.0, most), step, *args)
        else:
            step(*args)


async def _serve(spec: ServerSpec) -> None:
    loop = asyncio.get_running_loop()
    vendor = Vendor(spec, loop)
    server = await loop.create_server(lambda: Connection(vendor), "127.0.0.1", 0, backlog=256)
    over = asyncio.Event()
    loop.add_reader(sys.stdin, over.set)
    print(server.sockets[0].getsockname()[1], flush=True)
    await over.wait()


if __name__ == "__main__":
    asyncio.run(_serve(ServerSpec.from_json(sys.argv[1])))
