"""Where calls get their slots: waiting for them in line, or refused."""

from __future__ import annotations

from resilient.admission.permit import Permit
from resilient.admission.shared_quota import AGAIN, StoreOutOfReach
from resilient.admission.telling import refusal_text, why_waiting
from resilient.call import Call
from resilient.errors import RateLimited
from resilient.timing import clock
from resilient.waiting import NOTEWORTHY, ROUNDING

_UNKNOWN = 0.05
"""Seconds until a refused caller may come back, where only an answer under way can tell."""


class Entrance:
    """What every call of a throttle goes through.

    max_wait: seconds that one waits at the longest. max_waiting: how many may wait at once.
    """

    __slots__ = ("_max_wait", "_max_waiting")

    def __init__(self, max_wait: float, max_waiting: int) -> None:
        self._max_wait = max_wait
        self._max_waiting = max_waiting

    def enter(self, call: Call, permit: Permit, *, observes: bool) -> bool:
        """Get slots, waiting for them; False if there are none and this only observes.

        Raises: RateLimited.
        """
        try:
            return self._get(call, permit, observes=observes)
        except StoreOutOfReach:
            text = f"the store of {permit.quota} can't be reached"
            if observes:
                call.report("would_throttle", f"would be refused: {text}")
                return False
            call.report("rate_limited", f"refused: {text}")
        label = call.target.label
        raise RateLimited(
            f'{label}: {text}, and on_store_error="refuse" lets nothing go without it. Use '
            '"local", add @fallback, or come back after exc.retry_after seconds.',
            label=label,
            retry_after=AGAIN,
        )

    def _get(self, call: Call, permit: Permit, *, observes: bool) -> bool:
        quota = permit.quota
        since = clock.monotonic()
        left = call.time_left()
        longest = self._max_wait if left is None else min(self._max_wait, max(0.0, left))
        permit.until = since if observes else since + longest
        # Nobody overtakes those in line.
        group = quota.group_of(permit.who) if quota.line.waiting else None
        is_first = not quota.line.waiting or not quota.line.in_front(group, urgent=permit.urgent)
        if is_first and not quota.take(permit, since):
            return True
        # A slot that this thread has just looked at may be what the first in line has missed.
        quota.line.wake()
        needed = quota.at_least(permit, since)
        if observes:
            call.report("would_throttle", f"would wait {needed:.3g} s for {quota}")
            return False
        if needed <= longest + ROUNDING and self._wait(call, permit, needed, longest):
            return True
        raise self._refusal(call, permit, longest)

    def _wait(self, call: Call, permit: Permit, needed: float, longest: float) -> bool:
        """Stand in line; told when it begins, since somebody may wonder why nothing happens."""
        quota = permit.quota
        since = clock.monotonic()
        step = None
        if needed >= NOTEWORTHY:
            step = call.report("throttled", why_waiting(quota, permit, needed), needed=needed)
        try:
            has_room = quota.line.wait(
                lambda now: quota.take(permit, now),
                longest,
                group=lambda: quota.group_of(permit.who),
                urgent=permit.urgent,
            )
        finally:
            waited = clock.monotonic() - since
            if step is not None:
                step.facts["waited"] = waited
        if has_room and step is None and waited >= NOTEWORTHY:
            try:
                call.report("throttled", f"waited {waited:.3g} s for {quota}", waited=waited)
            except BaseException:  # Ctrl-C, while somebody writes it to a log
                quota.give(permit)
                raise
        return has_room

    def _refusal(self, call: Call, permit: Permit, longest: float) -> RateLimited:
        quota = permit.quota
        needed = quota.at_least(permit, clock.monotonic())
        text = refusal_text(quota, permit, needed)
        in_line = len(quota.line.waiting)
        if in_line >= self._max_waiting:
            bound = f"{in_line} calls wait already, as many as max_waiting= allows"
        elif longest < self._max_wait:
            bound = f"the deadline leaves {longest:.3g} s, {in_line} calls wait"
        else:
            bound = f"max_wait is {longest:.3g} s, {in_line} calls wait"
        call.report("rate_limited", f"refused: {text}")
        return RateLimited(
            f"{call.target.label}: {text} ({bound}). Raise "
            "max_wait=, add @fallback, or come back after exc.retry_after seconds.",
            label=call.target.label,
            # Where nobody knows, whoever comes back at once must not come back for ever.
            retry_after=needed or _UNKNOWN,
        )
