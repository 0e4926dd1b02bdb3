"""How messages and URLs are read (RFC 9112, RFC 9110 15.2, RFC 3986)."""

from __future__ import annotations

from tests.http.caching.scenarios import MAX, Steps, asks, brings, hits, never, twice

HEAD = b"HTTP/1.1 200 OK\r\n"
SCENARIOS: dict[str, Steps] = {
    "RFC 9112 7.1 chunks": (
        asks(
            raw=HEAD + b"Cache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-T: 1\r\n\r\n",
            text="abcde",
        ),
        hits(None, got=200, text="abcde", lacks=("Transfer-Encoding",)),
    ),
    "RFC 9112 6.3 a body until the connection ends": (
        asks(raw=HEAD + b"Cache-Control: max-age=60\r\nConnection: close\r\n\r\nabc", text="abc"),
        hits(None, got=200, text="abc"),
    ),
    "RFC 9112 2.3 HTTP/1.0": (
        asks(
            raw=b"HTTP/1.0 200 OK\r\nCache-Control: max-age=60\r\nConnection: close\r\n\r\nabc",
            text="abc",
        ),
        hits(None, got=200, text="abc"),
    ),
    "RFC 9112 5 spaces around a value": twice("Cache-Control:    max-age=60  \t"),
    "RFC 9112 5 spaces after no-store": never("Cache-Control: max-age=60, no-store  "),
    "RFC 9112 5.2 a folded line": (
        asks(
            raw=HEAD + b"Cache-Control: max-age=60,\r\n  no-store\r\nContent-Length: 1\r\n\r\na",
            text="a",
        ),
        asks(MAX),
    ),
    "RFC 9112 2.2 a head that can't be read to its end is not kept": (
        asks(
            raw=HEAD + b"Content-Length: 1\r\nConnection: close\r\nCache-Control: max-age=60\r\n"
            b"no field\r\nCache-Control: no-store\r\n\r\na",
            text="a",
        ),
        asks(MAX),
    ),
    "RFC 9112 5.1 a space before the colon is no field": (
        asks(
            raw=HEAD + b"Content-Length: 1\r\nConnection: close\r\nCache-Control: max-age=60\r\n"
            b"Vary : X-A\r\n\r\na",
            text="a",
            send={"X-A": "1"},
        ),
        asks(MAX, send={"X-A": "2"}),
    ),
    "RFC 9110 15.2 a 103 before the answer": (
        asks(
            raw=b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nCache-Control: no-store\r\n\r\n"
            + HEAD
            + b"Cache-Control: max-age=60\r\nContent-Length: 1\r\n\r\na",
            text="a",
            got=200,
        ),
        hits(None, got=200, text="a", lacks=("Link",)),
    ),
    "RFC 9110 15.2 several before the answer": (
        asks(
            raw=b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"
            + HEAD
            + b"Cache-Control: max-age=60\r\nContent-Length: 1\r\n\r\na",
            text="a",
        ),
        hits(None, got=200, text="a"),
    ),
    "RFC 9110 15.2 a 103 with freshness before an answer without": (
        asks(
            raw=b"HTTP/1.1 103 Early Hints\r\nCache-Control: max-age=60\r\n\r\n"
            + HEAD
            + b"Content-Length: 1\r\n\r\na",
            text="a",
        ),
        asks(""),
    ),
    "2 a query is part of the key": (
        asks(MAX, path="/?a=1"),
        asks(MAX, path="/?a=2"),
        hits(1, path="/?a=1"),
        asks(MAX),
    ),
    "2 the order of a query is part of the key": (
        asks(MAX, path="/?a=1&b=2"),
        asks(MAX, path="/?b=2&a=1"),
    ),
    "RFC 3986 3.5 a fragment is not": (asks(MAX, path="/#a"), hits(1, path="/#b"), hits(1)),
    "RFC 3986 6.2.2 escapes that need not be": (asks(MAX, path="/a%7eb"), hits(1, path="/a~b")),
    "RFC 3986 6.2.2 case of escapes": (asks(MAX, path="/a%2fb"), hits(1, path="/a%2Fb")),
    "RFC 3986 6.2.2 an escaped slash is none": (asks(MAX, path="/a%2Fb"), asks(MAX, path="/a/b")),
    "RFC 3986 6.2.2 case of a path": (asks(MAX, path="/A"), asks(MAX, path="/a")),
    "RFC 3986 3.3 a slash at the end": (asks(MAX, path="/a"), asks(MAX, path="/a/")),
    "2 a large body": (asks(MAX, body=b"x" * 3_000_000), hits(1)),
    "4 a redirect that is followed by the caller himself": (
        asks(brings(MAX, "Location: /b"), status=302),
        hits(1, got=302, has={"Location": "/b"}),
    ),
    "RFC 9110 8.4 an encoding that nobody knows": twice(brings(MAX, "Content-Encoding: identity")),
}
