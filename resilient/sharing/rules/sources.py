"""Who made the calls of a circuit, so that no one worker or host decides for all the others.

Counts are [ok, failed, slow]. A source is a host or a worker; see circuits for how they are named.
Hosts are told apart if there are several, else the workers of the one there is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

OK, FAILED, SLOW = range(3)
NONE = [0, 0, 0]

MOST_SOURCES = 12
"""Hosts, and workers, that are told apart in a slice: of more, no single one decides anyway."""


def summed(one: list[int], other: list[int]) -> list[int]:
    """The counts of both."""
    return [one[0] + other[0], one[1] + other[1], one[2] + other[2]]


def sources_of(worker: str) -> tuple[str, ...]:
    """A worker's host, if its id names one, and the worker."""
    host, is_named, _ = worker.partition("/")
    return (host, worker) if is_named else (worker,)


def units(sources: Collection[str]) -> set[str]:
    """Those who are told apart."""
    hosts = {source for source in sources if "/" not in source}
    return hosts if len(hosts) > 1 else set(sources) - hosts or hosts


def holds_without(counts: list[int], total: list[int], rate: float, kind: int) -> bool:
    """Would the rate be reached without this source? It is, if nobody else has made a call."""
    rest = total[OK] + total[FAILED] - counts[OK] - counts[FAILED]
    return rest <= 0 or total[kind] - counts[kind] >= rate * rest


def in_a_row(streak: Mapping[str, int], sources: Collection[str], fail_max: int) -> int:
    """Failures in a row; of several sources, each counts for half of fail_max at most."""
    apart = units({*streak, *sources})
    failures = [count for source, count in streak.items() if source in apart]
    if len(apart) < 2:
        return sum(failures)
    most = min((fail_max + 1) // 2, fail_max - 1)
    return sum(min(count, most) for count in failures)


def forget_some(by_source: dict[str, list[int]]) -> None:
    """Keep to MOST_SOURCES: those who failed least go first, then those who called least."""
    for are_workers in (False, True):
        alike = [source for source in by_source if ("/" in source) == are_workers]
        while len(alike) > MOST_SOURCES:
            least = min(alike, key=lambda one: (*_badness(by_source[one]), one))
            alike.remove(least)
            del by_source[least]


def _badness(counts: list[int]) -> tuple[int, int]:
    return counts[FAILED] + counts[SLOW], counts[OK]
