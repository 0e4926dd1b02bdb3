"""Validation, and conditions of the caller (RFC 9111 4.3, 3.2)."""

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
)

SCENARIOS: dict[str, Steps] = {
    "4.3.1 by ETag": (
        asks(brings(STALE, TAG)),
        confirms(1, after=2, sees={"If-None-Match": '"1"', "If-Modified-Since": None}),
    ),
    "4.3.1 by a weak ETag": (
        asks(brings(STALE, 'ETag: W/"1"')),
        confirms(1, after=2, sees={"If-None-Match": 'W/"1"'}),
    ),
    "4.3.1 by Last-Modified": (
        asks(brings(STALE, DATED)),
        confirms(1, after=2, sees={"If-Modified-Since": HUNDRED_THOUSAND_AGO}),
    ),
    "4.3.1 by both": (
        asks(brings(STALE, TAG, DATED)),
        confirms(
            1,
            after=2,
            sees={"If-None-Match": '"1"', "If-Modified-Since": HUNDRED_THOUSAND_AGO},
        ),
    ),
    "4.3.1 with neither": (
        asks(STALE),
        asks(STALE, after=2, sees={"If-None-Match": None, "If-Modified-Since": None}),
    ),
    "4.3.1 an ETag without quotes": (
        asks(brings(STALE, "ETag: abc")),
        confirms(1, after=2, sees={"If-None-Match": "abc"}),
    ),
    "4.3.1 an ETag with spaces behind": (
        asks(brings(STALE, 'ETag: "1"  \t')),
        confirms(1, brings(MAX, TAG), after=2, sees={"If-None-Match": '"1"'}),
        hits(1),
    ),
    "4.3.1 an ETag with a comma and non-ASCII": (
        asks(brings(STALE, 'ETag: "a, \xfc"')),
        asks(STALE, after=2),
    ),
    "4.3.3 a 200 takes the place": (
        asks(brings(STALE, TAG)),
        asks(brings(MAX, 'ETag: "2"'), after=2),
        hits(2, has={"ETag": '"2"'}),
    ),
    "4.3.3 a 200 takes the place of a fresh one that the request did not want": (
        asks(brings(MAX, TAG)),
        asks(brings(MAX, 'ETag: "2"'), send={"Cache-Control": "no-cache"}),
        hits(2),
    ),
    "4.3.3 a 404 takes the place": (
        asks(brings(STALE, TAG)),
        asks("", status=404, after=2),
        asks(STALE, sees={"If-None-Match": None}),
    ),
    "4.3.3 a 500 is passed on and leaves what is kept": (
        asks(brings(STALE, TAG)),
        asks("", status=500, after=2),
        confirms(1),
    ),
    "4.3.4 a 304 makes it fresh again": (
        asks(brings(MAX, TAG)),
        confirms(1, brings(MAX, TAG), after=61),
        hits(1, after=59, has={"Age": "59"}),
        confirms(1, after=2),
    ),
    "4.3.4 a 304 without freshness leaves that of the answer": (
        asks(brings(MAX, TAG)),
        confirms(1, TAG, after=61),
        hits(1, after=59),
    ),
    "4.3.4 a 304 without ETag": (
        asks(brings(MAX, TAG)),
        confirms(1, MAX, after=61),
        hits(1, after=59),
    ),
    "4.3.4 a 304 with another tag is asked again": (
        asks(brings(STALE, TAG)),
        asks('ETag: "2"', status=304, after=2, then=brings(MAX, 'ETag: "3"'), gives=2, got=200),
        hits(2, has={"ETag": '"3"'}),
    ),
    "4.3.4 a 304 with another date is asked again": (
        asks(brings(STALE, DATED)),
        asks("Last-Modified: @-50", status=304, after=2, then=MAX, gives=2, got=200),
        hits(2),
    ),
    "4.3.4 a 304 that nobody asked for is not kept": (
        asks(MAX, status=304),
        asks(MAX),
    ),
    "4.3.4 a 304 to a HEAD": (
        asks(brings(STALE, TAG)),
        confirms(None, brings(MAX, TAG), after=2, method="HEAD", text=""),
        hits(1),
    ),
    "4.3.4 a 304 that says no-cache": (
        asks(brings(STALE, TAG)),
        confirms(1, brings("Cache-Control: no-cache", TAG), after=2),
        confirms(1, brings("Cache-Control: no-cache", TAG)),
    ),
    "4.3.4 a 304 that names other fields in Vary": (
        asks(brings(STALE, TAG)),
        confirms(1, brings(MAX, TAG, "Vary: X-A"), after=2),
        hits(1),
        confirms(1, brings(MAX, TAG, "Vary: X-A"), send={"X-A": "1"}),
    ),
    "5.1 what was just confirmed has no Age": (
        asks(brings(STALE, TAG)),
        confirms(1, brings(MAX, TAG), after=2, lacks=("Age",)),
        hits(1, after=4, has={"Age": "4"}),
    ),
    "5.1 a 304 with Age": (
        asks(brings(STALE, TAG)),
        confirms(1, brings(MAX, TAG, "Age: 50"), after=2, has={"Age": "50"}),
        hits(1, after=9, has={"Age": "59"}),
        confirms(1, after=1),
    ),
    "4.3.1 a stored failure is asked for anew": (
        asks(brings(STALE, TAG), status=404),
        asks(MAX, after=2, sees={"If-None-Match": None}),
    ),
    "4.3.1 a stored redirect is asked for anew": (
        asks(brings(STALE, TAG, "Location: /b"), status=301),
        asks(MAX, after=2, sees={"If-None-Match": None}),
    ),
    "4.3.2 If-Modified-Since in the other forms of dates": (
        asks(brings(MAX, DATED)),
        hits(None, got=304, text="", send={"If-Modified-Since": "Tue Dec 30 20:13:20 2025"}),
        hits(
            None,
            got=304,
            text="",
            send={"If-Modified-Since": "Tuesday, 30-Dec-25 20:13:20 GMT"},
        ),
    ),
    "4.3.2 a condition that brings something new": (
        asks(brings(MAX, TAG), send={"If-None-Match": '"0"'}),
        hits(1),
    ),
    "4.3.2 a condition on HEAD": (
        asks(brings(MAX, TAG)),
        hits(None, got=304, text="", method="HEAD", send={"If-None-Match": '"1"'}),
    ),
    "4.3.2 a condition of who wants the origin asked": (
        asks(brings(MAX, TAG)),
        asks(
            TAG,
            status=304,
            send={"If-None-Match": '"1"', "Cache-Control": "no-cache"},
            sees={"If-None-Match": '"1"'},
        ),
        hits(1),
    ),
    "4.3.2 a condition and something stale after a failure": (
        asks(brings(STALE, TAG)),
        asks(raw=b"", after=2, send={"If-None-Match": '"1"'}, status=304, text=""),
    ),
    "4.3.4 a weak tag of a 304": (
        asks(brings(STALE, TAG)),
        confirms(1, brings(MAX, 'ETag: W/"1"'), after=2),
        hits(1),
    ),
    "3.2 a 304 replaces fields": (
        asks(brings(STALE, TAG, "X-A: 1", "X-B: 1", "Content-Type: text/a", "Expires: @5")),
        confirms(
            1,
            brings(MAX, TAG, "X-A: 2", "X-C: 2", "Content-Location: /c", "Expires: @99"),
            after=2,
            has={"X-A": "2", "X-B": "1", "X-C": "2", "Content-Type": "text/a"},
        ),
        hits(1, has={"X-A": "2", "X-B": "1", "X-C": "2", "Content-Location": "/c"}),
    ),
    "3.2 a 304 replaces all lines of a name": (
        asks(brings(STALE, TAG, "X-A: 1", "X-A: 2")),
        confirms(1, brings(MAX, TAG, "X-A: 3"), after=2),
        hits(1, has={"X-A": "3"}),
    ),
    "3.2 a 304 does not replace what tells of the body": (
        asks(brings(STALE, TAG, "Content-Length: 8")),
        confirms(
            1,
            brings(MAX, TAG, "Content-Length: 999", "Content-Range: bytes 0-1/2"),
            after=2,
            has={"Content-Length": "8"},
            lacks=("Content-Range",),
        ),
        hits(1, has={"Content-Length": "8"}, lacks=("Content-Range",)),
    ),
    "3.2 a 304 does not bring an encoding": (
        asks(brings(STALE, TAG)),
        confirms(1, brings(MAX, TAG, "Content-Encoding: gzip"), after=2),
        hits(1, lacks=("Content-Encoding",)),
    ),
    "3.2 hop-by-hop fields of a 304 are not kept": (
        asks(brings(STALE, TAG)),
        confirms(1, brings(MAX, TAG, "Connection: X-A", "X-A: 1"), after=2, lacks=("X-A",)),
        hits(1, lacks=("X-A", "Connection")),
    ),
    "3.2 a 304 may forbid to keep it": (
        asks(brings(STALE, TAG)),
        confirms(1, "Cache-Control: no-store", after=2),
        asks("", sees={"If-None-Match": None}),
    ),
    "3.2 Age of before does not outlive a 304": (
        asks(brings(MAX, TAG, "Age: 59")),
        confirms(1, TAG, after=2),
        hits(1, has={"Age": "0"}),
    ),
    "3.2 a 304 with a Set-Cookie": (
        asks(brings(STALE, TAG)),
        confirms(1, brings(MAX, TAG, "Set-Cookie: a=1"), after=2, has={"Set-Cookie": "a=1"}),
    ),
    "4.3.2 If-None-Match of the caller": (
        asks(brings(MAX, TAG, "Vary: X-A", "Content-Location: /c", "Content-Type: text/x")),
        hits(
            None,
            got=304,
            text="",
            after=3,
            send={"If-None-Match": '"1"'},
            has={"ETag": '"1"', "Vary": "X-A", "Content-Location": "/c", "Age": "3"}
            | {"Cache-Control": "max-age=60", "Date": "Thu, 01 Jan 2026 00:00:00 GMT"},
            lacks=("Content-Type", "Content-Length"),
        ),
    ),
    "4.3.2 one of a list": (
        asks(brings(MAX, TAG)),
        hits(None, got=304, text="", send={"If-None-Match": '"0", W/"1" , "2"'}),
    ),
    "4.3.2 weak ones are alike": (
        asks(brings(MAX, 'ETag: W/"1"')),
        hits(None, got=304, text="", send={"If-None-Match": '"1"'}),
    ),
    "4.3.2 *": (
        asks(MAX),
        hits(None, got=304, text="", send={"If-None-Match": "*"}),
    ),
    "4.3.2 * when nothing is kept": (
        asks("", send={"If-None-Match": "*"}, sees={"If-None-Match": "*"}),
    ),
    "4.3.2 none of them": (
        asks(brings(MAX, TAG)),
        hits(1, send={"If-None-Match": '"0", "11"'}),
    ),
    "4.3.2 none of them, and If-Modified-Since does not count then": (
        asks(brings(MAX, TAG, DATED)),
        hits(1, send={"If-None-Match": '"0"', "If-Modified-Since": HUNDRED_THOUSAND_AGO}),
    ),
    "4.3.2 If-Modified-Since": (
        asks(brings(MAX, DATED)),
        hits(
            None,
            got=304,
            text="",
            send={"If-Modified-Since": HUNDRED_THOUSAND_AGO},
            has={"Last-Modified": HUNDRED_THOUSAND_AGO},
        ),
    ),
    "4.3.2 If-Modified-Since an earlier one": (
        asks(brings(MAX, DATED)),
        hits(1, send={"If-Modified-Since": "Mon, 29 Dec 2025 20:13:20 GMT"}),
    ),
    "4.3.2 If-Modified-Since a later one": (
        asks(brings(MAX, DATED)),
        hits(None, got=304, text="", send={"If-Modified-Since": "Wed, 31 Dec 2025 20:13:20 GMT"}),
    ),
    "4.3.2 If-Modified-Since that can't be read": (
        asks(brings(MAX, DATED)),
        hits(1, send={"If-Modified-Since": "yesterday"}),
    ),
    "4.3.2 If-Modified-Since without Last-Modified goes by Date": (
        asks(MAX),
        hits(None, got=304, text="", send={"If-Modified-Since": "Thu, 01 Jan 2026 00:00:00 GMT"}),
        hits(1, send={"If-Modified-Since": "Wed, 31 Dec 2025 23:59:59 GMT"}),
    ),
    "4.3.2 a condition when nothing is kept is passed on": (
        asks(TAG, status=304, send={"If-None-Match": '"1"'}, sees={"If-None-Match": '"1"'}),
        asks(brings(MAX, TAG), sees={"If-None-Match": None}),
    ),
    "4.3.2 a condition of the caller when it is stale": (
        asks(brings(STALE, TAG)),
        asks(
            brings(MAX, TAG),
            status=304,
            after=2,
            send={"If-None-Match": '"1"'},
            sees={"If-None-Match": '"1"'},
        ),
        hits(1),
    ),
    "4.3.2 another condition of the caller when it is stale, and it has changed": (
        asks(brings(STALE, TAG)),
        asks(brings(MAX, 'ETag: "2"'), after=2, send={"If-None-Match": '"0"'}),
        hits(2),
    ),
    "4.3.2 If-Match is for the origin": (
        asks(brings(MAX, TAG)),
        asks("", status=412, send={"If-Match": '"2"'}, sees={"If-Match": '"2"'}),
        hits(1),
    ),
    "4.3.2 If-Unmodified-Since is for the origin": (
        asks(brings(MAX, TAG)),
        asks("", status=412, send={"If-Unmodified-Since": HUNDRED_THOUSAND_AGO}),
        hits(1),
    ),
    "RFC 9110 13.2.1 no condition on a stored failure": (
        asks(brings(MAX, TAG), status=404),
        hits(1, got=404, send={"If-None-Match": '"1"'}),
    ),
}
