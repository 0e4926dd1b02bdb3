"""`resilient dashboard LOGS…`."""

from __future__ import annotations

import argparse
import os
import socket

from resilient.cli import exits
from resilient.cli.report import unreadable
from resilient.cli.terminal import seconds
from resilient.errors import ConfigurationError

_TOKENS = {"operator": "RESILIENT_OPERATOR_TOKEN", "viewer": "RESILIENT_VIEWER_TOKEN"}

_EPILOG = f"""\
Shows what processes dump to logs that they write as JSON; see `resilient report --help`.
Without tokens it is shown to browsers on this machine only. Tokens come from the environment,
since a command line is seen by everybody on the machine:

  {_TOKENS["operator"]}   sees the stories of failed calls, too
  {_TOKENS["viewer"]}     sees figures only

It speaks plain HTTP: beyond this machine, put a server with TLS in front. Ctrl-C ends it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be asked for."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "logs", metavar="LOG", nargs="+", help="a log, a folder of logs, or a store's URL"
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to serve at (127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8765, help="0 takes a free one (8765)")
    parser.add_argument(
        "--every", metavar="SECONDS", type=seconds, default=5.0, help="how often to look (5)"
    )


def _port(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65_535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: use 0 to 65535")


def run(options: argparse.Namespace) -> int:
    """Read the logs, and serve until Ctrl-C."""
    from resilient.diagnostics.dashboard import Server, dashboard

    if "-" in options.logs:
        raise exits.UsageError("dashboard can't follow the standard input: give the log's path")
    tokens = {role: os.environ[name] for role, name in _TOKENS.items() if os.environ.get(name)}
    try:
        board = dashboard(logs=options.logs, tokens=tokens or None, every=options.every)
    except OSError as error:
        raise unreadable(error) from error
    except ConfigurationError as error:
        raise exits.UsageError(
            f"{error} They come from {' and '.join(_TOKENS.values())}."
        ) from error
    try:
        server = Server(board, options.host, options.port)
    except ConfigurationError as error:
        board.close()
        raise exits.UsageError(
            f"{error} They come from {' and '.join(_TOKENS.values())}."
        ) from error
    except (OSError, OverflowError, socket.gaierror) as error:
        board.close()
        raise exits.UsageError(
            f"dashboard can't serve at {options.host} port {options.port}: {error}"
        ) from error
    print(f"The dashboard is at {server.address} (Ctrl-C ends it)", flush=True)
    try:
        server.serve_forever(0.2)
    finally:
        server.server_close()
        board.close()
    return exits.FINE
