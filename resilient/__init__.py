"""Composable decorators that make plain synchronous functions survive the APIs they call."""

from resilient.call import Verdict
from resilient.circuit import CircuitBreaker
from resilient.configuration import configure, start
from resilient.diagnostics import (
    alert,
    dump_at_exit,
    dump_every,
    dump_on_signal,
    dump_stats,
    install,
    log_to,
    mask,
    protect,
    stats_table,
    webhook,
)
from resilient.errors import (
    BreakerOpen,
    BulkheadFull,
    ConfigurationError,
    DeadlineExceeded,
    OrderWarning,
    RateLimited,
    Refused,
    ResilientError,
)
from resilient.http import observe
from resilient.http.learned import learn, learn_env
from resilient.policies.breaker import breaker
from resilient.policies.bulkhead import bulkhead
from resilient.policies.cached import cached
from resilient.policies.fallback import fallback
from resilient.policies.retry import retry
from resilient.policies.service import service
from resilient.policies.throttled import throttled
from resilient.registry import registry
from resilient.sharing.opening import open_state
from resilient.stores.opening import open_store
from resilient.verdict import rule

__all__ = [
    "BreakerOpen",
    "BulkheadFull",
    "CircuitBreaker",
    "ConfigurationError",
    "DeadlineExceeded",
    "OrderWarning",
    "RateLimited",
    "Refused",
    "ResilientError",
    "Verdict",
    "alert",
    "breaker",
    "bulkhead",
    "cached",
    "configure",
    "dump_at_exit",
    "dump_every",
    "dump_on_signal",
    "dump_stats",
    "fallback",
    "learn",
    "learn_env",
    "log_to",
    "mask",
    "observe",
    "open_state",
    "open_store",
    "protect",
    "registry",
    "retry",
    "rule",
    "service",
    "stats_table",
    "throttled",
    "webhook",
]

install()
start()
del install, start
