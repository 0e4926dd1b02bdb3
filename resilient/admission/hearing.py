"""What one answer means for a quota: from its headers to an Answer."""

from __future__ import annotations

from resilient.admission.answer import Answer
from resilient.admission.bucket import Told
from resilient.answers import limits_in
from resilient.call import Call, Exchange, Verdict
from resilient.http.ratelimit import NOTHING, Limits
from resilient.timing import clock


def answer_of(call: Call, exchange: Exchange) -> Answer | None:
    """What an exchange tells; None if that is nothing."""
    status = exchange.status
    if status is None or exchange.headers is None or exchange.elapsed is None:
        return None
    limits = limits_in(status, exchange.headers, exchange)
    if limits is NOTHING:
        return None
    return _answer(call.target.label, exchange, status, limits)


def heard_of(call: Call, exchange: Exchange) -> Answer:
    """That an answer came, which tells nothing."""
    at = exchange.started + (exchange.elapsed or 0.0)
    return Answer(call.target.label, exchange.host, exchange.started, at, False, 0.0)


def answer_unseen(call: Call) -> Answer | None:
    """What the outcome of an attempt tells whose exchanges tell nothing: an SDK knows more."""
    outcome = call.outcome
    refused = outcome.verdict is Verdict.THROTTLED
    is_outage = outcome.verdict.is_failure and outcome.retry_after
    if not (refused or is_outage):
        return None
    sent = call.attempt_exchanges()
    last = sent[-1] if sent else None
    if last is not None and (heard := answer_of(call, last)) and (heard.refused or heard.wait):
        return None
    now = clock.monotonic()
    # Attempts of one call come one after the other: each is news.
    since = last.started if last else call.started if call.attempt == 1 else now
    host = last.host if last else ""
    return Answer(call.target.label, host, since, now, refused, outcome.retry_after, outcome.reason)


def _answer(who: str, exchange: Exchange, status: int, limits: Limits) -> Answer:
    sent = exchange.started
    at = sent + (exchange.elapsed or 0.0)
    refused = limits.throttled
    # Only an outage says Retry-After for everything; a 202 means its own result.
    wait = limits.wait if refused or status == 503 else 0.0
    windows = []
    for window in limits.windows:
        if window.remaining is not None:
            resets_at = None if window.reset_in is None else at + window.reset_in
            told = Told(window.remaining, window.limit, resets_at, sent, at, refused)
            windows.append((window.name, told, window.counts_requests))
    scoped = False
    if refused and wait and not limits.is_global:
        if windows:
            scoped = windows[0][1].remaining <= 0
        elif limits.scope:
            windows.append(("", Told(0.0, None, at + wait, sent, at, refused), True))
            scoped = True
    return Answer(
        who,
        exchange.host,
        sent,
        at,
        refused,
        wait,
        str(status),
        windows,
        scope=limits.scope,
        scoped=scoped,
    )
