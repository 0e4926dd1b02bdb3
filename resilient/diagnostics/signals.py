"""`dump_on_signal`: ask a running process for its figures with `kill -USR2`."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from queue import SimpleQueue
from types import FrameType
from typing import Any

from resilient.diagnostics.reports import dump_stats
from resilient.ending import start_thread
from resilient.errors import ConfigurationError
from resilient.registry import Registry, registry


class SignalDumper:
    """Dumps the figures whenever a signal comes, until it is stopped.

    The handler only wakes a thread: it runs between any two steps of the main thread, which may
    hold the very locks that a dump needs.
    """

    def __init__(self, signum: int, registry: Registry) -> None:
        self.errors = 0
        """Dumps that failed; the next one is tried all the same."""
        self._registry = registry
        self._signum = signum
        self._is_stopped = False
        # The signal may come as soon as we handle it.
        self._before: Any = signal.getsignal(signum)
        self.start()
        try:
            signal.signal(signum, self._hear)
        except (OSError, ValueError) as error:
            self._asked.put(False)
            raise ConfigurationError(
                f"dump_on_signal({_name(signum)}): {error}; use a signal that can be handled, such "
                "as signal.SIGUSR2, and call it from the main thread."
            ) from None

    def start(self) -> None:
        """Start the thread; a forked child does it again, since threads don't survive a fork."""
        # Of all queues only this one may be put to by a handler that has interrupted a put.
        self._asked: SimpleQueue[bool] = SimpleQueue()
        thread = threading.Thread(
            target=self._run, args=(self._asked,), name="resilient-signal", daemon=True
        )
        start_thread(thread)
        self._thread = thread

    def stop(self) -> None:
        """Dump no more, and give the signal back to who handled it before."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self._asked.put(False)
        if self._thread is not threading.current_thread():
            self._thread.join()
        is_main = threading.current_thread() is threading.main_thread()
        # Whoever has come after us, and hands the signal on to us, stays.
        if is_main and signal.getsignal(self._signum) == self._hear:
            # None: it was set by other means than Python's.
            signal.signal(self._signum, signal.SIG_DFL if self._before is None else self._before)

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        if not self._is_stopped:
            self._asked.put(True)
        if callable(self._before):
            self._before(signum, frame)

    def _run(self, asked: SimpleQueue[bool]) -> None:
        while asked.get():
            try:
                dump_stats(self._registry)
            except Exception:
                self.errors += 1


# Guards _dumpers.
_changing = threading.Lock()
_dumpers: dict[int, SignalDumper] = {}


def dump_on_signal(signum: int | None = None, registry: Registry = registry) -> SignalDumper:
    """Dump the figures whenever this signal comes (SIGUSR2), in forked children too.

    Whoever handled the signal before still does. `.stop()` of what is returned ends it; asking for
    a signal again replaces it. Call it from the main thread.
    """
    number = _checked(signum)
    with _changing:
        old = _dumpers.pop(number, None)
    if old is not None:
        old.stop()
    dumper = SignalDumper(number, registry)
    with _changing:
        _dumpers[number] = dumper
    return dumper


def _checked(signum: object) -> int:
    if signum is None:
        signum = getattr(signal, "SIGUSR2", None)
        if signum is None:
            raise ConfigurationError(
                "dump_on_signal(): this system has no SIGUSR2; name one that it has, such as "
                "signal.SIGBREAK."
            )
    if isinstance(signum, bool) or not isinstance(signum, int):
        raise ConfigurationError(
            f"dump_on_signal({signum!r}): use a signal's number, such as signal.SIGUSR2."
        )
    if signum not in signal.valid_signals():
        raise ConfigurationError(
            f"dump_on_signal({signum!r}): there is no such signal; use one such as signal.SIGUSR2."
        )
    return int(signum)


def _name(signum: int) -> str:
    try:
        return signal.Signals(signum).name
    except ValueError:
        return str(signum)


def _restart_in_child() -> None:
    global _changing
    _changing = threading.Lock()
    for dumper in _dumpers.values():
        if not dumper._is_stopped:
            # Who forks as the last one that may is left without it.
            with suppress(RuntimeError):
                dumper.start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart_in_child)
