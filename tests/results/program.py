"""A program that several processes run, sharing one store: functions, and a process to call them.

Each function counts its calls in a file, one byte a call, so that all processes' calls count.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from multiprocessing.connection import Connection
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any
from uuid import UUID

import requests

from resilient import cached
from resilient.stores.opening import open_store
from resilient.stores.shared import SharedStore

KEY = b"a key of the tests, 32 bytes long"
OTHER_KEY = b"another key, 32 bytes long or so"


class Color(Enum):
    RED = 1


@dataclasses.dataclass(frozen=True)
class Client:
    """Its fields are its value: the same in every process."""

    tenant: str


@dataclasses.dataclass
class Invoice:
    number: int
    total: Decimal
    lines: list[str]


VALUES: dict[str, Any] = {
    "none": None,
    "int": 2**80,
    "float": 0.1,
    "nan": float("inf"),
    "text": "naïve \ud800",
    "bytes": b"\x00\xff",
    "list": [1, [2, "3"], None],
    "dict": {"a": {"b": [1.5, True]}},
    "odd keys": {1: "a", (2, 3): "b", None: "c"},
    "tuple": (1, ("a",)),
    "set": {1, 2},
    "frozenset": frozenset("ab"),
    "datetime": datetime(2026, 1, 1, 12, tzinfo=timezone.utc),
    "date": date(2026, 1, 1),
    "timedelta": timedelta(seconds=1.5),
    "decimal": Decimal("1.10"),
    "uuid": UUID(int=7),
    "path": PurePosixPath("/a/b"),
    "complex": 1 + 2j,
    "enum": Color.RED,
    "dataclass": Invoice(7, Decimal("9.90"), ["a"]),
    "marked": {"~": ["tag", 1]},
}


class Program:
    """What each process has; `user` is who asks for `mine`."""

    def __init__(self, url: str, log: str, key: bytes = KEY, **options: Any) -> None:
        self.log = log
        self.store: SharedStore = open_store(url, key=key, **({"timeout": 5} | options))
        self.user: list[Any] = ["ann"]
        self.started, self.may_go_on = threading.Event(), threading.Event()
        self.functions = self._decorated()

    def calls(self) -> int:
        return os.path.getsize(self.log) if os.path.exists(self.log) else 0

    def __call__(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.functions[name](*args, **kwargs)

    def cache(self, name: str) -> Any:
        return self.functions[name].resilient.cache

    def _decorated(self) -> dict[str, Any]:
        keep = functools.partial(cached, 60, store=self.store)
        origins = origins_of(self.log, Waiter(self))
        fetch, value, answer, mine, keyed = (
            origins[name] for name in ("fetch", "value", "answer", "mine", "keyed")
        )
        tags = lambda number, *_: ["numbers", f"number:{number}"]  # noqa: E731
        return {
            "fetch": keep(scope="all", tags=tags)(fetch),
            "value": keep()(value),
            "answer": keep()(answer),
            "mine": keep(scope=lambda path: self.user[0])(mine),
            "keyed": keep(key=lambda asked, _: asked)(keyed),
            "method": keep()(origins["method"]),
            "at a": keep()(made_at("a", self.log)),
            "at b": keep()(made_at("b", self.log)),
            "partial a": keep()(functools.partial(origins["at"], "a")),
            "partial b": keep()(functools.partial(origins["at"], "b")),
            "unstorable": keep()(origins["unstorable"]),
            "soon": cached(10, store=self.store, stale_while_revalidate=60)(origins["counted"]),
            "late": cached(10, store=self.store, stale_if_error=60)(origins["failing"]),
            "early": cached(100, store=self.store, early=0.2)(origins["counted_too"]),
        }


class Waiter:
    """Holds calls up until they may go on."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def __call__(self) -> None:
        self.program.started.set()
        assert self.program.may_go_on.wait(20)


def origins_of(log: str, wait: Callable[[], None]) -> dict[str, Callable[..., Any]]:
    """The functions as they are without a cache."""

    def fetch(number: int, holds: bool = False) -> str:
        call = count(log)
        if holds and call == 1:
            wait()
        return f"{number} at call {call}"

    def value(name: str) -> Any:
        count(log)
        return VALUES[name]

    def answer(status: int) -> requests.Response:
        count(log)
        return response(status)

    def mine(path: str) -> str:
        return f"{path} at call {count(log)}"

    def keyed(asked: list[int], _: object) -> int:
        count(log)
        return sum(asked)

    def method(self: Client, path: str) -> str:
        count(log)
        return f"{path} of {self.tenant}"

    def at(base: str, path: str) -> str:
        count(log)
        return base + path

    def unstorable() -> Any:
        count(log)
        return threading.current_thread().__class__

    def counted() -> int:
        return count(log)

    def counted_too() -> int:
        return count(log)

    def failing() -> int:
        call = count(log)
        if call > 1:
            raise ConnectionError("down")
        return call

    return {name: one for name, one in locals().items() if name not in ("log", "wait")}


def made_at(base: str, log: str) -> Callable[[str], str]:
    def at(path: str) -> str:
        count(log)
        return base + path

    return at


def response(status: int) -> requests.Response:
    made = requests.Response()
    made.status_code, made.reason, made.encoding = status, "Fine", "utf-8"
    made.url = "https://user:secret@vendor.test/a?api_key=secret&page=2"
    made.headers["Content-Type"] = "application/json"
    made.headers["Set-Cookie"] = "session=secret"
    made._content = b'{"a": [1]}'
    made.request = requests.Request("GET", made.url, {"Authorization": "secret"}).prepare()
    return made


def count(log: str) -> int:
    """One more call; which one is this?"""
    with open(log, "ab") as file:
        file.write(b".")
        file.flush()
        return file.tell()


class Process:
    """Another process that runs the program, and does what it is told."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there,), daemon=True)
        self._process.start()
        there.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._here.close()
        self._process.join(20)

    def __call__(self, what: str, *args: Any, **kwargs: Any) -> Any:
        """What a method of `_Served` returns there."""
        self._here.send((what, args, kwargs))
        assert self._here.poll(30), "the other process hangs"
        succeeded, result = self._here.recv()
        assert succeeded, result
        return result


class _Served:
    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(16)
        self.held: Future[Any] | None = None

    def run(self, *args: Any, **kwargs: Any) -> None:
        self.program = Program(*args, **kwargs)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.program(name, *args, **kwargs)

    def hold(self, name: str, *args: Any) -> None:
        """Begin a call, and leave it under way."""
        self.held = self.pool.submit(self.program, name, *args)
        assert self.program.started.wait(20)

    def go_on(self) -> Any:
        self.program.may_go_on.set()
        assert self.held is not None
        return self.held.result(20)

    def forget(self, how: str, name: str, *args: Any) -> None:
        getattr(self.program.cache(name), how)(*args)

    def user(self, name: Any) -> None:
        self.program.user[0] = name

    def length(self, name: str) -> int:
        return len(self.program.cache(name))

    def stats(self) -> Any:
        return self.program.store.stats()

    def work(self, rounds: int) -> int:
        """Call from 16 threads; how many answers were wrong?"""
        numbers = itertools.islice(itertools.cycle(range(25)), rounds)
        return sum(self.pool.map(self._is_wrong, numbers))

    def _is_wrong(self, number: int) -> bool:
        if number == 24:
            self.program.cache("fetch").invalidate(number)
        return not self.program("fetch", number).startswith(f"{number} at call")


def _serve(connection: Connection) -> None:
    served = _Served()
    while True:
        try:
            what, args, kwargs = connection.recv()
        except EOFError:
            return
        try:
            connection.send((True, getattr(served, what)(*args, **kwargs)))
        except BaseException as error:
            connection.send((False, repr(error)))


def log_in(folder: Path) -> str:
    return str(folder / "calls")
