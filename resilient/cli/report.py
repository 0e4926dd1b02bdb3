"""`resilient report LOGS…`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from resilient.cli import exits
from resilient.cli.terminal import is_pretty, progress, write
from resilient.diagnostics.following import followers
from resilient.diagnostics.merging import BY, Merger
from resilient.diagnostics.sheets import stats_table

_EPILOG = """\
Logs hold figures where a process writes them as JSON, now and then or at its end:

  resilient.log_to("app.log", serialize=True)
  resilient.dump_every(60)
  resilient.dump_at_exit()

The newest figures of each process count, and are added up. Logs may be compressed
with gzip, and `-` is the standard input. The URL of a store that workers publish in
(that of RESILIENT_STORE or resilient.configure, or of
resilient.diagnostics.publish_stats) stands for the figures of all of them.

exit codes: 0 fine; 1 there are no figures; 2 it could not be done as asked."""

Rows = list[Mapping[str, Any]]

SORTS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "name": lambda data: (data["service"], data["function"]),
    "calls": lambda data: -data["calls"],
    "failures": lambda data: data["outcomes"].get("ok", 0) - data["calls"],
    "latency": lambda data: -data["latency"]["p95"],
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be asked for."""
    parser.epilog = _EPILOG
    add_sources(parser)
    parser.add_argument(
        "--format",
        choices=("table", "html", "json"),
        help="a table (the default), a page that stands alone, or plain data; "
        "else as --output is named",
    )
    parser.add_argument("--output", metavar="FILE", help="write there instead of to the terminal")


def add_sources(parser: argparse.ArgumentParser) -> None:
    """Which logs, and what makes a row."""
    parser.add_argument(
        "logs", metavar="LOG", nargs="+", help="a log, a folder of logs, a store's URL, or -"
    )
    parser.add_argument("--by", choices=BY, default=BY[0], help="what makes a row")
    parser.add_argument("--sort", choices=tuple(SORTS), default="name", help="what comes first")


def run(options: argparse.Namespace) -> int:
    """Read, add up and write."""
    snapshot = _read(options)
    if not snapshot["functions"]:
        print(
            "resilient: there are no figures. Processes write them with dump_every(60) or "
            "dump_at_exit() to a sink of log_to(…, serialize=True), and publish them in the store "
            "of RESILIENT_STORE or configure(store=…), or of diagnostics.publish_stats(url).",
            file=sys.stderr,
        )
        return exits.FOUND
    kind = options.format or _kind_of(options.output)
    if kind == "json":
        write(json.dumps(snapshot, indent=2, ensure_ascii=False), options.output)
    elif kind == "html":
        from resilient.cli.report_page import page

        write(page(snapshot), options.output)
    elif options.output is None and is_pretty(sys.stdout):
        from rich.console import Console

        from resilient.cli.pretty_tables import tables

        Console(highlight=False).print(tables(snapshot))
    else:
        write(stats_table(snapshot), options.output)
    return exits.FINE


def _read(options: argparse.Namespace) -> dict[str, Any]:
    merger = Merger()
    try:
        for follower in progress(followers(options.logs), "reading"):
            for stats in follower.new_stats():
                merger.add(stats)
    except OSError as error:
        raise unreadable(error) from error
    return in_order(merger.snapshot(options.by), options.sort)


def unreadable(error: OSError) -> exits.UsageError:
    """A log is not there, or not to be read."""
    return exits.UsageError(f"{error.filename}: {error.strerror or type(error).__name__}")


def in_order(snapshot: dict[str, Any], sort: str) -> dict[str, Any]:
    """The snapshot with its rows in another order."""
    return {**snapshot, "functions": sorted(snapshot["functions"], key=SORTS[sort])}


def _kind_of(output: str | None) -> str:
    name = (output or "").lower()
    if name.endswith((".html", ".htm")):
        return "html"
    return "json" if name.endswith(".json") else "table"
