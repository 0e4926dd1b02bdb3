"""What the environment says.

    RESILIENT_STORE=redis://host            RESILIENT_GITHUB__ENABLED=0
    RESILIENT_MODE=observe                  RESILIENT_GITHUB__THROTTLED__RATES='["100/hour"]'
    RESILIENT_ENABLED=0                     RESILIENT_GITHUB__REPOS__RETRY__ATTEMPTS=1

A service and a function of it are named in capitals, with "_" for what is neither letter nor digit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from resilient.configuration.settings import NONE, TOP, Given, Path, checked_top, near
from resilient.errors import ConfigurationError

PREFIX = "RESILIENT_"
NAMED = "named"

_YES = ("1", "true", "yes", "on")
_NO = ("0", "false", "no", "off")


def concerns(name: str) -> bool:
    """Is this variable for us to read?"""
    rest = name.removeprefix(PREFIX)
    return rest != name and (rest.lower() in TOP or "__" in rest)


def read_environment(variables: Mapping[str, str], kinds: Collection[str]) -> dict[Path, Given]:
    """What the variables say; one that is empty says nothing.

    kinds: of policies. Raises: ConfigurationError that names the variable.
    """
    found: dict[Path, Given] = {}
    for name, text in sorted(variables.items()):
        if concerns(name) and text:
            path = _path(name, kinds)
            found[path] = Given(_value(path, text, name), name)
    return found


def capitals(name: str) -> str:
    """How a variable spells the name of a service or a function."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def _path(name: str, kinds: Collection[str]) -> Path:
    rest = name.removeprefix(PREFIX)
    if rest.lower() in TOP:
        return (rest.lower(),)
    *subject, kind, option = ("", *rest.split("__"))
    if kind.lower() in kinds and any(subject):
        return (NAMED, "__".join(subject[1:]), kind.lower(), option.lower())
    if option.lower() in ("mode", "enabled"):
        return (NAMED, "__".join((*subject[1:], kind) if subject else ()), option.lower())
    raise ConfigurationError(
        f"{name}: {kind.lower() or option.lower()} is no policy: {near(kind, kinds)} Write "
        f"{PREFIX}SERVICE__POLICY__OPTION or {PREFIX}SERVICE__FUNCTION__POLICY__OPTION."
    )


def _value(path: Path, text: str, name: str) -> Any:
    last = path[-1]
    if path[0] != NAMED or len(path) == 3:
        return checked_top(last, _top_value(last, text.strip()), name)
    if text.strip().lower() == NONE:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _top_value(key: str, text: str) -> Any:
    word = text.lower()
    if key in ("enabled", "publish"):
        return True if word in _YES else False if word in _NO else text
    if key == "mode":
        return word
    if key == "store_timeout":
        try:
            return float(text)
        except ValueError:
            return text
    return text
