"""What every hook does with a request and its answer, whichever library sends it."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Mapping

from resilient.call import Call, Exchange
from resilient.http import deadline
from resilient.http.headers import value_of
from resilient.http.hooks.patches import unheard
from resilient.http.ratelimit import AMBIGUOUS
from resilient.timing import clock
from resilient.watching import request_is_over, request_leaves, watchers

EXCERPT = 2048
"""Bytes of an ambiguous refusal's body that are looked at."""


def let_leave(call: Call, method: str) -> None:
    """Wait until a request may leave, or raise Refused."""
    if call.offline is not None:
        raise call.offline
    if not call.target.observing and deadline.is_over(call):
        raise deadline.too_late(call)
    if method.upper() != "CONNECT":
        call.admit_request()  # a gate that only observes records what it would have done


def file(call: Call, method: str, host: str, url: Callable[[], str]) -> Exchange:
    """File a request that has left.

    url: gives the whole of it, secrets included, if somebody watches.
    """
    exchange = Exchange(method.upper(), host, clock.monotonic())
    call.add_exchange(exchange)
    if watchers:
        request_leaves(call, exchange, url)
    return exchange


def file_failure(exchange: Exchange, error: BaseException) -> None:
    """Tell of an error that came instead of an answer."""
    if exchange.ends:
        request_is_over(exchange, error)


def file_answer(
    call: Call,
    exchange: Exchange,
    status: int,
    headers: Mapping[str, str],
    begin: Callable[[], bytes],
) -> None:
    """File an answer whose headers have come, and tell the call's gates.

    begin: reads the beginning of the body as it was sent, and leaves it to the client.
    """
    exchange.elapsed = clock.monotonic() - exchange.started
    exchange.headers = headers
    if status in AMBIGUOUS and _is_text(headers):
        exchange.excerpt = _readable(unheard(begin) or b"", headers)
    exchange.status = status  # last: what has a status has the rest
    if exchange.ends:
        request_is_over(exchange, None)
    for gate in call.target.gates:
        unheard(gate.answered, call, exchange)


def _is_text(headers: Mapping[str, str]) -> bool:
    """May the body hold an error code, rather than a stream or a file?"""
    kind = (value_of(headers, "Content-Type") or "").lower().lstrip()
    if kind.startswith("text/"):
        return not kind.startswith("text/event-stream")
    return not kind or "json" in kind or "xml" in kind or "form-urlencoded" in kind


def _readable(body: bytes, headers: Mapping[str, str]) -> bytes:
    coding = (value_of(headers, "Content-Encoding") or "identity").strip().lower()
    if coding in ("gzip", "x-gzip", "deflate"):
        # 32: gzip or zlib, as its first bytes tell. The limit is what keeps a bomb from going off.
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, EXCERPT)
        return b""
    return body[:EXCERPT] if coding == "identity" else b""


def without_chunks(body: bytes) -> bytes:
    """The data of the chunks that `body` begins with (RFC 9112 7.1)."""
    data = b""
    while len(data) < EXCERPT:
        size, _, body = body.partition(b"\r\n")
        try:
            length = int(size.partition(b";")[0], 16)
        except ValueError:
            break
        if length <= 0:
            break
        data += body[:length]
        body = body[length + 2 :]
    return data
