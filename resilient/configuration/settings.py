"""What a source of configuration says: a flat table of values, each with the place it stands at."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from resilient import options
from resilient.errors import ConfigurationError

Path = tuple[str, ...]
"""Where a value stands: ("store",), ("services", "github", "enabled"), or ("functions",
"github.repos", "retry", "attempts"); "named" in front of what only a variable's capitals name."""


class Given(NamedTuple):
    """A value. where: who says so, for people, such as "resilient.toml:5"."""

    value: Any
    where: str


Settings = Mapping[Path, Given]
Where = Callable[[Path], str]

SCOPES = ("services", "functions")
TOP = ("store", "store_timeout", "publish", "mode", "enabled")
NONE = "none"
"""Stands for None, which neither TOML nor an environment can write."""

_FLAGS = ("mode", "enabled")


def flat(tree: Mapping[str, Any], where: Where) -> dict[Path, Given]:
    """The table of a tree, as TOML or JSON gives one.

    Raises: ConfigurationError if something stands where nothing can.
    """
    found: dict[Path, Given] = {}
    for key, value in tree.items():
        if key in TOP:
            found[(key,)] = Given(checked_top(key, value, where((key,))), where((key,)))
        elif key in SCOPES:
            for name, members in _table(value, (key,), where).items():
                found.update(_scope((key, name), members, where))
        else:
            raise ConfigurationError(
                f"{where((key,))}: {key}: there is no such setting; {near(key, (*TOP, *SCOPES))}"
            )
    return found


def _scope(path: Path, members: object, where: Where) -> dict[Path, Given]:
    """What is said of one service or function."""
    found: dict[Path, Given] = {}
    for key, value in _table(members, path, where).items():
        here = (*path, key)
        if key in _FLAGS:
            found[here] = Given(checked_top(key, value, where(here)), where(here))
        elif isinstance(value, Mapping):
            for option, chosen in value.items():
                place = (*here, str(option))
                found[place] = Given(None if chosen == NONE else chosen, where(place))
        else:
            raise ConfigurationError(
                f"{where(here)}: {dotted(here)}: it is neither {' nor '.join(_FLAGS)}, nor a table "
                f"of a policy's options such as [{dotted((*path, 'retry'))}]."
            )
    return found


def _table(value: object, path: Path, where: Where) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ConfigurationError(f"{where(path)}: {dotted(path)}: use a table, with names as keys.")
    return value


def checked_top(key: str, value: Any, where: str) -> Any:
    """A value that is no policy's option, checked; the text never shows a store's URL."""
    try:
        if key == "mode":
            return options.choice(value, "mode", ("enforce", "observe"))
        if key in ("enabled", "publish"):
            return options.flag(value, key)
        if key == "store_timeout":
            return options.seconds(value, "store_timeout")
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None
    return None if isinstance(value, str) and value in (NONE, "local") else value


def dotted(path: Path) -> str:
    """A path as TOML spells it: functions."github.repos".retry."""
    return ".".join(part if part.replace("_", "").isalnum() else f'"{part}"' for part in path)


def near(name: str, allowed: Iterable[str]) -> str:
    """What may have been meant, as the end of a message."""
    words = list(allowed)
    found = difflib.get_close_matches(name.lower(), words, n=1)
    return f"did you mean {found[0]}?" if found else f"use one of {', '.join(words)}."
