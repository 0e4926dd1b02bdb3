"""@service: whose API it is, and how long a call may take."""

from __future__ import annotations

import contextvars
import functools
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar, overload

from resilient import options
from resilient.call import DEFAULT_TIMEOUT, Call, Target, Verdict
from resilient.ending import start_thread
from resilient.errors import ConfigurationError, DeadlineExceeded, Refused
from resilient.options import Seconds
from resilient.pipeline import Decorated, Handler, Policy, decorate, policy_or_decorated
from resilient.timing import clock
from resilient.verdict import judge_error

P = ParamSpec("P")
R = TypeVar("R")

Context = Mapping[str, Any] | Callable[..., Mapping[str, Any]]

MAX_ABANDONED = 8
"""Threads of one service that may hang past their deadline; then calls are refused at once."""


MAX_CALLED = 128
"""Undecorated functions of which `call` keeps the decorated form."""


class Service(Policy):
    """See `service`. `_lock` guards `_abandoned`."""

    kind = "service"
    rank = 0
    passes_hits = True

    def __init__(
        self,
        name: str | None = None,
        *policies: Policy,
        timeout: Seconds | None = DEFAULT_TIMEOUT,
        deadline: Seconds | None = None,
        hard_deadline: bool = False,
        context: Context | None = None,
        mode: str = "enforce",
    ) -> None:
        if name is not None and (not isinstance(name, str) or not name.strip()):
            raise ConfigurationError(
                f'service({name!r}): give the vendor\'s name first, such as service("github").'
            )
        for policy in policies:
            if not isinstance(policy, Policy):
                # Never its repr: a text in this place may be a key.
                written = getattr(policy, "__name__", None)
                shown = written or type(policy).__name__
                hint = f"{written}(), with parentheses, or " if written else ""
                raise ConfigurationError(
                    f"service({name!r}, {shown}): it bundles policies; write {hint}an object made "
                    "by breaker(…), throttled(…) and the like."
                )
        if any(isinstance(policy, Service) for policy in policies):
            raise ConfigurationError(f"service({name!r}, …): a service can't bundle a service.")
        self.name = name
        self.policies = policies
        for policy in policies:
            policy.bundled(name)
        self.timeout = options.optional_seconds(timeout, "service(timeout)")
        self.deadline = options.optional_seconds(deadline, "service(deadline)")
        self.hard_deadline = options.flag(hard_deadline, "service(hard_deadline)")
        if self.hard_deadline and self.deadline is None:
            raise ConfigurationError(
                "service(hard_deadline=True): there is no deadline to enforce; give deadline= in "
                "seconds."
            )
        if context is not None and not (isinstance(context, Mapping) or callable(context)):
            raise ConfigurationError(
                "service(context=…): use a dict, or a function of the call's arguments that "
                f"returns one, and no {type(context).__name__}."
            )
        self.context = context
        self.mode = options.choice(mode, "service(mode)", ("enforce", "observe"))
        self._abandoned = 0
        self._lock = threading.Lock()

    @functools.cached_property
    def _decorated(self) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """`_decorate`, with a memory. Most services never need one."""
        return functools.lru_cache(MAX_CALLED)(self._decorate)

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the targets of this service have in common."""
        facts: dict[str, Any] = {
            "observing": self.mode == "observe",
            "context": self.context,
            "timeout": math.inf if self.timeout is None else self.timeout,
        }
        if self.name is not None:
            facts["service"] = self.name
        return facts

    def renew_in_child(self) -> None:
        self._abandoned = 0

    def settings(self) -> Mapping[str, object]:
        shown: dict[str, object] = {"name": self.name} if self.name is not None else {}
        shown |= {"timeout": self.timeout, "deadline": self.deadline}
        if self.hard_deadline:
            shown["hard_deadline"] = True
        return shown

    def unfold(self) -> Sequence[Policy]:
        return (self, *self.policies)

    def call(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function that can't be decorated, with this service's policies."""
        try:
            wrapper = self._decorated(function)
        except TypeError:  # an object that can be called, but not hashed
            wrapper = self._decorate(function)
        result: R = wrapper(*args, **kwargs)
        return result

    def _decorate(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return decorate(function, self, stacklevel=4)

    def bind(self, proceed: Handler, target: Target) -> Handler:
        if self.deadline is None:
            return proceed
        deadline = self.deadline
        bounded = self._on_a_thread(proceed) if self.hard_deadline else proceed

        def handler(call: Call) -> Any:
            call.deadline = call.started + deadline
            try:
                return bounded(call)
            except Refused:
                raise
            except Exception as error:
                # Only what looks cut off: a mistake found a moment too late is still a mistake.
                if clock.monotonic() < call.deadline or not _was_cut_off(call, error):
                    raise
                call.report("deadline", f"cut off at its deadline of {deadline:g} s")
                raise DeadlineExceeded(
                    f"{target.label}: cut off at its deadline of {deadline:g} s "
                    f"({call.outcome.reason}). Raise deadline=, or add @fallback.",
                    label=target.label,
                ) from error

        def observer(call: Call) -> Any:
            try:
                return proceed(call)
            finally:
                took = clock.monotonic() - call.started
                if took > deadline:
                    call.report(
                        "would_deadline", f"took {took:.3g} s, past a deadline of {deadline:g} s"
                    )

        return observer if target.observing else handler

    def _on_a_thread(self, proceed: Handler) -> Handler:
        """Leave a call alone that is not over at its deadline, whatever it hangs in."""

        def handler(call: Call) -> Any:
            label = call.target.label
            with self._lock:
                hanging = self._abandoned
            if hanging >= MAX_ABANDONED:
                call.report("deadline", f"refused: {hanging} earlier calls still hang")
                raise DeadlineExceeded(
                    f"{label}: {hanging} calls were left hanging past their deadline and have not "
                    "ended yet. Give the function a timeout of its own, or restart the process.",
                    label=label,
                )
            work = _Work()
            start_thread(
                threading.Thread(
                    target=contextvars.copy_context().run,
                    args=(self._run, work, proceed, call),
                    name=f"resilient {label}",
                    daemon=True,
                )
            )
            clock.wait(work.done, max(0.0, call.time_left() or 0.0))
            with self._lock:
                if not work.done.is_set():
                    work.abandoned = True
                    self._abandoned += 1
            if not work.abandoned:
                return work.outcome()
            call.report("abandoned", f"left hanging at its deadline of {self.deadline:g} s")
            raise DeadlineExceeded(
                f"{label}: still running at its deadline of {self.deadline:g} s, and left to "
                "itself on its thread. Give what it waits for a timeout, or raise deadline=.",
                label=label,
            )

        return handler

    def _run(self, work: _Work, proceed: Handler, call: Call) -> None:
        try:
            work.result = proceed(call)
        except BaseException as error:  # raised again in the caller's thread
            work.error = error
        finally:
            with self._lock:
                work.done.set()
                self._abandoned -= work.abandoned


def _was_cut_off(call: Call, error: Exception) -> bool:
    """Is this how a deadline shows: a timeout, or its own refusal as an HTTP library wraps it?"""
    outcome = judge_error(call, error)
    return outcome.verdict is Verdict.TRANSIENT or outcome.reason == DeadlineExceeded.__name__


class _Work:
    """One call on a thread of its own; the service's lock orders `done` and `abandoned`."""

    __slots__ = ("abandoned", "done", "error", "result")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.abandoned = False
        self.result: Any = None
        self.error: BaseException | None = None

    def outcome(self) -> Any:
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
            return self.result
        finally:
            del error


@overload
def service(function: Callable[P, R], /) -> Decorated[P, R]: ...


@overload
def service(
    name: str,
    *policies: Policy,
    timeout: Seconds | None = DEFAULT_TIMEOUT,
    deadline: Seconds | None = None,
    hard_deadline: bool = False,
    context: Context | None = None,
    mode: str = "enforce",
) -> Service: ...


def service(*given: Any, **chosen: Any) -> Any:
    """Say whose API a function calls, and how long a call may take.

    name: tags log lines, stats and errors; without @service a function is filed under its module.
    policies: shared by all functions of the service. `github = service("github", breaker())`
        and `@github` on each function; each takes its recommended place among the function's own.
    timeout: seconds for each HTTP request that has none of its own (30); it never lengthens one.
        None gives none.
    deadline: seconds for the whole call, retries and waits included (None: no bound). The next
        request's timeout and every wait shrink to what is left, a body that drips in slowly is cut
        off, and a wait that would outlast it fails at once.
    hard_deadline: bound what hangs outside HTTP too: the function runs on a thread of its own with
        the caller's context, and is left there when time is up; after 8 such threads calls are
        refused until one ends. Policies of an abandoned call give back what they took when it ends.
    context: tags for log lines: a dict, or a function of the call's arguments returning one.
    mode: "observe" lets every policy of the stack record what it would have done, and do nothing.

    Raises: DeadlineExceeded.
    """
    return policy_or_decorated(Service, "service", given, chosen)
