"""The quota of one credential or tenant: its rates, what the vendor told of it, and who waits."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

from resilient.admission.answer import Answer, News
from resilient.admission.bucket import MAX_WAIT, Bucket
from resilient.admission.buckets import Buckets
from resilient.admission.log import AdmissionLog
from resilient.admission.pacing import Backoff, Cubic, Meter, Ramp
from resilient.admission.permit import Permit
from resilient.admission.rates import Rate
from resilient.timing import clock
from resilient.waiting import Line

_AGAIN = 60.0
"""Seconds after a pause in which another refusal shows that pausing alone does not help."""


class Quota:
    """Who may send a request now.

    Calls that all take one slot of one rate are `simple`: they need no lock, until the vendor has
    told something, which `guarded_until` (monotonic seconds) says.

    `_lock` makes taking several slots one step; it guards everything but `users`, the calls that
    hold on to this quota, which is for whoever keeps quotas.
    """

    __slots__ = (
        "_asks_first",
        "_backoff",
        "_lock",
        "_meter",
        "_next_at",
        "_ramp",
        "_reserve",
        "_spread",
        "buckets",
        "cubic",
        "guarded_until",
        "is_simple",
        "line",
        "logs",
        "paused_until",
        "users",
    )

    def __init__(
        self,
        rates: Sequence[Rate],
        max_waiting: int,
        *,
        simple: bool,
        reserve: float = 0.0,
        spread: bool = False,
        careful: bool = False,
        buckets: Buckets | None = None,
    ) -> None:
        self.logs = [AdmissionLog(rate) for rate in rates]
        self.line = Line(max_waiting)
        self.paused_until = -math.inf
        self.users = 0
        self.is_simple = simple and len(self.logs) == 1
        self.buckets = buckets or Buckets()
        self.cubic: Cubic | None = None
        self._reserve = reserve
        self._spread = spread
        # Where nothing at all is known, the first answer may tell.
        self._ramp = Ramp(1 if careful else math.inf)
        self._asks_first = careful
        # Where there are rates, their log has counted until something is cut.
        self._meter = None if self.logs else Meter()
        self._backoff = Backoff()
        self._next_at = -math.inf
        self._lock = threading.Lock()
        self.guarded_until = -math.inf
        self._guard_locked()

    @property
    def is_idle(self) -> bool:
        """Would nothing be forgotten with this quota?"""
        now = clock.monotonic()
        return (
            not self.users
            and not self.line.waiting
            and self.paused_until <= now
            and all(log.is_idle(now) for log in self.logs)
            and all(bucket.due <= now for bucket in list(self.buckets.all.values()))
        )

    # Taking and giving.

    def take(self, permit: Permit, now: float) -> float:
        """Take what the permit needs of every rate and quota, or nothing.

        Returns: 0.0, or the seconds until trying again may help; math.inf as in AdmissionLog.take.
        """
        if self.guarded_until <= now:
            return self._take_of_rates(permit, now)
        with self._lock:
            buckets = self.buckets.of(permit.who)
            return self._lacks_locked(permit, buckets, now) or self._take_locked(
                permit, buckets, now
            )

    def _take_of_rates(self, permit: Permit, now: float) -> float:
        """The same while the vendor has told nothing that counts."""
        if self.is_simple:
            return self.logs[0].take(now)
        if self._meter is not None:
            self._meter.add(now)
        if not self.logs:
            return 0.0
        with self._lock:
            wait = self._lacks_of_logs_locked(permit, now)
            if not wait:
                for log in self.logs:
                    log.take_some(permit.cost, now)
            return wait

    def give(self, permit: Permit) -> None:
        """The request is done: its slots are free again one period from now."""
        now = clock.monotonic()
        for log in self.logs:
            for _ in range(permit.cost):
                log.give(now + log.rate.period)
        if permit.ramps:
            with self._lock:
                self._answered_locked(permit, fine=True)
                self._guard_locked()
        if self.line.waiting:
            self.line.wake()

    def hand_over(self, permit: Permit, heir: Permit) -> None:
        """Let another permit count for what is under way."""
        with self._lock:
            heir.ramps, permit.ramps = permit.ramps, ()

    def group_of(self, who: str) -> object:
        """Those of one group wait for the same; what is shared is all there is to most."""
        if self.buckets.is_one_for_all:
            return None
        with self._lock:
            return frozenset(id(bucket) for bucket in self.buckets.of(who)) or None

    def at_least(self, permit: Permit, now: float) -> float:
        """Seconds that somebody who joins the line now waits at the least."""
        group = self.group_of(permit.who)
        place = self.line.in_front(group, urgent=permit.urgent) + permit.cost - 1
        waits = [log.at_least(place, now) for log in self.logs]
        with self._lock:
            buckets = self.buckets.of(permit.who)
            for bucket in buckets:
                reserve = 0.0 if permit.urgent else self._reserve
                waits.append(bucket.at_least(place, reserve, now))
            interval = self._interval_locked(buckets, now)
            if interval:
                waits.append(self._next_at - now + interval * place)
        return max([0.0, self.paused_until - now, *waits])

    def renew_in_child(self) -> None:
        """In a forked child: the calls that run and wait are those of threads left behind."""
        now = clock.monotonic()
        for log in self.logs:
            log.give_all(now)
        self._ramp.under_way = 0
        for bucket in self.buckets.all.values():
            bucket.renew_in_child()
        self.line.clear()
        self.users = 0

    # What the vendor tells.

    @property
    def listens(self) -> bool:
        """Does it matter that an answer came which tells nothing?"""
        return self.guarded_until == math.inf

    def hear(self, permit: Permit | None, answer: Answer) -> list[News]:
        """Learn from one answer; what everybody should know comes back."""
        news: list[News] = []
        with self._lock:
            if self._asks_first:
                self._ramp.open()
                self._asks_first = False
            for bucket in self.buckets.all.values():
                bucket.overhear(answer.sent)
            if answer.windows:
                self.buckets.learn(answer, max(0, self._running_locked() - 1), news)
            if answer.wait or answer.refused:
                self._heed_locked(answer, news)
            else:
                self._backoff.admitted(answer.sent)
            if permit is not None:
                self._answered_locked(permit, fine=not answer.refused)
            self._forget_locked(answer.at)
            self._guard_locked()
        if self.line.waiting:
            self.line.wake()
        return news

    def pause(self, seconds: float) -> bool:
        """Admit nobody for some seconds; True if that is news."""
        now = clock.monotonic()
        with self._lock:
            is_news = self._pause_locked(now + seconds, now)
            self._guard_locked()
        return is_news

    def binding(self, who: str, now: float) -> Bucket | None:
        """The vendor's quota that will hold this function back first."""
        if not self.buckets.all:
            return None
        with self._lock:
            return self.buckets.binding(who, now)

    def __str__(self) -> str:
        return " and ".join(str(log.rate) for log in self.logs) or "the vendor's limit"

    # All below with the lock held.

    def _take_locked(self, permit: Permit, buckets: list[Bucket], now: float) -> float:
        """Take what is not lacking, unless a call without the lock was faster."""
        if self.is_simple:
            wait = self.logs[0].take(now)
            if wait:
                return wait
        else:
            for log in self.logs:
                log.take_some(permit.cost, now)
        if self._meter is not None:
            self._meter.add(now)
        if self.cubic is not None:
            self.cubic.enter()
        interval = self._interval_locked(buckets, now) * permit.cost
        if interval:
            # A thread that wakes late must not slow down all that follow; only what was cut
            # for going too fast is never hurried.
            late = 0.0 if self.cubic else interval
            self._next_at = max(self._next_at, now - late) + interval
        ramps = (self._ramp, *(bucket.ramp for bucket in buckets))
        for ramp in ramps:
            ramp.enter(now)
        # Threads of one call may each take for it at the same time.
        permit.ramps += ramps
        return 0.0

    def _lacks_locked(self, permit: Permit, buckets: list[Bucket], now: float) -> float:
        wait = max(self.paused_until - now, self._next_at - now, self._ramp.lacks(now))
        if wait > 0:
            return wait
        reserve = 0.0 if permit.urgent else self._reserve
        wait = max([bucket.lacks(permit.cost, reserve, now) for bucket in buckets], default=0.0)
        return wait or (0.0 if self.is_simple else self._lacks_of_logs_locked(permit, now))

    def _lacks_of_logs_locked(self, permit: Permit, now: float) -> float:
        wait = 0.0
        for log in self.logs:
            wait = max(wait, log.lacks(permit.cost + self._kept_locked(permit, log.rate), now))
        return wait

    def _kept_locked(self, permit: Permit, rate: Rate) -> int:
        """Slots that this permit has to leave."""
        return 0 if permit.urgent else math.ceil(self._reserve * rate.calls)

    def _interval_locked(self, buckets: list[Bucket], now: float) -> float:
        """Seconds from one admission to the next, where they are paced."""
        interval = 0.0
        if self._spread:
            for log in self.logs:
                interval = max(interval, log.rate.period / log.rate.calls)
            for bucket in buckets:
                interval = max(interval, bucket.interval(now))
        if self.cubic is not None:
            interval = max(interval, 1 / self.cubic.rate(now))
        return interval

    def _answered_locked(self, permit: Permit, *, fine: bool) -> None:
        for ramp in permit.ramps:
            ramp.leave(fine=fine)
        permit.ramps = ()

    def _running_locked(self) -> int:
        """How many requests are under way."""
        return max(self.logs[0].running if self.is_simple else 0, self._ramp.under_way)

    def _heed_locked(self, answer: Answer, news: list[News]) -> None:
        """Stay away for as long as the vendor said, or go slower if it did not say."""
        wait = answer.wait
        if wait is not None and wait > MAX_WAIT:
            wait = MAX_WAIT
            self.buckets.tell_of_cap(news)
        if wait:
            # It counts from the answer, which may be a while ago.
            now = clock.monotonic()
            until = answer.at + wait
            if answer.scoped and answer.windows:
                self.buckets.hold(answer, until, now, news)
                return
            paused_before = self.paused_until
            if self._pause_locked(until, now):
                news.append(News("paused", until - now))
            if answer.windows or answer.sent < paused_before or paused_before < answer.at - _AGAIN:
                return
        # Of a quota that is used up, and just now renewed, its bucket knows all there is to know.
        is_told = wait == 0 and answer.windows and answer.windows[0][1].remaining <= 0
        if answer.refused and not is_told:
            self._slow_down_locked(answer, news)

    def _slow_down_locked(self, answer: Answer, news: list[News]) -> None:
        now = clock.monotonic()
        pause = self._backoff.refused(answer.sent, now)
        if pause is None:
            return
        self._pause_locked(now + pause, now)
        if not self._backoff.is_first:
            return  # it was admitted nothing since the last cut, so that was no test of the rate
        meter = self._meter
        if meter is None:
            meter = self._meter = Meter(self.logs[0].newest(1024))
        if self.cubic is None:
            self.cubic = Cubic(meter.rate(now), now, is_guess=meter.is_guess(now))
        else:
            self.cubic.cut(meter.newest_rate(now), now)
        news.append(News("slowed", rate=self.cubic.rate(now)))

    def _pause_locked(self, until: float, now: float) -> bool:
        before = self.paused_until
        if until <= max(before, now):
            return False
        self.paused_until = until
        self._ramp.restart()
        # Threads that were refused together are told of one pause, each a moment later.
        return before <= now or until > before + 1.0

    def _forget_locked(self, now: float) -> None:
        if self.cubic is not None and self.cubic.is_over(now):
            self.cubic = None
            self._meter = None if self.logs else self._meter
            self._next_at = -math.inf
        self.buckets.forget(now)

    def _guard_locked(self) -> None:
        """Say until when calls need a look at more than the log."""
        is_guarded = bool(self.buckets.all or self.cubic or self._spread or not self._ramp.is_open)
        self.guarded_until = math.inf if is_guarded else self.paused_until
