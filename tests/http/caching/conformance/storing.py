"""Which answers are kept, and what of them (RFC 9111 3)."""

from __future__ import annotations

from tests.http.caching.scenarios import (
    DATED,
    HUNDRED_THOUSAND_AGO,
    MAX,
    STALE,
    TAG,
    Steps,
    asks,
    brings,
    confirms,
    hits,
    never,
    twice,
)

SCENARIOS: dict[str, Steps] = {
    "3 a response without freshness or validator is not kept": never(""),
    "3 an answer with a body of no bytes is kept": twice(MAX, body=b""),
    "3 no-store": never("Cache-Control: no-store"),
    "3 no-store beats max-age": never("Cache-Control: max-age=60, no-store"),
    "3 no-store in another line": never(brings(MAX, "Cache-Control: no-store")),
    "3 no-store ends what was kept": (
        asks(brings(STALE, TAG)),
        asks("Cache-Control: no-store", after=2),
        asks(MAX, sees={"If-None-Match": None}),
    ),
    "3 private, for a private cache": twice("Cache-Control: private, max-age=60"),
    "3 public": twice("Cache-Control: public, max-age=60"),
    "3.1 Connection and what it names are left out": (
        asks(brings(MAX, "Connection: X-Hop, keep-alive", "X-Hop: 1", "Keep-Alive: timeout=9")),
        hits(1, lacks=("X-Hop", "Connection", "Keep-Alive")),
    ),
    "3.1 Connection can't take away what limits the use": (
        asks(brings("Connection: Cache-Control, Age, Vary", STALE, DATED, "Vary: X-A")),
        asks("", send={"X-A": "1"}, sees={"If-Modified-Since": None}),
        confirms(1, after=2),
    ),
    "3.1 what belongs to a hop is left out": (
        asks(brings(MAX, "Proxy-Authenticate: Basic", "Trailer: X-T", "Upgrade: h2c", "TE: x")),
        hits(1, lacks=("Proxy-Authenticate", "Trailer", "Upgrade", "TE")),
    ),
    "3.1 all else is kept, known or not": (
        asks(brings(MAX, "X-Own: a", "Set-Cookie: a=1", "Content-Type: text/x", "Server: s")),
        hits(
            1,
            has={"X-Own": "a", "Set-Cookie": "a=1", "Content-Type": "text/x", "Server": "s"},
        ),
    ),
    "3.1 security fields are kept": (
        asks(
            brings(
                MAX,
                "Strict-Transport-Security: max-age=5",
                "Content-Security-Policy: default-src 'self'",
                "Access-Control-Allow-Origin: *",
                "Public-Key-Pins: x",
                'Clear-Site-Data: "cookies"',
                "Alt-Svc: clear",
            )
        ),
        hits(
            1,
            has={
                "Strict-Transport-Security": "max-age=5",
                "Content-Security-Policy": "default-src 'self'",
                "Access-Control-Allow-Origin": "*",
                "Public-Key-Pins": "x",
                "Clear-Site-Data": '"cookies"',
                "Alt-Svc": "clear",
            },
        ),
    ),
    "3.1 validators and dates are kept": (
        asks(brings(MAX, TAG, "Last-Modified: @-100000", "Expires: @9")),
        hits(1, has={"ETag": '"1"', "Last-Modified": HUNDRED_THOUSAND_AGO}),
    ),
    "3.1 several lines of one name come back as requests gives them": (
        asks(brings(MAX, "X-Two: a", "X-Two: b")),
        hits(1, has={"X-Two": "a, b"}),
    ),
    "3.5 with Authorization, for a private cache": (
        asks(MAX, send={"Authorization": "Bearer a"}),
        hits(1, send={"Authorization": "Bearer a"}),
        asks(MAX, send={"Authorization": "Bearer b"}),
        asks(MAX),
    ),
    "3 a request with no-store leaves nothing": (
        asks(MAX, send={"Cache-Control": "no-store"}),
        asks(MAX),
    ),
    "3 a POST without Content-Location is not kept": (
        asks(MAX, method="POST", data=b"x"),
        asks(MAX),
    ),
    "RFC 9110 9.3.3 a POST that says it is what a GET would give": (
        asks(brings(MAX, "Content-Location: /"), method="POST", data=b"x"),
        hits(1),
    ),
    "RFC 9110 9.3.3 a POST is itself never answered from the store": (
        asks(brings(MAX, "Content-Location: /"), method="POST", data=b"x"),
        asks(brings(MAX, "Content-Location: /"), method="POST", data=b"x"),
    ),
    "RFC 9110 9.3.3 a POST about another resource": (
        asks(brings(MAX, "Content-Location: /b"), method="POST", data=b"x"),
        asks(MAX, path="/b"),
        asks(MAX),
    ),
    "RFC 9110 9.3.4 a PUT is not kept": (
        asks(brings(MAX, "Content-Location: /"), method="PUT", data=b"x"),
        asks(MAX),
    ),
    "RFC 9110 9.3.7 OPTIONS is not kept": never(MAX, method="OPTIONS"),
    "5.2.2.3 must-understand with a known status": twice(
        "Cache-Control: max-age=60, must-understand, no-store"
    ),
    "5.2.2.3 must-understand with an unknown status": never(
        "Cache-Control: max-age=60, must-understand, no-store", status=299
    ),
    "5.2.2.3 must-understand alone with an unknown status": never(
        "Cache-Control: max-age=60, must-understand", status=499
    ),
}
