"""examples/tour.py: four workers, a dashboard and an endpoint, and no secret in what they leave."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from resilient.diagnostics.merging import merged

ROOT = Path(__file__).parent.parent
SECRET = "sk_live_51Hx9TourSecret"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.stress
def test_the_tour_ends_by_itself_and_leaves_the_figures_of_four_workers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "tour.py"), "--seconds", "4"]
        + ["--port", str(free_port()), "--metrics-port", str(free_port())],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert "dashboard  http://127.0.0.1:" in done.stdout
    assert "Traceback" not in done.stderr
    logs = tmp_path / "tour-logs"
    snapshot = merged([str(logs)])
    assert {row["function"] for row in snapshot["functions"]} == {"rate", "order", "send"}
    assert len(merged([str(logs)], by="process")["functions"]) == 4
    text = "".join(path.read_text() for path in logs.iterdir())
    assert all(json.loads(line) for line in text.splitlines())
    assert SECRET not in text + done.stdout + done.stderr
