"""Tells when a library is loaded, without loading it.

A finder at the head of `sys.meta_path` lets the others find the library, and wraps the loader that
they give, for just as long as it takes: once the module runs it has its own loader again, so
`inspect`, `importlib.resources` and `importlib.reload` see nothing of this.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Collection, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Ready = Callable[[ModuleType], None]


class Watch(MetaPathFinder):
    """Calls `ready(module)` in the importing thread each time one of `names` has been executed.

    That is after the first import, after each reload, and for what is loaded already when
    `catch_up` is called. An import that fails is no news. `ready` must not raise, and runs under
    the import system's lock for that module, so it must import nothing.
    """

    def __init__(self, names: Collection[str], ready: Ready) -> None:
        self.names = frozenset(names)
        self.ready = ready

    def start(self) -> None:
        """Watch from now on."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Watch no more."""
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(self)

    def catch_up(self) -> None:
        """Call `ready` for what is loaded; waits for what another thread is importing just now.

        Hold no lock that `ready` takes: that thread may be about to call it.
        """
        for name in self.names:
            # None stands there for what must not be imported.
            if sys.modules.get(name) is not None:
                with contextlib.suppress(Exception):  # the other thread's import has failed
                    self.ready(importlib.import_module(name))

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the finders behind this one find, with a loader that tells when it is done."""
        if name not in self.names:
            return None
        finders = list(sys.meta_path)
        # Those in front have been asked already. If it has just been stopped there are none.
        behind = finders[finders.index(self) + 1 :] if self in finders else []
        for finder in behind:
            find_spec = getattr(finder, "find_spec", None)
            if find_spec is None:  # a kind that Python 3.12 knows no more: in its turn, then
                return None
            spec: ModuleSpec | None = find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Telling(spec.loader, self.ready)
                return spec
        return None

    def invalidate_caches(self) -> None:
        """Nothing is cached."""


class _Telling(Loader):
    """A loader that is another one but for telling when a module has been executed."""

    def __init__(self, loader: Loader, ready: Ready) -> None:
        self._loader = loader
        self._ready = ready

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None and spec.loader is self:
            spec.loader = self._loader
        if getattr(module, "__loader__", None) is self:
            module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._ready(module)

    def __getattr__(self, name: str) -> Any:
        if name == "_loader":  # a copy whose __init__ has not run
            raise AttributeError(name)
        return getattr(self._loader, name)
