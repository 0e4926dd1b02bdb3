"""Cache-Control of answers and requests (RFC 9111 5.2), Pragma (5.4) and RFC 8246."""

from __future__ import annotations

import requests

from tests.http.caching.scenarios import (
    LONG,
    MAX,
    STALE,
    TAG,
    Steps,
    asks,
    brings,
    confirms,
    falls_back,
    hits,
    never,
    twice,
)

SCENARIOS: dict[str, Steps] = {
    "5.2.2.4 no-cache has to be validated": (
        asks(brings("Cache-Control: no-cache, max-age=60", TAG)),
        confirms(1, sees={"If-None-Match": '"1"'}),
        confirms(1),
    ),
    "5.2.2.4 no-cache without a validator": never("Cache-Control: no-cache, max-age=60"),
    "5.2.2.4 no-cache in capitals": never("Cache-Control: No-CACHE, max-age=60"),
    "5.2.2.4 no-cache after the origin failed": (
        asks(brings("Cache-Control: no-cache, max-age=60", TAG)),
        asks("", status=503),
    ),
    "5.2.2.4 fields that no-cache names are left out": (
        asks(
            'Cache-Control: max-age=60, no-cache="X-One, x-two" | X-One: 1 | X-Two: 2 | X-Three: 3'
        ),
        hits(1, lacks=("X-One", "X-Two"), has={"X-Three": "3"}),
    ),
    "5.2.2.7 fields that private names, for a private cache": (
        asks('Cache-Control: max-age=60, private="X-One" | X-One: 1'),
        hits(1, has={"X-One": "1"}),
    ),
    "5.2.2.2 must-revalidate while it is fresh": twice(
        "Cache-Control: max-age=60, must-revalidate"
    ),
    "5.2.2.2 must-revalidate when it is stale": (
        asks(brings("Cache-Control: max-age=1, must-revalidate", TAG)),
        confirms(1, after=2),
    ),
    "5.2.2.2 must-revalidate after the origin hung up": (
        asks(brings("Cache-Control: max-age=1, must-revalidate", TAG)),
        asks(raw=b"", after=2, raises=requests.ConnectionError),
    ),
    "5.2.2.2 must-revalidate beats stale-if-error": (
        asks(brings("Cache-Control: max-age=1, must-revalidate, stale-if-error=99", TAG)),
        asks("", status=503, after=2),
    ),
    "5.2.2.2 must-revalidate beats max-stale": (
        asks("Cache-Control: max-age=1, must-revalidate"),
        asks("", send={"Cache-Control": "max-stale=99"}, after=2),
    ),
    "5.2.2.2 must-revalidate beats stale-while-revalidate": (
        asks("Cache-Control: max-age=1, must-revalidate, stale-while-revalidate=99"),
        asks("", after=2),
    ),
    "5.2.2.8 proxy-revalidate is for shared caches": (
        asks("Cache-Control: max-age=1, proxy-revalidate"),
        falls_back(1, raw=b"", after=2),
    ),
    "RFC 8246 immutable while it is fresh": twice("Cache-Control: max-age=60, immutable"),
    "RFC 8246 immutable when it is stale": (
        asks(brings("Cache-Control: max-age=1, immutable", TAG)),
        confirms(1, after=2),
    ),
    "RFC 8246 immutable alone makes nothing fresh": never("Cache-Control: immutable"),
    "5.2.1.4 no-cache of a request": (
        asks(brings(MAX, TAG)),
        confirms(1, send={"Cache-Control": "no-cache"}, sees={"If-None-Match": '"1"'}),
    ),
    "5.2.1.4 no-cache of a request, and the answer takes the place": (
        asks(MAX),
        asks(MAX, send={"Cache-Control": "no-cache"}),
        hits(2),
    ),
    "5.4 Pragma: no-cache of a request": (asks(MAX), asks(MAX, send={"Pragma": "no-cache"})),
    "5.4 Pragma beside Cache-Control does not count": (
        asks(MAX),
        hits(1, send={"Pragma": "no-cache", "Cache-Control": "max-age=60"}),
    ),
    "5.4 another Pragma": (asks(MAX), hits(1, send={"Pragma": "foo"})),
    "5.2.1.1 max-age of a request": (
        asks(MAX),
        hits(1, after=10, send={"Cache-Control": "max-age=10"}),
        asks(MAX, after=1, send={"Cache-Control": "max-age=10"}),
        hits(3, after=1),
    ),
    "5.2.1.1 max-age=0 of a request": (
        asks(brings(MAX, TAG)),
        confirms(1, send={"Cache-Control": "max-age=0"}),
    ),
    "5.2.1.1 max-age of a request counts what Age says": (
        asks(brings(LONG, "Age: 100")),
        asks("", send={"Cache-Control": "max-age=50"}),
    ),
    "5.2.1.1 max-age of a request makes nothing fresh": (
        asks(STALE),
        asks("", after=2, send={"Cache-Control": "max-age=60"}),
    ),
    "5.2.1.3 min-fresh": (
        asks(MAX),
        hits(1, after=30, send={"Cache-Control": "min-fresh=29"}),
        asks(MAX, send={"Cache-Control": "min-fresh=31"}),
    ),
    "5.2.1.2 max-stale": (
        asks(STALE),
        hits(1, after=11, send={"Cache-Control": "max-stale=10"}),
        asks("", after=1, send={"Cache-Control": "max-stale=10"}),
    ),
    "5.2.1.2 max-stale without a value": (
        asks(STALE),
        hits(1, after=99999, send={"Cache-Control": "max-stale"}),
    ),
    "5.2.1.2 max-stale that can't be read": (
        asks(STALE),
        asks("", after=9, send={"Cache-Control": "max-stale=a"}),
    ),
    "5.2.1.7 only-if-cached, and it is": (
        asks(MAX),
        hits(1, send={"Cache-Control": "only-if-cached"}),
    ),
    "5.2.1.7 only-if-cached, and it is not": (
        hits(None, got=504, text="", send={"Cache-Control": "only-if-cached"}),
    ),
    "5.2.1.7 only-if-cached, and it is stale": (
        asks(brings(STALE, TAG)),
        hits(None, got=504, text="", after=2, send={"Cache-Control": "only-if-cached"}),
    ),
    "5.2.1.5 no-store of a request does not forbid what is kept": (
        asks(MAX),
        hits(1, send={"Cache-Control": "no-store"}),
        hits(1),
    ),
}
