"""The one wrapper of a decorated function: it opens the Call, and counts what became of it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from resilient.call import FINE, Call, Step, Target, Verdict, current, listeners
from resilient.function_stats import FunctionStats
from resilient.repeating import failed_tries
from resilient.timing import BATCH, clock
from resilient.verdict import PLAIN_TYPES, judge_error, judge_result
from resilient.watching import run_watched, watchers

Handler = Callable[[Call], Any]
"""What a policy is given to go on with, and what it makes: handler(call) -> result."""

Shortcut = Callable[[tuple[Any, ...], dict[str, Any], float], tuple[Any, ...] | None]
"""Given the arguments and the monotonic time: a tuple with the answer first, or None."""

Rebind = Callable[[Handler, "Shortcut | None", Target, bool], None]
"""Gives a wrapper another chain; see rebinding."""

_off = False


def enabled(value: bool | None = None) -> bool:
    """Turn all policies of the process on or off; returns how it was before.

    Off, a decorated function is called directly. For tests: see resilient.testing.policies_off.
    """
    global _off
    before = not _off
    if value is not None:
        _off = not value
    return before


_rebinding = threading.Lock()  # guards the chains of wrappers while they change

_SETTLES = 5.0
"""Seconds after which no call is left that was opened just before its wrapper got another chain."""


def wrapper_for(
    handler: Handler, shortcut: Shortcut | None, target: Target, stats: FunctionStats
) -> tuple[Callable[..., Any], Rebind]:
    """A wrapper of a target with its chain bound, and what gives it another chain later."""
    function = target.function
    durations = stats.durations
    add_duration = durations.append
    spared = stats.spared
    open_call = current.get

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if _off:
            return function(*args, **kwargs)
        started = clock.monotonic()
        if shortcut is not None:
            answer = shortcut(args, kwargs, started)
            if answer is not None:
                if len(spared) >= BATCH:
                    stats.fold()
                return answer[0]
        call = Call()
        call.target = target
        call.args = args
        call.kwargs = kwargs
        call.parent = open_call()
        call.outcome = FINE
        call.exchanges = ()
        call.admissions = None
        call.started = started
        try:
            result = run_watched(call, handler) if watchers else handler(call)
        except Exception as error:
            _settle_failed(call, error, stats)
            raise
        except BaseException:
            # Ctrl-C and exits are nobody's failure: not counted, not changed.
            call.closed = True
            raise
        add_duration(clock.monotonic() - started)
        if call.exchanges or call.steps or call.outcome is not FINE:
            call.closed = True
            stats.record(call)
            if call.outcome is not FINE and not call.degraded:
                _tell_parent(call)
        if len(durations) >= BATCH:
            _fold(target, stats)
        return result

    def rebind(go_on: Handler, skip: Shortcut | None, owner: Target, is_new: bool) -> None:
        nonlocal handler, shortcut, target
        settled = clock.monotonic() + _SETTLES

        def switch(call: Call) -> Any:
            nonlocal handler
            # Another thread may have opened its call with the target of before.
            call.target = owner
            if call.started > settled:
                with _rebinding:
                    handler = go_on if handler is switch else handler
            return go_on(call)

        with _rebinding:
            handler = go_on if is_new else switch
            # Not None again: another thread may be between its look and its call.
            shortcut = skip or (shortcut and _no_shortcut)
            target = owner

    return wrapper, rebind


def _settle_failed(call: Call, error: Exception, stats: FunctionStats) -> None:
    """Count a call that raised, tell its story, and tell the call around what was tried."""
    call.closed = True
    outcome = judge_error(call, error)
    took = clock.monotonic() - call.started
    stats.durations.append(took)
    stats.record(call, error)
    if call.steps:
        story = call.story()
        _add_note(error, f"{call.target.label}: {story}")
        facts = {"error": type(error).__name__, "verdict": outcome.verdict.value, "seconds": took}
        text = f"failed ({outcome.reason}) after {took:.3g} s: {story}"
        # No step of the call, but what they came to: in its one line, and not in the stats.
        listeners.tell(call, Step("failed", call.target.label, text, facts, took))
    if outcome.verdict is not Verdict.MISTAKE:
        _tell_parent(call)
    # The error's traceback leads to this call: a failed call must not become a cycle of objects.
    call.judged = None
    if len(stats.durations) >= BATCH:
        _fold(call.target, stats)


def _fold(target: Target, stats: FunctionStats) -> None:
    """Take in what healthy calls have only appended somewhere."""
    stats.fold()
    for fold_batch in target.fold:
        fold_batch()


def _tell_parent(call: Call) -> None:
    """Tell the call around how often this one was tried, so that its retry does not multiply it."""
    if call.parent is not None:
        call.parent.repeated = max(call.parent.repeated, failed_tries(call))


def _add_note(error: Exception, note: str) -> None:
    """PEP 678, also on Python 3.10, where tracebacks don't show notes yet but tools do."""
    notes = getattr(error, "__notes__", None)
    # One error object may be raised to many callers: it must not grow for ever.
    if notes is not None and (note in notes or len(notes) >= 8):
        return
    try:
        if sys.version_info >= (3, 11):
            error.add_note(note)
        else:
            error.__notes__ = [*(notes or ()), note]  # type: ignore[attr-defined]
    except Exception:  # an error with slots, or frozen
        return


def innermost(target: Target) -> Handler:
    """The end of the chain: run the function with its call open, and judge what it returned."""
    function = target.function
    enter, leave = current.set, current.reset

    def invoke(call: Call) -> Any:
        token = enter(call)
        try:
            result = function(*call.args, **call.kwargs)
        finally:
            leave(token)
        if call.exchanges or type(result) not in PLAIN_TYPES:
            judge_result(call, result)
        return result

    def invoke_and_tell(call: Call) -> Any:
        call.ran = call.attempt
        return invoke(call)

    return invoke if target.http_cache is None else invoke_and_tell


def _no_shortcut(args: tuple[Any, ...], kwargs: dict[str, Any], started: float) -> None:
    """Answers nothing, where something did before."""
