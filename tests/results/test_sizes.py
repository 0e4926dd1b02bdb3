"""How many bytes a result takes, about."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from resilient import cached
from resilient.results.sizes import size_of
from resilient.stores.memory import SizedStore


@dataclasses.dataclass
class Held:
    content: Any


class Slotted:
    __slots__ = ("content",)

    def __init__(self, content: Any) -> None:
        self.content = content


class Hostile(dict):  # type: ignore[type-arg]
    def keys(self) -> Any:
        raise RuntimeError("not for you")

    def __sizeof__(self) -> int:
        raise RuntimeError("not for you")


class HostileList(list):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        raise RuntimeError("not for you")


LARGE = "x" * 100_000


@pytest.mark.parametrize(
    "value",
    [
        LARGE,
        LARGE.encode(),
        [LARGE],
        (1, [LARGE]),
        {"a": LARGE},
        {LARGE: 1},
        {LARGE},
        Held(LARGE),
        Held([{"a": Held(LARGE)}]),
        Slotted(LARGE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_value_holds_counts(value: Any) -> None:
    assert 100_000 < size_of(value) < 103_000


def test_what_is_there_twice_counts_once() -> None:
    assert size_of([LARGE] * 10) < 103_000
    loop: list[Any] = []
    loop.append(loop)
    assert size_of(loop) < 1000


def test_what_is_nested_deeply_is_measured() -> None:
    nested: list[Any] = []
    for _ in range(50_000):
        nested = [nested]
    assert size_of(nested) > 50_000 * 56


def test_classes_and_functions_count_nothing() -> None:
    assert size_of([Held, size_of]) == size_of([None, None]) - size_of(None)


@pytest.mark.parametrize("result", [Hostile(a=1), HostileList([1])], ids=["dict", "list"])
def test_what_cannot_be_measured_does_not_cost_the_caller_the_answer(result: Any) -> None:
    fetch = cached(ttl=10, max_bytes=10_000, copy=False)(lambda: result)
    assert fetch() is result
    assert fetch() is result


def test_bytes_are_counted_right_by_many_threads() -> None:
    store: SizedStore[int] = SizedStore(50, 4000, lambda value: value)

    def work(seed: int) -> None:
        for number in range(2000):
            key = (seed * 7 + number) % 90
            if number % 11 == 0:
                store.delete(key)
            elif number % 501 == 0:
                store.clear()
            elif number % 3:
                store.get(key)
            else:
                store.set(key, 1 + (seed * number) % 400)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    held = store.items()
    assert store.size == sum(size for _, size in held) <= 4000
    assert len(held) <= 50


def test_a_count_that_an_interrupt_has_spoiled_is_mended() -> None:
    store: SizedStore[int] = SizedStore(50, 1000, lambda value: value)
    store._bytes = 5000
    store.set("a", 10)
    assert store.size == 0
    store.set("a", 10)
    assert store.get("a") == 10
    assert store.size == 10
