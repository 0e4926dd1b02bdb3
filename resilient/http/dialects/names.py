"""What the name of a header field says about limits: a grammar over families of names.

    X-RateLimit-Remaining                   family, role
    anthropic-ratelimit-input-tokens-reset  vendor, family, resource, role
    x-ratelimit-limit-requests-day          family, role, resource, period
    X-RateLimit-Interval-Milliseconds       family, role, unit
    X-AppMinLimit-Remaining                 resource, period, role

A name is cut into words, compounds too ("resettime"), for HTTP/2 sends all in lower case. The words
are known to mean a role, a period, a unit or nothing; those left over name the resource.
"""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from typing import NamedTuple

from resilient.http.dialects.moments import UNITS

_LONGEST = 100
"""Characters of a name that is looked at."""

ROLES = {
    **dict.fromkeys(("limit", "limits", "max", "maximum", "total", "allowed", "capacity"), "limit"),
    **dict.fromkeys(("remaining", "remain", "remains", "left", "available"), "remaining"),
    **dict.fromkeys(("used", "usage", "use", "consumed", "count", "observed"), "used"),
    **dict.fromkeys(("reset", "resets", "renew", "renews", "expires", "expiry"), "reset"),
    **dict.fromkeys(("period", "interval", "window", "duration", "timeframe"), "period"),
    **dict.fromkeys(("policy", "policies"), "policy"),
    "retry": "retry",
}

PERIODS = {
    **dict.fromkeys(("second", "sec", "secondly"), ("second", 1.0)),
    **dict.fromkeys(("minute", "min", "minutely"), ("minute", 60.0)),
    **dict.fromkeys(("hour", "hourly"), ("hour", 3600.0)),
    **dict.fromkeys(("day", "daily", "today"), ("day", 86400.0)),
    **dict.fromkeys(("week", "weekly"), ("week", 604800.0)),
    # As long as the longest, since a rate learned from it must not be too high.
    **dict.fromkeys(("month", "monthly"), ("month", 31 * 86400.0)),
    **dict.fromkeys(("year", "yearly"), ("year", 366 * 86400.0)),
}
"""The bucket's name and its seconds."""

_UNIT_WORDS = {
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("seconds", "secs"), 1.0),
    **dict.fromkeys(("minutes", "mins"), 60.0),
    "hours": 3600.0,
    "days": 86400.0,
}
"""The unit of a time, where they follow its role; "-reset-second" is a bucket, "seconds" a unit."""

_SILENT = frozenset(
    {"a", "at", "current", "date", "epoch", "for", "in", "next", "of", "on", "per", "the", "this"}
    | {"time", "timestamp", "unix", "utc"}
)
_SCOPES = frozenset({"bucket", "category", "group", "name", "resource"})
_NOT_REQUESTS = frozenset(
    {"bandwidth", "bytes", "characters", "chars", "complexity", "cost", "cputime", "credits"}
    | {"neurons", "points", "tokens", "units", "weight"}
)
_PAGES = frozenset(
    {"content", "disk", "file", "files", "items", "list", "page", "pagination", "storage", "upload"}
)
"""What has limits that are no rates."""

_COMPOUNDS = frozenset({"ratelimit", "ratelimits", "ratelimiting", "ratelimited"})
_VOCABULARY = frozenset(
    {*ROLES, *PERIODS, *_UNIT_WORDS, *_SILENT, *_NOT_REQUESTS, "after", "api", "app", "call"}
    | {"calls", "client", "flood", "info", "near", "rate", "read", "request", "requests", "should"}
    | {"status", "user", "write"}
)
_TAILS = ("remaining", "reset", "limit", "usage")
_HEADS = ("remaining", "reset")
_PERIOD = re.compile(r"([0-9]{1,5})(s|sec|secs|m|min|mins|h|hr|hour|hours|d|day|days)")


class Part(NamedTuple):
    """What one field is.

    kind: a role, or "field" (a whole quota in one value), "usage" (percentages as JSON), "scope",
    "reach" (does it concern the whole account?), "code", "sign", "date" or "age".
    family: what a bucket's fields have in common besides the group.
    group: words of the resource. period: seconds, by the words of the group.
    scale: seconds that a bare number counts. relative: "from now", said by the name.
    sure: does it need no sibling to be believed?
    """

    kind: str
    family: str = ""
    group: tuple[str, ...] = ()
    period: float | None = None
    scale: float = 1.0
    relative: bool = False
    sure: bool = True

    @property
    def name(self) -> str:
        """The bucket's name; a vendor's own prefix is better than none."""
        words = self.group or tuple(self.family.split("-"))
        return " ".join(word for word in words if word not in ("x", "rate"))

    @property
    def counts_requests(self) -> bool:
        return _NOT_REQUESTS.isdisjoint(self.group)


_EXACT = {
    "age": Part("age"),
    "date": Part("date"),
    "retry-after": Part("retry"),
    # botocore: milliseconds, though the name does not tell.
    "x-amz-retry-after": Part("retry", "x-amz", scale=1e-3),
    # Amazon's Selling Partner API: a rate per second, such as 0.5.
    "x-amzn-ratelimit-limit": Part("limit", "x-amzn-rate", period=1.0),
    "x-amzn-errortype": Part("code"),
    "x-ms-error-code": Part("code"),
    "x-envoy-ratelimited": Part("sign"),
    "stripe-rate-limited-reason": Part("reach"),
}


@lru_cache(maxsize=2048)
def part_of(name: str) -> Part | None:
    """What the field of this name is; None if it has nothing to do with limits."""
    lowered = name.lower().replace("_", "-")
    exact = _EXACT.get(lowered)
    if exact is not None or len(lowered) > _LONGEST:
        return exact
    words = words_of(lowered)
    if "retry" in words:
        return _retry(words)
    for at, word in enumerate(words[:-1]):
        if word == "rate" and words[at + 1] in ("limit", "limits", "limiting", "limited"):
            return _in_family(words[: at + 1], words[at + 2 :], lowered)
    for at, word in enumerate(words):
        if word in ("quota", "throttle", "throttling", "mbx"):
            found = _in_family(words[: at + 1], words[at + 1 :], lowered)
            return None if found and found.kind == "field" else found
    return _in_no_family([word for word in words if word != "x"], lowered)


def words_of(lowered: str) -> list[str]:
    """The words of a name in lower case."""
    words: list[str] = []
    for piece in lowered.split("-"):
        words += _cut(piece)
    return words


def _cut(piece: str) -> list[str]:
    if piece in _COMPOUNDS:
        return ["rate", piece[4:]]
    if piece in _VOCABULARY or not piece.isalpha():
        return [piece]
    words: list[str] = []
    at = 0
    while at < len(piece):
        longest = next(
            (end for end in range(len(piece), at, -1) if piece[at:end] in _VOCABULARY), None
        )
        if longest is None:
            break
        words.append(piece[at:longest])
        at = longest
    else:
        return words
    # Half known: "floodlimit", "resetmoment".
    for tail in _TAILS:
        if piece.endswith(tail):
            return [*_cut(piece[: -len(tail)]), tail]
    for head in _HEADS:
        if piece.startswith(head):
            return [head, piece[len(head) :]]
    return [piece]


def _retry(words: list[str]) -> Part | None:
    at = words.index("retry")
    follows = words[at + 1] if at + 1 < len(words) else ""
    in_family = "rate" in words[:at] and follows == ""
    if follows not in ("after", "in", "at") and not in_family:
        return None
    scale = next((_UNIT_WORDS[word] for word in words[at:] if word in _UNIT_WORDS), 1.0)
    return Part("retry", "-".join(words[:at]), scale=scale)


def _in_family(before: list[str], rest: list[str], lowered: str) -> Part | None:
    family = "-".join(before)
    part = _analyzed(rest, family)
    if part.kind != "field":
        return part
    if _is_usage(lowered):
        return Part("usage", family)
    if len(rest) == 1:
        if rest[0] in _SCOPES:
            return Part("scope", family)
        if rest[0] in ("global", "scope"):
            return Part("reach", family)
    return part


def _in_no_family(words: list[str], lowered: str) -> Part | None:
    """A name without the words "rate limit": some are clear, others need a sibling."""
    if _is_usage(lowered):
        return Part("usage", group=tuple(words[:-1]))
    if words[-2:] == ["limit", "info"]:
        return Part("field", group=tuple(words[:-2]))
    if words[-2:] == ["limit", "status"] and len(words) > 2:
        words = [*words[:-1], "remaining"]  # Bybit
    part = _analyzed(words, "")
    if part.kind in ("field", "policy") or not part.group or not _PAGES.isdisjoint(words):
        return None
    pairs = set(itertools.pairwise(words))
    is_clear = any(
        one in ("limit", "limits") and ROLES.get(other) in ("remaining", "reset", "used")
        for one, other in pairs
    ) or any(pair in pairs for pair in (("call", "limit"), ("calls", "limit")))
    is_rate = part.period is not None and not {"per", "this", "today"}.isdisjoint(words)
    counts = part.kind == "remaining" and not {"requests", "calls"}.isdisjoint(words)
    return part._replace(sure=is_clear or is_rate or counts)


def _is_usage(lowered: str) -> bool:
    """Facebook's X-App-Usage and the like."""
    return lowered.endswith(("-usage", "-throttle")) and lowered.startswith("x-")


def _analyzed(words: list[str], family: str) -> Part:
    roles: list[str] = []
    group: list[str] = []
    period: float | None = None
    scale, relative = 1.0, False
    for word in words:
        role = ROLES.get(word)
        of_time = bool(roles) and roles[-1] in ("reset", "period")
        if role is not None:
            roles.append(role)
        elif of_time and word in _UNIT_WORDS:
            scale, relative = _UNIT_WORDS[word], True
        elif of_time and word in ("after", "in"):
            relative = True
        elif word in PERIODS:
            name, period = PERIODS[word]
            group.append(name)
        elif word not in _SILENT:
            length = _PERIOD.fullmatch(word)
            if length:
                period = int(length[1]) * UNITS[length[2]]
            group.append(word)
    kind = _role(roles)
    if kind in ("limit", "remaining") and "capacity" in words and "burst" in group:
        group.remove("burst")  # Spring Cloud Gateway: the limit of the one bucket
    return Part(kind, family, tuple(group), period, scale, relative)


def _role(roles: list[str]) -> str:
    for role in ("reset", "remaining", "policy"):
        if role in roles:
            return role
    # "-usage-limit" is a limit, "-limit-window" a window.
    return roles[-1] if roles else "field"
