"""Options for policies, checked by the policies themselves before anything is done with them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from resilient.configuration.environment import NAMED
from resilient.configuration.settings import Given, Path, Settings, dotted, near
from resilient.errors import ConfigurationError
from resilient.pipeline import Policy

Options = Mapping[str, Given]

_LONG = 1e9

_BESIDE: dict[str, dict[str, Any]] = {
    "service": {"name": "x", "deadline": _LONG},
    "fallback": {"alternatives": (None,)},
    "cached": {"ttl": 1.0},
    "breaker": {"slow_call": _LONG, "reset_timeout": 1e-9, "max_reset_timeout": _LONG},
    "throttled": {
        "rates": ("1000000/s",),
        "calls": sys.maxsize,
        "period": 1.0,
        "priority": lambda *args, **kwargs: False,
    },
}
"""With what an option can't be refused for what it is combined with: the code may say more."""

_INSTEAD = {
    ("throttled", "rates"): ("calls", "period"),
    ("throttled", "calls"): ("rates",),
    ("throttled", "period"): ("rates",),
}
"""What an option replaces, besides itself."""

_FIXED = {("service", "name"), ("service", "policies")}
"""What says who is meant, and so can't be said from outside."""

_UNTRIED = {("cached", "store")}
"""Checked where the process that uses it has its keys."""


def policy_kinds() -> dict[str, type[Policy]]:
    """All policies by the names of their decorators, those of the user too."""
    found: dict[str, type[Policy]] = {}
    waiting: list[type[Policy]] = [Policy]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            if isinstance(kind.__dict__.get("kind"), str):
                found.setdefault(kind.kind, kind)
    return found


def check(settings: Settings) -> None:
    """Raise ConfigurationError for the first option that no policy could take."""
    kinds = policy_kinds()
    for path, options in _groups(settings):
        name = path[-1]
        place = next(iter(options.values())).where
        if name not in kinds:
            raise ConfigurationError(
                f"{place}: {_shown(path)}: there is no such policy; {near(name, kinds)}"
            )
        for option, given in options.items():
            _check_name(kinds[name], path, option, given)
            _try(kinds[name], path, {option: given})
        _try(kinds[name], path, options)


def made_anew(policy: Policy, options: Options) -> Policy:
    """A policy like another one, but for these options. Raises: ConfigurationError."""
    args, kwargs = policy.made_with
    try:
        bound = inspect.signature(type(policy)).bind(*args, **kwargs)
    except TypeError as error:  # a user's own, made in a way that we did not see
        raise ConfigurationError(f"{policy.kind}(…) can't be made again: {error}.") from None
    return _made(type(policy), dict(bound.arguments), options)


def culprit(policy: Policy, options: Options) -> str:
    """The option that a policy can't be made with, as far as one of them is to blame."""
    for option, given in options.items():
        try:
            made_anew(policy, {option: given})
        except ConfigurationError:
            return option
    return next(iter(options))


def _groups(settings: Settings) -> Iterator[tuple[Path, dict[str, Given]]]:
    """The options of each policy of each service and function."""
    found: dict[Path, dict[str, Given]] = {}
    for path, given in settings.items():
        if len(path) == 4:
            found.setdefault(path[:3], {})[path[3]] = given
    yield from found.items()


def _check_name(kind: type[Policy], path: Path, option: str, given: Given) -> None:
    allowed = [
        name
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD and (kind.kind, name) not in _FIXED
    ]
    if option not in allowed:
        remedy = near(option, allowed)
        if (kind.kind, option) in _FIXED:
            remedy = "it is by this that a configuration finds its functions."
        raise ConfigurationError(
            f"{given.where}: {_shown((*path, option))}: there is no such option; {remedy}"
        )


def _try(kind: type[Policy], path: Path, options: Options) -> None:
    tried = {name: given for name, given in options.items() if (kind.kind, name) not in _UNTRIED}
    beside = {
        name: value for name, value in _BESIDE.get(kind.kind, {}).items() if name not in tried
    }
    if kind.kind not in _BESIDE:
        try:
            inspect.signature(kind).bind(**dict.fromkeys(tried))
        except TypeError:
            return  # a user's own policy, with options that only its maker knows
    try:
        _made(kind, beside, tried)
    except ConfigurationError as error:
        option, given = next(iter(options.items()))
        raise ConfigurationError(f"{given.where}: {_shown((*path, option))}: {error}") from None


def _made(kind: type[Policy], arguments: dict[str, Any], options: Options) -> Policy:
    signature = inspect.signature(kind)
    for option, given in options.items():
        for other in _INSTEAD.get((kind.kind, option), ()):
            if other not in options:
                arguments.pop(other, None)
        value = given.value
        if signature.parameters[option].kind is inspect.Parameter.VAR_POSITIONAL:
            value = tuple(value) if isinstance(value, (list, tuple)) else (value,)
        arguments[option] = value
    ordered = inspect.BoundArguments(
        signature, {name: arguments[name] for name in signature.parameters if name in arguments}
    )
    try:
        made: Policy = kind(*ordered.args, **ordered.kwargs)
    except ConfigurationError:
        raise
    except Exception as error:
        # What a check did not foresee; its text may show anything.
        raise ConfigurationError(
            f"{kind.kind}(…) can't be made so ({type(error).__name__})."
        ) from None
    return made


def _shown(path: Path) -> str:
    return dotted(path[1:] if path[0] == NAMED else path)
