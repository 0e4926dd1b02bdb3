"""An answer of the vendor, as far as a cache looks at it."""

from __future__ import annotations

import contextlib
from email.errors import MissingHeaderBodySeparatorDefect
from typing import Any

import requests
from urllib3 import HTTPHeaderDict

from resilient.http.caching.messages import Fields, Pairs, Reply, fields_of


class Answer:
    """response: as the session's own adapter gave it. pairs: its headers, each as it was sent.

    requested_at, received_at: Unix seconds when the request left and when the headers were there.
    """

    __slots__ = (
        "_is_read",
        "fields",
        "pairs",
        "received_at",
        "requested_at",
        "response",
        "status",
    )

    def __init__(
        self, response: requests.Response, requested_at: float, received_at: float
    ) -> None:
        self._is_read = False
        self.response = response
        self.status: int = response.status_code
        self.requested_at = requested_at
        self.received_at = received_at
        self.pairs = _pairs_of(response)
        self.fields: Fields = fields_of(self.pairs)

    def read(self) -> None:
        """Read the body as the session would; raises what requests raises for a broken one."""
        if self.status == 304 and "transfer-encoding" in self.fields:
            # RFC 9112 6.1, 6.3: it tells what a 200 would have had, and no chunk follows;
            # http.client would wait for one.
            self.response.close()
            self.response._content = b""
            self.response._content_consumed = True
        _ = self.response.content
        self._is_read = True

    @property
    def reason(self) -> str:
        return str(self.response.reason or "")

    @property
    def body(self) -> bytes:
        return self.response.content or b""

    def is_whole(self) -> bool:
        """Could the head be read to its end, and did the body come in as long as announced?

        RFC 9112 8; urllib3 1 does not look. Of a body that nobody has read yet nothing bad is
        known.
        """
        if self._is_torn():
            return False
        if not self._is_read:
            return True
        told = {part.strip() for part in self.fields.get("content-length", "").split(",")} - {""}
        if not told or "transfer-encoding" in self.fields or not self._has_body():
            return True
        if len(told) > 1:
            return False
        came = self._bytes_read()
        return came is None or told == {str(came)} or _as_number(told.pop()) == came

    def may_lack_fields(self) -> bool:
        """Was the end of the connection the first sign that the head was over?

        Then it may as well have been cut off between two of its lines: http.client can't tell.
        """
        if not self._is_read or not self._has_body() or self._bytes_read() != 0:
            return False
        if not self.fields.keys().isdisjoint({"content-length", "transfer-encoding"}):
            return False
        return getattr(self._original, "will_close", None) is True

    def as_reply(self) -> Reply:
        """The same for others; it must have been read."""
        return Reply(self.status, self.reason, self.pairs, self.body)

    def discard(self) -> None:
        """Nobody will read it: let its connection be used again."""
        with contextlib.suppress(Exception):  # half an answer: the connection is no use any more
            self.read()
        with contextlib.suppress(Exception):
            self.response.close()

    def _is_torn(self) -> bool:
        """Did http.client stop at a line that is no field? What follows may have been no-store."""
        defects = getattr(getattr(self._original, "msg", None), "defects", ())
        return any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in defects)

    @property
    def _original(self) -> Any:
        """http.client's own response."""
        return getattr(self.response.raw, "_original_response", None)

    def _has_body(self) -> bool:
        return self.response.request.method != "HEAD" and self.status not in {204, 304}

    def _bytes_read(self) -> int | None:
        """Bytes that came over the wire; None if nobody knows."""
        with contextlib.suppress(Exception):
            return int(self.response.raw.tell())
        return None if "content-encoding" in self.fields else len(self.body)


def _pairs_of(response: requests.Response) -> Pairs:
    headers: Any = getattr(response.raw, "headers", None)
    # requests joins lines of one name, and cookies can't be told apart then.
    if not isinstance(headers, HTTPHeaderDict):
        headers = response.headers
    # RFC 9112 5: white space around a value is no part of it; http.client leaves it at the end.
    return tuple((str(name), str(value).strip(" \t")) for name, value in headers.items())


def _as_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None
