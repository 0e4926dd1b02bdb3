"""`resilient top LOGS…`."""

from __future__ import annotations

import argparse
import time
from typing import Any

from resilient.cli import exits
from resilient.cli.report import add_sources, in_order, unreadable
from resilient.cli.terminal import need_rich, seconds
from resilient.diagnostics.following import Follower, StandardInput, followers
from resilient.diagnostics.masking import mask
from resilient.diagnostics.merging import Merger

_EPILOG = """\
Shows what processes dump to logs that they write as JSON; see `resilient report --help`.
Ctrl-C ends it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be asked for."""
    parser.epilog = _EPILOG
    add_sources(parser)
    parser.add_argument(
        "--every", metavar="SECONDS", type=seconds, default=2.0, help="how often to look (2)"
    )
    parser.add_argument("--once", action="store_true", help="show it once and end")


def run(options: argparse.Namespace) -> int:
    """Look, show, wait, and look again."""
    need_rich("top")
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    if not (options.once or console.is_terminal):
        raise exits.UsageError("top needs a terminal; without one use `resilient report`")
    try:
        sources = followers(options.logs, growing=True)
    except OSError as error:
        raise unreadable(error) from error
    if any(isinstance(one, StandardInput) for one in sources):
        raise exits.UsageError("top can't follow the standard input: give the log's path")
    merger = Merger()
    with Live(console=console, screen=not options.once, auto_refresh=False) as live:
        while True:
            _take(sources, merger)
            live.update(_shown(merger, options, console.height), refresh=True)
            if options.once:
                return exits.FINE
            time.sleep(options.every)


def _take(sources: list[Follower], merger: Merger) -> None:
    for source in sources:
        try:
            for stats in source.new_stats():
                merger.add(stats)
        except OSError:
            # Rotated away at this moment; the next look finds the new one.
            continue


def _shown(merger: Merger, options: argparse.Namespace, height: int) -> Any:
    from rich.text import Text

    from resilient.cli.pretty_tables import tables

    snapshot = in_order(merger.snapshot(options.by), options.sort)
    if not snapshot["functions"]:
        return Text(mask(f"No figures yet in {', '.join(options.logs)}; looking again."))
    return tables(snapshot, most=None if options.once else max(1, (height - 14) // 2))
