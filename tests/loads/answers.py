"""Answers as vendors send them: 25 headers, with limits among them or without."""

from __future__ import annotations

_COMMON = """\
Date: Sat, 01 Aug 2026 12:00:00 GMT
Content-Type: application/json; charset=utf-8
Connection: keep-alive
Cache-Control: private, max-age=60, s-maxage=60
Vary: Accept, Authorization, Cookie, Accept-Encoding, Accept, X-Requested-With
Strict-Transport-Security: max-age=31536000; includeSubdomains; preload
X-Frame-Options: deny
X-Content-Type-Options: nosniff
X-XSS-Protection: 0
Referrer-Policy: origin-when-cross-origin, strict-origin-when-cross-origin
Content-Security-Policy: default-src 'none'
Access-Control-Allow-Origin: *
Access-Control-Expose-Headers: ETag, Link, Location, Retry-After, X-RateLimit-Limit
X-Request-Id: 2C2A:1F8E:9B3D2C:A1B2C3:66AB7C80
Server: vendor
"""
_GITHUB = """\
ETag: W/"64b1f2d1a3f94b6c9d8e7f6a5b4c3d2e"
Last-Modified: Sat, 01 Aug 2026 11:58:00 GMT
X-OAuth-Scopes: repo, user
X-Accepted-OAuth-Scopes:
X-GitHub-Media-Type: github.v3; format=json
X-RateLimit-Limit: 5000
X-RateLimit-Remaining: {number}
X-RateLimit-Reset: 1785589200
X-RateLimit-Used: 17
X-RateLimit-Resource: core
"""
_OPENAI = """\
openai-version: 2020-10-01
openai-processing-ms: 412
x-ratelimit-limit-requests: 10000
x-ratelimit-limit-tokens: 200000
x-ratelimit-remaining-requests: {number}
x-ratelimit-remaining-tokens: 199957
x-ratelimit-reset-requests: 8.64s
x-ratelimit-reset-tokens: 12ms
cf-cache-status: DYNAMIC
alt-svc: h3=":443"; ma=86400
"""
_SILENT = """\
ETag: W/"{number}"
Last-Modified: Sat, 01 Aug 2026 11:58:00 GMT
Age: 0
Via: 1.1 varnish
X-Served-By: cache-fra-eddf8230065-FRA
X-Cache: MISS
X-Cache-Hits: 0
X-Timer: S1785585600.123456,VS0,VE94
Accept-Ranges: bytes
alt-svc: h3=":443"; ma=86400
"""
ANSWERS = 64
"""Different ones, as a vendor sends them: its count goes down from answer to answer."""


def _heads(own: str) -> list[bytes]:
    texts = [_COMMON + own.format(number=4900 - count) for count in range(ANSWERS)]
    return ["\r\n".join([*text.splitlines(), "", ""]).encode() for text in texts]


GITHUB, OPENAI, SILENT = _heads(_GITHUB), _heads(_OPENAI), _heads(_SILENT)
"""Heads without their first lines, as bytes."""
