"""Windows and gauges against a rule: one reading for each condition of each subject."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from resilient.diagnostics.alerts.gauges import Gauge, Stack, subject_of
from resilient.diagnostics.alerts.rules import LATENCIES, Rule
from resilient.diagnostics.alerts.unusual import Band, Past, latency_band, rate_band, sure_quantile
from resilient.diagnostics.alerts.windows import Name, Window
from resilient.diagnostics.durations import spoken
from resilient.diagnostics.tables import duration, many

UNUSUAL_LATENCY = "unusual_latency"
UNUSUAL_RATE = "unusual_failure_rate"


class Reading(NamedTuple):
    """What one condition of one subject is now.

    is_bad: None if there is too little to go by. value, limit: in the unit of the rule's option.
    text: for a person on call.
    """

    subject: str
    condition: str
    is_bad: bool | None
    value: float = 0.0
    limit: float = 0.0
    text: str = ""


def groups_of(
    rule: Rule, called: Iterable[Name], stacks: Sequence[Stack]
) -> dict[str, tuple[Name, ...]]:
    """The functions behind each subject of a rule."""
    names = set(called)
    groups: dict[str, tuple[Name, ...]] = {
        ".".join(name): (name,) for name in names if rule.scope.takes(name)
    }
    for policy in rule.scope.policies:
        own = getattr(policy, "name", None)
        # Whoever wrote the rule has the policy that was written, not one that a file put there.
        served = {stack.name for stack in stacks if policy in stack.handle.written}
        if policy.kind == "service" and own:
            # Those that are only run by its `call` belong to it, too.
            served.update(name for name in names if name[0] == own)
        if served:
            ordered = tuple(sorted(served))
            groups[subject_of(policy, ordered)] = ordered
    return groups


def window_readings(rule: Rule, subject: str, window: Window) -> Iterator[Reading]:
    """What the calls of the last minutes say."""
    enough = window.calls >= rule.min_calls
    # A window reaches a little too far back; it may be new, or its last look long ago.
    is_whole = rule.over <= window.seconds <= 1.2 * rule.over
    over = f"over the last {spoken(rule.over if is_whole else window.seconds)}"
    for condition, limit in rule.limits.items():
        if condition in ("breaker_open", "quota_left"):
            continue
        value = _value(condition, window) if enough else None
        if value is None:
            yield Reading(subject, condition, None)
            continue
        says = f"{_told(condition, value, window)} {over}, limit {_in_units(condition, limit)}"
        text = f"{says} ({many(window.calls, 'call')})"
        yield Reading(subject, condition, value > limit, value, limit, text)


def _value(condition: str, window: Window) -> float | None:
    if condition in LATENCIES:
        return window.quantile(LATENCIES[condition])
    if condition == "failure_rate":
        return window.share(window.failed)
    if condition == "error_rate":
        return window.share(window.raised)
    return 1 + window.retries / window.asked if window.asked else None


def _told(condition: str, value: float, window: Window) -> str:
    told = _in_units(condition, value)
    if condition in LATENCIES:
        return f"{condition[-3:]} latency is {told}"
    if condition == "failure_rate":
        return f"{told} of calls failed"
    if condition == "error_rate":
        return f"{told} of calls raised"
    return f"retries make {told} of each call"


def _in_units(condition: str, value: float) -> str:
    if condition in LATENCIES:
        return duration(value)
    return f"{value:.2f} attempts" if condition == "retries_amplified" else percent(value)


def percent(share: float) -> str:
    """A share for people: 0.123 is 12.3 %."""
    return f"{100 * share:.3g} %"


def gauge_readings(
    rule: Rule, gauges: Iterable[Gauge], groups: Mapping[str, Sequence[Name]]
) -> Iterator[Reading]:
    """What breakers and quotas say, those of the rule's functions; the worst of each name."""
    wanted = {name for names in groups.values() for name in names}
    worst: dict[tuple[str, str], Reading] = {}
    for gauge in gauges:
        if not (wanted.intersection(gauge.names) or any(map(rule.scope.takes, gauge.names))):
            continue
        for reading in _of_gauge(rule, gauge):
            key = (reading.subject, reading.condition)
            if key not in worst or reading.is_bad:
                worst[key] = reading
    yield from worst.values()


def _of_gauge(rule: Rule, gauge: Gauge) -> Iterator[Reading]:
    if gauge.state is not None and "breaker_open" in rule.limits:
        # A half-open one may open again the next moment.
        is_open = gauge.state not in ("closed", "disabled")
        text = f"the breaker is {gauge.state}"
        yield Reading(gauge.subject, "breaker_open", is_open, float(is_open), 1.0, text)
    limit = rule.limits.get("quota_left")
    if limit is not None and gauge.left is not None:
        text = f"{percent(gauge.left)} of the quota is left, limit {percent(limit)} ({gauge.text})"
        yield Reading(gauge.subject, "quota_left", gauge.left < limit, gauge.left, limit, text)


def unusual_readings(rule: Rule, subject: str, window: Window, past: Past) -> Iterator[Reading]:
    """How the last minutes compare with the subject's own past."""
    enough = window.calls >= rule.min_calls
    latency = window.quantile(0.95) if enough else None
    band = latency_band(past.latencies)
    if latency is None or band is None:
        yield Reading(subject, UNUSUAL_LATENCY, None)
    else:
        text = f"p95 latency is {duration(latency)}, usually {_usual(band, duration, rule.over)}"
        sure = window.quantile(sure_quantile(window.calls))
        is_bad = sure is not None and sure > band.limit
        yield Reading(subject, UNUSUAL_LATENCY, is_bad, latency, band.limit, text)
    rates = rate_band(past.rates, window.calls) if enough else None
    if rates is None:
        yield Reading(subject, UNUSUAL_RATE, None)
        return
    share = window.share(window.failed)
    text = f"{percent(share)} of calls failed, usually {_usual(rates, percent, rule.over)}"
    yield Reading(subject, UNUSUAL_RATE, share > rates.limit, share, rates.limit, text)


def _usual(band: Band, told: Callable[[float], str], over: float) -> str:
    spread = f" ± {told(band.spread)}" if band.spread else ""
    return (
        f"{told(band.middle)}{spread} (its {band.windows} windows of {spoken(over)} before; above "
        f"{told(band.limit)} is unusual)"
    )
