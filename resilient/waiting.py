"""Waiting for room: first come, first served, without busy waiting."""

from __future__ import annotations

import bisect
import contextlib
import math
import threading
from collections.abc import Callable, Hashable

from resilient.timing import clock

Attempt = Callable[[float], float]
"""Tries to take what is waited for, given monotonic seconds: 0.0 if it has it now, else the seconds
after which trying again may help; math.inf means "when somebody gives something back"."""


ROUNDING = 1e-6
"""Seconds that times may be off by, after all their sums and differences."""

NOTEWORTHY = 0.001
"""Seconds; nobody wants to read of a shorter wait."""


class Line:
    """Threads waiting for room, in the order of their coming.

    Only the first in line tries; whoever leaves wakes the next. Giving something back wakes the
    first. No thread polls, and a pause that ends lets the waiting go one after the other.

    Those who wait for different things stand in groups, each with a first of its own. What somebody
    waits for may turn out to be something else meanwhile: a first who can't go yet moves to the
    group that is now its own, among those who stand there in the order of their coming.

    `_lock` guards `_came` and changes of `waiting` and `_groups`; the truth of `waiting` may be
    read without.
    """

    __slots__ = ("_came", "_groups", "_lock", "most", "waiting")

    def __init__(self, most: int) -> None:
        self.most = most
        self.waiting: list[_Turn] = []
        self._groups: dict[Hashable, list[_Turn]] = {}
        self._came = 0
        self._lock = threading.Lock()

    def wait(
        self,
        attempt: Attempt,
        longest: float,
        *,
        group: Callable[[], Hashable] = lambda: None,
        urgent: bool = False,
    ) -> bool:
        """Stand in line until `attempt` succeeds; False if `longest` seconds were not enough.

        False too, at once, if `most` threads are waiting already. Whatever ends the wait, Ctrl-C
        included, the place in line is given up. group: what tells, at each look, what is waited
        for. urgent: stand before all who are not.
        """
        turn = _Turn(group(), urgent=urgent)
        end = clock.monotonic() + longest
        # Joining is inside, too: a place that nobody stands in would block the line for good.
        try:
            with self._lock:
                if len(self.waiting) >= self.most:
                    return False
                self._join_locked(turn)
            while True:
                turn.clear()
                now = clock.monotonic()
                pause = math.inf
                if self._groups[turn.group][0] is turn:
                    pause = attempt(now)
                    if pause <= 0:
                        return True
                    self._move(turn, group())
                left = end - now
                if pause == math.inf:
                    if left <= 0:
                        return False
                    pause = left
                elif pause > left + ROUNDING:
                    return False  # what can't fit is refused now and not at the end
                clock.wait(turn, min(pause, threading.TIMEOUT_MAX))
        finally:
            with self._lock:
                self._leave_locked(turn)
            self.wake()

    def wake(self) -> None:
        """Let the first of each group look again: something was given back."""
        with self._lock:
            for line in self._groups.values():
                line[0].set()

    def in_front(self, group: Hashable, *, urgent: bool) -> int:
        """How many a newcomer would stand behind."""
        line = self._groups.get(group, ())
        return sum(turn.urgent for turn in line) if urgent else len(line)

    def clear(self) -> None:
        """Forget all, in a forked child: their threads are not there."""
        self.waiting.clear()
        self._groups.clear()

    def _move(self, turn: _Turn, group: Hashable) -> None:
        if group == turn.group:
            return
        with self._lock:
            left_behind = turn.group
            self._leave_group_locked(turn)
            turn.group = group
            self._join_group_locked(turn)
            for next_first in self._groups.get(left_behind, [])[:1]:
                next_first.set()

    def _join_locked(self, turn: _Turn) -> None:
        self._came += 1
        turn.came = self._came
        self.waiting.append(turn)
        self._join_group_locked(turn)

    def _join_group_locked(self, turn: _Turn) -> None:
        line = self._groups.setdefault(turn.group, [])
        line.insert(bisect.bisect(line, turn.order, key=lambda other: other.order), turn)

    def _leave_locked(self, turn: _Turn) -> None:
        with contextlib.suppress(ValueError):
            self.waiting.remove(turn)
        self._leave_group_locked(turn)

    def _leave_group_locked(self, turn: _Turn) -> None:
        line = self._groups.get(turn.group, [])
        with contextlib.suppress(ValueError):
            line.remove(turn)
        if not line:
            self._groups.pop(turn.group, None)


class _Turn(threading.Event):
    """The place of one thread in line. came: a number that grows with each who comes."""

    def __init__(self, group: Hashable, *, urgent: bool) -> None:
        super().__init__()
        self.group = group
        self.urgent = urgent
        self.came = 0

    @property
    def order(self) -> tuple[bool, int]:
        """Who stands before whom."""
        return not self.urgent, self.came
