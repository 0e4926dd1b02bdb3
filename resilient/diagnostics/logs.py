"""One log line for each noteworthy step of a call, and none for a healthy call.

    github.repos: attempt 1 of 4 failed (503), waits 0.8 s

A line's `record["extra"]` holds service, function, call (the id), attempt, kind, facts and context
(what the service's `context=` tells of the call). The line that ends a call which went wrong has a
`story`, too: see `story_of`. Everything is masked before loguru sees it, so
that sinks of the application's own get masked text too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from loguru import logger

from resilient.call import Call, Step, listeners
from resilient.diagnostics.masking import mask, masked
from resilient.diagnostics.story import story_of
from resilient.ending import at_end
from resilient.timing import clock


class Kind(NamedTuple):
    """How loud a kind of step is, and what it means."""

    level: str
    meaning: str


KINDS: dict[str, Kind] = {
    "failed": Kind("WARNING", "a call raised after all that its story tells"),
    "retry": Kind("INFO", "an attempt failed and is repeated"),
    "gave_up": Kind("WARNING", "the last attempt failed"),
    "amplified": Kind("WARNING", "a client below @retry retries by itself, told once a function"),
    "retry_refused": Kind("WARNING", "a repeat is unsafe, over budget or past the deadline"),
    "breaker_opened": Kind("ERROR", "the service is down: calls are refused for a while"),
    "breaker_half_open": Kind("INFO", "probes find out whether the service is back"),
    "breaker_closed": Kind("INFO", "the service is back"),
    "breaker_forced": Kind("WARNING", "an operator isolated, disabled or released a breaker"),
    "breaker_refused": Kind("WARNING", "a call was refused by an open breaker"),
    "throttled": Kind("INFO", "a request waits for its turn"),
    "rate_limited": Kind("WARNING", "a request was refused: the quota has no room in time"),
    "paused": Kind("WARNING", "the vendor asked everybody to wait"),
    "slowed": Kind("WARNING", "the vendor refused without a word, so everybody goes slower"),
    "capped": Kind("WARNING", "the vendor asked for a wait longer than anybody should make"),
    "forecast": Kind("WARNING", "the vendor's quota will be gone before its reset"),
    "bulkhead_waited": Kind("INFO", "a call waited for one of the places"),
    "bulkhead_full": Kind("WARNING", "a call was refused: all places are taken"),
    "fallback": Kind("WARNING", "an alternative answered"),
    "fallback_failed": Kind("WARNING", "an alternative failed too"),
    "coalesced": Kind("DEBUG", "a call shared the answer of one that was on its way"),
    "stale": Kind("WARNING", "an old result answered"),
    "refreshing": Kind("DEBUG", "an old result answered, and a new one is fetched"),
    "refreshed": Kind("DEBUG", "a kept result was fetched anew in the background"),
    "refresh_failed": Kind("WARNING", "a kept result could not be fetched anew"),
    "revalidated": Kind("DEBUG", "the vendor said that a kept answer is still good"),
    "restored": Kind("INFO", "what had failed works again"),
    "uncacheable": Kind("WARNING", "a result or its arguments can't be cached"),
    "deadline": Kind("WARNING", "time was up"),
    "abandoned": Kind("ERROR", "time was up, and the function hangs on in its thread"),
    "alert": Kind("ERROR", "what `alert` watches for has come true"),
    "escalated": Kind("CRITICAL", "it is still so after the cooldown"),
    "all_clear": Kind("INFO", "it is over"),
    "degraded": Kind("WARNING", "something that resilient needs failed; calls go on without it"),
}
"""What policies report. What they would have done is the same with `would_` in front."""

_ENDS = ("failed", "fallback", "stale")
"""Kinds that end a call which went wrong: their lines tell its story."""

_UNLIMITED = ("alert", "escalated", "all_clear")
"""Kinds that are no flood: who reports them sees to that."""

_UNKNOWN = Kind("INFO", "not in this list")


class StepLines:
    """The listener that writes the lines.

    A flood is summed up: of one kind, a function writes at most LINES in SECONDS; the rest is told
    in one line, with the next step after that time or at exit. `_lock` guards `_windows` and
    `_swept`, and is never held while loguru writes.
    """

    LINES = 5
    SECONDS = 10.0

    def __init__(self) -> None:
        self.context_errors = 0
        """How often a service's `context=` function failed."""
        self.nested = 0
        """Steps without a line, since they happened while a line was written."""
        self._thread = threading.local()
        self.renew()

    def renew(self) -> None:
        """Begin anew, as a forked child has to: its copy of the lock may be held by nobody."""
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str], _Window] = {}
        self._swept = 0.0

    def __call__(self, call: Call | None, step: Step) -> None:
        """Write the line of one step, or count it."""
        if getattr(self._thread, "is_writing", False):
            # A sink or a context function calls a decorated function: loguru can't be entered
            # twice, and the context would ask for itself for ever.
            self.nested += 1
            return
        if step.kind == "failed" and call is not None and _is_told(call):
            return
        is_written, owed = self._admit((step.label, step.kind), clock.monotonic())
        self._sum_up(owed)
        if is_written:
            self._write(step.label, step.kind, step.text, lambda: self._extra(call, step))

    def flush(self) -> None:
        """Sum up now what is still to be summed up."""
        with self._lock:
            owed = self._owed_locked(None)
        self._sum_up(owed)

    def _admit(self, key: tuple[str, str], now: float) -> tuple[bool, list[_Flood]]:
        """May this line be written, and which floods are over?"""
        with self._lock:
            owed: list[_Flood] = []
            window = self._windows.get(key)
            if self._has_passed(self._swept, now) or (
                window is not None and self._has_passed(window.start, now)
            ):
                owed = self._owed_locked(now)
                self._swept = now
            if key[1] in _UNLIMITED:
                return True, owed
            window = self._windows.setdefault(key, _Window(now))
            window.steps += 1
            return window.steps <= self.LINES, owed

    def _has_passed(self, start: float, now: float) -> bool:
        # A clock that was put back, as a test's is, must not keep a window open for ages.
        return not start <= now < start + self.SECONDS

    def _owed_locked(self, now: float | None) -> list[_Flood]:
        """Forget the windows that are over (all, if `now` is None) and tell what they held back."""
        over = [
            key
            for key, window in self._windows.items()
            if now is None or self._has_passed(window.start, now)
        ]
        held = [(key, self._windows.pop(key).steps - self.LINES) for key in over]
        return [_Flood(*key, more) for key, more in held if more > 0]

    def _sum_up(self, owed: list[_Flood]) -> None:
        for label, kind, more in owed:
            text = f"… and {more:,} more in {self.SECONDS:g} s ({kind})"
            facts = {"more": more, "seconds": self.SECONDS}
            self._write(label, kind, text, partial(_plain_extra, label, kind, facts))

    def _write(self, label: str, kind: str, text: str, extra: Callable[[], dict[str, Any]]) -> None:
        def fill(record: Any) -> None:
            record["extra"].update(extra())

        level = KINDS.get(kind, _UNKNOWN).level
        self._thread.is_writing = True
        try:
            # Lazy: nothing is masked or asked for while no sink wants the level. The text is an
            # argument, since a brace in it would be taken for a format.
            lazy = logger.opt(lazy=True).patch(fill)
            lazy.log(level, "{}", lambda: mask(f"{label}: {text}"))
        finally:
            self._thread.is_writing = False

    def _extra(self, call: Call | None, step: Step) -> dict[str, Any]:
        extra = _plain_extra(step.label, step.kind, masked(step.facts))
        if call is not None:
            extra |= {
                "service": call.target.service,
                "function": call.target.name,
                "call": call.id,
                "attempt": call.attempt,
            }
            story = story_of(call) if step.kind in _ENDS else []
            if len(story) > 1 or step.kind == "failed":
                extra["story"] = masked(story)
            context = self._context(call)
            if context:
                extra["context"] = context
        return extra

    def _context(self, call: Call) -> dict[str, Any]:
        context = call.target.context
        try:
            if callable(context):
                context = context(*call.args, **call.kwargs)
            data = masked(dict(context or {}))
            return data if isinstance(data, dict) else {}
        except Exception:
            self.context_errors += 1
            return {}


class _Window:
    __slots__ = ("start", "steps")

    def __init__(self, start: float) -> None:
        self.start = start
        self.steps = 0


class _Flood(NamedTuple):
    label: str
    kind: str
    more: int


def _is_told(call: Call) -> bool:
    """Has the line of its only step said all there is to its failure?"""
    kinds = [step.kind for step in call.steps if step.kind != "failed"]
    return len(kinds) == 1 and KINDS.get(kinds[0], _UNKNOWN).level in ("WARNING", "ERROR")


def _plain_extra(label: str, kind: str, facts: Any) -> dict[str, Any]:
    """What is known without a call: the label is a policy's name, or "service.function"."""
    service, _, function = label.rpartition(".")
    names = {"service": service or label, "function": function if service else None}
    return {**names, "kind": kind, "facts": facts}


lines = StepLines()
"""The listener of this process."""


def install() -> None:
    """Have a line written for every noteworthy step from now on."""
    listeners.add(lines)


def uninstall() -> None:
    """Write no lines any more; stats go on."""
    listeners.remove(lines)


at_end(lines.flush)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lines.renew)


def context_of(extra: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tags that a service's `context=` gave a line; empty for a line of somebody else."""
    context = extra.get("context")
    return context if isinstance(context, Mapping) and "kind" in extra else {}
