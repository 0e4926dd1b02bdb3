"""The audit: from paths to findings."""

from __future__ import annotations

import ast
import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from resilient.audit.comments import ALL, ignored
from resilient.audit.covering import Covering
from resilient.audit.elsewhere import Project
from resilient.audit.files import EXCLUDED, File, Unreadable, content_of, files_in, parsed
from resilient.audit.hints import Words, words_of
from resilient.audit.loops import repeated_calls
from resilient.audit.resolving import Names
from resilient.audit.rules import (
    NO_TIMEOUT,
    RETRY_LOOP,
    RULES,
    TLS_OFF,
    UNDECORATED,
    Finding,
    Problem,
    Rule,
)
from resilient.audit.scopes import Scope
from resilient.audit.sending import Sent, is_http_library, sending_functions, sent_in
from resilient.audit.tls import unverified_in
from resilient.audit.values import Function, Timeout

Progress = Callable[[Sequence[File]], Iterable[File]]


class Report(NamedTuple):
    """What an audit came to: findings by path and line, files that it had to skip."""

    findings: list[Finding]
    problems: list[Problem]
    files: int


def audit(
    paths: Iterable[str],
    *,
    rules: Iterable[str] = RULES,
    excluded: Sequence[str] = EXCLUDED,
    progress: Progress = iter,
) -> Report:
    """Look at Python files without running them.

    paths: files and folders. rules: ids of what to look for. excluded: see `files_in`.
    progress: is given the files that are looked at and yields them, one when the last is done.
    Raises: FileNotFoundError for a path that is not there.
    """
    files = files_in(paths, excluded)
    wanted = frozenset(rules)
    findings: list[Finding] = []
    problems: list[Problem] = []
    readable = _readable(files, problems)
    telling = _telling(readable)
    project = Project(file for file in readable if file in telling)
    with _collector_paused():
        for file in progress(list(readable)):
            try:
                if file not in telling:
                    parsed(file)  # only to say so if it can't be
                    continue
                found = _Audit(project.names_of(file)).findings()
                findings += [one for one in found if one.rule in wanted]
            except Unreadable as error:
                problems.append(Problem(file.path, error.line, str(error)))
            except RecursionError:
                problems.append(Problem(file.path, 1, "is nested too deeply"))
            project.forget()
    findings.sort(key=lambda one: (one.path, one.line, one.column, one.rule))
    return Report(findings, sorted(problems), len(files))


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Syntax trees are many objects without a circle; looking for one doubles the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _readable(files: Sequence[File], problems: list[Problem]) -> dict[File, Words]:
    """What the words of each file tell, but of those that can't be read."""
    readable = {}
    for file in files:
        try:
            readable[file] = words_of(content_of(file.path))
        except Unreadable as error:
            problems.append(Problem(file.path, error.line, str(error)))
    return readable


def _telling(readable: Mapping[File, Words]) -> set[File]:
    """The files that send, or import from one that makes clients or policies; most do neither."""
    makers = {file.parts[-1] for file, words in readable.items() if words.may_make}
    return {
        file
        for file, words in readable.items()
        if words.may_send or not words.imported.isdisjoint(makers)
    }


class _Audit:
    """One file."""

    def __init__(self, names: Names) -> None:
        self._source = names.source
        self._names = names
        self._covering = Covering(self._names)
        self._sent = sent_in(self._names)

    def findings(self) -> list[Finding]:
        found = [
            *self._undecorated(),
            *self._without_timeout(),
            *self._retry_loops(),
            *self._unverified(),
        ]
        meant = ignored(self._source.lines)
        return [one for one in found if not _is_meant(one, meant)] if meant else found

    def _undecorated(self) -> Iterator[Finding]:
        by_function: dict[int, list[Sent]] = {}
        for sent in self._sent:
            if not self._covering.is_covered(sent.scope):
                by_function.setdefault(id(_function_of(sent.scope)), []).append(sent)
        for calls in by_function.values():
            first = calls[0]
            more = sorted({one.name for one in calls} - {first.name})
            others = f" and {', '.join(more)}" if more else ""
            where = "on import" if first.scope.owner.parent is None else "undecorated"
            remedy = UNDECORATED.remedy
            if where == "on import":
                remedy = f"Move it into a function. {remedy}"
            elif isinstance(_function_of(first.scope).node, ast.AsyncFunctionDef):
                remedy = (
                    "resilient decorates plain functions: move the call into one, decorate it, "
                    "and await asyncio.to_thread(it, …)."
                )
            yield self._finding(
                UNDECORATED, first.node, first.scope, f"{first.name}{others} called {where}", remedy
            )

    def _without_timeout(self) -> Iterator[Finding]:
        for sent in self._sent:
            if sent.timeout is Timeout.GIVEN or self._covering.is_covered(sent.scope):
                continue
            is_endless = sent.timeout is Timeout.ENDLESS
            why = "is told to wait for ever (timeout=None)" if is_endless else "has no timeout"
            remedy = NO_TIMEOUT.remedy
            if not is_http_library(sent.library) and len(sent.library.timeout_names) > 1:
                remedy = f"Make its client with {sent.library.timeout_names[-1]}=. {remedy}"
            yield self._finding(NO_TIMEOUT, sent.node, sent.scope, f"{sent.name} {why}", remedy)

    def _retry_loops(self) -> Iterator[Finding]:
        names = {id(sent.node): sent.name for sent in self._sent}
        sending = sending_functions(self._names, self._sent)
        seen: set[int] = set()
        for scope in self._names.scopes:
            # The innermost loop around a call is the one that repeats it.
            for loop in sorted(scope.loops, key=lambda loop: -loop.lineno):

                def is_sending(call: ast.Call, scope: Scope = scope) -> bool:
                    return id(call) not in scope.awaited and (
                        id(call) in names or self._is_helper(call, scope, sending)
                    )

                calls = [call for call in repeated_calls(loop, is_sending) if id(call) not in seen]
                if calls:
                    seen.update(map(id, calls))
                    first = min(calls, key=lambda call: (call.lineno, call.col_offset))
                    name = names.get(id(first)) or f"{ast.unparse(first.func)}()"
                    lines = (first.lineno, first.end_lineno or first.lineno)
                    text = f"{name} is repeated by a loop"
                    yield self._finding(RETRY_LOOP, loop, scope, text, also=lines)

    def _is_helper(self, call: ast.Call, scope: Scope, sending: set[int]) -> bool:
        """Does this call an undecorated function of the file that sends?"""
        function = self._names.value(call.func, scope)
        return (
            isinstance(function, Function)
            and id(function.scope) in sending
            and not function.scope.decorators()
        )

    def _unverified(self) -> Iterator[Finding]:
        for node, scope, what in unverified_in(self._names):
            yield self._finding(TLS_OFF, node, scope, f"certificates are not verified: {what}")

    def _finding(
        self,
        rule: Rule,
        node: ast.expr | ast.stmt,
        scope: Scope,
        message: str,
        remedy: str | None = None,
        also: tuple[int, ...] = (),
    ) -> Finding:
        lines = {*also, *_lines_of_function(scope)}
        if isinstance(node, ast.expr):
            lines.add(node.end_lineno or node.lineno)
        return Finding(
            rule.id,
            self._source.path,
            node.lineno,
            self._column(node),
            scope.owner.qualname,
            message,
            remedy or rule.remedy,
            tuple(sorted(lines)),
        )

    def _column(self, node: ast.expr | ast.stmt) -> int:
        # ast counts bytes of UTF-8.
        lines = self._source.lines
        line = lines[node.lineno - 1] if node.lineno <= len(lines) else ""
        return len(line.encode()[: node.col_offset].decode(errors="replace")) + 1


def _function_of(scope: Scope) -> Scope:
    """The function that a lambda stands in."""
    while scope.kind in ("lambda", "class") and scope.parent is not None:
        scope = scope.parent
    return scope


def _lines_of_function(scope: Scope) -> tuple[int, ...]:
    """Where a comment speaks for the whole function: its `def` and its decorators."""
    node = _function_of(scope).node
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return ()
    return (node.lineno, *(one.lineno for one in node.decorator_list))


def _is_meant(finding: Finding, meant: Mapping[int, frozenset[str]]) -> bool:
    return any(
        not {ALL, finding.rule}.isdisjoint(meant.get(line, ()))
        for line in (finding.line, *finding.also_lines)
    )
