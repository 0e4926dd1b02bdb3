"""A call's arguments, however they were spelled: as a key, and handed on to another function.

As a key, `f(1, 2)` and `f(a=1, b=2)` are one; `1`, `1.0` and `True` are three, at any depth; lists,
dicts, sets, tuples and dataclasses are read by value. Whatever else is hashable stands for itself
(an object without __eq__ by its identity).
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime, time
from typing import Any

from resilient.call import Call

Key = Hashable

# Values of these types equal only values of their own type, so they need no tag. An int equals a
# float and a bool, but those two are tagged. All other values become a pair that starts with their
# type, so that no value can be made to look like another.
UNTAGGED = frozenset({str, int, bytes, type(None)})
_NO_DEFAULT = inspect.Parameter.empty
_AS_SPELLED = object()
"""Stands first in the key of arguments that the signature does not take."""


class Uncacheable(TypeError):
    """An argument can't be part of a key. The text names its type and never shows its value."""


class KeyMaker:
    """Makes the keys of one function's calls.

    count: a call with this many arguments, all by position and of UNTAGGED types, has its very
    arguments for its key; -1 if the function has no such calls.
    """

    __slots__ = ("_defaults", "_names", "_positional", "_signature", "count")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature = _signature_of(function)
        parameters = list(self._signature.parameters.values()) if self._signature else []
        plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        simple = self._signature is not None and all(one.kind in plain for one in parameters)
        self._names = tuple(one.name for one in parameters) if simple else None
        self._positional = sum(one.kind is plain[0] for one in parameters)
        self.count = len(parameters) if simple and self._positional == len(parameters) else -1
        self._defaults = tuple(one.default for one in parameters)

    def __call__(self, call: Call) -> Key:
        """The key of a call.

        Raises: Uncacheable, and nothing else.
        """
        args = call.args
        if call.kwargs or len(args) != self.count:
            args = self._in_order(args, call.kwargs)
        for value in args:
            if type(value) not in UNTAGGED:
                return frozen(args)
        return args

    def _in_order(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments as the parameters stand, defaults included."""
        names = self._names
        if names is None or len(args) > self._positional:
            return self._bound(args, kwargs)
        later = names[len(args) :]
        rest = tuple(map(kwargs.get, later, self._defaults[len(args) :]))
        # Anything missing, unknown or given twice is the function's to complain of.
        if any(value is _NO_DEFAULT for value in rest) or not kwargs.keys() <= set(later):
            return self._bound(args, kwargs)
        return (*args, *rest)

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        if self._signature is None:
            return (_AS_SPELLED, args, kwargs)
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError:
            # The function will complain, or a wrapper of it takes other arguments than it says.
            return (_AS_SPELLED, args, kwargs)
        bound.apply_defaults()
        return tuple(bound.arguments.values())


def frozen(values: Sequence[Any]) -> Key:
    """A hashable stand-in for values; equal for equal values of equal types, at any depth.

    Raises: Uncacheable, and nothing else.
    """
    try:
        return tuple(map(_frozen, values))
    except Uncacheable:
        raise
    except RecursionError:
        raise Uncacheable("an argument contains itself, or is nested too deeply") from None
    except Exception as error:  # another thread changes it meanwhile, or its own methods raise
        raise Uncacheable(f"an argument can't be read ({type(error).__name__})") from None


def _frozen(value: Any) -> Key:
    kind = type(value)
    if kind in UNTAGGED:
        return value  # type: ignore[no-any-return]  # all of these are hashable
    if kind is list or isinstance(value, tuple):
        return (kind, tuple(map(_frozen, value)))
    if kind is dict:
        return (kind, frozenset((_frozen(key), _frozen(item)) for key, item in value.items()))
    if kind is set or isinstance(value, frozenset):
        return (kind, frozenset(map(_frozen, value)))
    if kind is bytearray:
        return (kind, bytes(value))
    if kind is datetime or kind is time:
        # Noon in Berlin equals 11 o'clock in London, but they are not the same argument.
        return (kind, repr(value))
    if dataclasses.is_dataclass(kind):
        compared = [field.name for field in dataclasses.fields(kind) if field.compare]
        read = tuple(_frozen(getattr(value, name)) for name in compared)
        # A hash of its own can tell more values apart than the fields do.
        return (kind, read, value) if _is_hashable(value) else (kind, read)
    if not _is_hashable(value):
        raise Uncacheable(f"a {kind.__name__} is not hashable")
    return (kind, value)


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except RecursionError:
        raise
    except Exception:  # a writable memoryview raises ValueError
        return False
    return True


class Handover:
    """Calls `taker` with the arguments that `function` was called with.

    They are handed on in their order, whatever the taker calls its parameters; by name where it
    takes them by name only. The function's defaults are filled in.

    offers_error: a parameter `error`, which the function itself does not have, gets the exception.

    Raises: TypeError, when made, if the taker can't take the function's arguments.
    """

    def __init__(
        self,
        taker: Callable[..., Any],
        function: Callable[..., Any],
        *,
        offers_error: bool = False,
    ) -> None:
        self._taker = taker
        self._given = _signature_of(function)
        self._taken = _signature_of(taker)
        self._wants_error = (
            offers_error
            and self._taken is not None
            and "error" in self._taken.parameters
            and not (self._given and "error" in self._given.parameters)
        )
        if self._given is not None and self._taken is not None:
            self._try_out(self._given, self._taken)

    def __call__(self, call: Call, error: Exception | None = None) -> Any:
        """Call the taker; whatever it raises passes."""
        args, kwargs = self._spelled(call)
        if self._taken is not None:
            args, kwargs = self._arranged(self._taken, args, kwargs, error)
        return self._taker(*args, **kwargs)

    def _spelled(self, call: Call) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """The call's arguments, positional as far as the function allows."""
        if self._given is None:
            return call.args, call.kwargs
        try:
            bound = self._given.bind(*call.args, **call.kwargs)
        except TypeError:
            return call.args, call.kwargs
        bound.apply_defaults()
        return bound.args, bound.kwargs

    def _arranged(
        self,
        taken: inspect.Signature,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        error: Exception | None,
    ) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """The arguments as the taker wants them; what has no place stays where it was."""
        values = list(args)
        named = dict(kwargs)
        slots = _positional(taken)
        placed: list[Any] = []
        wants_error = self._wants_error
        for name in slots:
            if wants_error and name == "error":
                placed.append(error)
                wants_error = False
            elif values:
                placed.append(values.pop(0))
            else:
                break
        if wants_error:
            named["error"] = error
        if values and self._given is not None and not _has(taken, "VAR_POSITIONAL"):
            names = _positional(self._given)[len(args) - len(values) :]
            rest = dict(zip(names, values, strict=False))
            if len(rest) == len(values) and not rest.keys() & set(slots):
                named |= rest
                values = []
        return [*placed, *values], named

    def _try_out(self, given: inspect.Signature, taken: inspect.Signature) -> None:
        names, slots = _positional(given), _positional(taken)
        if self._wants_error and "error" in slots:
            slots.remove("error")
        for name, slot in zip(names, slots, strict=False):
            if name != slot and slot in names:
                raise TypeError(f"{slot!r} stands in another place there")
        by_name = {
            name: None
            for name, one in given.parameters.items()
            if one.kind is inspect.Parameter.KEYWORD_ONLY
        }
        args, kwargs = self._arranged(taken, [None] * len(names), by_name, None)
        # What *args and **kwargs will hold is not known yet.
        is_open = _has(given, "VAR_POSITIONAL") or _has(given, "VAR_KEYWORD")
        (taken.bind_partial if is_open else taken.bind)(*args, **kwargs)


def _signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (ValueError, TypeError):  # a builtin that does not tell
        return None


def _positional(signature: inspect.Signature) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [name for name, one in signature.parameters.items() if one.kind in kinds]


def _has(signature: inspect.Signature, kind: str) -> bool:
    return any(one.kind.name == kind for one in signature.parameters.values())
