"""The figures that many processes dump to their logs, followed as the logs grow."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from resilient import options
from resilient.diagnostics.dashboard.entries import Entry, entries_in
from resilient.diagnostics.dashboard.history import History, Tally
from resilient.diagnostics.dashboard.stories import Stories
from resilient.diagnostics.dashboard.view import ALL, Now, key_of
from resilient.diagnostics.following import followers
from resilient.diagnostics.merging import Merger
from resilient.diagnostics.states import worst_first
from resilient.forking import open_locks
from resilient.ticking import Ticker
from resilient.timing import clock

MOST_TALLIES = 20_000
"""Functions of processes whose last dump is remembered, to tell what came after it."""

LONGEST_GAP = 900.0
"""Seconds between two dumps of a process; what comes after a longer silence has no known time."""

_OPEN_WINDOWS = 3
"""Windows that may still get figures: processes don't dump at the same moment."""


class Logs:
    """The source that follows logs. Only its own thread, or a test, calls `look`.

    Raises: OSError for a path that is not there.
    """

    def __init__(self, paths: Iterable[str], every: options.Seconds = 5.0) -> None:
        step = options.seconds(every, "dashboard(every)")
        self.history = History(10.0)
        self.stories = Stories()
        self.unreadable = 0
        """How often a log could not be read; it is tried again."""
        self._followers = followers(paths, growing=True)
        # Aligned: a look belongs to the window that it ends.
        self._ticker = Ticker(
            self.look, step, "resilient-dashboard", aligned=True, renew=self._open_locks
        )
        self._merger = Merger()
        self._tallies: OrderedDict[tuple[Any, ...], tuple[float, Tally]] = OrderedDict()
        self._has_read = False
        self._reads = 0
        self._snapshot: Mapping[str, Any] = self._merger.snapshot()
        self._policies = self._merger.policies()

    def _open_locks(self) -> None:
        # What was read holds in a forked child too.
        open_locks(self.history, self.stories)

    def start(self) -> None:
        """Read what there is, and watch from now on; nothing happens if it does already."""
        if not self._has_read:
            self.look()
        self._ticker.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._ticker.stop()

    def look(self) -> None:
        """Read what has come since the last look."""
        if self._read():
            self._snapshot = self._merger.snapshot()
            self._policies = self._merger.policies()
            self.history.close(_OPEN_WINDOWS)
            self._reads += 1
        self._has_read = True

    def _read(self) -> bool:
        has_news = False
        for follower in self._followers:
            try:
                entries: Iterator[Entry] = follower.entries(entries_in)
                for entry in entries:
                    has_news = True
                    if isinstance(entry, dict):
                        self._take(entry)
                    else:
                        self.stories.add(entry)
            except OSError:
                # Rotated away at this moment; the next look finds the new one.
                self.unreadable += 1
        return has_news

    def _take(self, stats: dict[str, Any]) -> None:
        if stats["taken"] > clock.time() + 86_400:  # would push all that is true out of the plots
            return
        self._merger.add(stats)
        names = (stats["service"], stats["function"])
        breaker = stats.get("policies", {}).get("breaker")
        if breaker is not None:
            self.stories.hold(*names, str(stats["pid"]), stats["taken"], breaker)
        process = (stats.get("host", ""), stats["pid"], stats["started"], *names)
        before, tally = self._tallies.pop(process, (stats["started"], Tally()))
        at = stats["taken"]
        self._tallies[process] = (max(at, before), tally)
        while len(self._tallies) > MOST_TALLIES:
            self._tallies.popitem(last=False)
        if at < before:
            return
        growth, gap = tally.grow(stats), at - before
        if growth is None or gap > LONGEST_GAP:
            return
        self.history.widen(gap)
        self.history.fit(at)
        self.history.add(at, (ALL, key_of(names[0]), key_of(*names)), growth)

    @property
    def version(self) -> str:
        """Another one after each look that found something."""
        return f"logs-{id(self)}-{self._reads}-{self.stories.version}"

    def snapshot(self) -> Mapping[str, Any]:
        """All processes' newest figures, added up."""
        return self._snapshot

    def now(self) -> Mapping[tuple[str, str], Now]:
        """What the logs told of breakers, and what throttles knew with the last dumps."""
        states = self.stories.states(clock.time())
        throttles = {names: known.get("throttle") for names, known in self._policies.items()}
        return {
            names: Now(worst_first(states.get(names, ())), throttles.get(names))
            for names in {*states, *throttles}
        }
