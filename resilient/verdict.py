"""What an outcome means: one judgement that retry, breaker, throttle, fallback and stats share.

`judge_error` and `judge_result` read, in this order: a refusal of our own (also one that an HTTP
library has wrapped), a rule registered for the exception's type, the status that an SDK's error
carries, well-known types of requests, urllib3, http.client, ssl, socket, botocore and httpx (known
by name, so that nothing is imported for it), the error's causes, a returned response, and last the
final exchange of the attempt.

One exception to that order: an error that says nothing about the network (a JSONDecodeError, a
KeyError) after an exchange that failed is judged by the exchange. `requests.get(…).json()` on an
HTML error page is a 503, not a bug.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from resilient.answers import (
    causes_of,
    headers_of,
    limits_in,
    read,
    status_of_error,
    status_of_response,
    wait_asked,
    wait_asked_by,
)
from resilient.call import Call, Exchange, Outcome, Verdict
from resilient.errors import ConfigurationError, Refused
from resilient.http.ratelimit import Limits, read_limits
from resilient.known_errors import is_bad_address, is_summary, verdict_of_type

Rule = Callable[[Any], "Verdict | Outcome | None"]
_E = TypeVar("_E", bound=Exception)

_rules: dict[type[BaseException], Rule] = {}
"""Replaced and never mutated, under `_rules_lock`."""
_rules_lock = threading.Lock()


def rule(kind: type[_E], verdict: Verdict | Callable[[_E], Verdict | Outcome | None]) -> None:
    """Say what an exception type means, before anything else about it is looked at.

    verdict: one for every such error, or a function of the error; None from it means "go on
    looking". The most derived registered type wins. A function that raises counts as None.

    Refusals of our own are always REFUSED, though DeadlineExceeded is a TimeoutError.
    """
    global _rules
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        shown = kind.__name__ if isinstance(kind, type) else repr(kind)
        raise ConfigurationError(f"rule({shown}, …): use Exception or a class below it.")
    if issubclass(kind, Refused):
        raise ConfigurationError(
            f"rule({kind.__name__}, …): a refusal of resilient is always Verdict.REFUSED; use a "
            "class of your own or of the vendor's SDK."
        )
    if isinstance(verdict, Verdict):
        fixed = verdict

        def judge(_: Any) -> Verdict:
            return fixed

    elif callable(verdict):
        judge = verdict  # type: ignore[assignment]  # a narrower argument; looked up by its type
    else:
        raise ConfigurationError(f"rule(…, {verdict!r}): use a Verdict, or a function giving one.")
    with _rules_lock:
        _rules = {**_rules, kind: judge}


def forget_rule(kind: type[BaseException]) -> None:
    """Drop a rule again; nothing happens if there is none."""
    global _rules
    with _rules_lock:
        _rules = {known: judge for known, judge in _rules.items() if known is not kind}


def judge(error: BaseException, exchanges: Sequence[Exchange] = ()) -> Outcome:
    """What an error means that came after these exchanges."""
    try:
        return _judged(error, exchanges)
    except Exception:  # headers or arguments of an SDK's error that can't be read
        seen = _of_exchange(exchanges[-1] if exchanges else None)
        return seen or Outcome(Verdict.BROKEN, type(error).__name__)


def judge_error(call: Call, error: BaseException) -> Outcome:
    """What this error of the newest attempt means; kept on the call, so it is judged once."""
    if call.judged is not error:
        call.outcome = judge(error, call.attempt_exchanges())
        call.judged = error
    return call.outcome


def judge_result(call: Call, result: object) -> Outcome:
    """What an attempt that returned means; kept on the call."""
    status = status_of_response(result)
    exchanges = call.attempt_exchanges()
    last = exchanges[-1] if exchanges else None
    if status is None:
        outcome = _of_exchange(last)
    else:
        try:
            outcome = _of_answer(status, headers_of(result), last)
        except Exception:  # a class of somebody's whose headers can't be read
            outcome = _of_answer(status, {}, last)
    # A caller's mistake that did not raise is an answer which the function dealt with.
    if outcome is not None and outcome.verdict is not Verdict.MISTAKE:
        call.outcome = outcome
    return call.outcome


PLAIN_TYPES = frozenset(
    {
        type(None),
        bool,
        int,
        float,
        complex,
        str,
        bytes,
        bytearray,
        list,
        tuple,
        dict,
        set,
        frozenset,
    }
)
"""Types that can't be a response: results of these need no look."""


_REDIRECTS = frozenset({301, 302, 303, 307, 308})  # RFC 9110 15.4

# 521 to 524 are Cloudflare's: the origin is down, slow or out of reach.
_PASSING_STATUSES = frozenset({408, 502, 503, 504, 521, 522, 523, 524})


def _verdict_of_status(status: int, limits: Limits) -> Verdict | None:
    """What an answer with this status means; None below 400."""
    if status < 400:
        return None
    if limits.throttled:
        return Verdict.THROTTLED
    if status in _PASSING_STATUSES:
        return Verdict.TRANSIENT
    return Verdict.BROKEN if status >= 500 else Verdict.MISTAKE


def _of_answer(status: int, headers: Mapping[str, str], last: Exchange | None) -> Outcome | None:
    """What an answer means; None if it is no failure. last: the final exchange of the attempt."""
    if status < 400:
        return None
    limits = limits_in(status, headers, last)
    verdict = _verdict_of_status(status, limits)
    return verdict and Outcome(verdict, str(status), wait_asked(limits), status)


def _judged(error: BaseException, exchanges: Sequence[Exchange]) -> Outcome:
    for link in causes_of(error, contexts=False):
        if isinstance(link, Refused):
            return Outcome(Verdict.REFUSED, type(link).__name__, link.retry_after)
    ruled = _by_rule(error)
    if ruled is not None:
        return ruled
    last = exchanges[-1] if exchanges else None
    seen = _of_exchange(last)
    for link in causes_of(error):
        verdict = verdict_of_type(link)
        if is_bad_address(link) and _was_sent_on(exchanges):
            return Outcome(Verdict.BROKEN, type(link).__name__)
        status = status_of_error(link)
        headers = headers_of(read(link, "response")) or headers_of(link)
        if not headers and last is not None:
            headers = last.headers or {}
        if status is not None:
            limits = limits_in(status, headers, last)
            told = _verdict_of_status(status, limits)
            if verdict is Verdict.THROTTLED:  # the SDK knows better
                limits = limits._replace(throttled=True)
            # A code that speaks of a passing fault explains a 400; a 500 speaks for itself.
            elif not (verdict is Verdict.TRANSIENT and told is Verdict.MISTAKE):
                verdict = told or verdict or Verdict.BROKEN
            return Outcome(verdict, str(status), wait_asked_by(link, limits), status)
        if seen and is_summary(link):
            return seen
        if verdict is Verdict.TRANSIENT or verdict is Verdict.THROTTLED or (verdict and not seen):
            limits = read_limits(0, headers)._replace(throttled=verdict is Verdict.THROTTLED)
            return Outcome(verdict, type(link).__name__, wait_asked_by(link, limits))
    return seen or Outcome(Verdict.BROKEN, type(error).__name__)


def _was_sent_on(exchanges: Sequence[Exchange]) -> bool:
    """Did the vendor name the address of what was to come next, or of the request under way?"""
    answered = [one.status for one in exchanges[-2:] if one.status is not None]
    return bool(answered) and answered[-1] in _REDIRECTS


def _of_exchange(last: Exchange | None) -> Outcome | None:
    """What an exchange says that failed; None for one that did not, or was not answered."""
    if last is None or last.status is None:
        return None
    return _of_answer(last.status, last.headers or {}, last)


def _by_rule(error: BaseException) -> Outcome | None:
    rules = _rules
    if not rules:
        return None
    for kind in type(error).__mro__:
        judge = rules.get(kind)
        if judge is None:
            continue
        try:
            said = judge(error)
        except Exception:
            said = None
        if isinstance(said, Verdict):
            limits = read_limits(0, headers_of(read(error, "response")))
            limits = limits._replace(throttled=said is Verdict.THROTTLED)
            return Outcome(said, type(error).__name__, wait_asked_by(error, limits))
        if isinstance(said, Outcome):
            return said
    return None
