"""What the state of a policy is called in the store: the same in every process, and no secret."""

from __future__ import annotations

import hashlib
import os
import re

from resilient.call import Target
from resilient.errors import ConfigurationError
from resilient.stores.opening import KEY_VARIABLE

_PLAIN = re.compile(r"[\w.:-]{1,100}", re.ASCII)

_PARTS = (str, bytes, int, float, bool, type(None))


class SharedName:
    """The name of one policy's state.

    It is the `name=` that the user gave; for a policy that a service bundles, the service's name;
    else the label of the first function that was decorated with it, as it was by then, which is the
    same in all processes as long as all its functions stand in one module: whether and when there
    is a store, or other options than the code's, must change nothing.
    """

    def __init__(self, kind: str, given: object) -> None:
        if given is not None and (not isinstance(given, str) or not given.strip()):
            raise ConfigurationError(
                f"{kind}(name={given!r}): use a text that names what is shared."
            )
        self._kind = kind
        self._given = given
        self._service: str | None = None
        self._first: tuple[str, str] | None = None

    def bundle(self, service: str | None) -> None:
        """A service has taken the policy into its bundle; the first one counts."""
        self._service = self._service or service

    def take_over(self, old: SharedName) -> None:
        """The policy takes the place of one with other options, which is not called otherwise."""
        self._service = self._service or old._service
        self._first = self._first or old._first

    def decorates(self, target: Target) -> None:
        """The policy decorates `target`, be there a store or not; the first one counts."""
        if self._first is None:
            self._first = _module_of(target), target.label

    def of(self, target: Target) -> str:
        """The name, when the policy decorates `target`. Raises: ConfigurationError."""
        self.decorates(target)
        named = self._given or self._service
        if named is None:
            assert self._first is not None
            first_module, named = self._first
            if _module_of(target) != first_module:
                raise ConfigurationError(
                    f"{self._kind}(store=…) on {target.label}: the same object decorates functions "
                    f"of {first_module} too, so other processes could not tell what it is called. "
                    f'Give {self._kind}(name="…"), or bundle it in a service.'
                )
        return f"{self._kind}:{readable(named)}"


def _module_of(target: Target) -> str:
    return str(getattr(target.function, "__module__", ""))


def readable(name: str) -> str:
    """A name as it stands in the store: what is long or odd is hashed."""
    return name if _PLAIN.fullmatch(name) else hashed(name)


def hashed(value: object) -> str:
    """A value of `key=` as it stands in the store, where nobody can read it.

    RESILIENT_CACHE_KEY, if it is set, keeps others from trying what the value may have been.
    Raises: ConfigurationError for what does not look the same in every process.
    """
    secret = os.environ.get(KEY_VARIABLE, "").encode("utf-8", "surrogateescape")[:64]
    data = repr(_plain(value)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=16, key=secret).hexdigest()


def _plain(value: object) -> object:
    if type(value) in _PARTS:
        return value
    if type(value) is tuple:
        return tuple(_plain(part) for part in value)
    raise ConfigurationError(
        f"throttled(key=…) gave {type(value).__name__}: for a quota that processes share, return "
        "text, bytes, numbers, or tuples of them."
    )
