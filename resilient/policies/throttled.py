"""@throttled: stay within a vendor's quota, and stop when the vendor says stop.

Who may go now is `admission`'s to say. Here calls wait for it, hand their permits on to the
requests they send, and let it hear the vendor's answers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar, overload

from resilient import options
from resilient.admission.answer import Answer
from resilient.admission.entering import Entrance
from resilient.admission.hearing import answer_of, answer_unseen, heard_of
from resilient.admission.holding import Holdings
from resilient.admission.inheriting import inherit, inherit_all
from resilient.admission.keyed import KeyedQuotas
from resilient.admission.permit import Permit
from resilient.admission.quota import Quota
from resilient.admission.rates import rates_of
from resilient.admission.shared_quota import SharedQuota
from resilient.admission.telling import ThrottleView, plain_view_of, told_of, view_of
from resilient.call import FINE, Call, Exchange, Gate, Target
from resilient.errors import ConfigurationError
from resilient.options import Seconds
from resilient.pipeline import Decorated, Handler, Policy, policy_or_decorated
from resilient.sharing.naming import SharedName, hashed
from resilient.sharing.opening import Store, state_for
from resilient.timing import clock
from resilient.verdict import judge_error

P = ParamSpec("P")
R = TypeVar("R")


class Throttled(Policy, Gate):
    """See `throttled`."""

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
        pace: str = "burst",
        reserve: float = 0.0,
        priority: Callable[..., object] | None = None,
        per: str = "request",
        mode: str = "enforce",
        store: Store | None = None,
        name: str | None = None,
        on_store_error: str = "local",
    ) -> None:
        self.rates = rates_of(rates, calls, period)
        self.max_wait = options.seconds(max_wait, "throttled(max_wait)", zero=True)
        self.max_waiting = options.whole(max_waiting, "throttled(max_waiting)")
        self.max_keys = options.whole(max_keys, "throttled(max_keys)")
        self.adaptive = options.flag(adaptive, "throttled(adaptive)")
        self.pace = options.choice(pace, "throttled(pace)", ("burst", "spread"))
        self.reserve = options.share(reserve, "throttled(reserve)", zero=True)
        self.per = options.choice(per, "throttled(per)", ("request", "call"))
        self.mode = options.choice(mode, "throttled(mode)", ("enforce", "observe"))
        self.cost: int | Callable[..., int] = (
            options.function(cost, "throttled(cost)") or 1
            if callable(cost)
            else options.whole(cost, "throttled(cost)")
        )
        self._key = options.function(key, "throttled(key)")
        self._priority = options.function(priority, "throttled(priority)")
        # Is one call like another?
        self._is_plain = key is None and self.cost == 1 and priority is None
        self._largest = min((rate.calls for rate in self.rates), default=None)
        if isinstance(self.cost, int) and self.cost > (self._largest or self.cost):
            raise ConfigurationError(
                f"throttled(cost={cost}): the rate admits only {self._largest}, so no call would "
                "ever pass; use a lower cost or a higher rate."
            )
        if not self.rates and not self.adaptive:
            raise ConfigurationError(
                "throttled(adaptive=False): without a rate nothing would ever wait; give one, such "
                'as "10/s", or leave adaptive= out.'
            )
        self._check_reserve()
        self.on_store_error = options.choice(
            on_store_error, "throttled(on_store_error)", ("local", "refuse")
        )
        self._state = state_for(store, "throttled(store)")
        self._follows_default = store is None
        self._name = SharedName("throttled", name)
        self._shared_as: str | None = None
        self._quota = self._new_quota()
        self._keyed = KeyedQuotas(self._new_quota, self.max_keys)
        self._holdings = Holdings(self, self._quota)
        self._entrance = Entrance(self.max_wait, self.max_waiting)

    def is_elsewhere(self, default: object) -> bool:
        return self._follows_default and self._state is not default

    def take_over(self, old: Throttled) -> None:
        self._name.take_over(old._name)
        inherit(self._quota, old._quota)
        inherit_all(self._keyed, old._keyed)

    def renew_in_child(self) -> None:
        for quota in self._all_quotas():
            quota.renew_in_child()

    def settings(self) -> Mapping[str, object]:
        shown: dict[str, object] = {"rates": [str(rate) for rate in self.rates] or "the vendor's"}
        shown |= {"max_wait": self.max_wait, "adaptive": self.adaptive, "per": self.per}
        if self._key is not None:
            shown["key"] = self._key
        if self.cost != 1:
            shown["cost"] = self.cost
        if self.pace != "burst":
            shown["pace"] = self.pace
        if self._priority is not None:
            shown |= {"priority": self._priority, "reserve": self.reserve}
        if self._state is not None:
            shown |= {"store": self._state.label, "on_store_error": self.on_store_error}
        return shown

    def bundled(self, service: str | None) -> None:
        self._name.bundle(service)

    @property
    def waiting(self) -> int:
        """How many calls wait now, over all keys."""
        return sum([len(quota.line.waiting) for quota in self._all_quotas()])

    def view_of(self, target: Target) -> ThrottleView:
        """What a function's throttle knows now; of several keys, the one with the least left."""
        return view_of(self._spent(), target.label, self.waiting)

    def figures(self, target: Target) -> Mapping[str, object]:
        return {"throttle": plain_view_of(self._spent(), target.label, self.waiting)}

    def _spent(self) -> Sequence[Quota]:
        """Those that callers spend."""
        return (self._key is not None and self._keyed.all()) or [self._quota]

    def bind(self, proceed: Handler, target: Target) -> Handler:
        if self not in target.gates:
            target.gates = (*target.gates, self)
        elif self.per == "request":  # it stands there twice: each request needs it once
            return proceed
        self._share_as(target)

        def handler(call: Call) -> Any:
            if self._key is None:
                return self._run(self._quota, call, proceed)
            quota = self._keyed.hold(self._key(*call.args, **call.kwargs))
            try:
                return self._run(quota, call, proceed)
            finally:
                self._keyed.let_go(quota)

        if target.http_cache is None and self._is_plain:
            if isinstance(self._quota, SharedQuota):
                return self._bind_leased(self._quota, proceed, handler, target)
            if self._quota.is_simple:
                return self._bind_simple(proceed, handler)
        return handler

    def _bind_simple(self, proceed: Handler, otherwise: Handler) -> Handler:
        """The same for one slot of one rate, while there is room: one frame instead of five."""
        quota = self._quota
        waiting = quota.line.waiting
        (log,) = quota.logs
        take, give, period = log.take, log.give, log.rate.period
        nothing = self._holdings.nothing

        def handler(call: Call) -> Any:
            started = call.started
            if (
                waiting
                or call.admissions is not None
                or call.parent is not None
                or quota.guarded_until > started
                # The call's start may be too early to see a free slot: `otherwise` looks again.
                or take(started)
            ):
                return otherwise(call)
            try:
                result = proceed(call)
            except Exception as error:
                judge_error(call, error)
                self._learn(call)
                raise
            else:
                if call.outcome is not FINE:
                    self._learn(call)
                return result
            finally:
                # After the pause that the answer asked for, or a waiting call would slip through.
                if call.admissions is None:
                    call.admissions = nothing
                    give(clock.monotonic() + period)
                    if waiting:
                        quota.line.wake()
                else:
                    self._leave(call)

        return handler

    def _bind_leased(
        self, quota: SharedQuota, proceed: Handler, otherwise: Handler, target: Target
    ) -> Handler:
        """The same for one slot of those that the store has given this worker already."""
        waiting, label = quota.line.waiting, target.label

        def handler(call: Call) -> Any:
            if waiting or call.admissions is not None or call.parent is not None:
                return otherwise(call)
            permit = Permit(quota, 1, label)
            self._holdings.begin(call, permit)
            try:
                permit.is_held = quota.take_at_hand(permit, clock.monotonic())
                return self._heed(call, proceed) if permit.is_held else otherwise(call)
            finally:
                self._leave(call)

        return handler

    def _run(self, quota: Quota, call: Call, proceed: Handler) -> Any:
        is_urgent = self._priority is not None and bool(self._priority(*call.args, **call.kwargs))
        permit = Permit(quota, self._cost_of(call), call.target.label, urgent=is_urgent)
        self._holdings.begin(call, permit)
        try:
            if self.per == "request" and call.target.http_cache is not None:
                call.admitted_from = -1  # what the cache answers needs no admission
            else:
                inherits = self.per == "request" and self._holdings.inherit(call, permit)
                permit.is_held = inherits or self._enter(call, permit)
            return self._heed(call, proceed)
        finally:
            self._leave(call)

    def _heed(self, call: Call, proceed: Handler) -> Any:
        """Go on, and learn from what comes of it."""
        try:
            result = proceed(call)
        except Exception as error:
            judge_error(call, error)
            self._learn(call)
            raise
        if call.outcome is not FINE:
            self._learn(call)
        return result

    def next_request(self, call: Call) -> None:
        """One more request of a running call: the one before is done, this one needs its own."""
        if self.per == "call":
            return
        permit = self._holdings.of(call)
        if self._holdings.take_back(call) is not None:
            permit.quota.give(permit)
        if self._enter(call, permit) and not self._holdings.keep(permit):
            permit.quota.give(permit)

    def answered(self, call: Call, exchange: Exchange) -> None:
        """Let the quota hear an answer, before anybody else sends a request."""
        if not self.adaptive:
            return
        permit = self._holdings.known(call)
        quota = permit.quota if permit is not None else self._quota
        answer = answer_of(call, exchange)
        if answer is not None:
            self._hear(quota, permit, call, answer)
        elif quota.listens:
            self._hear(quota, permit, call, heard_of(call, exchange))

    def _learn(self, call: Call) -> None:
        """Let the quota hear what only the outcome tells."""
        answer = answer_unseen(call) if self.adaptive else None
        if answer is not None:
            permit = self._holdings.known(call)
            quota = permit.quota if permit is not None else self._quota
            self._hear(quota, permit, call, answer)

    def _hear(self, quota: Quota, permit: Permit | None, call: Call, answer: Answer) -> None:
        for news in quota.hear(permit, answer):
            kind, text, facts = told_of(news, answer, observes=self.observes(call))
            call.report(kind, text, **facts)

    def _leave(self, call: Call) -> None:
        """Give back what the call holds, once."""
        permit = self._holdings.take_back(call, is_over=True)
        if permit is not None:
            permit.quota.give(permit)

    def _enter(self, call: Call, permit: Permit) -> bool:
        return self._entrance.enter(call, permit, observes=self.observes(call))

    def _check_reserve(self) -> None:
        if self.reserve and self._priority is None:
            raise ConfigurationError(
                f"throttled(reserve={self.reserve:g}): without priority= no call could use it; say "
                "which calls may, as a function of their arguments."
            )
        for rate in self.rates:
            if self.reserve and rate.calls * (1 - self.reserve) < 1:
                raise ConfigurationError(
                    f"throttled(reserve={self.reserve:g}): of {rate} nothing is left for calls "
                    "without priority; use a lower reserve or a higher rate."
                )

    def _cost_of(self, call: Call) -> int:
        if isinstance(self.cost, int):
            return self.cost
        cost = options.whole(self.cost(*call.args, **call.kwargs), "throttled(cost)")
        return min(cost, self._largest or cost)

    def _new_quota(self, key: Hashable = None) -> Quota:
        spread, careful = self.pace == "spread", self.adaptive and not self.rates
        if self._state is not None:
            return SharedQuota(
                self.rates,
                self.max_waiting,
                self._state,
                name=None if self._key is None else self._shared_name_of(key),
                refuses=self.on_store_error == "refuse",
                reserve=self.reserve,
                spread=spread,
                careful=careful,
            )
        return Quota(
            self.rates,
            self.max_waiting,
            simple=self._is_plain and not spread,
            reserve=self.reserve,
            spread=spread,
            careful=careful,
        )

    def _share_as(self, target: Target) -> None:
        """Settle what the quota is called in the store: the functions of one object share it."""
        self._name.decorates(target)
        if isinstance(self._quota, SharedQuota):
            self._shared_as = self._name.of(target)
            self._quota.name = self._quota.name or self._shared_as
            for key, quota in self._keyed.items():  # that were taken over
                if isinstance(quota, SharedQuota):
                    quota.name = quota.name or self._shared_name_of(key)

    def _shared_name_of(self, key: Hashable) -> str | None:
        return None if self._shared_as is None else f"{self._shared_as}:{hashed(key)}"

    def _all_quotas(self) -> list[Quota]:
        return [self._quota] if self._key is None else [self._quota, *self._keyed.all()]


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
    pace: str = "burst",
    reserve: float = 0.0,
    priority: Callable[..., object] | None = None,
    per: str = "request",
    mode: str = "enforce",
    store: Store | None = None,
    name: str | None = None,
    on_store_error: str = "local",
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
    adaptive: follow what the vendor's answers tell (True): Retry-After and used-up quotas pause
        every caller, what is left by the headers counts besides the rates, and refusals without a
        word slow everybody down.
    pace: "burst" lets calls go as long as there is room; "spread" spaces them evenly over the
        window, by what is left of it.
    reserve: share of each quota that only calls with priority may use (0).
    priority: a function of the call's arguments; where it is true, the call goes before those that
        wait without.
    per: "request" makes each HTTP request of a call wait for its own admission, since vendors count
        those, and a call inside another one of the same throttle spends what that one holds.
        "call" counts function calls, each for as long as it runs.
    mode: "observe" never waits or refuses, and records what it would have done.
    store: where all workers count together, so that twelve of them are one client to the vendor:
        "sqlite:///path" for the processes of a machine, "redis://host:6379/0" for several; what the
        vendor has told one of them holds for all. None: the default store, if one is configured;
        "local": this process counts alone.
    name: what is shared; None: the service that bundles it, else the function's own name. The same
        name in the same store is the same quota, and wants the same rates.
    on_store_error: without the store, "local" goes on with this worker's share of the rates, by as
        many workers as there were (at least one call each); "refuse" raises RateLimited.

    Raises: RateLimited, a ratelimit.RateLimitException, with `retry_after` seconds.
    """
    return policy_or_decorated(Throttled, "throttled", given, chosen)
