from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from resilient.diagnostics.dashboard import Access, Dashboard, Live
from resilient.diagnostics.dashboard.app import App
from resilient.registry import Registry
from resilient.testing import FakeClock

OPERATOR = "operators-own-token"
VIEWER = "viewers-own-token-1"
TOKENS = {"operator": OPERATOR, "viewer": VIEWER}


class Got(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


class Client:
    """A browser in the shape of a WSGI server, which checks that the application keeps to it."""

    def __init__(self, app: App) -> None:
        self._app = validator(app)
        self.cookie = ""

    def get(self, path: str = "/", *, method: str = "GET", **changes: Any) -> Got:
        path, _, query = path.partition("?")
        environ: dict[str, Any] = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:8765"}
        environ["SCRIPT_NAME"] = ""
        environ |= {"PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": method, **changes}
        if self.cookie:
            environ.setdefault("HTTP_COOKIE", self.cookie)
        setup_testing_defaults(environ)
        got: list[Any] = []
        chunks = self._app(environ, lambda status, headers, *_: got.extend((status, headers)))
        body = b"".join(chunks)
        chunks.close()
        headers = dict(got[1])
        if "Set-Cookie" in headers:
            self.cookie = headers["Set-Cookie"].partition(";")[0]
        return Got(int(got[0][:3]), headers, body.decode())

    def post(self, path: str = "/login", *, form: dict[str, str], **changes: Any) -> Got:
        body = urlencode(form).encode()
        changes = {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body), **changes}
        changes.setdefault("CONTENT_TYPE", "application/x-www-form-urlencoded")
        return self.get(path, method="POST", **changes)

    def log_in(self, token: str, **changes: Any) -> Got:
        return self.post(form={"token": token}, **changes)


MakeClient = Callable[..., Client]


@pytest.fixture
def live(registry: Registry) -> Iterator[Live]:
    """The source of the pages, which listens; nobody looks but the test."""
    from resilient.call import listeners

    source = Live(registry)
    listeners.add(source.hear)
    yield source
    listeners.remove(source.hear)


@pytest.fixture
def client_of(live: Live, clock: FakeClock) -> MakeClient:
    """`client_of(tokens)`: somebody who is not logged in yet."""

    def make(tokens: dict[str, Any] | None = None) -> Client:
        return Client(Dashboard(live, Access(tokens)))

    return make


@pytest.fixture
def client(client_of: MakeClient) -> Client:
    """Somebody on this machine, where no token is needed."""
    return client_of()
