"""One quota of the vendor's, as its answers tell of it.

An answer tells what was left when the vendor counted its request. Those that are under way may or
may not be in it, and somebody else may spend the same quota meanwhile, so what may be sent is the
least that can be left.
"""

from __future__ import annotations

import math
import re
from collections import deque
from typing import NamedTuple

from resilient.admission.pacing import Ramp

MAX_WAIT = 24 * 3600.0
"""Seconds; no header makes a caller wait longer than this."""

BLIND = 1.0
"""Seconds until a vendor that has nothing left and does not say for how long is asked again."""

STALE = 0.25
"""Seconds after which others have spent what nobody told us of."""

_WORTH_FORETELLING = 60.0
"""Seconds until a reset that somebody could do something about."""

_MOST_SHY = 5.0
"""Seconds that others are given a start at the most."""

_MOVES = 0.001
"""Seconds that rounding does not account for."""

_FORESEEN = 2.0
"""Seconds for which others are taken to spend as they did."""

_MEMORY = 5.0
"""Seconds in which half of what is known of others is forgotten."""

_TREND = 10.0
"""Seconds after which a pace is more than a burst."""


_HARMLESS = re.compile(
    r"(?=.{1,40}$)[A-Za-z]{1,20}[0-9]{0,4}[A-Za-z]{0,8}(?:[ ._:/-][A-Za-z]{1,20}[0-9]{0,4})*"
)
"""A name that people may read: headers can hold account numbers, tokens and control characters."""


class Told(NamedTuple):
    """What one answer tells of one quota.

    remaining: units left. sent, at: when its request left and its headers came (monotonic seconds).
    resets_at: monotonic seconds, None if not told. refused: did this answer refuse for rate?
    """

    remaining: float
    limit: float | None
    resets_at: float | None
    sent: float
    at: float
    refused: bool


class Forecast(NamedTuple):
    """When a quota will be gone, if all go on like this: seconds from now, and until its reset."""

    gone_in: float
    resets_in: float


class Bucket:
    """What is left of one quota, and until when. Guarded by the lock of its Quota.

    left: units left by the newest word of the vendor. resets_at: when it said that they are
    renewed (monotonic seconds). lag: seconds by which it turned out to be late, as a vendor is that
    rounds down. price: units a request costs, 1.0 if the vendor counts requests. others: units a
    second that somebody else spends. rolls: has it been seen to be renewed little by little, as a
    sliding window is? told_at: when the newest word came. is_told_of: does everybody know that
    nothing is left?
    """

    __slots__ = (
        "_asks_since",
        "_counts_requests",
        "_is_foretold",
        "_latency",
        "_left_first",
        "_longest",
        "_mine",
        "_own",
        "_shared",
        "_since",
        "_strangers",
        "is_told_of",
        "lag",
        "left",
        "limit",
        "name",
        "others",
        "price",
        "ramp",
        "resets_at",
        "rolls",
        "told_at",
    )

    def __init__(
        self,
        name: str,
        told: Told,
        *,
        counts_requests: bool = True,
        strangers: int = 0,
        shared: bool = False,
    ) -> None:
        """strangers: requests under way that `ramp` does not count, since nobody knew of this.

        shared: does a store of shared state see to what workers spend who are no others?
        """
        self.name = name
        self.lag = 0.0
        self.price = 1.0
        self.others = 0.0
        self.rolls = False
        self._shared = shared
        self.ramp = Ramp()
        self._asks_since = math.inf
        self._counts_requests = counts_requests
        self._is_foretold = False
        self.limit: float | None
        self.resets_at: float | None
        self._latency = told.at - told.sent
        self._mine: deque[float] = deque(maxlen=256)
        self._longest = 0.0
        self._note(told)
        self._begin(told)
        self._strangers = strangers

    # What it tells.

    @property
    def due(self) -> float:
        """When the next window has begun (monotonic seconds), as far as is known."""
        if self.resets_at is None:
            return math.inf
        due = self.resets_at + self.lag
        if self.others and self._mine:
            # What comes back little by little is whose it was: others spend theirs again, and
            # the first of ours may still be lost to them.
            ours = self._mine[min(2, len(self._mine) - 1)] + self._longest
            due += min(max(0.0, ours - due), self._longest / 8, _MOST_SHY)
        return due

    @property
    def share_left(self) -> float:
        """What is left, as a share of the limit."""
        return self.left / self.limit if self.limit else math.inf

    def __str__(self) -> str:
        of = f" of {self.limit:g}" if self.limit else ""
        what = "calls" if self._counts_requests else "units"
        name = f" ({self.name})" if _HARMLESS.fullmatch(self.name) else ""
        return f"{self.left:g}{of} {what} left{name}"

    @property
    def is_named(self) -> bool:
        """Did the vendor give it a name?"""
        return bool(self.name)

    def lacks_room(self, now: float) -> bool:
        """Is nothing left that a request could spend?"""
        return now < self.due and self.spare(0.0, now) < self.price

    # Who may go.

    def lacks(self, cost: int, reserve: float, now: float) -> float:
        """Seconds until a request may go at the latest; an answer may change that.

        reserve: the share of the limit that is kept back from it.
        """
        wait = self.due - now
        if wait > 0 and self.spare(reserve, now) >= cost * self.price:
            if self.others and now - self.told_at > STALE:
                self.ramp.restart()
            return self.ramp.lacks(now)
        if wait == math.inf:
            wait = self.told_at + BLIND - now
        if wait > 0:
            return wait
        if self._asks_since == math.inf:
            # One request finds out what is left now.
            self._asks_since = now
            self.ramp.restart()
        return self.ramp.lacks(now)

    def spare(self, reserve: float, now: float) -> float:
        """Units that are surely left."""
        most = self.limit or self._left_first
        under_way = self.ramp.under_way + self._strangers
        left = self.left - under_way * self.price - reserve * most
        # The last one is kept to ask whether the window is over, while it is not known whether the
        # vendor rounds its reset down.
        is_kept = self.resets_at is not None and not self.lag and most >= 10
        kept = 1.0 if is_kept and self._counts_requests else 0.0
        age = min(now - self.told_at, _FORESEEN)
        lost = self.others * (age + self._latency)
        # Three deviations of chance; but never much of the quota while the news is fresh.
        most_lost = most / 12 if age < STALE else most / 2
        return left - kept - min(math.ceil(lost + 3 * math.sqrt(lost)), most_lost)

    def at_least(self, place: int, reserve: float, now: float) -> float:
        """Seconds that the caller at this place (0 is first) waits at the least."""
        wait = self.due - now
        if wait <= 0 or wait == math.inf:
            return 0.0
        return 0.0 if self.spare(reserve, now) >= (place + 1) * self.price else wait

    def interval(self, now: float) -> float:
        """Seconds between requests that spend what is left evenly until the reset."""
        wait = self.due - now
        return 0.0 if wait <= 0 or wait == math.inf else wait / max(1.0, self.spare(0.0, now))

    # What is learned.

    def learn(self, told: Told) -> None:
        """Hear one answer; several may come in any order."""
        is_due = self.resets_at is not None and told.sent >= min(self.due, self._asks_since)
        self._latency += (told.at - told.sent - self._latency) / 8
        self._own += 1
        self._note(told)
        is_newer = told.sent >= self.told_at
        if is_due:
            if self._is_late(told):
                self._wait_on(told)
            else:
                self._renew(told)
        elif is_newer and told.remaining > self.left + self.ramp.under_way + 1:
            self._renew(told)
        elif is_newer or told.remaining < self.left:
            self._count(told)
            self._move_reset(told, is_newer=is_newer)

    def overhear(self, sent: float) -> None:
        """Some request was answered, perhaps one of the strangers, whatever it has spent."""
        if self._strangers and sent < self._since:
            self._strangers -= 1

    def renew_in_child(self) -> None:
        """In a forked child: nothing is under way."""
        self.ramp.under_way = 0
        self._strangers = 0

    def hold(self, until: float) -> None:
        """Nothing is left until then (monotonic seconds): the vendor said so."""
        self.left = 0.0
        self.resets_at = until

    def forecast(self, now: float) -> Forecast | None:
        """When it will be gone at this pace, once a window, if that is well before its reset."""
        if self._is_foretold or self.resets_at is None or not self.left:
            return None
        spent, passed = self._left_first - self.left, now - self._since
        resets_in = self.resets_at - now
        if resets_in < _WORTH_FORETELLING or passed < _TREND:
            return None
        if spent < max(5.0, self._left_first / 20):
            return None
        gone_in = self.left * passed / spent
        if gone_in > 0.9 * resets_in:
            return None
        self._is_foretold = True
        return Forecast(gone_in, resets_in)

    def _note(self, told: Told) -> None:
        """When ours were counted, as far as a sliding window still counts them."""
        if told.resets_at is not None:
            self._longest = max(self._longest, told.resets_at - told.at)
        while self._mine and self._mine[0] + self._longest <= told.at:
            self._mine.popleft()
        if not told.refused:
            self._mine.append(told.at)

    def _begin(self, told: Told) -> None:
        self.limit = told.limit
        self.left = self._left_first = told.remaining
        self.resets_at = told.resets_at
        self.told_at = self._since = told.at
        self._own = 0
        self._strangers = 0
        self._asks_since = math.inf
        self._is_foretold = False
        self.is_told_of = False

    def _renew(self, told: Told) -> None:
        """A new window has begun; who spent in the last one will probably do so again."""
        self.others *= 0.5 ** ((told.at - self._since) / _MEMORY)
        if self.others < 0.01:
            self.others = 0.0
        self.rolls = self.limit is not None and told.remaining < 0.75 * self.limit
        self._begin(told)

    def _is_late(self, told: Told) -> bool:
        """Is the old window still in force, though it should be over?"""
        if told.refused:
            return True
        is_spent = self.left >= self.price and told.remaining < self.left
        claims_more = told.resets_at is not None and told.resets_at > self.due + 0.5
        return is_spent and not claims_more

    def _wait_on(self, told: Told) -> None:
        before = self.told_at
        self._count(told)
        if told.resets_at is not None and self.resets_at is not None:
            # A reset that moves on belongs to a window that does.
            self.rolls = self.rolls or told.resets_at > told.at + _MOVES
            self.resets_at = max(self.resets_at, told.resets_at)
        else:
            self.resets_at = told.resets_at or told.at
        if self.rolls:
            # Somebody was faster, which is no news of the reset.
            if not self._shared:
                self.others = max(self.others, 1 / max(told.at - before, 0.02))
            return
        if self.resets_at + self.lag <= told.at:
            # Whole seconds rounded down are late by up to one, whole minutes by more.
            self.lag = min(max(1.0, 2 * self.lag), 64.0)

    def _count(self, told: Told) -> None:
        """What was spent, by us and by others."""
        before = self.left
        self.left = told.remaining
        self._asks_since = math.inf
        self.limit = told.limit or self.limit
        self.told_at = max(self.told_at, told.at)
        if not self._counts_requests:
            self.price += (max(before - self.left, 0.0) - self.price) / 4
            return
        if self._shared:
            return
        # All of ours that are under way may be in it, so this is the least.
        theirs = self._left_first - self.left - self._own - self.ramp.under_way
        if theirs > 0:
            self.others = max(self.others, theirs / max(told.at - self._since, 0.1))

    def _move_reset(self, told: Told, *, is_newer: bool) -> None:
        if told.resets_at is None:
            return
        if self.resets_at is None or (is_newer and told.resets_at > self.resets_at + 1.0):
            self.resets_at = told.resets_at
        else:
            # Time until a moment, in whole seconds: the soonest is nearest to it (or, if it is
            # rounded down, `lag` after it).
            self.resets_at = min(self.resets_at, told.resets_at)
