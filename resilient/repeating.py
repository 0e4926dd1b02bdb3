"""What the newest attempt's exchanges tell of repeating it: may it be, and was it already?"""

from __future__ import annotations

from resilient.answers import limits_in
from resilient.call import Call, Exchange, Verdict
from resilient.known_errors import never_left


def is_repeatable(call: Call) -> bool:
    """May the newest attempt be run again as far as the vendor is concerned?

    False if it sent a request that is not idempotent (RFC 9110 9.2.2) and that worked or whose
    effect is unknown: it was not answered, or with a server error. A 429 or 503 refused it, so
    nothing happened; nor did it if there was no connection to send it on.
    """
    return all(exchange.repeatable for exchange in _with_effect(call))


def had_no_effect(call: Call) -> bool:
    """Did the vendor surely do nothing in the newest attempt? Needs exchanges that were seen."""
    return bool(call.attempt_exchanges()) and not _with_effect(call)


def _with_effect(call: Call) -> list[Exchange]:
    """The newest attempt's requests that worked, or may have."""
    exchanges = list(call.attempt_exchanges())
    if exchanges and exchanges[-1].status is None and never_left(call.judged):
        exchanges.pop()
    return [exchange for exchange in exchanges if _may_have_worked(exchange)]


def failed_tries(call: Call) -> int:
    """How often the vendor failed in the newest attempt, as its own retries show; at least 1."""
    refused = _refusing_status(call)
    seen = sum(_speaks_of_failure(one, refused) for one in call.attempt_exchanges())
    return max(1, seen, call.repeated)


def own_tries(call: Call) -> int:
    """How often the function's client itself has sent the request that failed in the end.

    Only failures to one host, by one method, that follow each other to the attempt's end count: a
    function that reads many pages has not repeated anything.
    """
    exchanges = call.attempt_exchanges()
    refused = _refusing_status(call)
    tries = 0
    for exchange in reversed(exchanges):
        is_alike = (exchange.host, exchange.method) == (exchanges[-1].host, exchanges[-1].method)
        if not is_alike or not _speaks_of_failure(exchange, refused):
            break
        tries += 1
    return tries


def _refusing_status(call: Call) -> int | None:
    """The status below 500 that the newest attempt failed with, if it is no mistake.

    AWS throttles with a 400 and GitHub with a 403: what had the same status before failed alike.
    """
    exchanges = call.attempt_exchanges()
    verdict = call.outcome.verdict
    if not exchanges or not (verdict.is_failure or verdict is Verdict.THROTTLED):
        return None
    status = exchanges[-1].status
    return status if status is not None and status >= 400 else None


def _may_have_worked(exchange: Exchange) -> bool:
    status = exchange.status
    if status is None or status < 400:
        return True
    if status < 500 or status == 503:
        return False
    return not limits_in(status, exchange.headers or {}, exchange).throttled


def _speaks_of_failure(exchange: Exchange, refused: int | None) -> bool:
    status = exchange.status
    return status is None or status >= 500 or status == 429 or status == refused
