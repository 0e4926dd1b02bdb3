"""`resilient explain module:function`."""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from resilient.cli import exits
from resilient.diagnostics.masking import mask
from resilient.errors import OrderWarning
from resilient.handle import Handle
from resilient.stack import oddities

_EPILOG = """\
The module is imported, from the working directory if it is not installed:

  resilient explain app.vendors:github_repos
  resilient explain app.vendors:Client.pay
  resilient explain app.vendors              all that it decorates

exit codes: 0 fine; 1 something is odd about a stack; 2 it could not be done as asked."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be asked for."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "targets", metavar="MODULE[:FUNCTION]", nargs="+", help="what is to be explained"
    )


def run(options: argparse.Namespace) -> int:
    """Explain all of them."""
    handles = [handle for target in options.targets for handle in _handles_of(target)]
    print("\n\n".join(mask(str(handle)) for handle in handles))
    is_odd = any(oddities(handle.policies) for handle in handles)
    return exits.FOUND if is_odd else exits.FINE


def _handles_of(target: str) -> list[Handle]:
    path, _, name = target.partition(":")
    module = imported(path)
    if not name:
        handles = list(_all_handles(module))
        if not handles:
            raise exits.UsageError(f"explain {target}: resilient decorates nothing there")
        return handles
    found = module
    for part in name.split("."):
        try:
            found = inspect.getattr_static(found, part)
        except AttributeError:
            raise exits.UsageError(f"explain {target}: there is no {part}") from None
    handle = _handle(found)
    if handle is None:
        raise exits.UsageError(
            f"explain {target}: it is not decorated by resilient; put @service(…) on it"
        )
    return [handle]


def imported(path: str) -> Any:
    """A module, with the working directory among those it may stand in."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with warnings.catch_warnings():
            # What it would say is said below, for each function.
            warnings.simplefilter("ignore", OrderWarning)
            return importlib.import_module(path)
    except (Exception, SystemExit) as error:
        text = mask(str(error)).strip() or "it gave no reason"
        raise exits.UsageError(
            f"explain: importing {path} failed: {type(error).__name__}: {text}"
        ) from error


def _all_handles(module: Any) -> Iterator[Handle]:
    seen: set[int] = set()
    own = [value for name, value in sorted(vars(module).items()) if not name.startswith("__")]
    classes = [one for one in own if inspect.isclass(one) and one.__module__ == module.__name__]
    members = [member for one in classes for member in vars(one).values()]
    for value in (*own, *members):
        handle = _handle(value)
        if handle is not None and id(handle) not in seen:
            seen.add(id(handle))
            yield handle


def _handle(value: Any) -> Handle | None:
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    if isinstance(value, property):
        value = value.fget
    handle = getattr(value, "__dict__", {}).get("resilient")
    return handle if isinstance(handle, Handle) else None
