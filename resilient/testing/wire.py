"""Silence on a connection between a client and a scripted vendor, in real or in fake time.

A client that waits for an answer waits inside `recv`, for as long as its socket's timeout allows.
In fake time nothing must really be waited for, yet the clock has to show what the client would
have seen: so while a vendor is open, `recv` of the clients connected to it takes the pauses that
the vendor announces, moves the clock by them, and times out where a pause is longer than the
socket's timeout. That holds for every client that reads through Python's sockets: http.client,
requests, urllib3, httpx. One that does not (another process, a C library) gets its answer, too; the
vendor moves the clock by itself when nobody has taken the pause.
"""

from __future__ import annotations

import math
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from resilient.testing.clock import FakeClock, active_clock

Address = tuple[str, int]

_SLICE = 0.001
"""Real seconds between two looks at whether a pause was announced."""
_STRANGER = 1.0
"""Real seconds after which a pause passes without a client that has not read through our hooks."""
_STUCK = 5.0
"""Real seconds after which a vendor that neither sends nor pauses counts as silent; a busy machine
needs less."""

_real_time = time.monotonic
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)

_lock = threading.Lock()
"""Guards `_vendors` and the hooks."""
_vendors: set[Address] = set()
_lines: dict[tuple[Address, Address], Line] = {}
"""By the addresses of client and vendor: one port of a client may lead to two vendors. Each
connection's thread adds and removes its own."""


class Line:
    """The vendor's end of one connection."""

    def __init__(self, connection: socket.socket, client: Address) -> None:
        self._connection = connection
        self._ends = (client, connection.getsockname())
        self._lock = threading.Lock()
        # _lock guards these four: seconds of silence that nobody has taken yet, bytes both ways,
        # and whether the client has ever read through our hooks.
        self._announced: float | None = None
        self._sent = 0
        self._received = 0
        self._is_hooked = False
        self._over = threading.Event()

    def __enter__(self) -> Line:
        _lines[self._ends] = self
        return self

    def __exit__(self, *failure: object) -> None:
        # After a reset the client's port may be in use again already.
        if _lines.get(self._ends) is self:
            del _lines[self._ends]

    def write(self, data: bytes) -> None:
        """Send to the client."""
        with self._lock:
            self._sent += len(data)
        self._connection.sendall(data)

    def pause(self, seconds: float) -> bool:
        """Be silent, for ever if infinite. False: the client has hung up meanwhile."""
        fake = active_clock()
        if fake is None:
            return not self._hangs_up_within(seconds)
        self._over.clear()
        self.announce(seconds)
        started = _real_time()
        while not self._over.is_set():
            if self._hangs_up_within(_SLICE):
                return False
            if seconds < math.inf and _real_time() - started >= _STRANGER:
                self._pass_untaken(fake)
        return True

    def announce(self, seconds: float) -> None:
        """Have this many seconds of silence before the next byte."""
        with self._lock:
            self._announced = seconds

    def take(self) -> float | None:
        """Take over the announced silence, unless bytes from before it are still on the way.

        Whoever takes it must move the clock and tell `over`.
        """
        with self._lock:
            self._is_hooked = True
            if self._received < self._sent:
                return None
            return self._take_locked()

    def received(self, count: int) -> None:
        """The client has read so many bytes more."""
        with self._lock:
            self._is_hooked = True
            self._received += count

    def over(self) -> None:
        """The silence has passed."""
        self._over.set()

    def _take_locked(self) -> float | None:
        seconds, self._announced = self._announced, None
        return seconds

    def _pass_untaken(self, fake: FakeClock) -> None:
        with self._lock:
            seconds = None if self._is_hooked else self._take_locked()
        if seconds is not None:
            fake.advance(seconds)
            self.over()

    def _hangs_up_within(self, seconds: float) -> bool:
        until = _real_time() + seconds
        while _is_readable(self._connection, until - _real_time()):
            try:
                if not self._connection.recv(1, socket.MSG_PEEK):
                    return True
            except OSError:
                return True
            # The next request is there already: it has to wait, and would wake us all the time.
            left = until - _real_time()
            if left <= 0:
                break
            time.sleep(min(left, 0.01))
        return False


def open_for(vendor: Address) -> None:
    """Let clients of this vendor live in fake time."""
    with _lock:
        if not _vendors:
            for name, hook in _hooks.items():
                setattr(socket.socket, name, hook)
        _vendors.add(vendor)


def close_for(vendor: Address) -> None:
    """End that; the last one restores the sockets."""
    with _lock:
        _vendors.discard(vendor)
        if not _vendors:
            for name, hook in _hooks.items():
                # What somebody has put on top of ours stays.
                if vars(socket.socket).get(name) is hook:
                    delattr(socket.socket, name)


# socket.socket inherits both from a C class, and deleting ours uncovers them again.
_recv = socket.socket.recv
_recv_into = socket.socket.recv_into


def _hooked_recv(sock: socket.socket, size: int, flags: int = 0, /) -> bytes:
    ends = _ends_of(sock)
    if ends is None:
        return _recv(sock, size, flags)
    _await_bytes(sock, ends)
    data = _recv(sock, size, flags)
    _count(ends, len(data), flags)
    return data


def _hooked_recv_into(sock: socket.socket, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
    ends = _ends_of(sock)
    if ends is None:
        return _recv_into(sock, buffer, nbytes, flags)
    _await_bytes(sock, ends)
    count = _recv_into(sock, buffer, nbytes, flags)
    _count(ends, count, flags)
    return count


_hooks: dict[str, Callable[..., Any]] = {"recv": _hooked_recv, "recv_into": _hooked_recv_into}


def _ends_of(sock: socket.socket) -> tuple[Address, Address] | None:
    """The addresses of a client and its vendor, None for any other socket."""
    try:
        vendor = sock.getpeername()
        return (sock.getsockname(), vendor) if vendor in _vendors else None
    except OSError:
        return None


def _count(ends: tuple[Address, Address], count: int, flags: int) -> None:
    line = _lines.get(ends)
    if line is not None and not flags & socket.MSG_PEEK:
        line.received(count)


def _await_bytes(sock: socket.socket, ends: tuple[Address, Address]) -> None:
    fake = active_clock()
    left = sock.gettimeout()
    if fake is None or left == 0:
        return
    started = _real_time()
    while not _is_readable(sock, _SLICE):
        line = _lines.get(ends)
        silence = line.take() if line else None
        if line is None or silence is None:
            if left is not None and _real_time() - started > _STUCK:
                fake.advance(left)
                raise TimeoutError("timed out")
        elif left is not None and silence > left:
            fake.advance(left)
            line.announce(silence - left)
            raise TimeoutError("timed out")
        elif silence == math.inf:
            line.announce(silence)
            raise RuntimeError(
                "the scripted vendor never answers, and this request has no timeout: it would "
                "hang for ever. Give the request a timeout."
            )
        else:
            fake.advance(silence)
            left = None if left is None else left - silence
            line.over()


def _is_readable(sock: socket.socket, seconds: float) -> bool:
    """True also for a socket that is closed: reading tells."""
    with _Selector() as selector:
        try:
            selector.register(sock, selectors.EVENT_READ)
        except ValueError:
            return True
        return bool(selector.select(None if seconds == math.inf else max(seconds, 0.0)))
