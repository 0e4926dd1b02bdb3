"""Hooks for `http.client`, which is under requests, urllib3, urllib, httplib2 and botocore.

    putrequest   may the request leave? files an Exchange
    putheader    notes an Idempotency-Key
    connect      bounded by the deadline and the default timeout; so are endheaders and send
    getresponse  the answer is read within the deadline, filed, and told to the gates

urllib3 and httplib2 connect by themselves, so their `connect` has the same hook.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import urllib3.connection
from urllib3.util import wait_for_read

from resilient.call import Call, Exchange
from resilient.http import deadline
from resilient.http.hooks.exchanges import file, file_answer, let_leave, without_chunks
from resilient.http.hooks.patches import Hook, Method, guarded

# Kept in the instance dictionary of a connection.
_EXCHANGE = "_resilient_exchange"
_HOLD = "_resilient_hold"

PATIENCE = 1.0
"""Seconds that an ambiguous refusal's body may stay behind its headers and still be looked at."""


def hooks() -> Iterator[Hook]:
    """What is replaced in the standard library and in urllib3."""
    plain = http.client.HTTPConnection
    yield plain, "putrequest", putrequest
    yield plain, "putheader", putheader
    yield plain, "connect", connect
    # Around the send: botocore reads a "100 Continue" in it.
    yield plain, "endheaders", send
    yield plain, "send", send
    yield plain, "getresponse", getresponse
    # Python may have been built without ssl; urllib3 has a stand-in then.
    for owner in (
        getattr(http.client, "HTTPSConnection", None),
        urllib3.connection.HTTPConnection,
        urllib3.connection.HTTPSConnection,
    ):
        if owner is not None:
            yield owner, "connect", connect


def httplib2_hooks(httplib2: ModuleType) -> Iterator[Hook]:
    """What is replaced in httplib2."""
    for name in ("HTTPConnectionWithTimeout", "HTTPSConnectionWithTimeout"):
        owner = getattr(httplib2, name, None)
        if owner is not None:
            yield owner, "connect", connect


def putrequest(
    original: Method, call: Call, connection: Any, method: str, url: str, *args: Any, **kwargs: Any
) -> Any:
    guarded(let_leave, call, method)
    connection.__dict__.pop(_EXCHANGE, None)
    result = original(connection, method, url, *args, **kwargs)
    guarded(_file, call, connection, method, url)
    return result


def _file(call: Call, connection: Any, method: str, url: str) -> None:
    if method.upper() == "CONNECT":  # a tunnel to a proxy: the request is yet to come
        return
    host = urlsplit(url).hostname if "://" in url else None
    if host is None:
        host = getattr(connection, "_tunnel_host", None) or connection.host
    connection.__dict__[_EXCHANGE] = file(call, method, host)


def putheader(
    original: Method, call: Call, connection: Any, header: str | bytes, *values: Any
) -> Any:
    result = original(connection, header, *values)
    guarded(_note_header, connection, header)
    return result


def _note_header(connection: Any, header: str | bytes) -> None:
    exchange = connection.__dict__.get(_EXCHANGE)
    if exchange is not None and header.lower() in ("idempotency-key", b"idempotency-key"):
        exchange.repeatable = True


@contextlib.contextmanager
def _held(connection: Any, call: Call) -> Iterator[None]:
    """Bound what a connection does meanwhile; inside another hold, only bring that up to date."""
    outer: deadline.Hold | None = connection.__dict__.get(_HOLD)
    hold = outer or guarded(deadline.take_hold, connection, call)
    if hold is None:
        yield
        return
    connection.__dict__[_HOLD] = hold
    try:
        if guarded(hold.tighten) is False:
            raise deadline.too_late(call) if connection.sock is None else deadline.cut_off(call)
        yield
        if outer:
            guarded(hold.tighten)
    finally:
        if not outer:
            del connection.__dict__[_HOLD]
            guarded(hold.release)


@contextlib.contextmanager
def _bounded_answer(connection: Any, call: Call) -> Iterator[None]:
    """Let the responses made meanwhile read within the limit."""
    lent = guarded(deadline.lend_reader, connection, call)
    try:
        yield
    finally:
        if lent is not None:
            guarded(deadline.take_back, connection, lent)


def connect(original: Method, call: Call, connection: Any, *args: Any, **kwargs: Any) -> Any:
    with contextlib.ExitStack() as bounds:
        bounds.enter_context(_held(connection, call))
        if getattr(connection, "_tunnel_host", None):  # the proxy's answer is read in connect
            bounds.enter_context(_bounded_answer(connection, call))
        return original(connection, *args, **kwargs)


def send(original: Method, call: Call, connection: Any, *args: Any, **kwargs: Any) -> Any:
    with _held(connection, call):
        return original(connection, *args, **kwargs)


def getresponse(original: Method, call: Call, connection: Any, *args: Any, **kwargs: Any) -> Any:
    with _bounded_answer(connection, call):
        response = original(connection, *args, **kwargs)
    exchange = connection.__dict__.pop(_EXCHANGE, None)
    if exchange is not None:
        guarded(_answered, call, exchange, response)
    return response


def _answered(call: Call, exchange: Exchange, response: Any) -> None:
    begin = functools.partial(_begin, call, response)
    file_answer(call, exchange, response.status, response.headers, begin)


def _begin(call: Call, response: http.client.HTTPResponse) -> bytes:
    """The beginning of a body, which stays in the response's buffer for the client to read."""
    buffer: Any = response.fp
    if response.length == 0 or not hasattr(buffer, "peek"):
        return b""
    sock = buffer.raw._sock
    own = sock.gettimeout()
    if own == 0:
        return b""
    # An empty buffer makes peek read the socket: it must not block, nor fail for a timeout, which
    # would spoil the reader for good.
    sock.settimeout(0)
    try:
        begun: bytes = _peek(buffer)
        if not begun:
            waits = [PATIENCE, own, deadline.time_left(call)]
            wait_for_read(sock, max(0.0, min(wait for wait in waits if wait is not None)))
            begun = _peek(buffer)
    finally:
        sock.settimeout(own)
    return without_chunks(begun) if response.chunked else begun


def _peek(buffer: Any) -> bytes:
    try:
        return bytes(buffer.peek())
    except OSError:  # TLS has no whole record yet; or the client's own read will say what is wrong
        return b""
