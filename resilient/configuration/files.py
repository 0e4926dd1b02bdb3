"""A configuration file, read whole or refused whole."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from resilient.configuration.lines import line_of, lines_of
from resilient.configuration.settings import Given, Path, flat
from resilient.errors import ConfigurationError

DEFAULT = "resilient.toml"
VARIABLE = "RESILIENT_CONFIG"

MOST_BYTES = 1 << 20

Signature = tuple[int, int, int, int]
"""Of one content: when it was written, its size, and which file it is, links followed."""

_POSITION = re.compile(r" ?\(at line (\d+), column \d+\)| ?\(at end of document\)")


class Unreadable(ConfigurationError):
    """There is something, but nobody knows what it says: that may change without a trace."""


def signature(path: str) -> Signature | None:
    """What tells whether the file is another one by now; None if it can't be seen."""
    try:
        return _signature(os.stat(path))
    except (OSError, ValueError):
        return None


def read(path: str) -> tuple[dict[Path, Given], Signature]:
    """What the file says, and of which content. Raises: ConfigurationError, with the line."""
    name = os.path.basename(path) or path
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no file's name"
        raise Unreadable(f"{name}: it can't be read ({why}).") from None
    if len(data) > MOST_BYTES:
        raise ConfigurationError(f"{name}: it is larger than {MOST_BYTES >> 20} MiB.")
    return parse(data, name), _signature(found)


def parse(data: bytes, name: str) -> dict[Path, Given]:
    """What a document says. name: of the file, in messages. Raises: ConfigurationError."""
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{name}:{line}: it is no UTF-8 text.") from None
    toml = _toml()
    try:
        tree = toml.loads(text)
    except toml.TOMLDecodeError as error:
        position = _POSITION.search(str(error))
        line = int(position.group(1) or 0) if position else 0
        line = line or text.count("\n") + 1
        why = _POSITION.sub("", str(error))
        raise ConfigurationError(f"{name}:{line}: it is no TOML: {why}.") from None
    except RecursionError:
        raise ConfigurationError(f"{name}: it is no configuration: too deeply nested.") from None
    lines = lines_of(text)
    return flat(tree, lambda path: f"{name}:{line_of(path, lines)}")


def _toml() -> Any:
    if sys.version_info >= (3, 11):
        import tomllib

        return tomllib
    import tomli  # type: ignore[import-not-found]  # where tomllib is not there yet

    return tomli


def _signature(found: os.stat_result) -> Signature:
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
