"""From settings to what is in force for one function: its policies with other options."""

from __future__ import annotations

import difflib
import threading
import weakref
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from resilient.configuration.checking import culprit, made_anew
from resilient.configuration.environment import NAMED, capitals
from resilient.configuration.settings import Given, Path, Settings, dotted
from resilient.errors import ConfigurationError
from resilient.handle import Handle
from resilient.pipeline import Policy
from resilient.rebinding import InForce
from resilient.sharing import opening

Said = dict[str, dict[str, Given]]
"""What is said of a service or function: options by policy, and under "" what is no policy's."""


class _Variant(NamedTuple):
    policy: weakref.ref[Policy]
    values: Mapping[str, Any]


class Variants:
    """Policies made from others, shared by the functions that shared those.

    Each lives as long as a function has it. `_lock` guards `_made`; policies are made without it.
    """

    def __init__(self) -> None:
        self._made: weakref.WeakKeyDictionary[Policy, list[_Variant]] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, policy: Policy, options: Mapping[str, Given]) -> Policy:
        """A policy with these options in place of its own. Raises: ConfigurationError."""
        default = opening.default_state()
        if not options and not policy.is_elsewhere(default):
            return policy
        values = {name: given.value for name, given in options.items()}
        with self._lock:
            known = self._find_locked(policy, values, default)
        if known is not None:
            return known
        made = made_anew(policy, options)
        with self._lock:
            known = self._find_locked(policy, values, default)
            if known is None:
                self._made.setdefault(policy, []).append(_Variant(weakref.ref(made), values))
        return known or made

    def _find_locked(
        self, policy: Policy, values: Mapping[str, Any], default: object
    ) -> Policy | None:
        known = self._made.get(policy, [])
        known[:] = [variant for variant in known if variant.policy() is not None]
        for variant in known:
            made = variant.policy()
            is_usable = made is not None and not made.is_elsewhere(default)
            if is_usable and _are_same(variant.values, values):
                return made
        return None


class Overrides:
    """What settings say instead of the code. It never changes.

    A function's word goes before its service's, and in each the environment's before the rest.
    """

    def __init__(self, settings: Settings, variants: Variants) -> None:
        self.settings = settings
        self._variants = variants
        self._said: dict[Path, Said] = {}
        for path, given in settings.items():
            if len(path) > 1:
                said = self._said.setdefault(path[:2], {})
                said.setdefault("".join(path[2:-1]), {})[path[-1]] = given
        self._top = {name: settings[name,] for name in ("mode",) if (name,) in settings}

    def says_of(self, service: str, name: str) -> Said:
        """All that is said of a function."""
        said: Said = {"": dict(self._top)}
        for place in _places(service, name):
            for kind, options in self._said.get(place, {}).items():
                said.setdefault(kind, {}).update(options)
        return said

    def of(self, handle: Handle) -> InForce:
        """What is in force for a function. Raises: ConfigurationError."""
        service, name = handle.service, handle.name
        said = self.says_of(service, name)
        written = cast("tuple[Policy, ...]", handle.written)
        policies = tuple(
            self._variant(policy, said.get(policy.kind, {}), handle) for policy in written
        )
        flags = said[""]
        facts = {}
        if flags.get("mode") and flags["mode"].value is not None:
            facts["observing"] = flags["mode"].value == "observe"
        return InForce(policies, facts, "enabled" not in flags or flags["enabled"].value)

    def notes_of(self, handle: Handle) -> tuple[str, ...]:
        """What is said of a function from where, in words."""
        kinds = {policy.kind for policy in handle.written}
        return tuple(
            f"{kind}({option}) by {given.where}" if kind else f"{option} by {given.where}"
            for kind, options in self.says_of(handle.service, handle.name).items()
            for option, given in options.items()
            if not kind or kind in kinds
        )

    def _variant(self, policy: Policy, options: Mapping[str, Given], handle: Handle) -> Policy:
        try:
            made = self._variants.of(policy, options)
            made.check(handle.function)
        except ConfigurationError as error:
            if not options:
                raise
            option = culprit(policy, options)
            raise ConfigurationError(
                f"{options[option].where}: {policy.kind}.{option} of {handle.label}: {error}"
            ) from None
        for outer in handle.written:
            if made is not policy and policy in getattr(outer, "policies", ()):
                made.bundled(getattr(outer, "name", None))
        return made

    def unmatched(self, handles: Iterable[Handle]) -> list[str]:
        """What is said of functions that are not there, in words, with the nearest that are."""
        kinds: dict[Path, set[str]] = {}
        for handle in handles:
            for known in _places(handle.service, handle.name):
                kinds.setdefault(known, set()).update(policy.kind for policy in handle.written)
        found = []
        for place, said in self._said.items():
            if place not in kinds:
                where = next(iter(next(iter(said.values())).values())).where
                others = [other[1] for other in kinds if other[0] == place[0]]
                nearest = difflib.get_close_matches(place[1], others, n=1)
                meant = f" (did you mean {nearest[0]}?)" if nearest else ""
                found.append(f"{where}: nothing decorated goes by {_named(place)}{meant}")
                continue
            for kind, options in said.items():
                if kind and kind not in kinds[place]:
                    where = next(iter(options.values())).where
                    found.append(f"{where}: {_named(place)} has no {kind} to change")
        return found


def _places(service: str, name: str) -> tuple[tuple[str, str], ...]:
    """Where something may be said of a function; the later ones go before the earlier ones."""
    named = capitals(service)
    return (
        ("services", service),
        (NAMED, named),
        ("functions", f"{service}.{name}"),
        (NAMED, f"{named}__{capitals(name)}"),
    )


def _named(place: Path) -> str:
    return place[1] if place[0] == NAMED else dotted(place)


def _are_same(one: object, other: object) -> bool:
    """Equal, and of the same type: True is not 1."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_are_same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_are_same, one, other))
    try:
        return one is other or (type(one) is type(other) and bool(one == other))
    except Exception:  # an object of the user's that can't be compared
        return False
