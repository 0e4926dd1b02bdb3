"""Where in an answer's fields the quotas stand: found by the names, kept for the next answer.

A vendor's answers have the same names in the same order, so most answers find their plan made.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

from resilient.http.dialects.names import Part, part_of

_MOST_FIELDS = 64
"""Fields about limits that are read of one answer."""
_MOST_NAMES = 256
_MOST_PLANS = 256


class Bucket(NamedTuple):
    """One quota: which slots tell of it, -1 if none does.

    resets, lasting: slot, and the seconds that a bare number counts; the best first.
    limit_is_field: the slot may hold a whole quota instead (`Plan.fields`).
    """

    name: str
    family: str
    counts_requests: bool
    period: float | None
    limit: int = -1
    remaining: int = -1
    used: int = -1
    resets: tuple[tuple[int, float], ...] = ()
    lasting: tuple[tuple[int, float], ...] = ()
    limit_is_field: bool = False

    @property
    def is_alone(self) -> bool:
        """Does nothing but its limit tell of it?"""
        return self.remaining < 0 and self.used < 0 and not self.resets and not self.lasting


class Plan(NamedTuple):
    """What to read of answers with these names. A slot is a field, sent once or several times.

    places: positions among the names of what is read. several: the places of each slot, if any
    field came more than once; otherwise a slot is a place.
    retries: slot, and the seconds that a bare number counts. fields: slot, and the bucket's name.
    """

    places: tuple[int, ...]
    several: tuple[tuple[int, ...], ...]
    buckets: tuple[Bucket, ...]
    fields: tuple[tuple[int, str], ...]
    policies: tuple[int, ...]
    usages: tuple[tuple[int, str], ...]
    retries: tuple[tuple[int, float], ...]
    scopes: tuple[int, ...]
    reaches: tuple[int, ...]
    codes: tuple[int, ...]
    signs: tuple[int, ...]
    date: int
    age: int

    @property
    def is_empty(self) -> bool:
        """Is there nothing that an answer which worked could tell?"""
        return not (self.buckets or self.fields or self.policies or self.usages or self.retries)


_plans: dict[tuple[str | bytes, ...], tuple[Plan, bool]] = {}
"""Plans and whether they are empty, the oldest first; read freely, changed under `_lock`."""
_lock = threading.Lock()


def plan_of(names: tuple[str | bytes, ...]) -> tuple[Plan, bool]:
    """The plan for these names, in any case, and whether it is empty."""
    known = _plans.get(names)
    if known is None:
        plan = _made([_text(name) for name in names])
        known = plan, plan.is_empty
        if len(names) <= _MOST_NAMES and sum(map(len, names)) <= 16 * _MOST_NAMES:
            with _lock:
                while len(_plans) >= _MOST_PLANS:
                    del _plans[next(iter(_plans))]
                _plans[names] = known
    return known


def _text(name: object) -> str:
    if isinstance(name, bytes):
        return name[:200].decode("latin-1")
    return name if isinstance(name, str) else ""


def _made(names: list[str]) -> Plan:
    slots: dict[str, list[int]] = {}
    parts: list[Part] = []
    for at, name in enumerate(names):
        part = part_of(name) if len(name) <= 100 else None
        if part is None:
            continue
        lowered = name.lower()
        if lowered in slots:
            slots[lowered].append(at)
        elif len(slots) < _MOST_FIELDS:
            slots[lowered] = [at]
            parts.append(part)
    believed = _believed(parts)
    places = [at for where in slots.values() for at in where]
    order = {at: place for place, at in enumerate(places)}
    several = tuple(tuple(order[at] for at in where) for where in slots.values())
    of_kind: dict[str, list[int]] = {}
    for slot, part in enumerate(parts):
        if part in believed:
            of_kind.setdefault(part.kind, []).append(slot)

    def scaled(kind: str) -> tuple[tuple[int, float], ...]:
        # The finer unit first: retry-after-ms before retry-after.
        ranked = sorted(of_kind.get(kind, ()), key=lambda slot: (parts[slot].scale, slot))
        return tuple((slot, parts[slot].scale) for slot in ranked)

    def named(kind: str) -> tuple[tuple[int, str], ...]:
        return tuple((slot, parts[slot].name) for slot in of_kind.get(kind, ()))

    return Plan(
        places=tuple(places),
        several=several if len(places) > len(slots) else (),
        buckets=_buckets(parts, believed),
        fields=named("field"),
        policies=tuple(of_kind.get("policy", ())),
        usages=named("usage"),
        retries=scaled("retry"),
        scopes=tuple(of_kind.get("scope", ())),
        reaches=tuple(of_kind.get("reach", ())),
        codes=tuple(of_kind.get("code", ())),
        signs=tuple(of_kind.get("sign", ())),
        date=of_kind.get("date", [-1])[0],
        age=of_kind.get("age", [-1])[0],
    )


def _believed(parts: list[Part]) -> set[Part]:
    """Without those whose name is not clear and that have no fitting sibling."""
    kinds: dict[tuple[str, ...], set[str]] = {}
    clear: set[tuple[str, ...]] = set()
    for part in parts:
        if not part.family:
            kinds.setdefault(part.group, set()).add(part.kind)
            if part.sure:
                clear.add(part.group)
    return {
        part
        for part in parts
        if part.sure
        or part.group in clear
        or ("remaining" in kinds[part.group] and len(kinds[part.group]) > 1)
    }


def _buckets(parts: list[Part], believed: set[Part]) -> tuple[Bucket, ...]:
    found: dict[tuple[str, tuple[str, ...]], Bucket] = {}
    resets: dict[tuple[str, tuple[str, ...]], list[tuple[bool, int, float]]] = {}
    for slot, part in enumerate(parts):
        if part not in believed:
            continue
        key = part.family, part.group
        bucket = found.get(key) or Bucket(part.name, part.family, part.counts_requests, part.period)
        if part.kind in ("limit", "remaining", "used"):
            if part.kind == "limit" and bucket.limit_is_field:
                bucket = bucket._replace(limit=slot, limit_is_field=False)
            elif part.kind == "limit" and bucket.limit < 0:
                bucket = bucket._replace(limit=slot)
            elif part.kind == "remaining" and bucket.remaining < 0:
                bucket = bucket._replace(remaining=slot)
            elif part.kind == "used" and bucket.used < 0:
                bucket = bucket._replace(used=slot)
        elif part.kind == "reset":
            resets.setdefault(key, []).append((not part.relative, slot, part.scale))
            told = sorted(resets[key])
            bucket = bucket._replace(resets=tuple((slot, scale) for _, slot, scale in told))
        elif part.kind == "period":
            bucket = bucket._replace(lasting=(*bucket.lasting, (slot, part.scale)))
        elif part.kind == "field" and bucket.limit < 0 and _may_be_limit(part):
            bucket = bucket._replace(limit=slot, limit_is_field=True)
        else:
            continue
        found[key] = bucket
    return tuple(found.values())


def _may_be_limit(part: Part) -> bool:
    """ "X-Rate-Limit: 700" and "X-RateLimit-Daily: 1000", and not "X-RateLimit-Delay: 5"."""
    return not part.group or (len(part.group) == 1 and part.period is not None)
