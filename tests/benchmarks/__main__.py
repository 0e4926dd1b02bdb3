"""python -m tests.benchmarks: how fast the happy path is, side by side with its peers.

Needs `pip install -e ".[bench]"`. A missed aim is printed and is no error: timings of a shared
machine are read by people.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Iterable
from importlib.util import find_spec

try:
    from tests.benchmarks.measure import CALLS, Ratio, Times, take_turns
except ModuleNotFoundError as missing:
    raise SystemExit(f"{missing.name} is not installed: pip install -e '.[bench]'") from None
from tests.benchmarks import (
    answers,
    contenders,
    footprint,
    http_cache,
    leases,
    loads,
    masking,
    shared_redis,
    shared_sqlite,
    stats,
    stores,
)

GROUPS = (
    contenders.GROUPS
    | stores.GROUPS
    | shared_redis.GROUPS
    | shared_sqlite.GROUPS
    | http_cache.GROUPS
    | answers.GROUPS
    | masking.GROUPS
)
COMPARISONS = [
    *contenders.COMPARISONS,
    *stores.COMPARISONS,
    *shared_redis.COMPARISONS,
    *shared_sqlite.COMPARISONS,
    *http_cache.COMPARISONS,
    *masking.COMPARISONS,
]
LOADS = "loads"
LEASES = "leases"
STATS = "stats"
ROUNDS, FAST_ROUNDS = 120, 20
KIB = 1024


def main() -> None:
    options = _options()
    started = time.perf_counter()
    print(f"Python {platform.python_version()}, {options.rounds} rounds of {CALLS} calls in turns")
    groups = {name: GROUPS[name] for name in options.only or GROUPS if name in GROUPS}
    times = take_turns(groups, rounds=options.rounds)
    if times.missing:
        modules = ", ".join(sorted(set(times.missing.values())))
        print(f"left out, not installed: {modules}. Use pip install -e '.[bench]'")
    ratios = [ratio for one in COMPARISONS if (ratio := times.ratio(one)) is not None]
    if ratios:
        _print_ratios(ratios)
    _print_costs(times)
    if options.json:
        times.suite().dump(options.json, replace=True)
    if not options.only:
        try:
            _print_footprint(5 if options.fast else 15)
        except (ImportError, RuntimeError) as error:
            print(f"import, memory and threads were not measured: {error}")
    if STATS in (options.only or [STATS]):
        _print_stats(20 if options.fast else 80)
    if LEASES in (options.only or [LEASES]):
        _print_leases(3 if options.fast else 10)
    if LOADS in (options.only or [LOADS]):
        loads.print_loads(seconds=4 if options.fast else 10)
    print(f"\nmeasured in {time.perf_counter() - started:.0f} s")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--fast", action="store_true", help="fewer rounds, for a first impression")
    parser.add_argument("--rounds", type=int, help=f"rounds of every contender, default {ROUNDS}")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[*GROUPS, STATS, LEASES, LOADS],
        metavar="GROUP",
        help=", ".join([*GROUPS, STATS, LEASES, LOADS]),
    )
    parser.add_argument("--json", metavar="FILE", help="keep the values for pyperf compare_to")
    options = parser.parse_args()
    if options.rounds is None:
        options.rounds = FAST_ROUNDS if options.fast else ROUNDS
    elif options.rounds < 2:
        parser.error("--rounds: use 2 or more")
    return options


def _print_ratios(ratios: Iterable[Ratio]) -> None:
    print(f"\n{'what':33}{'against':43}{'ns':>7}{'ns':>8}{'ratio':>8}{'half within':>15}{'aim':>8}")
    for ratio in ratios:
        one = ratio.comparison
        low, high = ratio.spread
        print(
            f"{one.what:33}{one.against:43}{ratio.ours:7.0f}{ratio.peer:8.0f}{ratio.value:8.3f}"
            f"{f'{low:.3f}-{high:.3f}':>15}{_aim(ratio.value, one.aim)}"
        )


def _print_costs(times: Times) -> None:
    measured = [(one, cost) for one in answers.COSTS if (cost := one.microseconds(times))]
    if measured:
        print(f"\n{'what':43}{'us':>7}{'aim':>8}")
    for one, cost in measured:
        aim = "" if one.aim is None else _aim(cost, one.aim)
        print(f"{one.what:43}{cost:7.2f}{aim}")


def _print_leases(seconds: float) -> None:
    print(f"\na shared quota at {leases.CALLS:,} calls a second")
    for one in leases.asked(seconds):
        used = f"{one.used:.0%} of it used"
        aim = _aim(one.trips, leases.AIM)
        print(f"  {one.store}: {one.trips:.3f} round trips a call, {used}{aim}")


def _print_footprint(rounds: int) -> None:
    optional = [name for name in footprint.PYBREAKER_LOADS if find_spec(name)]
    print()
    _print_import("import resilient", footprint.import_ratio(rounds, footprint.PYBREAKER_LOADS))
    if optional:
        loaded = " and ".join(optional)
        _print_import(
            f"the same with {loaded}, which pybreaker loads if installed",
            footprint.import_ratio(rounds),
        )
    print("memory of a function under the six decorators")
    for calls, size in footprint.memory_per_function().items():
        print(f"  after {calls:3} calls: {size / KIB:5.1f} KiB{_aim(size / KIB, 8, ' KiB')}")
    threads = footprint.seconds_of_threads()
    bare = threads["no breaker"]
    print(f"{footprint.THREADS} threads call a function of {footprint.PAUSE * 1e3:.0f} ms")
    print(f"  without a breaker: {bare:.2f} s")
    print(
        f"  through one resilient.breaker: {threads['resilient']:.2f} s"
        f"{_aim(threads['resilient'] / bare, 1.2, ' times that')}"
    )
    print(f"  through one pybreaker.CircuitBreaker: {threads['pybreaker']:.2f} s")


def _print_stats(rounds: int) -> None:
    title = f"stats of {stats.FUNCTIONS:,} functions, ms"
    print(f"\n{title:43}{'best':>7}{'its CPU':>9}{'median':>8}{'aim':>8}")
    for cost in stats.milliseconds(rounds):
        print(
            f"{cost.what:43}{cost.best:7.1f}{cost.cpu:9.1f}{cost.median:8.1f}"
            f"{_aim(cost.best, cost.aim)}"
        )
    ratio = stats.ratio_while_looked_at(rounds)
    print(
        f"a call of {stats.THREADS} threads while stats of {stats.SOME} functions are dumped, "
        f"scraped and served in turns, every {stats.PAUSE:g} s: {ratio:.2f} of its cost without"
        f"{_aim(ratio, 1.2)}"
    )


def _print_import(what: str, figures: tuple[float, float, float]) -> None:
    ours, peer, ratio = figures
    print(
        f"{what}: {ours * 1e3:.0f} ms, {ratio:.2f} of import requests, loguru "
        f"({peer * 1e3:.0f} ms){_aim(ratio, 1.3)}"
    )


def _aim(value: float, aim: float, unit: str = "") -> str:
    return f"  <= {aim:g}{unit}{'' if value <= aim else '  MISSED'}"


if __name__ == "__main__":
    main()
