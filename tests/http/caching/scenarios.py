"""Small plays between a caller, a cache and an origin: one request a step, told as data.

    asks("Cache-Control: max-age=60")   the origin is asked, and answers so
    hits(1)                             it is not: the caller gets what step 1 was answered
    confirms(1)                         it is asked whether that still holds, and says 304

What the origin says is written "Name: value | Name: value"; "@-60" stands for the HTTP-date of a
minute ago. It has a Date of its own, unless it is said ("Date:" leaves it out), and its body is
"answer " and the number of the step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from resilient import cached
from resilient.http.caching.dates import date_text
from resilient.refreshing import refreshes
from resilient.testing import FakeClock
from tests.http.caching.origin import Origin
from tests.threads import REAL_LIMIT

_DATE = re.compile(r"@([+-]?\d+)")

MAX = "Cache-Control: max-age=60"
LONG = "Cache-Control: max-age=3600"
STALE = "Cache-Control: max-age=1"
TAG = 'ETag: "1"'
DATED = "Last-Modified: @-100000"
HUNDRED_THOUSAND_AGO = "Tue, 30 Dec 2025 20:13:20 GMT"
"""DATED, as it was when the fake clock began."""

Fetch = Callable[..., requests.Response]


@dataclass(frozen=True)
class Step:
    """One request of the caller.

    after: seconds since the step before. send: header fields of the request. said: what the origin
    answers, None if it must not be asked; raw: the same to the byte; then: what it answers if it is
    asked once more. takes: seconds until it answers. sees: header fields that the request must have
    had, None for those it must not. gives: the step whose body the caller gets; text: the body
    itself. got: the status that he gets. has, lacks: header fields that he gets, and does not.
    """

    said: str | None = None
    status: int = 200
    raw: bytes | None = None
    body: bytes | None = None
    takes: float = 0.0
    after: float = 0.0
    method: str = "GET"
    path: str = "/"
    send: Mapping[str, str] = field(default_factory=dict)
    data: bytes | None = None
    sees: Mapping[str, str | None] = field(default_factory=dict)
    gives: int | None = None
    text: str | None = None
    got: int | None = None
    has: Mapping[str, str] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    raises: type[Exception] | None = None
    then: str | None = None


def asks(said: str = "", **facts: Any) -> Step:
    """The origin is asked, and the caller gets its answer."""
    return Step(said, **facts)


def hits(step: int | None, **facts: Any) -> Step:
    """The caller gets what was answered in an earlier step, and the origin is not asked."""
    return Step(gives=step, **facts)


def confirms(step: int | None, said: str = "", **facts: Any) -> Step:
    """The origin says 304 to the cache, and the caller gets what was answered in that step."""
    return Step(said, status=304, gives=step, **{"got": 200, **facts})


def falls_back(step: int, said: str = "", status: int = 503, **facts: Any) -> Step:
    """The origin fails, and the caller gets something stale in place of that."""
    return Step(said, status=status, gives=step, **{"got": 200, **facts})


Steps = tuple[Step, ...]


def twice(said: str, **facts: Any) -> Steps:
    """The second time the first answer is given."""
    return asks(said, **facts), hits(1, got=facts.get("status"), path=facts.get("path", "/"))


def never(said: str, **facts: Any) -> Steps:
    """Both times the origin is asked, without a condition."""
    bare = {"If-None-Match": None, "If-Modified-Since": None}
    return asks(said, **facts), asks(said, sees=bare, **facts)


def brings(*lines: str) -> str:
    return " | ".join(lines)


def play(steps: Steps, origin: Callable[..., Origin], clock: FakeClock) -> None:
    """Have each step asked of a function of its own that is decorated with @cached(http=True)."""
    server = origin(b"")
    fetch = cached(http=True)(_request)
    texts: list[str] = []
    for number, step in enumerate(steps, start=1):
        where = f"step {number}"
        clock.advance(step.after)
        texts.append(f"answer {number}" if step.body is None else step.body.decode())
        server.answers[:] = [_answer_of(step, texts[-1], clock)]
        if step.then is not None:
            server.answers.append(answer(step.then, texts[-1].encode(), clock))
        before = server.count
        try:
            response = fetch(
                step.method,
                server.url[:-1] + step.path,
                headers=dict(step.send),
                data=step.data,
                allow_redirects=False,
                timeout=REAL_LIMIT,
            )
        except requests.RequestException as error:
            assert step.raises is not None, f"{where}: {error!r}"
            assert isinstance(error, step.raises), where
            response = None
        assert refreshes.flush()
        asked = server.count - before
        if step.raises is None:
            times = (step.said is not None) + (step.then is not None)
            assert asked == times, f"{where}: the origin was asked {asked} times"
        if step.said is not None and asked:
            seen = server.fields(before)
            for name, value in step.sees.items():
                assert seen.get(name.lower()) == value, f"{where}: {name} of the request"
            if step.status == 304 and step.got and not step.send:
                assert seen.keys() & {"if-none-match", "if-modified-since"}, where
        if response is not None:
            _check(response, step, texts, number)


def answer(said: str, body: bytes, clock: FakeClock, status: int = 200) -> bytes:
    """An answer as bytes; see the top for how it is written."""
    now = clock.time()
    lines = [line for line in said.split(" | ") if line]
    names = {line.partition(":")[0].strip().lower() for line in lines}
    if "date" not in names:
        lines.append("Date: @0")
    lines = [_DATE.sub(lambda at: date_text(now + int(at[1])), line) for line in lines]
    lines = [line for line in lines if line.lower() != "date:"]
    if not names & {"content-length", "transfer-encoding"} and status != 304:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", ""])
    return head.encode("latin-1") + (b"" if status in {204, 304} else body)


def _request(method: str, url: str, **options: Any) -> requests.Response:
    return requests.request(method, url, **options)


def _answer_of(step: Step, body: str, clock: FakeClock) -> Callable[[bytes], bytes]:
    def say(head: bytes) -> bytes:
        clock.advance(step.takes)
        if step.raw is not None:
            return step.raw
        return answer(step.said or "", body.encode(), clock, step.status)

    return say


def _check(response: requests.Response, step: Step, texts: list[str], number: int) -> None:
    where = f"step {number}"
    expected = step.text
    if expected is None and step.gives is not None:
        expected = texts[step.gives - 1]
    elif expected is None and step.raw is None:
        expected = "" if step.said is None or step.method == "HEAD" else texts[-1]
    if response.status_code in {204, 304}:
        expected = ""
    if expected is not None:
        assert response.content.decode() == expected, where
    assert response.status_code == (step.got or step.status), where
    for name, value in step.has.items():
        assert response.headers.get(name) == value, f"{where}: {name}"
    for name in step.lacks:
        assert name not in response.headers, f"{where}: {name}"
