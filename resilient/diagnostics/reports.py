"""The figures of all functions, dumped to the logs: now, every so often, at exit (or `signals`)."""

from __future__ import annotations

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
from resilient.ticking import Ticker


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


# Guards _dumper.
_changing = threading.Lock()
_dumper: Ticker | None = None


def dump_every(seconds: options.Seconds, registry: Registry = registry) -> Ticker:
    """Dump the figures every so many seconds, in forked children too.

    A process has one such thread: calling this again replaces it. `.stop()` of what is returned
    ends it; its `errors` are dumps that failed, the next one is tried all the same.
    """
    global _dumper
    seconds = options.seconds(seconds, "dump_every")
    with _changing:
        if _dumper is not None:
            _dumper.stop()
        _dumper = Ticker(lambda: dump_stats(registry), seconds, "resilient-stats")
        _dumper.start()
        return _dumper


def dump_at_exit() -> None:
    """Dump the figures when the process ends; asking twice changes nothing."""
    at_end(_dump_last)


def _dump_last() -> None:
    dump_stats()
