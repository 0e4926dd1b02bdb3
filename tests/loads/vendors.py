"""Starts the servers that the loads are put on, and reads what truly reached them."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.loads.server import ServerSpec

LOCAL = "127.0.0.1"
ROOT = Path(__file__).parents[2]


class Hit(NamedTuple):
    """One request that reached a server. at: monotonic seconds. window: see `quotas`."""

    at: float
    client: str
    path: str
    admitted: bool
    window: int
    ticket: str = ""


class Vendor:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://{LOCAL}:{port}"

    def hits(self) -> list[Hit]:
        """Everything that has reached it, in order."""
        connection = http.client.HTTPConnection(LOCAL, self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/-/truth")
            return [Hit(*row) for row in json.load(connection.getresponse())["log"]]


@contextlib.contextmanager
def running(spec: ServerSpec) -> Iterator[Vendor]:
    """Our own server in a process of its own, so that it does not share the client's GIL."""
    # Without site-packages: it needs none, and nothing that measures the tests slows it down.
    command = [sys.executable, "-S", "-m", "tests.loads.server", spec.to_json()]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Vendor(int(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait(10)


NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
"""Debian keeps it where only root looks."""

_CONF = """
daemon off;
master_process off;
worker_processes 1;
pid {prefix}/nginx.pid;
error_log {prefix}/error.log crit;
events {{ worker_connections 256; }}
http {{
    log_format truth '$msec $status $uri';
    access_log {prefix}/access.log truth;
    client_body_temp_path {prefix}/body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    uwsgi_temp_path {prefix}/uwsgi;
    scgi_temp_path {prefix}/scgi;
    keepalive_requests 1000000;
    limit_req_zone $server_name zone=all:1m rate={rate}r/s;
    limit_req_status 429;
    server {{
        listen {local}:{port};
        server_name loads;
        root {prefix};
        location / {{ limit_req zone=all{burst}; try_files /page =404; }}
    }}
}}
"""


class Nginx(Vendor):
    """A real nginx with limit_req; its access log is the truth."""

    def __init__(self, port: int, log: Path) -> None:
        super().__init__(port)
        self._log = log

    def hits(self) -> list[Hit]:
        to_monotonic = time.monotonic() - time.time()
        hits = []
        for line in self._log.read_text().splitlines():
            moment, status, path = line.split()
            assert status in ("200", "429"), line
            hits.append(Hit(float(moment) + to_monotonic, "", path, status == "200", 0))
        return hits


@contextlib.contextmanager
def running_nginx(rate: int, burst: int) -> Iterator[Nginx]:
    """nginx from its own configuration, in a folder of its own, as whoever runs this."""
    assert NGINX is not None
    with tempfile.TemporaryDirectory(prefix="loads-nginx-") as folder:
        prefix = Path(folder)
        (prefix / "page").write_text("ok")
        with socket.create_server((LOCAL, 0)) as found:
            port: int = found.getsockname()[1]
        told = f" burst={burst} nodelay" if burst else ""
        (prefix / "nginx.conf").write_text(
            _CONF.format(prefix=prefix, rate=rate, burst=told, port=port, local=LOCAL)
        )
        nginx = [NGINX, "-p", folder, "-c", f"{folder}/nginx.conf", "-e", f"{folder}/error.log"]
        # It ends with its standard input, as our own server does, even if this process is killed.
        command = ["sh", "-c", '"$@" & read -r _; kill $!; wait $!', "sh", *nginx]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            try:
                _await(port)
                yield Nginx(port, prefix / "access.log")
            finally:
                process.stdin.close()
                process.wait(10)


def _await(port: int) -> None:
    give_up = time.monotonic() + 5
    while True:
        try:
            socket.create_connection((LOCAL, port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)
