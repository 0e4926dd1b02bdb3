"""Hooks for `http.client`, which is under requests, urllib3, urllib, httplib2 and botocore.

    putrequest   may the request leave? files an Exchange
    putheader    notes an Idempotency-Key, and what the request authenticates with (to be masked)
    connect      bounded by the deadline and the default timeout; so are endheaders and send
    getresponse  the answer is read within the deadline, filed, and told to the gates

urllib3 and httplib2 connect by themselves, so their `connect` has the same hook.
"""

from __future__ import annotations

import contextlib
import errno
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
from resilient.http.credentials import is_watched, note_request
from resilient.http.hooks.exchanges import (
    file,
    file_answer,
    file_failure,
    let_leave,
    without_chunks,
)
from resilient.http.hooks.patches import Hook, Method, guarded
from resilient.http.learned import learn_request
from resilient.http.leaving import note_leaving
from resilient.http.secret_names import says_who

# Kept in the instance dictionary of a connection.
_EXCHANGE = "_resilient_exchange"
_HOLD = "_resilient_hold"
_WATCHED = "_resilient_watched"

_SWITCHING = 101  # RFC 9110 15.2.2: what follows is no HTTP
_MOST_INTERIM = 32

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
    learn_request(url, ())
    connection.__dict__[_WATCHED] = watched = is_watched(call)
    # urllib3's connections, and those of Python before 3.12, keep the path.
    cert = getattr(connection, "cert_file", None)
    guarded(note_leaving, url, (), cert)
    if watched:
        guarded(note_request, call, url, (), cert)
    result = original(connection, method, url, *args, **kwargs)
    guarded(_file, call, connection, method, url)
    return result


def _file(call: Call, connection: Any, method: str, url: str) -> None:
    if method.upper() == "CONNECT":  # a tunnel to a proxy: the request is yet to come
        return
    host = urlsplit(url).hostname if "://" in url else None
    if host is None:
        host = getattr(connection, "_tunnel_host", None) or connection.host
    url_of = functools.partial(_url_of, connection, url)
    connection.__dict__[_EXCHANGE] = file(call, method, host, url_of)


def _url_of(connection: Any, url: str) -> str:
    """The whole URL, also where the request names a path alone."""
    if "://" in url:
        return url
    host, port = connection.host, connection.port
    if getattr(connection, "_tunnel_host", None):
        host, port = connection._tunnel_host, connection._tunnel_port
    is_tls = connection.default_port == http.client.HTTPS_PORT
    named = f"[{host}]" if ":" in host else host
    at = "" if port is None or port == connection.default_port else f":{port}"
    return f"{'https' if is_tls else 'http'}://{named}{at}{url}"


@contextlib.contextmanager
def _failure_told(connection: Any) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        # After these two, urllib3 looks for an answer all the same.
        if not (isinstance(error, OSError) and error.errno in (errno.EPIPE, errno.EPROTOTYPE)):
            exchange = connection.__dict__.get(_EXCHANGE)
            if exchange is not None:
                file_failure(exchange, error)
        raise


def putheader(
    original: Method, call: Call, connection: Any, header: str | bytes, *values: Any
) -> Any:
    result = original(connection, header, *values)
    guarded(_note_header, connection, header)
    name = header if isinstance(header, str) else bytes(header).decode("latin-1")
    if says_who(name):
        guarded(_note_credential, call, connection, name, values)
    return result


def _note_header(connection: Any, header: str | bytes) -> None:
    exchange = connection.__dict__.get(_EXCHANGE)
    if exchange is not None and header.lower() in ("idempotency-key", b"idempotency-key"):
        exchange.repeatable = True


def _note_credential(call: Call, connection: Any, name: str, values: tuple[Any, ...]) -> None:
    pairs = [(name, value) for value in values]
    learn_request("", pairs)
    # Libraries send it by themselves, for the proxy of the environment that everybody goes through.
    if name.lower() == "proxy-authorization":
        return
    note_leaving("", pairs)
    if connection.__dict__.get(_WATCHED):
        note_request(call, "", pairs)


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
    with _failure_told(connection), contextlib.ExitStack() as bounds:
        bounds.enter_context(_held(connection, call))
        if getattr(connection, "_tunnel_host", None):  # the proxy's answer is read in connect
            bounds.enter_context(_bounded_answer(connection, call))
        return original(connection, *args, **kwargs)


def send(original: Method, call: Call, connection: Any, *args: Any, **kwargs: Any) -> Any:
    with _failure_told(connection), _held(connection, call):
        return original(connection, *args, **kwargs)


def getresponse(original: Method, call: Call, connection: Any, *args: Any, **kwargs: Any) -> Any:
    with _failure_told(connection), _bounded_answer(connection, call):
        response = original(connection, *args, **kwargs)
        if response.status < 200 and isinstance(response, http.client.HTTPResponse):
            _read_on(connection, response)
    exchange = connection.__dict__.pop(_EXCHANGE, None)
    if exchange is not None:
        guarded(_answered, call, exchange, response)
    return response


def _read_on(connection: Any, response: Any) -> None:
    """Take the final answer after interim ones (RFC 9110 15.2): http.client knows 100 alone."""
    for _ in range(_MOST_INTERIM):
        if response.status >= 200 or response.status == _SWITCHING or response.fp is None:
            break
        response.headers = response.msg = None  # so that it begins anew
        response.begin()
    if response.status >= 200 and response.will_close and connection.sock is not None:
        # What http.client does then; the response holds what it still needs of the socket.
        connection.__dict__["_HTTPConnection__response"] = None
        connection.close()


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
