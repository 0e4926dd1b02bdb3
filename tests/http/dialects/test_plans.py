"""What is read of answers with given names."""

from __future__ import annotations

import threading

from resilient.http.dialects import plans
from resilient.http.dialects.plans import plan_of


def test_answers_with_the_same_names_share_a_plan() -> None:
    names = ("Server", "X-RateLimit-Limit", "X-RateLimit-Remaining")
    assert plan_of(names) is plan_of((*names,))
    assert plan_of(("Server",))[1], "nothing to read"
    assert not plan_of(names)[1]


def test_a_place_is_where_a_name_stands() -> None:
    plan, _ = plan_of(("Server", "X-RateLimit-Limit", "Date", "X-RateLimit-Remaining"))
    assert plan.places == (1, 2, 3)
    assert plan.several == ()
    [bucket] = plan.buckets
    assert (bucket.limit, plan.date, bucket.remaining) == (0, 1, 2)


def test_a_name_that_came_twice_is_one_slot_with_two_places() -> None:
    plan, _ = plan_of(("Retry-After", "Server", "X-RateLimit-Limit", "RETRY-AFTER"))
    assert plan.places == (0, 3, 2)
    assert plan.several == ((0, 1), (2,))
    assert plan.retries == ((0, 1.0),)


def test_names_may_be_bytes() -> None:
    assert plan_of((b"X-RateLimit-Limit",))[0] == plan_of(("X-RateLimit-Limit",))[0]
    assert plan_of((b"\xff", b"a" * 10**6))[1]


def test_a_reset_whose_name_says_from_now_comes_first() -> None:
    plan, _ = plan_of(("X-RateLimit-Reset", "X-RateLimit-Reset-After", "X-RateLimit-ResetTime"))
    assert [slot for slot, _ in plan.buckets[0].resets] == [1, 0, 2]


def test_an_unclear_name_needs_a_sibling() -> None:
    assert plan_of(("X-FloodControl-Limit",))[1]
    assert plan_of(("X-FloodControl-Limit", "X-Other-Remaining"))[1]
    assert plan_of(("X-FloodControl-Limit", "X-FloodControl-Reset"))[1]
    assert not plan_of(("X-FloodControl-Limit", "X-FloodControl-Remaining"))[1]
    assert not plan_of(("X-Bapi-Limit", "X-Bapi-Limit-Status"))[1]
    assert len(plan_of(("X-Bapi-Limit", "X-Bapi-Limit-Status"))[0].buckets) == 1


def test_the_memory_of_plans_is_bounded() -> None:
    for number in range(1000):
        plan_of((f"X-{number}",))
    assert len(plans._plans) <= 256
    plan_of(tuple(f"X-{number}" for number in range(1000)))
    plan_of(("a" * 10**6,))
    assert all(sum(map(len, names)) < 10**5 for names in plans._plans)


def test_threads_that_make_plans_at_once_all_get_theirs() -> None:
    barrier = threading.Barrier(8)
    wrong: list[object] = []

    def work(number: int) -> None:
        barrier.wait()
        for turn in range(400):
            plan, is_empty = plan_of((f"X-{number}-{turn}", "RateLimit-Remaining"))
            if is_empty or plan.places != (1,):
                wrong.append(plan)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not wrong
    assert len(plans._plans) <= 256
