"""The headers by which a server tells of its quota, in the dialects that vendors speak."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from email.utils import formatdate

from tests.loads.quotas import Decision, QuotaSpec

Reset = Callable[[float], object]
Headers = list[tuple[str, object]]


def _epoch(rounded: Callable[[float], object]) -> Reset:
    return lambda seconds: rounded(time.time() + seconds)


_RESETS: dict[str, Reset] = {
    "x-delta-float": lambda seconds: f"{seconds:.3f}",
    "x-delta-ceil": math.ceil,
    "x-delta-floor": math.floor,
    "x-delta-round": round,
    "x-epoch-ceil": _epoch(math.ceil),
    "x-epoch-floor": _epoch(math.floor),
    "x-epoch-float": _epoch(lambda moment: f"{moment:.3f}"),
    "ietf-03": math.ceil,
}
_PREFIXES = {"ietf-03": "RateLimit-"}

DIALECTS = ("none", *_RESETS, "ietf")


def headers_of(dialect: str, spec: QuotaSpec, decision: Decision) -> Headers:
    """What an answer tells of the quota.

    x-…: X-RateLimit-Limit, -Remaining and -Reset, the last as the name of the dialect says.
    ietf-03: RateLimit-Limit and so on, in whole seconds.
    ietf: RateLimit and RateLimit-Policy of draft-ietf-httpapi-ratelimit-headers-10.
    """
    if dialect == "none":
        return []
    if dialect == "ietf":
        name = spec.resource or "default"
        return [
            ("RateLimit-Policy", f'"{name}";q={spec.calls};w={math.ceil(spec.period)}'),
            ("RateLimit", f'"{name}";r={decision.remaining};t={math.ceil(decision.reset_in)}'),
        ]
    prefix = _PREFIXES.get(dialect, "X-RateLimit-")
    told: Headers = [
        (prefix + "Limit", spec.calls),
        (prefix + "Remaining", decision.remaining),
        (prefix + "Reset", _RESETS[dialect](decision.reset_in)),
    ]
    if spec.resource:
        told.append((prefix + "Resource", spec.resource))
    return told


_ROUNDED: dict[str, Callable[[float], object]] = {
    "ceil": math.ceil,
    "floor": math.floor,
    "float": lambda seconds: f"{seconds:.3f}",
    "date": lambda seconds: formatdate(math.ceil(time.time() + seconds), usegmt=True),
}


def retry_after_of(rounding: str, decision: Decision) -> Headers:
    """Retry-After of a refusal; "none" sends none, "date" an HTTP-date."""
    if decision.admitted or rounding == "none":
        return []
    return [("Retry-After", _ROUNDED[rounding](decision.retry_in))]
