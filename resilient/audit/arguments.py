"""What the arguments of a call say, its timeout above all."""

from __future__ import annotations

import ast
from typing import Protocol

from resilient.audit.libraries import Library
from resilient.audit.scopes import Scope
from resilient.audit.values import Const, Timeout, Value


class Names(Protocol):
    """What resolves expressions: see `resolving.Names`."""

    def value(self, node: ast.AST, scope: Scope) -> Value | None:
        """What an expression stands for."""


def keywords(call: ast.Call, scope: Scope) -> tuple[dict[str, ast.expr], bool]:
    """A call's arguments by keyword, and whether there may be others, from `**options`."""
    found: dict[str, ast.expr] = {}
    has_more = False
    for keyword in call.keywords:
        if keyword.arg is not None:
            found[keyword.arg] = keyword.value
            continue
        has_more = True
        options = _literal(keyword.value, scope)
        for key, value in zip(options.keys, options.values, strict=True) if options else ():
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                found.setdefault(key.value, value)
    return found, has_more


def _literal(node: ast.expr, scope: Scope) -> ast.Dict | None:
    """The dict that `**options` stands for, where it is written out."""
    if isinstance(node, ast.Name):
        current: Scope | None = scope
        while current is not None and node.id not in current.bindings:
            current = current.parent
        bindings = [] if current is None else current.bindings[node.id]
        values = [one.node for one in bindings if one.how == "value"]
        if len(bindings) == 1 == len(values) and isinstance(values[0], ast.Dict):
            return values[0]
    return node if isinstance(node, ast.Dict) else None


def timeout_of(names: Names, call: ast.Call, scope: Scope, library: Library, name: str) -> Timeout:
    """What a call says of its timeout, by keyword or in the place that it has for `name`."""
    given, has_more = keywords(call, scope)
    node = next((given[one] for one in library.timeout_names if one in given), None)
    place = library.timeout_at.get(name)
    if any(isinstance(one, ast.Starred) for one in call.args):
        has_more = True
    elif node is None and place is not None and len(call.args) > place:
        node = call.args[place]
    if node is None:
        return Timeout.GIVEN if has_more else Timeout.UNSET
    return Timeout.ENDLESS if _is_endless(names, node, scope) else Timeout.GIVEN


def _is_endless(names: Names, node: ast.AST, scope: Scope) -> bool:
    # requests takes (connect, read), httpx and urllib3 a Timeout of theirs.
    if isinstance(node, ast.Tuple) and node.elts:
        return _is_endless(names, node.elts[-1], scope)
    if isinstance(node, ast.Call) and last_name(node.func) == "Timeout":
        alone = [*node.args, *(one.value for one in node.keywords)]
        return bool(alone) and all(_is_endless(names, one, scope) for one in alone)
    return names.value(node, scope) == Const(None)


def last_name(node: ast.AST) -> str | None:
    """`get` of `requests.get`, and of a call of it."""
    if isinstance(node, ast.Call):
        node = node.func
    return getattr(node, "attr", None) or getattr(node, "id", None)
