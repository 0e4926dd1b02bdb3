"""Who may see a result: `scope=`, as a part of every key that shows nobody who it is."""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
from collections.abc import Callable, Hashable
from typing import Any

from resilient.call import Call
from resilient.errors import ConfigurationError
from resilient.keys import Handover, Uncacheable, frozen
from resilient.results.portable import portable

Scope = Hashable | Callable[..., Hashable]
"""A name that stands for all callers, or a function of the call's arguments that tells who asks."""

Digest = Callable[..., bytes]
"""Parts of bytes in, a keyed hash out."""


@functools.cache
def _own_key() -> bytes:
    return os.urandom(32)


def digest_here(*parts: bytes) -> bytes:
    """A keyed hash that means something in this process alone."""
    hashed = hmac.new(_own_key(), digestmod=hashlib.sha256)
    for part in parts:
        hashed.update(b"%d:" % len(part) + part)
    return hashed.digest()


def checked_scope(scope: Scope | None, option: str) -> Scope | None:
    """The option as given. Raises ConfigurationError, which does not show it."""
    if scope is None or (callable(scope) and not isinstance(scope, type)):
        return scope
    if isinstance(scope, (str, bytes, int)) and not isinstance(scope, bool) and scope != "":
        return scope
    raise ConfigurationError(
        f'{option}: use a name that stands for all callers, such as "shop", or a function of the '
        f"call's arguments that tells who asks, and no {type(scope).__name__}."
    )


def asked_by(scope: Scope, function: Callable[..., Any], digest: Digest) -> Callable[[Call], bytes]:
    """What tells who a call is for, as a keyed hash.

    The function that is returned raises Uncacheable if `scope` names nobody, and whatever a
    `scope` function of the user's raises. Raises: TypeError, if it can't take the arguments.
    """
    if not callable(scope):
        everybody = _hashed(scope, digest)
        return lambda call: everybody
    ask = Handover(scope, function)

    def who(call: Call) -> bytes:
        name = ask(call)
        if name is None:
            raise Uncacheable("scope= names nobody")
        return _hashed(name, digest)

    return who


def _hashed(name: Hashable, digest: Digest) -> bytes:
    return digest(b"scope", portable(frozen((name,))))
