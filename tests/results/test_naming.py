"""Functions of the same name that are not the same, in stores that processes share."""

from __future__ import annotations

import functools
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resilient import cached, retry
from resilient.results.naming import Nameless, name_of
from resilient.testing import RecordedSteps
from tests.results.conftest import Counted
from tests.results.program import Client
from tests.stores.conftest import OpenStore


def named(function: Callable[..., Any]) -> bytes:
    return name_of(function, is_scoped=False)


def made_with(value: Any) -> Callable[[], Any]:
    def function() -> Any:
        return value

    return function


def doubled(number: int) -> int:
    return 2 * number


def tripled(number: int) -> int:
    return 3 * number


@functools.lru_cache
def remembered(number: int) -> int:
    return number


class Api:
    def get(self) -> str:
        return ""


class Session:
    """Who it is for shows nowhere."""


SAME: list[Any] = [
    lambda: made_with("a"),
    lambda: made_with({"url": "a", "timeouts": [1, 2.5, None]}),
    lambda: made_with(doubled),
    lambda: made_with(made_with("a")),
    lambda: made_with(retry(attempts=2)(doubled)),
    lambda: made_with(logging),
    lambda: made_with(Client),
    lambda: made_with(Client("ann")),
    lambda: functools.partial(doubled, 1),
    lambda: functools.partial(doubled, number=1),
    lambda: Client("ann").__hash__,
    lambda: Api.get,
    lambda: remembered,
    lambda: len,
    lambda: os.getpid,
    lambda: functools.partial(made_with("a")),
]


@pytest.mark.parametrize("make", SAME, ids=range(len(SAME)))
def test_what_is_made_again_has_the_same_name(make: Callable[[], Any]) -> None:
    assert named(make()) == named(make())


def test_what_differs_has_another_name() -> None:
    functions = [
        *(make() for make in SAME),
        made_with("b"),
        made_with(b"a"),
        made_with(["a"]),
        made_with(("a",)),
        made_with({"url": "b", "timeouts": [1, 2.5, None]}),
        made_with(tripled),
        made_with(made_with("b")),
        made_with(os),
        made_with(Client("bob")),
        functools.partial(doubled, 2),
        functools.partial(tripled, 1),
        functools.partial(made_with("b")),
        Client("bob").__hash__,
        lambda number: number + 1,
        lambda number: number + 2,
        lambda number: number.real,
        lambda number: number.imag,
    ]
    names = [named(function) for function in functions]
    # A retry changes no answer.
    assert len(set(names)) == len(names) - 1


@pytest.mark.parametrize(
    "function",
    [
        made_with(Session()),
        made_with([Session()]),
        made_with({"session": Session()}),
        made_with(made_with(Session())),
        made_with(threading.Lock()),
        functools.partial(doubled, Session()),
        functools.partial(made_with(Session())),
        Api().get,
        Counted(1),
        made_with(Api().get),
    ],
    ids=range(10),
)
def test_what_is_made_with_what_means_nothing_elsewhere_has_no_name(
    function: Callable[..., Any],
) -> None:
    with pytest.raises(Nameless, match="is not the same in another process"):
        named(function)
    assert name_of(function, is_scoped=True)


def test_a_function_that_knows_itself_has_a_name() -> None:
    def again(number: int) -> int:
        return number and again(number - 1)

    assert named(again) == named(again)


def test_clients_with_other_tokens_never_share(any_store: OpenStore, steps: RecordedSteps) -> None:
    class Vendor:
        def __init__(self, token: str) -> None:
            self.token = token

        def me(self) -> str:
            return f"of {self.token}"

    store = any_store()
    for token in ("ann", "bob"):
        me = cached(60, store=store)(Vendor(token).me)
        assert [me(), me()] == [f"of {token}"] * 2
    assert {step.kind for step in steps} == {"uncacheable"}
    assert all(step.text.endswith("give scope=") for step in steps)
    assert not any("ann" in step.text for step in steps)


def test_lambdas_of_one_module_never_share(any_store: OpenStore) -> None:
    store = any_store()
    one = cached(60, store=store)(lambda number: number + 1)
    other = cached(60, store=store)(lambda number: number * 10)
    assert [one(5), other(5)] == [6, 50]


PROGRAM = """
from resilient.results.naming import name_of
def fetch(): ...
print(name_of(fetch, is_scoped=False).hex())
"""


def test_programs_of_other_files_never_share(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, check=True, cwd=tmp_path
        ).stdout

    for name in ("one.py", "other.py"):
        (tmp_path / name).write_text(PROGRAM)
    assert run("one.py") != run("other.py")
    # Run by its module's name, it is what others import.
    assert run("-m", "one") == run("-c", "import one")


SPAWNING = """
import multiprocessing
from resilient.results.naming import name_of
def fetch(): ...
def tell(): print(name_of(fetch, is_scoped=False).hex(), flush=True)
if __name__ == "__main__":
    tell()
    process = multiprocessing.get_context("spawn").Process(target=tell)
    process.start()
    process.join()
"""


def test_a_spawned_child_has_its_parents_names(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(SPAWNING)
    done = subprocess.run(
        [sys.executable, "program.py"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    names = done.stdout.split()
    assert len(names) == 2
    assert len(set(names)) == 1
