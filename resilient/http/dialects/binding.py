"""Which of an answer's quotas binds the next request, once those that belong together are joined.

Of the windows with none left it is the one that resets last, else the one with the smallest part
of its limit left.
"""

from __future__ import annotations

from resilient.http.dialects.windows import Row


def apply(policy: Row, rows: list[Row]) -> None:
    """Complete the windows that a policy is about; it stands for itself if there are none."""
    about = [row for row in rows if _is_about(policy, row)]
    open_ones = [row for row in about if row.period is None]
    exact = [row for row in open_ones if row.key == policy.key]
    for row in exact or open_ones:
        row.period = policy.period
        row.limit = policy.limit if row.limit is None else row.limit
        row.counts = row.counts and policy.counts
    is_known = any(row.limit == policy.limit and row.period == policy.period for row in about)
    if not open_ones and not is_known:
        rows.append(policy)


def _is_about(policy: Row, row: Row) -> bool:
    if policy.key and row.key and policy.key != row.key:
        return False
    if policy.name and row.name:
        return policy.name == row.name
    # A name would be a guess where nothing else fits.
    return policy.limit == row.limit or (row.limit is None and not policy.name and not row.name)


def settle(rows: list[Row], retry_after: float | None, *, in_milliseconds: bool) -> None:
    """Make seconds of resets that are milliseconds, by what else the answer tells.

    in_milliseconds: does the vendor's documentation say so?
    """
    for row in rows:
        if not row.bare or row.reset is None:
            continue
        seconds = row.reset / 1000
        agrees = retry_after is not None and abs(seconds - retry_after) <= max(1.0, seconds / 50)
        outlasts = row.period is not None and seconds <= row.period < row.reset
        if agrees or outlasts or in_milliseconds:
            row.reset = seconds


def ranked(rows: list[Row]) -> list[Row]:
    """The windows without repetitions, the binding one first."""
    return sorted(_merged(rows), key=_rank)


def _merged(rows: list[Row]) -> list[Row]:
    """Without the windows that only repeat others or complete them."""
    kept: list[Row] = []
    for row in rows:
        if _is_lone_reset(row) and _complete(row, rows):
            continue
        for other in kept:
            if _tells_the_same(row, other):
                other.name = other.name or row.name
                other.reset = row.reset if other.reset is None else other.reset
                other.period = row.period if other.period is None else other.period
                break
        else:
            kept.append(row)
    return kept


def _is_lone_reset(row: Row) -> bool:
    return row.limit is None and row.remaining is None and row.period is None and row.family != ""


def _complete(lone: Row, rows: list[Row]) -> bool:
    """Give one reset for all buckets (Contentful's) to the one it is meant for."""
    kin = [
        row
        for row in rows
        if row.family == lone.family and row.reset is None and row.remaining is not None
    ]
    meant = [row for row in kin if row.remaining == 0] or (kin if len(kin) == 1 else [])
    for row in meant:
        row.reset = lone.reset
    return bool(meant)


def _tells_the_same(one: Row, other: Row) -> bool:
    if one.limit is None or (one.limit, one.remaining) != (other.limit, other.remaining):
        return False
    reset = one.reset if one.reset is not None else other.reset
    period = one.period if one.period is not None else other.period
    return (
        (not one.name or not other.name or one.name == other.name)
        and (one.period is None or other.period is None or one.period == other.period)
        and (one.reset is None or other.reset is None or abs(one.reset - other.reset) <= 1)
        and (reset is None or period is None or reset <= period)
    )


def _rank(row: Row) -> tuple[int, float, float]:
    """The binding window has the least."""
    if row.remaining is None:
        return 2, 0.0 if row.limit is not None or row.reset is not None else 1.0, 0.0
    if row.remaining <= 0:
        return 0, -1.0 if row.reset is None else -row.reset - 2.0, 0.0
    # Without a limit, 100 counts as plenty.
    share = row.remaining / row.limit if row.limit else min(row.remaining / 100, 1.0)
    return 1, share, row.remaining
