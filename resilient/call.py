"""What flows: one Call through one stack of policies, with everything that happens to it.

    Target    who is called: fixed facts of one decorated function
    Call      one call of it: arguments, deadline, exchanges, steps, outcome
    Exchange  one HTTP request seen inside the call, and its answer
    Step      one noteworthy thing that a policy did
    Outcome   what the newest attempt came to: a Verdict, in words, with the vendor's Retry-After

The open call is in the ContextVar `current`. A function that starts threads of its own carries it
there with `contextvars.copy_context().run`; otherwise what those threads do is not seen.
"""

from __future__ import annotations

import enum
import math
import os
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

from resilient.errors import Refused
from resilient.timing import clock


class Verdict(enum.Enum):
    """What an outcome means; retry, breaker, throttle, fallback and stats all obey it."""

    OK = "ok"
    MISTAKE = "mistake"
    TRANSIENT = "transient"
    BROKEN = "broken"
    THROTTLED = "throttled"
    REFUSED = "refused"

    @property
    def is_failure(self) -> bool:
        """Does it speak against the vendor's health?"""
        return self is Verdict.TRANSIENT or self is Verdict.BROKEN


class Outcome(NamedTuple):
    """What one attempt came to.

    reason: a few words without secrets: a status, an error's type.
    retry_after: seconds the vendor asked to wait, None if it did not say.
    status: the HTTP status behind it, if there was one.
    """

    verdict: Verdict
    reason: str = ""
    retry_after: float | None = None
    status: int | None = None


FINE = Outcome(Verdict.OK)


DEFAULT_TIMEOUT = 30.0
"""Seconds for an HTTP request that has no timeout, in a function without @service."""


class Target:
    """One decorated function: what its calls have in common.

    timeout: seconds for an HTTP request that has none of its own; None leaves that to the call
    around, math.inf means that none is given.
    gates: who admits the further requests of a call.
    fold: what batches beside the registry's own have to be folded with it.
    saved: where a cache appends the seconds of upstream time that one answer of its own spared;
    spared: the same, if the answer was given before there was a Call. Appending to a list is
    atomic, so a hit takes no lock. The registry folds them in.
    missed: where a cache appends anything for a call that it could not answer.
    http_cache: what the requests made with the library of that name go through.
    http_saved: where it appends the seconds that a response of its own spared; http_missed: those
    that one from the vendor took. None: nobody counts.
    watches_credentials: does a policy need to know what the requests authenticate with?
    """

    __slots__ = (
        "context",
        "fold",
        "function",
        "gates",
        "http_cache",
        "http_missed",
        "http_saved",
        "label",
        "missed",
        "name",
        "observing",
        "saved",
        "service",
        "spared",
        "timeout",
        "watches_credentials",
    )

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        service: str,
        name: str,
        observing: bool = False,
        context: Mapping[str, Any] | Callable[..., Mapping[str, Any]] | None = None,
        timeout: float | None = None,
        http_cache: HttpTraffic | None = None,
        watches_credentials: bool = False,
    ) -> None:
        self.function = function
        self.service = service
        self.name = name
        self.label = f"{service}.{name}"
        self.observing = observing
        self.context = context
        self.timeout = timeout
        self.gates: tuple[Gate, ...] = ()
        self.fold: tuple[Callable[[], None], ...] = ()
        self.saved: list[float] = []
        self.spared: list[float] = []
        self.missed: list[float] = []
        self.http_cache = http_cache
        self.http_saved: list[float] | None = None
        self.http_missed: list[float] | None = None
        self.watches_credentials = watches_credentials


class Exchange:
    """One HTTP request and its answer, as the observer saw them.

    started: monotonic seconds. elapsed: seconds until the headers were there, None before that.
    status, headers: None until an answer has come; headers are looked up in any case.
    repeatable: may the request be sent twice (an idempotent method, or an Idempotency-Key)?
    excerpt: the beginning of a refusal's body, where its status alone is ambiguous; it is read for
    error codes and never shown.
    ends: who is to hear that it is over (see `watching`).
    """

    __slots__ = (
        "elapsed",
        "ends",
        "excerpt",
        "headers",
        "host",
        "method",
        "repeatable",
        "started",
        "status",
    )

    def __init__(self, method: str, host: str, started: float) -> None:
        self.method = method
        self.host = host
        self.started = started
        self.repeatable = method in IDEMPOTENT_METHODS
        self.elapsed: float | None = None
        self.status: int | None = None
        self.headers: Mapping[str, str] | None = None
        self.excerpt = b""
        self.ends: list[Callable[[BaseException | None], None]] | tuple[()] = ()

    def __repr__(self) -> str:
        return f"<Exchange {self.method} {self.host} {self.status or 'unanswered'}>"


# RFC 9110 9.2.2
IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


class Step(NamedTuple):
    """One noteworthy thing, for logs, stats and the story of a failed call.

    kind: what happened, one word of the closed list in `diagnostics.logs`.
    label: "service.function", or the name of the policy when it happened outside a call.
    text: for a person on call; without arguments, URLs or headers.
    facts: the same as data; `waited` (seconds) is summed up in the stats.
    at: seconds since the call started, 0.0 outside a call.
    """

    kind: str
    label: str
    text: str
    facts: dict[str, Any]
    at: float


Carried = str | tuple[str, tuple[int, ...]]
"""What the requests behind an answer authenticated with, in words; in a pair with the places in the
call's `cache_key` that hold the secrets, if it holds them all."""


class HttpTraffic(Protocol):
    """What the requests of a call go through (see `http.caching`)."""

    def adapter_for(self, call: Call, adapter: Any) -> Any:
        """What takes the place of the adapter that a session has chosen."""


class Gate:
    """Who decides whether one more request may leave during an open call (see `throttled`)."""

    def next_request(self, call: Call) -> None:
        """Wait for room, or raise Refused."""
        raise NotImplementedError

    def answered(self, call: Call, exchange: Exchange) -> None:
        """Hear of an answer as soon as its headers are there; any thread of the call may tell."""


class Call:
    """One call of a decorated function. Policies read and write it; nothing else is passed along.

    What every policy looks at is a slot, which the wrapper sets; what only a noteworthy call has is
    a class attribute until then, so that a healthy call does not pay for it.

    There is no __init__: a constructor in Python would cost as much as two policies. Whoever is not
    in such a hurry uses `Call.of`.
    """

    __slots__ = (
        "__dict__",
        "admissions",
        "args",
        "exchanges",
        "kwargs",
        "outcome",
        "parent",
        "started",
        "target",
    )

    target: Target
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    parent: Call | None
    started: float

    outcome: Outcome
    """What the newest attempt came to, as far as it is known."""
    admissions: Mapping[Gate, Any] | None
    """What became of the gates' admissions (see `throttled`); None until it has to be told."""
    exchanges: Sequence[Exchange]
    """The HTTP requests made so far; a tuple until there is one."""
    judged: BaseException | None = None
    """The exception that `outcome` is about."""
    attempt: int = 1
    attempt_from: int = 0
    """Index into `exchanges` of the newest attempt's first."""
    repeated: int = 0
    """Failing tries of one attempt that retries below us have made already."""
    steps: Sequence[Step] = ()
    deadline: float | None = None
    """Monotonic seconds, of this call alone: ask `time_left`."""
    admitted_from: int = 0
    """Index into `exchanges` of the request the newest admission is for; -1 once it is spent."""
    landing: Any = None
    """Left by the first who waits for this call's result (see `cached`)."""
    degraded: bool = False
    """The answer is a fallback's or a stale one."""
    rests_on_degraded: bool = False
    """A call inside the newest attempt was degraded: what was made of it is not to be kept."""
    cache_key: Hashable = None
    """What the call's answer is kept by, as `keys` makes it of what the caller gave; None if it is
    not kept."""
    credential: str | None = None
    """What a request of this call, or of one inside it, authenticated with and `cache_key` does not
    tell apart, in words; known where the target watches it (see `http.credentials`)."""
    carries: Carried | None = None
    """The same, or else what `cache_key` tells apart: is kept with the answer."""
    signed: frozenset[str] = frozenset()
    """Names, in lower case, of header fields that an `auth=` has set in requests of this call."""
    ran: int = 0
    """The attempt in which the function was last begun; only told where answers are cached."""
    offline: Refused | None = None
    """Why nothing may be sent: what a cache does not answer raises this."""
    closed: bool = False
    """The call is over; only its streamed body may still be read."""

    @classmethod
    def of(cls, target: Target, *args: Any, **kwargs: Any) -> Call:
        """A call that starts now, inside the open one if there is one."""
        call = cls()
        call.target = target
        call.args = args
        call.kwargs = kwargs
        call.parent = current.get()
        call.started = clock.monotonic()
        call.outcome = FINE
        call.admissions = None
        call.exchanges = ()
        return call

    @property
    def id(self) -> str:
        """Eight hex digits that tie together the lines of one call; made when first asked for."""
        known: str | None = self.__dict__.get("_id")
        if known is None:
            known = self.__dict__.setdefault("_id", os.urandom(4).hex())
        return known

    def time_left(self) -> float | None:
        """Seconds until the nearest deadline of this call and those around it; None if none.

        Negative once it has passed.
        """
        nearest: float | None = None
        call: Call | None = self
        while call is not None:
            if call.deadline is not None and (nearest is None or call.deadline < nearest):
                nearest = call.deadline
            call = call.parent
        return None if nearest is None else nearest - clock.monotonic()

    def request_timeout(self) -> float | None:
        """Seconds for a request that has none of its own; None if none may be given."""
        call: Call | None = self
        while call is not None:
            if call.target.timeout is not None:
                return None if call.target.timeout == math.inf else call.target.timeout
            call = call.parent
        return DEFAULT_TIMEOUT

    def attempt_exchanges(self) -> Sequence[Exchange]:
        """What the newest attempt sent."""
        return self.exchanges[self.attempt_from :]

    def admit_request(self) -> None:
        """Wait until one more request may leave, or raise Refused; the first may already."""
        gates = self.target.gates
        if gates and not self.spend_admission():
            for gate in gates:
                gate.next_request(self)

    def spend_admission(self) -> bool:
        """Is this the request that the newest admission is for? One thread only hears yes."""
        with _filing:
            is_first = len(self.exchanges) <= self.admitted_from
            self.admitted_from = -1
            return is_first

    def add_exchange(self, exchange: Exchange) -> None:
        """File one more request under this call; any thread may."""
        with _filing:
            if isinstance(self.exchanges, list):
                self.exchanges.append(exchange)
            else:
                self.exchanges = [exchange]

    def next_attempt(self) -> None:
        """Forget the newest outcome: the function is about to run again."""
        self.attempt += 1
        self.attempt_from = len(self.exchanges)
        self.outcome = FINE
        self.judged = None
        self.repeated = 0
        self.degraded = False
        self.rests_on_degraded = False

    def degrade(self) -> None:
        """Mark the answer as a fallback's or a stale one, for the calls around it as well."""
        self.degraded = True
        around = self.parent
        while around is not None:
            around.rests_on_degraded = True
            around = around.parent

    def report(self, kind: str, text: str, **facts: Any) -> Step:
        """Tell the listeners, and keep it for the story and the stats.

        Who reports something that begins may add to the step's facts when it has ended.
        """
        step = Step(kind, self.target.label, text, facts, clock.monotonic() - self.started)
        steps = self.__dict__.setdefault("steps", [])
        steps.append(step)
        listeners.tell(self, step)
        return step

    def story(self) -> str:
        """What happened, in one line."""
        return " → ".join(step.text for step in self.steps)


Listener = Callable[["Call | None", Step], None]


class Listeners:
    """Who hears of steps. Hearing runs without a lock; a listener that raises is counted.

    `_lock` guards changes of `_all`, which is replaced and never mutated.
    """

    def __init__(self) -> None:
        self._all: tuple[Listener, ...] = ()
        self._lock = threading.Lock()
        self.errors = 0

    def add(self, listener: Listener) -> None:
        """Call `listener(call, step)` for every step; call is None outside a call."""
        with self._lock:
            if listener not in self._all:
                self._all = (*self._all, listener)

    def remove(self, listener: Listener) -> None:
        """Stop telling `listener`; nothing happens if it is not there."""
        with self._lock:
            self._all = tuple(other for other in self._all if other != listener)

    def tell(self, call: Call | None, step: Step) -> None:
        """Hand a step to every listener."""
        for listener in self._all:
            try:
                listener(call, step)
            except Exception as error:
                self.errors += 1
                if self.errors == 1:
                    name = getattr(listener, "__qualname__", type(listener).__name__)
                    self.announce(
                        "degraded",
                        "resilient",
                        f"the listener {name} raised {type(error).__name__}; calls go on without "
                        "it (told once, counted in listeners.errors)",
                    )

    def announce(self, kind: str, label: str, text: str, **facts: Any) -> None:
        """Tell of a step that no call made, such as an operator opening a breaker."""
        self.tell(None, Step(kind, label, text, facts, 0.0))


listeners = Listeners()

_filing = threading.Lock()
"""Guards the change of `exchanges`, which threads of one call may file at once."""

current: ContextVar[Call | None] = ContextVar("resilient_current_call", default=None)
"""The innermost open call of this thread of execution."""
