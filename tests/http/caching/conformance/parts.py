"""Partial answers (RFC 9111 3.3 and 3.4, RFC 9110 14)."""

from __future__ import annotations

from typing import Any

from tests.http.caching.scenarios import (
    DATED,
    HUNDRED_THOUSAND_AGO,
    LONG,
    MAX,
    STALE,
    TAG,
    Step,
    Steps,
    asks,
    brings,
    confirms,
    hits,
)

PART = brings(LONG, TAG, "Content-Range: bytes 0-4/10")
TEN = b"0123456789"


def part(first: int, last: int, **facts: Any) -> Step:
    said = brings(LONG, TAG, f"Content-Range: bytes {first}-{last}/10")
    send = {"Range": f"bytes={first}-{last}"}
    return asks(said, status=206, body=TEN[first : last + 1], send=send, **facts)


def gets(text: str, asked: str, **facts: Any) -> Step:
    return hits(None, got=206, text=text, send={"Range": f"bytes={asked}"}, **facts)


SCENARIOS: dict[str, Steps] = {
    "3.3 a part is kept for the same range": (part(0, 4), gets("01234", "0-4")),
    "3.3 a part of a part": (
        part(0, 4),
        gets("123", "1-3", has={"Content-Range": "bytes 1-3/10", "Content-Length": "3"}),
    ),
    "3.3 a part is not the whole": (part(0, 4), asks(MAX, body=TEN), hits(2)),
    "3.3 beyond the part": (part(0, 4), part(2, 6)),
    "3.3 the last bytes": (
        asks(
            brings(LONG, TAG, "Content-Range: bytes 5-9/10"),
            status=206,
            body=TEN[5:],
            send={"Range": "bytes=-5"},
        ),
        gets("89", "-2"),
        gets("6789", "6-"),
        gets("56789", "-5"),
    ),
    "3.3 of the whole": (
        asks(brings(LONG, TAG), body=TEN),
        gets("234", "2-4", has={"Content-Range": "bytes 2-4/10", "ETag": '"1"'}),
        gets("789", "7-"),
        gets("89", "-2"),
        gets("0123456789", "0-99"),
        gets("0123456789", "-99"),
    ),
    "3.3 a part of all there is is the whole": (part(0, 9), hits(1)),
    "3.3 without a Content-Range it is not kept": (
        asks(LONG, status=206, send={"Range": "bytes=0-1"}),
        asks(LONG, status=206, send={"Range": "bytes=0-1"}),
    ),
    "3.3 several parts are not kept": (
        asks(
            brings(LONG, "Content-Type: multipart/byteranges; boundary=x"),
            status=206,
            send={"Range": "bytes=0-1,3-4"},
        ),
        asks(LONG, body=TEN),
    ),
    "3.3 a part of an encoded body is not kept": (
        asks(
            brings(PART, "Content-Encoding: x-own"),
            status=206,
            body=TEN[:5],
            send={"Range": "bytes=0-4"},
        ),
        part(0, 4),
    ),
    "3.3 another unit is not kept": (
        asks(brings(LONG, "Content-Range: lines 0-1/3"), status=206, send={"Range": "lines=0-1"}),
        asks(LONG),
    ),
    "3.3 a stale part": (
        asks(
            brings(STALE, TAG, "Content-Range: bytes 0-4/10"),
            status=206,
            body=TEN[:5],
            send={"Range": "bytes=0-4"},
        ),
        confirms(
            1,
            brings(MAX, TAG),
            got=206,
            after=2,
            send={"Range": "bytes=0-4"},
            sees={"If-None-Match": '"1"'},
        ),
    ),
    "3.3 of a stale whole": (
        asks(brings(STALE, TAG), body=TEN),
        asks(
            brings(MAX, TAG),
            status=304,
            after=2,
            send={"Range": "bytes=0-1"},
            sees={"If-None-Match": '"1"'},
            text="01",
            got=206,
        ),
        hits(1),
    ),
    "3.3 a part that is shorter than it says is not kept": (
        asks(
            brings(LONG, TAG, "Content-Range: bytes 0-4/10"),
            status=206,
            body=b"012",
            send={"Range": "bytes=0-4"},
        ),
        part(0, 4),
    ),
    "3.3 a part of unknown length of the whole": (
        asks(
            brings(LONG, TAG, "Content-Range: bytes 0-4/*"),
            status=206,
            body=TEN[:5],
            send={"Range": "bytes=0-4"},
        ),
        gets("12", "1-2", has={"Content-Range": "bytes 1-2/*"}),
        part(5, 9),
        hits(None, got=200, text="0123456789"),
    ),
    "3.3 a part that may only be estimated": (
        asks(
            brings(DATED, "Content-Range: bytes 0-4/10"),
            status=206,
            body=TEN[:5],
            send={"Range": "bytes=0-4"},
        ),
        gets("01", "0-1"),
    ),
    "3.3 a part leaves the whole in place": (
        asks(brings(LONG, TAG), body=TEN),
        asks(
            brings(LONG, 'ETag: "1"', "Content-Range: bytes 0-1/10"),
            status=206,
            body=b"01",
            send={"Range": "bytes=0-1", "Cache-Control": "no-cache"},
        ),
        hits(1),
    ),
    "3.3 HEAD with a Range": (
        asks(brings(LONG, TAG), body=TEN),
        hits(None, got=200, text="", method="HEAD", send={"Range": "bytes=0-1"}),
    ),
    "3.3 several ranges are for the origin": (
        asks(LONG, body=TEN),
        asks("", status=206, send={"Range": "bytes=0-1,4-5"}),
        hits(1),
    ),
    "3.4 two parts that meet are put together": (
        part(0, 4),
        part(5, 7),
        gets("3456", "3-6"),
    ),
    "3.4 parts that are all there is": (
        part(0, 4),
        part(5, 9),
        hits(None, got=200, text="0123456789", has={"Content-Length": "10"}),
    ),
    "3.4 parts that overlap": (part(0, 5), part(4, 9), hits(None, got=200, text="0123456789")),
    "3.4 parts with another tag are not": (
        part(0, 4),
        asks(
            brings(LONG, 'ETag: "2"', "Content-Range: bytes 5-9/10"),
            status=206,
            body=TEN[5:],
            send={"Range": "bytes=5-9"},
        ),
        asks(LONG, body=TEN),
    ),
    "3.4 parts with a weak tag are not": (
        asks(
            brings(LONG, 'ETag: W/"1"', "Content-Range: bytes 0-4/10"),
            status=206,
            body=TEN[:5],
            send={"Range": "bytes=0-4"},
        ),
        asks(
            brings(LONG, 'ETag: W/"1"', "Content-Range: bytes 5-9/10"),
            status=206,
            body=TEN[5:],
            send={"Range": "bytes=5-9"},
        ),
        asks(LONG, body=TEN),
    ),
    "RFC 9110 13.1.5 If-Range that holds": (
        asks(brings(LONG, TAG), body=TEN),
        hits(None, got=206, text="01", send={"Range": "bytes=0-1", "If-Range": '"1"'}),
    ),
    "RFC 9110 13.1.5 If-Range with another tag gets the whole": (
        asks(brings(LONG, TAG), body=TEN),
        hits(1, send={"Range": "bytes=0-1", "If-Range": '"2"'}),
    ),
    "RFC 9110 13.1.5 If-Range with a weak tag gets the whole": (
        asks(brings(LONG, 'ETag: W/"1"'), body=TEN),
        hits(1, send={"Range": "bytes=0-1", "If-Range": 'W/"1"'}),
    ),
    "RFC 9110 13.1.5 If-Range with the date": (
        asks(brings(LONG, DATED), body=TEN),
        hits(
            None,
            got=206,
            text="01",
            send={"Range": "bytes=0-1", "If-Range": HUNDRED_THOUSAND_AGO},
        ),
    ),
    "RFC 9110 14.2 a Range that can't be read is ignored": (
        asks(LONG, body=TEN),
        hits(1, send={"Range": "bytes=5-1"}),
        hits(1, send={"Range": "lines=1-2"}),
    ),
    "RFC 9110 14.2 a Range that nobody can give is for the origin": (
        asks(LONG, body=TEN),
        asks("Content-Range: bytes */10", status=416, send={"Range": "bytes=20-30"}),
        hits(1),
    ),
    "RFC 9110 14.2 a whole in reply to a Range is kept": (
        asks(LONG, body=TEN, send={"Range": "bytes=0-1"}),
        hits(1),
    ),
}
