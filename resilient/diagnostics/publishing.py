"""Figures of all workers by way of the store that they share: published, and read back.

    resilient.configure(store="redis://…")    in each worker, or publish_stats("redis://…")
    resilient report redis://…                anywhere

What is published is what a dump would write to a log, line by line, compressed.
"""

from __future__ import annotations

import errno
import math
import threading
import zlib
from collections.abc import Callable, Iterator

from resilient import options
from resilient.diagnostics.dumps import Stats, stats_in
from resilient.diagnostics.following import Parse, T
from resilient.diagnostics.reports import dump_records
from resilient.errors import ConfigurationError
from resilient.registry import Registry, registry
from resilient.sharing import opening
from resilient.sharing.opening import Store, open_state, state_for
from resilient.sharing.shared import SharedState
from resilient.timing import clock

EVERY = 10.0
"""Seconds between two times that figures are published."""

LIVES = 3_600.0
"""Seconds for which the figures of a worker that has ended are kept."""

_MOST_BYTES = 64 << 20
"""Of one worker's figures; what a hostile one wrote must not fill the memory."""


class Publisher:
    """Publishes a registry's figures with the steps of a shared state."""

    def __init__(self, state: SharedState, every: float, registry: Registry) -> None:
        self.state = state
        self._registry = registry
        self._every = every
        self._is_stopped = False
        self._looked_at = -math.inf
        self._told: tuple[str, int, float] | None = None
        """By whom which figures were told last, and when (monotonic)."""

    def start(self, *, starts: bool = True) -> None:
        """Publish now and then, from the state's thread, instead of another one that does.

        starts: may that thread be started for this?
        """
        with _changing:
            before = _publishers.get(id(self.state))
            _publishers[id(self.state)] = self
        if before is not None:
            before.stop()
        self.state.in_step(self, self._every, starts=starts)

    def stop(self) -> None:
        """Publish no more."""
        self._is_stopped = True
        with _changing:
            if _publishers.get(id(self.state)) is self:
                del _publishers[id(self.state)]

    def step(self) -> None:
        """Publish, unless it was not long ago: others hurry the steps."""
        now = clock.monotonic()
        if now - self._looked_at >= self._every / 2 or self.state.is_ending:
            self._looked_at = now
            self.publish()

    def publish(self) -> None:
        """Publish now, unless nothing has come since the last time."""
        if self._is_stopped:
            return
        records = list(dump_records(self._registry))
        if not records:
            return
        calls = sum(data["calls"] for record in records for data in record["functions"])
        now = clock.monotonic()
        if self._told is not None:
            worker, before, at = self._told
            if (worker, before) == (self.state.worker, calls) and now - at < LIVES / 2:
                return
        lines = "\n".join([f'{{"resilient_stats":{record.json()}}}' for record in records])
        figures = zlib.compress(lines.encode("utf-8", "replace"), 1)
        if self.state.publish(figures, LIVES):
            self._told = (self.state.worker, calls, now)


_publishers: dict[int, Publisher] = {}
"""By the state that they publish to, which knows its members but does not keep them."""

_by_default: Publisher | None = None
"""The one that nobody asked for."""

_changing = threading.Lock()  # guards both


def publish_stats(
    store: Store | None = None, every: options.Seconds = EVERY, registry: Registry = registry
) -> Callable[[], None]:
    """Publish this worker's figures in a shared store, now and then; in forked children too.

    In the store of `resilient.configure` they are published without it, every EVERY seconds, unless
    that says `publish=False`.

    every: seconds. store: a URL or a store of `open_state`; None: the one of `resilient.configure`.
    Returns a function that ends it. `resilient report` and `resilient dashboard` take the store's
    URL for a log, and show all workers.
    """
    every = options.seconds(every, "publish_stats(every)")
    state = state_for(store, "publish_stats(store)")
    if state is None:
        raise ConfigurationError(
            f"publish_stats(store={store!r}): no store is configured; give its URL, such as "
            "redis://host:6379/0 or sqlite:////var/lib/app/state.db."
        )
    publisher = Publisher(state, every, registry)
    publisher.start()
    return publisher.stop


def publish_by_default() -> None:
    """Publish in the default store from now on, whenever there is one that policies share in."""
    opening.when_published(_use)


def _use(state: SharedState | None) -> None:
    global _by_default
    with _changing:
        former = _by_default
        if former is not None and former.state is state:
            return
        # Who has asked for it by himself has said how often.
        is_new = state is not None and id(state) not in _publishers
        _by_default = Publisher(state, EVERY, registry) if state and is_new else None
        started = _by_default
    if former is not None:
        former.stop()
    if started is not None:
        started.start(starts=False)


class SharedFigures:
    """A store that workers publish their figures in, followed like a log."""

    def __init__(self, url: str) -> None:
        try:
            self._state = open_state(url, timeout=5.0)
        except ConfigurationError as error:
            # The URL may hold a password.
            scheme = url.partition("://")[0]
            raise OSError(errno.EINVAL, str(error), f"{scheme}://…") from error
        self._seen: dict[str, bytes] = {}

    def new_stats(self) -> Iterator[Stats]:
        """Figures that were not given before. Raises: OSError."""
        return self.entries(stats_in)

    def entries(self, parse: Parse[T]) -> Iterator[T]:
        """What `parse` finds in what was not published before. Raises: OSError."""
        published = self._state.published()
        if published is None:
            raise OSError(errno.EHOSTDOWN, "the store can't be reached", self._state.label)
        before, self._seen = self._seen, dict(published)
        for worker, figures in published.items():
            if before.get(worker) != figures:
                for line in _unpacked(figures).split(b"\n"):
                    yield from parse(line)


def _unpacked(figures: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(figures, _MOST_BYTES)
    except zlib.error:
        # Somebody else's; what makes no sense is passed over, as in a log.
        return b""
