"""python -m tests.loads: real servers that enforce their quotas, and what @throttled makes of them.

Names or groups choose the loads; one load alone runs in this process, several in processes of their
own.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from loguru import logger

from tests.loads.figures import HEADER, line_of
from tests.loads.running import JOBS, chosen, side_by_side
from tests.loads.scenarios import LOADS


def main() -> None:
    options = _options()
    loads = [LOADS[options.names[0]]] if options.here else chosen(options.names or list(LOADS))
    if options.list:
        print("\n".join(f"{load.group:12}{load.name}" for load in loads))
        return
    if len(loads) == 1:
        (load,) = loads
        if not options.log:
            logger.remove()
        figures = load.run(load.name, options.seconds or load.seconds)
        print(json.dumps(asdict(figures)) if options.json else f"{HEADER}\n{line_of(figures)}")
        return
    if not options.json:
        print(HEADER, flush=True)
    missed = 0
    for figures in side_by_side(loads, seconds=options.seconds, jobs=options.jobs):
        print(json.dumps(asdict(figures)) if options.json else line_of(figures), flush=True)
        missed += bool(figures.missed)
    if not options.json:
        print(f"{len(loads)} loads, {missed} of them missed an aim")


def _options() -> argparse.Namespace:
    groups = sorted({load.group for load in LOADS.values()})
    parser = argparse.ArgumentParser(
        prog="python -m tests.loads",
        description=__doc__,
        epilog=f"groups: {', '.join(groups)}. --list names the loads.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="loads or groups; all by default")
    parser.add_argument("--list", action="store_true", help="only name the loads")
    parser.add_argument("--seconds", type=float, help="measure for so long instead of 10 s")
    parser.add_argument(
        "--jobs", type=int, default=JOBS, help=f"loads at the same time (default {JOBS})"
    )
    parser.add_argument(
        "--log", action="store_true", help="show resilient's log lines, if it is one load alone"
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON a load")
    # How `running` starts one load: whatever its name is, no more processes come of it.
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    try:
        chosen(options.names)
    except KeyError as unknown:
        parser.error(f"{unknown.args[0]}: no such load or group; see --list")
    return options


if __name__ == "__main__":
    main()
