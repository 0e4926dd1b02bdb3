"""How long one step on a socket may take, and the reader that looks at the deadline at every step.

A socket's timeout bounds one `recv`, so a server that sends a byte now and then holds its caller
for as long as it likes. Here each `recv` gets what is left of the deadline. Between two steps the
socket has its owner's timeout, so a kept-alive connection goes back to its pool as it came.

Looking up a host's name and trying its next address can't be bounded from here; functions that hang
there need `hard_deadline=True`.
"""

from __future__ import annotations

import contextlib
import io
import socket
from collections.abc import Callable
from typing import Any

from resilient.call import Call
from resilient.errors import DeadlineExceeded, Refused
from resilient.timing import clock


def time_left(call: Call) -> float | None:
    """Seconds until the nearest deadline that is in force; None if there is none.

    Unlike `Call.time_left` this passes over calls that are closed (a body streamed later may take
    its time) and calls that only observe.
    """
    nearest: float | None = None
    at: Call | None = call
    while at is not None:
        due = at.deadline
        if (
            due is not None
            and (nearest is None or due < nearest)
            and not (at.closed or at.target.observing)
        ):
            nearest = due
        at = at.parent
    return None if nearest is None else nearest - clock.monotonic()


def is_over(call: Call) -> bool:
    """Has a deadline in force passed?"""
    left = time_left(call)
    return left is not None and left <= 0


def request_timeout(call: Call) -> float | None:
    """Seconds for a request that has no timeout; calls that only observe give none."""
    at: Call | None = call
    while at is not None and at.target.observing:
        at = at.parent
    return None if at is None else at.request_timeout()


def too_late(call: Call) -> DeadlineExceeded:
    """The refusal of a request that has not been sent."""
    label = call.target.label
    return DeadlineExceeded(
        f"{label}: the deadline is over, so the request was not sent. Raise service(deadline=…), "
        "or do less in one call.",
        label=label,
    )


def cut_off(call: Call) -> TimeoutError:
    """The end of a request that is on its way.

    No refusal: it was the vendor that took too long, and the breaker has to hear of it.
    """
    return TimeoutError(
        f"{call.target.label}: the deadline is over, so the connection was cut off. Raise "
        "service(deadline=…), or ask for a shorter answer."
    )


def refusal_in(error: BaseException) -> Refused | None:
    """The refusal of ours that an HTTP library has wrapped into `error`, if there is one.

    Libraries wrap every OSError, and DeadlineExceeded is one. Only what an exception carries
    counts: its `__context__` may be an older story.
    """
    seen: list[BaseException] = []
    found: list[object] = [error]
    while found:
        inner = found.pop()
        if isinstance(inner, Refused):
            return inner
        if isinstance(inner, BaseException) and not any(inner is other for other in seen):
            seen.append(inner)
            found += [*inner.args, getattr(inner, "reason", None)]
            named = getattr(inner, "kwargs", None)  # botocore's errors are made of these
            found += named.values() if isinstance(named, dict) else ()
    return None


_LEAST = 0.001
"""Seconds. A timeout of zero means something else: a socket that does not block."""


class Limit:
    """What one call allows its sockets.

    default: seconds for a socket that has no timeout of its own; None leaves it without.
    """

    __slots__ = ("call", "default")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.default = request_timeout(call)

    def binds(self, own: float | None) -> bool:
        """Would a socket with the timeout `own` be held shorter now?"""
        return (own is None and self.default is not None) or time_left(self.call) is not None

    def left(self) -> float | None:
        """Seconds until the deadline, as a socket takes them; None if there is none."""
        left = time_left(self.call)
        return None if left is None else max(left, _LEAST)

    def allowed(self, own: float | None) -> float | None:
        """Seconds for the next step, never more than `own`; ask `is_over` first."""
        most = self.default if own is None else own
        left = self.left()
        return most if left is None or (most is not None and most <= left) else left


class BoundedReader(io.RawIOBase):
    """Reads a socket, each `recv` within the limit.

    raw: the socket's own raw reader, which keeps the socket open until it is closed itself.
    """

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, limit: Limit) -> None:
        self.sock = sock
        self.raw = raw
        self.limit = limit

    def readinto(self, buffer: Any) -> int | None:
        if is_over(self.limit.call):
            raise cut_off(self.limit.call)
        own = self.sock.gettimeout()
        allowed = self.limit.allowed(own)
        if allowed == own:
            return self.receive(buffer, allowed)
        self.sock.settimeout(allowed)
        try:
            return self.receive(buffer, allowed)
        except TimeoutError:
            if is_over(self.limit.call):
                raise cut_off(self.limit.call) from None
            raise
        finally:
            # Another thread may have closed the socket, and the error on its way says more.
            with contextlib.suppress(OSError):
                self.sock.settimeout(own)

    def receive(self, buffer: Any, allowed: float | None) -> int | None:
        """One `recv` that blocks for at most `allowed` seconds; for a fake clock to replace."""
        return self.raw.readinto(buffer)

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.raw.fileno()

    def close(self) -> None:
        if not self.closed:
            super().close()
            if "raw" in self.__dict__:  # Python closes what a failed __init__ has left, too
                self.raw.close()

    def __getattr__(self, name: str) -> Any:
        # Applications dig for `response.fp.raw._sock` to see the peer's certificate.
        if name == "raw":  # a subclass that has not called our __init__
            raise AttributeError(name)
        return getattr(self.raw, name)


reader_class: type[BoundedReader] = BoundedReader
"""What reads an answer within a limit. A class put in its place reads every answer of a call."""


class BoundedSocket:
    """A socket as a response class needs it: `makefile` gives a bounded reader."""

    def __init__(self, sock: Any, limit: Limit) -> None:
        self._sock = sock
        self._limit = limit

    def makefile(self, mode: str = "r", buffering: int | None = None, **options: Any) -> Any:
        sock = self._sock
        bounded = mode == "rb" and hasattr(sock, "settimeout") and hasattr(sock, "gettimeout")
        if not bounded:
            if buffering is not None:
                options["buffering"] = buffering
            return sock.makefile(mode, **options)
        reader = reader_class(sock, sock.makefile("rb", buffering=0), self._limit)
        if buffering == 0:
            return reader
        size = io.DEFAULT_BUFFER_SIZE if buffering is None or buffering < 0 else buffering
        return io.BufferedReader(reader, size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class Hold:
    """Keeps a connection's timeouts short while it connects or sends.

    own, given: the connection's timeout as its owner set it, and as we did.
    sock, sock_own, sock_given: the same for its socket, which a connect makes and TLS replaces.
    """

    __slots__ = ("connection", "given", "limit", "own", "sock", "sock_given", "sock_own")

    def __init__(self, connection: Any, limit: Limit) -> None:
        self.connection = connection
        self.limit = limit
        self.own: object = connection.timeout
        self.given: float | None = seconds(self.own)
        self.sock: Any = connection.sock
        self.sock_own = self.given if self.sock is None else self.sock.gettimeout()
        self.sock_given = self.sock_own

    def tighten(self) -> bool:
        """Grant what is left; False if nothing is."""
        if is_over(self.limit.call):
            return False
        self._follow_socket()
        self.connection.timeout = self.given = self.limit.allowed(seconds(self.own))
        self.sock_given = self.limit.allowed(self.sock_own)
        if self.sock is not None:
            self.sock.settimeout(self.sock_given)
        return True

    def release(self) -> None:
        """Give back the timeouts that the connection's owner has set."""
        if self.connection.timeout == self.given:
            self.connection.timeout = self.own
        self._follow_socket()
        if self.sock is not None:
            self.sock.settimeout(self.sock_own)

    def _follow_socket(self) -> None:
        sock = self.connection.sock
        is_new = sock is not self.sock
        self.sock = sock
        if sock is None:
            return
        # A new socket has the connection's timeout, or that of the one below it, or its maker's;
        # its owner may give it another one at any time.
        found = sock.gettimeout()
        if is_new and _same(found, self.given):
            self.sock_own = seconds(self.own)
        elif not _same(found, self.sock_given):
            self.sock_own = found
        self.sock_given = found


ResponseClass = Callable[..., Any]
Loan = tuple[ResponseClass, "ResponseClass | None"]
"""The response class lent to a connection, and the one it had in its instance dictionary."""


def _same(one: float | None, other: float | None) -> bool:
    # A socket keeps its timeout in whole nanoseconds.
    if one is None or other is None:
        return one is other
    return abs(one - other) < 1e-6


def seconds(timeout: object) -> float | None:
    """A connection's timeout in seconds; the libraries mark "the default" with odd objects."""
    if timeout is None or (isinstance(timeout, (int, float)) and not isinstance(timeout, bool)):
        return timeout
    return socket.getdefaulttimeout()


def take_hold(connection: Any, call: Call) -> Hold | None:
    """A hold on a connection, if the call has a limit that binds it."""
    limit = Limit(call)
    sock = connection.sock
    if limit.binds(seconds(connection.timeout)) or (
        sock is not None and limit.binds(sock.gettimeout())
    ):
        return Hold(connection, limit)
    return None


def lend_reader(connection: Any, call: Call) -> Loan | None:
    """Have the connection's next responses read within the limit, if there is one that binds.

    Returns: what `take_back` needs.
    """
    limit = Limit(call)
    sock = connection.sock
    own = seconds(connection.timeout) if sock is None else sock.gettimeout()
    if not limit.binds(own) and reader_class is BoundedReader:
        return None
    response_class = connection.response_class

    def bounded_response(sock: Any, *args: Any, **kwargs: Any) -> Any:
        return response_class(BoundedSocket(sock, limit), *args, **kwargs)

    before = connection.__dict__.get("response_class")
    connection.response_class = bounded_response
    return bounded_response, before


def take_back(connection: Any, loan: Loan) -> None:
    """Give the connection its own response class again."""
    lent, before = loan
    # botocore puts a response class of its own into place meanwhile; that one stays.
    if connection.__dict__.get("response_class") is not lent:
        return
    if before is None:
        del connection.response_class
    else:
        connection.response_class = before
