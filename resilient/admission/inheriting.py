"""What a quota knows goes over to one with other rates, before anybody uses that."""

from __future__ import annotations

from collections import Counter

from resilient.admission.keyed import KeyedQuotas
from resilient.admission.quota import Quota
from resilient.admission.shared_quota import SharedQuota
from resilient.timing import clock


def inherit(new: Quota, old: Quota) -> None:
    """Let `new` wait for what `old` has to wait for, and count what went by it.

    What still runs counts as done now: its end is told to the old one alone.
    """
    now = clock.monotonic()
    if old.paused_until > now:
        new.pause(old.paused_until - now)
    running = max((log.running for log in old.logs), default=0)
    longest: list[float] = []
    for log in new.logs:
        period = log.rate.period
        # Of the former rates, the one that remembers most of what this one counts.
        known = (other.since(now - period + other.rate.period) for other in old.logs)
        done = max(known, key=len, default=[])
        # One that was in use before has handed these over itself; rounded, since each way adds and
        # subtracts a period.
        own = Counter(round(moment, 6) for moment in log.since(now))
        missing: list[float] = []
        for moment in [*done, *[now] * running]:
            if own[round(moment, 6)] > 0:
                own[round(moment, 6)] -= 1
            else:
                missing.append(moment)
        longest = max(longest, missing, key=len)
        kept: list[float] = []
        # Where there is not room for all, the newest count for longest.
        for moment in reversed(missing):
            if log.take(now):
                break
            kept.append(moment)
        for moment in reversed(kept):
            log.give(moment + period)
    if isinstance(new, SharedQuota):
        if isinstance(old, SharedQuota) and new.is_in_store_of(old):
            new.go_on_for(old)
        else:
            new.note_spent(longest)


def inherit_all(new: KeyedQuotas, old: KeyedQuotas) -> None:
    """The same for each key."""
    for key, quota in old.items():
        heir = new.hold(key)
        inherit(heir, quota)
        new.let_go(heir)
