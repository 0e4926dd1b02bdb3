"""Vendors on loopback, and the observer installed for one test."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resilient.http import observe
from tests.http.loopback import LOCAL, OK, Answer, Vendor


@pytest.fixture
def vendor() -> Iterator[Callable[..., Vendor]]:
    """Makes vendors: `vendor()` says 200 and "ok"; `vendor(answer)` sends what you write."""
    vendors: list[Vendor] = []

    def make(
        answer: Answer | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> Vendor:
        made = Vendor(answer or (lambda connection, _: connection.sendall(OK)), tls)
        vendors.append(made)
        return made

    yield make
    for made in vendors:
        made.close()


@pytest.fixture
def hung(vendor: Callable[..., Vendor]) -> Vendor:
    """A vendor that takes requests and never answers."""
    made: Vendor = vendor(lambda *_: made.over.wait())
    return made


@pytest.fixture
def dripping(vendor: Callable[..., Vendor]) -> Vendor:
    """A vendor whose body comes in slowly for ever."""

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        made.drip(connection)

    made = vendor(answer)
    return made


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 and its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    path = tmp_path_factory.mktemp("tls")
    made = [path / "key.pem", path / "certificate.pem"]
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-subj", f"/CN={LOCAL}", "-addext", f"subjectAltName=IP:{LOCAL}"]
        + ["-keyout", str(made[0]), "-out", str(made[1])],
        check=True,
        capture_output=True,
    )
    both = path / "both.pem"
    both.write_bytes(b"".join(part.read_bytes() for part in made))
    return both


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    """What a vendor needs to speak HTTPS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def observing() -> Iterator[None]:
    """The observer installed afresh, before and after the test.

    Decorated functions have it installed once in a process, and this may have been before.
    """
    observe.uninstall()
    observe.install()
    yield
    observe.uninstall()
    observe.install()
