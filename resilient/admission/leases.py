"""The slots that a store of shared state has given this worker, and what became of them."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable

from resilient.sharing.shapes import Ages

_MOST = 1000
"""Moments that are told apart."""

_MARGIN = 0.75
"""Share of a holder's life in which it uses what it holds: requests take a while to arrive."""

_numbers = itertools.count(1)


class Moments:
    """How many requests were over when: bounded, each counting as over when it was or a bit later.

    Guarded by the lock of a quota.
    """

    __slots__ = ("_grain", "_groups", "_longest")

    def __init__(self, grain: float, longest: float = math.inf) -> None:
        """grain: seconds within which they are one. longest: seconds after which none matters."""
        self._grain = grain
        self._longest = longest
        self._groups: list[tuple[int, float, float]] = []  # count, from, to

    def __bool__(self) -> bool:
        return bool(self._groups)

    @property
    def total(self) -> int:
        """How many they are."""
        return sum(count for count, _, _ in self._groups)

    def add(self, moment: float, count: int = 1) -> None:
        """Note `count` requests that were over at `moment` (monotonic seconds)."""
        groups = self._groups
        if groups and moment - groups[-1][1] <= self._grain:
            before, since, newest = groups[-1]
            groups[-1] = (before + count, since, max(newest, moment))
            return
        groups.append((count, moment, moment))
        if len(groups) > _MOST:
            oldest = moment - self._longest
            self._groups = groups = [group for group in groups if group[2] > oldest]
        if len(groups) > _MOST:
            self._grain = 2 * self._grain or 0.001
            self._groups = []
            for number, since, newest in groups:
                if self._groups and newest - self._groups[-1][1] <= self._grain:
                    number, since = number + self._groups[-1][0], self._groups.pop()[1]
                self._groups.append((number, since, newest))

    def take(self, now: float) -> Ages:
        """All of them, which are forgotten by that."""
        groups, self._groups = self._groups, []
        # Rounding must not make one older than it is.
        return [
            (count, max(0.0, now - newest))
            for count, _, newest in groups
            if now - newest < self._longest
        ]

    def put_back(self, ages: Ages, now: float) -> None:
        """Note again what was taken at `now`."""
        newer = self._groups
        self._groups = [(count, now - age, now - age) for count, age in ages]
        self._groups += newer


class Leases:
    """What one holder, as the store knows it, has got. Guarded by the lock of a quota.

    slots: moments from which each may be used (monotonic seconds), ascending. running: slots whose
    requests are under way. unused: slots to give back. is_open: does the store still hear of it?
    It does not after a question without an answer: nobody knows what came of that, so the name is
    given up, and the store takes all that it held as done when its life ends. lapses_at: when that
    is at the earliest.
    """

    __slots__ = (
        "_usable_until",
        "done",
        "is_open",
        "lapses_at",
        "name",
        "running",
        "slots",
        "unused",
    )

    def __init__(self, worker: str, grain: float) -> None:
        self.name = f"{worker}.{next(_numbers)}"
        self.slots: list[float] = []
        self.running = 0
        self.unused = 0
        self.done = Moments(grain)
        self.is_open = True
        self.lapses_at = math.inf
        self._usable_until = math.inf

    @property
    def holds(self) -> bool:
        """Is there anything that the store has to hear of?"""
        return bool(self.slots or self.running or self.unused or self.done)

    def lacks(self, cost: int, now: float) -> float | None:
        """Seconds until `cost` slots may be used; None if there are too few."""
        if self.slots and now >= self._usable_until:
            self.unused += len(self.slots)
            self.slots.clear()
        if len(self.slots) < cost:
            return None
        return max(0.0, self.slots[cost - 1] - now)

    def use(self, cost: int) -> None:
        """Use slots that are not lacking."""
        del self.slots[:cost]
        self.running += cost

    def give_up_surplus(self, most: int) -> None:
        """Give back slots beyond `most`, the latest ones."""
        self.unused += max(0, len(self.slots) - most)
        del self.slots[most:]

    def add(self, starts: Iterable[float]) -> None:
        """Hold more slots."""
        for start in starts:
            bisect.insort(self.slots, start)

    def renew(self, asked: float, lives: float, answered: float) -> None:
        """The store has heard of it between `asked` and `answered` (monotonic seconds)."""
        if answered >= self.lapses_at:
            # Before it heard, it may have taken for done what was held, and given it to others.
            self.unused += len(self.slots)
            self.slots.clear()
        self.lapses_at = asked + lives
        self._usable_until = asked + _MARGIN * lives

    def close(self) -> None:
        """The store hears of it no more."""
        self.is_open = False
        self.slots.clear()
