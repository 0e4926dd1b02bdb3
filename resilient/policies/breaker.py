"""@breaker: stop hitting a service that is down."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar, overload

from pybreaker import (
    STATE_CLOSED,
    CircuitBreakerListener,
    CircuitBreakerStorage,
    CircuitMemoryStorage,
)

from resilient import options
from resilient.call import FINE, Call, Outcome, Target, Verdict, listeners
from resilient.circuit import PROBING, RAMPING, STILL_OPEN, Admission
from resilient.circuit.checking import (
    checked_listeners,
    checked_name,
    checked_storage,
    exclusions,
)
from resilient.circuit.forcing import ISOLATED, NO_ERA, UNREACHABLE
from resilient.circuit.sharing import SharingBreaker
from resilient.errors import BreakerOpen, ConfigurationError, ResilientError
from resilient.options import Seconds
from resilient.pipeline import Decorated, Handler, Policy, policy_or_decorated
from resilient.sharing.naming import SharedName
from resilient.sharing.opening import Store, state_for
from resilient.verdict import judge, judge_error

P = ParamSpec("P")
R = TypeVar("R")


class Breaker(Policy, SharingBreaker):  # type: ignore[misc]  # __call__ and __init__ are ours
    """See `breaker`. Its state is that of resilient.circuit, with the same lock."""

    kind = "breaker"
    rank = 4

    def __init__(
        self,
        *,
        failure_rate: float | None = 0.5,
        window: Seconds = 60,
        min_calls: int = 10,
        fail_max: int | None = 5,
        slow_call: Seconds | None = None,
        slow_rate: float = 0.5,
        reset_timeout: Seconds = 30,
        max_reset_timeout: Seconds = 600,
        probes: int = 1,
        success_threshold: int = 2,
        ramp_up: Seconds = 0,
        exclude: Iterable[type[BaseException] | Callable[[Any], bool]] = (),
        listeners: Sequence[CircuitBreakerListener] = (),
        state_storage: CircuitBreakerStorage | None = None,
        name: str | None = None,
        throw_new_error_on_trip: bool = False,
        mode: str = "enforce",
        shared: str = "counts",
        store: Store | None = None,
        on_store_error: str = "local",
    ) -> None:
        if failure_rate is None and fail_max is None and slow_call is None:
            raise ConfigurationError(
                "breaker(failure_rate=None, fail_max=None): it could never open; keep one of them, "
                "or slow_call=."
            )
        self.mode = options.choice(mode, "breaker(mode)", ("enforce", "observe"))
        self.shared = options.choice(shared, "breaker(shared)", ("counts", "state", "off"))
        self.on_store_error = options.choice(
            on_store_error, "breaker(on_store_error)", ("local", "refuse")
        )
        if state_storage is not None and store not in (None, "local"):
            raise ConfigurationError(
                "breaker(state_storage=…, store=…): both say where the state is kept; use store= "
                "for what workers share, or state_storage= for a storage of pybreaker."
            )
        self._store_given = store
        if store is not None:
            state_for(store, "breaker(store)")
        self._shared_name = SharedName("breaker", name or None)
        self._keeps_own = state_storage is not None or self.shared == "off"
        pause = options.seconds(reset_timeout, "breaker(reset_timeout)")
        longest = options.seconds(max_reset_timeout, "breaker(max_reset_timeout)")
        if pause > longest:
            raise ConfigurationError(
                f"breaker(reset_timeout={pause:g}, max_reset_timeout={longest:g}): the open time "
                "starts above its maximum; raise max_reset_timeout."
            )
        SharingBreaker.__init__(
            self,
            fail_max=sys.maxsize
            if fail_max is None
            else options.whole(fail_max, "breaker(fail_max)", hint="None counts none in a row"),
            reset_timeout=pause,
            success_threshold=options.whole(success_threshold, "breaker(success_threshold)"),
            exclude=exclusions(exclude),
            listeners=checked_listeners(listeners),
            state_storage=checked_storage(state_storage),
            name=checked_name(name),
            throw_new_error_on_trip=options.flag(
                throw_new_error_on_trip, "breaker(throw_new_error_on_trip)"
            ),
            failure_rate=failure_rate,
            window=window,
            min_calls=min_calls,
            slow_call=slow_call,
            slow_rate=slow_rate,
            probes=probes,
            growth=2.0,
            max_reset_timeout=longest,
            ramp_up=ramp_up,
        )

    def settings(self) -> Mapping[str, object]:
        health = self.health
        shown: dict[str, object] = {
            "failure_rate": health.failure_rate,
            "window": health.window,
            "min_calls": health.min_calls,
            "fail_max": None if self.fail_max == sys.maxsize else self.fail_max,
            "reset_timeout": self.reset_timeout,
            "probes": self.probes,
            "success_threshold": self.success_threshold,
        }
        if health.slow_call is not None:
            shown |= {"slow_call": health.slow_call, "slow_rate": health.slow_rate}
        if self._mirror is not None:
            shown |= {"shared": self.shared, "store": self._mirror.state.label}
        return shown | {"state": self.shown_state}

    @property
    def shown_state(self) -> str:
        """The state, or what an operator has made of it: "isolated", "disabled"."""
        return self._forced or self.current_state

    def bundled(self, service: str | None) -> None:
        self._shared_name.bundle(service)

    def take_over(self, old: SharingBreaker) -> None:
        if isinstance(old, Breaker):
            self._shared_name.take_over(old._shared_name)
        SharingBreaker.take_over(self, old)

    def renew_in_child(self) -> None:
        SharingBreaker.renew_in_child(self)

    def bind(self, proceed: Handler, target: Target) -> Handler:
        storage: Any = self._state_storage
        # A healthy call costs a look at the state and one append. Everything else is for
        # breakers that have something to do with each call.
        quick = (
            type(storage) is CircuitMemoryStorage
            and self.health.slow_call is None
            and not self.ramp_up
        )
        target.fold = (*target.fold, self.health.ok.fold)
        count = self.health.ok.pending.append
        # Without a service above it yet, or at all, a function is filed under its module.
        module = getattr(target.function, "__module__", None)
        if self._label == "breaker" or target.service != module:
            self._label = target.service
        self._share(target)

        def handler(call: Call) -> Any:
            # Read before the state: if that changes between the two, this call has come too late,
            # and does not count in a state that never admitted it.
            era = self._era
            if storage._state is not STATE_CLOSED or self._forced or self._own_listeners:
                return self._guarded(call, proceed)
            try:
                result = proceed(call)
            except Exception as error:
                self._after(call, Admission(era, call.started), judge_error(call, error), error)
                raise
            if call.outcome is FINE and not storage._fail_counter:
                if era == self._era:
                    count(call.started)
                return result
            self._after(call, Admission(era, call.started), call.outcome)
            return result

        def guarded(call: Call) -> Any:
            return self._guarded(call, proceed)

        return handler if quick else guarded

    def _share(self, target: Target) -> None:
        self._shared_name.decorates(target)
        state = None if self._keeps_own else state_for(self._store_given, "breaker(store)")
        if state is None:
            if self._mirror is not None:
                self.unshare()
            return
        self.share(
            state,
            self._shared_name.of(target),
            counts=self.shared == "counts",
            refuses=self.on_store_error == "refuse",
        )

    def _guarded(self, call: Call, proceed: Handler) -> Any:
        """The way of a call when the circuit is not simply closed, or is listened to."""
        try:
            admission = self._admit()
        except BreakerOpen as refusal:
            text, left = str(refusal), refusal.retry_after
            admission = None
        # Out here, or the refusal would be the context of whatever the function raises.
        if admission is None:
            if not self.observes(call):
                raise self._refused(call, text, left)
            state, _ = self._refusal_words(text, left)
            call.report("would_break", f"would be refused: breaker {state}")
            return proceed(call)
        if admission.half_opened:
            call.report("breaker_half_open", "breaker half-open: tries whether it works again")
        try:
            self._tell("before_call", call.target.function, *call.args, **call.kwargs)
            self._deliver()
            result = proceed(call)
        except Exception as error:
            self._after(call, admission, judge_error(call, error), error)
            raise
        except BaseException:
            self._give_back(admission)
            raise
        self._after(call, admission, call.outcome)
        return result

    def _after(
        self, call: Call, admission: Admission, outcome: Outcome, error: Exception | None = None
    ) -> None:
        """Learn from an attempt, and report what that changed.

        error: what it raised, None if it returned.
        """
        if outcome.verdict is Verdict.OK:
            changed = self._succeed(admission)
            if changed == STATE_CLOSED:
                call.report("breaker_closed", "breaker closed: it works again")
            elif changed is not None:
                self._report_open(call)
            return
        if not outcome.verdict.is_failure or (error is not None and self._is_excluded(error)):
            self._give_back(admission)
            return
        # pybreaker's listeners want an exception, also when the function returned a 503.
        shown = error or ResilientError(f"{call.target.label} returned a failure: {outcome.reason}")
        tripped = self._fail(admission, shown, outcome.reason, outcome.retry_after)
        if tripped is not None:
            self._report_open(call)
            if self._throw_new_error_on_trip and error is not None and not self.observes(call):
                raise self._refusal(tripped, self.remaining()) from error

    def _report_open(self, call: Call) -> None:
        left = self.remaining()
        mirror = self._mirror
        # Other workers go on, unless the circuit of all of them is open.
        here = "" if mirror is None or mirror.leads or not mirror.counts else " in this worker"
        text = f"breaker opened{here} for {_told(left)}: {self._why}"
        call.report("breaker_opened", text, open_for=left)

    def _refused(self, call: Call, text: str, left: float | None) -> BreakerOpen:
        """The refusal in our own words: pybreaker's are for those who call the class itself."""
        label = call.target.label
        state, remedy = self._refusal_words(text, left)
        call.report("breaker_refused", f"refused: breaker {state}")
        return BreakerOpen(f"{label}: breaker {state}. {remedy}", label=label, retry_after=left)

    def _refusal_words(self, text: str, left: float | None) -> tuple[str, str]:
        """How the circuit stands, and what to do about it."""
        if text == STILL_OPEN and left is not None:
            remedy = "Add @fallback, or retry after exc.retry_after seconds."
            return f"open for {_told(left)} more ({self._why})", remedy
        if text == ISOLATED:
            return "isolated by an operator", "It stays so until reset(); add @fallback meanwhile."
        if text == UNREACHABLE:
            return (
                "of unknown state, since its store can't be reached",
                'on_store_error="refuse" lets nothing go then; use "local", or add @fallback.',
            )
        return _BUSY[text], "Add @fallback, or try again in a moment."

    def _enter(self) -> Admission:
        """Let a call of pybreaker's `call` in; one that only observes lets in all of them."""
        try:
            return self._admit()
        except BreakerOpen as refusal:
            if self.mode != "observe":
                raise
            state, _ = self._refusal_words(str(refusal), refusal.retry_after)
        text = f"would be refused: breaker {state}"
        listeners.announce("would_break", self.name or self._label, text)
        return Admission(NO_ERA, 0.0)

    def _throws_on_trip(self) -> bool:
        return super()._throws_on_trip() and self.mode != "observe"

    def _excuse(self, admission: Admission) -> None:
        self._give_back(admission)

    def is_system_error(self, exception: BaseException) -> bool:
        """Does this exception speak against the vendor, by `exclude` and by its verdict?"""
        return super().is_system_error(exception) and judge(exception).verdict.is_failure


_BUSY = {
    PROBING: "half-open, with as many calls on their way as it admits",
    RAMPING: "closed again, but its traffic still ramps up",
}


def _told(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:.0f} s"


@overload
def breaker(function: Callable[P, R], /) -> Decorated[P, R]: ...


@overload
def breaker(
    *,
    failure_rate: float | None = 0.5,
    window: Seconds = 60,
    min_calls: int = 10,
    fail_max: int | None = 5,
    slow_call: Seconds | None = None,
    slow_rate: float = 0.5,
    reset_timeout: Seconds = 30,
    max_reset_timeout: Seconds = 600,
    probes: int = 1,
    success_threshold: int = 2,
    ramp_up: Seconds = 0,
    exclude: Iterable[type[BaseException] | Callable[[Any], bool]] = (),
    listeners: Sequence[CircuitBreakerListener] = (),
    state_storage: CircuitBreakerStorage | None = None,
    name: str | None = None,
    throw_new_error_on_trip: bool = False,
    mode: str = "enforce",
    shared: str = "counts",
    store: Store | None = None,
    on_store_error: str = "local",
) -> Breaker: ...


def breaker(*given: Any, **chosen: Any) -> Any:
    """Stop calling a service that is down, and try now and then whether it is back.

    Counted as failures: what the verdict calls transient or broken. The caller's mistakes, rate
    limits and our own refusals change nothing.

    failure_rate: share of failed calls in `window` seconds (60) that opens the circuit (0.5), once
        there were `min_calls` (10); None: off.
    fail_max: failures in a row that open it too (5); None: off.
    slow_call: seconds from which a call counts as slow, failed or not (None: off); slow_rate: their
        share in the window that opens it (0.5), once there were `min_calls`. A slow probe opens it
        again.
    reset_timeout: seconds until an open circuit tries a call (30). Each failed probe doubles it, up
        to `max_reset_timeout` (600), with a tenth of jitter; a vendor's Retry-After is its floor.
    probes: calls under way at once while it tries (1).
    success_threshold: successful probes that close it (2).
    ramp_up: seconds after closing over which the share of admitted calls rises to all (0).
    exclude: exception types or predicates of an exception that are never failures.
    listeners, state_storage, name, throw_new_error_on_trip: as in pybreaker, whose CircuitBreaker
        this is.
    mode: "observe" refuses nothing and records what it would have refused.
    store: shares the circuit with other workers, under `name`: a URL (`sqlite:///path`,
        `redis://host`), a store of `open_state`, or "local" for none; None (default) is the store
        of `resilient.configure`, if there is one. A trip is seen by all within 0.25 s, and no more
        than `probes` go in all workers. isolate(), disable() and reset() are for all of them.
    shared: "counts" (default): the calls of all workers open it for all, unless it is those of one
        worker (or host) that fail; what a worker meets by itself opens it for that worker, so that
        one bad host can't stop the others. "state": any worker's trip opens it for all, and they
        count each for itself. "off": nothing is shared.
    on_store_error: while the store is down, "local" (default) lets each worker go on by itself from
        where it stood, with `probes` of its own; "refuse" refuses every call.

    Raises: BreakerOpen, a pybreaker.CircuitBreakerError, with `retry_after` seconds.
    """
    return policy_or_decorated(Breaker, "breaker", given, chosen)
