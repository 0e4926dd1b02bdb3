"""Which loops repeat a failed request by hand.

A loop does if, on failure, it goes on, and on success it is left. A loop over things to do, which
skips those that fail, is none: there each turn sends another request.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence

from resilient.audit.scopes import Loop, inside

IsSending = Callable[[ast.Call], bool]

_LEAVES = (ast.Return, ast.Raise, ast.Break)
_EXITS = frozenset({"exit", "_exit", "abort", "fail"})
_STATUSES = frozenset({"status_code", "status", "ok", "is_success", "is_error"})


def repeated_calls(loop: Loop, is_sending: IsSending) -> list[ast.Call]:
    """The calls that a loop repeats when they have failed; empty if it is no such loop."""
    varying = _varying(loop)
    calls = [call for call in _calls(loop.body) if is_sending(call)]
    same = [call for call in calls if not _depends(call, varying)]
    if not same or not _is_left_on_success(loop):
        return []
    tried = [call for body in _forgiving(loop.body) for call in _calls(body)]
    if _repeats_by_status(loop):
        return same
    return [call for call in same if any(call is one for one in tried)]


def _varying(loop: Loop) -> set[str]:
    """The names that are another thing in each turn of a `for`."""
    if isinstance(loop, ast.While):
        return set()
    varying = _loaded_or_stored([loop.target])
    targets: Sequence[ast.AST]
    for node in _in_order(loop.body):
        if isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
            targets, value = [node.target], node.value
        elif isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        else:
            continue
        if value is not None and varying & _loaded_or_stored([value]):
            varying |= _loaded_or_stored(targets)
    return varying


def _in_order(nodes: Iterable[ast.AST]) -> list[ast.stmt | ast.NamedExpr]:
    found = [node for node in inside(nodes) if isinstance(node, (ast.stmt, ast.NamedExpr))]
    return sorted(found, key=lambda node: (node.lineno, node.col_offset))


def _loaded_or_stored(nodes: Sequence[ast.AST]) -> set[str]:
    return {node.id for node in inside(nodes) if isinstance(node, ast.Name)}


def _depends(call: ast.Call, varying: set[str]) -> bool:
    """Does each turn send something else? A timeout that grows is the same request."""
    sent = [one.value for one in call.keywords if one.arg != "timeout"]
    return not varying.isdisjoint(_loaded_or_stored([call.func, *call.args, *sent]))


def _calls(nodes: Iterable[ast.AST]) -> Iterator[ast.Call]:
    return (node for node in inside(nodes) if isinstance(node, ast.Call))


def _forgiving(nodes: Iterable[ast.AST]) -> Iterator[list[ast.stmt]]:
    """What may fail without leaving the loop: in a try, or in `with suppress(…)`."""
    tries = (ast.Try, getattr(ast, "TryStar", ast.Try))
    for node in inside(nodes):
        if isinstance(node, tries):
            if not all(_always_leaves(handler.body) for handler in node.handlers):
                yield node.body
        elif isinstance(node, ast.With) and any(
            isinstance(item.context_expr, ast.Call) and _name(item.context_expr) == "suppress"
            for item in node.items
        ):
            yield node.body


def _always_leaves(body: Sequence[ast.stmt]) -> bool:
    """Do these statements end the loop or the function, whatever happens?"""
    for statement in body:
        if isinstance(statement, _LEAVES):
            return True
        if isinstance(statement, ast.Continue):
            return False
        if isinstance(statement, ast.If):
            if _always_leaves(statement.body) and _always_leaves(statement.orelse):
                return True
        elif isinstance(statement, (ast.With, ast.AsyncWith)):
            if _always_leaves(statement.body):
                return True
        elif _is_exit(statement):
            return True
    return False


def _is_exit(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Call)
        and _name(statement.value) in _EXITS
    )


def _is_left_on_success(loop: Loop) -> bool:
    """Is there a way out that is no failure's: a return or break, or a condition that changes?"""
    if any(_ways_out(loop.body, in_loop=False)):
        return True
    if not isinstance(loop, ast.While):
        return False
    asked = _loaded_or_stored([loop.test])
    stored = {
        node.id
        for node in inside(loop.body)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return not asked.isdisjoint(stored)


def _ways_out(nodes: Iterable[ast.AST], *, in_loop: bool) -> Iterator[ast.AST]:
    for node in nodes:
        if isinstance(node, ast.Return) or (isinstance(node, ast.Break) and not in_loop):
            yield node
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            yield from _ways_out(node.body, in_loop=True)
            yield from _ways_out(node.orelse, in_loop=in_loop)
        elif isinstance(node, (ast.stmt, ast.match_case)) and not isinstance(
            node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        ):
            # Not what a handler does: giving up is no success.
            yield from _ways_out(ast.iter_child_nodes(node), in_loop=in_loop)


def _repeats_by_status(loop: Loop) -> bool:
    """Is a bad status slept on or gone on from, or a good one the way out of a loop that sleeps?"""
    for node in inside(loop.body):
        if isinstance(node, ast.If) and _asks_for_status(node.test):
            if not _is_success(node.test):
                if _sleeps(node.body) or isinstance(node.body[-1], ast.Continue):
                    return True
            elif _always_leaves(node.body) and _sleeps(loop.body):
                return True
    return False


def _asks_for_status(test: ast.expr) -> bool:
    return not _words(test).isdisjoint(_STATUSES)


def _is_success(test: ast.expr) -> bool:
    """Is this true of a good answer: `r.ok`, `r.status_code == 200`, `< 400`, `in (200, 201)`?"""
    if not isinstance(test, ast.Compare):
        is_negated = isinstance(test, ast.UnaryOp)
        return not is_negated and not _words(test).isdisjoint({"ok", "is_success"})
    if isinstance(test.ops[0], (ast.Lt, ast.LtE)):
        return True
    statuses = [
        node.value
        for node in inside(test.comparators)
        if isinstance(node, ast.Constant) and isinstance(node.value, int)
    ]
    is_good = all(status < 400 for status in statuses) if statuses else "ok" in _words(test)
    return is_good and isinstance(test.ops[0], (ast.Eq, ast.In))


def _words(test: ast.expr) -> set[str]:
    """Attributes that are asked for, in lower case: `requests.codes.OK` has one."""
    return {node.attr.lower() for node in inside([test]) if isinstance(node, ast.Attribute)}


def _sleeps(nodes: Iterable[ast.AST]) -> bool:
    return any(_name(call) in ("sleep", "wait") for call in _calls(nodes))


def _name(call: ast.Call) -> str | None:
    return getattr(call.func, "attr", None) or getattr(call.func, "id", None)
