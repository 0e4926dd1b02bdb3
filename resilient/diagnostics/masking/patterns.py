"""Patterns that are compiled when they are first used.

Compiling all of them takes as long as the rest of `import resilient`, and a program that writes no
line needs none. Their modules are loaded at once all the same: a process may give up the right to
read files before it writes its first line.
"""

from __future__ import annotations

import re
from typing import Any, cast

_USED = ("search", "match", "fullmatch", "sub", "subn", "finditer", "findall", "split")


class _Lazy:
    """A pattern in waiting. Once it is compiled, its methods are found without a detour."""

    def __init__(self, text: str, flags: int) -> None:
        self._source = text, flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # a copy whose __init__ has not run, or Python's own protocols
            raise AttributeError(name)
        compiled = re.compile(*self._source)
        self.__dict__.update({used: getattr(compiled, used) for used in _USED})
        return getattr(compiled, name)


def lazy(text: str, flags: int = 0) -> re.Pattern[str]:
    """What `re.compile` returns, or looks like it. A text that is no pattern raises when used."""
    return cast("re.Pattern[str]", _Lazy(text, flags))
