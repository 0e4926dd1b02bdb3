"""Whole quotas in one field.

    "default";r=50;t=30                  structured fields
    limit=100, remaining=50, reset=44    a dictionary, with commas or semicolons
    api-usage=18/5000                    used of limits, by name
    {"call_count": 28}                   percentages

Source: draft-ietf-httpapi-ratelimit-headers 06 to 10; otherwise the vendors' documentation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from resilient.http.dialects.moments import YEAR, ServerTime, latest_of, seconds_until
from resilient.http.dialects.names import ROLES, words_of
from resilient.http.dialects.structured import members_of, policies_of
from resilient.http.dialects.windows import LONGEST, PAIR, Row, is_composite, left_of, period_of
from resilient.http.headers import number_of


def read_field(told: str, name: str, server: ServerTime) -> list[Row]:
    """The windows that a field tells of by itself: structured, or as a dictionary."""
    if not is_composite(told) or len(told) > LONGEST:
        return []
    if ";" not in told.partition("=")[0] and '"' not in told.partition("=")[0]:
        return _of_pairs(told, name, server)
    rows = []
    for item in members_of(told):
        row = Row(item.names[0] if item.names else name)
        said = item.params
        row.key = said.get("pk", "")
        row.remaining = number_of(said.get("r", ""))
        if row.remaining is None and "r" in said:
            continue
        row.limit = number_of(said.get("q", ""))
        row.period = period_of(said.get("w", ""))
        row.reset = seconds_until(said.get("t", ""), server)
        if row.tells:
            rows.append(row)
    return rows


def _of_pairs(told: str, name: str, server: ServerTime) -> list[Row]:
    whole = Row(name)
    rows = [whole]
    for piece in re.split("[,;]", told, maxsplit=64):
        key, _, value = piece.partition("=")
        key, value = key.strip(' \t"').lower(), value.strip(' \t"')
        pair = PAIR.match(value)
        if pair:  # Sforce-Limit-Info: api-usage=18/5000
            used, limit = float(pair[1]), float(pair[2])
            rows.append(Row(key, limit, max(limit - used, 0.0)))
            continue
        roles = [ROLES[word] for word in words_of(key[:100]) if word in ROLES]
        role = roles[-1] if roles else key
        if role == "limit":
            whole.limit = number_of(value)
        elif role == "remaining":
            whole.remaining = number_of(value)
        elif role == "used" and whole.remaining is None:
            whole.remaining = left_of(whole.limit, None, number_of(value))
        elif role == "reset":
            whole.reset = latest_of(value, server)
        elif role in ("period", "w"):
            whole.period = period_of(value)
    return [row for row in rows if row.tells]


def read_policies(told: str) -> list[Row]:
    """The quotas of a RateLimit-Policy: structured, or as the older drafts have it, 100;w=60."""
    rows = []
    for item in policies_of(told) if len(told) <= 512 else members_of(told):
        said = item.params
        limit = number_of(said.get("q") or said.get("quota") or "")
        row = Row(said.get("name", ""), limit)
        if limit is None and item.names and number_of(item.names[0]) is not None:
            row.limit = number_of(item.names[0])
        elif item.names:
            # Of two names, which no grammar allows, the second is the quota's (Hugging Face).
            row.name = item.names[-1]
        row.period = period_of(said.get("w") or said.get("window") or "")
        row.counts = said.get("qu", "requests").lower() in ("requests", "request")
        row.key = said.get("pk", "")
        if row.limit is not None or row.period is not None:
            rows.append(row)
    return rows


_PERCENT = ("call_count", "total_time", "total_cputime", "app_id_util_pct", "acc_id_util_pct")


def read_usage(told: str, name: str) -> list[Row]:
    """Meta's X-App-Usage and its kin: percent used, and minutes or seconds until it is over."""
    if len(told) > 4 * LONGEST or "{" not in told:
        return []
    try:
        usages = list(_usages(json.loads(told)))
    except (ValueError, RecursionError):
        return []
    rows = []
    for usage in usages:
        shares = [share for key in _PERCENT if (share := _positive(usage.get(key))) is not None]
        if not shares:
            continue
        row = Row(name, 100.0, max(100.0 - max(shares), 0.0))
        minutes = _positive(usage.get("estimated_time_to_regain_access"))
        seconds = _positive(usage.get("reset_time_duration"))
        row.reset = minutes * 60.0 if minutes else seconds
        if row.reset is not None and row.reset > YEAR:
            row.reset = None
        kind = usage.get("type")
        if isinstance(kind, str):
            row.name = kind
        row.counts = False
        rows.append(row)
    return rows


def _usages(found: Any) -> Iterator[dict[str, Any]]:
    """The object itself, or those that it holds by account."""
    if not isinstance(found, dict):
        return
    if any(key in found for key in _PERCENT):
        yield found
        return
    for listed in found.values():
        if isinstance(listed, list):
            yield from (usage for usage in listed if isinstance(usage, dict))


def _positive(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < 1e15 else None
