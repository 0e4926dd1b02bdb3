"""A flaky vendor on this machine, called through the full stack from four threads.

Run it with `python examples/quickstart.py`: about ten seconds, no network, no account.

Four shops ask the same exchange-rate API for prices. It is slow at times, limits its callers, goes
down for a while, and wants its API key in the URL. Watch what the log lines say, that the key is
in none of them, and what the table at the end says the decorators saved.
"""

from __future__ import annotations

import sys
import threading
import time

import requests
from loguru import logger

import resilient
from resilient import breaker, cached, fallback, retry, service, throttled
from resilient.testing import ScriptedVendor

API_KEY = "sk_live_51Hx9QuickstartSecret"
CURRENCIES = ["EUR", "USD", "GBP", "JPY", "CHF", "SEK"]

# What the vendor answers, one request after the other.
VENDOR = """
    200 x6, 200 delay=0.4,
    429 retry-after=1 x-ratelimit-limit=20 x-ratelimit-remaining=0 x-ratelimit-reset=1,
    200 x8, 500, 200 x4, reset, 200 x4,
    503 x6,
    200
"""


def main() -> None:
    # An application has its own sinks; this one wants a single, masked one on its terminal.
    logger.remove()
    resilient.log_to(sys.stdout, level="INFO")

    with ScriptedVendor(VENDOR) as vendor:
        breaks, throttle = breaker(fail_max=5, reset_timeout=1), throttled("20/s")
        rates = service("rates", breaks, throttle, timeout=2, deadline=5)

        @rates
        # One API key for all callers: they may see each other's results.
        @fallback(fallback.last_good(max_age=3600, scope="all shops"), 1.0)
        @cached(ttl=0.5, stale_if_error=60, scope="all shops")
        @retry(attempts=3, wait=[0.1, 0.3])
        def rate(currency: str) -> float:
            """What one euro costs: an ordinary function, as it stood there before."""
            url = vendor.url_for(f"/rate/{currency}")
            answer = requests.get(url, params={"api_key": API_KEY})  # noqa: S113 — @rates gives it
            if not answer.ok:
                logger.info("answer {} to {}", answer.status_code, answer.url)  # with the key in it
            answer.raise_for_status()
            return len(answer.content) / 10

        print("The stack, as rate.resilient.explain() prints it:\n")
        rate.resilient.explain()
        print("\nFour threads ask for prices; the vendor does what vendors do:\n")

        answers, errors = [0], [0]

        def shop(number: int) -> None:
            for turn in range(45):
                try:
                    rate(CURRENCIES[(turn + number) % len(CURRENCIES)])
                    answers[0] += 1
                except Exception as error:
                    errors[0] += 1
                    logger.opt(exception=error).error("shop {} got no price", number)
                time.sleep(0.2)

        shops = [threading.Thread(target=shop, args=(number,)) for number in range(4)]
        for thread in shops:
            thread.start()
        for thread in shops:
            thread.join()

        calls, down = vendor.calls, sum(request.answer.status == 503 for request in vendor.requests)
    print("\nThe same as one structured record, for `dump_every(60)` and `dump_at_exit()`:\n")
    resilient.dump_stats()
    print(f"\nThe shops asked {answers[0] + errors[0]} times and got {answers[0]} answers.")
    print(f"The vendor saw {calls} requests, {down} of them while it was down.")
    print("What the decorators did:\n")
    print(resilient.stats_table(resilient.registry.snapshot()))


if __name__ == "__main__":
    main()
