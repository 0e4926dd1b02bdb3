"""What is watched for: the limits, the times, and whose figures they are about."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from resilient import options
from resilient.diagnostics.alerts.windows import Name
from resilient.diagnostics.durations import seconds_of
from resilient.errors import ConfigurationError
from resilient.handle import Handle
from resilient.pipeline import Policy

LATENCIES: Mapping[str, float] = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}
"""Limits on the latency, and which share of the calls has to stay within them."""

On = str | Policy | Callable[..., Any]
"""Whose figures: a pattern such as "github.*", a service or another policy, a function."""


class Scope(NamedTuple):
    """Whose figures one rule is about.

    patterns: of "service.function", or of a service; each function stands for itself. policies:
    the functions of each stand together. functions: each stands for itself.
    """

    patterns: tuple[str, ...]
    policies: tuple[Policy, ...]
    functions: tuple[Name, ...]

    def takes(self, name: Name) -> bool:
        """Is this one of the functions that stand for themselves?"""
        service, _ = name
        label = ".".join(name)
        if name in self.functions or label in self.patterns or service in self.patterns:
            return True
        return any(
            fnmatch.fnmatchcase(label, pattern) or fnmatch.fnmatchcase(service, pattern)
            for pattern in self.patterns
        )

    def __str__(self) -> str:
        functions = [".".join(name) for name in self.functions]
        policies = [getattr(one, "name", None) or one.kind for one in self.policies]
        return ", ".join([*self.patterns, *policies, *functions])


class Rule(NamedTuple):
    """One `alert(…)` as data; see there.

    limits: by the option's name. over, hold, cooldown: in seconds.
    """

    scope: Scope
    limits: Mapping[str, float]
    unusual: bool
    over: float
    hold: float
    cooldown: float
    min_calls: int

    @property
    def interval(self) -> float:
        """Seconds between two looks that do this rule justice."""
        return max(1.0, min(10.0, self.over / 10, self.hold / 2 or 10.0))


def rule_of(
    limits: Mapping[str, object],
    *,
    on: On | Iterable[On],
    breaker_open: object,
    unusual: object,
    over: object,
    hold: object,
    cooldown: object,
    min_calls: object,
) -> Rule:
    """A rule of what a user gave `alert`; ConfigurationError says what to give instead."""
    checked = {name: _limit(name, value) for name, value in limits.items() if value is not None}
    if options.flag(breaker_open, "alert(breaker_open)"):
        checked["breaker_open"] = 1.0
    if not checked and not options.flag(unusual, "alert(unusual)"):
        raise ConfigurationError(
            "alert(): there is nothing to watch for; give a limit such as failure_rate=0.2, "
            "latency_p95=2.0 or breaker_open=True, or unusual=True."
        )
    return Rule(
        scope=_scope(on),
        limits=checked,
        unusual=options.flag(unusual, "alert(unusual)"),
        over=seconds_of(over, "alert(over)"),
        hold=seconds_of(hold, "alert(hold)", zero=True),
        cooldown=seconds_of(cooldown, "alert(cooldown)"),
        min_calls=options.whole(min_calls, "alert(min_calls)"),
    )


def _limit(name: str, value: object) -> float:
    option = f"alert({name})"
    if name in LATENCIES:
        return seconds_of(value, option)
    if name != "retries_amplified":
        # A rate above 1 is never reached, and what is left is never less than nothing.
        return options.share(value, option)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 1 < float(value) < 1000:  # type: ignore[arg-type]  # a number
        raise ConfigurationError(
            f"alert(retries_amplified={value!r}): use attempts per call, more than 1, such as 1.5."
        )
    return float(value)  # type: ignore[arg-type]  # a number


def _scope(on: On | Iterable[On]) -> Scope:
    many: Sequence[Any] = tuple(on) if isinstance(on, (list, tuple, set, frozenset)) else (on,)
    patterns: list[str] = []
    policies: list[Policy] = []
    functions: list[Name] = []
    for one in many:
        handle = getattr(one, "resilient", None)
        if isinstance(one, str) and one.strip():
            patterns.append(one)
        elif isinstance(one, Policy):
            policies.append(one)
        elif isinstance(handle, Handle):
            functions.append((handle._target.service, handle._target.name))
        else:
            shown = getattr(one, "__name__", None) or repr(one)
            remedy = "decorate it first" if callable(one) else 'use a pattern such as "github.*"'
            raise ConfigurationError(
                f"alert(on={shown}): {remedy}, or give a service, a policy or a decorated function."
            )
    if not many:
        raise ConfigurationError('alert(on=()): it is about nobody; leave it out, or use "*".')
    return Scope(tuple(patterns), tuple(policies), tuple(functions))
