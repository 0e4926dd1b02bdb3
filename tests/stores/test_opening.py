"""What open_store takes, and what it says to the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from resilient.errors import ConfigurationError
from resilient.stores.opening import open_store
from tests.stores.conftest import KEY, OpenStore

SECRET = "hunter2-and-more-of-it"


@pytest.fixture(autouse=True)
def _no_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RESILIENT_CACHE_KEY", raising=False)
    monkeypatch.delenv("RESILIENT_CACHE_OLD_KEY", raising=False)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("memory://", "leave store= out"),
        ("memory", "leave store= out"),
        ("", "use sqlite:///path"),
        ("mysql://host", "use sqlite:///path"),
        ("cache.db", "use sqlite:///path"),
        ("sqlite://cache.db", "three slashes"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////no/such/folder/cache.db", "mkdir"),
        ("sqlite:////", "directory"),
        ("sqlite:////dev/null", "others can write|regular file"),
        (f"redis://user:{SECRET}@host:port/0", "quoted"),
        (f"redis://user:{SECRET}/x@host:1/0", "quoted"),
        (f"redis://:{SECRET}@host:6379/0?no_such_option=1", "does not take an option"),
        (f"http://user:{SECRET}@host", "no such store"),
        (f"{SECRET}://host", "no such store"),
        (f"user:{SECRET}@host", "no such store"),
    ],
)
def test_a_url_that_is_none_of_ours_is_refused_with_a_remedy(url: str, remedy: str) -> None:
    pytest.importorskip("redis")
    with pytest.raises(ConfigurationError, match=remedy) as caught:
        open_store(url, key=KEY)
    shown = str(caught.value) + str(caught.value.__cause__)
    assert SECRET not in shown or url.startswith(SECRET)
    assert KEY.decode() not in shown


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"key": None}, "secrets.token_urlsafe"),
        ({"key": ""}, "it has 0 bytes"),
        ({"key": SECRET[:15]}, "it has 15 bytes, too few"),
        ({"key": 12345678901234567890}, "use a str or bytes"),
        ({"old_key": SECRET[:15]}, "old_key=….*too few"),
        ({"serializer": "marshal"}, "'json' or 'pickle'"),
        ({"timeout": 0}, "more than 0"),
        ({"max_bytes": 0}, "whole number"),
        ({"encrypt": 1}, "True or False"),
        ({"namespace": "a}b"}, "letters"),
        ({"namespace": ""}, "letters"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_an_option_that_is_none_is_refused_with_a_remedy(
    tmp_path: Path, options: dict[str, Any], remedy: str
) -> None:
    with pytest.raises(ConfigurationError, match=remedy) as caught:
        open_store(f"sqlite:///{tmp_path / 'cache.db'}", **({"key": KEY} | options))
    assert SECRET[:15] not in str(caught.value)


def test_max_bytes_is_for_sqlite() -> None:
    with pytest.raises(ConfigurationError, match="maxmemory"):
        open_store("redis://127.0.0.1:1/0", key=KEY, max_bytes=1)


def test_a_url_has_to_be_a_text() -> None:
    with pytest.raises(ConfigurationError, match=r"open_store\(PosixPath|WindowsPath"):
        open_store(Path("cache.db"), key=KEY)  # type: ignore[arg-type]


def test_keys_come_from_the_environment(
    opened: OpenStore, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESILIENT_CACHE_KEY", "the former key of this program")
    before = opened(sqlite_url, key=None)
    before.set(before.digest(b"a"), "kept", lives=60)
    monkeypatch.setenv("RESILIENT_CACHE_OLD_KEY", "the former key of this program")
    monkeypatch.setenv("RESILIENT_CACHE_KEY", "the present key of this program")
    after = opened(sqlite_url, key=None)
    assert after.get(after.digest(b"a")) == "kept"
    monkeypatch.setenv("RESILIENT_CACHE_KEY", "short")
    with pytest.raises(ConfigurationError, match="RESILIENT_CACHE_KEY: it has 5 bytes"):
        opened(sqlite_url, key=None)


def test_text_and_bytes_are_one_key(opened: OpenStore, sqlite_url: str) -> None:
    assert opened(sqlite_url, key="k" * 32).digest() == opened(sqlite_url, key=b"k" * 32).digest()


def test_a_relative_path_stays_where_it_was_when_the_program_moves(
    opened: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = opened("sqlite:///cache.db")
    monkeypatch.chdir("elsewhere")
    assert store.set(store.digest(b"a"), 1, lives=60)
    assert (tmp_path / "cache.db").exists()


def test_a_label_names_the_store_without_credentials(opened: OpenStore, sqlite_url: str) -> None:
    pytest.importorskip("redis")
    assert opened(sqlite_url).label == "sqlite:cache.db"
    labels = {
        f"redis://user:{SECRET}@db.example:6380/3": "redis:db.example:6380",
        "valkey://db.example": "redis:db.example:6379",
        f"rediss://:{SECRET}@db.example": "redis:db.example:6379",
        f"unix://:{SECRET}@/run/valkey.sock": "redis:unix",
    }
    for url, label in labels.items():
        store = opened(url)
        assert store.label == label
        assert SECRET not in repr(store)


def test_nothing_is_connected_before_it_is_used(opened: OpenStore, tmp_path: Path) -> None:
    opened(f"sqlite:///{tmp_path / 'cache.db'}")
    assert not list(tmp_path.iterdir())


def test_a_sqlite_store_loads_neither_redis_nor_cryptography(sqlite_url: str) -> None:
    code = (
        # pybreaker loads redis if it is there, and redis loads cryptography.
        "import sys; sys.modules['redis'] = None;"
        "from resilient.stores.opening import open_store;"
        f"open_store({sqlite_url!r}, key='k' * 32).close();"
        "print(sorted({'redis.client', 'cryptography', 'requests_cache'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize(
    ("options", "module", "command"),
    [
        ({"encrypt": True}, "cryptography", "resilient-decorators[crypto]"),
        ({}, "redis", "resilient-decorators[redis]"),
    ],
)
def test_a_missing_library_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], module: str, command: str
) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == module:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError) as caught:
        open_store("redis://127.0.0.1:1/0", key=KEY, **options)
    assert f"pip install '{command}'" in str(caught.value)


posix = pytest.mark.skipif(os.name != "posix", reason="POSIX alone has these rights")


@posix
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o722])
def test_a_directory_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(ConfigurationError, match=r"others can write to .*mkdir -m 700"):
        open_store(f"sqlite:///{folder / 'cache.db'}", key=KEY)
    inside = folder / "inside"
    inside.mkdir(0o700)
    if mode & 0o1000:
        # Nobody can move it out of its place there.
        open_store(f"sqlite:///{inside / 'cache.db'}", key=KEY).close()
    else:
        with pytest.raises(ConfigurationError, match="others can write to"):
            open_store(f"sqlite:///{inside / 'cache.db'}", key=KEY)


@posix
def test_a_link_is_judged_by_where_it_leads(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    (tmp_path / "link.db").symlink_to(folder / "cache.db")
    with pytest.raises(ConfigurationError, match="others can write to"):
        open_store(f"sqlite:///{tmp_path / 'link.db'}", key=KEY)


@posix
def test_a_group_counts_as_others_unless_it_is_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o770)
    monkeypatch.setattr("resilient.stores.sqlite_file._is_private", lambda group: False)
    with pytest.raises(ConfigurationError, match="others can write to"):
        open_store(f"sqlite:///{folder / 'cache.db'}", key=KEY)
    monkeypatch.setattr("resilient.stores.sqlite_file._is_private", lambda group: True)
    open_store(f"sqlite:///{folder / 'cache.db'}", key=KEY).close()
