"""@retry: repeat what is safe and worth repeating, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, ParamSpec, TypeVar, overload

import backoff

from resilient import options
from resilient.call import FINE, Call, Outcome, Target, Verdict
from resilient.errors import ConfigurationError, RateLimited
from resilient.options import Seconds
from resilient.pipeline import Decorated, Handler, Policy, policy_or_decorated
from resilient.repeating import failed_tries, had_no_effect, is_repeatable, own_tries
from resilient.sdk_retries import who_retries
from resilient.sharing.naming import SharedName
from resilient.sharing.opening import Store, state_for
from resilient.sharing.retry_budget import Budget
from resilient.timing import chance, clock
from resilient.verdict import judge_error

P = ParamSpec("P")
R = TypeVar("R")

Waits = Callable[[], "Generator[float, Any, None]"]


class Choice(NamedTuple):
    """Whether to go on. seconds: until the next attempt; None to stop. why: in words."""

    seconds: float | None
    kind: str
    why: str


def worth_repeating(call: Call, error: Exception | None, on: tuple[type[Exception], ...]) -> bool:
    """Can another attempt help, by the verdict and by `on=`?"""
    verdict, reason, retry_after, status = call.outcome
    if verdict is Verdict.REFUSED:
        return reason == RateLimited.__name__ and retry_after is not None
    if error is not None and isinstance(error, on):
        # A mistake stays one, unless its class is asked for: Exception asks for none.
        return verdict is not Verdict.MISTAKE or any(
            kind is not Exception and isinstance(error, kind) for kind in on
        )
    if verdict is Verdict.BROKEN:
        # A 500 may be a bug that any repetition meets again; it is worth a try if it can't hurt.
        return (status or 0) >= 500
    return verdict is Verdict.TRANSIENT or verdict is Verdict.THROTTLED


def jittered(wait: float, retry_after: float | None) -> float:
    """Seconds to sleep: full jitter, but never less than the vendor asked for.

    Source: "Full Jitter" of Brooker, "Exponential Backoff And Jitter" (AWS, 2015). Where the vendor
    named a time, jitter is only added: up to a tenth, so that callers come back one by one.
    """
    if not retry_after:  # 0 asks for nothing
        return chance.uniform(0.0, wait)
    return retry_after + chance.uniform(0.0, min(wait, retry_after / 10))


def _uncounted(_: float) -> None:
    """Counts nothing, where there is no budget."""


class Retry(Policy):
    """See `retry`. What it shares between calls is the budget, which has its own lock."""

    kind = "retry"
    rank = 3

    def __init__(
        self,
        attempts: int = 3,
        *,
        wait: Waits | Seconds | Sequence[float] = backoff.expo,
        max_wait: Seconds = 60,
        on: type[Exception] | Sequence[type[Exception]] | None = None,
        budget: float | None = 0.2,
        idempotent: bool | None = None,
        mode: str = "enforce",
        store: Store | None = None,
        name: str | None = None,
        on_store_error: str = "local",
    ) -> None:
        self.attempts = options.whole(attempts, "retry(attempts)", hint="1 means no retry")
        self.wait = wait
        self._waits = _waits(wait)
        self.max_wait = options.seconds(max_wait, "retry(max_wait)")
        kinds = options.exception_types(() if on is None else on, "retry(on)")
        self.on: tuple[type[Exception], ...] = kinds  # type: ignore[assignment]  # it allows no others
        self.budget = None if budget is None else Budget(options.share(budget, "retry(budget)"))
        if idempotent is not None:
            options.flag(idempotent, "retry(idempotent)")
        self.idempotent = idempotent
        self.mode = options.choice(mode, "retry(mode)", ("enforce", "observe"))
        self.on_store_error = options.choice(
            on_store_error, "retry(on_store_error)", ("local", "refuse")
        )
        self._shared_name = SharedName("retry", name)
        self._store = store
        if store is not None:
            state_for(store, "retry(store)")

    def settings(self) -> Mapping[str, object]:
        shown: dict[str, object] = {"attempts": self.attempts, "wait": self.wait}
        shown |= {"max_wait": self.max_wait, "budget": self.budget and self.budget.share}
        if self.on:
            shown["on"] = self.on
        if self.idempotent is not None:
            shown["idempotent"] = self.idempotent
        if self.budget is not None and self.budget.shared_in is not None:
            shown["store"] = self.budget.shared_in
        return shown

    def take_over(self, old: Retry) -> None:
        self._shared_name.take_over(old._shared_name)
        if self.budget is not None and old.budget is not None:
            self.budget.take_over(old.budget)

    def bundled(self, service: str | None) -> None:
        self._shared_name.bundle(service)

    def bind(self, proceed: Handler, target: Target) -> Handler:
        self._shared_name.decorates(target)
        count: Callable[[float], None] = _uncounted
        if self.budget is not None:
            target.fold = (*target.fold, self.budget.calls.fold)
            count = self.budget.calls.pending.append
            self._share(self.budget, target)
        untold = threading.Lock()  # whoever gets it tells of an amplification; never released

        def handler(call: Call) -> Any:
            count(call.started)
            try:
                result = proceed(call)
            except Exception as caught:
                error = caught
            else:
                # What a fallback below has answered is not to be bettered.
                if call.outcome is FINE or call.degraded:
                    return result
                return self._go_on(call, proceed, untold, None, result)
            # Outside the except clause: or each later error would carry this one as its context.
            try:
                return self._go_on(call, proceed, untold, error, None)
            finally:
                del error  # its traceback holds this frame

        return handler

    def _share(self, budget: Budget, target: Target) -> None:
        state = state_for(self._store, "retry(store)")
        if state is None:
            budget.unshare()
        else:
            refuses = self.on_store_error == "refuse"
            budget.share_in(state, self._shared_name.of(target), refuses=refuses)

    def _go_on(
        self,
        call: Call,
        proceed: Handler,
        untold: threading.Lock,
        error: Exception | None,
        result: Any,
    ) -> Any:
        """Repeat after a failed attempt; in the end give back the last one's result or error."""
        waits = _Pace(self._waits, self.max_wait)
        tried = 0
        try:
            while True:
                if error is not None:
                    judge_error(call, error)
                elif call.outcome is FINE or call.degraded:
                    return result
                tries = failed_tries(call)
                tried += tries
                if tries > 1:
                    self._tell_amplified(call, error, untold)
                choice = self._choose(call, error, waits, tried, tries)
                if choice.seconds is None:
                    if choice.kind:
                        call.report(choice.kind, choice.why, tried=tried)
                    break
                call.report(
                    "retry", choice.why, waited=choice.seconds, tried=tried, of=self.attempts
                )
                clock.sleep(choice.seconds)
                call.next_attempt()
                try:
                    result = proceed(call)
                    error = None
                except Exception as caught:
                    error = caught
            call.repeated = tried
            if error is not None:
                raise error
            return result
        finally:
            del error

    def _tell_amplified(self, call: Call, error: Exception | None, untold: threading.Lock) -> None:
        """Report, once a function, that its client repeats what @retry repeats."""
        tries = own_tries(call)
        if tries < 2 or self.attempts == 1 or not worth_repeating(call, error, self.on):
            return
        if not untold.acquire(blocking=False):
            return
        client = who_retries(error)
        if client is None:
            who, remedy = "the function repeats requests", "leave that to @retry"
        else:
            seems = ", it seems," if error is None else ""
            who, remedy = f"{client.name}{seems} retries", f"set {client.option}"
        effective = self.attempts * tries
        call.report(
            "amplified",
            f"effective attempts {self.attempts} × {tries} = {effective}: {who} by itself; "
            f"{remedy} or lower attempts= (meanwhile @retry counts them as its own)",
            attempts=self.attempts,
            tries=tries,
            effective=effective,
            client=client.name if client else None,
            option=client.option if client else None,
        )

    def _choose(
        self, call: Call, error: Exception | None, waits: _Pace, tried: int, tries: int
    ) -> Choice:
        """Repeat or not, after an attempt in which the vendor failed `tries` times of `tried`."""
        outcome = call.outcome
        if not worth_repeating(call, error, self.on):
            if call.attempt == 1 or outcome.verdict is Verdict.REFUSED:
                return Choice(None, "", "")  # nothing to tell, or told by whoever refused
            return Choice(None, "gave_up", f"{outcome.reason} can't be mended by repeating")
        if tried + tries > self.attempts:  # the next attempt is likely to cost as many
            if self.attempts == 1:
                return Choice(None, "", "")
            inner = tried - call.attempt
            own = f", {inner} of them made below @retry" if inner > 0 else ""
            why = f"gave up after {tried} tries{own} ({outcome.reason})"
            return Choice(None, "gave_up", why)
        if not self._is_safe(call, outcome):
            return Choice(
                None,
                "retry_refused",
                f"not repeated after {outcome.reason}: the request may have had its effect "
                "(idempotent=True if it can't hurt)",
            )
        asked = outcome.retry_after
        if asked is not None and asked > self.max_wait:
            return Choice(
                None,
                "retry_refused",
                f"not repeated after {outcome.reason}: the next attempt is due in {asked:.3g} s, "
                f"more than max_wait={self.max_wait:g}",
            )
        pause = jittered(waits.next(error), asked)
        left = call.time_left()
        if left is not None and pause >= left:
            return Choice(
                None,
                "retry_refused",
                f"not repeated after {outcome.reason}: the next attempt is due in {pause:.3g} s, "
                f"and {max(left, 0.0):.3g} s are left",
            )
        if self.observes(call):
            why = f"would wait {pause:.3g} s and repeat after {outcome.reason}"
            return Choice(None, "would_retry", why)
        if self.budget is not None and not self.budget.take():
            known = f"retries are {self.budget.share:.0%} of recent calls already"
            if self.budget.is_cut_off:
                known = "the store of the retry budget can't be reached"
            return Choice(None, "retry_refused", f"not repeated after {outcome.reason}: {known}")
        why = f"try {tried} of {self.attempts} failed ({outcome.reason}), waits {pause:.3g} s"
        return Choice(pause, "retry", why)

    def _is_safe(self, call: Call, outcome: Outcome) -> bool:
        """Can the vendor bear to get this attempt's requests twice?"""
        if self.idempotent:
            return True
        if not call.attempt_exchanges():
            # Nothing was seen of what it sent: only a refusal, or the user, says that it had no
            # effect; of a passing fault the function's author is trusted to know.
            if outcome.verdict is Verdict.BROKEN:
                return self.idempotent is None and isinstance(call.judged, self.on)
            was_turned_away = outcome.verdict in (Verdict.THROTTLED, Verdict.REFUSED)
            return was_turned_away or self.idempotent is None
        return is_repeatable(call) if self.idempotent is None else had_no_effect(call)


class _Pace:
    """The waits of one call, in order. A generator that ends or fails leaves its last one."""

    __slots__ = ("_first", "_generator", "_last", "_longest")

    def __init__(self, waits: Waits, longest: float) -> None:
        self._generator = waits()
        # backoff's generators give None first, to be sent to; a plain one gives its first wait.
        self._first: float | None = next(self._generator, None)
        self._last = 1.0
        self._longest = longest

    def next(self, error: Exception | None) -> float:
        """Seconds, from 0 to the longest."""
        first, self._first = self._first, None
        try:
            wait = float(self._generator.send(error) if first is None else first)
        except Exception:  # the vendor's error is worth more to the caller than this one
            return self._last
        if wait == wait:  # no NaN
            self._last = min(max(0.0, wait), self._longest)
        return self._last


def _waits(wait: object) -> Waits:
    """A maker of generators of seconds, backoff's or plain ones."""
    if isinstance(wait, (int, float, timedelta)) and not isinstance(wait, bool):
        seconds = options.seconds(wait, "retry(wait)", zero=True)
        return lambda: backoff.constant(seconds)  # type: ignore[arg-type]  # it says int, takes float
    if isinstance(wait, (list, tuple)):
        times = [options.seconds(one, "retry(wait)", zero=True) for one in wait]
        if not times:
            raise ConfigurationError("retry(wait=()): give at least one time in seconds.")
        return lambda: backoff.constant(_then(times))
    if callable(wait) and not isinstance(wait, type):
        name = getattr(wait, "__name__", None) or repr(wait)
        try:
            value = next(wait())
        except Exception as error:
            raise ConfigurationError(
                f"retry(wait={name}): use a wait generator of backoff, such as backoff.expo, or "
                f"seconds ({type(error).__name__}: {error})."
            ) from None
        # None: a generator of backoff, which gives waits for what is sent to it.
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ConfigurationError(f"retry(wait={name}) gave {value!r}: it must give seconds.")
        return wait
    raise ConfigurationError(
        f"retry(wait={wait!r}): use backoff.expo, backoff.fibo, seconds, or a list of seconds."
    )


def _then(times: list[float]) -> Iterable[float]:
    yield from times
    while True:
        yield times[-1]


@overload
def retry(function: Callable[P, R], /) -> Decorated[P, R]: ...


@overload
def retry(
    attempts: int = 3,
    *,
    wait: Waits | Seconds | Sequence[float] = backoff.expo,
    max_wait: Seconds = 60,
    on: type[Exception] | Sequence[type[Exception]] | None = None,
    budget: float | None = 0.2,
    idempotent: bool | None = None,
    mode: str = "enforce",
    store: Store | None = None,
    name: str | None = None,
    on_store_error: str = "local",
) -> Retry: ...


def retry(*given: Any, **chosen: Any) -> Any:
    """Repeat calls that failed in transit, or that the vendor asked to come later.

    Never repeated: the caller's mistakes, refusals of our own (but a quota's whose wait fits), and
    requests that may have had their effect (POST or PATCH without an Idempotency-Key, timed out
    or answered with a server error).

    attempts: tries that the vendor may see in all (3), those of an SDK's own retries included;
        1 means no retry.
    wait: seconds before each retry: a wait generator of backoff (`backoff.expo`: 1, 2, 4 …) or of
        your own, a number, or a list; the last value repeats. Full jitter picks a time between 0
        and that.
        A vendor's Retry-After is a floor: jitter is only added to it.
    max_wait: the longest of these waits in seconds (60); a vendor that asks for more gets no retry.
    on: exceptions to repeat as well. A mistake (a 404, a TypeError) is repeated only if its class
        stands here; Exception does not stand for it.
    budget: retries stay under this share of the recent calls (0.2), over all functions that share
        the policy; the first 10 in a minute are free. None: no bound.
    idempotent: True says that repeating can't hurt; False that nothing may be repeated which the
        vendor did not turn away; None (default) goes by the HTTP method.
    mode: "observe" repeats nothing and records what it would have repeated.
    store: makes the budget one of all workers, under `name`: a URL (`sqlite:///path`,
        `redis://host`), a store of `open_state`, or "local" for none; None (default) is the store
        of `resilient.configure`, if there is one. No call asks the store: counts go there and come
        back about every 0.1 s.
    on_store_error: while the store is down, "local" (default) goes by this worker's own calls,
        "refuse" repeats nothing.

    The last error is raised unchanged, with the story of its attempts as a note.
    """
    return policy_or_decorated(Retry, "retry", given, chosen)
