"""The rules in force: one look at the figures, and what is new since the last."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from resilient.diagnostics.alerts.gauges import Gauge, Stack, gauges_of, stacks_of
from resilient.diagnostics.alerts.readings import (
    Reading,
    gauge_readings,
    groups_of,
    unusual_readings,
    window_readings,
)
from resilient.diagnostics.alerts.rules import Rule
from resilient.diagnostics.alerts.telling import Alert, Receiver, Teller, masked_alert
from resilient.diagnostics.alerts.unusual import Past
from resilient.diagnostics.alerts.watches import Watch
from resilient.diagnostics.alerts.windows import Counted, Name, Track, counts_of
from resilient.diagnostics.durations import spoken
from resilient.registry import Registry
from resilient.timing import clock


class AlertRule:
    """What `alert` gives back: one rule in force. The lock of its Alerts guards its state."""

    def __init__(self, rule: Rule, receivers: tuple[Receiver, ...], alerts: Alerts) -> None:
        self.rule = rule
        self.receivers = receivers
        self._alerts = alerts
        self._track = Track(rule.over)
        self._pasts: dict[str, Past] = {}
        self._watches: dict[tuple[str, str], Watch] = {}
        self._firing: dict[tuple[str, str], Alert] = {}

    def __repr__(self) -> str:
        limits = ", ".join(f"{name}={limit:g}" for name, limit in self.rule.limits.items())
        limits += ", unusual=True" if self.rule.unusual else ""
        return f"<alert on {self.rule.scope}: {limits.removeprefix(', ')}>"

    def stop(self) -> None:
        """Watch no more; what was told gets no all-clear."""
        self._alerts.remove(self)

    def _forget_locked(self) -> None:
        self._track = Track(self.rule.over)
        for kept in (self._pasts, self._watches, self._firing):
            kept.clear()

    def _look_locked(
        self, now: float, counted: Counted, stacks: Sequence[Stack], gauges: Sequence[Gauge]
    ) -> list[Alert]:
        rule = self.rule
        readings: list[Reading] = []
        groups = groups_of(rule, counted, stacks)
        for subject, names in groups.items():
            window = self._track.window(names, now, counted)
            readings += window_readings(rule, subject, window)
            if rule.unusual:
                past = self._pasts.setdefault(subject, Past())
                readings += unusual_readings(rule, subject, window, past)
                past.remember(window, now, rule.over, rule.min_calls)
        for gone in self._pasts.keys() - groups.keys():
            del self._pasts[gone]
        readings += gauge_readings(rule, gauges, groups)
        watched = set[Name]().union(*groups.values())
        self._track.keep(now, {name: counted[name] for name in watched if name in counted})
        return self._news_locked(readings, now)

    def _news_locked(self, readings: Iterable[Reading], now: float) -> list[Alert]:
        by_key = {(reading.subject, reading.condition): reading for reading in readings}
        for key in self._watches.keys() - by_key.keys():
            by_key[key] = Reading(*key, is_bad=None)  # its function or policy is gone
        news: list[Alert] = []
        for key, reading in by_key.items():
            watch = self._watches.get(key)
            if watch is None:
                if not reading.is_bad:
                    continue
                watch = self._watches[key] = Watch()
            since = watch.firing_since
            status = watch.hear(reading.is_bad, now, self.rule.hold, self.rule.cooldown)
            is_firing = watch.firing_since is not None
            if status is not None or (is_firing and key not in self._firing):
                alert = self._firing[key] = self._alert(reading, watch, status, since, now)
                if status is not None:
                    news.append(alert)
            if not is_firing:
                self._firing.pop(key, None)
            if watch.is_idle(now, self.rule.cooldown):
                del self._watches[key]
        return news

    def _alert(
        self, reading: Reading, watch: Watch, status: str | None, since: float | None, now: float
    ) -> Alert:
        began = watch.firing_since if watch.firing_since is not None else since
        lasted = now - began if began is not None else 0.0
        text = reading.text or "too few calls to go on"
        if status != "alert" and lasted >= 1:
            text += f", after {spoken(lasted)}"
        at = clock.time()
        return masked_alert(
            Alert(
                status=status or "alert",
                subject=reading.subject,
                condition=reading.condition,
                value=reading.value,
                limit=reading.limit,
                since=at - lasted,
                at=at,
                times=watch.times,
                text=text,
            )
        )


class Alerts:
    """All rules of one registry.

    `_lock` guards every field but `teller`, and what the rules keep.
    """

    def __init__(self, registry: Registry) -> None:
        self.teller = Teller()
        self._registry = registry
        self._lock = threading.Lock()
        self._rules: tuple[AlertRule, ...] = ()
        self._counted: Counted = {}
        self._looks = self._newest = 0

    @property
    def rules(self) -> tuple[AlertRule, ...]:
        """The rules in force."""
        return self._rules

    def add(self, rule: Rule, receivers: tuple[Receiver, ...] = ()) -> AlertRule:
        """Watch by one more rule from now on: what was before counts for nothing."""
        added = AlertRule(rule, receivers, self)
        now = clock.monotonic()
        counted = counts_of(self._registry.snapshot(), {})
        with self._lock:
            added._track.keep(now, counted)
            self._rules = (*self._rules, added)
        return added

    def remove(self, rule: AlertRule) -> None:
        """Watch by a rule no more; nothing happens if it is not there."""
        with self._lock:
            self._rules = tuple(other for other in self._rules if other is not rule)
            rule._forget_locked()

    def active(self) -> list[Alert]:
        """The newest news of each condition that has come true and is not over."""
        with self._lock:
            return [alert for rule in self._rules for alert in rule._firing.values()]

    def check(self) -> list[Alert]:
        """Look once, and tell what is new; the same is returned."""
        if not self._rules:
            return []
        with self._lock:
            self._looks += 1
            look = self._looks
        # Read without the lock: a breaker's storage may be far away.
        now = clock.monotonic()
        counted = counts_of(self._registry.snapshot(), self._counted)
        stacks = stacks_of(self._registry)
        gauges = gauges_of(stacks)
        news: list[tuple[Alert, Sequence[Receiver]]] = []
        with self._lock:
            if look < self._newest:  # another thread has looked meanwhile
                return []
            self._newest = look
            self._counted = counted
            rules = self._rules
            for rule in rules:
                found = rule._look_locked(now, counted, stacks, gauges)
                news += [(alert, rule.receivers) for alert in found]
        self.teller.tell(news, [one for rule in rules for one in rule.receivers])
        return [alert for alert, _ in news]

    def forget(self) -> None:
        """Begin anew, as a forked child has to, whose figures begin at zero."""
        self._lock = threading.Lock()
        self._counted = {}
        for rule in self._rules:
            rule._forget_locked()
            rule._track.keep(clock.monotonic(), {})
