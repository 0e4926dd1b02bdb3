"""What tells a function from all others, in every process that has the same program."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from resilient.handle import Handle
from resilient.keys import Uncacheable, frozen
from resilient.results.portable import portable

_DEEPEST = 8
"""Functions that close over functions; one that closes over itself ends here at the latest."""


class Nameless(Uncacheable):
    """What a function is made with means nothing in another process."""


def name_of(function: Callable[..., Any], *, is_scoped: bool) -> bytes:
    """A name that no other function has.

    Of functions made inside others, of methods, partials and callable objects, what they are made
    with belongs to it: they would answer differently. is_scoped: `scope=` says who may see the
    results, so what means nothing in another process is left out.
    Raises: Nameless.
    """
    return _Namer(is_scoped).named(function, 0)


class _Namer:
    def __init__(self, is_scoped: bool) -> None:
        self._is_scoped = is_scoped

    def named(self, thing: Any, depth: int) -> bytes:
        handle = getattr(thing, "resilient", None)
        if isinstance(handle, Handle) and handle.wrapper is thing:
            thing = handle.function
        if depth > _DEEPEST:
            return b"..."
        if isinstance(thing, functools.partial):
            held = [thing.args, dict(sorted(thing.keywords.items()))]
            return _joined(b"partial", self.named(thing.func, depth + 1), *self._all(held, depth))
        if isinstance(thing, (MethodType, BuiltinFunctionType)):
            function = getattr(thing, "__func__", None)
            name = _address(thing) if function is None else self.named(function, depth + 1)
            return _joined(b"method", name, *self._all([thing.__self__], depth))
        if isinstance(thing, FunctionType):
            code = _code(thing.__code__) if "<lambda>" in thing.__qualname__ else b""
            return _joined(b"function", _address(thing), code, *self._all(_cells(thing), depth))
        inner = getattr(thing, "__wrapped__", None)
        if callable(inner):  # functools.lru_cache makes such
            return _joined(b"wrapped", _address(type(thing)), self.named(inner, depth + 1))
        if hasattr(thing, "__qualname__"):  # of C, such as a slot of a class
            return _joined(b"function", _address(thing))
        return _joined(b"object", _address(type(thing)), *self._all([thing], depth, _portable))

    def _all(
        self, values: Iterable[Any], depth: int, make: Callable[[Any], bytes] | None = None
    ) -> Iterable[bytes]:
        for value in values:
            try:
                yield self._value(value, depth) if make is None else make(value)
            except Uncacheable as error:
                if not self._is_scoped:
                    if isinstance(error, Nameless):
                        raise
                    kind = type(value).__name__
                    raise Nameless(
                        f"it is made with a {kind}, which is not the same in another process"
                    ) from None
                yield b"?"

    def _value(self, value: Any, depth: int) -> bytes:
        if isinstance(value, ModuleType):
            return _joined(b"module", value.__name__.encode())
        if isinstance(value, type):
            return _joined(b"class", _address(value))
        if isinstance(value, Mapping) and type(value) is dict:
            pairs = [self._all(pair, depth + 1) for pair in value.items()]
            return _joined(b"dict", *(part for pair in pairs for part in pair))
        if type(value) in (list, tuple):
            return _joined(type(value).__name__.encode(), *self._all(value, depth + 1))
        if inspect.isroutine(value) or isinstance(value, functools.partial):
            return self.named(value, depth + 1)
        return _portable(value)


def _portable(value: Any) -> bytes:
    return portable(frozen((value,)))


def _cells(function: FunctionType) -> list[Any]:
    contents = []
    for cell in function.__closure__ or ():
        try:
            contents.append(cell.cell_contents)
        except ValueError:  # not assigned yet: itself, say
            contents.append(None)
    return contents


def _address(thing: Any) -> bytes:
    module = str(getattr(thing, "__module__", None))
    if module in ("__main__", "__mp_main__"):  # the latter is what multiprocessing makes of it
        module = _program(getattr(thing, "__globals__", None) or vars(sys.modules[module]))
    return f"{module}:{thing.__qualname__}".encode("utf-8", "surrogatepass")


def _program(main: Mapping[str, Any]) -> str:
    """What tells one program from another: all are __main__."""
    spec = main.get("__spec__")
    if spec is not None and spec.name not in ("__main__", "__mp_main__"):
        return str(spec.name)  # python -m
    file = main.get("__file__")
    return "__main__" if file is None else os.path.realpath(file)


def _code(code: CodeType) -> bytes:
    """What a lambda does: there may be several of that name."""
    constants = [
        _code(one) if isinstance(one, CodeType) else repr(one).encode() for one in code.co_consts
    ]
    names = " ".join([*code.co_names, *code.co_varnames, *code.co_freevars]).encode()
    return _joined(b"%d" % code.co_firstlineno, code.co_code, names, *constants)


def _joined(*parts: bytes) -> bytes:
    # Lengths in front: no value can be made to look like two.
    return b"".join(b"%d:" % len(part) + part for part in parts)
