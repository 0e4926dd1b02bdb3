"""What every store promises, and what the one in memory forgets."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.stores.memory import MemoryStore, Store
from resilient.timing import BATCH


@pytest.fixture
def store() -> Store[str]:
    return MemoryStore(3)


def test_what_was_set_is_there_until_it_is_deleted(store: Store[str]) -> None:
    assert store.get("a") is None
    store.set("a", "first")
    store.set("a", "second")
    assert (store.get("a"), len(store)) == ("second", 1)
    store.delete("a")
    store.delete("a")
    assert (store.get("a"), len(store)) == (None, 0)


def test_a_cleared_store_is_empty_and_usable(store: Store[str]) -> None:
    store.set("a", "1")
    store.get("a")
    store.clear()
    assert (store.get("a"), len(store)) == (None, 0)
    store.set("b", "2")
    assert store.get("b") == "2"


def test_the_least_recently_used_goes_first(store: Store[str]) -> None:
    for name in "abc":
        store.set(name, name)
    store.get("a")
    store.set("d", "d")
    store.set("e", "e")
    # `a` was used before d came, and so goes before it.
    store.set("f", "f")
    assert [name for name in "abcdef" if store.get(name)] == ["d", "e", "f"]


def test_setting_an_entry_anew_counts_as_use(store: Store[str]) -> None:
    for name in "abcad":
        store.set(name, name)
    assert [name for name in "abcd" if store.get(name)] == ["a", "c", "d"]


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.sampled_from(["use", "set", "drop"]), st.integers(0, 8)), max_size=200),
)
def test_a_small_store_keeps_just_what_was_used_last(size: int, steps: list[Any]) -> None:
    store: MemoryStore[str] = MemoryStore(size)
    model: OrderedDict[int, str] = OrderedDict()
    for what, name in steps:
        if what == "drop":
            store.delete(name)
            model.pop(name, None)
            continue
        if what == "use":
            assert store.get(name) == model.get(name)
        if what == "set" or name not in model:
            store.set(name, str(name))
            model[name] = str(name)
        model.move_to_end(name)
        if len(model) > size:
            model.popitem(last=False)
        assert len(store) == len(model)
    assert {name for name in range(9) if store.get(name)} == set(model)


def test_a_large_store_forgets_ahead_and_never_what_was_just_used() -> None:
    size = MemoryStore.LARGE
    store: MemoryStore[int] = MemoryStore(size)
    for name in range(10 * size):
        store.set(name, name)
        store.get(0)
        assert len(store) <= size
    assert store.get(0) == 0
    assert store.get(10 * size - 1) is not None
    assert len(store) >= size - size // 8


def test_reads_alone_do_not_pile_up() -> None:
    store: MemoryStore[int] = MemoryStore(2)
    store.set("a", 1)
    for _ in range(10 * BATCH):
        store.get("a")
    assert len(store._used) < BATCH


def test_an_entry_that_is_moved_just_now_is_found() -> None:
    """The reader looks while the mover has taken the entry out and not yet put it back."""
    store: MemoryStore[int] = MemoryStore(4)
    seen: list[Any] = []
    started = threading.Event()

    class Watched(dict[Any, Any]):
        def setdefault(self, name: Any, value: Any = None) -> Any:
            reader = threading.Thread(target=lambda: (started.set(), seen.append(store.get("a"))))
            reader.start()
            started.wait()
            # The reader has looked in vain once it waits for the lock, or has given up.
            readers.append(reader)
            reader.join(0.05)
            return super().setdefault(name, value)

    readers: list[threading.Thread] = []
    store._entries = Watched(a=1)
    store.get("a")
    store.set("b", 2)
    for reader in readers:
        reader.join()
    assert seen == [1]


@pytest.fixture
def often() -> Iterator[None]:
    """Threads take turns a thousand times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.stress
@pytest.mark.usefixtures("often")
def test_threads_never_lose_what_fits_nor_exceed_the_size() -> None:
    store: MemoryStore[int] = MemoryStore(64)
    wrong: list[Any] = []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for turn in range(100_000):
            name = (number * 7 + turn) % 60
            value = store.get(name)
            if value is None:
                store.set(name, name)
            elif value != name:
                wrong.append((name, value))

    for name in range(60):
        store.set(name, name)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert {store.get(name) for name in range(60)} == set(range(60))


@pytest.mark.stress
@pytest.mark.usefixtures("often")
def test_threads_that_fill_a_full_store_stay_within_its_size() -> None:
    store: MemoryStore[int] = MemoryStore(16)
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for turn in range(20_000):
            store.set((number, turn), turn)
            store.get((number, turn - 3))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.set("last", 1)
    assert len(store) <= 16
