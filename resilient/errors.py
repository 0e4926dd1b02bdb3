"""Every exception of resilient, grouped by what a caller can do about it.

    Exception
    └── ResilientError
        ├── ConfigurationError (ValueError)      mend the decorator: the text names value and remedy
        └── Refused                              come back later: `retry_after` says when
            ├── BreakerOpen (pybreaker.CircuitBreakerError)
            ├── RateLimited (ratelimit.RateLimitException)
            ├── BulkheadFull
            └── DeadlineExceeded (TimeoutError)

    UserWarning
    └── OrderWarning                             a stack of decorators that can't be meant

A vendor's own errors are never wrapped: they reach the caller as they were raised.

pybreaker and ratelimit are imported here and not only in their home modules, because the error
types that an application already catches have to be bases of ours.
"""

from __future__ import annotations

from pybreaker import CircuitBreakerError
from ratelimit import RateLimitException


class ResilientError(Exception):
    """Base of everything that resilient itself raises."""


class ConfigurationError(ResilientError, ValueError):
    """A decorator was given what it can't work with; raised at decoration."""


class OrderWarning(UserWarning):
    """The decorators of a function stand in an order that can't be meant."""


class Refused(ResilientError):
    """resilient did not let the call through, or cut it off.

    label: "service.function" of the refused call, or the policy's name.
    retry_after: seconds until another try makes sense; None if nobody knows.
    """

    def __init__(self, text: str, *, label: str = "", retry_after: float | None = None) -> None:
        # Not super(): the bases that applications catch want arguments of their own.
        Exception.__init__(self, text)
        self.label = label
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments don't survive Exception's own pickling, and errors cross process
        # pools.
        return (_rebuilt, (type(self), self.args, self.__dict__.copy()))


class BreakerOpen(Refused, CircuitBreakerError):
    """The circuit breaker is open, or half-open with all its probes on the way."""


class RateLimited(Refused, RateLimitException):
    """The quota has no room within `max_wait` or the deadline."""

    def __init__(self, text: str, *, label: str = "", retry_after: float | None = None) -> None:
        Refused.__init__(self, text, label=label, retry_after=retry_after)
        self.period_remaining = retry_after or 0.0


class BulkheadFull(Refused):
    """As many calls as the bulkhead allows are running already."""


class DeadlineExceeded(Refused, TimeoutError):
    """The call's deadline has passed, and it was cut off or not begun."""


def _rebuilt(kind: type[Refused], args: tuple[str], facts: dict[str, object]) -> Refused:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error
