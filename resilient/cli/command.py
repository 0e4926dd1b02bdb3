"""`resilient SUBCOMMAND …`: from the command line to a subcommand, and back to an exit code."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from resilient.cli import exits

COMMANDS = {
    "report": "the figures that processes dumped to their logs, as a table, HTML or JSON",
    "top": "the figures that processes dump to their logs, live in the terminal",
    "dashboard": "the figures that processes dump to their logs, live in a browser, with plots",
    "audit": "where code calls vendors undecorated, without timeouts, in bare retry loops or "
    "without verifying TLS",
    "explain": "how a decorated function's stack is set up, and what is odd about it",
    "config": "whether a configuration file is one that processes would accept",
    "completion": "a script that lets a shell complete all this",
}
"""Subcommands, each a module of its name here with `add_arguments(parser)` and `run(options)`."""

_EPILOG = """\
exit codes: 0 fine; 1 something was found; 2 it could not be done as asked.
`resilient SUBCOMMAND --help` says more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    arguments: without the program's name; those of the process if None.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # There is none in a process that was started with its output closed (`>&-`).
    sys.stdout = sys.stdout or io.StringIO()
    sys.stderr = sys.stderr or io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        # A terminal without Unicode gets an escape instead of a traceback.
        reconfigure = getattr(stream, "reconfigure", None)
        if callable(reconfigure):
            reconfigure(errors="backslashreplace")
    try:
        options = parser_for(given).parse_args(given)
        if options.command is None:
            parser_for(given).print_help()
            return exits.USAGE
        code = int(_module(options.command).run(options))
        sys.stdout.flush()
        return code
    except SystemExit as error:  # argparse's, after its own message
        return error.code if isinstance(error.code, int) else exits.FINE
    except exits.UsageError as error:
        print(f"resilient: {error}", file=sys.stderr)
        return exits.USAGE
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        # The reader, `head` say, has had enough.
        _give_up_output()
        return exits.NOBODY_READS
    except OSError as error:
        # The disk is full, say. 1 would mean that something was found.
        _give_up_output()
        print(f"resilient: {error}", file=sys.stderr)
        return exits.USAGE


def _give_up_output() -> None:
    """Keep the interpreter from stumbling, at its end, over what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser_for(given: Sequence[str], *, is_complete: bool = False) -> argparse.ArgumentParser:
    """The parser; only the subcommand that is named has its options, unless it is complete."""
    parser = argparse.ArgumentParser(
        prog="resilient",
        description="Tools around functions that resilient decorates.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"resilient {version()}")
    subparsers = parser.add_subparsers(dest="command", metavar="SUBCOMMAND", title="subcommands")
    named = next((one for one in given if not one.startswith("-")), None)
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(
            name,
            help=summary,
            description=f"Show {summary}." if name != "audit" else f"Find {summary}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if is_complete or name == named:
            _module(name).add_arguments(subparser)
    return parser


def _module(name: str) -> Any:
    return importlib.import_module(f"resilient.cli.{name}")


def version() -> str:
    """Of the distribution that is installed."""
    try:
        return metadata.version("resilient-decorators")
    except metadata.PackageNotFoundError:
        return "0+unknown"
