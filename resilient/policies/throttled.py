"""@throttled: stay within a vendor's quota, and stop when the vendor says stop.

Who may go now is `admission`'s to say. Here calls wait for it, hand their admission on to the
requests they send, and learn from the vendor's answers.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar, overload

from resilient import options
from resilient.admission import Quota, Rate, parse_rate
from resilient.call import FINE, Call, Exchange, Gate, Target, Verdict
from resilient.errors import ConfigurationError, RateLimited
from resilient.http.ratelimit import asked_pause
from resilient.options import Seconds
from resilient.pipeline import Decorated, Handler, Policy, policy_or_decorated
from resilient.timing import clock
from resilient.verdict import judge_error
from resilient.waiting import NOTEWORTHY, ROUNDING

P = ParamSpec("P")
R = TypeVar("R")


class Throttled(Policy, Gate):
    """See `throttled`. `_quotas_lock` guards `_quotas` and the quotas' `users`."""

    kind = "throttled"
    rank = 5

    def __init__(
        self,
        *rates: str,
        calls: int | None = None,
        period: Seconds | None = None,
        max_wait: Seconds = 60,
        max_waiting: int = 1000,
        key: Callable[..., Hashable] | None = None,
        max_keys: int = 1024,
        cost: int | Callable[..., int] = 1,
        adaptive: bool = True,
        per: str = "request",
        mode: str = "enforce",
    ) -> None:
        self.rates = _rates(rates, calls, period)
        self.max_wait = options.seconds(max_wait, "throttled(max_wait)", zero=True)
        self.max_waiting = options.whole(max_waiting, "throttled(max_waiting)")
        self.max_keys = options.whole(max_keys, "throttled(max_keys)")
        self.adaptive = options.flag(adaptive, "throttled(adaptive)")
        self.per = options.choice(per, "throttled(per)", ("request", "call"))
        self.mode = options.choice(mode, "throttled(mode)", ("enforce", "observe"))
        self.cost: int | Callable[..., int] = (
            options.function(cost, "throttled(cost)") or 1
            if callable(cost)
            else options.whole(cost, "throttled(cost)")
        )
        self._key = options.function(key, "throttled(key)")
        self._largest = min((rate.calls for rate in self.rates), default=None)
        if isinstance(self.cost, int) and self.cost > (self._largest or self.cost):
            raise ConfigurationError(
                f"throttled(cost={cost}): the rate admits only {self._largest}, so no call would "
                "ever pass; use a lower cost or a higher rate."
            )
        self._quota = self._new_quota()
        self._quotas: OrderedDict[Hashable, Quota] = OrderedDict()
        self._quotas_lock = threading.Lock()
        # What a call that took one slot and gave it back holds of this throttle, for all such.
        over = _Admission(self._quota, 1)
        over.is_over = True
        self._over: Mapping[Gate, Any] = {self: over}

    def renew_in_child(self) -> None:
        for quota in (self._quota, *self._quotas.values()):
            quota.renew_in_child()

    def settings(self) -> Mapping[str, object]:
        shown: dict[str, object] = {"rates": [str(rate) for rate in self.rates] or "the vendor's"}
        shown |= {"max_wait": self.max_wait, "adaptive": self.adaptive, "per": self.per}
        if self._key is not None:
            shown["key"] = self._key
        if self.cost != 1:
            shown["cost"] = self.cost
        return shown

    @property
    def waiting(self) -> int:
        """How many calls wait now, over all keys."""
        with self._quotas_lock:
            quotas = [self._quota, *self._quotas.values()]
        return sum(len(quota.line.waiting) for quota in quotas)

    def bind(self, proceed: Handler, target: Target) -> Handler:
        if self.per == "request":
            if self in target.gates:  # it stands there twice: each request needs it once
                return proceed
            target.gates = (*target.gates, self)

        def handler(call: Call) -> Any:
            quota = self._hold_quota(call)
            try:
                return self._run(quota, call, proceed)
            finally:
                self._let_go(quota)

        return self._bind_simple(proceed, handler) if self._quota.is_simple else handler

    def _bind_simple(self, proceed: Handler, otherwise: Handler) -> Handler:
        """The same for one slot of one rate, while there is room: one frame instead of five."""
        quota = self._quota
        waiting = quota.line.waiting
        (log,) = quota.logs
        take, give, period = log.take, log.give, log.rate.period
        over = self._over

        def handler(call: Call) -> Any:
            started = call.started
            if (
                waiting
                or call.admissions is not None
                or call.parent is not None
                or quota.paused_until > started
                # The call's start may be too early to see a free slot: `otherwise` looks again.
                or take(started)
            ):
                return otherwise(call)
            try:
                result = proceed(call)
            except Exception as error:
                judge_error(call, error)
                self._learn(quota, call)
                raise
            else:
                if call.exchanges or call.outcome is not FINE:
                    self._learn(quota, call)
                return result
            finally:
                # After the pause that the answer asked for, or a waiting call would slip through.
                if call.admissions is None:
                    call.admissions = over
                    give(clock.monotonic() + period)
                    if waiting:
                        quota.line.wake()
                else:
                    self._leave(call)

        return handler

    def _run(self, quota: Quota, call: Call, proceed: Handler) -> Any:
        admission = _Admission(quota, self._cost_of(call))
        with _moving:
            call.admissions = {**(call.admissions or {}), self: admission}
            call.admitted_from = len(call.exchanges)
        try:
            admission.is_held = self._inherits(call, admission) or self._enter(call, admission)
            try:
                result = proceed(call)
            except Exception as error:
                judge_error(call, error)
                self._learn(quota, call)
                raise
            if call.exchanges or call.outcome is not FINE:
                self._learn(quota, call)
            return result
        finally:
            self._leave(call)

    def next_request(self, call: Call) -> None:
        """One more request of a running call: the one before is done, this one needs its own.

        The call's own threads may be here at the same time. Whatever they do, a call holds one
        admission at most, and gives each back once.
        """
        with _moving:
            admission = self._admission_locked(call)
            was_held, admission.is_held = admission.is_held, False
        quota, cost = admission.quota, admission.cost
        if call.exchanges:
            self._pause_for(call.exchanges[-1], quota, call)
        if was_held:
            quota.give(cost)
        if not self._enter(call, admission):
            return
        with _moving:
            keeps = not (admission.is_over or admission.is_held)
            admission.is_held = keeps or admission.is_held
        if not keeps:
            quota.give(cost)

    def _inherits(self, call: Call, admission: _Admission) -> bool:
        """Take over what the calls around this one hold and don't need while they wait for it.

        Otherwise a function that calls another one of the same vendor would wait for itself. The
        first request of the call around may be this call's; a request that it has sent is done.
        """
        inherited = False
        around = call.parent
        while around is not None:
            if self in around.target.gates:
                with _moving:
                    other = self._admission_locked(around)
                    if other.is_held and other.quota is admission.quota:
                        other.is_held = False
                        is_unspent = around.spend_admission()
                        is_left = not inherited and is_unspent and other.cost == admission.cost
                        inherited = inherited or is_left
                        gives = not is_left
                    else:
                        gives = False
                if gives:
                    other.quota.give(other.cost)
            around = around.parent
        if inherited and admission.quota.paused_until > clock.monotonic():
            admission.quota.give(admission.cost)
            return False
        return inherited

    def _admission_locked(self, call: Call) -> _Admission:
        """What `call` holds of this throttle; the caller holds `_moving`."""
        known = call.admissions or {}
        admission: _Admission | None = known.get(self)
        if admission is None:
            # Only calls that took one slot of the one quota are without.
            admission = _Admission(self._quota, 1)
            admission.is_held = True
            call.admissions = {**known, self: admission}
        return admission

    def _leave(self, call: Call) -> None:
        """Give back what the call holds, once."""
        with _moving:
            admission = self._admission_locked(call)
            was_held, admission.is_held = admission.is_held, False
            admission.is_over = True
        if was_held:
            admission.quota.give(admission.cost)

    def _enter(self, call: Call, admission: _Admission) -> bool:
        """Get slots, waiting for them; False if there are none and this only observes."""
        quota, cost = admission.quota, admission.cost
        since = clock.monotonic()
        # Nobody overtakes those in line.
        if not quota.line.waiting and not quota.take(cost, since):
            return True
        # A slot that this thread has just looked at may be what the first in line has missed.
        quota.line.wake()
        needed = quota.at_least(cost, since)
        if self.observes(call):
            call.report("would_throttle", f"would wait {needed:.3g} s for {quota}")
            return False
        left = call.time_left()
        longest = self.max_wait if left is None else min(self.max_wait, max(0.0, left))
        if needed <= longest + ROUNDING and quota.line.wait(
            lambda now: quota.take(cost, now), longest
        ):
            self._tell_of_wait(call, admission, since)
            return True
        raise self._refusal(call, admission, longest)

    def _tell_of_wait(self, call: Call, admission: _Admission, since: float) -> None:
        waited = clock.monotonic() - since
        if waited < NOTEWORTHY:
            return
        try:
            call.report("throttled", f"waited {waited:.3g} s for {admission.quota}", waited=waited)
        except BaseException:  # Ctrl-C, while somebody writes it to a log
            admission.quota.give(admission.cost)
            raise

    def _refusal(self, call: Call, admission: _Admission, longest: float) -> RateLimited:
        quota = admission.quota
        needed = quota.at_least(admission.cost, clock.monotonic())
        in_line = len(quota.line.waiting)
        if in_line >= self.max_waiting:
            bound = f"{in_line} calls wait already, as many as max_waiting= allows"
        elif longest < self.max_wait:
            bound = f"the deadline leaves {longest:.3g} s, {in_line} calls wait"
        else:
            bound = f"max_wait is {longest:.3g} s, {in_line} calls wait"
        call.report("rate_limited", f"refused: {quota} has no room for {needed:.3g} s more")
        return RateLimited(
            f"{call.target.label}: {quota} has no room for {needed:.3g} s more ({bound}). Raise "
            "max_wait=, add @fallback, or come back after exc.retry_after seconds.",
            label=call.target.label,
            retry_after=needed,
        )

    def _learn(self, quota: Quota, call: Call) -> None:
        """Pause everybody if the newest answer said that the quota is gone."""
        sent = call.attempt_exchanges()
        outcome = call.outcome
        if outcome.retry_after and outcome.verdict not in (Verdict.REFUSED, Verdict.MISTAKE):
            asked = (outcome.retry_after, f"the vendor answered {outcome.reason} and asked for it")
            self._pause(asked, sent[-1] if sent else None, quota, call)
        elif sent:
            self._pause_for(sent[-1], quota, call)

    def _pause_for(self, exchange: Exchange, quota: Quota, call: Call) -> None:
        if exchange.status is None or exchange.headers is None:
            return
        asked = asked_pause(exchange.status, exchange.headers)
        if asked is not None:
            self._pause(asked, exchange, quota, call)

    def _pause(
        self, asked: tuple[float, str], exchange: Exchange | None, quota: Quota, call: Call
    ) -> None:
        if not self.adaptive:
            return
        seconds, why = asked
        if exchange is not None and exchange.elapsed is not None:
            # It counts from the answer, which may be a while ago.
            seconds -= clock.monotonic() - (exchange.started + exchange.elapsed)
        if seconds <= 0:
            return
        if self.observes(call):
            call.report("would_pause", f"would pause everybody for {seconds:.3g} s: {why}")
        elif quota.pause(seconds):
            call.report("paused", f"pauses everybody for {seconds:.3g} s: {why}", pause=seconds)

    def _cost_of(self, call: Call) -> int:
        if isinstance(self.cost, int):
            return self.cost
        cost = options.whole(self.cost(*call.args, **call.kwargs), "throttled(cost)")
        return min(cost, self._largest or cost)

    def _new_quota(self) -> Quota:
        is_simple = self._key is None and self.cost == 1
        return Quota(self.rates, self.max_waiting, simple=is_simple)

    def _hold_quota(self, call: Call) -> Quota:
        """The quota of this call, which is kept until the call lets go of it."""
        if self._key is None:
            return self._quota
        key = self._key(*call.args, **call.kwargs)
        with self._quotas_lock:
            quota = self._quotas.get(key)
            if quota is None:
                quota = self._quotas[key] = self._new_quota()
            quota.users += 1
            self._quotas.move_to_end(key)
            self._forget_idle_locked()
        return quota

    def _let_go(self, quota: Quota) -> None:
        if self._key is not None:
            with self._quotas_lock:
                quota.users -= 1

    def _forget_idle_locked(self) -> None:
        """Keep at most `max_keys`, the oldest idle ones going first; busy ones stay."""
        surplus = len(self._quotas) - self.max_keys
        if surplus <= 0:
            return
        # A look at a few of the oldest bounds the work of one call.
        for key in list(itertools.islice(self._quotas, surplus + 8)):
            if surplus > 0 and self._quotas[key].is_idle:
                del self._quotas[key]
                surplus -= 1


class _Admission:
    """What became of a call's admission. `_moving` guards it.

    is_held: the call has slots to give back. is_over: it has ended; whoever of its threads still
    sends a request gives its slots back at once.
    """

    __slots__ = ("cost", "is_held", "is_over", "quota")

    def __init__(self, quota: Quota, cost: int) -> None:
        self.quota = quota
        self.cost = cost
        self.is_held = False
        self.is_over = False


_moving = threading.Lock()
"""Guards what calls hold, while that changes hands."""


def _rates(texts: Sequence[object], calls: object, period: Seconds | None) -> tuple[Rate, ...]:
    rates = [parse_rate(text) for text in texts]
    if calls is not None or period is not None:
        if calls is None or period is None:
            raise ConfigurationError(
                'throttled(calls=…, period=…): give both, or write the rate as "15/min".'
            )
        most = options.whole(calls, "throttled(calls)")
        if most > sys.maxsize:
            raise ConfigurationError(f"throttled(calls={most}): use {sys.maxsize} or less.")
        rates.append(Rate(most, options.seconds(period, "throttled(period)")))
    return tuple(rates)


@overload
def throttled(function: Callable[P, R], /) -> Decorated[P, R]: ...


@overload
def throttled(
    *rates: str,
    calls: int | None = None,
    period: Seconds | None = None,
    max_wait: Seconds = 60,
    max_waiting: int = 1000,
    key: Callable[..., Hashable] | None = None,
    max_keys: int = 1024,
    cost: int | Callable[..., int] = 1,
    adaptive: bool = True,
    per: str = "request",
    mode: str = "enforce",
) -> Throttled: ...


def throttled(*given: Any, **chosen: Any) -> Any:
    """Stay within a vendor's quota; waiting is fair, first come first served.

    rates: "10/s", "5000/hour", "15 per 15 minutes", one or several; none means that only what the
        vendor says counts.
    calls, period: the same as ratelimit spells it; period in seconds.
    max_wait: seconds one call may wait (60), shortened by the deadline; 0 never waits.
    max_waiting: how many calls may wait at once (1000); one more is refused.
    key: a function of the call's arguments; each of its values has a quota of its own.
    max_keys: quotas kept (1024); idle ones go first.
    cost: how many calls of the quota one call takes, or a function of its arguments giving that;
        what is more than a rate takes all of it.
    adaptive: let Retry-After and used-up quota headers pause every caller (True).
    per: "request" makes each HTTP request of a call wait for its own admission, since vendors count
        those, and a call inside another one of the same throttle spends what that one holds.
        "call" counts function calls, each for as long as it runs.
    mode: "observe" never waits or refuses, and records what it would have done.

    Raises: RateLimited, a ratelimit.RateLimitException, with `retry_after` seconds.
    """
    return policy_or_decorated(Throttled, "throttled", given, chosen)
