"""The figures of all functions, dumped to the logs: now, every so often, at exit (or `signals`)."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

from loguru import logger

from resilient import options
from resilient.diagnostics.costs import costs
from resilient.diagnostics.dumping import records_of
from resilient.diagnostics.logs import lines
from resilient.diagnostics.masking import Clean, mask
from resilient.diagnostics.states import states_or_none
from resilient.ending import at_end
from resilient.registry import Registry, registry


def dump_stats(registry: Registry = registry) -> None:
    """Log the figures of all functions that were called, a few functions a record.

    `record["extra"]["resilient_stats"]` holds what `registry.snapshot()` says of them, with the
    process's host.
    """
    lines.flush()
    for stats in dump_records(registry):
        # As an argument: a brace in a name would be taken for a format.
        logger.bind(resilient_stats=stats).info("{}", stats.text)


def dump_records(registry: Registry) -> Iterator[Clean]:
    """What a dump is made of, masked."""
    process = {**registry.process(), "host": host_name(), "costs": costs()}
    return records_of(process, _with_policies(registry))


def _with_policies(registry: Registry) -> Iterator[dict[str, Any]]:
    """The figures of each function, with its policies' kinds and states."""
    for data, handle in registry.each_with_handle():
        if handle is not None:
            states = states_or_none(handle)
            if states:
                data["policies"] = states
            data["stack"] = [policy.kind for policy in handle.policies]
        yield data


def host_name() -> str:
    """What this machine calls itself; containers have pids that many of them share."""
    return mask(socket.gethostname()[:200])


class Dumper:
    """Dumps the figures every so often, from a daemon thread, until it is stopped."""

    def __init__(self, seconds: float, registry: Registry) -> None:
        self.seconds = seconds
        self.errors = 0
        """Dumps that failed; the next one is tried all the same."""
        self._registry = registry
        self.start()

    def start(self) -> None:
        """Start the thread; a forked child does it again, since threads don't survive a fork."""
        # An event of its own for each thread: one that was stopped stays stopped.
        self._stopped = threading.Event()
        name = "resilient-stats"
        self._thread = threading.Thread(
            target=self._run, args=(self._stopped,), name=name, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Dump no more; returns when a dump that is being written is finished."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self, stopped: threading.Event) -> None:
        # In real time: under a fake clock, whose waits are over at once, this would never rest.
        while not stopped.wait(self.seconds):
            try:
                dump_stats(self._registry)
            except Exception:
                self.errors += 1


# Guards _dumper.
_changing = threading.Lock()
_dumper: Dumper | None = None


def dump_every(seconds: options.Seconds, registry: Registry = registry) -> Dumper:
    """Dump the figures every so many seconds, in forked children too.

    A process has one such thread: calling this again replaces it. `.stop()` of what is returned
    ends it.
    """
    global _dumper
    seconds = options.seconds(seconds, "dump_every")
    with _changing:
        if _dumper is not None:
            _dumper.stop()
        _dumper = Dumper(seconds, registry)
        return _dumper


def _restart_in_child() -> None:
    global _changing
    _changing = threading.Lock()
    if _dumper is not None and not _dumper._stopped.is_set():
        _dumper.start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart_in_child)


def dump_at_exit() -> None:
    """Dump the figures when the process ends; asking twice changes nothing."""
    at_end(_dump_last)


def _dump_last() -> None:
    dump_stats()
