"""In headless Chromium (Debian's package `chromium`): what is drawn, and what the script does."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from resilient.call import Outcome, Verdict
from resilient.diagnostics.dashboard import Access, Dashboard, Live, Server, served
from resilient.diagnostics.dashboard import assets as module
from resilient.diagnostics.dashboard.app import App
from resilient.diagnostics.dashboard.view import key_of
from resilient.registry import Registry
from resilient.testing import FakeClock
from tests.diagnostics.conftest import MakeCall

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.vendor,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium: apt-get install chromium"),
]

HOSTILE = "<img src=x onerror=document.title='broken'>"


def browse(address: str, *options: str, patience: int = 3_000) -> tuple[str, str]:
    """The page as it is after so many milliseconds of the browser's time, and its console."""
    command = [
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--enable-logging=stderr", "--hide-scrollbars", f"--virtual-time-budget={patience}"),
        *(options or ("--dump-dom",)),
        address,
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    console = [line for line in ended.stderr.splitlines() if "CONSOLE" in line]
    return ended.stdout, "\n".join(console)


@pytest.fixture
def source(registry: Registry, make_call: MakeCall, clock: FakeClock) -> Live:
    live = Live(registry)
    live.look()
    for service in ("github", "stripe", HOSTILE):
        registry.stats_of(service, "call").durations += [0.05] * 100
    pay = registry.stats_of("stripe", "call")
    for _ in range(50):
        call = make_call(service="stripe", name="call")
        call.outcome = Outcome(Verdict.BROKEN, "500")
        live.hear(call, call.report("failed", "failed (500)"))
        pay.record(call, OSError())
    clock.advance(10)
    live.look()
    return live


@pytest.fixture
def server(source: Live) -> Iterator[Server]:
    with served(Dashboard(source, Access(), period=0.2)) as server:
        yield server


@pytest.mark.parametrize("path", ["", f"function/{key_of('stripe', 'call')}"])
def test_a_page_is_drawn_without_a_complaint(server: Server, path: str) -> None:
    dom, console = browse(server.address + path)
    assert console == ""
    assert '<span id="live" role="status" class="">Live</span>' in dom
    assert '<button type="button">Pause</button>' in dom


def test_a_hostile_name_stays_a_text(server: Server) -> None:
    dom, console = browse(server.address)
    assert "<title>1 failing" in dom
    assert "&lt;img src=x onerror=" in dom
    assert console == ""


def test_the_page_follows_what_happens(source: Live, clock: FakeClock) -> None:
    board = Dashboard(source, Access(), period=0.2)
    pages: list[str] = []

    def watched(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/":
            pages.append(environ.get("HTTP_IF_NONE_MATCH", ""))
            if len(pages) == 3:
                source.registry.stats_of("appeared", "later").durations += [0.1]
                clock.advance(10)
                source.look()
        return board(environ, start_response)

    with served(board) as server:
        server.set_app(watched)
        dom, console = browse(server.address)
    assert "appeared.<wbr>later" in dom
    assert len(re.findall(r'<tr id="f', dom)) == 4
    assert console == ""
    assert pages[2].startswith('W/"'), "it says what it knows"


CHECK = """
;(() => {
  // What a person does: unfolds a story, and has the focus on a link.
  const details = document.querySelector("details");
  const link = document.querySelector("main a");
  details.open = true;
  link.focus();
  setTimeout(() => {
    const kept = {focus: document.activeElement === link, unfolded: details.open};
    document.documentElement.dataset.kept = JSON.stringify(kept);
  }, 1500);
})();
"""


def test_what_is_unfolded_and_focused_stays_so(
    source: Live, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Dashboard(source, Access(), period=0.2)

    def watched(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/script.js":
            start_response("200 OK", [("Content-Type", "text/javascript")])
            return [(module.SCRIPT + CHECK).encode()]
        if environ["PATH_INFO"].startswith("/function"):
            source.registry.stats_of("stripe", "call").durations += [0.1] * 10
            clock.advance(10)
            source.look()
        return board(environ, start_response)

    with served(board) as server:
        server.set_app(watched)
        dom, _ = browse(f"{server.address}function/{key_of('stripe', 'call')}")
    assert 'data-kept="{&quot;focus&quot;:true,&quot;unfolded&quot;:true}"' in dom


def test_a_lost_connection_is_told(source: Live) -> None:
    board = Dashboard(source, Access(), period=0.2)
    seen: list[int] = []

    def failing(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/":
            seen.append(1)
            if len(seen) > 2:
                start_response("503 Service Unavailable", [])
                return [b""]
        return board(environ, start_response)

    app: App = failing
    with served(board) as server:
        server.set_app(app)
        dom, _ = browse(server.address)
    assert "Connection lost, trying again" in dom


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("desktop", ["--window-size=1300,1500"]),
        ("phone", ["--window-size=500,1500"]),
        ("dark", ["--window-size=1300,1500", "--force-dark-mode"]),
    ],
)
def test_it_can_be_looked_at(server: Server, tmp_path: Path, name: str, options: list[str]) -> None:
    shot = tmp_path / f"{name}.png"
    browse(server.address, *options, f"--screenshot={shot}")
    assert shot.read_bytes().startswith(b"\x89PNG")
    assert shot.stat().st_size > 20_000
