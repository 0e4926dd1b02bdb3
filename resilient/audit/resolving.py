"""What the names and expressions of a file stand for.

Nothing is run, and the order of statements is not looked at: of several things that a name may be,
the first that is known counts.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from resilient.audit.arguments import last_name, timeout_of
from resilient.audit.libraries import (
    canonical,
    client_of,
    function_of,
    is_policy,
    is_sending,
)
from resilient.audit.scopes import Binding, Scope, scopes_of
from resilient.audit.values import (
    Class,
    Client,
    Const,
    Function,
    Instance,
    Items,
    Partial,
    Path,
    Policy,
    Timeout,
    Value,
)

_SESSIONS = frozenset({"boto3.Session", "boto3.session.Session", "botocore.session.get_session"})
_PASSES_ON = frozenset({"contextlib.closing", "contextlib.nullcontext", "copy.copy"})
_PROPERTIES = frozenset({"property", "cached_property"})


class Source(NamedTuple):
    """One file, parsed. parts: its path in pieces, the last without `.py`, or `__init__` left out.

    lines: as they are, for columns and comments.
    """

    path: str
    parts: tuple[str, ...]
    is_package: bool
    tree: ast.Module
    lines: list[str]


Elsewhere = Callable[[Source, str], Value | None]
"""What a dotted name stands for that a file imports from the audited code itself."""


class Names:
    """Resolves the expressions of one file."""

    def __init__(self, source: Source, elsewhere: Elsewhere) -> None:
        self.source = source
        self.scopes = scopes_of(source.tree)
        self._elsewhere = elsewhere
        self._values: dict[int, Value | None] = {}
        # Values are known by their nodes' ids, which must not be given to others.
        self._kept: list[ast.AST] = []
        self._bound: dict[tuple[int, str], Value | None] = {}
        self._settled: dict[str, Value | None] = {}

    @property
    def module(self) -> Scope:
        """The file's own scope."""
        return self.scopes[0]

    def release(self) -> None:
        """Give back the memory at once: scopes refer to each other in circles."""
        for scope in self.scopes:
            vars(scope).clear()
        for known in (self._values, self._bound, self._settled):
            known.clear()

    def value(self, node: ast.AST, scope: Scope) -> Value | None:
        """What an expression stands for; None if that can't be told."""
        key = id(node)
        if key not in self._values:
            self._values[key] = None  # for those that come back here
            self._values[key] = self._value(node, scope)
        return self._values[key]

    def _value(self, node: ast.AST, scope: Scope) -> Value | None:
        if isinstance(node, ast.Name):
            return self.lookup(node.id, scope)
        if isinstance(node, ast.Attribute):
            return self._attribute(self.value(node.value, scope), node.attr)
        if isinstance(node, ast.Call):
            return self._called(node, scope)
        if isinstance(node, ast.Constant):
            return Const(node.value)
        if isinstance(node, ast.Lambda):
            return next((Function(one) for one in self.scopes if one.node is node), None)
        if isinstance(node, ast.BoolOp):
            return self._first(node.values, scope)
        if isinstance(node, ast.IfExp):
            return self._first((node.body, node.orelse), scope)
        if isinstance(node, (ast.NamedExpr, ast.Await)):
            return self.value(node.value, scope)
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return _items(self._first(node.elts, scope))
        if isinstance(node, ast.Dict):
            return _items(self._first(node.values, scope))
        if isinstance(node, ast.Subscript):
            held = self.value(node.value, scope)
            return held.value if isinstance(held, Items) else None
        return None

    def _first(self, nodes: Iterable[ast.AST], scope: Scope) -> Value | None:
        return _best(self.value(node, scope) for node in nodes)

    def lookup(self, name: str, scope: Scope) -> Value | None:
        """What a name stands for in a scope."""
        current: Scope | None = scope
        while current is not None:
            # Functions don't see the names of a class around them.
            if name in current.bindings and (current.kind != "class" or current is scope):
                return self._of_bindings(current, name, current.bindings[name])
            home = current.elsewhere.get(name)
            current = current.parent if home is None else home
        if name in ("getattr", "__import__"):
            return Path(f"builtins.{name}")
        return self._of_star(name)

    def _of_star(self, name: str) -> Value | None:
        """What `from library import *` may have bound."""
        for star in self.module.bindings.get("*", ()):
            path = canonical(f"{star.path.removesuffix('*')}{name}")
            if client_of(path) or function_of(path) or is_policy(path):
                return Path(path)
        return None

    def _of_bindings(self, scope: Scope, name: str, bindings: list[Binding]) -> Value | None:
        key = (id(bindings), name)
        if key not in self._bound:
            self._bound[key] = None
            self._bound[key] = _best(self._of_binding(one, scope) for one in bindings)
        return self._bound[key]

    def _of_binding(self, binding: Binding, home: Scope) -> Value | None:
        how, node, scope, path = binding
        if how == "import":
            return self.settled(path)
        if how == "function":
            return Function(scope)
        if how == "class":
            return Class(scope)
        if node is None:
            return None
        if how == "value":
            return self.value(node, scope)
        if how == "element":
            held = self.value(node, scope)
            return held.value if isinstance(held, Items) else None
        if how == "annotation":
            return self.annotated(node, scope)
        return self._self_of(node, home)

    def _self_of(self, parameter: ast.AST, function: Scope) -> Value | None:
        """The object of a method, if this is its first parameter."""
        owner, node = function.own_class, function.node
        if owner is None or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return None
        places = [*node.args.posonlyargs, *node.args.args]
        is_static = any(last_name(one) == "staticmethod" for one in node.decorator_list)
        return Instance(owner) if places[:1] == [parameter] and not is_static else None

    def annotated(self, node: ast.AST, scope: Scope) -> Value | None:
        """An object of the type that an annotation names."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                node = ast.parse(node.value.strip(), mode="eval").body
                self._kept.append(node)
            except (SyntaxError, ValueError):
                return None
        if isinstance(node, ast.Subscript):
            inner = node.slice
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            kind = last_name(node.value)
            if kind not in ("Optional", "Union", "Annotated", "ClassVar", "Final"):
                return None
            return _best(self.annotated(part, scope) for part in parts)
        if isinstance(node, ast.BinOp):
            return _best(self.annotated(part, scope) for part in (node.left, node.right))
        if not isinstance(node, (ast.Name, ast.Attribute)):
            return None
        kind_of = self.value(node, scope)
        if isinstance(kind_of, Class):
            return Instance(kind_of.scope)
        if isinstance(kind_of, Path):
            library = client_of(kind_of.name)
            if library is not None:
                # Whoever made it may have given it a timeout, if such a client takes one.
                timeout = Timeout.GIVEN if library.clients_time_out else Timeout.UNSET
                return Client(library, kind_of.name, timeout)
        return None

    def settled(self, path: str) -> Value | None:
        """What something imported stands for: a library's, or defined elsewhere in the code."""
        if path not in self._settled:
            self._settled[path] = None
            named = canonical(path)
            found = self._elsewhere(self.source, named)
            self._settled[path] = Path(named) if found is None else found
        return self._settled[path]

    def _attribute(self, base: Value | None, name: str) -> Value | None:
        if isinstance(base, Path):
            return self.settled(f"{base.name}.{name}")
        if isinstance(base, Client):
            return base._replace(chain=f"{base.chain}.{name}".lstrip("."))
        if isinstance(base, Policy):
            return base
        if isinstance(base, (Instance, Class)):
            return self.member(base.scope, name)
        return None

    def member(self, of: Scope, name: str) -> Value | None:
        """What an attribute of an object of a class of this file stands for."""
        key = (id(of), f".{name}")
        if key not in self._bound:
            self._bound[key] = None
            self._bound[key] = self._member(of, name)
        return self._bound[key]

    def _member(self, of: Scope, name: str) -> Value | None:
        bindings = [*of.attributes.get(name, ()), *of.bindings.get(name, ())]
        found = _best(self._of_binding(one, of) for one in bindings)
        if isinstance(found, Function) and _is_property(found.scope):
            return self.returned(found.scope)
        if bindings:
            return found
        for base in self.bases(of):
            if isinstance(base, Class):
                found = self.member(base.scope, name)
            elif isinstance(base, Client):
                found = base._replace(chain=name)
            if found is not None:
                return found
        return None

    def bases(self, of: Scope) -> Iterator[Class | Client]:
        """The classes and clients that a class inherits from, as far as they are known."""
        for node in getattr(of.node, "bases", ()):
            base = self.value(node, of.parent or of)
            if isinstance(base, Class):
                yield base
            elif isinstance(base, Path):
                library = client_of(base.name)
                if library is not None:
                    yield Client(library, base.name, self._timeout_of_subclass(of))

    def _timeout_of_subclass(self, of: Scope) -> Timeout:
        # Who derives from a session and says "timeout" does it to give every request one.
        for node in ast.walk(of.node):
            for word in (getattr(node, "arg", None), getattr(node, "id", None)):
                if isinstance(word, str) and "timeout" in word.lower():
                    return Timeout.GIVEN
            if isinstance(node, ast.Constant) and node.value == "timeout":
                return Timeout.GIVEN
        return Timeout.UNSET

    def _called(self, call: ast.Call, scope: Scope) -> Value | None:
        made_by = self.value(call.func, scope)
        if isinstance(made_by, Path):
            return self._made(made_by.name, call, scope)
        if isinstance(made_by, Client):
            return self._made_by_client(made_by, call, scope)
        if isinstance(made_by, Policy):
            return made_by
        if isinstance(made_by, Class):
            return Instance(made_by.scope)
        if isinstance(made_by, Function):
            return self.returned(made_by.scope)
        if isinstance(made_by, Partial) and isinstance(made_by.function, Path):
            return self._made(made_by.function.name, made_by.call, scope)
        return None

    def _made(self, path: str, call: ast.Call, scope: Scope) -> Value | None:
        if is_policy(path):
            return Policy()
        library = client_of(path)
        if library is not None:
            return Client(library, path, timeout_of(self, call, scope, library, path))
        if path in _SESSIONS:
            return Path("boto3.session.Session")
        if not call.args:
            return None
        if path in ("functools.partial", "functools.partialmethod"):
            function = self.value(call.args[0], scope)
            return None if function is None else Partial(function, call)
        if path in _PASSES_ON:
            return self.value(call.args[0], scope)
        if path in ("importlib.import_module", "builtins.__import__"):
            name = self.value(call.args[0], scope)
            if isinstance(name, Const) and isinstance(name.value, str):
                return self.settled(name.value)
        if path == "builtins.getattr" and len(call.args) > 1:
            return self._got(call, scope)
        return None

    def _got(self, call: ast.Call, scope: Scope) -> Value | None:
        base, name = (self.value(one, scope) for one in call.args[:2])
        if isinstance(name, Const) and isinstance(name.value, str):
            return self._attribute(base, name.value)
        # Whatever the method is, it sends.
        is_sender = isinstance(base, Client) or (
            isinstance(base, Path) and function_of(f"{base.name}.request") is not None
        )
        return self._attribute(base, "request") if is_sender else None

    def _made_by_client(self, made_by: Client, call: ast.Call, scope: Scope) -> Value | None:
        method = made_by.chain.rpartition(".")[2]
        if method in ("with_options", "copy"):
            timeout = timeout_of(self, call, scope, made_by.library, "")
            return made_by._replace(
                timeout=made_by.timeout if timeout is Timeout.UNSET else timeout, chain=""
            )
        if is_sending(made_by.library, made_by.chain) and not made_by.library.is_fluent:
            return None
        return made_by

    def returned(self, function: Scope) -> Value | None:
        """What a function of this file returns, or hands to `with`."""
        is_context = any(
            "contextmanager" in (last_name(one) or "") for one in function.decorators()
        )
        return self._first(function.yields if is_context else function.results, function)


def _best(values: Iterable[Value | None]) -> Value | None:
    """The first that is more than a literal; a literal only if nothing else is possible."""
    consts: list[Value] = []
    has_unknown = False
    for value in values:
        if isinstance(value, Const):
            consts.append(value)
        elif value is not None:
            return value
        else:
            has_unknown = True
    return consts[0] if len(consts) == 1 and not has_unknown else None


def _items(value: Value | None) -> Value | None:
    return None if value is None or isinstance(value, Const) else Items(value)


def _is_property(function: Scope) -> bool:
    return any(last_name(one) in _PROPERTIES for one in function.decorators())
