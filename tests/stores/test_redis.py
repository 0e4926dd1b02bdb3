"""The Redis store on a real Valkey server, and on servers that do what they should not."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from resilient.stores.bytes_store import StoreFailed
from resilient.stores.redis import RedisStore
from resilient.stores.redis_connection import Wire
from resilient.stores.shared import SharedStore
from resilient.testing import FakeClock, RecordedSteps
from tests.stores.conftest import OpenStore
from tests.stores.hostile_server import Behavior, hostile_server
from tests.threads import until
from tests.valkey import running_valkey

redis = pytest.importorskip("redis")


@pytest.fixture
def admin(server: Any) -> Iterator[Any]:
    with redis.Redis(port=server.port, protocol=2) as client:
        yield client


@pytest.fixture
def space(request: pytest.FixtureRequest) -> str:
    return f"redis:{request.node.name.partition('[')[0]}"


@pytest.fixture
def store(opened: OpenStore, redis_url: str, space: str) -> SharedStore:
    return opened(redis_url, namespace=space)


@pytest.fixture
def raw(store: SharedStore) -> RedisStore:
    assert isinstance(store._raw, RedisStore)
    return store._raw


# On a real server.


def test_a_hit_is_one_get(store: SharedStore, admin: Any) -> None:
    key = store.digest(b"a")
    store.set(key, 1, lives=60)
    admin.config_resetstat()
    assert store.get(key) == 1
    stats = admin.info("commandstats")
    assert {name: stats[name]["calls"] for name in stats if "config" not in name} == {
        "cmdstat_get": 1
    }


def test_all_keys_share_a_hash_tag_and_end_by_themselves(
    store: SharedStore, admin: Any, space: str
) -> None:
    group = store.digest(b"group")
    store.set(store.digest(b"a"), 1, lives=60, groups=[group])
    store.drop([store.digest(b"other")])
    keys = admin.keys(f"*{space}*")
    assert len(keys) == 3
    assert all(key.startswith(b"{%b}:" % space.encode()) for key in keys)
    assert all(0 < admin.pttl(key) <= 86_400_000 for key in keys)


def test_nothing_in_the_store_is_in_clear_but_the_value(
    store: SharedStore, admin: Any, space: str
) -> None:
    group = store.digest(b"function", b"app.users")
    store.set(store.digest(b"app.users", b"alice"), "value", lives=60, groups=[group])
    for key in admin.keys(f"*{space}*"):
        dumped = key + (admin.dump(key) or b"")
        assert b"alice" not in dumped
        assert b"app.users" not in dumped


def test_the_server_forgets_by_its_own_clock(store: SharedStore, raw: RedisStore) -> None:
    key, group = store.digest(b"a"), store.digest(b"group")
    store.set(key, 1, lives=0.02, groups=[group])
    until(lambda: raw.get(key) is None)
    assert store.count(group) == 0


def test_expired_members_of_a_group_are_cleared_away(
    store: SharedStore, raw: RedisStore, admin: Any
) -> None:
    group = store.digest(b"group")
    for number in range(5):
        store.set(store.digest(b"%d" % number), 1, lives=0.01, groups=[group])
    until(lambda: store.count(group) == 0)
    store.set(store.digest(b"new"), 1, lives=60, groups=[group])
    assert admin.zcard(raw._members + group) == 1


def test_deleted_and_evicted_entries_do_not_count(
    store: SharedStore, raw: RedisStore, admin: Any
) -> None:
    group = store.digest(b"group")
    keys = [store.digest(b"%d" % number) for number in range(4)]
    for key in keys:
        store.set(key, 1, lives=60, groups=[group])
    store.delete(keys[0])
    admin.delete(raw._entry + keys[1])
    assert store.count(group) == 2


def test_a_group_that_somebody_else_has_altered_makes_us_delete_entries_only(
    store: SharedStore, raw: RedisStore, admin: Any, space: str
) -> None:
    group = store.digest(b"group")
    admin.set(f"session:{space}", "theirs")
    admin.zadd(raw._members + group, {f"session:{space}": time.time() * 1e3 + 60_000})
    store.drop([group])
    assert admin.get(f"session:{space}") == b"theirs"
    admin.delete(f"session:{space}")


def test_scripts_that_the_server_has_forgotten_are_sent_again(
    store: SharedStore, admin: Any
) -> None:
    for _ in range(2):
        admin.script_flush()
        assert store.set(store.digest(b"a"), 1, lives=60)
    assert store.stats()["failures"] == 0


def test_connections_that_were_closed_while_idle_are_no_failure(
    store: SharedStore, admin: Any
) -> None:
    key, group = store.digest(b"a"), store.digest(b"group")
    store.set(key, 1, lives=60)
    barrier = threading.Barrier(4)

    def use(number: int) -> None:
        barrier.wait()
        assert store.get(key) == 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))
    for ask in (
        lambda: store.get(key) == 1,
        lambda: store.set(key, 1, lives=60),
        lambda: store.count(group) == 0,
    ):
        admin.client_kill_filter(_type="normal", skipme=True)
        assert ask()
    assert store.stats()["failures"] == 0


def test_a_server_out_of_memory_is_still_read(
    store: SharedStore, admin: Any, steps: RecordedSteps
) -> None:
    key = store.digest(b"a")
    store.set(key, 1, lives=60)
    before = admin.config_get("maxmemory*")
    admin.config_set("maxmemory-policy", "noeviction")
    admin.config_set("maxmemory", 1)
    try:
        assert not store.set(store.digest(b"b"), 2, lives=60)
        assert store.get(key) == 1
    finally:
        for name in ("maxmemory", "maxmemory-policy"):
            admin.config_set(name, before[name])
    assert store.stats()["writes"] == "down"
    assert "it refuses (OOM); calls go on without writing to this store" in steps[0].text


def test_a_replica_that_takes_no_writes_is_still_read(
    store: SharedStore, admin: Any, steps: RecordedSteps
) -> None:
    key = store.digest(b"a")
    store.set(key, 1, lives=60)
    admin.config_set("replica-serve-stale-data", "yes")
    admin.replicaof("127.0.0.1", 1)
    try:
        assert not store.set(store.digest(b"b"), 2, lives=60)
        assert store.get(key) == 1
    finally:
        admin.replicaof("NO", "ONE")
    assert "READONLY" in steps[0].text


def test_user_and_password_of_the_url_are_used_and_never_shown(
    opened: OpenStore, server: Any, admin: Any, steps: RecordedSteps
) -> None:
    admin.acl_setuser(
        "app",
        enabled=True,
        passwords=["+p@ss:w/rd"],
        keys=["{resilient}*"],
        commands=["+@all"],
    )
    try:
        good = opened(f"redis://app:p%40ss%3Aw%2Frd@127.0.0.1:{server.port}/0")
        assert good.set(good.digest(b"a"), 1, lives=60)
        bad = opened(f"redis://app:another-secret@127.0.0.1:{server.port}/0")
        assert bad.get(bad.digest(b"a")) is None
        # What the user may not touch is refused in an orderly way.
        elsewhere = opened(
            f"redis://app:p%40ss%3Aw%2Frd@127.0.0.1:{server.port}/0", namespace="other"
        )
        assert not elsewhere.set(elsewhere.digest(b"a"), 1, lives=60)
    finally:
        admin.acl_deluser("app")
    assert "AuthenticationError" in steps[0].text
    assert "NOPERM" in steps[1].text
    assert not any("secret" in step.text or "ss:w" in step.text for step in steps)


def test_options_of_the_url_that_would_change_the_bytes_do_not(
    opened: OpenStore, redis_url: str, space: str
) -> None:
    options = "decode_responses=true&protocol=3&socket_timeout=60&max_connections=2&timeout=1"
    store = opened(f"{redis_url}?{options}", namespace=space)
    assert store.set(store.digest(b"a"), "é", lives=60)
    assert store.get(store.digest(b"a")) == "é"


def test_a_socket_file_will_do(opened: OpenStore, tmp_path: Any) -> None:
    path = tmp_path / "s"
    if len(str(path)) > 100:
        pytest.skip("the path is too long for a socket")
    with running_valkey(port=0, unix_socket_path=path):
        store = opened(f"unix://{path}?db=0")
        assert store.set(store.digest(b"a"), 1, lives=60)
        assert store.get(store.digest(b"a")) == 1


def test_a_server_that_comes_back_is_taken_back(
    opened: OpenStore, clock: FakeClock, steps: RecordedSteps
) -> None:
    with running_valkey() as first:
        port = first.port
        store = opened(f"redis://127.0.0.1:{port}/0")
        assert store.set(store.digest(b"a"), 1, lives=6000)
    assert store.get(store.digest(b"a")) is None
    assert store.stats()["state"] == "down"
    with running_valkey(port=port):
        clock.advance(1)
        assert store.get(store.digest(b"a")) is None
        assert store.set(store.digest(b"a"), 2, lives=6000)
        assert store.get(store.digest(b"a")) == 2
    assert steps.kinds() == ["degraded", "restored"]
    assert "can't be reached" in steps[0].text


# On hostile servers.


def hang(connection: socket.socket, command: list[bytes]) -> None:
    """Says nothing."""


def drip(connection: socket.socket, command: list[bytes]) -> None:
    connection.sendall(b"$100000\r\n")
    for _ in range(100_000):
        connection.sendall(b"x")
        time.sleep(0.01)


def say(*answers: bytes) -> Behavior:
    def behave(connection: socket.socket, command: list[bytes]) -> None:
        for answer in answers:
            connection.sendall(answer)

    return behave


def hang_up(connection: socket.socket, command: list[bytes]) -> None:
    raise OSError


def hang_up_within(connection: socket.socket, command: list[bytes]) -> None:
    connection.sendall(b"$100\r\nx")
    raise OSError


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (hang, "does not answer in time"),
        (drip, "does not answer in time"),
        (hang_up, "can't be reached, or closes the connection"),
        (hang_up_within, "can't be reached, or closes the connection"),
        (say(b"garbage\r\n"), "refuses"),
        (say(b"$abc\r\n"), "refuses"),
        (say(b"$9999999999999999\r\n", b"x" * 100), "does not answer in time"),
        (say(b"*1\r\n" * 5000, b":1\r\n"), "refuses"),
        (say(b":1\r\n"), "something else than what it was asked for"),
        (say(b"*0\r\n"), "something else than what it was asked for"),
        (say(b"-ERR password=hunter2 \x1b[31m\r\n"), "refuses"),
        (say(b"-MOVED 1234 10.0.0.1:6379\r\n"), "refuses"),
        (say(b"-LOADING later\r\n"), "refuses"),
    ],
    ids=[
        "hangs",
        "drips",
        "hangs up",
        "hangs up within",
        "garbage",
        "no length",
        "endless",
        "nested",
        "number",
        "list",
        "error",
        "moved",
        "loading",
    ],
)
def test_whatever_a_server_does_a_call_goes_on_without_it(
    opened: OpenStore, steps: RecordedSteps, behave: Behavior, reason: str
) -> None:
    with hostile_server(behave) as url:
        store = opened(url, timeout=0.1)
        assert store.get(store.digest(b"a")) is None
        assert store.get(store.digest(b"a")) is None
        assert not store.set(store.digest(b"a"), 1, lives=60)
    assert (store.stats()["failures"], store.stats()["skipped"]) == (1, 2)
    (step,) = steps
    assert re.search(reason, step.text)
    assert not re.search(r"hunter2|10\.0\.0\.1|\x1b", step.text)


@pytest.mark.parametrize("behave", [hang, drip, hang_up], ids=["hangs", "drips", "hangs up"])
def test_a_server_that_does_not_shake_hands_is_left_alone(
    opened: OpenStore, behave: Behavior
) -> None:
    with hostile_server(behave, shakes_hands=False) as url:
        store = opened(url, timeout=0.1)
        assert store.get(store.digest(b"a")) is None
        assert store.stats()["state"] == "down"


def test_answers_that_come_too_late_are_not_taken_for_the_next_ones(
    opened: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = threading.Event()

    def behave(connection: socket.socket, command: list[bytes]) -> None:
        if not late.is_set():
            late.wait(20)
            connection.sendall(b"$3\r\nold\r\n")
        else:
            connection.sendall(b"$3\r\nnew\r\n")

    with hostile_server(behave) as url:
        raw = RedisStore(Wire(url, 0.1), "late")
        with pytest.raises(StoreFailed, match="in time"):
            raw.get(b"a")
        late.set()
        assert [raw.get(b"a") for _ in range(3)] == [b"new"] * 3
        raw.close()


@pytest.mark.parametrize(
    ("answer", "ask"),
    [
        (b"*1\r\n$1\r\nx\r\n", lambda raw: raw.epochs([b"g"])),
        (b"*0\r\n", lambda raw: raw.epochs([b"g"])),
        (b":1\r\n", lambda raw: raw.epochs([b"g"])),
        (b"$1\r\n1\r\n", lambda raw: raw.count(b"g")),
    ],
    ids=["no number", "none", "no list", "no count"],
)
def test_answers_of_another_kind_are_failures(
    answer: bytes, ask: Callable[[RedisStore], object]
) -> None:
    with hostile_server(say(answer)) as url:
        raw = RedisStore(Wire(url, 5), "kinds")
        with pytest.raises(StoreFailed, match="something else"):
            ask(raw)
        raw.close()


def test_nobody_listens(opened: OpenStore, steps: RecordedSteps) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    store = opened(f"redis://:hunter2@127.0.0.1:{port}/0")
    assert store.get(store.digest(b"a")) is None
    assert steps[0].label == f"redis:127.0.0.1:{port}"
    assert "hunter2" not in steps[0].text


def test_ctrl_c_while_waiting_does_not_leave_the_answer_to_the_next(
    raw: RedisStore, store: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = store.digest(b"mine"), store.digest(b"other")
    store.set(mine, "mine", lives=60)
    store.set(other, "other", lives=60)
    ask = Wire.ask

    def interrupted(wire: Wire, connection: Any, command: bytes) -> Any:
        connection.send_packed_command([command], check_health=False)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Wire, "ask", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.get(mine)
    assert Wire.ask is ask
    assert store.get(other) == "other"
    assert store.stats()["tampered"] == 0


def test_tls_is_spoken_and_the_certificate_checked(
    opened: OpenStore, tmp_path: Path, steps: RecordedSteps
) -> None:
    pytest.importorskip("cryptography")
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with hostile_server(say(b"$-1\r\n"), tls=context) as url:
        url = url.replace("redis://127.0.0.1", "rediss://localhost")
        trusting = opened(f"{url}?ssl_ca_certs={certificate}")
        assert trusting.get(trusting.digest(b"a")) is None
        assert trusting.stats()["misses"] == 1
        doubting = opened(url)
        assert doubting.get(doubting.digest(b"a")) is None
        assert doubting.stats()["failures"] == 1
    assert steps.kinds() == ["degraded"]


def self_signed(folder: Path) -> Path:
    """A certificate of localhost with its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file
