"""The dashboard as a WSGI application (PEP 3333): read-only, and nothing but itself is loaded."""

from __future__ import annotations

import hashlib
import http
import json
import math
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote

from loguru import logger

from resilient.diagnostics.dashboard import access, frame
from resilient.diagnostics.dashboard.access import COOKIE, LASTS, Access, Denied, Visitor
from resilient.diagnostics.dashboard.assets import ASSETS
from resilient.diagnostics.dashboard.detail import detail
from resilient.diagnostics.dashboard.frame import Frame
from resilient.diagnostics.dashboard.overview import overview, wish_of
from resilient.diagnostics.dashboard.view import Source, rows_of
from resilient.diagnostics.masking import Figures, mask, masked
from resilient.diagnostics.tables import title

Environ = Mapping[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

LONGEST_FORM = 4_096
"""Bytes of the only form there is."""

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SAFE = (
    ("Content-Security-Policy", _POLICY),
    ("X-Frame-Options", "DENY"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("X-Robots-Tag", "noindex"),
)
_HTML = "text/html; charset=utf-8"


class Answer(NamedTuple):
    """What is sent back. headers: beyond those that every answer has."""

    status: int
    body: bytes = b""
    kind: str = _HTML
    headers: tuple[tuple[str, str], ...] = ()
    cache: str = "no-store"


class Dashboard:
    """See `dashboard`. source: where the figures come from; doorkeeper: who may see them."""

    def __init__(self, source: Source, doorkeeper: Access, period: float = 5.0) -> None:
        self.source = source
        self.doorkeeper = doorkeeper
        self.period = period

    def close(self) -> None:
        """Watch the figures no longer; what is known is still shown."""
        self.source.stop()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        visitor: list[Visitor] = []
        try:
            answer = self._answer(environ, visitor)
        except Denied as denied:
            answer = self._denial(environ, denied)
        except Exception as error:
            answer = self._failure(environ, error)
        _log(environ, answer, visitor[0].role if visitor else None)
        status = f"{answer.status} {http.HTTPStatus(answer.status).phrase}"
        # RFC 9110 15.4.5: a 304 tells nothing of a content that it does not have.
        content = (("Content-Type", answer.kind), ("Content-Length", str(len(answer.body))))
        headers = [
            *(content if answer.status != 304 else ()),
            ("Cache-Control", answer.cache),
            ("Vary", "Cookie, Authorization"),
            *_SAFE,
            *answer.headers,
        ]
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _answer(self, environ: Environ, visitor: list[Visitor]) -> Answer:
        path = environ.get("PATH_INFO", "")
        method = environ["REQUEST_METHOD"]
        if method not in ("GET", "HEAD") and (method, path) != ("POST", "/login"):
            allowed = (("Allow", "GET, HEAD, POST" if path == "/login" else "GET, HEAD"),)
            return Answer(405, b"The dashboard only shows.\n", "text/plain", allowed)
        if path in ASSETS:
            asset = ASSETS[path]
            return Answer(200, asset.body, asset.kind, cache="public, max-age=31536000, immutable")
        if path == "/login":
            return self._login(environ, visitor) if method == "POST" else _to_overview(environ)
        visitor.append(self.doorkeeper.admit(environ))
        if not path:
            return _to_overview(environ, 308)
        return self._shown(environ, path, visitor[0])

    def _shown(self, environ: Environ, path: str, visitor: Visitor) -> Answer:
        """A page, unless the visitor has the newest one."""
        query = environ.get("QUERY_STRING", "")
        known = "\0".join((self.source.version, path, query, visitor.role))
        tag = f'W/"{hashlib.sha256(known.encode("utf-8", "replace")).hexdigest()[:32]}"'
        headers = (("ETag", tag),)
        asked = [one.strip() for one in environ.get("HTTP_IF_NONE_MATCH", "").split(",")]
        if tag in asked:
            return Answer(304, headers=headers)
        page = self._page(environ, path, visitor)
        if page is None:
            text = "This page does not exist, or the function was not called again after a restart."
            body = frame.notice(self._frame(environ, visitor), "Not found", text)
            return Answer(404, _encoded(body))
        kind = "application/json" if path == "/data.json" else _HTML
        return Answer(200, _encoded(page), kind, headers)

    def _page(self, environ: Environ, path: str, visitor: Visitor) -> str | None:
        if path == "/":
            query = parse_qs(
                environ.get("QUERY_STRING", "")[:2_000], max_num_fields=20, errors="replace"
            )
            return overview(self._frame(environ, visitor), self.source, wish_of(query))
        if path == "/data.json":
            return _data(self.source)
        head, _, key = path[1:].partition("/")
        if head == "function" and len(key) == 16:
            return detail(self._frame(environ, visitor), self.source, key)
        return None

    def _frame(self, environ: Environ, visitor: Visitor | None) -> Frame:
        has_login = self.doorkeeper.needs_token
        source = ""
        if visitor is not None:
            source = frame.text(title(self.source.snapshot()).removeprefix("resilient: "))
        base = escape(_base(environ))
        return Frame(base, visitor and visitor.role, source, self.period, has_login)

    def _login(self, environ: Environ, visitor: list[Visitor]) -> Answer:
        if environ.get("HTTP_SEC_FETCH_SITE", "same-origin") not in ("same-origin", "none"):
            raise Denied(403, "Log in from the dashboard itself.")
        form = _form(environ)
        if "leave" in form:
            return _to_overview(environ, 303, _cookie(environ, "", 0))
        if not self.doorkeeper.needs_token:
            return _to_overview(environ, 303)
        token = form.get("token", [""])[-1].strip()
        client = access.client_of(environ)
        visitor.append(Visitor(self.doorkeeper.role_of(token, client), client))
        value = self.doorkeeper.cookie_for(token)
        return _to_overview(environ, 303, _cookie(environ, value, LASTS))

    def _denial(self, environ: Environ, denied: Denied) -> Answer:
        headers = []
        if denied.status == 401:
            headers.append(("WWW-Authenticate", 'Bearer realm="resilient"'))
        if denied.retry_after is not None:
            headers.append(("Retry-After", str(math.ceil(denied.retry_after))))
        shown = self._frame(environ, None)
        if self.doorkeeper.needs_token and denied.status in (401, 429):
            body = frame.login(shown, str(denied))
        else:
            body = frame.notice(shown, "Not for you", str(denied))
        return Answer(denied.status, _encoded(body), headers=tuple(headers))

    def _failure(self, environ: Environ, error: Exception) -> Answer:
        # Its type only: the message might show what a visitor may not see.
        logger.bind(dashboard={"error": type(error).__name__}).opt(exception=None).error(
            "{}", f"dashboard: could not answer: {type(error).__name__}"
        )
        return Answer(500, b"The dashboard failed; its log says how.\n", "text/plain")


def _data(source: Source) -> str:
    """The figures of all functions, for programs."""
    rows = rows_of(source)
    functions = [
        {
            **masked(Figures(row.data)),
            "id": row.key,
            "state": row.state,
            "breakers": list(row.now.breakers),
            "throttle": None if row.now.throttle is None else masked(dict(row.now.throttle)),
            "recent": {"rate": row.rate, "failed": row.failed, "p50": row.p50, "p95": row.p95},
        }
        for row in rows
    ]
    snapshot = source.snapshot()
    common = {name: snapshot[name] for name in ("started", "taken", "seconds")}
    return json.dumps({**common, "functions": functions}, allow_nan=False)


def _form(environ: Environ) -> dict[str, list[str]]:
    length = environ.get("CONTENT_LENGTH") or ""
    if not (length.isascii() and length.isdecimal()):
        raise Denied(411, "The form has to say how long it is.")
    if len(length) > 9 or int(length) > LONGEST_FORM:
        raise Denied(413, "That is more than the form has.")
    body = environ["wsgi.input"].read(int(length))
    try:
        return parse_qs(body.decode("ascii", "replace"), max_num_fields=10)
    except ValueError as error:
        raise Denied(400, "That is not what the form sends.") from error


def _base(environ: Environ) -> str:
    """Where the dashboard is mounted: a path, whatever the server says."""
    path = quote(environ.get("SCRIPT_NAME", "").encode("latin-1", "replace"), safe="/~-._")
    stripped = path.strip("/")
    return f"/{stripped}" if stripped else ""


def _to_overview(environ: Environ, status: int = 303, *headers: tuple[str, str]) -> Answer:
    return Answer(status, headers=(("Location", f"{_base(environ)}/"), *headers))


def _cookie(environ: Environ, value: str, lasts: int) -> tuple[str, str]:
    schemes = (environ.get("wsgi.url_scheme"), environ.get("HTTP_X_FORWARDED_PROTO"))
    secure = "; Secure" if "https" in schemes else ""
    path = _base(environ) or "/"
    told = f"{COOKIE}={value}; Path={path}; Max-Age={lasts}; HttpOnly; SameSite=Strict{secure}"
    return "Set-Cookie", told


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _log(environ: Environ, answer: Answer, role: str | None) -> None:
    """One line for each request; those of pages that look again are for debugging only."""
    path = environ.get("PATH_INFO", "") or "/"
    client = access.client_of(environ) or "unknown"
    # The query may hold what somebody has typed.
    told = f"{environ['REQUEST_METHOD']} {path[:200]} {answer.status}"
    level = "INFO"
    if answer.status in (401, 403, 429) and (role is None):
        level = "WARNING" if answer.status != 401 or path == "/login" else "INFO"
    elif path in ASSETS or answer.status == 304 or "HTTP_IF_NONE_MATCH" in environ:
        level = "DEBUG"
    facts = {
        "client": client,
        "role": role,
        "method": environ["REQUEST_METHOD"],
        "path": mask(path[:200]),
        "status": answer.status,
    }
    who = f"{client} ({role})" if role else client
    shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in f"{who} {told}")
    logger.bind(dashboard=facts).log(level, "{}", mask(f"dashboard: {shown}"))
