"""Shared quotas where real servers fork and patch: gunicorn's workers, and gevent's threads."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.loads.quotas import QuotaSpec
from tests.loads.server import ServerSpec
from tests.loads.vendors import LOCAL, ROOT, Vendor, running
from tests.threads import REAL_LIMIT

pytestmark = pytest.mark.vendor

RATE = 40
APPLICATION = """
import os
import requests
from resilient import breaker, retry, service, throttled

store = {store!r}
quota = throttled("{rate}/s", store=store)
vendor = service("vendor", retry(store=store), breaker(store=store), quota)

@vendor
def ask() -> int:
    return requests.get({url!r}, timeout=10).status_code
"""
SERVED = """
ask()  # before the fork: connections and threads are there that no child may share

def application(environ, start_response):
    body = f"{os.getpid()} {ask()}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
GREEN = """
import gevent

asked = [gevent.spawn(lambda: [ask() for _ in range(4)]) for _ in range(30)]
gevent.joinall(asked, raise_error=True)
child = os.fork()
if child == 0:
    status = 1
    try:
        status = ask() != 200
    finally:
        os._exit(status)
assert os.waitpid(child, 0)[1] == 0
print(sum(status == 200 for job in asked for status in job.value))
"""


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    """Counts as strictly as one can: no second of its own may see more than RATE."""
    quota = QuotaSpec(kind="sliding", calls=RATE, period=1.0)
    with running(ServerSpec(quotas=(quota,), dialect="none")) as vendor:
        yield vendor


@pytest.fixture
def store(tmp_path: Path) -> str:
    tmp_path.chmod(0o700)
    return f"sqlite:///{tmp_path}/shared.db"


def program(store: str, vendor: Vendor, rest: str) -> str:
    return APPLICATION.format(store=store, rate=RATE, url=f"{vendor.url}/") + textwrap.dedent(rest)


@contextlib.contextmanager
def gunicorn(tmp_path: Path, source: str) -> Iterator[int]:
    """Four workers, forked from one process that has called the vendor already."""
    pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    (tmp_path / "served.py").write_text(source)
    with socket.create_server((LOCAL, 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--workers=4", "--threads=4", "--preload"]
    command += [f"--bind={LOCAL}:{port}", "--log-level=warning", "served:application"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        try:
            _until_it_listens(port, process)
            yield port
        finally:
            process.terminate()
            process.communicate(timeout=REAL_LIMIT)


def _until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + REAL_LIMIT
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()[1].decode()
        with contextlib.suppress(OSError), socket.create_connection((LOCAL, port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError("it does not listen")


def fetch(port: int) -> tuple[str, str]:
    connection = http.client.HTTPConnection(LOCAL, port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/")
        pid, status = connection.getresponse().read().decode().split()
    return pid, status


def test_gunicorns_workers_are_one_client(tmp_path: Path, store: str, vendor: Vendor) -> None:
    with gunicorn(tmp_path, program(store, vendor, SERVED)) as port, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: fetch(port), range(5 * RATE)))
    assert Counter(status for _, status in answers) == {"200": 5 * RATE}
    assert len({pid for pid, _ in answers}) == 4
    assert all(hit.admitted for hit in vendor.hits())


def test_under_gevent_threads_and_forks_share_as_ever(
    tmp_path: Path, store: str, vendor: Vendor
) -> None:
    pytest.importorskip("gevent", reason="gevent is not installed")
    patched = "from gevent import monkey\nmonkey.patch_all()\n" + program(store, vendor, GREEN)
    (tmp_path / "green.py").write_text(patched)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "green.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "120"
    assert all(hit.admitted for hit in vendor.hits())
