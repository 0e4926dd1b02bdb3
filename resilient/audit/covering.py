"""Which functions run under resilient's policies.

A function does if it is decorated, or handed to a policy (`github(fetch)`, `github.call(fetch)`),
or defined inside one that does. So does a private helper (`_fetch`) that is only ever called, in
this file, from functions that do: the call around it is the open one when it sends. A public helper
does not, since other modules may call it by itself, nor does one that is passed on as a value, to a
thread say, where the open call is not seen.
"""

from __future__ import annotations

import ast

from resilient.audit.libraries import is_policy
from resilient.audit.resolving import Names
from resilient.audit.scopes import Scope
from resilient.audit.values import Function, Path, Policy, Value


class Covering:
    """Knows of every function of one file whether policies look after it."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._known: dict[int, bool] = {}
        self._handed = self._handed_to_policies()

    def is_covered(self, scope: Scope) -> bool:
        """Does what is called in this scope run under resilient's policies?"""
        function = scope.owner
        key = id(function)
        if key not in self._known:
            self._known[key] = True  # a helper that calls itself needs no other caller
            self._known[key] = self._is_covered(function)
        return self._known[key]

    def _is_covered(self, function: Scope) -> bool:
        if function.parent is None:
            return False
        if id(function) in self._handed or any(
            self._is_policy(self._names.value(one, function.parent))
            for one in function.decorators()
        ):
            return True
        around = function.parent.owner
        if around.parent is not None and self.is_covered(around):
            return True
        return _is_private(function.name) and self._is_only_called_under_cover(function)

    def _is_policy(self, value: Value | None) -> bool:
        if isinstance(value, Function):  # a decorator of the file's own, made of ours
            value = self._names.returned(value.scope)
        return isinstance(value, Policy) or (isinstance(value, Path) and is_policy(value.name))

    def _is_only_called_under_cover(self, function: Scope) -> bool:
        is_method = function.own_class is not None
        ways = {f".{function.name}"} if is_method else {function.name, f".{function.name}"}
        callers = []
        for scope in self._names.scopes:
            if scope is function:
                continue
            if not ways.isdisjoint(scope.passed):
                return False
            if not ways.isdisjoint(scope.called):
                callers.append(scope)
        return bool(callers) and all(self.is_covered(one) for one in callers)

    def _handed_to_policies(self) -> set[int]:
        handed = set()
        for scope in self._names.scopes:
            for call in scope.calls:
                if call.args and self._is_policy(self._names.value(call.func, scope)):
                    for node in (*call.args, *(one.value for one in call.keywords)):
                        if isinstance(node, (ast.Name, ast.Attribute, ast.Lambda)):
                            value = self._names.value(node, scope)
                            if isinstance(value, Function):
                                handed.add(id(value.scope))
        return handed


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")
