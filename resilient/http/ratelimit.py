"""What an answer says about the vendor's limits: `read_limits`, a pure function."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from resilient.http.dialects import refusals
from resilient.http.dialects.binding import apply, ranked, settle
from resilient.http.dialects.fields import read_field, read_policies, read_usage
from resilient.http.dialects.moments import ServerTime, latest_of
from resilient.http.dialects.plans import Plan, plan_of
from resilient.http.dialects.windows import Row, Window, read_bucket
from resilient.http.headers import number_of

__all__ = ["AMBIGUOUS", "NOTHING", "Limits", "Window", "read_limits"]

AMBIGUOUS = frozenset({400, 403, 429, 500, 503})
"""Statuses whose body is worth a look: is it a refusal for rate, and for how long?"""

_REFUSALS = frozenset({420, 429, 509, 529})
"""Statuses that mean a refusal for rate, or overload, whatever else the answer says."""


class Limits(NamedTuple):
    """What one answer says about the vendor's limits; all times are seconds from now.

    throttled: this answer is a refusal for rate.
    retry_after: as a field asks, which may be on any answer.
    wait: the least until the next request to the binding bucket. 0.0: go on. None: refused or
    nothing left, without a word for how long, so back off.
    windows: the binding one first.
    scope: resource or bucket that the answer names, "" if none.
    is_global: the refusal is for the whole account.
    """

    throttled: bool
    retry_after: float | None
    wait: float | None
    windows: tuple[Window, ...]
    scope: str = ""
    is_global: bool = False

    @property
    def limit(self) -> float | None:
        return self.windows[0].limit if self.windows else None

    @property
    def remaining(self) -> float | None:
        return self.windows[0].remaining if self.windows else None

    @property
    def reset_in(self) -> float | None:
        return self.windows[0].reset_in if self.windows else None

    @property
    def period(self) -> float | None:
        return self.windows[0].period if self.windows else None


NOTHING = Limits(False, None, 0.0, ())
"""Of an answer that says nothing about limits."""

_MOST_ROWS = 64
"""Quotas of one answer that are looked at; joining them compares each with each."""

_REFUSED = Limits(True, None, None, ())

_OVERLOADED = (".sharepoint.com", ".graph.microsoft.com")
"""Whose 503 with Retry-After is documented as throttling; elsewhere it is an outage (RFC 9110)."""
_MILLISECONDS = (".tiendanube.com", ".nuvemshop.com.br", ".schibsted.com")
"""Whose resets are documented as milliseconds from now, under names that don't tell."""


def read_limits(
    status: int,
    headers: Mapping[str, str],
    body: bytes | str = b"",
    *,
    url: str | None = None,
    now: float | None = None,
) -> Limits:
    """What an answer says about the vendor's limits.

    headers: names in any case, values as sent; a name that came twice joined with ", ".
    body: may be cut off; looked at where the status is ambiguous or the answer a refusal.
    url: for the few vendors whose documentation has to settle what an answer means.
    now: our Unix time, used where the answer has no Date.
    Raises: nothing; what is malformed, negative or more than a year away counts as absent.
    """
    try:
        return _read(status, headers, body, url, now)
    except Exception:  # an object of somebody's that can't be read
        return _REFUSED if status in _REFUSALS else NOTHING


def _read(
    status: int, headers: Mapping[str, str], body: bytes | str, url: str | None, now: float | None
) -> Limits:
    plan, is_empty, values = _fields_of(headers)
    if is_empty and status < 400 and not body:
        return NOTHING
    age = (number_of(values[plan.age]) or 0.0) if plan.age >= 0 else 0.0
    server = ServerTime(values[plan.date] if plan.date >= 0 else None, age, now)
    retry_after: float | None = None
    for slot, scale in plan.retries:
        retry_after = latest_of(values[slot], server, scale)
        if retry_after is not None:
            break
    # The drafts: what comes from a cache tells of a quota as it was.
    rows = [] if age > 0 else _rows(plan, values, server)
    said: float | None = None
    if body and 200 <= status < 300:
        throttled, told, said = refusals.graphql_errors(body)
        rows += told
    elif status >= 400:
        throttled, said = _refusal(status, rows, retry_after, plan, values, body, url)
    else:
        throttled = False
    if not rows and retry_after is None and not throttled:
        return NOTHING
    if len(rows) > 1 or (rows and rows[0].bare):
        is_unsure = any(row.bare for row in rows)
        settle(rows, retry_after, in_milliseconds=is_unsure and _is_of(url, _MILLISECONDS))
        rows = ranked(rows)
    scope = ""
    for slot in plan.scopes:
        scope = scope or values[slot].strip()[:100]
    if scope:
        for row in rows:
            row.name = row.name or scope
    windows = tuple([row.window() for row in rows])
    wait = _wait(throttled, retry_after, said, windows[0] if windows else None)
    is_global = throttled and any(_reaches_all(values[slot]) for slot in plan.reaches)
    return Limits(throttled, retry_after, wait, windows, scope, is_global)


def _fields_of(headers: Mapping[str, str]) -> tuple[Plan, bool, list[str]]:
    """The plan for an answer, whether it is empty, and the values of its slots."""
    pairs = None if type(headers) is dict else _pairs_of(headers)
    if pairs is None:
        names = tuple(headers)
        plan, is_empty = plan_of(names)
        sent: list[Any] = [headers[names[at]] for at in plan.places]
    else:
        plan, is_empty = plan_of(tuple([pair[0] for pair in pairs]))
        sent = [pairs[at][1] for at in plan.places]
    for value in sent:
        if type(value) is not str:
            sent = [_text(value) for value in sent]
            break
    if plan.several:
        sent = [", ".join(filter(None, [sent[at] for at in slots])) for slots in plan.several]
    return plan, is_empty, sent


def _pairs_of(headers: object) -> list[tuple[Any, Any]] | None:
    """Names and values of the types that are slow to look names up in, as they were received."""
    raw_items = getattr(headers, "raw_items", None)  # email.message.Message
    if raw_items is not None:
        return list(raw_items())
    raw = getattr(headers, "raw", None)  # httpx.Headers
    return raw if isinstance(raw, list) else None


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else ""


def _rows(plan: Plan, values: list[str], server: ServerTime) -> list[Row]:
    rows: list[Row] = []
    policies: list[Row] = []
    for bucket in plan.buckets:
        rows += read_bucket(bucket, values, server, policies)
    for slot, name in plan.fields:
        rows += read_field(values[slot], name, server)
    for slot, name in plan.usages:
        rows += read_usage(values[slot], name)
    for slot in plan.policies:
        policies += read_policies(values[slot])
    for policy in policies[:_MOST_ROWS]:
        apply(policy, rows)
    return rows[:_MOST_ROWS]


def _refusal(
    status: int,
    rows: list[Row],
    retry_after: float | None,
    plan: Plan,
    values: list[str],
    body: bytes | str,
    url: str | None,
) -> tuple[bool, float | None]:
    """Is an error a refusal for rate, and how long does its body ask to wait?"""
    text = refusals.text_of(body) if body else ""
    throttled = (
        status in _REFUSALS
        or any(refusals.is_code(values[slot]) for slot in plan.codes)
        or any(values[slot].strip().lower() == "true" for slot in plan.signs)
    )
    if not throttled and status in (403, 503):
        throttled = any(row.remaining == 0 for row in rows)
    if not throttled and retry_after is not None:
        # A 403 with Retry-After is GitHub's secondary limit, a 418 Binance's ban.
        throttled = status in (403, 418) or (status == 503 and _is_of(url, _OVERLOADED))
    if not throttled and text and status in AMBIGUOUS:
        throttled = refusals.tells_of_rate(text)
    return throttled, refusals.delay_in(text) if throttled and text else None


def _wait(
    throttled: bool, retry_after: float | None, said: float | None, binding: Window | None
) -> float | None:
    if retry_after:
        return retry_after
    is_empty = binding is not None and binding.remaining == 0
    if not throttled and not is_empty:
        return 0.0
    if said is not None:
        return said
    # With some left, another limit was hit than the one whose reset is told.
    if binding is not None and binding.reset_in is not None and not binding.remaining:
        return binding.reset_in
    return retry_after


def _reaches_all(told: str) -> bool:
    return told.strip().lower()[:6] in ("true", "global")


def _is_of(url: str | None, hosts: tuple[str, ...]) -> bool:
    if not url:
        return False
    place = re.split("[/?#]", url[:300].partition("//")[2], maxsplit=1)[0]
    host = place.rpartition("@")[2].partition(":")[0]
    return f".{host.lower()}".endswith(hosts)
