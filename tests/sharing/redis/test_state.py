"""Shared state on a real Valkey server, and on servers that do what they should not."""

from __future__ import annotations

import itertools
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.errors import ConfigurationError
from resilient.sharing.memory import MemoryState
from resilient.sharing.redis import words
from resilient.sharing.redis.state import RedisState, open_redis
from resilient.sharing.shapes import (
    NEVER,
    Ask,
    BudgetReport,
    CircuitReport,
    CircuitTerms,
    Grant,
    Word,
)
from resilient.stores.bytes_store import StoreFailed
from resilient.stores.redis_connection import Wire
from resilient.testing import FakeClock, RecordedSteps
from resilient.timing import clock as clock_in_force
from tests.stores.hostile_server import Behavior, hostile_server

redis = pytest.importorskip("redis")

BOUND = 5.0
ROUNDING = 1e-4

Open = Callable[..., RedisState]

_numbers = itertools.count()


@pytest.fixture
def admin(server: Any) -> Iterator[Any]:
    with redis.Redis(port=server.port, protocol=2) as client:
        yield client


@pytest.fixture
def space(request: pytest.FixtureRequest) -> str:
    return f"sharing{next(_numbers)}:{request.node.name.partition('[')[0]}"


@pytest.fixture
def url(server: Any) -> str:
    return f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture
def opened(url: str, space: str) -> Iterator[Open]:
    states: list[RedisState] = []

    def open_one(wire: Wire | None = None, **options: Any) -> RedisState:
        namespace = options.pop("namespace", space)
        states.append(RedisState(wire or Wire(url, BOUND), namespace, **options))
        return states[-1]

    yield open_one
    for state in states:
        state.close()


@pytest.fixture
def state(opened: Open, clock: FakeClock) -> RedisState:
    """By the clock of the test."""
    return opened(now=clock_in_force.monotonic)


def ask(holder: str = "me", want: int = 0, rates: Any = ((2, 10.0),), **more: Any) -> Ask:
    return Ask("q", holder, rates, more.pop("lives", 5.0), want, **more)


def keys_of(admin: Any, space: str) -> list[bytes]:
    return sorted(admin.scan_iter(match=f"*{space}*", count=10_000))


# As other stores do.


def random_ask(chance: random.Random, holds: dict[str, int], seen: dict[str, int], at: int) -> Ask:
    holder = chance.choice("abcd")
    unused = chance.randint(0, holds.get(holder, 0)) if chance.random() < 0.3 else 0
    done = chance.randint(0, holds.get(holder, 0) - unused) if chance.random() < 0.6 else 0
    # Now and then it brings more than it has.
    unused += chance.random() < 0.03
    done += 2 * (chance.random() < 0.03)
    words = []
    if chance.random() < 0.15:
        left, resets_in = chance.choice([None, 0.0, 3.0, 10.5]), chance.choice([None, 1.0, 5.0])
        pause = chance.choice([0.0, 0.0, 0.5])
        words = [Word(chance.choice("xy"), f"told {at}", chance.random(), left, resets_in, pause)]
    return Ask(
        "q",
        holder,
        (),
        chance.choice([0.2, 1.0, 3.0]),
        chance.choice([0, 1, 2, 5]),
        chance.random() < 0.2,
        (chance.choice([0, 0, 1]),),
        chance.choice([0.0, 0.3, 2.0, 20.0]),
        unused,
        [(done, chance.random() / 5)] if done else [],
        [(chance.randint(1, 3), chance.random())] if chance.random() < 0.05 else [],
        words,
        chance.choice(["", "", "x", "xy"]),
        chance.choice([seen.get(holder, 0), 0]),
    )


def alike(one: float | None, other: float | None) -> bool:
    return one == other or (one is not None and one == pytest.approx(other, abs=ROUNDING))


def comparable(grant: Grant) -> list[Any]:
    words = [field for word in grant.words for field in word]
    times = [*grant.starts, None, grant.wait, grant.pause, *words]
    return [*times, grant.seen, grant.workers]


@pytest.mark.parametrize("seed", range(12))
def test_every_trade_comes_to_what_it_does_in_memory(
    state: RedisState, clock: FakeClock, seed: int
) -> None:
    memory = MemoryState()
    chance = random.Random(seed)
    rates = [(chance.choice([1, 3, 10, 300]), chance.choice([0.5, 1.0, 7.0]))]
    if chance.random() < 0.4:
        rates.append((chance.choice([5, 20, 500]), chance.choice([10.0, 60.0])))
    holds: dict[str, int] = {}
    seen: dict[str, int] = {}
    for at in range(100):
        clock.advance(chance.choice([0, 0, 0.001, 0.01, 0.1, 0.3, 1, 5, 30]) * chance.random())
        question = random_ask(chance, holds, seen, at)._replace(rates=rates)
        ours, theirs = state.trade(question), memory.trade(question)
        for one, other in zip(comparable(ours), comparable(theirs), strict=True):
            assert one == other if isinstance(other, str) else alike(one, other), (at, question)
        told = question.unused + sum(count for count, _ in question.done)
        held = holds.get(question.holder, 0)
        holds[question.holder] = max(0, held - told) + len(ours.starts)
        seen[question.holder] = ours.seen


# Trades.


def test_a_slot_is_free_again_one_period_after_its_request_was_done(
    state: RedisState, clock: FakeClock
) -> None:
    assert state.trade(ask(want=3)).starts == [0.0, 0.0]
    clock.advance(1)
    grant = state.trade(ask(want=1, done=[(1, 0.25)]))
    assert (grant.starts, grant.wait) == ([], pytest.approx(9.75, abs=ROUNDING))
    grant = state.trade(ask(want=1, within=10))
    assert grant.starts == [pytest.approx(9.75, abs=ROUNDING)]


def test_many_requests_take_few_entries(
    state: RedisState, clock: FakeClock, admin: Any, space: str
) -> None:
    rates = ((1_000_000, 86_400.0),)
    state.trade(ask(want=100_000, rates=rates, lives=1e6))
    for _ in range(700):
        clock.advance(10)
        state.trade(ask(done=[(100, 0.0)], rates=rates, lives=1e6))
    # The first 128 as they were, and then one for each 256th of a day.
    assert admin.zcard(f"{{{space}:q:q}}:l") < 128 + 25
    assert len(state.trade(ask(want=1_000_000, rates=rates)).starts) == 1_000_000 - 100_000
    clock.advance(86_400 * 257 / 256)
    assert len(state.trade(ask("other", want=1_000_000, rates=rates)).starts) == 1_000_000


def test_a_larger_rate_adds_slots_and_a_smaller_one_takes_those_that_are_free(
    state: RedisState,
) -> None:
    assert len(state.trade(ask(want=2)).starts) == 2
    assert len(state.trade(ask(want=9, rates=((5, 10.0),))).starts) == 3
    assert state.trade(ask(want=9)).starts == []
    assert state.trade(ask(want=9, unused=3)).starts == []
    assert len(state.trade(ask(want=9, unused=1)).starts) == 1


def test_another_period_knows_of_what_was_done_before(state: RedisState, clock: FakeClock) -> None:
    state.trade(ask(want=2))
    state.trade(ask(done=[(2, 0.0)]))
    clock.advance(3)
    grant = state.trade(ask(want=1, within=99, rates=((2, 20.0),)))
    assert grant.starts == [pytest.approx(17, abs=ROUNDING)]
    # Workers of the former configuration go on meanwhile.
    assert state.trade(ask("old", want=1, within=99)).starts == [pytest.approx(7, abs=ROUNDING)]


def test_periods_that_nobody_names_any_more_are_forgotten(
    state: RedisState, clock: FakeClock, admin: Any, space: str
) -> None:
    for period in range(1, 30):
        state.trade(ask(want=1, done=[(1, 0.0)], rates=((2, float(period)),)))
    clock.advance(3700)
    state.trade(ask(want=1))
    clock.advance(3700)
    state.trade(ask(want=1, done=[(1, 0.0)]))
    assert admin.zcard(f"{{{space}:q:q}}:l") <= 4


def test_a_clock_that_is_set_back_delays_nobody(opened: Open, clock: FakeClock) -> None:
    moment = [5000.0]
    state = opened(now=lambda: moment[0])
    state.trade(ask(want=2))
    state.trade(ask(done=[(2, 0.0)]))
    moment[0] -= 3600
    wait = state.trade(ask(want=1)).wait
    assert wait == pytest.approx(10, abs=ROUNDING)
    moment[0] += 10.1
    assert state.trade(ask(want=1)).starts == [0.0]


def test_by_the_servers_own_clock(opened: Open) -> None:
    state = opened()
    assert state.trade(ask(want=3, rates=((2, 100.0),))).starts == [0.0, 0.0]
    grant = state.trade(ask(want=1, rates=((2, 100.0),), done=[(1, 40.0)]))
    assert 59 < grant.wait <= 60


def test_names_and_words_may_be_any_text(state: RedisState) -> None:
    text = "a} {b}\x00\r\n☃ \ud800"
    word = Word(text, text, 0.0)
    first = state.trade(Ask(text, text, ((1, 1.0),), want=1, words=[word]))
    grant = state.trade(Ask(text, "other", ((1, 1.0),), want=1))
    assert len(first.starts) == 1
    assert [(one.key, one.text) for one in grant.words] == [(text, text)]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -1.0, 1e300], ids=str)
def test_no_number_makes_it_fail(state: RedisState, number: float) -> None:
    odd = Word("k", "", number, number, number, number)
    grant = state.trade(
        ask(want=1, words=[odd], spends=["k"], within=number, done=[(1, number)], lives=number)
    )
    assert grant.workers == 1
    state.trade(ask("other", want=-5, unused=-3, seen=-1, done=[(-2, 0.0)], spent=[(-1, number)]))


def test_keys_share_a_hash_tag_and_end_by_themselves(opened: Open, admin: Any, space: str) -> None:
    state = opened()
    state.trade(ask(want=1, rates=((5, 1.0), (9, 4000.0))))
    state.circuits("me", [CircuitReport("c", CircuitTerms(), failed=1)])
    state.budgets([BudgetReport("b", 10.0, calls=1)])
    state.publish("me", b"figures", 60.0)
    keys = keys_of(admin, space)
    assert len([key for key in keys if key.startswith(b"{%b:q:q}:" % space.encode())]) == 2
    assert len([key for key in keys if key.startswith(b"{%b}:" % space.encode())]) == 4
    assert all(0 < admin.pttl(key) <= 10_100_000 for key in keys)


def test_a_state_that_is_used_does_not_end(
    state: RedisState, clock: FakeClock, admin: Any, space: str
) -> None:
    born = state.trade(ask(want=1)).born
    key = f"{{{space}:q:q}}:s"
    admin.pexpire(key, 1000)
    clock.advance(1000)
    assert state.trade(ask()).born == born
    assert admin.pttl(key) > 3_000_000


@pytest.mark.parametrize("which", ["s", "l"])
def test_a_state_of_which_a_part_was_evicted_begins_anew(
    state: RedisState, clock: FakeClock, admin: Any, space: str, which: str
) -> None:
    before = state.trade(ask(want=2, lives=1.0))
    admin.delete(f"{{{space}:q:q}}:{which}")
    state.trade(ask("other", spent=[(1, 0.0)], lives=9.0))
    clock.advance(1)
    after = state.trade(ask(want=2, lives=1.0))
    assert after.born != before.born
    assert after.starts


def test_scripts_that_the_server_has_forgotten_are_sent_again(opened: Open, admin: Any) -> None:
    state = opened()
    for _ in range(2):
        admin.script_flush()
        assert state.trade(ask("me", want=1, unused=1)).starts == [0.0]


@pytest.mark.parametrize("part", ["s", "l"])
def test_a_quota_whose_keys_hold_what_is_not_ours_is_begun_anew_and_that_is_told(
    opened: Open, admin: Any, space: str, part: str, steps: RecordedSteps
) -> None:
    state = opened()
    before = state.trade(ask("me", want=2)).born
    admin.set(f"{{{space}:q:q}}:{part}", "theirs")
    for _ in range(2):
        grant = state.trade(ask("me", 1, [(9, 10.0)], done=[(1, 0.0)]))
        assert grant.starts == [0.0]
    assert grant.born != before
    (text,) = [step.text for step in steps]
    assert text == "what was kept under a key of ours was not put there by us: it was begun anew"


def test_circuits_budgets_and_figures_are_kept_in_place_of_what_is_not_ours(
    opened: Open, admin: Any, space: str
) -> None:
    state = opened()
    for key in (f"{{{space}}}:c:two", f"{{{space}}}:b:two", f"{{{space}}}:figures"):
        admin.rpush(key, "theirs")
    for _ in range(2):
        views = state.circuits(
            "me", [CircuitReport(name, CircuitTerms(), ok=1) for name in ("one", "two")]
        )
        budgets = state.budgets([BudgetReport(name, 60.0, 1, 0) for name in ("one", "two")])
    assert [view.calls for view in views] == [2, 2]
    assert [view.calls for view in budgets] == [2, 2]
    state.publish("me", b"figures", 60.0)
    assert state.published() == {"me": b"figures"}


def test_a_state_that_holds_garbage_is_refused_or_replaced(
    opened: Open, admin: Any, space: str
) -> None:
    state = opened()
    key = f"{{{space}:q:q}}:s"
    for garbage in (b"", b"x" * 88, b"\xff" * 500):
        admin.delete(key)
        admin.hset(key, "s", garbage)
        admin.hset(key, "hme", garbage)
        admin.hset(key, "w", garbage)
        try:
            assert len(state.trade(ask(want=9)).starts) <= 9
        except StoreFailed as failure:
            assert "refuses" in str(failure) or "something else" in str(failure)


# Connections that are lost.


class LossyWire(Wire):
    """Its connections break `breaks` more times, when the server has done what it was told."""

    def __init__(self, url: str) -> None:
        super().__init__(url, BOUND)
        self.breaks = 0

    def ask(self, connection: Any, command: bytes) -> Any:
        answer = super().ask(connection, command)
        if self.breaks:
            self.breaks -= 1
            raise redis.ConnectionError
        return answer


def test_a_trade_that_is_sent_again_counts_once(opened: Open, url: str) -> None:
    wire = LossyWire(url)
    state = opened(wire)
    rates = ((6, 60.0),)
    state.trade(ask(want=4, rates=rates))
    wire.breaks = 1
    grant = state.trade(ask(want=2, unused=1, done=[(1, 0.5)], spent=[(1, 0.5)], rates=rates))
    assert len(grant.starts) == 2
    # Four are held, one was done and one was spent.
    assert state.trade(ask("other", want=5, rates=rates)).starts == []
    assert len(state.trade(ask("other", want=5, rates=((7, 60.0),))).starts) == 1


def test_a_connection_that_breaks_again_is_a_failure(opened: Open, url: str) -> None:
    wire = LossyWire(url)
    state = opened(wire)
    state.trade(ask())
    wire.breaks = 2
    with pytest.raises(StoreFailed, match="closes the connection"):
        state.trade(ask())


def test_connections_that_were_closed_while_idle_are_no_failure(opened: Open, admin: Any) -> None:
    state = opened()
    state.trade(ask(want=1))
    admin.client_kill_filter(_type="normal", skipme=True)
    assert len(state.trade(ask(want=1)).starts) == 1


# Circuits, budgets and figures.


def test_circuits_and_budgets_of_all_workers_are_counted_exactly(opened: Open) -> None:
    terms = CircuitTerms(failure_rate=None, fail_max=0)
    barrier = threading.Barrier(4)

    def work(number: int) -> None:
        state = opened()
        barrier.wait()
        for _ in range(10):
            state.circuits(f"w{number}", [CircuitReport(name, terms, ok=1) for name in "aba"])
            state.budgets([BudgetReport("b", 600.0, calls=2, retries=1)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    a, b = opened().circuits("x", [CircuitReport("a", terms), CircuitReport("b", terms)])
    assert (a.calls, b.calls) == (80, 40)
    assert opened().budgets([BudgetReport("b", 600.0)])[0][1:] == (80, 40)


def test_no_more_probes_go_than_may(opened: Open) -> None:
    terms = CircuitTerms(probes=2, reset_timeout=0.0)
    report = CircuitReport("c", terms, opens=0.0, why="it is down")
    assert opened().circuits("w", [report])[0].state == "open"
    barrier = threading.Barrier(6)

    def probe(number: int) -> int | None:
        state = opened()
        barrier.wait()
        return state.probe("c", f"w{number}", terms, 30.0).number

    with ThreadPoolExecutor(6) as pool:
        numbers = [number for number in pool.map(probe, range(6)) if number is not None]
    assert len(numbers) == len(set(numbers)) == 2
    view = opened().probed("c", numbers[0], terms, "failed", 9.0, "still down")
    assert (view.state, view.why) == ("open", "still down")


def test_a_look_at_a_circuit_writes_nothing(opened: Open, admin: Any) -> None:
    state = opened()
    terms = CircuitTerms()
    state.circuits("w", [CircuitReport("c", terms, failed=1)])
    admin.config_resetstat()
    assert state.circuits("w", [CircuitReport("c", terms)])[0].failed == 1
    stats = admin.info("commandstats")
    assert "cmdstat_set" not in stats
    assert stats["cmdstat_evalsha"]["calls"] == 1


@pytest.mark.parametrize(
    "garbage",
    [b"theirs", b"[]", b'{"version": 1}', b'{"version": 1, "state": 5, "forced": []}', b"\xff"],
)
def test_what_can_t_be_read_is_as_good_as_nothing(
    opened: Open, admin: Any, space: str, garbage: bytes
) -> None:
    for kind in "cb":
        admin.set(f"{{{space}}}:{kind}:n", garbage)
    state = opened()
    assert state.circuits("w", [CircuitReport("n", CircuitTerms(), failed=1)])[0].failed == 1
    assert state.budgets([BudgetReport("n", 60.0, calls=1)])[0].calls == 1


def test_a_circuit_that_too_many_change_at_once_is_given_up(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = opened()
    monkeypatch.setattr(RedisState, "_not_swapped", lambda self, keys, swaps: [0])
    with pytest.raises(StoreFailed, match="too many change the same at once"):
        state.circuits("w", [CircuitReport("c", CircuitTerms(), failed=1)])


def test_nothing_is_asked_about_nothing(opened: Open) -> None:
    state = opened(Wire("redis://127.0.0.1:1/0", BOUND))
    assert state.circuits("w", []) == []
    assert state.budgets([]) == []


def test_figures_are_kept_for_as_long_as_they_are_to_live(
    state: RedisState, clock: FakeClock
) -> None:
    state.publish("a", b"old", 60.0)
    state.publish("a", b"\x00\xff", 60.0)
    state.publish("☃", b"", 5.0)
    assert state.published() == {"a": b"\x00\xff", "☃": b""}
    clock.advance(6)
    assert state.published() == {"a": b"\x00\xff"}
    state.publish("b", b"b", 60.0)
    assert sorted(state.published()) == ["a", "b"]


# Servers that do what they should not.


def say(answer: bytes) -> Behavior:
    def behave(connection: socket.socket, command: list[bytes]) -> None:
        connection.sendall(answer)

    return behave


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


def head(*numbers: float) -> bytes:
    return b"b" * 24 + struct.pack(f"<{len(numbers)}d", *numbers)


ODD = {
    "number": b":1\r\n",
    "nothing": b"$-1\r\n",
    "error": b"-ERR password=hunter2\r\n",
    "script unknown": b"-NOSCRIPT No matching script.\r\n",  # also when its text was sent
    "empty": bulk(b""),
    "empty list": b"*0\r\n",
    "list of numbers": b"*1\r\n:1\r\n",
    "half a word": b"*2\r\n" + bulk(head(0, 1, 0, 0)) + bulk(b"key"),
    "too many slots": bulk(head(0, 1, 0, 0, 0, 3)),
    "endless slots": bulk(head(0, 1, 0, 0, 0, NEVER)),
    "half a slot": bulk(head(0, 1, 0, 0, 0, 0.5)),
    "slots in no order": bulk(head(0, 1, 0, 0, 5, 1, 3, 1)),
    "a slot in the past": bulk(head(0, 1, 0, 0, -1, 1)),
    "not a number": bulk(head(0, 1, float("nan"), 0)),
    "an endless pause": bulk(head(0, 1, 0, NEVER)),
    "no name": bulk(b"\xff" * 24 + head(0, 1, 0, 0)[24:]),
}


@pytest.mark.parametrize("answer", ODD.values(), ids=ODD)
def test_nonsense_gives_no_slots(answer: bytes) -> None:
    with hostile_server(say(answer)) as url:
        state = RedisState(Wire(url, 1.0), "n")
        for use in (
            lambda: state.trade(ask(want=2)),
            lambda: state.circuits("w", [CircuitReport("c", CircuitTerms(), failed=1)]),
            lambda: state.budgets([BudgetReport("b", 1.0, calls=1)]),
            lambda: state.probe("c", "w", CircuitTerms(), 1.0),
        ):
            with pytest.raises(StoreFailed) as caught:
                use()
            assert "hunter2" not in str(caught.value)
        state.close()


@given(answer=st.binary(max_size=120) | st.lists(st.binary(max_size=40), max_size=5) | st.none())
def test_any_answer_is_a_grant_or_a_failure(answer: Any) -> None:
    try:
        grant = words.granted(answer, 3)
    except StoreFailed:
        return
    assert len(grant.starts) <= 3
    assert all(0 <= start < NEVER for start in grant.starts)


def test_a_server_that_says_nothing_is_left_alone_in_time() -> None:
    with hostile_server(lambda connection, command: None) as url:
        state = RedisState(Wire(url, 0.05), "n")
        with pytest.raises(StoreFailed, match="does not answer in time"):
            state.trade(ask(want=1))
        state.close()


# Threads and forks.


def test_threads_are_never_given_more_than_there_is(opened: Open) -> None:
    barrier = threading.Barrier(8)

    def work(number: int) -> int:
        state = opened() if number % 2 else shared
        barrier.wait()
        rates = ((100, 600.0), (150, 1200.0))
        return sum(
            len(state.trade(ask(f"w{number}", want=7, rates=rates, lives=60.0)).starts)
            for _ in range(10)
        )

    shared = opened()
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 100


def test_a_child_counts_its_own_trades(opened: Open) -> None:
    state = opened()
    state.trade(ask(want=1))
    token = state._token
    state.renew_in_child()
    assert state._token != token
    assert len(state.trade(ask("child", want=5)).starts) == 1


def test_a_url_names_the_server(url: str, space: str) -> None:
    state = open_redis("redis", url.partition("://")[2], BOUND, space)
    assert state.label == f"redis:{url.partition('://')[2].partition('/')[0]}"
    assert state.trade(ask(want=1)).starts == [0.0]
    state.close()


def test_a_url_that_can_t_be_read_shows_no_secret() -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_redis("redis", "user:secret@host:port/0", BOUND, "n")
    assert "secret" not in str(caught.value)
