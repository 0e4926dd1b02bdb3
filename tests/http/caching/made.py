"""Requests and answers, made for tests of the caching rules."""

from __future__ import annotations

from typing import Any

from resilient.http.caching.dates import date_text
from resilient.http.caching.messages import Defaults, Request, Stored, fields_of
from resilient.http.caching.storing import may_store, stored_of

NOON = 1_767_268_800.0
"""When answers are received, unless said otherwise: Thu, 01 Jan 2026 12:00:00 GMT."""

URL = "http://vendor.test/items"
SILENT = Defaults()


def date(seconds: float = 0.0) -> str:
    """So many seconds after noon."""
    return date_text(NOON + seconds)


def request(method: str = "GET", url: str = URL, **fields: str) -> Request:
    """Field names with _ for -."""
    return Request(method, url, {name.lower().replace("_", "-"): fields[name] for name in fields})


def stored(
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
    *,
    body: bytes = b"0123456789",
    status: int = 200,
    asked: Request | None = None,
    at: float = NOON,
    took: float = 0.0,
) -> Stored:
    """As it is kept: with a Date of its receipt, unless it has one."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
    made = stored_of(asked or request(), status, "OK", pairs, body, at - took, at)
    assert made is not None
    return made


def is_kept(
    headers: dict[str, str] | None = None,
    status: int = 200,
    asked: Request | None = None,
    defaults: Defaults = SILENT,
) -> bool:
    pairs = list((headers or {}).items())
    return may_store(asked or request(), status, fields_of(pairs), defaults)


def part(first: int, last: int, complete: Any = 10, **more: str) -> Stored:
    """Of "0123456789", with a strong validator unless said otherwise."""
    headers = {
        "Cache-Control": "max-age=60",
        "ETag": '"1"',
        "Content-Range": f"bytes {first}-{last}/{complete}",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    return stored(headers, body=b"0123456789"[first : last + 1], status=206)
