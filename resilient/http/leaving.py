"""Credentials as they leave on the wire, whoever has added them on the way there.

An adapter of the caller's own may put a token into a request after the session has made it. A cache
before that adapter can't have told by it who asks, and has to hear of it afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from resilient.http.credentials import Credential, Headers, credentials_of

_leaving: ContextVar[list[Credential] | None] = ContextVar("leaving", default=None)


@contextlib.contextmanager
def leaving() -> Iterator[list[Credential]]:
    """What the requests of this block authenticate with, as far as http.client sends them."""
    found: list[Credential] = []
    token = _leaving.set(found)
    try:
        yield found
    finally:
        _leaving.reset(token)


def note_leaving(url: str, headers: Headers, cert: Any = None) -> None:
    """A part of a request is being sent: its line, or some of its header fields."""
    found = _leaving.get()
    if found is None:
        return
    try:
        found += credentials_of(url, headers, cert)
    except Exception:
        # What can't be told apart must not be shared.
        found.append(Credential("what could not be read of it", "", ()))
        raise
