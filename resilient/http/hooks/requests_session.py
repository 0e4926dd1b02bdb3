"""Hooks for `requests.Session.send` and its like in requests-cache and botocore.

requests gets a timeout that it can explain itself, and tells what a request authenticates with,
whoever answers it. A refusal of ours reaches the caller as it is, where requests and botocore would
wrap it into an error of their own or even try again. The adapter of a session may have a cache put
before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import requests
import urllib3

from resilient.call import Call
from resilient.http import deadline
from resilient.http.credentials import is_watched, note_request
from resilient.http.hooks.patches import Hook, Method, guarded
from resilient.http.signing import note_signed


def hooks() -> Iterator[Hook]:
    """What is replaced in requests."""
    yield requests.Session, "send", session_send
    yield requests.Session, "get_adapter", session_adapter
    yield requests.PreparedRequest, "prepare_auth", prepare_auth


def requests_cache_hooks(session: ModuleType) -> Iterator[Hook]:
    """What is replaced in requests_cache.session, whose hits `requests.Session` never hears of."""
    owner = getattr(session, "CacheMixin", None)
    if owner is not None:
        yield owner, "send", cached_send


def botocore_hooks(httpsession: ModuleType) -> Iterator[Hook]:
    """What is replaced in botocore.httpsession."""
    owner = getattr(httpsession, "URLLib3Session", None)
    if owner is not None:
        yield owner, "send", botocore_send


def session_send(
    original: Method, call: Call, session: requests.Session, *args: Any, **kwargs: Any
) -> Any:
    guarded(_bound_request, call, kwargs)
    if is_watched(call):
        guarded(_note_credentials, call, session, kwargs, *args)
    try:
        return original(session, *args, **kwargs)
    except requests.RequestException as error:
        refusal = guarded(deadline.refusal_in, error)
        if refusal is None:
            raise
    # Out here, so that the refusal does not get its own wrapping for a context.
    raise refusal


def cached_send(
    original: Method, call: Call, session: requests.Session, *args: Any, **kwargs: Any
) -> Any:
    if is_watched(call):
        guarded(_note_credentials, call, session, kwargs, *args)
    return original(session, *args, **kwargs)


def session_adapter(
    original: Method, call: Call, session: requests.Session, *args: Any, **kwargs: Any
) -> Any:
    """The session's own adapter, inside that of the nearest call which has a cache for requests."""
    adapter = original(session, *args, **kwargs)
    at: Call | None = call
    while at is not None:
        cache = at.target.http_cache
        if cache is not None:
            return guarded(cache.adapter_for, call, adapter) or adapter
        at = at.parent
    return adapter


def prepare_auth(
    original: Method, call: Call, prepared: requests.PreparedRequest, *args: Any, **kwargs: Any
) -> Any:
    """An authentication of the caller's own says who asks in headers of any name."""
    if not callable(args[0] if args else kwargs.get("auth")):
        return original(prepared, *args, **kwargs)
    before = dict(prepared.headers)
    result = original(prepared, *args, **kwargs)
    guarded(note_signed, call, before, prepared.headers)
    return result


def botocore_send(original: Method, call: Call, session: Any, *args: Any, **kwargs: Any) -> Any:
    try:
        return original(session, *args, **kwargs)
    except Exception as error:
        refusal = guarded(deadline.refusal_in, error)
        if refusal is None:
            raise
    raise refusal


def _bound_request(call: Call, options: dict[str, Any]) -> None:
    if deadline.is_over(call):
        raise deadline.too_late(call)
    limit = deadline.Limit(call)
    if limit.binds(None):
        options["timeout"] = _shorter(options.get("timeout"), limit)


def _note_credentials(
    call: Call, session: requests.Session, options: dict[str, Any], *args: Any
) -> None:
    request = args[0] if args else options["request"]
    cert = options.get("cert", session.cert)
    note_request(call, request.url, request.headers, cert)


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
