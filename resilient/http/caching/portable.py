"""requests' responses as plain data, for functions whose results are kept in a shared store.

Kept is what callers read: status, headers, body, encoding, where it came from, how long it took.
Not kept: the request's headers and body, cookies, and what of the URL is secret.
"""

from __future__ import annotations

import datetime
import io
from typing import Any

import requests
from requests.structures import CaseInsensitiveDict

from resilient.http.credentials import without_secrets
from resilient.stores.plain import Unstorable, register

_SESSION_ONLY = frozenset({"set-cookie", "set-cookie2"})


def register_responses() -> None:
    """Let `stores.plain` keep responses; they come back as requests.Response, each a new one."""
    register(requests.Response, "response", to_plain, of_plain)


def to_plain(response: requests.Response) -> dict[str, Any]:
    """Raises: Unstorable, if the body has not been read: that is the caller's to do."""
    if response._content is False:
        raise Unstorable(type(response), "its body has not been read (stream=True)")
    method = getattr(response.request, "method", None)
    headers = [
        [str(name), str(value)]
        for name, value in response.headers.items()
        if name.lower() not in _SESSION_ONLY
    ]
    return {
        "status": response.status_code,
        "reason": response.reason,
        "method": method,
        "url": None if response.url is None else without_secrets(str(response.url)),
        "headers": headers,
        "body": response.content,
        "encoding": response.encoding,
        "elapsed": response.elapsed.total_seconds(),
        "history": [to_plain(one) for one in response.history],
    }


def of_plain(plain: dict[str, Any]) -> requests.Response:
    """A response whose request has nothing but a method and a URL."""
    response = requests.Response()
    response.status_code = plain["status"]
    response.reason = plain["reason"]
    response.url = plain["url"]
    response.headers = CaseInsensitiveDict(plain["headers"])
    response._content = plain["body"]
    response._content_consumed = True
    response.raw = io.BytesIO(plain["body"] or b"")
    response.encoding = plain["encoding"]
    response.elapsed = datetime.timedelta(seconds=plain["elapsed"])
    response.history = [of_plain(one) for one in plain["history"]]
    request = requests.PreparedRequest()
    request.method, request.url = plain["method"], plain["url"]
    request.headers = CaseInsensitiveDict()
    response.request = request
    return response
