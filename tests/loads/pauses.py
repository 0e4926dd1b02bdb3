"""What happens when a pause ends for which many threads have waited."""

from __future__ import annotations

import contextlib
import threading
import time

from resilient import throttled
from tests.loads.driving import Driven, client
from tests.loads.figures import Figures, figures_of
from tests.loads.quotas import QuotaSpec
from tests.loads.server import ServerSpec
from tests.loads.vendors import Hit, running

WAITING = 16
MOMENT = 0.02
"""Seconds after the end in which a herd would arrive."""
AT_ONCE = 4
"""How many of the waiting may come in that moment."""
PLACES = 2
"""How far an arrival may be from its place in line: each thread has its own way to the server."""


def pause_ends(name: str, seconds: float, *, rates: tuple[str, ...] = ()) -> Figures:
    """One call is told to come back in 1 s; then as many threads as WAITING join the line.

    seconds: not used; it takes as long as the pause.
    """
    quota = QuotaSpec("closed", 100, 1.0)
    driven = Driven()
    cpu = time.process_time()
    with running(ServerSpec((quota,), retry_after="ceil")) as vendor, client(vendor.port) as http:
        call = throttled(*rates)(http.get)
        driven.began = time.monotonic()
        with contextlib.suppress(Exception):
            call("/", **{"X-Ticket": "first"})
        lock = threading.Lock()

        def wait(ticket: int) -> None:
            started = time.monotonic()
            try:
                call("/", **{"X-Ticket": str(ticket)})
            except Exception as error:
                with lock:
                    driven.failed += 1
                    driven.note(error)
            with lock:
                driven.calls += 1
                driven.longest = max(driven.longest, time.monotonic() - started)

        threads = [threading.Thread(target=wait, args=(n,), daemon=True) for n in range(WAITING)]
        for thread in threads:
            thread.start()
            time.sleep(0.01)  # so that there is an order in which they came
        for thread in threads:
            thread.join()
        driven.ended = time.monotonic()
        driven.cpu = time.process_time() - cpu
        hits = vendor.hits()
    figures = figures_of(name, driven, hits, quota)
    figures.used = None
    _judge(figures, hits)
    return figures


def _judge(figures: Figures, hits: list[Hit]) -> None:
    first, *rest = hits
    end = first.at + 1.0
    early = sum(hit.at < end for hit in rest)
    herd = sum(end <= hit.at < end + MOMENT for hit in rest)
    tickets = [int(hit.ticket) for hit in rest]
    places = max((abs(place - ticket) for place, ticket in enumerate(tickets)), default=0)
    last = rest[-1].at - end if rest else 0.0
    figures.notes.append(
        f"{herd} of {len(rest)} came in the first {MOMENT * 1e3:g} ms after the end, the last "
        f"{last:.3f} s after it; at most {places} places out of order"
    )
    figures.aim(len(rest) == WAITING, f"{len(rest)} of {WAITING} came")
    figures.aim(not early, f"{early} came before the end of the pause; aim: none")
    figures.aim(herd <= AT_ONCE, f"{herd} came at once; aim: {AT_ONCE} at most")
    figures.aim(places <= PLACES, f"{places} places out of order; aim: {PLACES} at most")
    figures.all_pass()
