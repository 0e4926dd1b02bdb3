"""How a dump is written: many functions a record, masked, as a text and as JSON.

Functions are many, and a dump is made while calls go on: so each figure is touched as few times as
can be, and JSON is only made for sinks that want it, once for all of them. Reading is in `dumps`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from resilient.diagnostics.dumps import COUNTED, MOST_FUNCTIONS, SPREAD, Stats
from resilient.diagnostics.masking import Clean, known_now, mask
from resilient.diagnostics.states import BREAKER_STATES
from resilient.diagnostics.tables import label, sentence

_MOST_SIGNS = 14_500
"""Signs of a record's functions, about. A line stays below 16 KiB, where collectors cut it."""

_OF_EACH, _OF_BUCKET, _OF_NAME = 750, 9, 40
"""Signs that a function takes at the least, and for each bucket and each name that it counts."""

_NAMED = tuple(name for name in COUNTED if name not in ("outcomes", "costs"))
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def records_of(process: Mapping[str, Any], functions: Iterable[Stats]) -> Iterator[Clean]:
    """The records of a dump, masked, each with its text.

    process: what they all hold, masked. functions: the registry's, with the kinds of their policies
    under stack, and the states of these under policies, if they are known. They are changed.
    """
    for pack in _packed(functions):
        known = known_now()
        for data in pack:
            _mask(data, known)
        record = Dump(process, functions=pack)
        record.text = _text(pack)
        yield record


class Dump(Clean):
    """The figures of some functions."""

    __slots__ = ()

    def encoded(self) -> str:
        # One pass of the encoder, which costs more to start than to use; then the buckets, which
        # are most of it, are put in where only they can be missing: no count is null.
        spreads: list[str] = []
        functions = [_sparse(data, spreads) for data in self["functions"]]
        parts = _encode({**self, "functions": functions}).split(_MISSING)
        if len(parts) != len(spreads) + 1:
            return super().encoded()
        told = [part + spread for part, spread in zip(parts, spreads, strict=False)]
        return "".join((*told, parts[-1]))


_BUCKETS = '"buckets":'
_MISSING = _BUCKETS + "null"


def _sparse(data: Stats, spreads: list[str]) -> Stats:
    """The figures that are not zero or empty, without buckets: their JSON is added to `spreads`."""
    shown = {name: value for name, value in data.items() if value}
    for name in SPREAD:
        spread = data[name]
        if spread["count"]:
            shown[name] = {**spread, "buckets": None}
            buckets = spread["buckets"]
            spreads.append(_template(tuple(buckets)) % tuple(buckets.values()))
        else:
            del shown[name]
    policies = data.get("policies")
    if policies and "throttle" in policies:
        known = {name: value for name, value in policies["throttle"].items() if value is not None}
        shown["policies"] = {**policies, "throttle": known}
    return shown


@lru_cache(maxsize=4_096)
def _template(indexes: tuple[int, ...]) -> str:
    """Functions' buckets seldom change, only the counts in them."""
    return _BUCKETS + "{" + ",".join([f'"{index}":%d' for index in indexes]) + "}"


def _packed(functions: Iterable[Stats]) -> Iterator[list[Stats]]:
    pack: list[Stats] = []
    signs = 0
    for data in functions:
        more = _OF_EACH + _OF_BUCKET * (
            len(data["latency"]["buckets"]) + len(data["upstream"]["buckets"])
        )
        for name in _NAMED:
            if data[name]:
                more += _OF_NAME * len(data[name])
        if pack and (signs + more > _MOST_SIGNS or len(pack) == MOST_FUNCTIONS):
            yield pack
            pack, signs = [], 0
        pack.append(data)
        signs += more
    if pack:
        yield pack


def _mask(data: Stats, known: Any) -> None:
    # Of it all, only names can hold a secret, and the state that a storage of a user's tells.
    policies = data.get("policies")
    if policies and policies.get("breaker", "closed") not in BREAKER_STATES:
        policies["breaker"] = mask(str(policies["breaker"]))
    data["service"] = known.masked(data["service"], True)
    data["function"] = known.masked(data["function"], True)
    for name in _NAMED:
        if data[name]:
            data[name] = known.names(data[name])


def _text(functions: list[Stats]) -> str:
    """What people read: a sentence a function, each on a line of its own."""
    told = [f"{label(data)}: {sentence(data)}" for data in functions]
    return told[0] if len(told) == 1 else "\n  ".join((f"{len(told)} functions", *told))
