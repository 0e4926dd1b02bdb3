"""Four workers, one vendor with an outage, and what people on call see of it.

Run it with `python examples/tour.py` (needs `pip install "resilient-decorators[prometheus]"`): a
dashboard and a Prometheus endpoint for two minutes, no network, no account; `--seconds 20` for
less. The figures stay in tour-logs/, for `resilient report tour-logs` and `resilient top`.

Each worker is a process of its own, as under gunicorn: it writes its lines, and every second its
figures, to a log of its own. The dashboard reads those logs; the Prometheus endpoint adds up what
the workers write to PROMETHEUS_MULTIPROC_DIR.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

WORKERS = 4
LOGS = Path("tour-logs")
API_KEY = "sk_live_51Hx9TourSecret"

# Each shop's answers; one in between is slow, and for a while nothing works.
VENDOR = {
    "/rate": "200 x40, 200 delay=0.3, 429 retry-after=1, 200 x60, 500, 200 x80, 503 x60, 200 x400",
    "/orders": "200 x30, 200 delay=0.5, 200 x50, reset, 200 x60, 503 x80, 200 x400",
    "*": "200 delay=0.05",
}


def work(number: int, url: str, seconds: float) -> None:
    """One worker: an ordinary program that calls vendors, and dumps its figures."""
    import requests
    from loguru import logger

    import resilient
    from resilient import breaker, cached, fallback, retry, service, throttled
    from resilient.diagnostics.prometheus import install_prometheus

    logger.remove()
    resilient.log_to(LOGS / f"worker-{number}.json", level="DEBUG", serialize=True)
    install_prometheus(every=1)
    resilient.dump_every(1)
    resilient.dump_at_exit()
    resilient.alert(failure_rate=0.2, breaker_open=True, over=10, hold=0, cooldown=60, min_calls=5)

    shop = service("shop", breaker(fail_max=4, reset_timeout=3), throttled("40/s"), timeout=2)

    client = requests.Session()  # @shop gives its requests a timeout
    client.headers["Authorization"] = f"Bearer {API_KEY}"

    @shop
    @fallback(fallback.last_good(3600, scope="tour"), 1.0)
    @cached(ttl=1, stale_if_error=60, stale_while_revalidate=5, scope="tour")
    @retry(attempts=2, wait=[0.1])
    def rate(currency: str) -> float:
        answer = client.get(f"{url}/rate", params={"of": currency, "api_key": API_KEY})
        answer.raise_for_status()
        return 1.1

    @shop
    @retry(attempts=2, wait=[0.1])
    def order(number: int) -> int:
        client.get(f"{url}/orders").raise_for_status()
        return number

    @service("mail", timeout=2)
    def send(to: str) -> int:
        return client.get(f"{url}/mail").status_code

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rate(random.choice(["EUR", "USD", "GBP", "JPY"]))
        send("ann@example.com")
        try:
            order(random.randrange(1000))
        except Exception as error:
            logger.debug("worker {} goes on after {}", number, type(error).__name__)
        time.sleep(0.1)


def main() -> None:
    """Start the vendor, the workers, the dashboard and the endpoint, and stop them in the end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120, help="how long it goes on (120)")
    parser.add_argument("--port", type=int, default=8321, help="of the dashboard (8321)")
    parser.add_argument("--metrics-port", type=int, default=8322, help="of the endpoint (8322)")
    options = parser.parse_args()
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(mode=0o700)
    with tempfile.TemporaryDirectory() as folder:
        # prometheus-client looks at it when it is loaded, in this process and in the workers.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        run(options)


def run(options: argparse.Namespace) -> None:
    """All that goes on at once."""
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector

    from resilient.diagnostics.dashboard import dashboard, served
    from resilient.testing import ScriptedVendor

    with ScriptedVendor(VENDOR) as vendor:
        spawning = multiprocessing.get_context("spawn")
        workers = [
            spawning.Process(target=work, args=(number, vendor.url.rstrip("/"), options.seconds))
            for number in range(WORKERS)
        ]
        for worker in workers:
            worker.start()
        figures = CollectorRegistry()
        MultiProcessCollector(figures)  # type: ignore[no-untyped-call]  # it has no types
        start_http_server(options.metrics_port, addr="127.0.0.1", registry=figures)
        while not any(LOGS.iterdir()) and any(worker.is_alive() for worker in workers):
            time.sleep(0.1)
        board = dashboard(logs=str(LOGS), every=1)
        with served(board, port=options.port) as server:
            print(f"dashboard  {server.address}")
            print(f"metrics    http://127.0.0.1:{options.metrics_port}/metrics")
            print(f"{WORKERS} workers call one vendor for {options.seconds:g} s; Ctrl-C ends it")
            sys.stdout.flush()
            try:
                while any(worker.is_alive() for worker in workers):
                    time.sleep(0.2)
            except KeyboardInterrupt:
                for worker in workers:
                    worker.terminate()
        board.close()
    print(f"\nThe figures are in {LOGS}/: resilient report {LOGS}")


if __name__ == "__main__":
    main()
