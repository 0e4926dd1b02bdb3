"""The line of those who wait: its order, its bounds, and who is woken."""

from __future__ import annotations

import math
import threading

import pytest

from resilient.testing import FakeClock
from resilient.timing import clock as clock_in_force
from resilient.waiting import Line, _Turn
from tests.threads import REAL_LIMIT, StartThread, until


class Room:
    """Permits that are given back one by one. Taking notes who got one, and how often was asked."""

    def __init__(self, free: int = 0, most: int = 1000) -> None:
        self.line = Line(most)
        self.free = [None] * free
        self.asked = 0

    def attempt(self, now: float) -> float:
        self.asked += 1
        try:
            self.free.pop()
        except IndexError:
            return math.inf
        return 0.0

    def give(self) -> None:
        self.free.append(None)
        self.line.wake()


def never(now: float) -> float:
    return math.inf


def test_room_that_is_there_is_taken_without_a_wait(clock: FakeClock) -> None:
    room = Room(free=1)
    assert room.line.wait(room.attempt, 0)
    assert not room.line.waiting
    assert not room.line.wait(room.attempt, 0)
    assert not clock.slept


def test_a_wait_ends_when_it_has_lasted_long_enough(clock: FakeClock) -> None:
    room = Room()
    assert not room.line.wait(room.attempt, 7)
    assert clock.now == 7
    assert not room.line.waiting


def test_a_wait_is_as_long_as_was_said_and_no_longer(clock: FakeClock) -> None:
    line = Line(10)
    assert line.wait(lambda now: 4 - now, 60)
    assert clock.slept == [4]


def test_a_wait_that_may_last_just_as_long_as_needed_is_not_refused(clock: FakeClock) -> None:
    clock.advance(0.1)
    due = 0.1 + 0.2  # a little more than 0.2 from now, after rounding
    assert Line(10).wait(lambda now: max(0.0, due - now), due - clock.now - 1e-9)
    assert clock.now == pytest.approx(0.3)


def test_a_wait_that_cannot_fit_is_refused_at_once(clock: FakeClock) -> None:
    assert not Line(10).wait(lambda now: 61 - now, 60)
    assert not clock.slept


def test_a_wait_that_grows_beyond_its_bound_is_refused_when_that_is_known(
    clock: FakeClock,
) -> None:
    due = [10.0]

    def attempt(now: float) -> float:
        if now >= 10:
            due[0] = 100.0  # the vendor asked everybody to wait
        return max(0.0, due[0] - now)

    assert not Line(10).wait(attempt, 60)
    assert clock.now == 10


def test_nobody_asks_again_and_again(clock: FakeClock) -> None:
    room = Room()
    room.line.wait(room.attempt, 3600)
    assert room.asked <= 2


def test_a_very_long_wait_is_no_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room()

    def wait(event: threading.Event, timeout: float | None) -> bool:
        room.give()
        return event.wait(timeout)

    monkeypatch.setattr(clock_in_force, "wait", wait)
    assert room.line.wait(room.attempt, 1e12)


def test_those_in_line_go_in_the_order_of_their_coming(in_thread: StartThread) -> None:
    room = Room()
    went: list[int] = []

    def come(number: int) -> None:
        assert room.line.wait(room.attempt, REAL_LIMIT)
        went.append(number)

    for number in range(8):
        in_thread(lambda number=number: come(number))  # type: ignore[misc]
        until(lambda: len(room.line.waiting) == number + 1)  # noqa: B023
    for number in range(8):
        room.give()
        until(lambda: len(went) == number + 1)  # noqa: B023
    assert went == list(range(8))


def test_a_latecomer_does_not_overtake(in_thread: StartThread) -> None:
    room = Room()
    went: list[str] = []
    in_thread(lambda: room.line.wait(room.attempt, REAL_LIMIT) and went.append("first"))
    until(lambda: room.line.waiting)
    # Room that nobody has been told of yet: whoever comes next must leave it to the first.
    room.free.append(None)
    assert not room.line.wait(room.attempt, 0)
    until(lambda: went)
    assert not room.free


def test_who_leaves_wakes_the_next(in_thread: StartThread) -> None:
    """Two permits come back, and one wake-up is all there is."""
    room = Room()
    went: list[int] = []
    for number in range(2):
        in_thread(
            lambda number=number: (  # type: ignore[misc]
                room.line.wait(room.attempt, REAL_LIMIT) and went.append(number)
            )
        )
        until(lambda: len(room.line.waiting) == number + 1)  # noqa: B023
    room.free += [None, None]
    room.line.wake()
    until(lambda: len(went) == 2)
    assert not room.line.waiting


def test_who_gives_up_wakes_the_next(in_thread: StartThread) -> None:
    """The second has room, but did not look, since it was not first."""
    line = Line(10)
    gone = threading.Event()
    went = threading.Event()

    def impatient(now: float) -> float:
        if gone.is_set():
            raise LookupError
        return math.inf

    def first() -> None:
        with pytest.raises(LookupError):
            line.wait(impatient, REAL_LIMIT)

    in_thread(first)
    until(lambda: len(line.waiting) == 1)
    in_thread(lambda: line.wait(lambda now: 0.0, REAL_LIMIT) and went.set())
    until(lambda: len(line.waiting) == 2)
    gone.set()
    line.wake()
    assert went.wait(REAL_LIMIT)
    assert not line.waiting


def test_a_line_that_is_full_refuses_at_once(in_thread: StartThread) -> None:
    room = Room(most=2)
    for number in range(2):
        in_thread(lambda: room.line.wait(room.attempt, REAL_LIMIT))
        until(lambda: len(room.line.waiting) == number + 1)  # noqa: B023
    assert not room.line.wait(room.attempt, REAL_LIMIT)
    assert len(room.line.waiting) == 2
    room.free += [None, None]
    room.line.wake()


def test_ctrl_c_in_a_wait_gives_up_the_place(monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(10)

    def interrupted(event: threading.Event, timeout: float | None) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(clock_in_force, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        line.wait(never, 60)
    assert not line.waiting


def test_ctrl_c_while_joining_leaves_no_place_that_nobody_stands_in() -> None:
    class Interrupted:
        """A lock whose release is when the signal comes."""

        def __init__(self) -> None:
            self.signals = 1

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None:
            if self.signals:
                self.signals -= 1
                raise KeyboardInterrupt

    line = Line(10)
    line._lock = Interrupted()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        line.wait(never, 60)
    assert not line.waiting


def test_an_error_while_trying_gives_up_the_place(clock: FakeClock) -> None:
    line = Line(10)
    with pytest.raises(ZeroDivisionError):
        line.wait(lambda now: 1 / 0, 60)
    assert not line.waiting


# Groups.


class Rooms:
    """Rooms of several kinds, in front of which people stand in one line."""

    def __init__(self, most: int = 1000) -> None:
        self.line = Line(most)
        self.free: dict[str, int] = {}
        self.groups: dict[str, str] = {}
        self.went: list[str] = []

    def come(self, name: str, room: str, *, urgent: bool = False) -> None:
        def attempt(now: float) -> float:
            if self.free.get(room, 0):
                self.free[room] -= 1
                return 0.0
            return math.inf

        group = lambda: self.groups.get(room, room)  # noqa: E731
        if self.line.wait(attempt, REAL_LIMIT, group=group, urgent=urgent):
            self.went.append(name)

    def give(self, room: str) -> None:
        before = len(self.went)
        self.free[room] = self.free.get(room, 0) + 1
        self.line.wake()
        until(lambda: len(self.went) > before)


def lined_up(
    rooms: Rooms, in_thread: StartThread, *people: tuple[str, str] | tuple[str, str, bool]
) -> None:
    for name, room, *urgent in people:
        before = len(rooms.line.waiting)
        in_thread(
            lambda name=name, room=room, urgent=urgent: rooms.come(  # type: ignore[misc]
                name, room, urgent=bool(urgent)
            )
        )
        until(lambda: len(rooms.line.waiting) > before)  # noqa: B023


def test_those_who_wait_for_different_things_do_not_block_each_other(
    in_thread: StartThread,
) -> None:
    rooms = Rooms()
    lined_up(rooms, in_thread, ("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b"))
    assert rooms.line.in_front("a", urgent=False) == 2
    assert rooms.line.in_front("c", urgent=False) == 0
    for room in "bbaa":
        rooms.give(room)
    assert rooms.went == ["b1", "b2", "a1", "a2"]
    assert not rooms.line.waiting
    assert not rooms.line._groups


def test_who_is_urgent_stands_before_all_who_are_not(in_thread: StartThread) -> None:
    rooms = Rooms()
    lined_up(rooms, in_thread, ("a1", "a"), ("a2", "a"), ("u1", "a", True), ("u2", "a", True))
    assert rooms.line.in_front("a", urgent=True) == 2
    assert rooms.line.in_front("a", urgent=False) == 4
    for _ in range(4):
        rooms.give("a")
    assert rooms.went == ["u1", "u2", "a1", "a2"]


def test_who_is_urgent_takes_the_room_at_once_that_is_there(in_thread: StartThread) -> None:
    """Nobody needs to wake him: whoever comes to stand first looks by himself."""
    rooms = Rooms()
    lined_up(rooms, in_thread, ("a1", "a"))
    rooms.free["a"] = 1
    in_thread(lambda: rooms.come("u1", "a", urgent=True))
    until(lambda: rooms.went)
    assert rooms.went == ["u1"]
    rooms.give("a")


def test_the_bound_is_that_of_all_groups_together(in_thread: StartThread) -> None:
    rooms = Rooms(most=2)
    lined_up(rooms, in_thread, ("a1", "a"), ("b1", "b"))
    assert not rooms.line.wait(never, REAL_LIMIT, group=lambda: "c")
    assert not rooms.line.wait(never, REAL_LIMIT, group=lambda: "a", urgent=True)
    rooms.give("a")
    rooms.give("b")


def test_who_turns_out_to_wait_for_something_else_blocks_nobody(in_thread: StartThread) -> None:
    """They came when nobody knew that there are two quotas, and the first one's is used up."""
    rooms = Rooms()
    rooms.groups = {"a": "all", "b": "all"}
    lined_up(rooms, in_thread, ("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a"), ("b2", "b"))
    rooms.groups = {}
    rooms.give("b")
    rooms.give("b")
    assert rooms.went == ["b1", "b2"]
    for _ in range(3):
        rooms.give("a")
    assert rooms.went == ["b1", "b2", "a1", "a2", "a3"]
    assert not rooms.line._groups


def test_who_moves_to_another_group_keeps_his_place_by_the_order_of_coming(
    in_thread: StartThread,
) -> None:
    rooms = Rooms()
    rooms.groups = {"a": "old"}
    lined_up(rooms, in_thread, ("first", "a"))
    rooms.groups = {"a": "new"}
    lined_up(rooms, in_thread, ("second", "a"), ("urgent", "a", True))
    rooms.line.wake()
    until(lambda: len(rooms.line._groups) == 1)
    for _ in range(3):
        rooms.give("a")
    assert rooms.went == ["urgent", "first", "second"]


def test_ctrl_c_in_a_group_lets_the_next_of_it_look(in_thread: StartThread) -> None:
    line, gone, went = Line(10), threading.Event(), threading.Event()

    def interrupted(now: float) -> float:
        if gone.is_set():
            raise KeyboardInterrupt
        return math.inf

    def first() -> None:
        with pytest.raises(KeyboardInterrupt):
            line.wait(interrupted, REAL_LIMIT, group=lambda: "a")

    in_thread(first)
    until(lambda: len(line.waiting) == 1)
    in_thread(lambda: line.wait(lambda now: 0.0, REAL_LIMIT, group=lambda: "a") and went.set())
    until(lambda: len(line.waiting) == 2)
    gone.set()
    line.wake()
    assert went.wait(REAL_LIMIT)
    assert not line._groups


def test_a_forked_child_has_nobody_in_line() -> None:
    line = Line(1)
    with line._lock:
        line._join_locked(_Turn("a", urgent=False))
    waiting = line.waiting
    line.clear()
    assert line.waiting is waiting  # policies keep it at hand
    assert not waiting
    assert line.in_front("a", urgent=False) == 0
    assert line.wait(lambda now: 0.0, 0, group=lambda: "a")


@pytest.mark.stress
def test_sixteen_threads_share_three_permits_and_no_wake_up_is_lost() -> None:
    room = Room(free=3)
    start = threading.Barrier(16)
    inside: list[None] = []
    most = [0]

    def work() -> None:
        start.wait()
        for _ in range(400):
            assert room.line.wait(room.attempt, REAL_LIMIT)
            inside.append(None)
            most[0] = max(most[0], len(inside))
            inside.pop()
            room.give()

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 3
    assert len(room.free) == 3
    assert not room.line.waiting


@pytest.mark.stress
def test_sixteen_threads_of_four_groups_that_change_lose_no_wake_up() -> None:
    line = Line(1000)
    free = {name: [None] for name in "abcd"}
    shuffled = [0]
    start = threading.Barrier(16)

    def work(name: str) -> None:
        def attempt(now: float) -> float:
            try:
                free[name].pop()
            except IndexError:
                return math.inf
            return 0.0

        def group() -> str:
            return name if shuffled[0] % 3 else "all"

        start.wait()
        for turn in range(300):
            assert line.wait(attempt, REAL_LIMIT, group=group, urgent=turn % 7 == 0)
            shuffled[0] += 1
            free[name].append(None)
            line.wake()

    threads = [threading.Thread(target=work, args=("abcd"[number % 4],)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * REAL_LIMIT)
        assert not thread.is_alive()
    assert [len(rooms) for rooms in free.values()] == [1] * 4
    assert not line.waiting
    assert not line._groups
