"""A file that is read again when it changes; of a bad one its mistake is told, once, and the last
good one stays.

What is looked at is the file behind all links, so that an atomic replacement is seen, and a volume
whose link is turned to another directory.
"""

from __future__ import annotations

import os
import threading
import time

from resilient.call import listeners
from resilient.configuration import files
from resilient.configuration.applying import Configuration
from resilient.errors import ConfigurationError
from resilient.forking import keep_forkable
from resilient.ticking import Ticker

EVERY = 2.0
"""Seconds between two looks."""

_SETTLES = 0.1
"""Seconds for which a file must stay as it is: who writes it in place may not be done."""

_PATIENCE = 5
"""Looks after which what is named in the file should have been imported."""


class WatchedFile:
    """One file, and the thread that looks at it, in forked children too.

    `_lock` makes one look at a time, and guards all that changes.
    """

    def __init__(self, path: str, configuration: Configuration) -> None:
        self.path = os.path.abspath(path)
        self._name = os.path.basename(path)
        self._configuration = configuration
        self._signature: files.Signature | None = None
        self._mistake: str | None = None
        self._looks_left = _PATIENCE
        self._listed: set[str] = set()
        self._lock = threading.RLock()
        self._ticker = Ticker(self.look, EVERY, "resilient-configuration")
        keep_forkable(self)

    def load(self) -> None:
        """Read it and put it in force. Raises: ConfigurationError; what was in force stays."""
        with self._lock:
            self._signature = files.signature(self.path)
            try:
                said, self._signature = files.read(self.path)
            except files.Unreadable:
                # What mends it, say its permissions, may leave it as it is for a look from outside.
                self._signature = None
                raise
            self._configuration.change(file=said)
            self._looks_left = _PATIENCE

    def start(self) -> None:
        """Look from now on, if a thread can be had for it."""
        try:
            self._ticker.start()
        except RuntimeError as error:
            text = f"changes of {self._name} will not be seen: {error}"
            listeners.announce("degraded", "resilient", text)

    def stop(self) -> None:
        """Look no more."""
        self._ticker.stop()

    def renew_in_child(self) -> None:
        """A change may have been half made when the process forked: it is made again."""
        self._signature = None

    def load_or_tell(self) -> None:
        """Read it and put it in force; of a bad one tell what is wrong, if that is another mistake
        than before.
        """
        with self._lock:
            try:
                self.load()
            except ConfigurationError as error:
                before, self._mistake = self._mistake, str(error)
                if before != self._mistake:
                    text = f"configuration refused, what was in force stays: {error}"
                    listeners.announce("degraded", "resilient", text)
            else:
                before, self._mistake = self._mistake, None
                if before is not None:
                    text = f"{self._name} is in force again"
                    listeners.announce("restored", "resilient", text)

    def look(self) -> None:
        """Read it if it has changed, and has been left alone since."""
        with self._lock:
            now = files.signature(self.path)
            if now != self._signature:
                time.sleep(_SETTLES)
                if files.signature(self.path) != now:
                    self._ticker.hurry()
                    return
                self.load_or_tell()
                return
            if self._looks_left:
                self._looks_left -= 1
                if not self._looks_left:
                    self._list_unmatched()

    def _list_unmatched(self) -> None:
        """Tell once of each name that nothing goes by: it may be misspelled."""
        unknown = [text for text in self._configuration.unmatched() if text not in self._listed]
        self._listed.update(unknown)
        if unknown:
            listeners.announce("degraded", "resilient", f"configuration: {'; '.join(unknown)}")
