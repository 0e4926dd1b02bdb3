"""An origin that fails (RFC 9111 4.2.4, RFC 5861), and answers that break off."""

from __future__ import annotations

import requests

from tests.http.caching.scenarios import (
    MAX,
    STALE,
    TAG,
    Steps,
    asks,
    brings,
    confirms,
    falls_back,
    hits,
)

DELTA = "Cache-Control: max-age=1, stale-while-revalidate=60"
ERROR = "Cache-Control: max-age=1, stale-if-error=60"
SCENARIOS: dict[str, Steps] = {
    "4.2.4 the origin hangs up": (
        asks(brings(STALE, TAG)),
        falls_back(1, raw=b"", after=2, has={"Age": "2"}),
    ),
    "4.2.4 the origin hangs up, and nothing is kept": (
        asks(raw=b"", raises=requests.ConnectionError),
    ),
    "4.2.4 the origin talks nonsense": (
        asks(STALE),
        falls_back(1, raw=b"SSH-2.0-nonsense\r\nConnection: close\r\n\r\n", after=2),
    ),
    "4.2.4 for a day": (
        asks(STALE),
        falls_back(1, raw=b"", after=86_400),
        asks(raw=b"", after=2, raises=requests.ConnectionError),
    ),
    "4.2.4 who says how fresh it must be gets no stale one": (
        asks(STALE),
        asks(
            raw=b"", after=2, send={"Cache-Control": "max-age=1"}, raises=requests.ConnectionError
        ),
    ),
    "4.2.4 a stale part": (
        asks(
            brings(STALE, TAG, "Content-Range: bytes 0-4/10"),
            status=206,
            body=b"01234",
            send={"Range": "bytes=0-4"},
        ),
        asks(raw=b"", after=2, send={"Range": "bytes=1-2"}, text="12", status=206),
    ),
    "4.2.4 a stale answer to HEAD": (
        asks(STALE),
        asks(raw=b"", after=2, method="HEAD", text="", status=200),
    ),
    "4.2.4 s-maxage forbids nothing to a private cache": (
        asks("Cache-Control: max-age=1, s-maxage=1"),
        falls_back(1, raw=b"", after=2),
    ),
    "4.2.4 a fresh answer that the origin was asked about": (
        asks(MAX),
        asks(raw=b"", send={"Cache-Control": "no-cache"}, raises=requests.ConnectionError),
        hits(1),
    ),
    "4.2.4 the origin breaks off": (
        asks(STALE),
        falls_back(
            1,
            raw=b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nabc",
            after=2,
        ),
    ),
    "4.2.4 the origin breaks off, and no-cache forbids it": (
        asks(brings("Cache-Control: no-cache", TAG)),
        asks(raw=b"", raises=requests.ConnectionError),
    ),
    "RFC 5861 4 stale-if-error": (
        asks(ERROR),
        *(falls_back(1, status=s, after=2) for s in (500, 502, 503, 504)),
    ),
    "RFC 5861 4 stale-if-error when the origin hangs up": (
        asks(ERROR),
        falls_back(1, raw=b"", after=2),
    ),
    "RFC 5861 4 stale-if-error is over": (asks(ERROR), asks("", status=503, after=62)),
    "RFC 5861 4 stale-if-error is over when the origin hangs up": (
        asks(ERROR),
        asks(raw=b"", after=62, raises=requests.ConnectionError),
    ),
    "RFC 5861 4 stale-if-error is not for other statuses": (
        asks(ERROR),
        asks("", status=404, after=2),
    ),
    "RFC 5861 4 stale-if-error of a request": (
        asks(STALE),
        falls_back(1, after=2, send={"Cache-Control": "stale-if-error=60"}),
    ),
    "RFC 5861 4 without it a failure is passed on": (asks(STALE), asks("", status=503, after=2)),
    "RFC 5861 4 it is recovered from": (
        asks(brings(ERROR, TAG)),
        falls_back(1, after=2),
        confirms(1, brings(MAX, TAG), after=2),
        hits(1),
    ),
    "RFC 5861 3 stale-while-revalidate": (
        asks(brings(DELTA, TAG)),
        asks(MAX, after=2, gives=1, sees={"If-None-Match": '"1"'}),
        hits(2),
    ),
    "RFC 5861 3 stale-while-revalidate, and it still holds": (
        asks(brings(DELTA, TAG)),
        asks(brings(MAX, TAG), status=304, got=200, after=2, gives=1),
        hits(1, has={"Age": "0"}),
    ),
    "RFC 5861 3 stale-while-revalidate is over": (asks(DELTA), asks(MAX, after=62)),
    "RFC 5861 3 not for who says how fresh it must be": (
        asks(DELTA),
        asks(MAX, after=2, send={"Cache-Control": "max-age=60"}),
    ),
    "RFC 5861 3 not for who wants the origin asked": (
        asks(DELTA),
        asks(MAX, after=2, send={"Cache-Control": "no-cache"}),
    ),
    "RFC 5861 3 only-if-cached sends nothing behind": (
        asks(DELTA),
        hits(1, after=2, send={"Cache-Control": "only-if-cached"}),
    ),
    "RFC 5861 3 a condition of the caller": (
        asks(brings(DELTA, TAG)),
        asks(brings(MAX, TAG), status=304, after=2, text="", send={"If-None-Match": '"1"'}),
        hits(1),
    ),
    "RFC 5861 3 seconds that can't be read are none": (
        asks("Cache-Control: max-age=1, stale-while-revalidate=a"),
        asks(MAX, after=2),
    ),
    "RFC 5861 4 seconds that can't be read are none": (
        asks("Cache-Control: max-age=1, stale-if-error=a"),
        asks("", status=503, after=2),
    ),
    "RFC 5861 4 it beats a 503 that could be kept": (
        asks(ERROR),
        falls_back(1, MAX, after=2),
        asks(MAX),
    ),
    "RFC 5861 3 a refresh that fails": (
        asks(DELTA),
        asks("", status=503, got=200, after=2, gives=1),
        asks(MAX, got=200, after=5, gives=1),
        hits(3),
    ),
    "RFC 9112 8 a body that is too short is not kept": (
        asks(
            raw=b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 100\r\n"
            b"Connection: close\r\n\r\nabc",
            raises=requests.exceptions.ChunkedEncodingError,
        ),
        asks(MAX),
    ),
    "RFC 9112 8 chunks without an end are not kept": (
        asks(
            raw=b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n"
            b"Connection: close\r\n\r\n3\r\nabc\r\n",
            raises=requests.exceptions.ChunkedEncodingError,
        ),
        asks(MAX),
    ),
}
