"""The configuration in force: its sources, and how a change of one reaches the functions.

environment  over  file  over  configure()  over  the code
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Container, Iterable
from typing import Any

from resilient import handle as filed
from resilient import rebinding, wrapping
from resilient.call import listeners
from resilient.configuration.checking import check, policy_kinds
from resilient.configuration.environment import read_environment
from resilient.configuration.overriding import Overrides, Variants
from resilient.configuration.settings import Given, Path, Settings
from resilient.errors import ConfigurationError
from resilient.handle import Handle
from resilient.rebinding import InForce
from resilient.sharing import opening

SOURCES = ("code", "file", "environment")
"""The later ones go before the earlier ones."""

Source = dict[Path, Given]

_MOST_TOLD = 100


class Configuration:
    """Of this process. A change is made whole or not at all.

    `_changing` makes one change at a time, and guards `_sources`; no call and no decoration waits
    for it. Policies are made and bound under it, which may run code of the user's: so it may be
    taken again by the thread that has it. `_overrides` is replaced, never changed. `_handing_over`
    guards `_heirs`: who has taken over from a policy, since it was in use itself.
    """

    def __init__(self) -> None:
        self._sources: dict[str, Source] = {name: {} for name in SOURCES}
        self._variants = Variants()
        self._overrides = Overrides({}, self._variants)
        self._changing = threading.RLock()
        self._told: set[str] = set()
        self._heirs: weakref.WeakKeyDictionary[Any, weakref.WeakSet[Any]] = (
            weakref.WeakKeyDictionary()
        )
        self._handing_over = threading.Lock()

    @property
    def settings(self) -> Settings:
        """All that is in force."""
        return self._overrides.settings

    def source(self, name: str) -> Source:
        """What one source says."""
        return dict(self._sources[name])

    def environment(self) -> Source:
        """What the environment says now; what it said before, which is told, if that is wrong."""
        try:
            said = read_environment(os.environ, policy_kinds())
            check(said)
        except ConfigurationError as error:
            self._tell_once(f"configuration by the environment refused: {error}")
            return self.source("environment")
        return said

    def change(self, **sources: Source) -> None:
        """Let these sources say something else. Raises: ConfigurationError; nothing is changed."""
        for said in sources.values():
            check(said)
        with self._changing:
            after = {**self._sources, **sources}
            merged: Source = {}
            for name in SOURCES:
                merged |= after[name]
            overrides = Overrides(merged, self._variants)
            handles = filed.handles()
            former_store = opening.default_state()
            try:
                self._use_store(merged)
                choices = [(handle, overrides.of(handle)) for handle in handles]
            except BaseException:
                opening.set_default(former_store)
                raise
            # From here on nothing is refused; and what is decorated meanwhile sees the new ones.
            before, self._overrides = self._overrides.settings, overrides
            self._sources = after
            filed.when_decorated(self._hear)
            _use_switch(before, merged)
            opening.let_publish(_value(merged, "publish") is not False)
            in_use = _in_use(handles)
            has_other_store = opening.default_state() is not former_store
            for handle, choice in choices:
                self._put(handle, choice, overrides, in_use, has_other_store=has_other_store)

    def unmatched(self) -> list[str]:
        """What is said of functions that are not there."""
        return self._overrides.unmatched(filed.handles())

    def _hear(self, handle: Handle) -> None:
        """Put in force what is said of a function that was decorated just now."""
        seen: Overrides | None = None
        while seen is not self._overrides:
            seen = self._overrides
            try:
                choice = seen.of(handle)
            except ConfigurationError as error:
                # Its import must not fail by what an operator wrote.
                choice = InForce(handle.written)  # type: ignore[arg-type]  # they are policies
                self._tell_once(f"{error} The options in the code stay in force.")
            self._put(handle, choice, seen, is_new=True)

    def _put(
        self,
        handle: Handle,
        choice: InForce,
        overrides: Overrides,
        in_use: Container[int] = (),
        *,
        is_new: bool = False,
        has_other_store: bool = False,
    ) -> None:
        """Put in force what is said of a function.

        in_use: ids of policies that others have. has_other_store: the default store, which policies
        may ask for when they are bound, is another one than before.
        """
        handle.overridden = overrides.notes_of(handle)
        if not has_other_store and not _differs(handle, choice):
            return
        try:
            for old, new in zip(handle.policies, choice.policies, strict=True):
                if new is not old and id(new) not in in_use:
                    self._hand_over(old, new)
            rebinding.put_in_force(handle, choice, is_new=is_new)
        except Exception as error:  # a policy of the user's that can't be bound twice
            text = f"{handle.label} keeps its options: {type(error).__name__} while binding others"
            self._tell_once(text)

    def _hand_over(self, old: Any, new: Any) -> None:
        """Let `new` take over from `old`, once for all functions that had it."""
        with self._handing_over:
            heirs = self._heirs.setdefault(old, weakref.WeakSet())
            is_done = new in heirs
            heirs.add(new)
            # The other way round is to come, if the old one ever takes this one's place again.
            self._heirs.get(new, weakref.WeakSet()).discard(old)
        if not is_done:
            new.take_over(old)

    def _tell_once(self, text: str) -> None:
        if text not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(text)
            listeners.announce("degraded", "resilient", text)

    def _use_store(self, after: Settings) -> None:
        """Make the store of these settings the default."""
        before = self._overrides.settings
        if all(_value(after, key) == _value(before, key) for key in ("store", "store_timeout")):
            return
        chosen, timeout = _value(after, "store"), _value(after, "store_timeout")
        given = after.get(("store",)) or after.get(("store_timeout",))
        where = given.where if given else "configure()"
        try:
            if isinstance(chosen, str) and timeout is not None:
                chosen = opening.open_state(chosen, timeout=timeout)
            opening.set_default(chosen)
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}: store: {error}") from None
        except ImportError as error:
            raise ConfigurationError(
                f"{where}: store: it needs {error.name}, which is not installed."
            ) from None


def _in_use(handles: Iterable[Handle]) -> set[int]:
    """The ids of policies that functions have.

    What one decorator made and the next one took over does not count: nobody calls it, but it may
    live for long.
    """
    stacks: dict[int, list[Handle]] = {}
    for handle in handles:
        stacks.setdefault(id(handle.function), []).append(handle)
    found: set[int] = set()
    for same in stacks.values():
        written = [set(map(id, handle.written)) for handle in same]
        for handle, own in zip(same, written, strict=True):
            if not any(own < other for other in written):
                found.update(map(id, handle.policies))
    return found


def _value(settings: Settings, key: str) -> Any:
    given = settings.get((key,))
    return None if given is None else given.value


def _use_switch(before: Settings, after: Settings) -> None:
    """Turn all policies off or on, if these settings say something else than the former."""
    is_off = _value(after, "enabled") is False
    if is_off != (_value(before, "enabled") is False):
        wrapping.enabled(not is_off)


def _differs(handle: Handle, choice: InForce) -> bool:
    is_same = all(a is b for a, b in zip(handle.policies, choice.policies, strict=True))
    return not is_same or handle.enabled != choice.enabled or handle.facts != choice.facts


in_force = Configuration()
