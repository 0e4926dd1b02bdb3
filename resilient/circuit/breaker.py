"""CircuitBreaker itself: its options, its calls, and what it learns from them."""

from __future__ import annotations

import types
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, TypeVar, cast

import pybreaker
from pybreaker import STATE_CLOSED, STATE_OPEN

from resilient import options
from resilient.circuit.health import Health
from resilient.circuit.states import Admission, SwitchingBreaker
from resilient.circuit.storage import readable
from resilient.errors import ConfigurationError
from resilient.options import Seconds
from resilient.timing import clock

T = TypeVar("T")


class CircuitBreaker(SwitchingBreaker):
    """A drop-in for pybreaker.CircuitBreaker 1.4; see the package for what differs.

    fail_max: failures in a row that open the circuit.
    reset_timeout: seconds until an open circuit lets a probe through.
    success_threshold: successful probes that close it.
    exclude: types, or predicates of an exception, that are no failures.
    listeners, state_storage, name, throw_new_error_on_trip: as in pybreaker.
    failure_rate: share of failed calls in `window` seconds that opens it too, once there were
        `min_calls` (None: off).
    slow_call: seconds from which a call counts as slow, failed or not (None: off); slow_rate: their
        share that opens it. A slow probe opens it again.
    probes: calls under way at once in half-open.
    growth: by what factor each failed probe makes the open time longer, up to `max_reset_timeout`
        seconds; above 1 it is also spread by up to a tenth.
    ramp_up: seconds after closing over which the share of admitted calls rises from a tenth to all.
    """

    def __init__(
        self,
        fail_max: int = 5,
        reset_timeout: float = 60,
        success_threshold: int = 1,
        exclude: Iterable[type[BaseException] | Callable[[Any], bool]] | None = None,
        listeners: Sequence[pybreaker.CircuitBreakerListener] | None = None,
        state_storage: pybreaker.CircuitBreakerStorage | None = None,
        name: str | None = None,
        throw_new_error_on_trip: bool = True,
        *,
        failure_rate: float | None = None,
        window: Seconds = 60,
        min_calls: int = 10,
        slow_call: Seconds | None = None,
        slow_rate: float = 0.5,
        probes: int = 1,
        growth: float = 1.0,
        max_reset_timeout: Seconds = 600,
        ramp_up: Seconds = 0,
    ) -> None:
        self._name = name  # to say whose storage failed, while pybreaker reads its state
        super().__init__(
            fail_max,
            reset_timeout,
            success_threshold,
            exclude,
            listeners,
            readable(state_storage),
            name,
            throw_new_error_on_trip,
        )
        self.probes = options.whole(probes, "breaker(probes)")
        if not 1 <= growth <= 100:
            raise ConfigurationError(f"breaker(growth={growth!r}): use a factor from 1 to 100.")
        self.growth = growth
        self.max_reset_timeout = options.seconds(max_reset_timeout, "breaker(max_reset_timeout)")
        self.ramp_up = options.seconds(ramp_up, "breaker(ramp_up)", zero=True)
        self.health = Health(
            window,
            failure_rate=failure_rate,
            min_calls=min_calls,
            slow_call=slow_call,
            slow_rate=slow_rate,
        )

    # Calls

    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call `func` if the state admits it, and learn from how that goes."""
        admission = self._enter()
        try:
            if self._own_listeners:
                self._tell("before_call", func, *args, **kwargs)
                self._deliver()
            result = func(*args, **kwargs)
        except Exception as error:
            self._end_with(admission, error)
            raise
        except BaseException:
            self._give_back(admission)
            raise
        if isinstance(result, types.GeneratorType):
            return cast("T", self._watch(result, admission))
        self._succeed(admission)
        return result

    def _enter(self) -> Admission:
        """Let a call of `call` in, or raise BreakerOpen."""
        return self._admit()

    def _watch(
        self, generator: Generator[Any, Any, Any], admission: Admission
    ) -> Generator[Any, Any, Any]:
        """Count a generator's end as the call's outcome."""
        try:
            value = yield next(generator)
            while True:
                value = yield generator.send(value)
        except StopIteration as stop:
            self._succeed(admission)
            return stop.value
        except GeneratorExit:
            self._give_back(admission)
            raise
        except BaseException as error:
            if isinstance(error, Exception):
                self._end_with(admission, error)
            else:
                self._give_back(admission)
            try:
                generator.throw(error)
            except StopIteration as stop:
                return stop.value
        finally:
            generator.close()

    # Outcomes

    def _end_with(self, admission: Admission, error: Exception) -> None:
        """Count a call of `call` or `calling` that raised.

        Raises: BreakerOpen in place of `error` if that trips and throw_new_error_on_trip is set.
        """
        if not self.is_system_error(error):
            self._excuse(admission)
            return
        trip = self._fail(admission, error, type(error).__name__)
        if trip is not None and self._throws_on_trip():
            refusal = self._refusal(trip, self.remaining())
            raise refusal.with_traceback(error.__traceback__) from error

    def _throws_on_trip(self) -> bool:
        return bool(self._throw_new_error_on_trip)

    def is_system_error(self, exception: BaseException) -> bool:
        """Is this exception a sign of malfunction, by `exclude`?"""
        return not self._is_excluded(exception)

    def _is_excluded(self, exception: BaseException) -> bool:
        for exclusion in tuple(self._excluded_exceptions):
            if isinstance(exclusion, type):
                if isinstance(exception, exclusion):
                    return True
            elif callable(exclusion):
                try:
                    if exclusion(exception):
                        return True
                except Exception as error:
                    self._tell_listener_error("predicate in exclude=", error)
        return False

    def _succeed(self, admission: Admission) -> str | None:
        """Count a call that went well; the state this changed to, if it did."""
        changed = None
        with self._changing():
            if self._still_counts(admission):
                changed = self._succeed_locked(admission)
            self._tell("success")
        return changed

    def _succeed_locked(self, admission: Admission) -> str | None:
        self._failed_in_a_row = 0
        if self._stored("counter", 0):
            self._store("reset_counter")
        now = clock.monotonic()
        self.health.ok.add(now)
        is_slow = self.health.add_if_slow(admission.started, now)
        if not admission.is_probe:
            why = self.health.too_many_slow() if is_slow else None
            return None if why is None else self._trip(why)
        if is_slow:
            self._reopened += 1
            return self._trip("the probe was slow")
        self._probes_succeeded += 1
        self._store("increment_success_counter")
        if self._stored("success_counter", self._probes_succeeded) < self.success_threshold:
            return None
        self.close()
        return STATE_CLOSED

    def _excuse(self, admission: Admission) -> None:
        """End a call whose error is excluded: pybreaker's success, but it closes nothing."""
        with self._changing():
            if self._still_counts(admission) and not admission.is_probe:
                self._failed_in_a_row = 0
                self._store("reset_counter")
            self._tell("success")

    def _fail(
        self, admission: Admission, error: Exception, reason: str, asked: float | None = None
    ) -> str | None:
        """Count a call that failed; pybreaker's text for it if this opened the circuit.

        reason: a few words without secrets. asked: seconds the vendor wants to be left alone.
        """
        with self._changing():
            counts = self._still_counts(admission)
            if counts:
                now = clock.monotonic()
                self._failed_in_a_row += 1
                self._inc_counter()
                self.health.add_failed(now)
                self.health.add_if_slow(admission.started, now)
            self._tell("failure", error)
            if not counts:
                return None
            if admission.is_probe:
                self._reopened += 1
                why: str | None = f"the probe failed: {reason}"
            else:
                why = self._too_many_failed(reason) or self.health.too_many_slow()
            if why is None:
                return None
            self._asked_open = asked or 0.0
            self._trip(why)
        if admission.is_probe:
            return "Trial call failed, circuit breaker opened"
        return "Failures threshold reached, circuit breaker opened"

    def _give_back(self, admission: Admission) -> None:
        """End a call that says nothing about the vendor."""
        if admission.is_probe:
            with self._changing():
                self._still_counts(admission)

    def _trip(self, why: str) -> str:
        self.open()
        self._why = why
        return STATE_OPEN

    def _too_many_failed(self, reason: str) -> str | None:
        in_a_row = self.fail_counter
        if in_a_row >= self.fail_max:
            return f"{in_a_row} failures in a row, the last: {reason}"
        why = self.health.too_many_failed()
        return None if why is None else f"{why}, the last: {reason}"
