"""What is written, and how it looks: with rich where there is one and a terminal to see it."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import util
from typing import IO, Any, TypeVar

from resilient.cli.exits import UsageError

T = TypeVar("T")

PATIENCE = 1.0
"""Seconds after which a progress bar is shown."""


def has_rich() -> bool:
    """Is the extra `cli` installed?"""
    return util.find_spec("rich") is not None


def need_rich(command: str) -> None:
    """Raises: UsageError that says how to install rich, if it is not there."""
    if not has_rich():
        raise UsageError(
            f"{command} needs rich. Install it: python -m pip install 'resilient-decorators[cli]'"
        )


def seconds(text: str) -> float:
    """Of an option that says how often to look. Raises: ArgumentTypeError."""
    with contextlib.suppress(ValueError):
        if 0.1 <= float(text) <= 3600:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r}: use 0.1 to 3600 seconds")


def is_pretty(stream: IO[str]) -> bool:
    """May this be written to with colors and the like?"""
    return stream.isatty() and has_rich()


def write(text: str, path: str | None) -> None:
    """To a file, or to the standard output. Raises: UsageError."""
    if path is None or path == "-":
        print(text)
        return
    try:
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{text}\n")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or type(error).__name__}") from error


def progress(items: Sequence[T], title: str) -> Iterator[T]:
    """The items; once it takes long, and somebody is looking, with a bar on the standard error."""
    if not is_pretty(sys.stderr):
        yield from items
        return
    began = time.monotonic()
    bar: Any = None
    try:
        for done, item in enumerate(items):
            if bar is None and time.monotonic() - began > PATIENCE:
                bar = _bar()
                task = bar.add_task(title, total=len(items))
                bar.start()
            if bar is not None:
                bar.update(task, completed=done)
            yield item
    finally:
        if bar is not None:
            bar.stop()


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
