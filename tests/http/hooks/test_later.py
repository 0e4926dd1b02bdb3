"""Watching for a library to be loaded: modules written by the test, imported for real."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from resilient.http.hooks.later import Watch

NAME = "resilient_test_library"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a second version in the same second

    def write(source: str) -> None:
        (tmp_path / f"{NAME}.py").write_text(source)
        importlib.invalidate_caches()

    yield write
    sys.modules.pop(NAME, None)


@pytest.fixture
def loaded() -> Iterator[list[ModuleType]]:
    """What the watch was told of, while it was on."""
    told: list[ModuleType] = []
    watch = Watch({NAME}, told.append)
    watch.start()
    yield told
    watch.stop()
    assert watch not in sys.meta_path


def test_a_later_import_is_told_once_its_code_has_run(
    write: Callable[[str], None], loaded: list[ModuleType]
) -> None:
    write("ANSWER = 42")
    assert not loaded
    module = importlib.import_module(NAME)
    importlib.import_module(NAME)
    assert loaded == [module]
    assert loaded[0].ANSWER == 42


def test_what_is_loaded_already_is_told_by_catching_up(write: Callable[[str], None]) -> None:
    write("")
    module = importlib.import_module(NAME)
    told: list[ModuleType] = []
    Watch({NAME, "resilient_test_missing"}, told.append).catch_up()
    assert told == [module]


def test_catching_up_imports_nothing(
    write: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("")
    told: list[ModuleType] = []
    Watch({NAME}, told.append).catch_up()
    monkeypatch.setitem(sys.modules, NAME, None)  # how an import is forbidden
    Watch({NAME}, told.append).catch_up()
    assert not told
    assert sys.modules[NAME] is None


def test_a_loaded_module_has_the_loader_it_would_have_had(
    write: Callable[[str], None], loaded: list[ModuleType]
) -> None:
    write("MINE = __spec__.loader, __loader__\ndef f(): pass\n")
    module = importlib.import_module(NAME)
    kind = importlib.machinery.SourceFileLoader
    assert module.__spec__ is not None
    assert [type(found) for found in (*module.MINE, module.__spec__.loader, module.__loader__)] == [
        kind
    ] * 4
    assert inspect.getsource(module.f) == "def f(): pass\n"


def test_a_reload_is_told_again(write: Callable[[str], None], loaded: list[ModuleType]) -> None:
    write("ANSWER = 1")
    module = importlib.import_module(NAME)
    write("ANSWER = 22")
    importlib.reload(module)
    assert loaded == [module, module]
    assert module.ANSWER == 22


def test_a_failing_import_is_no_news_and_the_next_one_is(
    write: Callable[[str], None], loaded: list[ModuleType]
) -> None:
    write("raise RuntimeError('half way')")
    with pytest.raises(RuntimeError, match="half way"):
        importlib.import_module(NAME)
    assert not loaded
    assert NAME not in sys.modules
    write("")
    assert loaded == [importlib.import_module(NAME)]


def test_a_missing_module_is_missing_as_ever(loaded: list[ModuleType]) -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module(NAME)
    assert caught.value.name == NAME
    assert not loaded


def test_looking_for_a_spec_loads_nothing_and_the_spec_can_be_used(
    write: Callable[[str], None], loaded: list[ModuleType]
) -> None:
    write("ANSWER = 42")
    spec = importlib.util.find_spec(NAME)
    assert spec is not None
    assert spec.loader is not None
    assert not loaded
    assert NAME not in sys.modules
    # Loader is what typing knows; SourceFileLoader's own methods are there too.
    assert spec.loader.get_source(NAME) == "ANSWER = 42"  # type: ignore[attr-defined]
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.ANSWER == 42
    assert loaded == [module]


def test_a_lazy_module_is_told_when_it_is_used(
    write: Callable[[str], None], loaded: list[ModuleType]
) -> None:
    write("ANSWER = 42")
    spec = importlib.util.find_spec(NAME)
    assert spec is not None
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    assert not loaded
    assert module.ANSWER == 42
    assert len(loaded) == 1


def test_two_watches_are_both_told(write: Callable[[str], None], loaded: list[ModuleType]) -> None:
    second: list[ModuleType] = []
    watch = Watch({NAME}, second.append)
    watch.start()
    watch.start()
    write("")
    module = importlib.import_module(NAME)
    watch.stop()
    assert loaded == second == [module]
    assert watch not in sys.meta_path


def test_a_stopped_watch_is_told_no_more(write: Callable[[str], None]) -> None:
    told: list[ModuleType] = []
    watch = Watch({NAME}, told.append)
    watch.start()
    watch.stop()
    watch.stop()
    write("")
    importlib.import_module(NAME)
    assert not told


def test_threads_that_import_at_once_are_told_of_once_after_the_code_has_run(
    write: Callable[[str], None], loaded: list[ModuleType]
) -> None:
    together = threading.Barrier(8, timeout=30)
    answers: list[int] = []
    write("import threading\nthreading.Event().wait(0.05)\nANSWER = 42")

    def work() -> None:
        together.wait()
        answers.append(importlib.import_module(NAME).ANSWER)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [42] * 8
    assert len(loaded) == 1


def test_catching_up_waits_for_an_import_under_way_in_another_thread(
    write: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(sys, "resilient_test_events", (under_way, go_on), raising=False)
    write(
        "import sys\n"
        "under_way, go_on = sys.resilient_test_events\n"
        "under_way.set()\n"
        "assert go_on.wait(30)\n"
        "ANSWER = 42\n"
    )
    importing = threading.Thread(target=importlib.import_module, args=(NAME,))
    importing.start()
    assert under_way.wait(30)
    told: list[int] = []
    watch = Watch({NAME}, lambda module: told.append(module.ANSWER))
    catching_up = threading.Thread(target=watch.catch_up)
    catching_up.start()
    assert not told
    go_on.set()
    importing.join()
    catching_up.join()
    assert told == [42]
