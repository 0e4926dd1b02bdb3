"""HEAD (RFC 9111 4.3.5), and what unsafe requests make void (4.4)."""

from __future__ import annotations

import requests

from tests.http.caching.scenarios import DATED, LONG, MAX, TAG, Steps, asks, brings, hits

SCENARIOS: dict[str, Steps] = {}
for _method in ("PUT", "POST", "DELETE", "PATCH", "MKCOL", "FOO"):
    SCENARIOS[f"4.4 {_method} ends what is kept"] = (
        asks(LONG),
        asks("", method=_method, data=b"x"),
        asks(LONG),
    )
    SCENARIOS[f"4.4 {_method} that failed ends nothing"] = (
        asks(LONG),
        asks("", status=404, method=_method, data=b"x"),
        asks("", status=500, method=_method, data=b"x"),
        hits(1),
    )
    for _name in ("Location", "Content-Location"):
        SCENARIOS[f"4.4 {_method} ends what its {_name} names"] = (
            asks(LONG, path="/b?c"),
            asks(f"{_name}: /b?c", method=_method, data=b"x", status=201),
            asks(LONG, path="/b?c"),
        )
SCENARIOS |= {
    "4 HEAD by what a GET left": (
        asks(brings(MAX, TAG, "X-A: 1")),
        hits(None, got=200, text="", method="HEAD", has={"X-A": "1", "Content-Length": "8"}),
    ),
    "4 HEAD is kept for HEAD": (
        asks(MAX, method="HEAD"),
        hits(None, got=200, text="", method="HEAD"),
    ),
    "4 HEAD is not kept for GET": (asks(MAX, method="HEAD"), asks(MAX), hits(2)),
    "4.3.5 HEAD that confirms makes fresh": (
        asks(brings(MAX, TAG, "X-A: 1")),
        asks(brings(MAX, TAG, "X-A: 2", "Content-Length: 8"), after=61, method="HEAD"),
        hits(1, after=59, has={"X-A": "2"}),
    ),
    "4.3.5 HEAD with another tag": (
        asks(brings(LONG, TAG)),
        asks(brings(MAX, 'ETag: "2"'), method="HEAD", send={"Cache-Control": "no-cache"}),
        asks(MAX, sees={"If-None-Match": None}),
    ),
    "4.3.5 HEAD with another length": (
        asks(brings(LONG, "X-A: 1")),
        asks(brings(MAX, "Content-Length: 9"), method="HEAD", send={"Cache-Control": "no-cache"}),
        asks(MAX),
    ),
    "4.3.5 HEAD with another date": (
        asks(brings(LONG, DATED)),
        asks(
            brings(LONG, "Last-Modified: @-5", "Content-Length: 8"),
            method="HEAD",
            send={"Cache-Control": "no-cache"},
        ),
        asks(MAX),
    ),
    "4.3.5 HEAD that fails changes nothing": (
        asks(brings(LONG, TAG)),
        asks("", status=500, method="HEAD", send={"Cache-Control": "no-cache"}),
        hits(1),
    ),
    "4.4 a redirect is no error": (
        asks(LONG),
        asks("Location: /b", method="POST", status=303),
        asks(LONG),
    ),
    "4.4 Location of another origin ends nothing there": (
        asks(LONG, path="/b"),
        asks("Location: http://elsewhere.test/b", method="POST", status=201),
        hits(1, path="/b"),
    ),
    "4.4 Content-Location that is relative": (
        asks(LONG, path="/d/b"),
        asks("Content-Location: b", method="POST", path="/d/a"),
        asks(LONG, path="/d/b"),
    ),
    "4.4 Location of a failure ends nothing": (
        asks(LONG, path="/b"),
        asks("Location: /b", method="POST", status=400),
        hits(1, path="/b"),
    ),
    "4.4 other resources stay": (
        asks(LONG, path="/b"),
        asks("", method="POST"),
        hits(1, path="/b"),
    ),
    "4.4 Location in raw UTF-8": (
        asks(LONG, path="/\u00e4"),
        asks("Location: /\u00c3\u00a4", method="POST", status=201),
        asks(LONG, path="/\u00e4"),
    ),
    "4.4 an unsafe request of another query ends nothing": (
        asks(LONG, path="/?a"),
        asks("", method="POST", path="/?b"),
        hits(1, path="/?a"),
    ),
    "4.4 a DELETE without an answer is no success": (
        asks(LONG),
        asks(raw=b"", method="DELETE", raises=requests.ConnectionError),
        hits(1),
    ),
    "4.4 all variants end": (
        asks(brings(LONG, "Vary: X-A"), send={"X-A": "1"}),
        asks("", method="POST"),
        asks(LONG, send={"X-A": "1"}),
    ),
    "4.4 what others with credentials have ends": (
        asks(LONG, send={"Authorization": "Bearer a"}),
        asks("", method="DELETE", send={"Authorization": "Bearer b"}),
        asks(LONG, send={"Authorization": "Bearer a"}),
    ),
    "RFC 9110 9.2.1 safe methods end nothing": (
        asks(LONG),
        asks("", method="OPTIONS"),
        asks("", method="TRACE"),
        asks("", method="PROPFIND"),
        hits(1),
    ),
}
