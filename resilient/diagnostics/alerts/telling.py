"""Telling people: in the log, and whoever else wants to know."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from resilient.call import Step, listeners
from resilient.diagnostics.alerts.loops import Means
from resilient.diagnostics.masking import Figures, mask, masked
from resilient.diagnostics.reports import host_name
from resilient.errors import ConfigurationError


class Alert(NamedTuple):
    """One piece of news about one condition of one subject. Its strings are masked.

    status: "alert", "escalated" (it is still so, a cooldown later) or "all_clear".
    subject: "service.function", or the name of a service or policy.
    condition: the option of `alert`, or "unusual_latency", "unusual_failure_rate".
    value, limit: in the option's unit. since, at: Unix seconds, when it became true and when this
    was told. times: how often it was told since then.
    """

    status: str
    subject: str
    condition: str
    value: float
    limit: float
    since: float
    at: float
    times: int
    text: str

    def plain(self) -> dict[str, Any]:
        """As plain data, with the process's host and pid."""
        return {**self._asdict(), "host": host_name(), "pid": os.getpid()}

    def __str__(self) -> str:
        return f"{_HEADS[self.status]}{self.subject}: {self.text}"


_HEADS = {"alert": "ALERT ", "escalated": "STILL ALERT ", "all_clear": "ALL CLEAR "}


class Sender:
    """A receiver that takes all news of one look at once, and is asked at each look."""

    def send(self, alerts: Sequence[Alert]) -> None:
        """Send them, and what could not be sent before; there may be none."""
        raise NotImplementedError


Receiver = Callable[[Alert], Any] | Sender


def receivers_of(to: object) -> tuple[Receiver, ...]:
    """What a user gave as `to`, checked."""
    if to is None:
        return ()
    many = tuple(to) if isinstance(to, (list, tuple)) else (to,)
    for one in many:
        if isinstance(one, type) or not (callable(one) or isinstance(one, Sender)):
            # Never its repr: a text in this place is a webhook's URL, and a secret.
            hint = " write to=webhook(…)" if isinstance(one, str) else " use a function of an alert"
            raise ConfigurationError(
                f"alert(to=…) got a {_kind(one)}:{hint}, or leave it out for the log alone."
            )
    return many


def _kind(one: object) -> str:
    return f"class, {one.__name__}" if isinstance(one, type) else type(one).__name__


class Teller:
    """Hands news to receivers. `_lock` guards `errors` and `_failing`."""

    def __init__(self) -> None:
        self.errors = 0
        """How often a receiver has failed."""
        self._failing: set[int] = set()
        self._means = Means()
        self._lock = threading.Lock()

    def tell(self, news: Iterable[tuple[Alert, Sequence[Receiver]]], asked: Iterable[Any]) -> None:
        """Log the news, and hand each alert to its receivers.

        asked: all receivers there are, since a sender may have something left to send.
        """
        everybody = list(asked)
        self._means.keep(everybody)
        for_senders: dict[int, list[Alert]] = {}
        for alert, receivers in news:
            facts = Figures(alert.plain())
            step = Step(alert.status, alert.subject, _line(alert), facts, 0.0)
            listeners.tell(None, step)
            for one in receivers:
                if isinstance(one, Sender):
                    for_senders.setdefault(id(one), []).append(alert)
                elif not self._means.has(one, alert.subject):
                    self._hand(one, one, alert)
        senders = {id(one): one for one in everybody if isinstance(one, Sender)}
        for key, sender in senders.items():
            self._hand(sender, sender.send, for_senders.get(key, []))

    def _hand(self, receiver: object, tell: Callable[[Any], Any], what: object) -> None:
        try:
            self._means.watch(receiver, tell, what)
        except Exception as error:
            self._count(receiver, error)
        else:
            with self._lock:
                self._failing.discard(id(receiver))

    def _count(self, receiver: object, error: Exception) -> None:
        with self._lock:
            self.errors += 1
            is_new = id(receiver) not in self._failing
            self._failing.add(id(receiver))
        if is_new:
            name = getattr(receiver, "__qualname__", None) or repr(receiver)
            why = mask(f"{type(error).__name__}: {error}")[:300]
            listeners.announce(
                "degraded",
                "alerts",
                f"{mask(name)[:200]} could not be told ({why}); the log has all alerts (told once, "
                "until it works again)",
            )


def _line(alert: Alert) -> str:
    if alert.status == "all_clear":
        return f"all clear: {alert.text}"
    return alert.text if alert.status == "alert" else f"still: {alert.text}"


def masked_alert(alert: Alert) -> Alert:
    """The same without a secret, should a name hold one."""
    return alert._replace(subject=masked(alert.subject), text=masked(alert.text))
