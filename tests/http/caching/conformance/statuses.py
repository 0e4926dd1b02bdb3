"""Which statuses are kept, and for which freshness is estimated (RFC 9111 3, RFC 9110 15.1)."""

from __future__ import annotations

from tests.http.caching.scenarios import DATED, MAX, STALE, Steps, asks, never, twice

SCENARIOS: dict[str, Steps] = {}
for _status in (203, 204, 300, 301, 308, 404, 405, 410, 414, 501):
    SCENARIOS[f"RFC 9110 15.1 {_status} may be estimated"] = twice(DATED, status=_status)
for _status in (201, 202, 299, 302, 303, 307, 400, 403, 429, 499, 500, 502, 503, 504, 599):
    SCENARIOS[f"RFC 9110 15.1 {_status} may not be estimated"] = never(DATED, status=_status)
for _status in (407, 408, 412, 416, 421, 425, 428, 429, 431, 511):
    SCENARIOS[f"3 {_status} is about one request or moment and not kept"] = never(
        MAX, status=_status
    )
for _status in (
    (200, 201, 202, 203, 204, 205, 299, 300, 301, 302, 303, 307, 308, 399, 400, 401, 402, 403)
    + (404, 405, 406, 409, 410, 411, 414, 415, 418, 422, 423, 424, 426, 451, 499, 500, 501, 502)
    + (503, 504, 505, 506, 507, 510, 599)
):
    SCENARIOS[f"3 {_status} with max-age"] = twice(MAX, status=_status)
    SCENARIOS[f"3 {_status} that is stale"] = (
        asks(STALE, status=_status),
        asks(STALE, status=_status, after=2),
    )
