from __future__ import annotations

import threading
import urllib.request
from pathlib import Path

import pytest

from resilient.cli import exits
from resilient.diagnostics.dashboard import Server
from tests.cli.conftest import Run, WriteLog
from tests.threads import REAL_LIMIT, StartThread, until


@pytest.fixture
def log(write_log: WriteLog) -> Path:
    return write_log("a.log", repos=[0.01] * 10)


def test_it_serves_the_logs_until_it_is_ended(
    run: Run, log: Path, in_thread: StartThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers: list[Server] = []
    is_there = threading.Event()
    real = Server.serve_forever

    def serve(server: Server, interval: float) -> None:
        servers.append(server)
        is_there.set()
        real(server, 0.01)

    monkeypatch.setattr(Server, "serve_forever", serve)
    ended: list[tuple[int, str, str]] = []
    in_thread(lambda: ended.append(run("dashboard", log, "--port", 0)))
    assert is_there.wait(REAL_LIMIT)
    with urllib.request.urlopen(servers[0].address, timeout=REAL_LIMIT) as answer:
        page = answer.read().decode()
    servers[0].shutdown()
    assert "github.<wbr>repos" in page
    until(lambda: ended)
    ((code, out, _),) = ended
    assert code == exits.FINE
    assert servers[0].address in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-"], "can't follow the standard input"),
        (["nowhere.log"], "No such file"),
        (["{log}", "--host", "0.0.0.0"], "RESILIENT_OPERATOR_TOKEN"),
        (["{log}", "--port", "70000"], "use 0 to 65535"),
        (["{log}", "--every", "0"], "use 0.1 to 3600 seconds"),
        (["{log}", "--host", "127.0.0.1.x"], "RESILIENT_VIEWER_TOKEN"),
    ],
    ids=lambda value: str(value)[-30:],
)
def test_what_can_not_be_done_is_told(
    run: Run, log: Path, arguments: list[str], message: str
) -> None:
    code, _, err = run("dashboard", *(one.format(log=log) for one in arguments))
    assert code == exits.USAGE
    assert message in err


def test_a_token_that_is_too_short_is_told_without_being_shown(
    run: Run, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESILIENT_OPERATOR_TOKEN", "hunter2")
    code, _, err = run("dashboard", log)
    assert code == exits.USAGE
    assert "operator's token is shorter" in err
    assert "hunter2" not in err


def test_a_port_that_is_taken_is_told(run: Run, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setenv("RESILIENT_VIEWER_TOKEN", "a-token-for-viewers")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = run("dashboard", log, "--port", taken.getsockname()[1])
    assert code == exits.USAGE
    assert "can't serve at 127.0.0.1" in err
