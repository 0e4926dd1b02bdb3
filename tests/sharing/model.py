"""A quota as its vendor sees it, and workers that share it: what a property test lets loose.

All times are multiples of a 64th of a second, so that sums of them are exact in every store.
"""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math

from resilient.sharing.protocol import StateStore
from resilient.sharing.shapes import Ask, Grant
from resilient.timing import clock

TICK = 1 / 64

_names = itertools.count()


class Vendor:
    """Knows of every request when it came, and counts any window."""

    def __init__(self, rates: tuple[tuple[int, float], ...]) -> None:
        self.rates = rates
        self.came: list[float] = []

    def sees(self, moment: float) -> None:
        bisect.insort(self.came, moment)

    def check(self) -> None:
        for calls, period in self.rates:
            for first, last in zip(self.came, self.came[calls:], strict=False):
                assert last - first >= period, f"{calls + 1} requests in {last - first} s"


@dataclasses.dataclass
class Request:
    """One that is under way, in the name that its worker had when it left. left, latest: when it
    left, and until when it may arrive, by the worker's clock; latest is None while that lives on.
    """

    left: float
    name: str
    latest: float | None = None


@dataclasses.dataclass
class Letter:
    """A question on its way to the store, or the answer to it."""

    ask: Ask
    sent: float
    grant: Grant | None = None


class Worker:
    """One process: its clock is off, its letters take as long as they like, and it may fall silent.

    It keeps to the rules: what it tells of the past was measured before it was sent, a slot's start
    counts from when the answer came, its own life from when it asked, and it uses nothing after
    that.
    """

    def __init__(self, vendor: Vendor, lives: float, skew: float) -> None:
        self._vendor = vendor
        self._lives = lives
        self._skew = skew
        self.name = f"worker{next(_names)}"
        self.slots: list[float] = []
        self.running: list[Request] = []
        self.done: list[float] = []
        self.spent: list[float] = []
        self.unused = 0
        self.lapses = -math.inf
        self.letter: Letter | None = None

    @property
    def now(self) -> float:
        return clock.monotonic() + self._skew

    def write(self, want: int, within: float, whole: bool) -> None:
        """Send a question, if none is on its way."""
        if self.letter is not None:
            return
        now = self.now
        self._drop_lapsed(now)
        done = [(1, now - moment) for moment in self.done]
        spent = [(1, now - moment) for moment in self.spent]
        ask = Ask(
            "q",
            self.name,
            self._vendor.rates,
            self._lives,
            want,
            whole,
            within=within,
            unused=self.unused,
            done=done,
            spent=spent,
        )
        self.letter = Letter(ask, now)
        self.done, self.spent, self.unused = [], [], 0

    def reach(self, store: StateStore) -> None:
        """The store gets the question."""
        if self.letter is not None and self.letter.grant is None:
            self.letter.grant = store.trade(self.letter.ask)
            check_grant(self.letter.ask, self.letter.grant)

    def read(self) -> None:
        """The answer arrives."""
        if self.letter is None or self.letter.grant is None:
            return
        # If it took so long, the store may have taken for lost what this worker had before.
        self._drop_lapsed(self.now)
        self.lapses = self.letter.sent + self._lives
        self.slots += [self.now + start for start in self.letter.grant.starts]
        self.letter = None

    def lose_letter(self) -> None:
        """No answer arrives: nobody knows what came of it, so the worker takes another name."""
        if self.letter is None:
            return
        ask, sent = self.letter.ask, self.letter.sent
        self.letter = None
        self.name = f"worker{next(_names)}"
        # What was told may not have been heard.
        self.spent += [sent - age for _, age in (*ask.done, *ask.spent)] + self.done
        # What is under way belongs to the old name.
        self._lapse()
        self.slots, self.done, self.unused = [], [], 0

    def send_request(self) -> None:
        """Use a slot, if there is one for now."""
        now = self.now
        self._drop_lapsed(now)
        ready = [start for start in self.slots if start <= now]
        if ready:
            self.slots.remove(ready[0])
            self.running.append(Request(now, self.name))

    def finish_request(self, was_slow: bool) -> None:
        """was_slow: to arrive, as far as that may be; else to answer."""
        if not self.running:
            return
        now = self.now
        self._drop_lapsed(now)
        request = self.running.pop(0)
        arrived = self._latest(request, now) if was_slow else request.left
        self._vendor.sees(arrived - self._skew)
        # To a new name, the store has given nothing for it.
        (self.done if request.name == self.name else self.spent).append(now)

    def give_back(self) -> None:
        self.unused += len(self.slots)
        self.slots = []

    def die(self) -> None:
        """Its requests may still be on their way, as long as it would have lived."""
        for request in self.running:
            self._vendor.sees(self._latest(request, self.lapses) - self._skew)
        self.running, self.slots = [], []

    def _drop_lapsed(self, now: float) -> None:
        if now >= self.lapses:
            self.give_back()
            self._lapse()

    def _lapse(self) -> None:
        for request in self.running:
            if request.latest is None:
                request.latest = self.lapses
        self.lapses = -math.inf

    def _latest(self, request: Request, until: float) -> float:
        """When it arrives at the latest, if that is before `until`."""
        latest = until if request.latest is None else min(until, request.latest)
        return max(request.left, latest)


def check_grant(ask: Ask, grant: Grant) -> None:
    starts = list(grant.starts)
    assert starts == sorted(starts)
    assert len(starts) in ((0, ask.want) if ask.whole else range(ask.want + 1))
    assert all(0 <= start <= ask.within + 1e-5 for start in starts)
    assert grant.wait >= 0
    if len(starts) == ask.want:
        assert grant.wait == 0
    assert grant.workers >= 1
