"""The scopes of one file: which names are bound to what, and what is called in them.

One walk, without recursion: a sum of a thousand strings is nested a thousand deep.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from resilient.audit.rules import MODULE

Callable_ = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Loop = ast.For | ast.AsyncFor | ast.While


class Binding(NamedTuple):
    """One way in which a name gets its value.

    how: "value" of `node`; "element" of it; "annotation" that it is; "parameter", "function",
    "class" that it is; "import" of `path`; "unknown".
    scope: in which `node` is to be looked at.
    """

    how: str
    node: ast.AST | None
    scope: Scope
    path: str = ""


class Assigned(NamedTuple):
    """`base.attribute = value` or `base[key] = value`."""

    target: ast.Attribute | ast.Subscript
    value: ast.expr


class Scope:
    """A module, class, function or lambda.

    attributes: of a class, what its methods assign to `self`.
    calls, loops, assigned: in this scope itself, in no particular order. awaited: ids of calls.
    called, passed: names, and `.names` of attributes, that are called, or used in another way.
    results: what is returned; yields: what is yielded.
    """

    def __init__(self, node: ast.AST, kind: str, name: str, parent: Scope | None) -> None:
        self.node = node
        self.kind = kind
        self.name = name
        self.parent = parent
        self.bindings: dict[str, list[Binding]] = {}
        self.attributes: dict[str, list[Binding]] = {}
        self.calls: list[ast.Call] = []
        self.loops: list[Loop] = []
        self.assigned: list[Assigned] = []
        self.awaited: set[int] = set()
        self.called: set[str] = set()
        self.passed: set[str] = set()
        self.results: list[ast.expr] = []
        self.yields: list[ast.expr] = []
        self.elsewhere: dict[str, Scope] = {}
        """Names declared global or nonlocal, and where they live."""

    @property
    def qualname(self) -> str:
        """As the function's own `__qualname__`, without `<locals>`; a lambda has its owner's."""
        if self.parent is None:
            return MODULE
        if self.kind == "lambda":
            return self.parent.qualname
        outer = self.parent.qualname
        return self.name if outer == MODULE else f"{outer}.{self.name}"

    @property
    def owner(self) -> Scope:
        """The innermost function, or lambda, or else the module that this runs in."""
        scope = self
        while scope.kind == "class" and scope.parent is not None:
            scope = scope.parent
        return scope

    @property
    def own_class(self) -> Scope | None:
        """The class that this is a method of."""
        parent = self.parent
        return parent if parent is not None and parent.kind == "class" else None

    def decorators(self) -> list[ast.expr]:
        """Those of a function, outermost first."""
        return list(getattr(self.node, "decorator_list", ()))

    def bind(self, name: str, binding: Binding) -> None:
        """Add one way in which a name gets its value."""
        home = self.elsewhere.get(name, self)
        home.bindings.setdefault(name, []).append(binding)


def scopes_of(tree: ast.Module) -> list[Scope]:
    """All scopes of a file; the first is the module's."""
    return _Walk(tree).scopes


class _Walk:
    def __init__(self, tree: ast.Module) -> None:
        root = Scope(tree, "module", MODULE, None)
        self.scopes = [root]
        self._called: set[int] = set()
        self._todo: list[tuple[ast.AST, Scope]] = [(tree, root)]
        methods: dict[type, Any] = {}
        while self._todo:
            node, scope = self._todo.pop()
            kind = type(node)
            if kind not in methods:
                methods[kind] = getattr(self, f"_see_{kind.__name__}", None)
            method = methods[kind]
            children = None if method is None else method(node, scope)
            self._later(children_of(node) if children is None else children, scope)

    def _later(self, nodes: Iterable[ast.AST], scope: Scope) -> None:
        # The last in is the first out, and a `global` must be seen before what it is about.
        self._todo.extend([(node, scope) for node in nodes][::-1])

    # What opens a scope gives the nodes that still belong to the scope around it.

    def _see_FunctionDef(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope
    ) -> Iterable[ast.AST]:
        inner = self._open(node, "function", node.name, scope)
        scope.bind(node.name, Binding("function", None, inner))
        self._bind_parameters(node.args, inner, scope)
        self._later(node.body, inner)
        return [*node.decorator_list, *_defaults(node.args)]

    _see_AsyncFunctionDef = _see_FunctionDef

    def _see_Lambda(self, node: ast.Lambda, scope: Scope) -> Iterable[ast.AST]:
        inner = self._open(node, "lambda", "<lambda>", scope)
        self._bind_parameters(node.args, inner, scope)
        inner.results.append(node.body)
        self._later([node.body], inner)
        return _defaults(node.args)

    def _see_ClassDef(self, node: ast.ClassDef, scope: Scope) -> Iterable[ast.AST]:
        inner = self._open(node, "class", node.name, scope)
        scope.bind(node.name, Binding("class", None, inner))
        self._later(node.body, inner)
        return [*node.decorator_list, *node.bases, *node.keywords]

    def _open(self, node: ast.AST, kind: str, name: str, scope: Scope) -> Scope:
        inner = Scope(node, kind, name, scope)
        self.scopes.append(inner)
        return inner

    def _bind_parameters(self, arguments: ast.arguments, inner: Scope, outer: Scope) -> None:
        placed = [*arguments.posonlyargs, *arguments.args]
        defaults: dict[str, ast.expr | None] = dict(
            zip([one.arg for one in placed][::-1], arguments.defaults[::-1], strict=False)
        )
        defaults |= {
            one.arg: default
            for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        }
        for one in (*placed, *arguments.kwonlyargs):
            inner.bind(one.arg, Binding("parameter", one, outer))
            if one.annotation is not None:
                inner.bind(one.arg, Binding("annotation", one.annotation, outer))
            default = defaults.get(one.arg)
            if default is not None:
                inner.bind(one.arg, Binding("value", default, outer))
        for rest in (arguments.vararg, arguments.kwarg):
            if rest is not None:
                inner.bind(rest.arg, Binding("unknown", None, inner))

    # What binds names.

    def _see_Import(self, node: ast.Import, scope: Scope) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            path = alias.name if alias.asname else name
            scope.bind(name, Binding("import", None, scope, path))

    def _see_ImportFrom(self, node: ast.ImportFrom, scope: Scope) -> None:
        start = "." * node.level + (f"{node.module}." if node.module else "")
        for alias in node.names:
            path = f"{start}{alias.name}"
            scope.bind(alias.asname or alias.name, Binding("import", None, scope, path))

    def _see_Assign(self, node: ast.Assign, scope: Scope) -> None:
        for target in node.targets:
            self._bind_target(target, node.value, scope)

    def _see_AnnAssign(self, node: ast.AnnAssign, scope: Scope) -> Iterable[ast.AST]:
        binding = Binding("annotation", node.annotation, scope)
        self._bind_one(node.target, binding, scope)
        if node.value is None:
            return []
        self._bind_target(node.target, node.value, scope)
        return [node.value]

    def _see_NamedExpr(self, node: ast.NamedExpr, scope: Scope) -> None:
        self._bind_target(node.target, node.value, scope)

    def _see_AugAssign(self, node: ast.AugAssign, scope: Scope) -> None:
        self._bind_one(node.target, Binding("unknown", None, scope), scope)

    def _see_For(self, node: ast.For | ast.AsyncFor, scope: Scope) -> None:
        scope.loops.append(node)
        self._bind_one(node.target, Binding("element", node.iter, scope), scope)

    _see_AsyncFor = _see_For

    def _see_While(self, node: ast.While, scope: Scope) -> None:
        scope.loops.append(node)

    def _see_comprehension(self, node: ast.comprehension, scope: Scope) -> None:
        self._bind_one(node.target, Binding("element", node.iter, scope), scope)

    def _see_withitem(self, node: ast.withitem, scope: Scope) -> None:
        if node.optional_vars is not None:
            self._bind_target(node.optional_vars, node.context_expr, scope)

    def _see_ExceptHandler(self, node: ast.ExceptHandler, scope: Scope) -> None:
        if node.name:
            scope.bind(node.name, Binding("unknown", None, scope))

    def _see_Global(self, node: ast.Global, scope: Scope) -> None:
        scope.elsewhere.update(dict.fromkeys(node.names, self.scopes[0]))

    def _see_Nonlocal(self, node: ast.Nonlocal, scope: Scope) -> None:
        for name in node.names:
            outer = scope.parent
            while outer is not None and (outer.kind == "class" or name not in outer.bindings):
                outer = outer.parent
            if outer is not None:
                scope.elsewhere[name] = outer

    def _bind_target(self, target: ast.expr, value: ast.expr, scope: Scope) -> None:
        pairs = (ast.Tuple, ast.List)
        if (
            isinstance(target, pairs)
            and isinstance(value, pairs)
            and len(target.elts) == len(value.elts)
        ):
            for one, its in zip(target.elts, value.elts, strict=True):
                self._bind_target(one, its, scope)
            return
        if isinstance(target, (ast.Attribute, ast.Subscript)):
            scope.assigned.append(Assigned(target, value))
        self._bind_one(target, Binding("value", value, scope), scope)

    def _bind_one(self, target: ast.expr, binding: Binding, scope: Scope) -> None:
        if isinstance(target, ast.Name):
            scope.bind(target.id, binding)
        elif isinstance(target, ast.Attribute):
            owner = _class_of_self(target, scope)
            if owner is not None:
                owner.attributes.setdefault(target.attr, []).append(binding)
        elif isinstance(target, (ast.Tuple, ast.List, ast.Starred)):
            for name in ast.walk(target):
                if isinstance(name, ast.Name):
                    scope.bind(name.id, Binding("unknown", None, scope))

    # What is used.

    def _see_Call(self, node: ast.Call, scope: Scope) -> None:
        scope.calls.append(node)
        self._called.add(id(node.func))

    def _see_Await(self, node: ast.Await, scope: Scope) -> None:
        scope.awaited.add(id(node.value))

    def _see_Name(self, node: ast.Name, scope: Scope) -> None:
        if isinstance(node.ctx, ast.Load):
            (scope.called if id(node) in self._called else scope.passed).add(node.id)

    def _see_Attribute(self, node: ast.Attribute, scope: Scope) -> None:
        if isinstance(node.ctx, ast.Load):
            uses = scope.called if id(node) in self._called else scope.passed
            uses.add(f".{node.attr}")

    def _see_Return(self, node: ast.Return, scope: Scope) -> None:
        if node.value is not None:
            scope.results.append(node.value)

    def _see_Yield(self, node: ast.Yield, scope: Scope) -> None:
        if node.value is not None:
            scope.yields.append(node.value)


def _defaults(arguments: ast.arguments) -> list[ast.AST]:
    return [*arguments.defaults, *(one for one in arguments.kw_defaults if one is not None)]


def _class_of_self(target: ast.Attribute, scope: Scope) -> Scope | None:
    """The class whose attribute `self.name` is, in a method or a function inside it."""
    if not isinstance(target.value, ast.Name) or target.value.id not in ("self", "cls"):
        return None
    current: Scope | None = scope
    while current is not None and current.own_class is None:
        current = current.parent
    return None if current is None else current.own_class


_NO_NODES = frozenset(
    {"ctx", "op", "ops", "id", "attr", "arg", "name", "names", "module", "level", "kind"}
    | {"type_comment", "is_async", "simple", "conversion", "type_ignores", "rest"}
)
_FIELDS: dict[type, tuple[str, ...]] = {ast.Constant: ()}


def children_of(node: ast.AST) -> list[ast.AST]:
    """As ast.iter_child_nodes, but without operators, and several times as fast."""
    fields = _FIELDS.get(type(node))
    if fields is None:
        fields = tuple(name for name in node._fields if name not in _NO_NODES)
        _FIELDS[type(node)] = fields
    found: list[ast.AST] = []
    for name in fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            found += [one for one in value if isinstance(one, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def inside(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """These nodes and those under them, but not what runs later: functions, lambdas, classes."""
    todo = list(nodes)
    while todo:
        node = todo.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            todo.extend(children_of(node))
