"""Departures from a function's own past.

The past is a list of windows that hardly overlap. What is usual is their median, give or take
their median absolute deviation, which a few bad windows do not move (Leys et al.: "Detecting
outliers: Do not use standard deviation around the mean, use absolute deviation around the median",
Journal of Experimental Social Psychology 49, 2013).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from resilient.diagnostics.alerts.windows import Window

MOST = 48
"""Windows that are remembered: what lasts longer than half of them becomes usual."""

LEAST = 8
"""Windows without which nothing is usual yet."""

_SIGMA = 1.4826  # of the normal distribution, in median absolute deviations
_WIDTH = 5.0  # 3 would do for independent looks at normal noise; these look every few seconds
_FEW = 4.0  # few windows tell the deviation badly: the band is wider by this, over their number
_CHANCE = 4.0  # standard deviations of a binomial share that chance explains, as often as one looks
_LATENCY_FACTOR = 1.5  # nobody gets up for what is less than half slower
_LATENCY_LEAST = 0.005
_RATE_LEAST = 0.05


class Band(NamedTuple):
    """What a figure usually is: the middle, give or take the spread; and what is unusual."""

    middle: float
    spread: float
    limit: float
    windows: int


class Past:
    """The windows of one function or service. Not locked: its owner is."""

    __slots__ = ("_due", "latencies", "rates")

    def __init__(self) -> None:
        self.latencies: deque[float] = deque(maxlen=MOST)
        """The 95th percentile of each window, in seconds."""
        self.rates: deque[float] = deque(maxlen=MOST)
        """The share of failures in each window."""
        self._due = -math.inf

    def remember(self, window: Window, now: float, over: float, min_calls: int) -> None:
        """Add a window that is whole, once the last one added is past."""
        # The clock may have been put back.
        if self._due - over <= now < self._due or window.seconds < over:
            return
        self._due = now + over
        if window.calls >= min_calls:
            self.rates.append(window.share(window.failed))
            latency = window.quantile(0.95)
            if latency is not None:
                self.latencies.append(latency)


def latency_band(past: Sequence[float]) -> Band | None:
    """What the latency usually is; None if too little is known."""
    if len(past) < LEAST:
        return None
    # By their logarithms: what makes a call slow multiplies its time.
    logs = [math.log(max(seconds, 1e-9)) for seconds in past]
    center, deviation = _robust(logs)
    middle = math.exp(center)
    factor = max(math.exp(_width(past) * deviation), _LATENCY_FACTOR)
    limit = max(middle * factor, middle + _LATENCY_LEAST)
    return Band(middle, middle * math.expm1(deviation), limit, len(past))


def rate_band(past: Sequence[float], calls: int) -> Band | None:
    """What the failure rate of so many calls usually is; None if too little is known."""
    if len(past) < LEAST:
        return None
    middle, deviation = _robust(past)
    # One failure of ten calls is chance, not a departure. The share is never taken for quite 0 or 1
    # (Laplace's rule of succession).
    share = (middle * calls + 1) / (calls + 2)
    chance = _CHANCE * math.sqrt(share * (1 - share) / max(calls, 1))
    margin = max(_width(past) * deviation, chance, _RATE_LEAST)
    return Band(middle, deviation, middle + margin, len(past))


def sure_quantile(calls: int) -> float:
    """Which quantile of so many calls is above a limit if more than 5 % of them are, beyond chance.

    The 95th percentile of few calls is one of them. Where about one call in twenty is slow, it is
    that of a slow one now and then.
    """
    return max(0.5, 0.95 - _CHANCE * math.sqrt(0.95 * 0.05 / max(calls, 1)))


def _width(past: Sequence[float]) -> float:
    return _WIDTH * (1 + _FEW / len(past))


def _robust(past: Sequence[float]) -> tuple[float, float]:
    middle = median(past)
    return middle, _SIGMA * median(abs(value - middle) for value in past)
