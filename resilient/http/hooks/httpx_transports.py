"""Hooks for the sync transports of httpx and httpx2, and the sockets of httpcore below them.

    handle_request   may the request leave? files an Exchange and its answer; phases that have no
                     timeout get one, and none is longer than the deadline
    read, write, …   each step on a socket is within the deadline, so a hung or dripping server is
                     cut off under HTTP/1.1, HTTP/2, TLS and proxies; httpx maps the error as ever

httpx's MockTransport and WSGITransport are seen like the real one, so that a test with them shows
what the policies do. The async transports are not: a decorated function is synchronous. Nor is a
transport of somebody's own, unless it sends through one of these.

HTTP/2 shares a connection, and httpcore drops it with every request on it when one read of one of
them runs into its timeout; the deadline's does the same.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from resilient.call import Call, Exchange
from resilient.http import deadline
from resilient.http.credentials import is_watched, note_request
from resilient.http.hooks.exchanges import file, file_answer, file_failure, let_leave
from resilient.http.hooks.patches import Hook, Method, guarded
from resilient.http.learned import learn_request

# Kept in the instance dictionary of a request while a transport has it.
_EXCHANGE = "_resilient_exchange"

_PHASES = ("connect", "read", "write", "pool")

_SLICE = 65536
"""Bytes written between two looks at the deadline."""


def transport_hooks(httpx: ModuleType) -> Iterator[Hook]:
    """What is replaced in httpx or httpx2."""
    again = _again_class(httpx)

    def handle_request(
        original: Method, call: Call, transport: Any, request: Any, *args: Any, **kwargs: Any
    ) -> Any:
        # Another transport has it, and sends it through this one.
        if _EXCHANGE in getattr(request, "__dict__", ()):
            return original(transport, request, *args, **kwargs)
        guarded(let_leave, call, request.method)
        exchange = guarded(_file, call, request)
        guarded(_note_credentials, call, request)
        own = guarded(_bound, call, request)
        try:
            response = original(transport, request, *args, **kwargs)
        except BaseException as error:
            if exchange is not None:
                file_failure(exchange, error)
            raise
        finally:
            guarded(_restore, request, own)
        if exchange is not None:
            guarded(_answered, call, exchange, response, again)
        return response

    for name in ("HTTPTransport", "MockTransport", "WSGITransport"):
        owner = getattr(httpx, name, None)
        if owner is not None:
            yield owner, "handle_request", handle_request


def _file(call: Call, request: Any) -> Exchange:
    exchange = file(call, request.method, request.url.host, lambda: str(request.url))
    if "idempotency-key" in request.headers:
        exchange.repeatable = True
    request.__dict__[_EXCHANGE] = exchange
    return exchange


def _note_credentials(call: Call, request: Any) -> None:
    url = str(request.url)
    learn_request(url, request.headers)
    if is_watched(call):
        note_request(call, url, request.headers)


def _bound(call: Call, request: Any) -> tuple[Any, Any] | None:
    """Put timeouts within the limit into a request.

    Returns: its extensions as its owner made them, and as they are now; None if that is the same.
    """
    limit = deadline.Limit(call)
    own = request.extensions
    timeouts = {phase: own.get("timeout", {}).get(phase) for phase in _PHASES}
    if not any(limit.binds(timeout) for timeout in timeouts.values()):
        return None
    allowed = {phase: limit.allowed(timeout) for phase, timeout in timeouts.items()}
    request.extensions = given = {**own, "timeout": allowed}
    return own, given


def _restore(request: Any, extensions: tuple[Any, Any] | None) -> None:
    request.__dict__.pop(_EXCHANGE, None)
    if extensions is not None and request.extensions is extensions[1]:
        request.extensions = extensions[0]


def _answered(call: Call, exchange: Exchange, response: Any, again: type) -> None:
    def begin() -> bytes:
        # A MockTransport's answer has its whole body already.
        with contextlib.suppress(Exception):
            return bytes(response.content)
        if exchange.method == "HEAD" or not isinstance(response.stream, again.__bases__):
            return b""
        response.stream = stream = again(response.stream)
        first: bytes = stream.first
        return first

    file_answer(call, exchange, response.status_code, response.headers, begin)


def _again_class(httpx: Any) -> type:
    """A stream whose first part has been looked at, and comes again for the client.

    httpx reads an answer's body as soon as it has the answer, unless it was asked to stream it; so
    to wait for the first part here, within the client's own timeout, is to wait for it now.
    """

    class Again(httpx.SyncByteStream):  # type: ignore[misc]  # not imported by us
        def __init__(self, stream: Any) -> None:
            self.stream = stream
            self.parts = iter(stream)
            self.error: Exception | None = None
            self.first = b""
            try:
                self.first = next(self.parts, b"")
            except Exception as error:  # the client's to see, when it reads the body
                self.error = error

        def __iter__(self) -> Iterator[bytes]:
            if self.error is not None:
                raise self.error
            yield self.first
            yield from self.parts

        def close(self) -> None:
            self.stream.close()

    return Again


def socket_hooks(httpcore: ModuleType) -> Iterator[Hook]:
    """What is replaced in httpcore or httpcore2."""
    backend = getattr(httpcore, "SyncBackend", None)
    if backend is None:
        return
    yield backend, "connect_tcp", _within(httpcore, 2)
    yield backend, "connect_unix_socket", _within(httpcore, 1)
    streams = sys.modules.get(httpcore.__name__ + "._backends.sync")
    for name in ("SyncStream", "TLSinTLSStream"):
        stream = getattr(streams, name, None)
        if stream is not None:
            yield stream, "start_tls", _within(httpcore, 2)
            yield stream, "read", _within(httpcore, 1)
            yield stream, "write", _sliced(_within(httpcore, 1))


def _within(httpcore: Any, place: int) -> Method:
    """A hook for one step on a socket, whose timeout stands at this place of its arguments."""
    errors = {"read": httpcore.ReadTimeout, "write": httpcore.WriteTimeout}

    def step(original: Method, call: Call, owner: Any, *args: Any, **kwargs: Any) -> Any:
        own = args[place] if len(args) > place else kwargs.get("timeout")
        granted = guarded(_grant, call, own)
        if granted is None:
            return original(owner, *args, **kwargs)
        is_over, timeout = granted
        if is_over:
            kind = errors.get(original.__name__)
            if original.__name__ == "start_tls":
                # As httpcore does when a handshake fails: nobody else has it yet.
                guarded(owner.close)
            raise deadline.too_late(call) if kind is None else kind(str(deadline.cut_off(call)))
        if len(args) > place:
            args = (*args[:place], timeout, *args[place + 1 :])
        else:
            kwargs["timeout"] = timeout
        try:
            return original(owner, *args, **kwargs)
        except httpcore.TimeoutException as error:
            if not guarded(deadline.is_over, call):
                raise
            raise type(error)(str(deadline.cut_off(call))) from error

    return step


def _grant(call: Call, own: float | None) -> tuple[bool, float | None] | None:
    """Is the deadline over, and seconds for the next step; None if nothing binds it."""
    limit = deadline.Limit(call)
    return (deadline.is_over(call), limit.allowed(own)) if limit.binds(own) else None


def _sliced(write: Callable[..., Any]) -> Method:
    """The same for `write`, which gives each of its sends the whole timeout anew."""

    def sliced(
        original: Method, call: Call, stream: Any, data: bytes, *args: Any, **kw: Any
    ) -> Any:
        if len(data) <= _SLICE or guarded(deadline.time_left, call) is None:
            return write(original, call, stream, data, *args, **kw)
        view = memoryview(data)
        for start in range(0, len(view), _SLICE):
            write(original, call, stream, view[start : start + _SLICE].tobytes(), *args, **kw)
        return None

    return sliced
