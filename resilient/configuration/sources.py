"""Where a process gets its configuration from: code, a file, the environment."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

from resilient.configuration import Kept, files
from resilient.configuration.applying import Configuration, in_force
from resilient.configuration.reloading import WatchedFile
from resilient.configuration.settings import flat
from resilient.errors import ConfigurationError


class Sources:
    """Those of a process. `_lock` lets one at a time change them, and guards all fields."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._lock = threading.RLock()
        self._file: WatchedFile | None = None

    @property
    def file(self) -> WatchedFile | None:
        """The file that is looked at."""
        return self._file

    def configure(self, given: Mapping[str, Any], file: object) -> None:
        """See resilient.configure. given: what is not left as it is."""
        with self._lock:
            code = self._configuration.source("code")
            for key, value in given.items():
                code = {path: kept for path, kept in code.items() if path[0] != key}
                if value is not None or key == "store":
                    code |= flat({key: value}, lambda _: "configure()")
            environment = self._configuration.environment()
            watched = self._chosen(file)
            before = {name: self._configuration.source(name) for name in ("code", "environment")}
            self._configuration.change(code=code, environment=environment)
            if watched is self._file:
                return
            former = self._file
            self._watch(None)  # or it could be read once more, after the new one
            try:
                if watched is None:
                    self._configuration.change(file={})
                else:
                    watched.load()
            except ConfigurationError:
                self._configuration.change(**before)
                self._watch(former)
                raise
            self._watch(watched)

    def start(self) -> None:
        """Go by the environment and the file there is; tell of what is wrong with them."""
        with self._lock:
            self._configuration.change(environment=self._configuration.environment())
            path = os.environ.get(files.VARIABLE)
            if path is None and os.path.isfile(files.DEFAULT):
                path = files.DEFAULT
            if path:
                watched = WatchedFile(path, self._configuration)
                watched.load_or_tell()
                self._watch(watched)

    def forget(self) -> None:
        """Go by the code alone."""
        with self._lock:
            self._watch(None)
            self._configuration.change(code={}, file={}, environment={})

    def _chosen(self, file: object) -> WatchedFile | None:
        """The file to go by; the very one that is looked at if it is no other."""
        named = os.environ.get(files.VARIABLE)
        if named is None and isinstance(file, Kept):
            return self._file
        path: object = named if named is not None else file
        if path is None or path == "":
            return None
        try:
            text = os.fspath(path)  # type: ignore[call-overload]  # what is none is refused
        except TypeError:
            text = None
        if not isinstance(text, str):
            raise ConfigurationError(
                f"configure(file={path!r}): use the path of a TOML file, or None for no file."
            )
        if self._file is not None and self._file.path == os.path.abspath(text):
            return self._file
        return WatchedFile(text, self._configuration)

    def _watch(self, watched: WatchedFile | None) -> None:
        if self._file is not None:
            self._file.stop()
        self._file = watched
        if watched is not None:
            watched.start()


sources = Sources(in_force)
