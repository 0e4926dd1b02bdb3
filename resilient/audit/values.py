"""What an expression of the audited code stands for, as far as that can be told."""

from __future__ import annotations

import ast
import enum
from typing import TYPE_CHECKING, Any, NamedTuple

from resilient.audit.libraries import Library

if TYPE_CHECKING:
    from resilient.audit.scopes import Scope


class Timeout(enum.Enum):
    """What is known of a client's or a call's timeout.

    GIVEN: there is one, or may be. UNSET: the library's default counts. ENDLESS: switched off.
    """

    GIVEN = "given"
    UNSET = "unset"
    ENDLESS = "endless"


class Path(NamedTuple):
    """Something imported: `requests.get`; begins with dots if the import was relative."""

    name: str


class Client(NamedTuple):
    """A library's client, or with a chain what hangs on it: `chat.completions.create`.

    made: the constructor's path, for messages.
    """

    library: Library
    made: str
    timeout: Timeout
    chain: str = ""


class Policy(NamedTuple):
    """One of resilient's decorators, a service that bundles some, or what they have decorated."""


class Const(NamedTuple):
    """A literal."""

    value: Any


class Function(NamedTuple):
    """A function of the audited code."""

    scope: Scope


class Class(NamedTuple):
    """A class of the audited code."""

    scope: Scope


class Instance(NamedTuple):
    """An object of a class of the audited code."""

    scope: Scope


class Partial(NamedTuple):
    """What functools.partial makes."""

    function: Value
    call: ast.Call


class Items(NamedTuple):
    """A list or dict that holds such a value."""

    value: Value


Value = Path | Client | Policy | Const | Function | Class | Instance | Partial | Items
