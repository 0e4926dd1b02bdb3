"""How often an attempt was tried already; what may be sent again is in test_verdict."""

from __future__ import annotations

import pytest

from resilient.call import Call, Exchange, Outcome, Target, Verdict
from resilient.repeating import failed_tries, own_tries

MISTAKE, TRANSIENT, THROTTLED = Verdict.MISTAKE, Verdict.TRANSIENT, Verdict.THROTTLED


def exchanges_of(*answers: tuple[str, int | None]) -> Call:
    call = Call.of(Target(print, service="vendor", name="read"))
    for method, status in answers:
        exchange = Exchange(method, "127.0.0.1", 0.0)
        exchange.status = status
        call.add_exchange(exchange)
    return call


@pytest.mark.parametrize(
    ("verdict", "answers", "tries", "own"),
    [
        (THROTTLED, [("POST", 400)] * 3, 3, 3),
        (THROTTLED, [("GET", 403)] * 11, 11, 11),
        (MISTAKE, [("POST", 400)] * 3, 1, 0),
        (TRANSIENT, [("GET", 503), ("GET", 500), ("GET", None)], 3, 3),
        (TRANSIENT, [("GET", 200), ("GET", 200), ("GET", 503)], 1, 1),
        (TRANSIENT, [("GET", 503), ("GET", 200), ("GET", 503)], 2, 1),
        (TRANSIENT, [("GET", 503), ("POST", 503)], 2, 1),
        (THROTTLED, [("GET", 404), ("GET", 403)], 1, 1),
        (TRANSIENT, [], 1, 0),
    ],
)
def test_tries_are_the_requests_that_failed_alike(
    verdict: Verdict, answers: list[tuple[str, int | None]], tries: int, own: int
) -> None:
    call = exchanges_of(*answers)
    call.outcome = Outcome(verdict)
    assert (failed_tries(call), own_tries(call)) == (tries, own)
