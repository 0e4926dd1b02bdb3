"""`resilient config check`: is a configuration one that processes would accept?"""

from __future__ import annotations

import argparse
import os

from resilient import handle as filed
from resilient.cli import exits
from resilient.cli.explain import imported
from resilient.configuration import checking, files
from resilient.configuration.overriding import Overrides, Variants
from resilient.configuration.settings import Settings
from resilient.diagnostics.masking import mask
from resilient.errors import ConfigurationError

_EPILOG = """\
  resilient config check resilient.toml
  resilient config check resilient.toml --import app.vendors

With --import, the options are also tried on the functions that the module decorates, and names that
none of them goes by are told.

exit codes: 0 fine; 1 it would be refused, with the line that is wrong, or names something that is
not there; 2 it could not be done as asked."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be asked for."""
    parser.epilog = _EPILOG
    parser.add_argument("action", choices=("check",), help="what is to be done with it")
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help=f"the file; that of {files.VARIABLE}, or {files.DEFAULT}, if left out",
    )
    parser.add_argument(
        "--import",
        metavar="MODULE",
        action="append",
        default=[],
        dest="modules",
        help="try it on what this module decorates; may be repeated",
    )


def run(options: argparse.Namespace) -> int:
    """Check it, and tell what is wrong."""
    path = options.file or os.environ.get(files.VARIABLE) or files.DEFAULT
    if not os.path.isfile(path):
        raise exits.UsageError(f"config check {path}: there is no such file")
    for module in options.modules:
        imported(module)
    try:
        settings, _ = files.read(path)
        checking.check(settings)
        unmatched = _tried(settings) if options.modules else []
    except ConfigurationError as error:
        print(mask(str(error)))
        return exits.FOUND
    for text in unmatched:
        print(mask(text))
    if unmatched:
        return exits.FOUND
    many = "1 setting" if len(settings) == 1 else f"{len(settings)} settings"
    print(f"{os.path.basename(path)}: {many}, nothing wrong")
    return exits.FINE


def _tried(settings: Settings) -> list[str]:
    """Try the settings on all functions that are there; what they name that is not."""
    overrides = Overrides(settings, Variants())
    handles = filed.handles()
    for handle in handles:
        overrides.of(handle)
    return overrides.unmatched(handles)
