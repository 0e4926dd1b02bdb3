"""What a slot of a shared quota costs on Redis, against the bare round trip and two peers.

The peers count what was admitted; ours also takes back what is done, holds it against those who
die, and brings what other workers have heard. Everything is on this machine, the same for all.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.benchmarks.leases import throttled_call
from tests.benchmarks.measure import Comparison, Contender
from tests.benchmarks.stores import valkey_server

Function = Callable[[int], object]

CALLS = 20_000
"""A second: more than any of them makes, so that all of them are admitted."""


def acquire() -> Function:
    """One slot, with the former one done."""
    from resilient.sharing.redis.state import open_redis
    from resilient.sharing.shapes import Ask

    state = open_redis("redis", f"127.0.0.1:{valkey_server().port}/0", 5.0, "benchmark")
    first = Ask("quota", "worker", [(CALLS, 1.0)], 5.0, want=1)
    next_one = first._replace(done=[(1, 0.0)])
    state.trade(first)

    def trade(number: int) -> object:
        return state.trade(next_one).starts[0]

    return trade


def call() -> Function:
    """A call of a decorated function, most of which find a slot that was leased before."""
    return throttled_call(f"redis://127.0.0.1:{valkey_server().port}/0", CALLS, 1.0)


def evalsha() -> Function:
    import redis

    client = redis.Redis(host="127.0.0.1", port=valkey_server().port)
    sha = client.script_load("return 1")
    return lambda number: client.evalsha(sha, 1, "{benchmark}")


def limits_moving_window() -> Function:
    import limits

    storage = limits.storage.RedisStorage(f"redis://127.0.0.1:{valkey_server().port}/0")
    limiter = limits.strategies.MovingWindowRateLimiter(storage)
    rate = limits.RateLimitItemPerSecond(CALLS)

    def hit(number: int) -> object:
        assert limiter.hit(rate, "quota")
        return None

    return hit


def pyrate_limiter_bucket() -> Function:
    import pyrate_limiter
    import redis

    client = redis.Redis(host="127.0.0.1", port=valkey_server().port)
    rates = [pyrate_limiter.Rate(CALLS, 1000)]
    bucket = pyrate_limiter.RedisBucket.init(rates, client, "pyrate")
    limiter = pyrate_limiter.Limiter(bucket)

    def acquire_one(number: int) -> object:
        assert limiter.try_acquire("quota", blocking=False)
        return None

    return acquire_one


GROUPS: dict[str, list[Contender]] = {
    "shared-redis": [
        Contender("Redis trade", acquire, same=True),
        Contender("throttled on Redis", call, same=True),
        Contender("bare EVALSHA", evalsha, same=True),
        Contender("limits on Redis", limits_moving_window, same=True),
        Contender("pyrate-limiter on Redis", pyrate_limiter_bucket, same=True),
    ],
}

COMPARISONS = [
    Comparison(
        "shared slot, Redis", "redis-py: a bare EVALSHA", "Redis trade", "bare EVALSHA", 1.2
    ),
    Comparison("the same", "limits: moving window", "Redis trade", "limits on Redis", 1.5),
    Comparison("the same", "pyrate-limiter", "Redis trade", "pyrate-limiter on Redis", 1.0),
    Comparison(
        "a call of it, Redis", "redis-py: a bare EVALSHA", "throttled on Redis", "bare EVALSHA", 0.5
    ),
]
