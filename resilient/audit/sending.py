"""Which calls of a file send requests, and how long they may take."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from resilient.audit.arguments import last_name, timeout_of
from resilient.audit.libraries import HTTP_LIBRARIES, Library, function_of, is_sending, words
from resilient.audit.resolving import Names
from resilient.audit.scopes import Scope
from resilient.audit.values import Client, Function, Partial, Path, Policy, Timeout, Value

# What calls a function that it is given: executor.submit(requests.get, url)
_RUNNERS = words(
    "submit to_thread run_in_executor run_sync apply apply_async map starmap imap imap_unordered "
    "Thread Timer call_later"
)
_SOCKET_DEFAULT = frozenset({"urllib", "http.client", "httplib2", "urllib3"})


class Sent(NamedTuple):
    """A call that sends requests to a vendor.

    name: `requests.get`, `boto3.client.put_object`; never an argument.
    timeout: its own, its client's or its library's.
    """

    node: ast.Call
    scope: Scope
    library: Library
    name: str
    timeout: Timeout


def sent_in(names: Names) -> list[Sent]:
    """All calls of a file that send requests, in the order of their lines."""
    found = _Search(names).found()
    return sorted(found, key=lambda sent: (sent.node.lineno, sent.node.col_offset))


class _Search:
    def __init__(self, names: Names) -> None:
        self._names = names
        self._timed = set(_texts_with_timeout(names))
        self._has_socket_default = any(
            names.value(call.func, scope) == Path("socket.setdefaulttimeout")
            for scope in names.scopes
            if ".setdefaulttimeout" in scope.called or "setdefaulttimeout" in scope.called
            for call in scope.calls
        )

    def found(self) -> Iterator[Sent]:
        for scope in self._names.scopes:
            for call in scope.calls:
                sent = self._sent(call, scope)
                if sent is not None:
                    yield sent

    def _sent(self, call: ast.Call, scope: Scope) -> Sent | None:
        function = self._names.value(call.func, scope)
        sent = None if id(call) in scope.awaited else self._of(function, call, scope)
        if sent is None and last_name(call.func) in _RUNNERS and not isinstance(function, Policy):
            sent = self._of_runner(call, scope)
        return sent

    def _of_runner(self, call: ast.Call, scope: Scope) -> Sent | None:
        for node in (*call.args, *(keyword.value for keyword in call.keywords)):
            if isinstance(node, (ast.Name, ast.Attribute)):
                sent = self._of(self._names.value(node, scope), call, scope)
                if sent is not None:
                    return sent
        return None

    def _of(self, function: Value | None, call: ast.Call, scope: Scope) -> Sent | None:
        """What a call of this sends."""
        if isinstance(function, Partial):
            sent = self._of(function.function, call, scope)
            if sent is None or sent.timeout is not Timeout.UNSET:
                return sent
            timeout = timeout_of(self._names, function.call, scope, sent.library, "")
            return sent._replace(timeout=timeout)
        if isinstance(function, Path):
            library = function_of(function.name)
            if library is None:
                return None
            timeout = timeout_of(self._names, call, scope, library, function.name)
            return self._made(call, scope, library, function.name, timeout)
        if isinstance(function, Client) and is_sending(function.library, function.chain):
            if function.made.rpartition(".")[2].startswith("Async"):
                # resilient is for plain functions, and so is this audit.
                return None
            library, method = function.library, function.chain.rpartition(".")[2]
            timeout = timeout_of(self._names, call, scope, library, f".{method}")
            if timeout is Timeout.UNSET:
                timeout = function.timeout
            if timeout is Timeout.UNSET and self._is_timed(call.func):
                timeout = Timeout.GIVEN
            return self._made(call, scope, library, f"{function.made}.{function.chain}", timeout)
        return None

    def _made(
        self, call: ast.Call, scope: Scope, library: Library, name: str, timeout: Timeout
    ) -> Sent:
        if timeout is Timeout.UNSET and (
            library.times_out or (self._has_socket_default and library.name in _SOCKET_DEFAULT)
        ):
            timeout = Timeout.GIVEN
        return Sent(call, scope, library, name, timeout)

    def _is_timed(self, function: ast.expr) -> bool:
        text = dotted(function)
        return text is not None and any(text.startswith(f"{one}.") for one in self._timed)


def _texts_with_timeout(names: Names) -> Iterator[str]:
    """Objects that get a timeout after they were made: `s`, `self.session`.

    `sg.client.timeout = 10`, `s.request = partial(s.request, timeout=10)`,
    `s.mount("https://", WithTimeout(timeout=10))`.
    """
    for scope in names.scopes:
        for target, value in scope.assigned:
            text = dotted(target.value) if isinstance(target, ast.Attribute) else None
            is_partial = isinstance(value, ast.Call) and any(
                keyword.arg == "timeout" for keyword in value.keywords
            )
            if text is not None and (is_partial or getattr(target, "attr", "") == "timeout"):
                yield text
                if text.endswith(".client"):
                    yield text.removesuffix(".client")
        for call in scope.calls if ".mount" in scope.called else ():
            if last_name(call.func) == "mount" and "timeout" in ast.dump(call).lower():
                text = dotted(getattr(call.func, "value", None))
                if text is not None:
                    yield text


def dotted(node: ast.AST | None) -> str | None:
    """`self.session.get`, as it is written; None if it is more than names."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *parts[::-1]])


def sending_functions(names: Names, sent: list[Sent]) -> set[int]:
    """Ids of the scopes of a file that send, by themselves or through one another."""
    sending = {id(one.scope.owner) for one in sent}
    callees = {
        id(scope.owner): [
            id(function.scope)
            for call in scope.calls
            if isinstance(function := names.value(call.func, scope), Function)
        ]
        for scope in names.scopes
        if scope.calls
    }
    before = -1
    while len(sending) > before:
        before = len(sending)
        sending |= {caller for caller, called in callees.items() if not sending.isdisjoint(called)}
    return sending


def is_http_library(library: Library) -> bool:
    """As opposed to a vendor's SDK."""
    return library in HTTP_LIBRARIES
