"""Alerts to a webhook: one request for all news of one look, that can't hang and can't loop.

The request is made outside of any call and by no decorated function, so nothing watches it, counts
it or alerts because of it.
"""

from __future__ import annotations

import contextvars
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from resilient import options
from resilient.diagnostics.alerts.telling import Alert, Sender
from resilient.diagnostics.durations import Duration, seconds_of
from resilient.diagnostics.masking import Figures, mask, masked
from resilient.ending import start_thread
from resilient.errors import ConfigurationError, ResilientError
from resilient.http.learned import learned
from resilient.timing import clock

MOST_UNSENT = 100
"""Alerts that are kept while the webhook does not take them."""

MOST_LINES = 20
"""Alerts that one message spells out."""

PAUSE = 30.0
"""Seconds after a failure before the next request."""


class Webhook(Sender):
    """See `webhook`. `_lock` guards `_unsent`, `_not_before` and `_sending`."""

    def __init__(self, url: str, shape: str, timeout: float) -> None:
        self.errors = 0
        """Requests that failed."""
        self.shape = shape
        self.timeout = timeout
        self._url = url
        self._unsent: list[Alert] = []
        self._not_before = 0.0
        self._sending: threading.Thread | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        # The rest of a webhook's address is what lets anybody write to it.
        return f"webhook({_place(self._url)!r}, shape={self.shape!r})"

    def __call__(self, alert: Alert) -> None:
        """Send one alert now."""
        self.send([alert])

    def send(self, alerts: Sequence[Alert]) -> None:
        """Send these and what could not be sent before. Raises: ResilientError."""
        with self._lock:
            self._unsent = [*self._unsent, *alerts][-MOST_UNSENT:]
            now = clock.monotonic()
            # A clock that was put back must not keep everything waiting.
            is_early = self._not_before - PAUSE <= now < self._not_before
            if not self._unsent or is_early or self._is_sending_locked():
                return
            batch, self._unsent = self._unsent, []
        why = self._post(json.dumps(message_of(batch, self.shape)).encode())
        if why is None:
            return
        with self._lock:
            self.errors += 1
            self._unsent = [*batch, *self._unsent][-MOST_UNSENT:]
            self._not_before = clock.monotonic() + PAUSE
        raise ResilientError(f"{_place(self._url)} {why}")

    def _is_sending_locked(self) -> bool:
        return self._sending is not None and self._sending.is_alive()

    def _post(self, body: bytes) -> str | None:
        """Send one request; what went wrong, None if nothing."""
        # On a thread of its own: a timeout of urllib bounds each read, and a server that drips
        # could keep the alerts' thread for days. One thread at most is left behind.
        result: list[str | None] = []
        thread = threading.Thread(
            target=contextvars.Context().run,
            args=(self._request, body, result),
            name="resilient-webhook",
            daemon=True,
        )
        with self._lock:
            self._sending = thread
        start_thread(thread)
        # In real time, as the socket's own timeout is.
        thread.join(self.timeout + 0.5)
        return result[0] if result else f"did not answer within {self.timeout:g} s"

    def _request(self, body: bytes, result: list[str | None]) -> None:
        request = urllib.request.Request(  # noqa: S310  # the scheme was checked
            self._url,
            data=body,
            headers={"Content-Type": "application/json", "User-Agent": "resilient"},
        )
        try:
            opener = urllib.request.build_opener(_NoRedirects)
            with opener.open(request, timeout=self.timeout):
                result.append(None)
        except urllib.error.HTTPError as error:
            error.close()
            result.append(f"answered {error.code}")
        except Exception as error:
            reason = getattr(error, "reason", None)
            # Never its text, which may hold the address.
            known = reason if isinstance(reason, Exception) else error
            result.append(f"could not be reached ({type(known).__name__})")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Alerts go where they were meant to go, or nowhere."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def message_of(alerts: Sequence[Alert], shape: str) -> dict[str, Any]:
    """The body of a request, masked.

    Source of the Slack shape: docs.slack.dev, "Sending messages using incoming webhooks" and
    "Formatting message text", which wants &, < and > escaped.
    """
    lines = [mask(str(alert)) for alert in alerts[:MOST_LINES]]
    if len(alerts) > MOST_LINES:
        lines.append(f"… and {len(alerts) - MOST_LINES} more")
    text = "\n".join(lines)
    if shape == "slack":
        return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
    return {"text": text, "alerts": [masked(Figures(alert.plain())) for alert in alerts]}


def webhook(url: str, *, shape: str = "json", timeout: Duration = 5) -> Webhook:
    """Where `alert(to=…)` sends its alerts: an HTTP POST for all that one look has found.

    shape: "slack" for an incoming webhook of Slack, or of who takes the same (Mattermost, Discord
        at …/slack); "json" for {"text": …, "alerts": [{"status", "subject", "condition", "value",
        "limit", "since", "at", "times", "text", "host", "pid"}]}.
    timeout: for the whole request, in seconds or as in "5s".

    What could not be sent is sent later, the newest 100. Redirects are not followed. Proxies are
    those of the environment.
    """
    options.choice(shape, "webhook(shape)", ("slack", "json"))
    seconds = seconds_of(timeout, "webhook(timeout)")
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isascii()
        # Looked at for what it raises.
        is_usable = is_usable and (parts.port or 1) > 0 and not any(map(str.isspace, url))
    except (ValueError, AttributeError, TypeError):
        is_usable = False
    if not is_usable:
        # Never its text, which may be a secret all the same.
        raise ConfigurationError(
            f"webhook(…) got a {type(url).__name__} that is no usable address: use the whole URL "
            'that its owner shows, such as "https://hooks.slack.com/services/…".'
        )
    if parts.username or parts.password:
        raise ConfigurationError(
            f"webhook({_place(url)!r}): user names in addresses are not sent; use a URL without."
        )
    # Too short a path to be a secret is not learned.
    learned.tell(parts.path.strip("/"))
    return Webhook(url, shape, seconds)


def _place(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}/…"
