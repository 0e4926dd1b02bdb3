"""Who is timed against whom: resilient's decorators and their peers, on a function doing nothing.

Every peer has its defaults, with a limit too high to be reached. Nothing is imported before it is
made, so that a missing peer costs only its own lines.
"""

# The contenders import what they need when they are made, and what ratelimit, circuitbreaker and
# pybreaker return has no useful type.
# mypy: disable-error-code="no-untyped-call, no-any-return"

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

from tests.benchmarks.measure import Comparison, Contender

Function = Callable[[int], object]

UNREACHED = 10**9
RATE = f"{UNREACHED}/s"
ENTRIES = 256
"""Few enough that a cache which always misses has to evict, as it does in production."""


def nothing(number: int) -> object:
    return number


def stack(without: str = "") -> Function:
    """The six decorators in the order that DESIGN.md recommends, but for one."""
    from resilient import breaker, cached, fallback, retry, service, throttled

    layers: dict[str, Callable[[], Callable[[Function], Function]]] = {
        "throttled": lambda: throttled(RATE),
        "breaker": lambda: breaker(),
        "retry": lambda: retry(attempts=3),
        "cached": lambda: cached(ttl=60, max_entries=ENTRIES),
        "fallback": lambda: fallback(None),
        "service": lambda: service("bench"),
    }
    function: Function = nothing
    for name, make in layers.items():
        if name != without:
            function = make()(function)
    return function


def breaker_alone() -> Function:
    from resilient import breaker

    return breaker()(nothing)


def throttled_alone() -> Function:
    from resilient import throttled

    return throttled(RATE)(nothing)


def cached_alone() -> Function:
    from resilient import cached

    return cached(ttl=60, max_entries=ENTRIES)(nothing)


def retry_alone() -> Function:
    from resilient import retry

    return retry(attempts=3)(nothing)


def by_hand() -> Function:
    import backoff
    import pybreaker
    import ratelimit

    limited = ratelimit.limits(calls=UNREACHED, period=1)(nothing)
    guarded = pybreaker.CircuitBreaker()(limited)
    return backoff.on_exception(backoff.expo, Exception, max_tries=3)(guarded)


def pyresilience() -> Function:
    from pyresilience import CircuitBreakerConfig, RateLimiterConfig, RetryConfig, resilient

    return resilient(
        retry=RetryConfig(max_attempts=3),
        circuit_breaker=CircuitBreakerConfig(),
        rate_limiter=RateLimiterConfig(max_calls=UNREACHED),
    )(nothing)


def pybreaker() -> Function:
    from pybreaker import CircuitBreaker

    return CircuitBreaker()(nothing)


def circuitbreaker() -> Function:
    from circuitbreaker import circuit

    return circuit(nothing)


def ratelimit() -> Function:
    from ratelimit import limits

    return limits(calls=UNREACHED, period=1)(nothing)


class Limits:
    """limits' moving window in memory.

    It inserts at the front of a list of all hits of the last second, so that a benchmark's own pace
    would slow it down without end. It is emptied before each turn, which no application does.
    """

    def __init__(self) -> None:
        self.storage: Any = None

    def make(self) -> Function:
        import limits.storage
        import limits.strategies

        self.storage = limits.storage.MemoryStorage()
        window = limits.strategies.MovingWindowRateLimiter(self.storage)
        item = limits.RateLimitItemPerSecond(10**6)

        def limited(number: int) -> object:
            if not window.hit(item, "bench"):
                raise RuntimeError("the limit was reached: this is not the happy path")
            return nothing(number)

        return limited

    def empty(self) -> None:
        self.storage.reset()


def cachetools() -> Function:
    from cachetools import LRUCache, cached

    return cached(LRUCache(ENTRIES), lock=Lock())(nothing)


def backoff() -> Function:
    from backoff import expo, on_exception

    return on_exception(expo, Exception, max_tries=3)(nothing)


def tenacity() -> Function:
    from tenacity import retry, stop_after_attempt

    return retry(stop=stop_after_attempt(3))(nothing)


def stamina() -> Function:
    from stamina import retry

    return retry(on=Exception, attempts=3)(nothing)


_limits = Limits()

GROUPS: dict[str, list[Contender]] = {
    "stack": [
        Contender("bare function", lambda: nothing),
        Contender("six decorators", stack),
        Contender("six without breaker", lambda: stack(without="breaker")),
        Contender("six without throttled", lambda: stack(without="throttled")),
        Contender("stacked by hand", by_hand),
        Contender("pyresilience", pyresilience),
        Contender("circuitbreaker", circuitbreaker),
        Contender("ratelimit", ratelimit),
    ],
    "breaker": [
        Contender("breaker", breaker_alone),
        Contender("pybreaker", pybreaker),
    ],
    "throttled": [
        Contender("throttled", throttled_alone),
        Contender("limits", _limits.make, before_turn=_limits.empty),
    ],
    "cached": [
        Contender("cached hit", cached_alone, same=True),
        Contender("cachetools hit", cachetools, same=True),
    ],
    "retry": [
        Contender("retry", retry_alone),
        Contender("backoff", backoff),
        Contender("tenacity", tenacity),
        Contender("stamina", stamina),
    ],
}

COMPARISONS = [
    Comparison(
        "six decorators, cache missing",
        "ratelimit + backoff + pybreaker by hand",
        "six decorators",
        "stacked by hand",
        0.45,
    ),
    Comparison(
        "the same",
        "pyresilience: retry, breaker, rate limiter",
        "six decorators",
        "pyresilience",
        0.65,
    ),
    Comparison("breaker alone", "pybreaker", "breaker", "pybreaker", 0.7),
    Comparison(
        "what breaker adds to the stack",
        "what circuitbreaker adds to a function",
        "six decorators",
        "circuitbreaker",
        0.8,
        ours_without="six without breaker",
        peer_without="bare function",
    ),
    Comparison(
        "what throttled adds to the stack",
        "what ratelimit adds to a function",
        "six decorators",
        "ratelimit",
        0.8,
        ours_without="six without throttled",
        peer_without="bare function",
    ),
    Comparison("throttled alone", "limits: moving window, memory", "throttled", "limits", 0.3),
    Comparison(
        "cached hit", "cachetools.cached(LRUCache, lock)", "cached hit", "cachetools hit", 1.0
    ),
    Comparison("retry alone", "backoff", "retry", "backoff", 0.4),
    Comparison("retry alone", "tenacity", "retry", "tenacity", 0.07),
    Comparison("retry alone", "stamina", "retry", "stamina", 0.08),
]
