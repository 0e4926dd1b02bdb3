"""Results that processes share, in a SQLite file and in a real Valkey server."""

from __future__ import annotations

import itertools
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from resilient import cached
from resilient.results import calls
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor
from tests.results.conftest import Counted, settled
from tests.results.program import OTHER_KEY, VALUES, Client, Process, Program, log_in, response
from tests.stores.conftest import OpenStore
from tests.threads import until
from tests.valkey import running_valkey

_numbers = itertools.count()


class NotFoundError(Exception):
    status_code = 404


MakeProgram = Callable[..., Program]


@pytest.fixture(scope="module")
def other_process() -> Iterator[Process]:
    with Process() as process:
        yield process


@pytest.fixture(params=["sqlite", "redis"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Where a program's store is, and where its calls are counted."""
    url = request.getfixturevalue(f"{request.param}_url")
    return {"url": url, "log": log_in(tmp_path), "namespace": f"results{next(_numbers)}"}


@pytest.fixture
def run(where: dict[str, Any]) -> Iterator[MakeProgram]:
    """Runs the program in this process, each time as if it were another one."""
    programs: list[Program] = []

    def run_it(**options: Any) -> Program:
        programs.append(Program(**(where | options)))
        return programs[-1]

    yield run_it
    for program in programs:
        program.store.close()


@pytest.fixture
def there(other_process: Process, where: dict[str, Any]) -> Process:
    other_process("run", **where)
    return other_process


class TestOtherProcesses:
    def test_all_plain_types_come_back_as_they_were(self, run: MakeProgram, there: Process) -> None:
        here = run()
        for name, value in VALUES.items():
            assert there("call", "value", name) == value
            kept = here("value", name)
            assert kept == value
            assert type(kept) is type(value)
        assert here.calls() == len(VALUES)

    def test_a_response_comes_back_without_its_secrets(
        self, run: MakeProgram, there: Process
    ) -> None:
        here, made = run(), response(200)
        there("call", "answer", 200)
        kept = here("answer", 200)
        assert here.calls() == 1
        assert isinstance(kept, requests.Response)
        assert (kept.status_code, kept.reason, kept.json()) == (200, "Fine", made.json())
        assert "secret" not in repr((kept.url, kept.headers, vars(kept.request)))
        kept.headers["spoiled"] = "yes"
        assert "spoiled" not in here("answer", 200).headers

    def test_methods_of_objects_that_are_their_values_share_and_others_do_not(
        self, run: MakeProgram, there: Process
    ) -> None:
        here = run()
        assert there("call", "method", Client("ann"), "/me") == "/me of ann"
        assert here("method", Client("ann"), "/me") == "/me of ann"
        assert here.calls() == 1
        assert here("method", Client("bob"), "/me") == "/me of bob"

    def test_a_key_of_ones_own_is_the_same_in_every_process(
        self, run: MakeProgram, there: Process
    ) -> None:
        here = run()
        there("call", "keyed", [1, 2], None)
        assert here("keyed", [1, 2], object()) == 3
        assert here.calls() == 1
        here("keyed", [2, 1], object())
        assert here.calls() == 2

    @pytest.mark.parametrize("kind", ["at", "partial"])
    def test_functions_made_with_other_values_are_others(
        self, kind: str, run: MakeProgram, there: Process
    ) -> None:
        here = run()
        assert there("call", f"{kind} a", "/x") == "a/x"
        assert here(f"{kind} b", "/x") == "b/x"
        assert here(f"{kind} a", "/x") == "a/x"
        assert here.calls() == 2

    @pytest.mark.parametrize(
        "how",
        [("invalidate", 1, True), ("invalidate_tag", "number:1"), ("clear",)],
        ids=lambda how: how[0],
    )
    def test_what_is_under_way_elsewhere_when_it_is_forgotten_is_not_kept(
        self, how: tuple[Any, ...], run: MakeProgram, there: Process
    ) -> None:
        here = run()
        there("hold", "fetch", 1, True)
        getattr(here.cache("fetch"), how[0])(*how[1:])
        assert there("go_on") == "1 at call 1"
        assert here("fetch", 1, True) == "1 at call 2"
        assert there("call", "fetch", 1, True) == "1 at call 2"

    @pytest.mark.parametrize(
        "how",
        [("invalidate", 1), ("invalidate_tag", "number:1"), ("clear",)],
        ids=lambda how: how[0],
    )
    def test_what_one_process_forgets_all_forget(
        self, how: tuple[Any, ...], run: MakeProgram, there: Process
    ) -> None:
        here = run()
        for number in (1, 2):
            here("fetch", number)
        there("forget", how[0], "fetch", *how[1:])
        assert here("fetch", 1) == "1 at call 3"
        assert here("fetch", 2) == ("2 at call 4" if how == ("clear",) else "2 at call 2")

    def test_length_and_clear_are_those_of_one_function_in_all_processes(
        self, run: MakeProgram, there: Process
    ) -> None:
        here = run()
        there("call", "fetch", 1)
        here("fetch", 2)
        here("value", "int")
        assert there("length", "fetch") == len(here.cache("fetch")) == 2
        there("forget", "clear", "fetch")
        assert (len(here.cache("fetch")), len(here.cache("value"))) == (0, 1)

    def test_users_never_see_each_others_results(self, run: MakeProgram, there: Process) -> None:
        here = run()
        there("user", "ann")
        assert there("call", "mine", "/me") == "/me at call 1"
        here.user[0] = "bob"
        assert here("mine", "/me") == "/me at call 2"
        here.user[0] = "ann"
        assert here("mine", "/me") == "/me at call 1"
        here.user[0] = None
        assert here("mine", "/me") == "/me at call 3"
        assert here("mine", "/me") == "/me at call 4"

    def test_another_key_finds_and_spoils_nothing(self, run: MakeProgram, there: Process) -> None:
        stranger, here = run(key=OTHER_KEY), run()
        there("call", "fetch", 1)
        assert stranger("fetch", 1) == "1 at call 2"
        stranger.cache("fetch").clear()
        assert here("fetch", 1) == "1 at call 1"
        assert stranger("fetch", 1) == "1 at call 3"

    def test_a_forked_child_shares_with_its_parent(self, run: MakeProgram) -> None:
        here = run()
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(here, "fetch", 1, True)
            assert here.started.wait(20)
            assert here("fetch", 2) == "2 at call 2"
            child = os.fork()
            if child == 0:
                # The call that is under way does not arrive here.
                right = [here("fetch", 2), here("fetch", 1, True)] == ["2 at call 2", "1 at call 3"]
                os._exit(0 if right else 1)
            _, status = os.waitpid(child, 0)
            here.may_go_on.set()
            assert call.result(20) == "1 at call 1"
        assert os.waitstatus_to_exitcode(status) == 0
        here("fetch", 1, True)
        assert here.calls() == 3


def test_what_cannot_be_stored_is_told_once_and_answered(
    run: MakeProgram, steps: RecordedSteps
) -> None:
    here = run()
    for _ in range(3):
        assert isinstance(here("unstorable"), type)
    assert here.calls() == 3
    assert ["can't be kept in a shared store" in step.text for step in steps] == [True]


def test_a_type_whose_writing_raises_costs_nobody_the_answer(
    run: MakeProgram, steps: RecordedSteps
) -> None:
    here = run()

    def broken() -> requests.Response:
        answer = response(200)
        answer.elapsed = None  # type: ignore[assignment]  # as some fakes of requests have it
        return answer

    fetch = cached(60, store=here.store)(broken)
    for _ in range(2):
        assert fetch().status_code == 200
    assert ["writing it raises AttributeError" in step.text for step in steps] == [True]


def test_hits_are_counted_with_the_time_they_spared(run: MakeProgram, clock: FakeClock) -> None:
    here = run()

    @cached(60, store=here.store, scope="all")
    def slow(number: int) -> int:
        clock.sleep(2)
        return number

    for _ in range(3):
        slow(1)
    stats = slow.resilient.stats()
    assert (stats["calls"], stats["hits"], stats["misses"]) == (3, 2, 1)
    assert 4.0 in stats.values()  # seconds


class TestOld:
    def test_a_stale_result_answers_and_one_process_fetches_anew_for_all(
        self, run: MakeProgram, clock: FakeClock
    ) -> None:
        one, other = run(), run()
        one("soon")
        clock.advance(11)
        assert other("soon") == 1
        settled()
        assert one("soon") == other("soon") == 2
        assert one.calls() == 2

    def test_an_old_result_stands_in_for_a_failure_in_another_process(
        self, run: MakeProgram, clock: FakeClock
    ) -> None:
        one, other = run(), run()
        one("late")
        clock.advance(11)
        assert other("late") == 1
        clock.advance(60)
        with pytest.raises(ConnectionError):
            other("late")

    def test_near_its_end_some_process_fetches_anew(
        self, run: MakeProgram, clock: FakeClock
    ) -> None:
        # The fake clock draws the upper bound: the last fifth begins at 80.
        one, other = run(), run()
        one("early")
        clock.advance(79)
        assert other("early") == 1
        settled()
        assert one.calls() == 1
        clock.advance(2)
        assert other("early") == 1
        settled()
        assert one.calls() == 2
        assert one("early") == other("early") == 2
        settled()
        assert one.calls() == 2


class TestCredentials:
    def test_an_ambient_token_is_never_shared(self, run: MakeProgram, steps: RecordedSteps) -> None:
        one, other = run(), run()
        with ScriptedVendor("200") as vendor:
            for program, token in ((one, "ann-0123456789"), (other, "bob-0123456789")):
                held = [""]
                me = cached(60, store=program.store)(_asking(vendor.url, held))
                held[0] = token  # as a session's token changes
                assert me() == 200
            assert vendor.calls == 2
        assert all("scope=" in step.text for step in steps)
        assert len(steps) == 2

    def test_a_token_among_the_arguments_tells_users_apart_in_all_processes(
        self, run: MakeProgram
    ) -> None:
        with ScriptedVendor("200") as vendor:
            asks = [_me(run(), vendor.url) for _ in range(2)]
            for token in ("ann-0123456789", "bob-0123456789"):
                for ask in asks:
                    ask(token)
            assert vendor.calls == 2

    def test_an_entry_that_rests_on_a_credential_tells_the_calls_around(
        self, run: MakeProgram
    ) -> None:
        with ScriptedVendor("200") as vendor:
            first, second = (_me(run(), vendor.url) for _ in range(2))
            token = ["ann-0123456789"]
            outer = cached(ttl=60)(lambda: second(token[0]))
            first(token[0])
            assert outer() == "of ann"  # read from the store: no request is seen
            first("bob-0123456789")
            token[0] = "bob-0123456789"
            assert outer() == "of bob"
            assert vendor.calls == 2


def _asking(url: str, held: list[str]) -> Callable[[], int]:
    def ask() -> int:
        return requests.get(url, headers={"X-API-Key": held[0]}, timeout=5).status_code

    return ask


def _me(program: Program, url: str) -> Callable[[str], str]:
    @cached(60, store=program.store)
    def me(token: str) -> str:
        headers = {"Authorization": f"Bearer {token}"}
        requests.get(url, headers=headers, timeout=5).raise_for_status()
        return f"of {token[:3]}"

    return me


class TestClocks:
    def test_what_is_fetched_after_a_tag_was_forgotten_is_kept_at_the_same_moment(
        self, run: MakeProgram, clock: FakeClock
    ) -> None:
        here = run()
        for _ in range(3):
            here("fetch", 1)
            here.cache("fetch").invalidate_tag("number:1")
        assert [here("fetch", 1), here("fetch", 1)] == ["1 at call 4"] * 2

    @pytest.mark.parametrize("hours", [-48, -2, 2, 48])
    def test_a_clock_that_jumps_costs_a_call_and_no_more(
        self, hours: int, run: MakeProgram, clock: FakeClock
    ) -> None:
        here = run()
        here("fetch", 1)
        clock.jump(hours * 3600)
        here("fetch", 1)
        for _ in range(3):
            here("fetch", 1)
        assert here.calls() <= 3
        clock.advance(61)
        before = here.calls()
        here("fetch", 1)
        assert here.calls() == before + 1

    @pytest.mark.parametrize("forgets", [False, True], ids=["just read", "forgotten meanwhile"])
    def test_a_clock_that_was_ahead_for_a_while_does_not_end_the_cache_for_as_long(
        self, forgets: bool, run: MakeProgram, clock: FakeClock
    ) -> None:
        here, other = run(), run()
        clock.jump(10 * 365 * 86_400)
        for program in (here, other):
            program("fetch", 1)
            if forgets:
                program.cache("fetch").invalidate(1)
                program.cache("fetch").clear()
        here("fetch", 1)
        clock.jump(-10 * 365 * 86_400)
        for program in (here, other) * 3:
            program("fetch", 1)
        settled_at = here.calls()
        for program in (here, other) * 3:
            program("fetch", 1)
        assert here.calls() == settled_at

    def test_what_is_forgotten_stays_so_though_the_clock_goes_back(
        self, run: MakeProgram, clock: FakeClock
    ) -> None:
        here = run()
        here("fetch", 1)
        here.cache("fetch").clear()
        clock.jump(-100)
        assert here("fetch", 1) == "1 at call 2"


class TestFailingStores:
    def test_those_who_wait_share_the_answer_although_the_store_is_down(
        self, run: MakeProgram, monkeypatch: pytest.MonkeyPatch, steps: RecordedSteps
    ) -> None:
        here = run()
        _break_down(here, monkeypatch)
        waits = threading.Semaphore(0)
        real = calls.clock.wait

        def wait(event: threading.Event, longest: float | None) -> bool:
            waits.release()
            return real(event, longest)

        monkeypatch.setattr(calls.clock, "wait", wait)
        with ThreadPoolExecutor(8) as pool:
            leader = pool.submit(here, "fetch", 1, True)
            assert here.started.wait(20)
            followers = [pool.submit(here, "fetch", 1, True) for _ in range(7)]
            for _ in followers:
                assert waits.acquire(timeout=20)
            here.may_go_on.set()
            assert {one.result(20) for one in (leader, *followers)} == {"1 at call 1"}
        assert [step.kind for step in steps if step.kind == "degraded"] == ["degraded"]

    def test_a_tag_that_was_forgotten_while_the_store_was_down_does_not_come_back(
        self, run: MakeProgram, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
    ) -> None:
        here = run()
        assert here("fetch", 1) == "1 at call 1"
        clock.advance(1)
        with monkeypatch.context() as patch:
            _break_down(here, patch)
            here.cache("fetch").invalidate_tag("number:1")
        clock.advance(2)
        assert here("fetch", 1) == "1 at call 2"

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
    @pytest.mark.parametrize("step", ["get", "epochs", "set"])
    def test_an_interrupt_while_the_store_is_asked_passes_and_leaves_nothing_behind(
        self,
        step: str,
        kind: type[BaseException],
        run: MakeProgram,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        here = run()

        def strike(*args: Any, **kwargs: Any) -> Any:
            raise kind

        with monkeypatch.context() as patch:
            patch.setattr(type(here.store._raw), step, strike)
            with pytest.raises(kind):
                here("fetch", 1)
        assert here.cache("fetch").flights.by_key == {}
        before = here.calls()
        assert here("fetch", 1) == here("fetch", 1) == f"1 at call {before + 1}"

    def test_an_interrupt_while_the_store_is_asked_holds_nobody_up_who_waits(
        self, run: MakeProgram, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here = run()
        asked, may_go_on = threading.Event(), threading.Event()
        real = type(here.store._raw).get
        leaders: list[int] = []

        def hooked(self: Any, key: bytes) -> Any:
            if not leaders:
                leaders.append(1)
                asked.set()
                assert may_go_on.wait(20)
                raise SystemExit
            return real(self, key)

        monkeypatch.setattr(type(here.store._raw), "get", hooked)
        with ThreadPoolExecutor(2) as pool:
            leader = pool.submit(here, "fetch", 1)
            assert asked.wait(20)
            follower = pool.submit(here, "fetch", 1)
            flights = here.cache("fetch").flights.by_key
            until(lambda: any(call.landing for call in flights.copy().values()))
            since = time.monotonic()
            may_go_on.set()
            assert isinstance(leader.exception(20), SystemExit)
            assert follower.result(20) == "1 at call 1"
        assert time.monotonic() - since < 15  # max_wait is 30

    def test_nobody_joins_a_call_from_before_its_tag_was_forgotten_though_the_store_is_down(
        self, run: MakeProgram, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here = run()
        _break_down(here, monkeypatch)
        with ThreadPoolExecutor(1) as pool:
            leader = pool.submit(here, "fetch", 1, True)
            assert here.started.wait(20)
            here.cache("fetch").invalidate_tag("number:1")
            assert here("fetch", 1, True) == "1 at call 2"
            here.may_go_on.set()
            assert leader.result(20) == "1 at call 1"

    def test_a_tag_forgets_this_processs_errors_too(self, run: MakeProgram) -> None:
        origin = Counted(NotFoundError(), "there")
        kept = {"store": run().store, "scope": "all", "tags": lambda user: [f"user:{user}"]}
        fetch = cached(10, errors_ttl=30, **kept)(origin)
        for _ in range(2):
            with pytest.raises(NotFoundError):
                fetch(1)
        assert origin.calls == 1
        fetch.resilient.cache.invalidate_tag("user:1")
        assert fetch(1) == "there"

    def test_a_result_that_is_too_large_is_told_once_and_answered(
        self, run: MakeProgram, monkeypatch: pytest.MonkeyPatch, steps: RecordedSteps
    ) -> None:
        monkeypatch.setattr("resilient.stores.shared.LARGEST", 1 << 20)
        here = run()

        def fetch() -> str:
            return "x" * (1 << 20)

        fetch = cached(60, store=here.store)(fetch)
        assert [len(fetch()) for _ in range(2)] == [1 << 20] * 2
        assert ["more than 1 MiB" in step.text for step in steps] == [True]

    @pytest.mark.stress
    def test_a_server_that_is_killed_and_comes_back_is_used_again(self, tmp_path: Path) -> None:
        with running_valkey() as server:
            port = server.port
            here = Program(f"redis://127.0.0.1:{port}/0", log_in(tmp_path))
            assert [here("fetch", 1), here("fetch", 1)] == ["1 at call 1"] * 2
        assert here("fetch", 1) == "1 at call 2"
        assert here("fetch", 1) == "1 at call 3"
        with running_valkey(port=port):
            end = time.monotonic() + 10
            while here.store.stats()["state"] == "down":
                assert time.monotonic() < end
                time.sleep(0.1)
                here("fetch", 1)
            here("fetch", 1)
            before = here.calls()
            here("fetch", 1)
            assert here.calls() == before
        here.store.close()


def _break_down(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    from resilient.stores.bytes_store import StoreFailed

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise StoreFailed("it is broken by a test")

    for name in ("get", "set", "delete", "drop", "epochs", "count"):
        monkeypatch.setattr(type(program.store._raw), name, fail)


class TestHostileStores:
    """Whoever can write to the store, without the key."""

    def test_entries_that_are_swapped_are_misses(self, run: MakeProgram) -> None:
        here = run()
        here("fetch", 1)
        here("fetch", 2)
        here("value", "int")
        for user in ("ann", "bob"):
            here.user[0] = user
            here("mine", "/me")
        before = here.calls()
        kept = _all_kept(here)
        for (key, _), (_, sealed) in zip(kept, kept[1:] + kept[:1], strict=True):
            _put(here, key, sealed)
        assert here("fetch", 1).startswith("1 at call")
        assert here("fetch", 2).startswith("2 at call")
        assert here("value", "int") == VALUES["int"]
        here("mine", "/me")
        assert here.calls() == before + 4
        assert here.store.stats()["tampered"] == 4

    @pytest.mark.parametrize(
        "how",
        [("invalidate", 1), ("invalidate_tag", "numbers"), ("clear",)],
        ids=lambda how: how[0],
    )
    def test_what_was_forgotten_here_cannot_be_put_back(
        self, how: tuple[Any, ...], run: MakeProgram
    ) -> None:
        here = run()
        here("fetch", 1)
        ((key, sealed),) = _all_kept(here)
        getattr(here.cache("fetch"), how[0])(*how[1:])
        _put(here, key, sealed)
        assert here("fetch", 1) == "1 at call 2"

    def test_a_pickle_is_never_opened(self, run: MakeProgram, tmp_path: Path) -> None:
        class Bomb:
            def __reduce__(self) -> Any:
                return Path.touch, (tmp_path / "exploded",)

        here = run(serializer="pickle")
        here("fetch", 1)
        ((key, sealed),) = _all_kept(here)
        for payload in (b"p" + pickle.dumps(Bomb()), sealed[:52] + b"p" + pickle.dumps(Bomb())):
            _put(here, key, payload)
            assert here("fetch", 1).startswith("1 at call")
        assert not (tmp_path / "exploded").exists()
        assert here.store.stats()["tampered"] == 2

    @pytest.mark.parametrize("kept", [None, 1, [], [1] * 7, {"a": 1}, ["x"] * 9], ids=repr)
    def test_an_entry_of_another_version_is_a_miss(self, kept: Any, run: MakeProgram) -> None:
        here = run()
        here("fetch", 1)
        ((key, _),) = _all_kept(here)
        here.store.set(key, kept, lives=60)
        assert here("fetch", 1) == "1 at call 2"


def _all_kept(program: Program) -> list[tuple[bytes, bytes]]:
    raw: Any = program.store._raw
    if hasattr(raw, "_connections"):
        ask = "SELECT key, value FROM entries ORDER BY written"
        return list(raw._connections.run(lambda db: db.execute(ask).fetchall()))
    import redis

    with redis.Redis(port=raw._server.wire.options["port"]) as client:
        names = sorted(client.scan_iter(match=raw._entry + b"*"))
        return [(name[len(raw._entry) :], client.get(name)) for name in names]


def _put(program: Program, key: bytes, sealed: bytes) -> None:
    raw: Any = program.store._raw
    if hasattr(raw, "_connections"):
        put = "INSERT OR REPLACE INTO entries VALUES (?, ?, 0, 1e12, 0)"
        raw._connections.run(lambda db: db.execute(put, (key, sealed)).fetchall())
        return
    import redis

    with redis.Redis(port=raw._server.wire.options["port"]) as client:
        client.set(raw._entry + key, sealed)


def test_two_stores_that_were_opened_apart_share_if_they_are_the_same(
    any_store: OpenStore,
) -> None:
    origin = Counted(1, 2)
    one, other = (cached(60, store=any_store(), scope="all")(origin) for _ in range(2))
    assert [one(), other()] == [1, 1]


@pytest.mark.stress
def test_sixteen_threads_in_each_of_two_processes(
    run: MakeProgram, there: Process, where: dict[str, Any]
) -> None:
    here = run()
    with ThreadPoolExecutor(17) as pool:
        elsewhere = pool.submit(there, "work", 2000)

        def ask(number: int) -> bool:
            if number % 50 == 7:
                here.cache("fetch").invalidate_tag(f"number:{number % 25}")
            return here("fetch", number % 25).startswith(f"{number % 25} at call")

        assert all(pool.map(ask, range(2000)))
        assert elsewhere.result(60) == 0
    assert here.calls() < 2000
    assert here.store.stats()["tampered"] == 0
