"""A quota that workers share: a store counts its slots, and each worker uses some it was given.

What one worker knows decides first, as in any quota: rates, pauses, the vendor's word, the line.
Then a call needs a slot that the store has given. Who finds none asks for as many as the calls of
the next moment will need; what is over, unused or told by the vendor goes with the next question,
or with a step in the background. So most calls ask nobody.

No moment of the store's is known, only durations: a slot that is free in 0.3 s is used 0.3 s after
the answer came, and what is held is given up sooner than the store takes it back.
"""

from __future__ import annotations

from collections.abc import Sequence

from resilient.admission.account import Account, Question
from resilient.admission.answer import Answer, News
from resilient.admission.bucket import Bucket
from resilient.admission.buckets import Buckets
from resilient.admission.demand import AHEAD, SOONEST
from resilient.admission.outage import LOOK
from resilient.admission.permit import Permit
from resilient.admission.quota import Quota
from resilient.admission.rates import Rate
from resilient.admission.telling import told_of
from resilient.admission.words import answer_in, key_of
from resilient.call import listeners
from resilient.sharing.shapes import Ask, Grant
from resilient.sharing.shared import SharedState
from resilient.timing import clock

AGAIN = 1.0
"""Seconds after which a caller who was refused for the store's sake may come back."""

LOOK_FOR_LOSS = 2.0
"""Seconds after which one in a process looks whether the store has forgotten everything: sooner
than workers who know that use more than their share."""

_TRIES = 8
"""How often one look asks, while others are faster to take what was given."""

_PATIENCE = 5.0
"""Seconds that one thread waits for another one's answer, which comes sooner by its own bound."""


class StoreOutOfReach(Exception):
    """Nobody can tell whether there is a slot."""


class SharedQuota(Quota):
    """See Quota, whose `_lock` guards the account, too. No lock is held while the store is asked,
    and one thread asks at a time.

    name: what it is called in the store; None until it is known. refuses: are calls refused without
    the store? Otherwise each worker goes on with its share of the rates.
    """

    __slots__ = ("__weakref__", "_account", "_is_met", "_losses", "_refuses", "_state", "name")

    def __init__(
        self,
        rates: Sequence[Rate],
        max_waiting: int,
        state: SharedState,
        *,
        name: str | None = None,
        refuses: bool = False,
        reserve: float = 0.0,
        spread: bool = False,
        careful: bool = False,
    ) -> None:
        super().__init__(
            rates,
            max_waiting,
            simple=False,
            reserve=reserve,
            spread=spread,
            careful=careful,
            buckets=Buckets(shared=True),
        )
        self.name = name
        self._state = state
        self._refuses = refuses
        self._account = Account(self.logs, state.worker)
        self._is_met = False
        self._losses = state.losses

    @property
    def is_idle(self) -> bool:
        return super().is_idle and self._account.is_settled

    # Taking and giving.

    def take(self, permit: Permit, now: float) -> float:
        """See Quota. It may ask the store, and wait for its answer.

        Raises: StoreOutOfReach.
        """
        account = self._account
        is_out = False
        for _ in range(_TRIES):
            with self._lock:
                buckets = self.buckets.of(permit.who)
                wait = self._lacks_locked(permit, buckets, now)
                if wait:
                    return wait
                goes_on = is_out and account.outage.is_on
                lacks = 0.0 if goes_on else self._lacks_slots_locked(permit, now)
                if lacks == 0:
                    account.use(permit)
                    return self._take_locked(permit, buckets, now)
                question, others = None, account.asking
                if lacks is not None:
                    # Whoever waits for a slot that is held keeps it alive.
                    fades_in = account.fades_in(now) if account.leases.slots else lacks
                    if fades_in > 0 or others is not None:
                        return min(lacks, max(fades_in, SOONEST))
                    question = self._question_locked(None, now)
                elif others is None:
                    question = self._question_locked(permit, now)
                else:
                    account.demand.wanted += permit.cost
            if question is not None:
                is_out = not self._ask(question)
            elif others is not None:
                try:
                    others.wait(_PATIENCE)
                finally:
                    with self._lock:
                        account.demand.wanted -= permit.cost
            now = clock.monotonic()
        return SOONEST

    def take_at_hand(self, permit: Permit, now: float) -> bool:
        """Take one slot that this worker has been given, if nothing else has to be looked at."""
        with self._lock:
            account = self._account
            if (
                self.guarded_until > now
                or account.leases.lacks(1, now) != 0
                or account.outage.caps(now)
                or any(log.lacks(1, now) for log in self.logs)
            ):
                return False
            for log in self.logs:
                log.take_some(1, now)
            account.use(permit)
            return True

    def give(self, permit: Permit) -> None:
        now = clock.monotonic()
        with self._lock:
            self._account.give(permit, now)
        super().give(permit)

    def hand_over(self, permit: Permit, heir: Permit) -> None:
        with self._lock:
            heir.leases += permit.leases
            permit.leases = ()
        super().hand_over(permit, heir)

    def at_least(self, permit: Permit, now: float) -> float:
        place = self.line.in_front(self.group_of(permit.who), urgent=permit.urgent)
        wait = super().at_least(permit, now)
        with self._lock:
            account = self._account
            slots = account.leases.slots
            last = place + permit.cost
            if last <= len(slots):
                return max(wait, slots[last - 1] - now)
            return wait if account.outage.is_on else max(wait, account.demand.at_least(permit, now))

    def is_in_store_of(self, other: SharedQuota) -> bool:
        """Does the same store count what goes by the other one?"""
        return self._state is other._state

    def note_spent(self, moments: Sequence[float]) -> None:
        """Tell the store of requests that it has not counted: when they were over (monotonic)."""
        with self._lock:
            for moment in moments:
                self._account.spent.add(moment)

    def go_on_for(self, old: SharedQuota) -> None:
        """Take the place of one in the same store, which has counted what it was told."""
        with old._lock:
            untold, workers = old._account.hand_over(clock.monotonic())
        with self._lock:
            self._account.workers = max(self._account.workers, workers)
        self.note_spent(untold)

    def renew_in_child(self) -> None:
        super().renew_in_child()
        self._account.renew_in_child(self._state.worker)

    # What the vendor tells.

    def hear(self, permit: Permit | None, answer: Answer) -> list[News]:
        news = super().hear(permit, answer)
        is_pressing = answer.refused or bool(answer.wait)
        if answer.windows or is_pressing:
            with self._lock:
                self._account.words.note(answer)
                self._account.is_pressing |= is_pressing
            self._keep_in_step()
        if is_pressing:
            self._state.hurry(self)
        return news

    # Asking the store, without a lock.

    def step(self) -> None:
        """Tell the store what is new, and hear what others have told; see SharedState.in_step."""
        now = clock.monotonic()
        with self._lock:
            account = self._account
            has_business = account.has_business(len(self.line.waiting), now)
            if self._state.is_ending and account.asking is None:
                account.leases.give_up_surplus(0)
                has_business = not account.is_settled
            if not (has_business or self._looks_for_loss_locked(now)):
                self._rest_locked()
                return
            question = self._question_locked(None, now)
        self._ask(question)

    def _ask(self, question: Question) -> bool:
        """Ask, and heed what comes of it; False if nobody answered.

        Raises: StoreOutOfReach, if it was asked for a permit that needs an answer.
        """
        grant = None
        heard: list[tuple[News, Answer]] = []
        losses = self._state.losses
        try:
            self._keep_in_step()
            grant = self._state.trade(question.ask)
        finally:
            try:
                heard = self._heed(question, grant, losses)
            finally:
                with self._lock:
                    self._account.asking = None
                question.over.set()
        if self.line.waiting:
            self.line.wake()
        for news, answer in heard:
            kind, text, facts = told_of(news, answer._replace(why="another worker"), observes=False)
            listeners.announce(kind, str(self.name), text, **facts)
        if grant is None and self._refuses and question.permit is not None:
            raise StoreOutOfReach
        return grant is not None

    def _heed(
        self, question: Question, grant: Grant | None, losses: int
    ) -> list[tuple[News, Answer]]:
        """Take what was given, before anybody asks again; what is new for people."""
        now = clock.monotonic()
        if grant is None:
            with self._lock:
                self._account.fail(question, now)
            return []
        with self._lock:
            known = self._account.born
            until = self._account.heed(question, grant, now)
            is_lost = known not in ("", grant.born)
            heard = []
            if self._pause_locked(until, now):
                heard = [(News("paused", until - now), Answer("", "", now, now, True, None))]
            self._guard_locked()
        self._state.looked_at = now
        if is_lost:
            self._state.note_loss(losses)
            losses = self._state.losses
        self._losses = losses
        for word in grant.words:
            answer = answer_in(word, self._account.me, now)
            if answer is not None:
                heard += [(news, answer) for news in super().hear(None, answer)]
        return heard

    def _keep_in_step(self) -> None:
        if not self._is_met:
            self._is_met = True
            self._state.in_step(self, self._account.every)

    # All below with the lock held.

    def _rest_locked(self) -> None:
        """Step slowly until the next question: of many keys, few are in use at a time."""
        if self._is_met and self._account.is_at_rest:
            self._is_met = False
            self._state.in_step(self, LOOK_FOR_LOSS)

    def _looks_for_loss_locked(self, now: float) -> bool:
        """Does somebody have to look whether the store still knows what this worker has done?

        Else others would be given the same again, once the store is emptied or started anew.
        """
        account = self._account
        if account.asking is not None or not account.born or account.outage.is_on:
            return False
        is_news = self._losses != self._state.losses
        if not is_news and now - max(account.asked, self._state.looked_at) < LOOK_FOR_LOSS:
            return False
        return not all(log.is_idle(now) for log in self.logs)

    def _lacks_slots_locked(self, permit: Permit, now: float) -> float | None:
        """Seconds until there are slots for a permit; None if only the store can tell."""
        account = self._account
        if account.outage.is_on:
            return 0.0 if self._state.is_down and not self._refuses else None
        if not account.born:
            return None  # what was told before this worker began?
        if not self.logs and not self.buckets.keys_of(permit.who, now):
            return 0.0  # nothing bounds what all workers may send together
        lacks = account.leases.lacks(permit.cost, now)
        return account.demand.pause(permit, now) or None if lacks is None else lacks

    def _lacks_of_logs_locked(self, permit: Permit, now: float) -> float:
        wait = super()._lacks_of_logs_locked(permit, now)
        # Nobody gives anything back when a cap is lifted.
        return min(wait, LOOK) if self._account.outage.caps(now) else wait

    def _kept_locked(self, permit: Permit, rate: Rate) -> int:
        kept = super()._kept_locked(permit, rate)
        most = self._account.most_of(rate, permit.cost, clock.monotonic())
        return kept if most is None else max(kept, rate.calls - most)

    def _interval_locked(self, buckets: list[Bucket], now: float) -> float:
        interval = super()._interval_locked(buckets, now)
        # What was cut after refusals was cut for each worker.
        is_shared = self._spread and self.cubic is None
        return interval * self._account.workers if is_shared else interval

    def _question_locked(self, permit: Permit | None, now: float) -> Question:
        account = self._account
        question = account.question(
            str(self.name), self._state.worker, permit, self.paused_until, now
        )
        if permit is None or account.outage.is_on:
            return question
        return question._replace(ask=self._wanting_locked(question.ask, permit, now))

    def _wanting_locked(self, ask: Ask, permit: Permit, now: float) -> Ask:
        demand = self._account.demand
        ahead = demand.ahead(permit.cost, now)
        if self._spread or self._reserve or self._is_tight_locked(permit.who, now):
            ahead = 0
        if ahead:
            ahead = min(ahead, max(demand.wanted, self._most_ahead_locked()))
        return ask._replace(
            want=permit.cost - len(self._account.leases.slots) + ahead,
            whole=permit.cost > 1,
            kept=[super(SharedQuota, self)._kept_locked(permit, log.rate) for log in self.logs],
            within=max(0.0, permit.until - now),
            spends=[key_of(key) for key in self.buckets.keys_of(permit.who, now)],
        )

    def _most_ahead_locked(self) -> int:
        """How many slots may be held ahead: of few that are left, or come anew, only few.

        What is leased is refused to others meanwhile.
        """
        few = 4 * self._account.workers
        shares = (
            max(log.free // few, int(log.rate.calls / log.rate.period * AHEAD)) for log in self.logs
        )
        return min(shares, default=0)

    def _is_tight_locked(self, who: str, now: float) -> bool:
        """May so little be left of the vendor's quota that each request has to be counted?"""
        leases = self._account.leases
        mine = 1 + max(leases.running, self._ramp.under_way) + len(leases.slots)
        return any(
            bucket.due > now and bucket.left <= 2 * self._account.workers * mine
            for bucket in self.buckets.of(who)
        )
