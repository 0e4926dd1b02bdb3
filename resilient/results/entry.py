"""One kept result, and until when it may be used for what."""

from __future__ import annotations

import copy as copying
from typing import Any, Final

from resilient.call import Carried
from resilient.timing import chance

Entry = tuple[Any, float, float, float, bool, float, float, "Carried | None", tuple[str, ...]]
"""A kept result. All times are monotonic seconds.

    RESULT        what the function returned
    SOFT_UNTIL    until then it answers, and nothing else happens: its freshness, or a little less,
                  so that a refresh begins before it ends
    STALE_UNTIL   until then it may stand in for a failure
    COST          seconds that getting it took
    IS_PLAIN      nobody can change it: it is handed out without a copy
    BEHIND_UNTIL  until then it answers while a new one is fetched in the background
    FRESH_UNTIL   the end of its freshness
    CARRIES       what the requests behind it authenticated with (see Call); None: with nothing
    TAGS          by which it can be forgotten

A tuple, because making an object of a class of ours for each miss costs as much as the rest of the
miss. What every hit looks at stands in front, and is read by number there.
"""

RESULT: Final = 0
SOFT_UNTIL: Final = 1
STALE_UNTIL: Final = 2
COST: Final = 3
IS_PLAIN: Final = 4
BEHIND_UNTIL: Final = 5
FRESH_UNTIL: Final = 6
CARRIES: Final = 7
TAGS: Final = 8

ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})
"""Types whose values nobody can change: they are handed out without a copy."""


def copied(value: Any) -> Any:
    """A deep copy, None if there can't be one."""
    try:
        return copying.deepcopy(value)
    except Exception:
        return None


def copied_error(error: Exception, depth: int = 8) -> Exception | None:
    """A copy of an error and of its causes, None if there can't be one of the same type.

    Its constructor is not run, as pickle and copy would with the finished text for an argument:
    vendors' errors want other arguments, make a text of a text, or come back as their base class.
    """
    kind = type(error)
    builtin = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    is_bare = builtin.__basicsize__ == Exception.__basicsize__
    # Of the others C keeps something that only copying finds.
    is_rebuilt = is_bare or issubclass(builtin, OSError)
    twin = (_rebuilt(error) if is_rebuilt else None) or copied(error)
    if type(twin) is not kind:
        return None
    cause = error.__cause__
    if isinstance(cause, Exception) and depth:
        twin.__cause__ = copied_error(cause, depth - 1)
    twin.__suppress_context__ = True
    return twin


_OS_ERRORS_OWN = ("errno", "strerror", "filename", "filename2")


def _rebuilt(error: Exception) -> Exception | None:
    try:
        twin = type(error).__new__(type(error), *error.args)
        twin.args = copying.deepcopy(error.args)
        for name in _OS_ERRORS_OWN if isinstance(error, OSError) else ():
            if getattr(error, name) is not None:
                setattr(twin, name, getattr(error, name))
        vars(twin).update(copying.deepcopy(vars(error)))
    except Exception:
        return None
    return twin


def result_of(entry: Entry) -> Any:
    """The result, for a caller to do with what he likes."""
    return entry[RESULT] if entry[IS_PLAIN] else copying.deepcopy(entry[RESULT])


def is_fresh(entry: Entry | None, now: float) -> bool:
    """Does it answer just so?"""
    return entry is not None and entry[SOFT_UNTIL] > now


def soft_end(now: float, fresh_until: float, early: float) -> float:
    """When a refresh may begin, drawn from the last `early` (a share) of the freshness.

    Entries that were made together, or that many processes share, are so not fetched again by all
    at once. Drawing beforehand is the idea of Vattani, Chierichetti, Lowenstein: "Optimal
    Probabilistic Cache Stampede Prevention", VLDB 2015.
    """
    if not early or fresh_until <= now:
        return fresh_until
    return fresh_until - chance.uniform(0.0, early) * (fresh_until - now)
