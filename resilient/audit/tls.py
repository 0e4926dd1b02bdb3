"""Where the verification of certificates is switched off."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from resilient.audit.arguments import keywords
from resilient.audit.libraries import VERBS, client_of, function_of, words
from resilient.audit.resolving import Names
from resilient.audit.scopes import Scope
from resilient.audit.sending import dotted
from resilient.audit.values import Class, Client, Const, Instance, Partial, Path

_SWITCHES = words(
    "verify verify_ssl ssl_verify verify_certs verify_ssl_certs verify_tls ssl_verification"
)
_INVERTED = frozenset({"disable_ssl_certificate_validation", "insecure", "insecure_skip_verify"})
_ENVIRONMENT = {"PYTHONHTTPSVERIFY": "0", "CURL_CA_BUNDLE": "", "REQUESTS_CA_BUNDLE": ""}
_UNVERIFIED = Path("ssl._create_unverified_context")
_NO_CERTIFICATE = Path("ssl.CERT_NONE")


class Unverified(NamedTuple):
    """A place where it happens. what: as it is written, such as `verify=False`."""

    node: ast.expr
    scope: Scope
    what: str


def unverified_in(names: Names) -> Iterator[Unverified]:
    """All places of a file where verification is switched off, in no order."""
    for scope in names.scopes:
        for call in scope.calls:
            what = _of_call(call, scope, names)
            if what is not None:
                yield Unverified(call, scope, what)
        for target, value in scope.assigned:
            what = _of_assigned(target, value, scope, names)
            if what is not None:
                yield Unverified(target, scope, what)


def _of_call(call: ast.Call, scope: Scope, names: Names) -> str | None:
    function = names.value(call.func, scope)
    if function == _UNVERIFIED:
        return "ssl._create_unverified_context()"
    if not call.keywords:
        return None
    given, _ = keywords(call, scope)
    for name, node in given.items():
        if name == "cert_reqs" and _is_no_certificate(node, scope, names):
            return "cert_reqs=CERT_NONE"
        is_switch = name in _SWITCHES and _speaks_http(function, call, given)
        if is_switch and _is_off(node, scope, names):
            return f"{name}=False"
        if name in _INVERTED and names.value(node, scope) == Const(True):
            is_known = isinstance(function, Path) and client_of(function.name) is not None
            if is_known or name == "disable_ssl_certificate_validation":
                return f"{name}=True"
    return None


def _speaks_http(function: object, call: ast.Call, given: dict[str, ast.expr]) -> bool:
    """Is this `verify` one of certificates? jwt.decode has one of signatures."""
    if isinstance(function, Partial):
        function = function.function
    if isinstance(function, Path) and function.name in ("functools.partial", "builtins.getattr"):
        return True
    if isinstance(function, Path):
        return client_of(function.name) is not None or function_of(function.name) is not None
    if isinstance(function, (Client, Class)):
        return True
    # A session that came from somewhere else.
    method = getattr(call.func, "attr", None)
    return method in VERBS or (method == "send" and "timeout" in given)


def _of_assigned(
    target: ast.Attribute | ast.Subscript, value: ast.expr, scope: Scope, names: Names
) -> str | None:
    if isinstance(target, ast.Subscript):
        return _of_environment(target, value, scope, names)
    name = target.attr
    if name == "_create_default_https_context":
        is_off = names.value(value, scope) == _UNVERIFIED
        return f"ssl.{name} = ssl._create_unverified_context" if is_off else None
    if name == "verify_mode" and _is_no_certificate(value, scope, names):
        return "verify_mode = ssl.CERT_NONE"
    if name not in _SWITCHES or not _is_off(value, scope, names):
        return None
    base = names.value(target.value, scope)
    last = (dotted(target.value) or "").rpartition(".")[2].lower()
    is_client = isinstance(base, (Client, Path)) or "session" in last or "client" in last
    is_client = is_client or (isinstance(base, Instance) and any(names.bases(base.scope)))
    return f"{name} = False" if is_client else None


def _of_environment(
    target: ast.Subscript, value: ast.expr, scope: Scope, names: Names
) -> str | None:
    if names.value(target.value, scope) != Path("os.environ"):
        return None
    name = names.value(target.slice, scope)
    if isinstance(name, Const) and name.value in _ENVIRONMENT:
        off = _ENVIRONMENT[name.value]
        if names.value(value, scope) == Const(off):
            return f"os.environ[{name.value!r}] = {off!r}"
    return None


def _is_off(node: ast.expr, scope: Scope, names: Names) -> bool:
    value = names.value(node, scope)
    return isinstance(value, Const) and value.value is not None and value.value in (False, 0)


def _is_no_certificate(node: ast.expr, scope: Scope, names: Names) -> bool:
    value = names.value(node, scope)
    return value in (_NO_CERTIFICATE, Const("CERT_NONE")) or (
        isinstance(value, Const) and value.value == 0 and value.value is not None
    )
