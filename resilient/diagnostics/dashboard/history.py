"""Figures over time: calls, failures and latencies, window by window, in bounded memory."""

from __future__ import annotations

import math
import threading
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from operator import mul
from typing import Any, NamedTuple

from resilient.registry import Histogram

MOST_WINDOWS = 120
"""What a plot shows, and what is kept of each series."""

MOST_SERIES = 5_000

STEPS = (10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0)
"""Seconds that a window may last, for a history that has to fit."""


class Window(NamedTuple):
    """What happened in one window.

    p50, p95, p99: seconds; 0.0 without calls, NaN where no call was timed or most were refused:
    that takes no time, and an open breaker must not look like a quick vendor.
    """

    calls: float
    failed: float
    p50: float
    p95: float
    p99: float

    def quantile(self, name: str) -> float | None:
        """One of p50, p95, p99; None if there is nothing to tell."""
        seconds: float = getattr(self, name)
        return seconds if self.calls and not math.isnan(seconds) else None


QUIET = Window(0.0, 0.0, 0.0, 0.0, 0.0)


class Growth(NamedTuple):
    """What was added to a function's figures between two looks at them."""

    calls: int
    failed: int
    latency: Histogram
    refused: int = 0


class Tally:
    """A function's figures at the last look, to tell what has come since."""

    __slots__ = ("buckets", "calls", "failed", "refused")

    def __init__(self) -> None:
        self.calls = self.failed = self.refused = 0
        self.buckets: Mapping[int, int] = {}

    def grow(self, data: Mapping[str, Any]) -> Growth | None:
        """What has come since; None if nothing. Figures that fell count from zero again.

        data: as of FunctionStats.snapshot.
        """
        calls, failed = data["calls"], failed_of(data)
        refused = int(data["outcomes"].get("refused", 0))
        if calls < self.calls or failed < self.failed:
            self.calls = self.failed = self.refused = 0
            self.buckets = {}
        if calls == self.calls and failed == self.failed:
            return None
        latency = Histogram()
        buckets = data["latency"]["buckets"]
        for index, count in buckets.items():
            more = count - self.buckets.get(index, 0)
            if more > 0:
                latency.buckets[int(index)] = more
        latency.count = latency.buckets.total()
        latency.largest = data["latency"]["max"]
        more_refused = max(0, refused - self.refused)
        growth = Growth(calls - self.calls, failed - self.failed, latency, more_refused)
        self.calls, self.failed, self.buckets = calls, failed, buckets
        self.refused = refused
        return growth


def failed_of(data: Mapping[str, Any]) -> int:
    """Calls that did not end well, but for those that were the caller's own mistake."""
    outcomes = data["outcomes"]
    return int(data["calls"] - outcomes.get("ok", 0) - outcomes.get("mistake", 0))


class _Sum:
    """What an open window has seen so far."""

    __slots__ = ("calls", "failed", "latency", "refused")

    def __init__(self) -> None:
        self.calls = self.failed = self.refused = 0
        self.latency = Histogram()

    def add(self, growth: Growth) -> None:
        self.calls += growth.calls
        self.failed += growth.failed
        self.refused += growth.refused
        self.latency.merge(growth.latency)

    def window(self) -> Window:
        if not self.latency.count or self.refused > self.calls / 2:
            return Window(self.calls, self.failed, math.nan, math.nan, math.nan)
        quantiles = map(self.latency.quantile, (0.5, 0.95, 0.99))
        return Window(self.calls, self.failed, *quantiles)


class _Series:
    """Closed windows, a few bytes each. end: the index after the last one."""

    __slots__ = ("end", "figures")

    def __init__(self, end: int) -> None:
        self.end = end
        self.figures = array("f")

    def add(self, index: int, window: Window) -> None:
        width = len(QUIET)
        if index < self.end:
            place = len(self.figures) - (self.end - index) * width
            if place >= 0:
                before = Window(*self.figures[place : place + width])
                self.figures[place : place + width] = array("f", _both(before, window))
            return
        gap = min(index - self.end, MOST_WINDOWS)
        self.figures.extend(QUIET * gap)
        self.figures.extend(window)
        del self.figures[: -MOST_WINDOWS * width]
        self.end = index + 1

    def since(self, index: int) -> Window:
        """Those from an index on, as one: a page asks this of every function."""
        width = len(QUIET)
        figures = self.figures[max(0, len(self.figures) - max(0, self.end - index) * width) :]
        calls = figures[::width]
        total = sum(calls)
        if not total:
            return QUIET
        failed = sum(figures[1::width])
        p50, p95, p99 = (sum(map(mul, calls, figures[at::width])) / total for at in (2, 3, 4))
        if math.isnan(p50):
            timed = [one for one in self._windows(figures) if one.quantile("p50") is not None]
            weight = sum(one.calls for one in timed) or math.nan
            p50, p95, p99 = (sum(one.calls * one[at] for one in timed) / weight for at in (2, 3, 4))
        return Window(total, failed, p50, p95, p99)

    def items(self) -> Iterable[tuple[int, Window]]:
        first = self.end - len(self.figures) // len(QUIET)
        return enumerate(self._windows(self.figures), first)

    def _windows(self, figures: array[float]) -> Iterator[Window]:
        width = len(QUIET)
        return (Window(*figures[place : place + width]) for place in range(0, len(figures), width))


def _both(one: Window, other: Window) -> Window:
    """Two windows as one; its percentiles are about right."""
    calls, failed = one.calls + other.calls, one.failed + other.failed
    if one.quantile("p50") is None or other.quantile("p50") is None:
        # What only one of them can tell.
        told = one if other.quantile("p50") is None and one.calls else other
        return Window(calls, failed, *told[2:])
    share = other.calls / calls
    quantiles = [a + (b - a) * share for a, b in zip(one[2:], other[2:], strict=True)]
    return Window(calls, failed, *quantiles)


class History:
    """Series of windows by key. `_lock` guards all that is private, and `step`.

    Windows are open until they are closed: an open one holds a histogram for each key that was
    active, a closed one five numbers, to which more may be added. Window i ends at about i * step,
    Unix time.
    """

    def __init__(self, step: float) -> None:
        self.step = step
        self._lock = threading.Lock()
        self._open: dict[int, dict[str, _Sum]] = {}
        self._closed: OrderedDict[str, _Series] = OrderedDict()
        self._latest: int | None = None

    def renew(self) -> None:
        """Forget everything, and open the lock that a fork may have copied while it was held."""
        self.__init__(self.step)  # type: ignore[misc]  # the very same state as a new one's

    def add(self, at: float, keys: Iterable[str], growth: Growth) -> None:
        """Count what came until Unix time `at`; what is too old to be shown is dropped."""
        with self._lock:
            index = round(at / self.step)
            self._reach_locked(index)
            if index <= self._oldest_locked():
                return
            sums = self._open.setdefault(index, {})
            for key in keys:
                known = sums.get(key)
                if known is None:
                    if len(sums) >= MOST_SERIES:
                        continue
                    known = sums[key] = _Sum()
                known.add(growth)

    def reach(self, at: float) -> None:
        """It is that time now, be there calls or not."""
        with self._lock:
            index = round(at / self.step)
            if index <= self._oldest_locked():
                # The clock was put back by more than a plot shows: nothing would ever be new.
                self._open.clear()
                self._closed.clear()
                self._latest = None
            self._reach_locked(index)

    def close(self, open_windows: int = 0) -> None:
        """Close all windows but so many of the newest."""
        with self._lock:
            if self._latest is None:
                return
            still_open = self._latest + 1 - open_windows
            for index in sorted(one for one in self._open if one < still_open):
                for key, total in self._open.pop(index).items():
                    series = self._closed.setdefault(key, _Series(index))
                    series.add(index, total.window())
                    self._closed.move_to_end(key)
            while len(self._closed) > MOST_SERIES:
                # The one that has been quiet for longest.
                self._closed.popitem(last=False)

    def widen(self, step: float) -> None:
        """Make windows that last so long at least, as long as none is closed."""
        with self._lock:
            step = next((one for one in STEPS if one >= step), STEPS[-1])
            if step > self.step and not self._closed:
                self._widen_locked(step)

    def fit(self, at: float) -> None:
        """Widen the windows so that `at` and all that is there fit in, as long as none is closed.

        What would not fit in the widest is dropped.
        """
        with self._lock:
            while self._open and not self._closed and self.step < STEPS[-1]:
                index = round(at / self.step)
                first, last = min(*self._open, index), max(*self._open, index)
                if last - first < MOST_WINDOWS:
                    return
                self._widen_locked(next(one for one in STEPS if one > self.step))

    def windows(self, key: str) -> list[Window]:
        """MOST_WINDOWS of them, the newest last; quiet ones where there is nothing."""
        with self._lock:
            windows = [QUIET] * MOST_WINDOWS
            if self._latest is None:
                return windows
            first = self._latest + 1 - MOST_WINDOWS
            series = self._closed.get(key)
            for index, window in series.items() if series is not None else ():
                if index >= first:
                    windows[index - first] = window
            for index, sums in self._open.items():
                if key in sums and index >= first:
                    both = _both(windows[index - first], sums[key].window())
                    windows[index - first] = both
            return windows

    def recent(self, key: str, seconds: float) -> Window:
        """The newest windows as one, of about so many seconds but one at least."""
        with self._lock:
            if self._latest is None:
                return QUIET
            first = self._latest + 1 - max(1, round(seconds / self.step))
            series = self._closed.get(key)
            total = QUIET if series is None else series.since(first)
            for index, sums in self._open.items():
                if key in sums and index >= first:
                    total = _both(total, sums[key].window())
            return total

    @property
    def ends_at(self) -> float:
        """Unix time of the newest window; 0.0 if there is none."""
        with self._lock:
            return 0.0 if self._latest is None else self._latest * self.step

    def _oldest_locked(self) -> float:
        return -math.inf if self._latest is None else self._latest - MOST_WINDOWS

    def _reach_locked(self, index: int) -> None:
        if self._latest is None or index > self._latest:
            self._latest = index
            for old in [one for one in self._open if one <= index - MOST_WINDOWS]:
                del self._open[old]

    def _widen_locked(self, step: float) -> None:
        ratio = self.step / step
        before, self._open = self._open, {}
        for index, sums in before.items():
            wide = self._open.setdefault(round(index * ratio), {})
            for key, total in sums.items():
                known = wide.setdefault(key, _Sum())
                known.add(Growth(total.calls, total.failed, total.latency, total.refused))
        if self._latest is not None:
            self._latest = round(self._latest * ratio)
        self.step = step
