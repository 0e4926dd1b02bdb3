"""Quotas as vendors enforce them. Times are monotonic seconds, handed in."""

from __future__ import annotations

import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol


@dataclass(frozen=True)
class QuotaSpec:
    """One quota of a server.

    kind: "fixed", "first" (fixed, but a window starts with the first request after the last one),
        "sliding" (an exact log), "bucket" (as nginx's limit_req or a token bucket: `burst` more
        than one at once), "closed" (nobody for one period from the first request on, then anybody).
    age: for fixed windows, the share of its window that is over when the first request comes; None
        draws it.
    fraction: for fixed windows, the part of a wall clock's second at which they start; it comes
        before `age`, and decides what rounding the reset does.
    path: the beginning of the paths it is for. resource: its name in headers, "" for none.
    """

    kind: str = "fixed"
    calls: int = 100
    period: float = 2.0
    age: float | None = None
    fraction: float | None = None
    burst: int = 0
    path: str = "/"
    resource: str = ""

    @property
    def rate(self) -> float:
        return self.calls / self.period

    def make(self) -> Quota:
        return KINDS[self.kind](self)


class Decision(NamedTuple):
    """What became of one request.

    reset_in: seconds until the quota is whole again, or until the oldest request of a sliding
        window leaves it. retry_in: seconds until a request may be admitted again, 0.0 if it was.
    window: a number that grows from window to window.
    """

    admitted: bool
    remaining: int
    reset_in: float
    retry_in: float
    window: int


class Quota(Protocol):
    spec: QuotaSpec

    def ask(self, now: float) -> Decision:
        """Count one request at this moment, or refuse it."""


class Fixed:
    """At most `calls` from one fixed moment to the next."""

    def __init__(self, spec: QuotaSpec) -> None:
        self.spec = spec
        self.anchor: float | None = None
        self._window = 0
        self._used = 0

    def start_of(self, window: int) -> float:
        assert self.anchor is not None
        return self.anchor + window * self.spec.period

    def ask(self, now: float) -> Decision:
        spec = self.spec
        if self.anchor is None:
            self.anchor = now - _age(spec, now)
        window = math.floor((now - self.anchor) / spec.period)
        if window != self._window:
            self._window, self._used = window, 0
        admitted = self._used < spec.calls
        self._used += admitted
        reset_in = self.start_of(window + 1) - now
        return Decision(
            admitted, spec.calls - self._used, reset_in, 0.0 if admitted else reset_in, window
        )


def _age(spec: QuotaSpec, now: float) -> float:
    if spec.fraction is not None:
        past = (time.time() - spec.fraction) % 1.0
        return past + random.randrange(max(1, int(spec.period)))
    return spec.period * (random.random() if spec.age is None else spec.age)


class First:
    """A fixed window that starts with the first request after the last window."""

    def __init__(self, spec: QuotaSpec) -> None:
        self.spec = spec
        self._ends = -math.inf
        self._window = -1
        self._used = 0

    def ask(self, now: float) -> Decision:
        spec = self.spec
        if now >= self._ends:
            self._ends, self._used = now + spec.period, 0
            self._window += 1
        admitted = self._used < spec.calls
        self._used += admitted
        left = self._ends - now
        return Decision(
            admitted, spec.calls - self._used, left, 0.0 if admitted else left, self._window
        )


class Sliding:
    """At most `calls` in any period; what was refused does not count."""

    def __init__(self, spec: QuotaSpec) -> None:
        self.spec = spec
        self._log: deque[float] = deque()
        self._first: float | None = None

    def ask(self, now: float) -> Decision:
        spec, log = self.spec, self._log
        if self._first is None:
            self._first = now
        while log and log[0] <= now - spec.period:
            log.popleft()
        admitted = len(log) < spec.calls
        if admitted:
            log.append(now)
        oldest = log[0] + spec.period - now
        return Decision(
            admitted,
            spec.calls - len(log),
            oldest,
            0.0 if admitted else oldest,
            int((now - self._first) / spec.period),
        )


class Bucket:
    """A token bucket that holds 1 + burst; the same as nginx's leaky one with `nodelay`."""

    def __init__(self, spec: QuotaSpec) -> None:
        self.spec = spec
        self._tokens = 1.0 + spec.burst
        self._at: float | None = None
        self._first = 0.0

    def ask(self, now: float) -> Decision:
        spec = self.spec
        if self._at is None:
            self._at = self._first = now
        most = 1.0 + spec.burst
        self._tokens = min(most, self._tokens + (now - self._at) * spec.rate)
        self._at = now
        admitted = self._tokens >= 1.0
        self._tokens -= admitted
        return Decision(
            admitted,
            int(self._tokens),
            (most - self._tokens) / spec.rate,
            0.0 if admitted else (1.0 - self._tokens) / spec.rate,
            int((now - self._first) / spec.period),
        )


class Closed:
    """Refuses everybody for one period, and nobody after that."""

    def __init__(self, spec: QuotaSpec) -> None:
        self.spec = spec
        self._ends: float | None = None

    def ask(self, now: float) -> Decision:
        if self._ends is None:
            self._ends = now + self.spec.period
        left = self._ends - now
        if left > 0:
            return Decision(False, 0, left, left, 0)
        return Decision(True, self.spec.calls, self.spec.period, 0.0, 1)


KINDS: dict[str, Callable[[QuotaSpec], Quota]] = {
    "fixed": Fixed,
    "first": First,
    "sliding": Sliding,
    "bucket": Bucket,
    "closed": Closed,
}
