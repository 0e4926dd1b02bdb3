"""`alert`: the rules of this process, and the thread that looks at the figures."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress

from resilient.call import listeners
from resilient.diagnostics.alerts.engine import AlertRule, Alerts
from resilient.diagnostics.alerts.rules import On, rule_of
from resilient.diagnostics.alerts.telling import Alert, Receiver, receivers_of
from resilient.diagnostics.durations import Duration
from resilient.ending import start_thread
from resilient.registry import registry
from resilient.timing import clock


class Watcher:
    """The thread that looks every few seconds, for as long as there are rules.

    `_lock` guards `_thread`, which is None while none runs.
    """

    def __init__(self, alerts: Alerts) -> None:
        self.errors = 0
        """Looks that failed; the next one is tried all the same."""
        self._alerts = alerts
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the thread if it does not run. Raises: RuntimeError if none can be had."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="resilient-alerts", daemon=True
                )
                try:
                    start_thread(self._thread)
                except RuntimeError:
                    self._thread = None
                    raise

    def restart_in_child(self) -> None:
        """Threads don't survive a fork."""
        self._lock = threading.Lock()
        was_running, self._thread = self._thread is not None, None
        if was_running:
            # Who forks as the last one that may is left without it.
            with suppress(RuntimeError):
                self.start()

    def _run(self) -> None:
        while (interval := self._interval()) is not None:
            # In real time: under a fake clock, whose waits are over at once, this would never rest.
            time.sleep(interval)
            if _is_time_real():
                self.look()

    def _interval(self) -> float | None:
        """Seconds until the next look; None, and the end of the thread, if there is no rule."""
        with self._lock:
            intervals = [added.rule.interval for added in self._alerts.rules]
            if not intervals:
                self._thread = None
            return min(intervals, default=None)

    def look(self) -> None:
        """Check once; an error is told once and counted."""
        try:
            self._alerts.check()
        except Exception as error:
            self.errors += 1
            if self.errors == 1:
                listeners.announce(
                    "degraded",
                    "alerts",
                    f"a look at the figures raised {type(error).__name__} (told once, counted)",
                )


def _is_time_real() -> bool:
    """Whoever has replaced the time decides when to look."""
    return clock.monotonic is time.monotonic


_alerts = Alerts(registry)
_watcher = Watcher(_alerts)


def alert(
    *,
    on: On | Iterable[On] = "*",
    latency_p50: Duration | None = None,
    latency_p95: Duration | None = None,
    latency_p99: Duration | None = None,
    failure_rate: float | None = None,
    error_rate: float | None = None,
    retries_amplified: float | None = None,
    breaker_open: bool = False,
    quota_left: float | None = None,
    unusual: bool = False,
    over: Duration = "5m",
    hold: Duration = "1m",
    cooldown: Duration = "15m",
    min_calls: int = 10,
    to: Receiver | Sequence[Receiver] | None = None,
) -> AlertRule:
    """Tell people when the figures of the last minutes come true to one of these conditions.

    on: whose figures: a pattern of "service.function" or of a service, such as "github.*", or a
        decorated function: each function stands for itself. A service or another policy: its
        functions stand together. Or a list of these.
    latency_p50, latency_p95, latency_p99: whole calls take longer than this; hits of a cache that
        take no more than a look are not among them.
    failure_rate: more than this share of calls failed at the vendor, was throttled by it or
        refused by us, also if a fallback hid it. Mistakes such as a 404 are not among them.
    error_rate: more than this share of calls raised, mistakes included.
    retries_amplified: more attempts than this per call that reached the vendor, such as 1.5.
    breaker_open: a breaker is open, half-open or isolated.
    quota_left: less than this share of a quota is left.
    unusual: latency or failure rate is far above what it was in the past windows (8 to 48 of
        them); what lasts becomes usual.
    over: how far back a window reaches. hold: how long a condition has to be true before it is
        told, and false before the all-clear. cooldown: what is still true, or again, is told again
        after this time. All as "90s", "5m", "1h 30m", seconds or timedelta.
    min_calls: calls in a window without which nothing is said about its rates and latencies.
    to: who is told beside the log: a function of an `Alert` (on the alerts' thread: it has to
        return soon), a `webhook(…)`, or a list of these.

    Each process watches its own calls, every 10 s or more often if the times are short. `.stop()`
    of what is returned ends it.
    """
    rule = rule_of(
        {
            "latency_p50": latency_p50,
            "latency_p95": latency_p95,
            "latency_p99": latency_p99,
            "failure_rate": failure_rate,
            "error_rate": error_rate,
            "retries_amplified": retries_amplified,
            "quota_left": quota_left,
        },
        on=on,
        breaker_open=breaker_open,
        unusual=unusual,
        over=over,
        hold=hold,
        cooldown=cooldown,
        min_calls=min_calls,
    )
    added = _alerts.add(rule, receivers_of(to))
    if _is_time_real():
        _watcher.start()
    return added


def check_alerts() -> list[Alert]:
    """Look now, and tell what is new: for tests with a fake clock, and where no thread may run."""
    return _alerts.check()


def active_alerts() -> list[Alert]:
    """The newest news of each condition that has come true and is not over."""
    return _alerts.active()


def _restart_in_child() -> None:
    _alerts.forget()
    _watcher.restart_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart_in_child)
