"""@bulkhead: bound how many calls run at once, so that one slow vendor can't take every thread."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, overload

from resilient import options
from resilient.call import Call, Target
from resilient.errors import BulkheadFull
from resilient.options import Seconds
from resilient.pipeline import Decorated, Handler, Policy, policy_or_decorated
from resilient.timing import clock
from resilient.waiting import NOTEWORTHY, Line

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT_LIMIT = 10
"""As many connections as a requests session keeps per host."""


class Bulkhead(Policy):
    """See `bulkhead`.

    Free places are a list, since popping and appending are atomic: the common case takes no lock.
    """

    kind = "bulkhead"
    rank = 6

    def __init__(
        self,
        limit: int = DEFAULT_LIMIT,
        *,
        max_wait: Seconds = 0,
        max_waiting: int = 1000,
        mode: str = "enforce",
    ) -> None:
        self.limit = options.whole(
            limit, "bulkhead(limit)", hint="it is how many calls may run at once"
        )
        self.max_wait = options.seconds(max_wait, "bulkhead(max_wait)", zero=True)
        self.mode = options.choice(mode, "bulkhead(mode)", ("enforce", "observe"))
        self._free: list[None] = [None] * limit
        self._line = Line(options.whole(max_waiting, "bulkhead(max_waiting)"))

    @property
    def running(self) -> int:
        """How many calls run now."""
        return self.limit - len(self._free)

    @property
    def waiting(self) -> int:
        """How many calls wait for a place now."""
        return len(self._line.waiting)

    def renew_in_child(self) -> None:
        self._free[:] = [None] * self.limit
        self._line.clear()

    def settings(self) -> Mapping[str, object]:
        return {"limit": self.limit, "max_wait": self.max_wait}

    def bind(self, proceed: Handler, target: Target) -> Handler:
        free = self._free
        waiting = self._line.waiting
        attempt = self._attempt

        def handler(call: Call) -> Any:
            # Nobody overtakes those in line.
            if (waiting or attempt(0.0)) and not self._enter(call):
                return proceed(call)
            try:
                return proceed(call)
            finally:
                free.append(None)
                if waiting:
                    self._line.wake()

        return handler

    def _enter(self, call: Call) -> bool:
        """Take a place, waiting for it; False if one is missing and this only observes."""
        if self.observes(call):
            if not self._attempt(0.0):
                return True
            call.report(
                "would_bulkhead", f"would be refused or wait: all {self.limit} places are taken"
            )
            return False
        left = call.time_left()
        longest = self.max_wait if left is None else min(self.max_wait, max(0.0, left))
        since = clock.monotonic()
        if self._line.wait(self._attempt, longest):
            self._tell_of_wait(call, clock.monotonic() - since)
            return True
        call.report("bulkhead_full", f"refused: all {self.limit} places are taken")
        raise BulkheadFull(
            f"{call.target.label}: {self.limit} calls are running already, and none ended within "
            f"{longest:.3g} s. Raise limit= or max_wait=, or add @fallback.",
            label=call.target.label,
        )

    def _tell_of_wait(self, call: Call, waited: float) -> None:
        if waited < NOTEWORTHY:
            return
        try:
            call.report(
                "bulkhead_waited",
                f"waited {waited:.3g} s for one of {self.limit} places",
                waited=waited,
            )
        except BaseException:  # Ctrl-C, while somebody writes it to a log
            self._give_back()
            raise

    def _give_back(self) -> None:
        self._free.append(None)
        self._line.wake()

    def _attempt(self, now: float) -> float:
        try:
            self._free.pop()
        except IndexError:
            return math.inf
        return 0.0


@overload
def bulkhead(function: Callable[P, R], /) -> Decorated[P, R]: ...


@overload
def bulkhead(
    limit: int = DEFAULT_LIMIT,
    *,
    max_wait: Seconds = 0,
    max_waiting: int = 1000,
    mode: str = "enforce",
) -> Bulkhead: ...


def bulkhead(*given: Any, **chosen: Any) -> Any:
    """Let at most `limit` calls run at once, over all threads and all functions that share it.

    limit: 10 by default, as many connections as a requests session keeps per host.
    max_wait: seconds to wait for a place, shortened by the deadline; 0 refuses at once.
    max_waiting: how many calls may wait; one more is refused at once.
    mode: "observe" refuses nothing and records what it would have refused.

    Raises: BulkheadFull.
    """
    return policy_or_decorated(Bulkhead, "bulkhead", given, chosen)
