"""Who may look: this machine itself, or who has a token; and how often one may be wrong."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from resilient.errors import ConfigurationError
from resilient.http.learned import learned
from resilient.timing import clock

OPERATOR = "operator"
VIEWER = "viewer"
ROLES = (OPERATOR, VIEWER)
"""An operator sees stories of calls, a viewer figures only."""

COOKIE = "resilient_dashboard"
LASTS = 12 * 3600
"""Seconds until one has to log in again."""

LEAST_TOKEN = 16

FAILURES = 10
"""Wrong tokens from one client within PERIOD, after which none is looked at."""

FAILURES_IN_TOTAL = 100
PERIOD = 300.0
MOST_CLIENTS = 1_000

Tokens = Mapping[str, str | Sequence[str]]

_FORWARDED = (
    "HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO", "HTTP_X_REAL_IP",
)  # fmt: skip


class Visitor(NamedTuple):
    """Who looks. client: the address that the request came from."""

    role: str
    client: str


class Denied(Exception):
    """Not to be let in. status: of the answer; the message is for whoever asked."""

    def __init__(self, status: int, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Access:
    """The doorkeeper of one dashboard.

    tokens: by role; None lets in requests from this machine only, as operators.
    """

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = _checked(tokens)
        self._limits = Limits()

    @property
    def needs_token(self) -> bool:
        """Is there a login?"""
        return bool(self._tokens)

    def admit(self, environ: Mapping[str, Any]) -> Visitor:
        """Who asks. Raises: Denied, with status 401 if a login would help."""
        client = client_of(environ)
        if not self._tokens:
            _check_loopback(environ)
            return Visitor(OPERATOR, client)
        role = self._role_of_cookie(environ)
        if role is not None:
            return Visitor(role, client)
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() == "bearer":
            return Visitor(self.role_of(token.strip(), client), client)
        raise Denied(401, "Log in to see the dashboard.")

    def role_of(self, token: str, client: str) -> str:
        """Whose token this is. Raises: Denied."""
        given = _digest(token)
        role = None
        for known, its_role in self._tokens:
            # All of them, each to its end, so that time does not tell how far one got.
            if hmac.compare_digest(_digest(known), given) and role is None:
                role = its_role
        # Who is refused learns nothing of the token, be it the right one.
        wait = self._limits.count(client, is_wrong=role is None)
        if wait > 0:
            raise Denied(429, "Too many wrong tokens. Try again later.", wait)
        if role is None:
            raise Denied(401, "This token is not known.")
        return role

    def cookie_for(self, token: str) -> str:
        """What shows later requests that this token was given."""
        expires = int(clock.time()) + LASTS
        told = f"{expires}.{secrets.token_hex(8)}"
        return f"{told}.{_sign(token, told)}"

    def _role_of_cookie(self, environ: Mapping[str, Any]) -> str | None:
        told, _, sign = _cookie_in(environ.get("HTTP_COOKIE", "")).rpartition(".")
        expires = told.partition(".")[0]
        if not expires.isascii() or not expires.isdecimal() or len(expires) > 12:
            return None
        role = None
        for token, its_role in self._tokens:
            # Each token signs for itself: the cookie of a viewer tells nothing of an operator's.
            if _is_equal(_sign(token, told), sign) and role is None:
                role = its_role
        return role if int(expires) > clock.time() else None


class Limits:
    """Wrong tokens of late, by client and in total. `_lock` guards both.

    Who is refused is not counted: whoever goes on trying is let in again all the same.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_client: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque(maxlen=FAILURES_IN_TOTAL)

    def count(self, client: str, *, is_wrong: bool) -> float:
        """Take one token of a client's, in one step however many come at once.

        Returns the seconds until one is looked at again; 0.0 or less if this one was.
        """
        network = _network(client)
        with self._lock:
            own = self._by_client.get(network, ())
            wait = max(_left(own, FAILURES), _left(self._all, FAILURES_IN_TOTAL))
            if is_wrong and wait <= 0:
                self._add_locked(network)
            return wait

    def _add_locked(self, network: str) -> None:
        now = clock.monotonic()
        self._all.append(now)
        self._by_client.setdefault(network, deque(maxlen=FAILURES)).append(now)
        self._by_client.move_to_end(network)
        while len(self._by_client) > MOST_CLIENTS:
            self._by_client.popitem(last=False)


def _left(failures: Sequence[float] | deque[float], most: int) -> float:
    return failures[0] + PERIOD - clock.monotonic() if len(failures) >= most else 0.0


def _network(client: str) -> str:
    """One client; who has one address of IPv6 has 2^64 of them."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client[:64]
    if address.version == 6 and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _checked(tokens: Tokens | None) -> list[tuple[str, str]]:
    if tokens is None:
        return []
    if not isinstance(tokens, Mapping) or not tokens:
        raise ConfigurationError(
            'dashboard(tokens): use {"operator": "…", "viewer": "…"}, or None for this machine '
            "only."
        )
    checked: list[tuple[str, str]] = []
    for role, given in tokens.items():
        if role not in ROLES:
            raise ConfigurationError(
                f"dashboard(tokens): a role is unknown; use {' or '.join(ROLES)}."
            )
        is_several = isinstance(given, (list, tuple, set, frozenset)) and given
        several: list[object] = list(given) if is_several else [given]
        for token in several:
            if not isinstance(token, str) or len(token) < LEAST_TOKEN:
                raise ConfigurationError(
                    f"dashboard(tokens): the {role}'s token is shorter than {LEAST_TOKEN} "
                    'characters; make one with python -c "import secrets; '
                    'print(secrets.token_urlsafe())".'
                )
            if token != token.strip() or token in [known for known, _ in checked]:
                raise ConfigurationError(
                    f"dashboard(tokens): the {role}'s token begins or ends with a space, or was "
                    "given before; use one of its own for each role."
                )
            checked.append((token, role))
            # Somebody may put it into an address, which is logged.
            learned.tell(token)
    return checked


def _cookie_in(header: str) -> str:
    """Ours, also where another application's stand beside it that http.cookies would stumble at."""
    for pair in header[:16_384].split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value.strip()
    return ""


def _check_loopback(environ: Mapping[str, Any]) -> None:
    """Without tokens: only this machine, by a name that is its own."""
    if not is_loopback(client_of(environ)) or any(environ.get(name) for name in _FORWARDED):
        raise Denied(
            403,
            "Without tokens the dashboard is shown to this machine only. Give it some: "
            'dashboard(tokens={"operator": "…", "viewer": "…"}).',
        )
    # A page of somebody else may resolve its own name to this machine (DNS rebinding).
    if not is_loopback(_host_of(environ.get("HTTP_HOST", ""))):
        raise Denied(403, "Use the address of this machine itself, such as http://localhost.")


def _host_of(header: str) -> str:
    """The name in a Host header, RFC 9110 7.2: without the port."""
    host = header.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_loopback(host: str) -> bool:
    """Is this an address of this machine that others can't reach? Names are not looked up."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def client_of(environ: Mapping[str, Any]) -> str:
    """The address that the request came from, as the server has it: no header can claim it."""
    return str(environ.get("REMOTE_ADDR") or "")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _sign(token: str, told: str) -> str:
    key = _digest(f"resilient dashboard session\0{token}")
    return hmac.new(key, told.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _is_equal(one: str, other: str) -> bool:
    return hmac.compare_digest(_digest(one), _digest(other))
