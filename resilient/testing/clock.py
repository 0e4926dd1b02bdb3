"""A clock that nobody has to wait for: time moves when somebody sleeps, by just that much."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType

from resilient import options
from resilient.timing import chance, clock

NEW_YEAR_2026 = 1_767_225_600.0
"""Unix time that a fake clock starts at: midnight UTC, so that dates in a failed test read well."""

THREAD_PREFIX = "resilient-vendor"
"""Threads named like this serve a scripted vendor; they never set an event that somebody awaits."""

_SLICE = 0.001
"""Real seconds between two looks at an event that is waited for."""

_real_time = time.monotonic
_switching = threading.Lock()
_active: FakeClock | None = None
"""The clock in force; changed with `_switching` held."""


class FakeClock:
    """Replaces the time, the waits and the chance of resilient while its `with` block runs.

        with FakeClock() as clock:
            fetch()
        assert clock.slept == [1.0, 2.0]

    start: monotonic seconds to begin with. State that was built on the machine's own clock (an
        open breaker, an admission log) lies in this clock's future or past: make or reset the
        policies under test inside the block.
    unix: Unix time to begin with.
    uniform: stands in for the random source. `max` draws the upper bound, so that every wait is
        its longest and known in advance; `min` draws the lower one, `random.Random(7).uniform`
        repeats itself, None leaves chance as it is.
    patience: real seconds that a wait for an event gives other threads before time moves on. A
        thread that is alone with scripted vendors needs none.

    Threads share the time, and sleeps add up: two threads that sleep for 3 seconds each move it by
    6. A clock can be entered again, but not while it, or another one, is in force.
    """

    def __init__(
        self,
        start: float = 0.0,
        *,
        unix: float = NEW_YEAR_2026,
        uniform: Callable[[float, float], float] | None = max,
        patience: float = 0.05,
    ) -> None:
        self.slept: list[float] = []
        """Seconds of every sleep, and of every wait that ran out, in the order they ended."""
        self._now = float(start)
        self._ahead = unix - start
        self._uniform = uniform
        self._patience = options.seconds(patience, "patience", zero=True)
        # Guards _now, _ahead, _ends and slept; notified whenever the time has moved.
        self._moved = threading.Condition()
        self._ends: list[float] = []
        self._saved: Callable[[], None] | None = None

    def __repr__(self) -> str:
        state = "in force" if _active is self else "not in force"
        return f"<FakeClock at {self._now:g} s, {state}>"

    def __enter__(self) -> FakeClock:
        global _active
        with _switching:
            if _active is not None:
                raise RuntimeError("a fake clock is in force already: use it, or leave it first.")
            self._saved = _restorer()
            _active = self
            clock.monotonic = self.monotonic
            clock.time = self.time
            clock.sleep = self.sleep
            clock.wait = self.wait
            if self._uniform is not None:
                chance.uniform = self._uniform
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _active
        with _switching:
            if self._saved is not None:
                self._saved()
                self._saved = None
                _active = None

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        return self._now

    @property
    def unix(self) -> float:
        """Unix time in seconds."""
        return self._now + self._ahead

    @property
    def total(self) -> float:
        """Seconds slept by all threads together."""
        return math.fsum(self.slept)

    def advance(self, seconds: float | timedelta) -> None:
        """Let time pass, without counting as sleep.

        Waits that end on the way wake at their own time, in order, and get `patience` each.
        """
        with self._moved:
            self._pass_locked(options.seconds(seconds, "advance", zero=True))

    def jump(self, seconds: float | timedelta) -> None:
        """Set the Unix time forward, or back if negative, as an administrator or NTP does.

        Durations are not affected.
        """
        shift = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        with self._moved:
            self._ahead += shift

    def monotonic(self) -> float:
        """Stands in for `clock.monotonic`."""
        return self._now

    def time(self) -> float:
        """Stands in for `clock.time`."""
        return self._now + self._ahead

    def sleep(self, seconds: float) -> None:
        """Stands in for `clock.sleep`: the time is over at once."""
        if not 0 <= seconds < math.inf:
            raise ValueError(f"sleep({seconds!r}): use a finite time of 0 or more seconds.")
        with self._moved:
            self._pass_locked(seconds)
            self.slept.append(seconds)
        # A loop that polls with sleep(…) has to let the thread run that it polls for.
        time.sleep(0)

    def wait(self, event: threading.Event, timeout: float | None = None) -> bool:
        """Stands in for `clock.wait`.

        An event that is not set gets `patience` real seconds; then the time moves to the end of
        the wait. Of several waits the one that ends first goes first. Without a timeout the wait
        is real.
        """
        if timeout is None or timeout <= 0 or event.is_set():
            return event.wait(timeout)
        patience = 0.0 if _is_alone() else self._patience
        with self._moved:
            end = self._after_locked(timeout)
            self._ends.append(end)
            try:
                patient_until = _real_time() + patience
                while not event.is_set() and self._now < end:
                    if _real_time() >= patient_until and end <= min(self._ends):
                        self._now = end
                        self._moved.notify_all()
                        break
                    before = self._now
                    self._moved.wait(_SLICE)
                    if self._now != before:
                        patient_until = _real_time() + patience
            finally:
                self._ends.remove(end)
            if event.is_set():
                return True
            self.slept.append(timeout)
            return False

    def _pass_locked(self, seconds: float) -> None:
        end = self._after_locked(seconds)
        while self._now < end:
            self._now = min([end, *(other for other in self._ends if other > self._now)])
            self._moved.notify_all()
            if any(other <= self._now for other in self._ends):
                patient_until = _real_time() + self._patience
                while (left := patient_until - _real_time()) > 0:
                    self._moved.wait(left)

    def _after_locked(self, seconds: float) -> float:
        end = self._now + seconds
        # What is lost in rounding must not keep a loop waiting for ever.
        return math.nextafter(end, math.inf) if end == self._now and seconds > 0 else end


def fake_clock(
    start: float = 0.0,
    *,
    unix: float = NEW_YEAR_2026,
    uniform: Callable[[float, float], float] | None = max,
    patience: float = 0.05,
) -> FakeClock:
    """`with fake_clock() as clock:` reads better than the class, and is the same."""
    return FakeClock(start, unix=unix, uniform=uniform, patience=patience)


def active_clock() -> FakeClock | None:
    """The fake clock in force, None if time is real."""
    return _active


def _restorer() -> Callable[[], None]:
    monotonic, unix, sleep, wait = clock.monotonic, clock.time, clock.sleep, clock.wait
    uniform = chance.uniform

    def restore() -> None:
        clock.monotonic, clock.time, clock.sleep, clock.wait = monotonic, unix, sleep, wait
        chance.uniform = uniform

    return restore


def _is_alone() -> bool:
    me = threading.current_thread()
    return all(
        thread is me or thread.name.startswith(THREAD_PREFIX) for thread in threading.enumerate()
    )
