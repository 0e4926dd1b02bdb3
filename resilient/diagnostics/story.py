"""The story of a call: its steps and its requests, in the order they happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from resilient.call import Call, Exchange
from resilient.diagnostics.tables import duration

MOST = 40
"""Events that a story tells; of a longer one, the beginning and the end."""


def story_of(call: Call) -> list[dict[str, Any]]:
    """What happened to a call so far: for each event `at` (seconds since it began), kind and text.

    Requests are of kind "request". Not masked.
    """
    # A copy: threads of the call may file requests meanwhile. Before the steps, since a step tells
    # what was made of an answer, at the same moment if the clock is coarse.
    events = [_of_exchange(exchange, call.started) for exchange in tuple(call.exchanges)]
    events += [{"at": step.at, "kind": step.kind, "text": step.text} for step in tuple(call.steps)]
    events.sort(key=lambda event: event["at"])
    return _shortened(events)


def _of_exchange(exchange: Exchange, started: float) -> dict[str, Any]:
    at = exchange.started - started
    request = f"{exchange.method} {exchange.host}"
    if exchange.elapsed is None:
        return {"at": at, "kind": "request", "text": f"{request} was not answered"}
    at += exchange.elapsed
    text = f"{request} was answered {exchange.status} in {duration(exchange.elapsed)}"
    return {"at": at, "kind": "request", "text": text}


def _shortened(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    left_out = len(events) - MOST
    if left_out <= 0:
        return list(events)
    head, tail = events[: MOST // 2], events[-(MOST - MOST // 2) :]
    gap = {"at": tail[0]["at"], "kind": "more", "text": f"… and {left_out:,} more"}
    return [*head, gap, *tail]
