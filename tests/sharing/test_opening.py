"""From a URL to a store of shared state."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from resilient.errors import ConfigurationError
from resilient.sharing.opening import default_state, open_state, set_default, state_for


@pytest.fixture(autouse=True)
def _no_default() -> Iterator[None]:
    yield
    set_default(None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


def test_a_url_opened_twice_is_one_store(folder: Path) -> None:
    url = f"sqlite:///{folder}/state.db"
    assert open_state(url) is open_state(url)
    assert open_state(url) is not open_state(url, timeout=1)
    assert open_state("memory://a") is not open_state("memory://b")


def test_a_store_that_nobody_keeps_is_closed_and_opened_anew() -> None:
    first = open_state("memory://short")
    first_worker = first.worker
    del first
    gc.collect()
    assert open_state("memory://short").worker != first_worker


def test_nothing_is_made_before_it_is_used(folder: Path) -> None:
    open_state(f"sqlite:///{folder}/state.db")
    open_state("redis://user:pass@nowhere.invalid:6379/0")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgres://u:hunter2@host/db", "there is no such store; use sqlite:///"),
        ("hunter2", "there is no such store"),
        ("hunter2:x://y", "there is no such store"),
        ("sqlite://state.db", "use three slashes"),
        ("sqlite:///", "names no file"),
        (7, "use a URL"),
    ],
)
def test_a_url_that_is_none_of_ours_is_refused_without_showing_it(url: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as refused:
        open_state(url)
    assert "hunter2" not in str(refused.value)


def test_odd_options_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"open_state\(timeout=0"):
        open_state("memory://a", timeout=0)
    with pytest.raises(ConfigurationError, match=r"open_state\(namespace=…\)"):
        open_state("memory://a", namespace="{tag}")


def test_a_policy_shares_where_it_says_else_in_the_default_store() -> None:
    assert state_for(None, "throttled(store)") is None
    set_default("memory://default")
    assert state_for(None, "throttled(store)") is default_state() is not None
    assert state_for("local", "throttled(store)") is None
    own = open_state("memory://own")
    assert state_for(own, "throttled(store)") is own
    assert state_for("memory://own", "throttled(store)") is own


@pytest.mark.parametrize("store", ["shared", 3, object()])
def test_what_is_no_store_is_refused(store: object) -> None:
    with pytest.raises(ConfigurationError, match=r'throttled\(store\): use sqlite.*"local"'):
        state_for(store, "throttled(store)")  # type: ignore[arg-type]
