"""How fast traffic goes where counting alone does not tell: all guarded by the lock of a quota."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterable

PATIENCE = 1.0
"""Seconds after which one more request may go although nothing under way has been answered."""

WIDE = 32
"""Requests under way that nobody takes for a herd any more."""

GAP = 0.02
"""Seconds between the first two requests of traffic that resumes; then ever less."""


class Ramp:
    """Traffic that was held back resumes with one request, which finds out how things are.

    allowed: how many may be under way unanswered. Each answer allows one more, which doubles them
    with every round trip: the slow start of RFC 5681 3.1, counted in requests. Since a vendor may
    answer within a millisecond, the nth request also keeps a distance of GAP / n.
    """

    __slots__ = ("_gap", "_newest", "_resumed", "allowed", "under_way")

    def __init__(self, allowed: float = math.inf) -> None:
        self.allowed = allowed
        self.under_way = 0
        self._newest = -math.inf
        self._resumed = 0
        self._gap = 0.0  # nothing was held back yet

    @property
    def is_open(self) -> bool:
        """Does nothing hold traffic back?"""
        return self.allowed == math.inf

    def restart(self) -> None:
        """Begin with one request again."""
        self.allowed = 1
        self._resumed = 0
        self._gap = GAP

    def open(self) -> None:
        """Let all traffic go."""
        self.allowed = math.inf

    def lacks(self, now: float) -> float:
        """Seconds until one more may go at the latest; an answer may come sooner."""
        if self.is_open:
            return 0.0
        distance = PATIENCE
        if self.under_way < self.allowed:
            distance = self._gap / self._resumed if self._resumed else 0.0
        return max(0.0, self._newest + distance - now)

    def enter(self, now: float) -> None:
        """One more is under way."""
        self.under_way += 1
        self._resumed += 1
        self._newest = now
        self.allowed = max(self.allowed, self.under_way)

    def leave(self, *, fine: bool) -> None:
        """One was answered, or is over."""
        self.under_way = max(0, self.under_way - 1)  # a forked child has none of its parent's
        if fine:
            self.allowed += 1
            if self.allowed >= WIDE:
                self.allowed = math.inf


class Backoff:
    """How long nobody goes after refusals that did not say for how long: ever longer, until one is
    admitted again.
    """

    FIRST = 0.1
    MOST = 60.0

    __slots__ = ("_seconds", "_until")

    def __init__(self) -> None:
        self._seconds = 0.0
        self._until = -math.inf

    def refused(self, sent: float, now: float) -> float | None:
        """Seconds to stay away; None if the refused request left before it was known."""
        if sent < self._until:
            return None
        self._seconds = min(max(self.FIRST, 2 * self._seconds), self.MOST)
        self._until = now + self._seconds
        return self._seconds

    @property
    def is_first(self) -> bool:
        """Was something admitted before the newest refusal?"""
        return self._seconds == self.FIRST

    def admitted(self, sent: float) -> None:
        """A request was admitted."""
        if sent >= self._until:
            self._seconds = 0.0


class Meter:
    """The rate of the newest admissions."""

    SPAN = 2.0
    """Seconds; a rate over less is a guess."""

    FEW = 8

    __slots__ = ("_moments",)

    def __init__(self, moments: Iterable[float] = ()) -> None:
        self._moments = deque(moments, maxlen=1024)

    def add(self, now: float) -> None:
        """Note an admission."""
        self._moments.append(now)

    def is_guess(self, now: float) -> bool:
        """Is it too early to tell a rate?"""
        return not self._moments or now - self._moments[0] < self.SPAN

    def rate(self, now: float) -> float:
        """Admissions a second."""
        recent = self._since(now - self.SPAN)
        if recent >= self.FEW or not self._moments:
            return max(recent, 1) / self.SPAN
        few = min(len(self._moments), self.FEW)
        return few / max(now - self._moments[-few], self.SPAN)

    def newest_rate(self, now: float) -> float:
        """Admissions a second, in the last second."""
        return max(1.0, self._since(now - 1))

    def _since(self, moment: float) -> int:
        return sum(1 for _ in itertools.takewhile(moment.__lt__, reversed(self._moments)))


class Cubic:
    """A rate that was cut since the vendor refused without saying for how long, and recovers.

    The recovery is CUBIC's (RFC 9438 4.2), as in the adaptive mode of the AWS SDKs: quickly back
    to just below a target, slowly past it, and ever faster beyond. The cut is to half, as in
    RFC 5681. The target is HEADROOM of the refused rate, reached after RECOVERY seconds or CALLS
    requests, whichever is longer, so that a refusal stays rare. The refused rate lies between the
    newest and the mean since the last cut: a vendor that saves up unused quota refuses only long
    after its rate was passed.

    While the first refused rate is a guess, there is no such plateau, and CUBIC's C is the RFC's.
    """

    BETA = 0.5
    C = 0.4
    HEADROOM = 0.8
    RECOVERY = 10.0
    CALLS = 50
    BEYOND = 3.0
    """Times the recovery, after which the refusal is history: at over three times its rate."""

    __slots__ = ("_cut_at", "_is_guess", "_recovery", "_sent", "refused")

    def __init__(self, rate: float, now: float, *, is_guess: bool) -> None:
        self._is_guess = is_guess
        self._begin(rate, now)

    def enter(self) -> None:
        """One more request is sent."""
        self._sent += 1

    def cut(self, newest: float, now: float) -> None:
        """Cut again. newest: requests a second, of the newest ones alone."""
        refused = min(newest, self.rate(now))
        if not self._is_guess:
            mean = self._sent / max(now - self._cut_at, 0.5)
            refused = (refused + min(refused, mean)) / 2
        self._is_guess = False
        self._begin(self.HEADROOM * refused, now)

    def rate(self, now: float) -> float:
        """Requests a second."""
        if self._is_guess:
            return self.refused * self.BETA + self.C * (now - self._cut_at) ** 3
        progress = (now - self._cut_at) / self._recovery
        return self.refused * (1 + (1 - self.BETA) * (progress - 1) ** 3)

    def is_over(self, now: float) -> bool:
        """Was more than enough sent without a refusal?"""
        return now - self._cut_at >= self.BEYOND * self._recovery

    def _begin(self, refused: float, now: float) -> None:
        self.refused = refused
        self._cut_at = now
        self._sent = 0
        self._recovery = max(self.RECOVERY, self.CALLS / self.refused)
