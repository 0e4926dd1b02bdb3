"""The webhook, against servers on loopback that answer, refuse, redirect, drip and hang."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from resilient import registry as figures
from resilient import service
from resilient.call import current
from resilient.diagnostics.alerts import webhook
from resilient.diagnostics.alerts.telling import Alert
from resilient.diagnostics.alerts.webhook import MOST_LINES, MOST_UNSENT, PAUSE, message_of
from resilient.diagnostics.masking import mask
from resilient.errors import ConfigurationError, ResilientError
from resilient.testing import FakeClock, RecordedSteps
from tests.diagnostics.alerts.conftest import Traffic, Watch
from tests.real_time import real_time
from tests.threads import REAL_LIMIT, StartThread


class Hook:
    """A server for webhooks; `status` is what it answers."""

    def __init__(self) -> None:
        self.status = 200
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.bodies.append(json.loads(body))
                hook.headers.append(dict(self.headers))
                self.send_response(hook.status)
                if hook.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), name="resilient-vendor-hook"
        )
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/services/s3cr3t-path-of-hook"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Hook()
    yield server
    server.close()


def news(number: int = 1, text: str = "20 % of calls failed") -> Alert:
    return Alert("alert", f"github.f{number}", "failure_rate", 0.2, 0.1, 1.0, 2.0, 1, text)


def test_alerts_are_posted_as_json(hook: Hook, clock: FakeClock) -> None:
    webhook(hook.url).send([news(1), news(2)])
    [body] = hook.bodies
    assert body["text"] == (
        "ALERT github.f1: 20 % of calls failed\nALERT github.f2: 20 % of calls failed"
    )
    assert [one["subject"] for one in body["alerts"]] == ["github.f1", "github.f2"]
    assert body["alerts"][0]["value"] == 0.2
    assert hook.headers[0]["Content-Type"] == "application/json"


def test_slack_gets_text_that_can_mention_nobody(hook: Hook, clock: FakeClock) -> None:
    webhook(hook.url, shape="slack")(news(text="<!channel> & <https://evil.example|here>"))
    assert hook.bodies == [
        {"text": "ALERT github.f1: &lt;!channel&gt; &amp; &lt;https://evil.example|here&gt;"}
    ]


def test_nothing_is_sent_where_there_is_nothing_to_tell(hook: Hook, clock: FakeClock) -> None:
    webhook(hook.url).send([])
    assert hook.bodies == []


def test_many_alerts_make_one_readable_message() -> None:
    message = message_of([news(number) for number in range(50)], "json")
    assert message["text"].count("\n") == MOST_LINES
    assert message["text"].endswith("… and 30 more")
    assert len(message["alerts"]) == 50


def test_a_message_holds_no_secret() -> None:
    message = message_of([news(text="failed: api_key=s3cr3t-value")], "json")
    assert "s3cr3t-value" not in json.dumps(message)


@pytest.mark.parametrize(("status", "says"), [(500, "answered 500"), (302, "answered 302")])
def test_what_is_not_taken_is_sent_later(
    hook: Hook, clock: FakeClock, status: int, says: str
) -> None:
    hook.status = status
    to = webhook(hook.url)
    with pytest.raises(ResilientError, match=rf"http://127.0.0.1/… {says}") as raised:
        to.send([news(1)])
    assert "s3cr3t" not in str(raised.value)
    assert raised.value.__context__ is None
    hook.status = 200
    to.send([news(2)])
    assert len(hook.bodies) == 1, "a redirect was followed, or the pause not kept"
    clock.advance(PAUSE)
    to.send([])
    assert [one["subject"] for one in hook.bodies[1]["alerts"]] == ["github.f1", "github.f2"]
    to.send([])
    assert len(hook.bodies) == 2
    assert to.errors == 1


def test_what_waits_to_be_sent_is_bounded(clock: FakeClock) -> None:
    to = webhook("http://127.0.0.1:1/services/nobody-listens-here")
    with pytest.raises(ResilientError, match="could not be reached"):
        to.send([news(number) for number in range(60)])
    to.send([news(number) for number in range(60, 200)])
    assert [alert.subject for alert in to._unsent] == [
        f"github.f{number}" for number in range(200 - MOST_UNSENT, 200)
    ]


def test_a_server_that_hangs_holds_up_nobody_for_long(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:
        to = webhook(f"http://127.0.0.1:{server.getsockname()[1]}/hook", timeout="100ms")
        with pytest.raises(ResilientError, match=r"reached|within 0.1 s"):
            to.send([news()])
    assert to._unsent == [news()]


@real_time
def test_a_server_that_drips_is_left_behind(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, in_thread: StartThread
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    left = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not left.wait(0.02):
                    connection.sendall(b"x")

        in_thread(drip)
        # On a busy machine two drops may lie 0.1 s apart.
        to = webhook(f"http://127.0.0.1:{server.getsockname()[1]}/hook", timeout="400ms")
        with pytest.raises(ResilientError, match=r"did not answer within 0\.4 s"):
            to.send([news()])
        clock.advance(PAUSE)
        to.send([])
        assert to.errors == 1, "a second request was made while the first hangs"
        left.set()
        assert to._sending
        to._sending.join(REAL_LIMIT)
    assert to._unsent == [news()]


def test_while_a_request_hangs_no_other_is_sent(clock: FakeClock) -> None:
    to = webhook("http://127.0.0.1:1/hook")
    done = threading.Event()
    to._sending = threading.Thread(target=done.wait, daemon=True)
    to._sending.start()
    to.send([news()])
    assert to._unsent == [news()]
    assert to.errors == 0
    done.set()
    to._sending.join()


def test_its_own_requests_are_nobodys_calls(
    hook: Hook, traffic: Traffic, watch: Watch, clock: FakeClock, steps: RecordedSteps
) -> None:
    rule = watch(webhook(hook.url), failure_rate=0.2)
    seen: list[Any] = []

    @service("alerthook")
    def fetch() -> None:
        traffic.calls(bad=10)
        rule._alerts.check()
        call = current.get()
        seen.extend(call.exchanges if call else ())

    before = {one["service"] for one in figures.snapshot()["functions"]}
    fetch()
    after = {one["service"] for one in figures.snapshot()["functions"]}
    assert len(hook.bodies) == 1
    assert seen == []
    assert after - before <= {"alerthook"}
    assert steps.kinds() == ["alert"]


def test_a_dead_webhook_is_told_once_and_costs_no_alert(
    traffic: Traffic, watch: Watch, clock: FakeClock, steps: RecordedSteps
) -> None:
    rule = watch(
        webhook("http://127.0.0.1:1/services/s3cr3t-path-of-hook"),
        failure_rate=0.2,
        cooldown="1m",
    )
    for _ in range(4):
        traffic.calls(bad=10)
        rule._alerts.check()
        clock.advance(60)
    assert steps.kinds() == ["alert", "degraded", "escalated", "escalated", "escalated"]
    [degraded] = steps.of("degraded")
    assert "http://127.0.0.1/… could not be reached" in degraded.text
    assert "s3cr3t" not in degraded.text
    assert rule._alerts.teller.errors == 4


@pytest.mark.parametrize(
    "wrong",
    [
        "hooks.slack.com/services/s3cr3t",
        "ftp://host/s3cr3t",
        "file:///etc/s3cr3t",
        "https://",
        "https:///s3cr3t",
        "https://host:port/s3cr3t",
        "https://host/s3cr3t\r\nX-Evil: 1",
        "https://user:s3cr3t@host/",
        "https://höst/s3cr3t",
        b"https://host/s3cr3t",
        None,
        5,
    ],
    ids=str,
)
def test_what_is_no_address_is_refused_without_showing_it(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"webhook.*use") as raised:
        webhook(wrong)
    assert "s3cr3t" not in str(raised.value)


def test_an_unknown_shape_or_time_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"webhook\(shape='xml'\): use 'slack' or 'json'"):
        webhook("https://host/", shape="xml")
    with pytest.raises(ConfigurationError, match=r"webhook\(timeout=0\)"):
        webhook("https://host/", timeout=0)


def test_the_address_is_masked_wherever_it_turns_up() -> None:
    webhook("https://chat.example/hooks/kq8zp2w9x7v5t3r1")
    assert "kq8zp2w9x7v5t3r1" not in mask("POST /hooks/kq8zp2w9x7v5t3r1 took 3 s")
