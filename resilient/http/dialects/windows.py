"""The quotas that header fields tell of by limit, remaining, used and reset.

Besides plain numbers, the values may be:

    60 requests, 30,000, 60/minute       a number with words
    100, 100;w=60, 1000;w=3600           the limit in force, and the policies behind it
    990, 3                               a gateway's and the origin's, in one order in each field
    32/40                                used of the limit
    20:1,100:120                         limits, each with its seconds
    Read3Min;107, Read30Min;587          what is left of policies with names

Source: draft-ietf-httpapi-ratelimit-headers-03; otherwise the vendors' documentation.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from resilient.http.dialects.moments import (
    UNITS,
    YEAR,
    ServerTime,
    duration_of,
    latest_of,
)
from resilient.http.dialects.names import PERIODS
from resilient.http.dialects.plans import Bucket
from resilient.http.headers import number_of

LONGEST = 4096
"""Characters of a value; what is longer counts as absent."""

PAIR = re.compile(
    r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?/ ?([0-9]{1,15}(?:\.[0-9]{1,9})?)(?![0-9A-Za-z])"
)
"""Used, or left, of the limit."""


class Window(NamedTuple):
    """One quota, as an answer tells of it.

    name: resource, bucket or unit, "" if it has none.
    remaining: 0 or more.
    reset_in: seconds, 0.0 if past; None: not told or not believable.
    period: seconds, as the headers tell.
    counts_requests: False for tokens, points, weight, cost.
    """

    name: str
    limit: float | None
    remaining: float | None
    reset_in: float | None
    period: float | None
    counts_requests: bool = True


class Row:
    """A window while it is put together.

    bare: `reset` was a number without a unit, and may be milliseconds. key: a partition's.
    """

    __slots__ = ("bare", "counts", "family", "key", "limit", "name", "period", "remaining", "reset")

    def __init__(
        self,
        name: str,
        limit: float | None = None,
        remaining: float | None = None,
        reset: float | None = None,
        period: float | None = None,
    ) -> None:
        self.name = name
        self.limit = limit
        self.remaining = remaining
        self.reset = reset
        self.period = period
        self.counts = True
        self.bare = False
        self.key = ""
        self.family = ""

    @property
    def tells(self) -> bool:
        """Is anything known of it?"""
        return not (
            self.limit is None
            and self.remaining is None
            and self.reset is None
            and self.period is None
        )

    def window(self) -> Window:
        return Window(self.name, self.limit, self.remaining, self.reset, self.period, self.counts)


def read_bucket(
    bucket: Bucket, values: list[str], server: ServerTime, policies: list[Row]
) -> list[Row]:
    """The windows of one bucket; the policies beside its limit go to `policies`."""
    if bucket.limit_is_field and is_composite(values[bucket.limit]):
        if bucket.is_alone:
            return []
        bucket = bucket._replace(limit=-1, limit_is_field=False)
    # Written out for the usual answer, whose values are plain numbers: it is read every time.
    limit = remaining = used = None
    is_plain = True
    if bucket.limit >= 0 and (told := values[bucket.limit]):
        limit = number_of(told)
        is_plain = limit is not None
    if bucket.remaining >= 0 and (told := values[bucket.remaining]):
        remaining = number_of(told)
        is_plain = is_plain and remaining is not None
    if bucket.used >= 0 and (told := values[bucket.used]):
        used = number_of(told)
        is_plain = is_plain and used is not None
        if limit is None and used is not None and remaining is not None:
            limit = used + remaining
    if is_plain:
        rows = [Row(bucket.name, limit, left_of(limit, remaining, used), None, bucket.period)]
    else:
        rows = _listed(bucket, values, policies)
    for slot, scale in bucket.resets:
        if _add_resets(rows, values[slot], scale, server):
            break
    for slot, scale in bucket.lasting:
        period = period_of(values[slot], scale)
        if period is not None:
            for row in rows:
                row.period = period
    told_rows = []
    for row in rows:
        row.family = bucket.family
        row.counts = bucket.counts_requests
        if row.limit == 0 and not row.remaining:
            row.limit = row.remaining = None  # 0 of 0: there is no such limit
        if row.tells:
            told_rows.append(row)
    return told_rows


def left_of(limit: float | None, remaining: float | None, used: float | None) -> float | None:
    if remaining is None and limit is not None and used is not None:
        return max(limit - used, 0.0)
    return remaining


def _add_resets(rows: list[Row], told: str, scale: float, server: ServerTime) -> bool:
    """Give each row its reset; False if the field has none that can be read."""
    if not told:
        return False
    if len(rows) == 1:  # as nearly always
        return _set_reset(rows[0], told, scale, server)
    parts = [told] * len(rows)
    if len(told) <= LONGEST and told.count(",") == len(rows) - 1:
        parts = told.split(",")
    is_told = False
    for row, part in zip(rows, parts, strict=True):
        is_told = _set_reset(row, part, scale, server) or is_told
    return is_told


def _set_reset(row: Row, told: str, scale: float, server: ServerTime) -> bool:
    reset = latest_of(told, server, scale)
    if reset is None:
        return False
    row.reset = reset
    # A Unix time is longer, a duration has letters.
    row.bare = reset >= 1000 and scale == 1.0 and len(told) < 10 and told.isdecimal()
    return True


def period_of(told: str, scale: float = 1.0) -> float | None:
    number = number_of(told)
    period = duration_of(told.strip()) if number is None else number * scale
    return period if period is not None and 0 < period <= 10 * YEAR else None


def is_composite(told: str) -> bool:
    return "=" in told or '"' in told


class _Item(NamedTuple):
    """One of the values in a list. of: what stands behind a slash. negative: a number below 0."""

    number: float | None
    name: str = ""
    period: float | None = None
    of: float | None = None
    negative: bool = False


_MOST_ITEMS = 16
"""Of one list; what follows is ignored."""
_LASTING = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?: ?([0-9]{1,9})")
_RATE = re.compile(
    r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?[a-z]{0,12} ?(?:/|\bper\b) ?([0-9]{1,6})? ?([a-z]{1,12})"
)
_WORDED = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?[A-Za-z][A-Za-z ]{0,40}")
_NAMED_PERIOD = re.compile(r"([0-9]{1,5})(sec|min|hour|day)s?$")


def _listed(bucket: Bucket, values: list[str], policies: list[Row]) -> list[Row]:
    limits = _items(values[bucket.limit]) if bucket.limit >= 0 else []
    remaining = _items(values[bucket.remaining]) if bucket.remaining >= 0 else []
    used = _items(values[bucket.used]) if bucket.used >= 0 else []
    if any(item.negative for item in limits):
        return []  # -1 is a word for "no limit", and what goes with it tells nothing
    if any(item.name and item.period is None for item in remaining):
        return _named(remaining)
    plain = [item for item in limits if item.period is None]
    lasting = [item for item in limits if item.period is not None]
    if plain or not max(len(remaining), len(used)):
        policies += [Row(item.name, item.number, period=item.period) for item in lasting]
    in_force = plain or lasting
    rows: list[Row] = []
    for at in range(max(len(remaining), len(used), 1)):
        limit = _fitting(in_force, at, max(len(remaining), len(used), 1))
        left = remaining[at] if at < len(remaining) else _Item(None)
        spent = used[at] if at < len(used) else _Item(None)
        row = Row(bucket.name, limit.of or limit.number, left.number)
        row.period = limit.period or left.period or bucket.period
        if row.limit is None:
            row.limit = left.of or spent.of
        if left.negative and row.limit is not None:
            row.remaining = 0.0
        gone = limit.number if limit.of is not None else spent.number
        row.remaining = left_of(row.limit, row.remaining, gone)
        if not any(other.window() == row.window() for other in rows):
            rows.append(row)
    return rows


def _fitting(in_force: list[_Item], at: int, length: int) -> _Item:
    if not in_force:
        return _Item(None)
    return in_force[at] if len(in_force) >= length else in_force[0]


def _named(items: list[_Item]) -> list[Row]:
    rows = []
    for item in items:
        length = _NAMED_PERIOD.search(item.name.lower())
        period = int(length[1]) * UNITS[length[2]] if length else None
        if item.number is not None:
            rows.append(Row(item.name, None, item.number, period=period))
    return rows


def _items(told: str) -> list[_Item]:
    if not told or len(told) > LONGEST:
        return []
    items = [_item(text.strip()) for text in told.split(",", _MOST_ITEMS)[:_MOST_ITEMS]]
    return [item for item in items if item.number is not None or item.negative]


def _item(text: str) -> _Item:
    head, *params = text.split(";")
    head = head.strip(' \t"')
    name, period = "", None
    for param in params:
        key, eq, value = param.partition("=")
        key = key.strip().lower()
        if key in ("w", "window"):
            period = period_of(value)
        elif key == "name":
            name = value.strip(' "')
        elif not eq and number_of(param) is not None:
            return _Item(number_of(param), head.rpartition("/")[2])
    number = number_of(head)
    if number is not None:
        return _Item(number, name, period)
    if head[:1] == "-" and number_of(head[1:]) is not None:
        return _Item(None, negative=True)
    match = PAIR.fullmatch(head)
    if match:
        return _Item(float(match[1]), name, period, of=float(match[2]))
    match = _LASTING.fullmatch(head)
    if match:
        return _Item(float(match[1]), name, float(match[2]) or None)
    match = _RATE.fullmatch(head.lower())
    unit = _unit(match[3]) if match else None
    if match and unit is not None:
        return _Item(float(match[1]), name, unit * int(match[2] or 1) or None)
    match = _WORDED.fullmatch(head)
    return _Item(float(match[1]) if match else None, name, period)


def _unit(word: str) -> float | None:
    return PERIODS[word][1] if word in PERIODS else UNITS.get(word)
