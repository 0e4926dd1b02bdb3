"""A vendor whose every answer is scripted, served over real HTTP on the loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from resilient.errors import ConfigurationError
from resilient.testing import wire
from resilient.testing.clock import THREAD_PREFIX
from resilient.testing.script import GRAMMAR, Answer, parse
from resilient.testing.server import Server
from resilient.timing import clock

Script = str | Mapping[str, str]
"""One script for all requests, or one per path, where "*" stands for every other path."""

_NOT_SCRIPTED = Answer(status=404, body='{"error": "the script has no such path"}')


@dataclass(frozen=True)
class Request:
    """One request as the vendor got it.

    path, query: of the URL; of a parameter that stands there twice, the last.
    headers: looked up in any case.
    at: monotonic seconds of the clock in force.
    answer: what the script gave it.
    client: address of the connection's other end; the same for requests on one connection.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: bytes
    at: float
    answer: Answer
    client: tuple[str, int]

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class ScriptedVendor:
    """An HTTP server on 127.0.0.1 that answers by a script. Close it, or use it in a `with` block.

        with ScriptedVendor("429 retry-after=3, timeout, 500 x2, 200") as vendor:
            requests.get(vendor.url_for("/users"), timeout=5)

    Answers go out one a request, in the order in which the requests come, over all connections;
    the last one repeats for ever. A mapping gives each path a script of its own, `"*"` the rest;
    a path without a script gets a 404. The language: `print(resilient.testing.GRAMMAR)`.

    While a FakeClock is in force nothing is waited for: a delay moves the clock as the client
    receives it, and a client whose socket timeout is shorter gets its timeout error at once, the
    clock having moved by just that timeout. Neither counts as sleep.

    Raises: ConfigurationError for a script that can't be read.
    """

    def __init__(self, script: Script) -> None:
        self._lock = threading.Lock()
        # _lock guards these four.
        self._requests: list[Request] = []
        self._plays = _plays(script)
        self._script = script
        self._is_closed = False
        self._server = Server(self._receive)
        self._address = self._server.address
        wire.open_for(self._address)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.01},
            name=f"{THREAD_PREFIX} {self._address[1]}",
            daemon=True,
        )
        self._thread.start()

    def __repr__(self) -> str:
        return f"<ScriptedVendor {self.url}, {self.calls} calls>"

    def __enter__(self) -> ScriptedVendor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where the vendor is, without a trailing slash."""
        return f"http://{self._address[0]}:{self._address[1]}"

    def url_for(self, path: str) -> str:
        """The URL of a path, which may have a query."""
        return f"{self.url}/{path.removeprefix('/')}"

    @property
    def requests(self) -> list[Request]:
        """Every request so far, in the order of the answers."""
        with self._lock:
            return list(self._requests)

    @property
    def calls(self) -> int:
        """How many requests have come."""
        with self._lock:
            return len(self._requests)

    def reset(self, script: Script | None = None) -> None:
        """Start over, with another script or the same one, and forget the requests."""
        script = self._script if script is None else script
        plays = _plays(script)
        with self._lock:
            self._script, self._plays = script, plays
            self._requests.clear()

    def close(self) -> None:
        """Stop serving, and cut off whoever still waits for an answer."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up()
        wire.close_for(self._address)

    def _receive(
        self, method: str, target: str, headers: Message, body: bytes, client: wire.Address
    ) -> Answer:
        url = urlsplit(target)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        with self._lock:
            play = self._plays.get(url.path) or self._plays.get("*")
            answer = play.next() if play else _NOT_SCRIPTED
            now = clock.monotonic()
            self._requests.append(
                Request(method, url.path, query, headers, body, now, answer, client)
            )
        return answer


@dataclass
class _Play:
    """Where a script stands. The vendor's lock guards it."""

    answers: Sequence[Answer]
    index: int = 0
    given: int = 0

    def next(self) -> Answer:
        if self.given >= self.answers[self.index].times and self.index + 1 < len(self.answers):
            self.index += 1
            self.given = 0
        self.given += 1
        return self.answers[self.index]


def _plays(script: Script) -> dict[str, _Play]:
    if isinstance(script, str):
        return {"*": _Play(parse(script))}
    if not isinstance(script, Mapping) or not script:
        raise ConfigurationError(
            f"script={script!r}: use a text, or a dict of one text a path.\n{GRAMMAR}"
        )
    for path in script:
        if path != "*" and not (isinstance(path, str) and path.startswith("/") and "?" not in path):
            raise ConfigurationError(
                f"script={{{path!r}: …}}: use a path that starts with a slash and has no query, "
                "or '*' for every other path."
            )
    return {path: _Play(parse(text)) for path, text in script.items()}
