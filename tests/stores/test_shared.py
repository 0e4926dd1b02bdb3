"""What caches may rely on, whatever the store: the same tests on SQLite and on a real server."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from resilient.stores import shared
from resilient.stores.bytes_store import StoreFailed
from resilient.stores.plain import Unstorable
from resilient.stores.shared import SharedStore
from resilient.testing import FakeClock, RecordedSteps
from tests.stores.conftest import KEY, OpenStore
from tests.threads import until

OTHER_KEY = b"another key of the tests, as long"


@pytest.fixture
def store(any_store: OpenStore, clock: FakeClock) -> SharedStore:
    # Real time would be up on a slow machine, and the clock is a fake one.
    return any_store()


def break_down(store: SharedStore, monkeypatch: pytest.MonkeyPatch, **facts: bool) -> None:
    """Let all that is asked of the store fail."""

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise StoreFailed("it is broken by a test", **facts)

    for name in ("set", "delete", "drop"):
        monkeypatch.setattr(type(store._raw), name, fail)
    if not facts.get("only_writes"):
        for name in ("get", "epochs", "count"):
            monkeypatch.setattr(type(store._raw), name, fail)


def test_what_was_set_is_there_until_it_is_deleted(store: SharedStore) -> None:
    key = store.digest(b"a")
    assert store.get(key) is None
    assert store.set(key, {"a": [1, None]}, lives=60)
    assert store.get(key) == {"a": [1, None]}
    store.delete(key)
    store.delete(key)
    assert store.get(key) is None


def test_a_newer_value_replaces_an_older_one(store: SharedStore) -> None:
    key = store.digest(b"a")
    for value in ("first", "second"):
        assert store.set(key, value, lives=60)
        assert store.get(key) == value


def test_an_older_value_never_replaces_a_newer_one(
    store: SharedStore, any_store: OpenStore, clock: FakeClock
) -> None:
    late, key = any_store(), store.digest(b"a")
    written = late._remembered.stamp()
    sealed = late._seals.seal(key, b'j"old"', written, written + 60_000_000)
    clock.advance(1)
    assert store.set(key, "new", lives=60)
    assert not late._raw.set(key, sealed, written=written, lives=60)
    assert late.get(key) == "new"


def test_what_each_caller_gets_is_its_own(store: SharedStore) -> None:
    key = store.digest(b"a")
    store.set(key, [1], lives=60)
    store.get(key).append(2)  # type: ignore[union-attr]
    assert store.get(key) == [1]


def test_an_entry_ends_with_its_life(store: SharedStore, clock: FakeClock) -> None:
    key = store.digest(b"a")
    store.set(key, 1, lives=60)
    clock.advance(59)
    assert store.get(key) == 1
    clock.advance(1)
    assert store.get(key) is None


@pytest.mark.parametrize("lives", [0, -1, float("nan"), float("-inf")])
def test_what_has_no_life_is_not_kept(store: SharedStore, lives: float) -> None:
    assert not store.set(store.digest(b"a"), 1, lives=lives)
    assert store.get(store.digest(b"a")) is None


def test_an_endless_life_is_a_long_one(store: SharedStore, clock: FakeClock) -> None:
    assert store.set(store.digest(b"a"), 1, lives=float("inf"))
    clock.advance(300 * 86400)
    assert store.get(store.digest(b"a")) == 1


def test_a_dropped_group_is_forgotten_and_no_other(store: SharedStore) -> None:
    one, other = store.digest(b"one"), store.digest(b"other")
    for number in range(4):
        key = store.digest(b"%d" % number)
        store.set(key, number, lives=60, groups=[one, other] if number < 2 else [other])
    assert (store.count(one), store.count(other)) == (2, 4)
    store.drop([one])
    assert (store.count(one), store.count(other)) == (0, 2)
    assert [store.get(store.digest(b"%d" % number)) for number in range(4)] == [None, None, 2, 3]


def test_a_group_larger_than_a_batch_is_dropped_whole(
    store: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(store._raw), "BATCH", 3)
    group = store.digest(b"group")
    for number in range(10):
        store.set(store.digest(b"%d" % number), number, lives=60, groups=[group])
    store.drop([group])
    assert store.count(group) == 0
    assert all(store.get(store.digest(b"%d" % number)) is None for number in range(10))


def test_what_was_fetched_before_a_drop_is_not_kept_after_it(
    store: SharedStore, any_store: OpenStore
) -> None:
    other_process = any_store()
    key, group = store.digest(b"a"), store.digest(b"group")
    epochs = store.epochs([group])
    other_process.drop([group])
    assert not store.set(key, "old", lives=60, groups=[group], epochs=epochs)
    assert store.get(key, group) is None
    assert store.set(key, "new", lives=60, groups=[group], epochs=store.epochs([group]))
    assert other_process.get(key, group) == "new"


def test_each_drop_is_another_epoch(store: SharedStore) -> None:
    groups = [store.digest(b"one"), store.digest(b"other")]
    seen = [store.epochs(groups)]
    for _ in range(3):
        store.drop(groups)
        seen.append(store.epochs(groups))
    assert len({one for one, _ in seen}) == 4
    assert store.epochs([]) == ()


def test_epochs_are_those_of_the_groups_in_question(store: SharedStore) -> None:
    one, other, key = store.digest(b"one"), store.digest(b"other"), store.digest(b"a")
    epochs = store.epochs([one])
    store.drop([other])
    assert store.set(key, 1, lives=60, groups=[one], epochs=epochs)


def test_digests_are_told_apart_by_their_parts_and_by_the_key(
    store: SharedStore, any_store: OpenStore
) -> None:
    assert store.digest(b"ab", b"c") != store.digest(b"a", b"bc") != store.digest(b"abc")
    assert store.digest(b"a") == any_store().digest(b"a")
    assert store.digest(b"a") != any_store(key=OTHER_KEY).digest(b"a")
    assert len(store.digest()) == 32


def test_what_cannot_be_kept_is_raised_whatever_the_store_does(
    store: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_down(store, monkeypatch)
    with pytest.raises(Unstorable, match=r"type object .*serializer=\"pickle\""):
        store.set(store.digest(b"a"), object(), lives=60)


def test_what_is_too_large_is_refused(store: SharedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "LARGEST", 1 << 20)
    with pytest.raises(Unstorable, match="more than 1 MiB"):
        store.set(store.digest(b"a"), "x" * (1 << 20), lives=60)


# Failures of the store.


def test_a_store_that_is_down_is_left_alone_and_told_of_once(
    store: SharedStore, steps: RecordedSteps, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, group = store.digest(b"a"), store.digest(b"group")
    break_down(store, monkeypatch)
    for _ in range(3):
        assert store.get(key) is None
        assert not store.set(key, 1, lives=60)
        assert store.count(group) == 0
        store.drop([group])
    assert (store.stats()["failures"], store.stats()["skipped"]) == (1, 11)
    assert store.stats()["state"] == "down"
    (step,) = steps
    assert (step.kind, step.label) == ("degraded", store.label)
    assert step.text == (
        "it is broken by a test; calls go on without this store until it works again"
    )


def test_epochs_of_a_store_that_is_down_are_accepted_by_none(
    store: SharedStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, group = store.digest(b"a"), store.digest(b"group")
    with monkeypatch.context() as broken:
        break_down(store, broken)
        epochs = store.epochs([group])
        assert store.epochs([group]) == epochs
    clock.advance(2)
    assert not store.set(key, 1, lives=60, groups=[group], epochs=epochs)
    assert store.stats()["state"] == "up"


def test_a_store_is_taken_back_when_it_works_again(
    store: SharedStore, steps: RecordedSteps, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = store.digest(b"a")
    store.set(key, 1, lives=600)
    with monkeypatch.context() as broken:
        break_down(store, broken)
        store.get(key)
        clock.advance(1)
        store.get(key)
    clock.advance(1.9)
    assert store.get(key) is None
    clock.advance(0.1)
    assert store.get(key) == 1
    assert [step.text for step in steps.of("restored")] == ["works again after 3.0 s"]
    assert store.stats()["state"] == "up"


def test_a_store_that_is_slow_is_left_alone(
    any_store: OpenStore,
    steps: RecordedSteps,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = any_store()
    key = store.digest(b"a")
    store.set(key, 1, lives=600)
    get = type(store._raw).get

    def slow(raw: Any, key: bytes) -> bytes | None:
        clock.advance(6)
        return get(raw, key)

    monkeypatch.setattr(type(store._raw), "get", slow)
    assert store.get(key) == 1  # it was waited for, so it is taken
    assert store.get(key) is None
    assert "took 6.00 s, more than the 5 s that it may take" in steps[0].text


def test_a_store_that_refuses_writes_is_still_read(
    store: SharedStore, steps: RecordedSteps, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = store.digest(b"a")
    store.set(key, 1, lives=600)
    with monkeypatch.context() as broken:
        break_down(store, broken, only_writes=True)
        assert not store.set(store.digest(b"b"), 2, lives=600)
        assert not store.set(store.digest(b"b"), 2, lives=600)
        assert store.get(key) == 1
        stats = store.stats()
        assert (stats["state"], stats["writes"], stats["failures"]) == ("up", "down", 1)
    clock.advance(1)
    assert store.set(store.digest(b"b"), 2, lives=600)
    assert store.stats()["writes"] == "up"
    assert steps.kinds() == ["degraded", "restored"]


@pytest.mark.parametrize("only_writes", [False, True])
def test_what_was_to_be_forgotten_meanwhile_is_forgotten_when_it_is_back(
    store: SharedStore,
    any_store: OpenStore,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    *,
    only_writes: bool,
) -> None:
    key, member, group = store.digest(b"a"), store.digest(b"b"), store.digest(b"group")
    other_process = any_store()
    store.set(key, 1, lives=600)
    store.set(member, 2, lives=600, groups=[group])
    with monkeypatch.context() as broken:
        break_down(store, broken, only_writes=only_writes)
        store.delete(key)
        store.drop([group])
        assert store.get(key) is None
        assert store.get(member, group) is None
    clock.advance(1)
    store.set(store.digest(b"c"), 3, lives=600)
    assert other_process.get(key) is None
    assert other_process.get(member, group) is None
    assert store.stats()["replayed"] == (2 if only_writes else 0)


# Hostile stores: somebody else can write to it, but has no key.


def raw_of(store: SharedStore, key: bytes) -> bytes:
    sealed = store._raw.get(key)
    assert sealed is not None
    return sealed


def put(store: SharedStore, key: bytes, sealed: bytes) -> None:
    store._raw.delete([key])
    assert store._raw.set(key, sealed, written=0, lives=600)


@pytest.mark.parametrize(
    "alter",
    [
        lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1]),
        lambda sealed: bytes([sealed[0] ^ 1]) + sealed[1:],
        lambda sealed: sealed[:40] + b"\xff" * 8 + sealed[48:],
        lambda sealed: sealed[:-1],
        lambda sealed: sealed[:30],
        lambda sealed: b"",
        lambda sealed: sealed + b"x",
        lambda sealed: pickle.dumps("a bomb"),
        lambda sealed: b'j"unsigned"',
    ],
    ids=["payload", "mac", "times", "cut", "cut short", "empty", "longer", "pickle", "unsigned"],
)
def test_an_altered_entry_is_a_miss(
    store: SharedStore, steps: RecordedSteps, alter: Callable[[bytes], bytes]
) -> None:
    key = store.digest(b"a")
    store.set(key, {"balance": 1}, lives=600)
    put(store, key, alter(raw_of(store, key)))
    assert store.get(key) is None
    assert store.stats()["tampered"] == 1
    assert "altered, or not signed with this program's key" in steps[0].text


def test_the_entry_of_another_key_is_a_miss(store: SharedStore) -> None:
    mine, theirs = store.digest(b"mine"), store.digest(b"theirs")
    store.set(mine, "mine", lives=600)
    store.set(theirs, "theirs", lives=600)
    put(store, mine, raw_of(store, theirs))
    assert store.get(mine) is None
    assert (store.get(theirs), store.stats()["tampered"]) == ("theirs", 1)


def test_an_entry_of_another_program_with_another_key_is_a_miss(
    store: SharedStore, any_store: OpenStore
) -> None:
    theirs, key = any_store(key=OTHER_KEY), store.digest(b"a")
    theirs.set(key, "theirs", lives=600)
    assert store.get(key) is None
    assert store.stats()["tampered"] == 1


def test_a_replayed_entry_is_a_miss(store: SharedStore) -> None:
    key = store.digest(b"a")
    store.set(key, "old", lives=600)
    old = raw_of(store, key)
    store.set(key, "new", lives=600)
    put(store, key, old)
    assert store.get(key) is None
    assert store.stats()["replayed"] == 1


def test_a_replay_is_seen_by_who_has_only_read_the_newer_one(
    store: SharedStore, any_store: OpenStore
) -> None:
    reader, key = any_store(), store.digest(b"a")
    store.set(key, "old", lives=600)
    old = raw_of(store, key)
    store.set(key, "new", lives=600)
    assert reader.get(key) == "new"
    put(store, key, old)
    assert reader.get(key) is None
    # Who has seen neither can't know.
    assert any_store().get(key) == "old"


def test_an_entry_that_comes_back_after_it_was_deleted_is_a_miss(store: SharedStore) -> None:
    key, group = store.digest(b"a"), store.digest(b"group")
    store.set(key, "old", lives=600, groups=[group])
    old = raw_of(store, key)
    store.delete(key)
    put(store, key, old)
    assert store.get(key) is None
    store.set(key, "new", lives=600, groups=[group])
    assert store.get(key, group) == "new"
    newer = raw_of(store, key)
    store.drop([group])
    put(store, key, newer)
    assert store.get(key, group) is None
    assert store.stats()["replayed"] == 2


def test_a_replay_ends_with_the_life_that_was_signed(
    store: SharedStore, any_store: OpenStore, clock: FakeClock
) -> None:
    key = store.digest(b"a")
    store.set(key, "old", lives=60)
    old = raw_of(store, key)
    clock.advance(60)
    put(store, key, old)
    assert any_store().get(key) is None


def test_an_entry_of_the_future_is_not_accepted_and_can_be_replaced(
    store: SharedStore, any_store: OpenStore, clock: FakeClock
) -> None:
    key, astray = store.digest(b"a"), any_store()
    clock.jump(10 * 86400)
    astray.set(key, "by a wrong clock", lives=600)
    clock.jump(-10 * 86400)
    assert store.get(key) is None
    assert store.stats()["unreadable"] == 1
    assert store.set(key, "right", lives=600)
    assert store.get(key) == "right"


def test_tampering_is_told_once_a_while_with_its_count(
    store: SharedStore, steps: RecordedSteps, clock: FakeClock
) -> None:
    key = store.digest(b"a")
    put(store, key, b"x" * 100)
    for _ in range(5):
        store.get(key)
    assert len(steps) == 1
    clock.advance(61)
    store.get(key)
    assert steps[1].facts == {"tampered": 5}
    assert "5 entries were altered" in steps[1].text


class Bomb:
    exploded = False

    def __reduce__(self) -> Any:
        return setattr, (Bomb, "exploded", True)


@pytest.mark.parametrize("serializer", ["json", "pickle"])
def test_a_pickle_bomb_does_nothing(any_store: OpenStore, serializer: str) -> None:
    store = any_store(serializer=serializer)
    key = store.digest(b"a")
    bomb = pickle.dumps(Bomb())
    for payload in (bomb, b"p" + bomb, b"\0" * 57 + b"p" + bomb):
        put(store, key, payload)
        assert store.get(key) is None
    assert not Bomb.exploded


def test_pickle_is_read_only_by_who_asked_for_it(any_store: OpenStore) -> None:
    pickling, plain = any_store(serializer="pickle"), any_store()
    key = pickling.digest(b"a")
    pickling.set(key, {1: object}, lives=60)
    assert pickling.get(key) == {1: object}
    assert plain.get(key) is None
    assert plain.stats()["unreadable"] == 1
    plain.set(key, [1], lives=60)
    assert pickling.get(key) == [1]
    with pytest.raises(Unstorable, match="pickle raises"):
        pickling.set(key, lambda: None, lives=60)


# Keys.


def test_the_old_key_reads_and_the_new_one_writes(any_store: OpenStore) -> None:
    before, after = any_store(key=OTHER_KEY), any_store(old_key=OTHER_KEY)
    name = (b"result", b"f")
    before.set(before.digest(*name), "old", lives=600)
    key = after.digest(*name)
    assert after.get(key) == "old"
    after.set(key, "new", lives=600)
    assert after.get(key) == "new"
    assert any_store().get(any_store().digest(*name)) == "new"
    # What was stored with the old key is gone, so that it can't come back when the new one ends.
    assert before.get(before.digest(*name)) is None


def test_digests_of_digests_find_what_the_old_key_wrote(any_store: OpenStore) -> None:
    before, after = any_store(key=OTHER_KEY), any_store(old_key=OTHER_KEY)

    def name(store: SharedStore) -> bytes:
        return store.digest(b"result", store.digest(b"a credential"))

    before.set(name(before), "old", lives=600)
    assert after.get(name(after)) == "old"
    after.delete(name(after))
    assert before.get(name(before)) is None


def test_while_keys_change_a_drop_reaches_both(any_store: OpenStore) -> None:
    before, after = any_store(key=OTHER_KEY), any_store(old_key=OTHER_KEY)
    groups = {store: store.digest(b"group") for store in (before, after)}
    keys = {store: store.digest(b"a") for store in (before, after)}
    before.set(keys[before], "old", lives=600, groups=[groups[before]])
    assert after.get(keys[after], groups[after]) == "old"
    after.drop([groups[after]])
    assert before.get(keys[before], groups[before]) is None
    epochs = after.epochs([groups[after]])
    before.drop([groups[before]])
    assert not after.set(keys[after], "stale", lives=600, groups=[groups[after]], epochs=epochs)
    after.set(keys[after], "new", lives=600, groups=[groups[after]])
    before.drop([groups[before]])
    assert after.get(keys[after], groups[after]) is None


def test_an_encrypted_store_shows_nothing(any_store: OpenStore) -> None:
    pytest.importorskip("cryptography")
    store = any_store(encrypt=True)
    key = store.digest(b"a")
    store.set(key, "a secret of the user", lives=60)
    assert b"secret" not in raw_of(store, key)
    assert any_store().get(key) == "a secret of the user"
    sealed = raw_of(store, key)
    put(store, key, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    assert any_store(encrypt=True).get(key) is None


# Threads and processes.


def test_sixteen_threads_get_what_they_set(any_store: OpenStore) -> None:
    store = any_store()
    barrier = threading.Barrier(16)

    def work(number: int) -> bool:
        barrier.wait()
        group = store.digest(b"group", b"%d" % (number % 4))
        for turn in range(15):
            key = store.digest(b"%d" % number, b"%d" % turn)
            if not store.set(key, [number, turn], lives=60, groups=[group]):
                return False
            if store.get(key) != [number, turn]:
                return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(16)))
    assert store.count(store.digest(b"group", b"0")) == 60


def test_threads_that_write_one_key_never_look_like_a_replay(any_store: OpenStore) -> None:
    store = any_store()
    key = store.digest(b"a")

    def work(number: int) -> None:
        for _ in range(10):
            store.set(key, number, lives=60)
            assert store.get(key) in range(8)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert store.stats()["replayed"] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_uses_connections_of_its_own(any_store: OpenStore) -> None:
    store = any_store()
    key = store.digest(b"a")
    store.set(key, "of the parent", lives=60)
    child = os.fork()
    if child == 0:
        ok = store.get(key) == "of the parent" and store.set(key, "of the child", lives=60)
        os._exit(0 if ok and store.get(key) == "of the child" else 1)
    for _ in range(20):
        assert store.get(key) in ("of the parent", "of the child")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.get(key) == "of the child"
    assert store.stats()["tampered"] == store.stats()["failures"] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_forked_while_another_thread_holds_the_locks_goes_on(
    any_store: OpenStore, in_thread: Callable[[Callable[[], object]], threading.Thread]
) -> None:
    store = any_store()
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with store._lock, store._remembered._lock, store._health.asking._lock:
            held.set()
            enough.wait(20)

    in_thread(hold)
    held.wait(20)
    child = os.fork()
    if child == 0:
        key = store.digest(b"a")
        os._exit(0 if store.set(key, 1, lives=60) and store.get(key) == 1 else 1)
    until(lambda: os.waitpid(child, os.WNOHANG) != (0, 0))
    enough.set()


def test_a_closed_store_opens_again(store: SharedStore) -> None:
    key = store.digest(b"a")
    store.set(key, 1, lives=60)
    store.close()
    store.close()
    assert store.get(key) == 1


def test_nothing_of_the_key_is_shown(any_store: OpenStore) -> None:
    store = any_store()
    assert KEY.decode() not in repr(store) + repr(store.stats()) + repr(store._seals)
