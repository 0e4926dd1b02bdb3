"""What a file imports from another file of the audited code: a bundle of policies, a session."""

from __future__ import annotations

from collections.abc import Iterable

from resilient.audit.files import File, Unreadable, parsed
from resilient.audit.resolving import Names, Source
from resilient.audit.values import Client, Const, Instance, Items, Path, Policy, Value

_DEEPEST = 5
"""How often a name may be imported onwards."""

MOST_KEPT = 50
"""Files whose trees are kept, for those that import from them."""


class Project:
    """The files that are audited together, by what they are imported as.

    files: those that may have something to say; the others define no client and no policy.
    """

    def __init__(self, files: Iterable[File]) -> None:
        self._files: dict[str, list[File]] = {}
        for file in files:
            self._files.setdefault(file.parts[-1], []).append(file)
        self._known: dict[tuple[str, str], Value | None] = {}
        self._names: dict[str, Names] = {}
        self._depth = 0

    def value(self, source: Source, path: str) -> Value | None:
        """What a dotted name that `source` imports stands for; None if it is not ours to know."""
        parts = self._absolute(source, path)
        if parts is None or len(parts) < 2:
            return None
        *module, name = parts
        for file in self._files.get(module[-1], ()):
            if file.parts[-len(module) :] == tuple(module) and file.path != source.path:
                value = self._exported(file, name)
                if value is not None:
                    return value
        return None

    def _absolute(self, source: Source, path: str) -> list[str] | None:
        names = path.lstrip(".")
        level = len(path) - len(names)
        if not level:
            return names.split(".")
        above = level - 1 if source.is_package else level
        package = source.parts[: len(source.parts) - above]
        return [*package, *names.split(".")] if names and package else None

    def _exported(self, file: File, name: str) -> Value | None:
        key = (file.path, name)
        if key not in self._known:
            self._known[key] = None
            if self._depth < _DEEPEST:
                self._depth += 1
                try:
                    self._known[key] = self._looked_up(file, name)
                finally:
                    self._depth -= 1
        return self._known[key]

    def _looked_up(self, file: File, name: str) -> Value | None:
        try:
            names = self.names_of(file)
            value = names.lookup(name, names.module)
        except (Unreadable, RecursionError):
            return None
        # The scopes of another file mean nothing to the one that asks.
        if isinstance(value, (Client, Policy, Path)):
            return value
        if isinstance(value, Items) and isinstance(value.value, (Client, Policy, Path)):
            return value
        if isinstance(value, Const) and isinstance(value.value, bool):
            return value
        return None if not isinstance(value, Instance) else _as_client(names, value)

    def names_of(self, file: File) -> Names:
        """The names of one file. Raises: Unreadable."""
        names = self._names.pop(file.path, None) or Names(parsed(file), self.value)
        self._names[file.path] = names
        return names

    def forget(self) -> None:
        """Let go of the trees that nobody asked for lately; not while one is looked at."""
        while len(self._names) > MOST_KEPT:
            self._names.pop(next(iter(self._names))).release()


def _as_client(names: Names, value: Instance) -> Value | None:
    """An object of a class of theirs that is a client of a library's."""
    return next((base for base in names.bases(value.scope) if isinstance(base, Client)), None)
