"""Sees the HTTP that a call makes, and keeps it inside the call's time.

`http.client.HTTPConnection` is under requests, urllib3, urllib, botocore and most vendor SDKs:

    putrequest   may the request leave? files an Exchange
    putheader    notes an Idempotency-Key
    connect      bounded by the deadline and the default timeout; so is send
    getresponse  the answer is read within the deadline; status and headers are filed

`requests.Session.send` gets a timeout that requests itself can explain, and hands a refusal of ours
to the caller unwrapped. urllib3 connects by itself, so its `connect` has the same hook.

Outside a decorated call a hook is one look at a ContextVar. A hook that fails is counted in
`errors` and told once; the request goes on without it.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
import urllib3.connection

from resilient.call import Call, Exchange, current, listeners
from resilient.errors import Refused
from resilient.http import deadline
from resilient.timing import clock

Method = Callable[..., Any]
_T = TypeVar("_T")

# Kept in the instance dictionary of a connection.
_EXCHANGE = "_resilient_exchange"
_HOLD = "_resilient_hold"

errors = 0
"""How often a hook has failed since `install`."""


class _Patch:
    """One method replaced by a hook, until it is taken out.

    live: False once uninstalled; where someone has patched over us, a pass-through stays behind.
    """

    def __init__(self, owner: type, name: str, hook: Method) -> None:
        self.owner = owner
        self.name = name
        self.live = True
        self.original: Method = owner.__dict__[name]
        original = self.original

        @functools.wraps(original)
        def method(patched: Any, *args: Any, **kwargs: Any) -> Any:
            call = current.get()
            if call is None or not self.live:
                return original(patched, *args, **kwargs)
            return hook(original, call, patched, *args, **kwargs)

        self.method = method
        setattr(owner, name, method)

    def remove(self) -> None:
        """Put the original back, unless someone else's patch stands on ours."""
        self.live = False
        if self.owner.__dict__.get(self.name) is self.method:
            setattr(self.owner, self.name, self.original)


# _lock guards _patches, errors and the patched classes.
_lock = threading.Lock()
_patches: list[_Patch] = []


def install() -> None:
    """Start observing; does nothing if that has been done."""
    global errors
    with _lock:
        if _patches:
            return
        errors = 0
        for owner, name, hook in _hooks():
            if name in owner.__dict__:
                _patches.append(_Patch(owner, name, hook))


def uninstall() -> None:
    """Stop observing, and leave the patches of others in place."""
    with _lock:
        while _patches:
            _patches.pop().remove()


def is_installed() -> bool:
    """Is HTTP observed?"""
    return bool(_patches)


def _hooks() -> Iterator[tuple[type, str, Method]]:
    plain = http.client.HTTPConnection
    yield plain, "putrequest", _putrequest
    yield plain, "putheader", _putheader
    yield plain, "connect", _connect
    yield plain, "send", _send
    yield plain, "getresponse", _getresponse
    # Python may have been built without ssl; urllib3 has a stand-in then.
    for owner in (
        getattr(http.client, "HTTPSConnection", None),
        urllib3.connection.HTTPConnection,
        urllib3.connection.HTTPSConnection,
    ):
        if owner is not None:
            yield owner, "connect", _connect
    yield requests.Session, "send", _session_send


def _guarded(step: Callable[..., _T], *args: Any) -> _T | None:
    """Run a step of a hook; an error of ours must not break the request."""
    try:
        return step(*args)
    except Refused:
        raise
    except Exception as error:
        _count(error, step.__name__.strip("_"))
        return None


def _count(error: Exception, step: str) -> None:
    global errors
    with _lock:
        errors += 1
        first = errors == 1
    if first:
        listeners.announce(
            "degraded",
            "resilient.http",
            f"the HTTP observer failed ({type(error).__name__} in {step}); requests go on without "
            "it (told once, counted in observe.errors)",
        )


def _putrequest(
    original: Method, call: Call, connection: Any, method: str, url: str, *args: Any, **kwargs: Any
) -> Any:
    _guarded(_let_leave, call, method)
    connection.__dict__.pop(_EXCHANGE, None)
    result = original(connection, method, url, *args, **kwargs)
    _guarded(_file, call, connection, method, url)
    return result


def _let_leave(call: Call, method: str) -> None:
    """Wait until the request may leave, or raise Refused."""
    if not call.target.observing and deadline.is_over(call):
        raise deadline.too_late(call)
    if method.upper() != "CONNECT":
        call.admit_request()  # a gate that only observes records what it would have done


def _file(call: Call, connection: Any, method: str, url: str) -> None:
    method = method.upper()
    if method == "CONNECT":  # a tunnel to a proxy: the request is yet to come
        return
    host = urlsplit(url).hostname if "://" in url else None
    if host is None:
        host = getattr(connection, "_tunnel_host", None) or connection.host
    exchange = Exchange(method, host, clock.monotonic())
    call.add_exchange(exchange)
    connection.__dict__[_EXCHANGE] = exchange


def _putheader(
    original: Method, call: Call, connection: Any, header: str | bytes, *values: Any
) -> Any:
    result = original(connection, header, *values)
    _guarded(_note_header, connection, header)
    return result


def _note_header(connection: Any, header: str | bytes) -> None:
    exchange = connection.__dict__.get(_EXCHANGE)
    if exchange is not None and header.lower() in ("idempotency-key", b"idempotency-key"):
        exchange.repeatable = True


@contextlib.contextmanager
def _held(connection: Any, call: Call) -> Iterator[None]:
    """Bound what a connection does meanwhile; inside another hold, only bring that up to date."""
    outer: deadline.Hold | None = connection.__dict__.get(_HOLD)
    hold = outer or _guarded(deadline.take_hold, connection, call)
    if hold is None:
        yield
        return
    connection.__dict__[_HOLD] = hold
    try:
        if _guarded(hold.tighten) is False:
            raise deadline.too_late(call) if connection.sock is None else deadline.cut_off(call)
        yield
        if outer:
            _guarded(hold.tighten)
    finally:
        if not outer:
            del connection.__dict__[_HOLD]
            _guarded(hold.release)


@contextlib.contextmanager
def _bounded_answer(connection: Any, call: Call) -> Iterator[None]:
    """Let the responses made meanwhile read within the limit."""
    lent = _guarded(deadline.lend_reader, connection, call)
    try:
        yield
    finally:
        if lent is not None:
            _guarded(deadline.take_back, connection, lent)


def _connect(original: Method, call: Call, connection: Any, *args: Any, **kwargs: Any) -> Any:
    with contextlib.ExitStack() as bounds:
        bounds.enter_context(_held(connection, call))
        if getattr(connection, "_tunnel_host", None):  # the proxy's answer is read in connect
            bounds.enter_context(_bounded_answer(connection, call))
        return original(connection, *args, **kwargs)


def _send(original: Method, call: Call, connection: Any, *args: Any, **kwargs: Any) -> Any:
    with _held(connection, call):
        return original(connection, *args, **kwargs)


def _getresponse(original: Method, call: Call, connection: Any, *args: Any, **kwargs: Any) -> Any:
    with _bounded_answer(connection, call):
        response = original(connection, *args, **kwargs)
    exchange = connection.__dict__.pop(_EXCHANGE, None)
    if exchange is not None:
        _guarded(_answered, exchange, response)
    return response


def _answered(exchange: Exchange, response: http.client.HTTPResponse) -> None:
    exchange.elapsed = clock.monotonic() - exchange.started
    exchange.headers = response.headers  # type: ignore[assignment]  # it is one, to Python
    exchange.status = response.status


def _session_send(
    original: Method, call: Call, session: requests.Session, *args: Any, **kwargs: Any
) -> Any:
    _guarded(_bound_request, call, kwargs)
    try:
        return original(session, *args, **kwargs)
    except requests.RequestException as error:
        refusal = _guarded(deadline.refusal_in, error)
        if refusal is None:
            raise
    # Out here, so that the refusal does not get its own wrapping for a context.
    raise refusal


def _bound_request(call: Call, options: dict[str, Any]) -> None:
    if deadline.is_over(call):
        raise deadline.too_late(call)
    limit = deadline.Limit(call)
    if limit.binds(None):
        options["timeout"] = _shorter(options.get("timeout"), limit)


def _shorter(timeout: Any, limit: deadline.Limit) -> Any:
    """A timeout in any form that requests takes, within the limit.

    What is no timeout at all comes back as it is, for requests to complain of.
    """
    if isinstance(timeout, urllib3.Timeout):
        if deadline.seconds(timeout.total) is None:
            return urllib3.Timeout(
                connect=limit.allowed(deadline.seconds(timeout.connect_timeout)),
                read=limit.allowed(deadline.seconds(timeout.read_timeout)),
                total=limit.left(),
            )
        shorter = timeout.clone()
        shorter.total = limit.allowed(deadline.seconds(timeout.total))
        return shorter
    if isinstance(timeout, tuple) and len(timeout) == 2:
        connect, read = timeout
        return (_shorter(connect, limit), _shorter(read, limit))
    if timeout is None or timeout is deadline.seconds(timeout):
        return limit.allowed(timeout)
    return timeout
