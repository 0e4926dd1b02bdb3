"""What the last while says about the vendor, and when that is bad enough to open the circuit."""

from __future__ import annotations

from resilient import options
from resilient.options import Seconds
from resilient.timing import RollingWindow, clock


class Health:
    """The calls of the last `window` seconds: how many, how many failed, how many were slow.

    failed_ever, slow_ever: the same since it was made; see RollingWindow.ever for the others.

    The options are those of CircuitBreaker. `failed` and `slow` are made with the first call they
    count, since a healthy circuit needs neither; the breaker's lock guards them.
    """

    __slots__ = (
        "failed",
        "failed_ever",
        "failure_rate",
        "min_calls",
        "ok",
        "slow",
        "slow_call",
        "slow_ever",
        "slow_rate",
        "window",
    )

    def __init__(
        self,
        window: Seconds,
        *,
        failure_rate: float | None,
        min_calls: int,
        slow_call: Seconds | None,
        slow_rate: float,
    ) -> None:
        self.window = options.seconds(window, "breaker(window)")
        self.failure_rate = (
            None if failure_rate is None else options.share(failure_rate, "breaker(failure_rate)")
        )
        self.min_calls = options.whole(min_calls, "breaker(min_calls)")
        self.slow_call = options.optional_seconds(slow_call, "breaker(slow_call)")
        self.slow_rate = options.share(slow_rate, "breaker(slow_rate)")
        self.ok = RollingWindow(self.window)
        self.failed: RollingWindow | None = None
        self.slow: RollingWindow | None = None
        self.failed_ever = self.slow_ever = 0

    def add_failed(self, now: float) -> None:
        """Count a failed call that ended at monotonic time `now`."""
        if self.failed is None:
            self.failed = RollingWindow(self.window)
        self.failed.add(now)
        self.failed_ever += 1

    def add_if_slow(self, started: float, now: float) -> bool:
        """Was this call slow? Counts it as such; its success or failure is counted apart."""
        if self.slow_call is None or now - started < self.slow_call:
            return False
        if self.slow is None:
            self.slow = RollingWindow(self.window)
        self.slow.add(now)
        self.slow_ever += 1
        return True

    def counts(self) -> tuple[int, int, int]:
        """Calls, failed calls and slow calls in the window."""
        now = clock.monotonic()
        failures, slow_calls = self.failed, self.slow
        failed = 0 if failures is None else failures.total(now)
        slow = 0 if slow_calls is None else slow_calls.total(now)
        return self.ok.total(now) + failed, failed, slow

    def ever(self) -> tuple[int, int, int]:
        """Calls that went well, failed and were slow since it was made."""
        self.ok.fold()
        return self.ok.ever, self.failed_ever, self.slow_ever

    def too_many_failed(self) -> str | None:
        """That the rate of failures is too high, in words."""
        if self.failure_rate is None:
            return None
        calls, failed, _ = self.counts()
        if calls < self.min_calls or failed < self.failure_rate * calls:
            return None
        return f"{failed} of {calls} calls failed"

    def too_many_slow(self) -> str | None:
        """That the rate of slow calls is too high, in words."""
        if self.slow_call is None:
            return None
        calls, _, slow = self.counts()
        if calls < self.min_calls or slow < self.slow_rate * calls:
            return None
        return f"{slow} of {calls} calls were slow"

    def clear(self) -> None:
        """Forget everything."""
        self.ok.clear()
        self.failed = self.slow = None
