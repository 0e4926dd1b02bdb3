"""Nanoseconds per call of several contenders, so that they can be compared on a noisy machine.

pyperf's own runner measures one benchmark after the other, and on a shared machine the load that
comes and goes between two of them becomes a ratio. Here the contenders take turns, many short ones
in shuffled order, and a ratio is the median of the ratios within one round. pyperf has the clock,
and keeps the values in its own format for `pyperf stats` and `pyperf compare_to`.
"""

from __future__ import annotations

import gc
import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

import pyperf

CALLS = 1024
"""Calls a turn: more than any batch, so that each turn pays for what is done once in a while."""


@dataclass(frozen=True)
class Contender:
    """One thing that is timed.

    make: imports what it needs and returns the function to call with an integer.
    before_turn: untimed; brings a peer back to a state it would have in production.
    same: one integer for all calls, so that a cache hits; otherwise each call has its own.
    calls: how many a turn has; fewer for a peer that waits for the disk each time.
    """

    name: str
    make: Callable[[], Callable[[int], object]]
    before_turn: Callable[[], object] | None = None
    same: bool = False
    calls: int = CALLS


@dataclass(frozen=True)
class Comparison:
    """One line of the table: `ours` against `peer`, each less what it is added to, if anything."""

    what: str
    against: str
    ours: str
    peer: str
    aim: float
    ours_without: str | None = None
    peer_without: str | None = None


@dataclass(frozen=True)
class Ratio:
    """ours, peer: ns per call. spread: what half of the rounds' ratios lie between."""

    comparison: Comparison
    ours: float
    peer: float
    value: float
    spread: tuple[float, float]


@dataclass
class Times:
    """ns: per contender, its ns per call in each round; rounds are aligned."""

    ns: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Contenders that could not be made, with the module they lack."""

    def ratio(self, comparison: Comparison) -> Ratio | None:
        """Compare two contenders; None if one of them is missing."""
        ours = self._cost(comparison.ours, comparison.ours_without)
        peer = self._cost(comparison.peer, comparison.peer_without)
        if ours is None or peer is None:
            return None
        # In one round a difference can come out as nothing at all; it says nothing then.
        ratios = [one / other for one, other in zip(ours, peer, strict=True) if other > 0]
        low, _, high = quantiles(ratios, n=4)
        return Ratio(comparison, median(ours), median(peer), median(ratios), (low, high))

    def suite(self) -> pyperf.BenchmarkSuite:
        """The values in seconds, as pyperf keeps them."""
        return pyperf.BenchmarkSuite(
            [
                pyperf.Benchmark(
                    [
                        pyperf.Run(
                            [value * 1e-9 for value in values],
                            metadata={"name": name, "loops": CALLS},
                            collect_metadata=False,
                        )
                    ]
                )
                for name, values in self.ns.items()
            ]
        )

    def _cost(self, name: str, without: str | None) -> list[float] | None:
        times = self.ns.get(name)
        if without is None or times is None:
            return times
        base = self.ns.get(without)
        return None if base is None else [a - b for a, b in zip(times, base, strict=True)]


def take_turns(
    groups: Mapping[str, Sequence[Contender]],
    *,
    rounds: int,
    timer: Callable[[], float] = pyperf.perf_counter,
) -> Times:
    """Time the contenders of each group in `rounds` rounds; only those of one group alternate."""
    times = Times()
    numbers = itertools.count(1)
    for contenders in groups.values():
        made = [(one, call) for one in contenders if (call := _make(one, times)) is not None]
        gc.collect()
        # What was imported is not the contenders' garbage, and collecting it is not their cost.
        gc.freeze()
        for turn in range(-1, rounds):
            random.shuffle(made)
            for contender, call in made:
                if contender.before_turn is not None:
                    contender.before_turn()
                many = contender.calls
                arguments = [0] * many if contender.same else [*itertools.islice(numbers, many)]
                took = _time(call, arguments, timer)
                if turn >= 0:  # the first round warms up
                    times.ns.setdefault(contender.name, []).append(took / many * 1e9)
        gc.unfreeze()
    return times


def _make(contender: Contender, times: Times) -> Callable[[int], object] | None:
    try:
        return contender.make()
    except ModuleNotFoundError as error:
        times.missing[contender.name] = error.name or str(error)
        return None


def _time(
    call: Callable[[int], object], arguments: Iterable[int], timer: Callable[[], float]
) -> float:
    started = timer()
    for argument in arguments:
        call(argument)
    return timer() - started
