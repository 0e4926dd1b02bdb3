"""The figures of all decorated functions of this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from resilient.call import listeners
from resilient.function_stats import MOST_HOSTS, MOST_NAMES, OTHERS, FunctionStats
from resilient.histogram import ERROR, Histogram
from resilient.timing import clock

MOST_FUNCTIONS = 5_000
"""Functions with figures of their own. Names that are made up as a program runs (a closure's with a
customer's number in it) are without end: further ones share the figures of OTHERS, one for each
service."""

MOST_SERVICES = 1_000
"""Services whose further functions have an OTHERS of their own; those of the rest share one."""


class Registry:
    """The figures of all functions.

    `_lock` guards `_functions`, and `_sorted`: their values by service and name, None if one has
    come since.
    """

    def __init__(self) -> None:
        self._functions: dict[tuple[str, str], FunctionStats] = {}
        self._sorted: list[FunctionStats] | None = None
        self._lock = threading.Lock()
        self._renew()
        if hasattr(os, "register_at_fork"):
            # A child counts from zero, or the parent's calls would be reported twice; and its copy
            # of a lock may be held by a thread that does not exist there.
            os.register_at_fork(after_in_child=self._renew_in_child)

    def _renew(self) -> None:
        self.started = clock.time()
        self._started = clock.monotonic()

    def _renew_in_child(self) -> None:
        self._lock = threading.Lock()
        self._sorted = None
        for stats in self._functions.values():
            stats.reset_in_child()
        self._renew()

    def stats_of(self, service: str, name: str) -> FunctionStats:
        """The figures of one function, made when first asked for.

        Beyond MOST_FUNCTIONS it shares those of OTHERS, which is told once.
        """
        is_first = False
        with self._lock:
            stats = self._functions.get((service, name))
            if stats is None:
                is_first = len(self._functions) == MOST_FUNCTIONS
                stats = self._made_locked(service, name)
        if is_first:
            listeners.announce(
                "degraded",
                service,
                f"{MOST_FUNCTIONS:,} functions have figures of their own; those of {name} and of "
                f"further ones are added up as {OTHERS}. Decorate functions once, and give them "
                "names that hold no data.",
            )
        return stats

    def _made_locked(self, service: str, name: str) -> FunctionStats:
        key = (service, name)
        if len(self._functions) >= MOST_FUNCTIONS:
            key = (service, OTHERS)
            if (
                key not in self._functions
                and len(self._functions) >= MOST_FUNCTIONS + MOST_SERVICES
            ):
                key = (OTHERS, OTHERS)
        stats = self._functions.get(key)
        if stats is None:
            stats = self._functions[key] = FunctionStats(*key)
            self._sorted = None
        return stats

    def snapshot(self) -> dict[str, Any]:
        """Plain data of all functions that were called.

        pid, started and taken (Unix seconds), seconds (the time between, monotonic), functions: a
        list of FunctionStats.snapshot, by service and name.
        """
        return {**self.process(), "functions": list(self.each())}

    def process(self) -> dict[str, Any]:
        """What a snapshot tells of the process."""
        return {
            "pid": os.getpid(),
            "started": self.started,
            "taken": clock.time(),
            "seconds": clock.monotonic() - self._started,
        }

    def each(self) -> Iterator[dict[str, Any]]:
        """What a snapshot tells of each function, one by one: many are a lot of data."""
        for stats in self._all():
            if not stats.is_fresh and (data := stats.snapshot())["calls"]:
                yield data

    def each_with_handle(self) -> Iterator[tuple[dict[str, Any], Any]]:
        """The same, each with its function's `fn.resilient`, if it is still decorated."""
        for stats in self._all():
            if not stats.is_fresh and (data := stats.snapshot())["calls"]:
                yield data, _handle_of(stats)

    def handles(self) -> list[tuple[str, str, Any]]:
        """Service, name and `fn.resilient` of each function that is still decorated."""
        found = [(stats, _handle_of(stats)) for stats in self._all()]
        return [(stats.service, stats.name, handle) for stats, handle in found if handle]

    def reset(self) -> None:
        """Start all figures from zero."""
        for stats in self._all():
            stats.reset()
        self._renew()

    def _all(self) -> Iterable[FunctionStats]:
        with self._lock:
            if self._sorted is None:
                self._sorted = [self._functions[key] for key in sorted(self._functions)]
            return self._sorted


def _handle_of(stats: FunctionStats) -> Any:
    # Of OTHERS, the state of one would be taken for that of all.
    return stats.handle() if stats.handle is not None and stats.name != OTHERS else None


registry = Registry()

__all__ = [
    "ERROR",
    "MOST_FUNCTIONS",
    "MOST_HOSTS",
    "MOST_NAMES",
    "MOST_SERVICES",
    "OTHERS",
    "FunctionStats",
    "Histogram",
    "Registry",
    "registry",
]
