"""Header fields that an `auth=` of requests has set: they hold credentials whatever their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resilient.call import Call

_OF_ANYBODY = frozenset({"accept", "content-length", "content-type", "date", "host", "user-agent"})


def note_signed(call: Call, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Tell a call which headers an `auth=` has set: those that are not as they were before."""
    known = {name.lower(): value for name, value in before.items()}
    for name, value in after.items():
        name = name.lower()
        if name not in _OF_ANYBODY and known.get(name) != value:
            call.signed |= {name}


def signed_in(call: Call) -> frozenset[str]:
    """The names of headers that an `auth=` has set in this call or one around it."""
    names: frozenset[str] = frozenset()
    at: Call | None = call
    while at is not None:
        names |= at.signed
        at = at.parent
    return names
