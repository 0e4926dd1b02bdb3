"""What one worker has with a store of shared state: slots that it holds, and news that it owes."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import NamedTuple

from resilient.admission.bucket import MAX_WAIT
from resilient.admission.demand import Demand
from resilient.admission.leases import Leases, Moments
from resilient.admission.log import AdmissionLog
from resilient.admission.outage import Outage
from resilient.admission.permit import Permit
from resilient.admission.rates import Rate
from resilient.admission.words import Words, pause_word
from resilient.sharing.shapes import Ages, Ask, Grant

_TRAVEL = 0.05
"""Seconds by which a pause may seem longer than it is to whoever hears of it over the network."""


class Question(NamedTuple):
    """What was asked, and what is to be done about it; times are monotonic.

    leases: of the holder that asks. permit: that it is for, None if it is for none. spent, words:
    what is told by it. paused_until: until when nobody is to send anything, as far as it tells.
    over: is set when the answer was heeded.
    """

    ask: Ask
    asked: float
    leases: Leases
    permit: Permit | None
    spent: Ages
    words: Words
    paused_until: float
    over: threading.Event


class Account:
    """Guarded by the lock of its quota; all times are monotonic.

    asking: is set when the question that is under way is answered, None if there is none. asked:
    when the newest one was put that was answered. lives: seconds for which the store takes this
    worker to be alive. me: who tells its words. workers: how many there are. born: the name of the
    store's state, "" before it was heard of.
    """

    __slots__ = (
        "_logs",
        "_longest",
        "_pause_told",
        "_rates",
        "_seen",
        "_shortest",
        "_was_used",
        "asked",
        "asking",
        "born",
        "demand",
        "every",
        "is_pressing",
        "leases",
        "lives",
        "me",
        "outage",
        "spent",
        "words",
        "workers",
    )

    def __init__(self, logs: Sequence[AdmissionLog], worker: str) -> None:
        rates = [log.rate for log in logs]
        self._logs = logs
        self._rates = tuple((rate.calls, rate.period) for rate in rates)
        self._shortest = min((rate.period for rate in rates), default=1.0)
        self._longest = max((rate.period for rate in rates), default=1.0)
        # Long enough for a busy machine, and short beside the window that a lost worker costs.
        self.lives = min(max(self._shortest / 10, 0.5), 5.0)
        # Seconds between two questions in the background.
        self.every = min(max(min(self.lives / 4, self._shortest / 8), 0.02), 0.25)
        self.begin(worker)

    def begin(self, worker: str) -> None:
        """Have nothing yet."""
        self.leases = self._new_leases(worker)
        self.me = self.leases.name
        self.spent = Moments(self._shortest / 1000, self._longest)
        self.words = Words()
        self.demand = Demand(self._shortest)
        self.outage = Outage()
        self.asking: threading.Event | None = None
        self.asked = -math.inf
        self.is_pressing = False
        self.workers = 1
        self.born = ""
        self._was_used = False
        self._pause_told = -math.inf
        self._seen = 0

    def renew_in_child(self, worker: str) -> None:
        """In a forked child: what the parent's calls hold is the parent's to give back."""
        self.leases.close()
        self.leases.lapses_at = math.inf
        workers = self.workers + 1
        self.begin(worker)
        # There are others, even if this one never reaches the store.
        self.workers = workers

    def hand_over(self, now: float) -> tuple[list[float], int]:
        """When requests were over that the store has not heard of, and how many workers there are,
        for who goes on: this one tells of them no more. What runs without the store is over now.
        """
        moments = [now - age for count, age in self.spent.take(now) for _ in range(count)]
        if self.outage.is_on:
            moments += [now] * self.leases.running
        return moments, self.workers

    @property
    def is_settled(self) -> bool:
        """Is there nothing that the store has to hear of?"""
        return not (self.leases.holds or self.spent or self.words)

    @property
    def is_at_rest(self) -> bool:
        """Is nothing under way that the store will have to hear of?"""
        return self.asking is None and self.is_settled and not self.outage.is_on

    # Slots.

    def fades_in(self, now: float) -> float:
        """Seconds until the store has to hear of this worker, for it to keep its slots."""
        return self.asked + self.lives / 2 - now

    def use(self, permit: Permit) -> None:
        """Use slots for a permit, if it needs them."""
        self.demand.took(permit.cost)
        self._was_used = True
        leases = self.leases
        if self.outage.is_on:
            leases.running += permit.cost
        elif len(leases.slots) >= permit.cost:
            leases.use(permit.cost)
        else:
            return
        permit.leases += (leases,)

    def give(self, permit: Permit, now: float) -> None:
        """A permit's request is done."""
        if not permit.leases:
            return
        leases, permit.leases = permit.leases[-1], permit.leases[:-1]
        leases.running -= permit.cost
        if leases.is_open:
            leases.done.add(now, permit.cost)
            self.demand.gave_back()
        elif now >= leases.lapses_at:
            self.spent.add(now, permit.cost)

    def most_of(self, rate: Rate, cost: int, now: float) -> int | None:
        """Slots that this worker may use of a rate; None if that is the store's to say."""
        if not self.outage.caps(now):
            return None
        return self.outage.most(rate, self.workers, cost, now)

    # Asking.

    def has_business(self, waiting: int, now: float) -> bool:
        """Is it time to ask, though no call needs to? waiting: calls that stand in line."""
        if self.asking is not None:
            return False
        if self.outage.is_on or self.is_pressing:
            return True
        if now - self.asked < self.every:
            return False
        self.leases.lacks(1, now)
        self.leases.give_up_surplus(waiting * self.demand.cost + self.demand.soon(now))
        return self._was_used or not self.is_settled

    def question(
        self, name: str, worker: str, permit: Permit | None, paused_until: float, now: float
    ) -> Question:
        """What is to be asked now: it tells all that is new, and wants nothing yet."""
        # A name that was given up is not used again.
        leases = self.leases if self.leases.is_open else self._new_leases(worker)
        words, self.words = self.words, Words()
        said = words.said(self.me, now)
        if paused_until > max(now, self._pause_told):
            said.append(pause_word(paused_until - now))
        # Until it is known whether the store has forgotten everything, there may be more to tell.
        spent = () if self.outage.is_on else self.spent.take(now)
        ask = Ask(
            name,
            leases.name,
            self._rates,
            self.lives,
            unused=leases.unused,
            done=leases.done.take(now),
            spent=spent,
            words=said,
            seen=self._seen,
        )
        leases.unused = 0
        self.is_pressing = self._was_used = False
        over = self.asking = threading.Event()
        return Question(ask, now, leases, permit, spent, words, paused_until, over)

    def heed(self, question: Question, grant: Grant, answered: float) -> float:
        """Take what was given; the moment until which others were told to pause, if that is new."""
        ask, leases = question.ask, question.leases
        leases.renew(question.asked, self.lives, answered)
        self.leases = leases
        self.asked = question.asked
        is_lost, self.born = bool(self.born) and grant.born != self.born, grant.born
        if is_lost:
            # What others did it learns from them, a moment later.
            self.outage.begin(self._logs, answered)
        if self.outage.is_on:
            self.outage.end(answered)
        # Those who don't know yet that the store is back are workers all the same.
        least = self.workers if self.outage.caps(answered) else 1
        self.workers = max(least, grant.workers)
        self._seen = 0 if is_lost else grant.seen
        self._pause_told = max(self._pause_told, question.paused_until)
        if is_lost:
            self._tell_again(question, answered)
            leases.slots.clear()
            # They are for those who know what everybody has done.
            leases.unused += len(grant.starts)
        else:
            leases.add(answered + start if start > 0 else answered for start in grant.starts)
        if len(grant.starts) < ask.want or (grant.starts and grant.starts[-1] > 0):
            self.outage.note_shortage(answered)
        if question.permit is not None and ask.want:
            self.demand.plan(question.permit, ask, grant, question.asked, answered)
        until = answered + min(grant.pause, MAX_WAIT)
        if grant.pause <= 0 or until <= question.paused_until + _TRAVEL:
            return -math.inf
        self._pause_told = max(self._pause_told, until)
        return until

    def fail(self, question: Question, answered: float) -> None:
        """Nobody knows what became of a question."""
        self.spent.put_back(question.spent, question.asked)
        self.words.put_back(question.words)
        for leases in (self.leases, question.leases):
            leases.close()
        # Nobody holds what goes on without the store.
        self.leases = self._new_leases(question.leases.name)
        self.leases.close()
        self.leases.lapses_at = -math.inf
        self.demand.forget()
        self.outage.begin(self._logs, answered)

    def _tell_again(self, question: Question, now: float) -> None:
        """The store has forgotten what it knew: what this worker did, and what it heard."""
        told = sum(count for count, _ in (*question.ask.done, *question.spent))
        told += question.leases.done.total
        self.spent.take(now)
        longest = max(self._logs, key=lambda log: log.rate.period, default=None)
        if longest is not None:
            moments = longest.since(now)
            for moment in moments[: max(0, len(moments) - told)]:
                self.spent.add(moment)
            if longest.running:
                self.spent.add(now, longest.running)
        self._pause_told = -math.inf
        self.demand.forget()

    def _new_leases(self, worker: str) -> Leases:
        return Leases(worker, self._shortest / 1000)
