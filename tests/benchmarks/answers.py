"""What it costs to read a vendor's limits from its answers: alone, and as part of an exchange."""

from __future__ import annotations

import http.client
import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from statistics import median

from tests.benchmarks.contenders import RATE
from tests.benchmarks.measure import Contender, Times
from tests.loads.answers import ANSWERS, GITHUB, OPENAI, SILENT

Function = Callable[[int], object]

AIM = 10.0
"""Microseconds a response."""


def _reading(heads: list[bytes]) -> Callable[[], Function]:
    """Read one answer's headers, in the type in which http.client has them."""

    def make() -> Function:
        from resilient.http.ratelimit import read_limits

        messages = [http.client.parse_headers(io.BytesIO(head)) for head in heads]

        def read(number: int) -> object:
            message: Message = messages[number % ANSWERS]
            return read_limits(200, message)  # type: ignore[arg-type]  # it is a mapping, to Python

        return read

    return make


class _Socket:
    """Has an answer as soon as it is asked."""

    def __init__(self) -> None:
        self.answer = b""

    def sendall(self, data: bytes) -> None:
        """Nobody listens."""

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self.answer)

    def gettimeout(self) -> float:
        return 30.0

    def settimeout(self, seconds: float | None) -> None:
        """It never waits."""

    def close(self) -> None:
        """There is nothing to close."""


class _Canned(http.client.HTTPConnection):
    """http.client without a network: what is left is its own work, and that of the hooks."""

    def __init__(self, socket: _Socket) -> None:
        super().__init__("loopback.invalid")
        self._socket = socket

    def connect(self) -> None:
        self.sock = self._socket


def _exchange() -> Function:
    socket = _Socket()
    connection = _Canned(socket)
    # So many are left that they never run out, and each answer has one less.
    numbers = itertools.count(10**9, -1)
    head = GITHUB[0].replace(b"Limit: 5000", b"Limit: 1000000000")
    before, after = head.split(b"Remaining: 4900")
    before = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + before + b"Remaining: "

    def send(number: int) -> object:
        socket.answer = b"%b%d%bok" % (before, next(numbers), after)
        connection.request("GET", "/")
        return connection.getresponse().read()

    return send


def _under(*, throttle: bool) -> Callable[[], Function]:
    def make() -> Function:
        from resilient import service, throttled

        function = _exchange()
        if throttle:
            function = throttled(RATE)(function)
        return service("bench")(function)

    return make


GROUPS: dict[str, list[Contender]] = {
    "headers": [
        Contender("headers of GitHub", _reading(GITHUB)),
        Contender("headers of OpenAI", _reading(OPENAI)),
        Contender("headers without limits", _reading(SILENT)),
    ],
    "exchange": [
        Contender("exchange, bare", _exchange),
        Contender("exchange, observed", _under(throttle=False)),
        Contender("exchange, limits obeyed", _under(throttle=True)),
    ],
}


@dataclass(frozen=True)
class Cost:
    """One line: microseconds a response, less those of another contender; aim None: none."""

    what: str
    ours: str
    without: str | None = None
    aim: float | None = AIM

    def microseconds(self, times: Times) -> float | None:
        """The median over the rounds; None if it was not measured."""
        ours = times.ns.get(self.ours)
        if ours is None:
            return None
        if self.without is None:
            return median(ours) / 1e3
        base = times.ns.get(self.without)
        if base is None:
            return None
        return median(a - b for a, b in zip(ours, base, strict=True)) / 1e3


COSTS = [
    Cost("reading 25 headers of GitHub", "headers of GitHub"),
    Cost("reading 25 headers of OpenAI", "headers of OpenAI"),
    Cost("reading 25 headers without limits", "headers without limits"),
    Cost("an exchange: what observing it adds", "exchange, observed", "exchange, bare", None),
    Cost("and @throttled, which obeys it", "exchange, limits obeyed", "exchange, observed", None),
]
