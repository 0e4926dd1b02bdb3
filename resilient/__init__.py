"""Composable decorators that make plain synchronous functions survive the APIs they call."""

from resilient.call import Verdict
from resilient.circuit import CircuitBreaker
from resilient.diagnostics import dump_at_exit, dump_every, dump_stats, install, log_to, stats_table
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
from resilient.policies.breaker import breaker
from resilient.policies.bulkhead import bulkhead
from resilient.policies.cached import cached
from resilient.policies.fallback import fallback
from resilient.policies.retry import retry
from resilient.policies.service import service
from resilient.policies.throttled import throttled
from resilient.registry import registry
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
    "breaker",
    "bulkhead",
    "cached",
    "dump_at_exit",
    "dump_every",
    "dump_stats",
    "fallback",
    "log_to",
    "observe",
    "open_store",
    "registry",
    "retry",
    "rule",
    "service",
    "stats_table",
    "throttled",
]

install()
del install
