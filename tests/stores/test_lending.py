"""Connections are lent to one at a time, and few of them are kept."""

from __future__ import annotations

import gc
import itertools

from resilient.stores.lending import Spares


def test_the_newest_is_lent_first_and_few_are_kept() -> None:
    numbers, closed = itertools.count(), []  # type: ignore[var-annotated]
    spares: Spares[int] = Spares(lambda: next(numbers), closed.append)
    lent = [spares.take() for _ in range(Spares.MOST + 3)]
    assert not any(is_used for _, is_used in lent)
    for thing, _ in lent:
        spares.give(thing)
    assert closed == [Spares.MOST, Spares.MOST + 1, Spares.MOST + 2]
    assert spares.take() == (Spares.MOST - 1, True)
    spares.close()
    assert len(closed) == Spares.MOST + 2


def test_one_that_cannot_be_closed_is_forgotten() -> None:
    def fail(thing: int) -> None:
        raise OSError

    spares: Spares[int] = Spares(lambda: 1, fail)
    spares.give(1)
    spares.close()
    assert spares.take() == (1, False)


def test_a_forked_child_closes_nothing_of_its_parent() -> None:
    closed: list[int] = []
    spares: Spares[int] = Spares(lambda: 2, closed.append)
    spares.give(1)
    spares.abandon()
    assert (spares.take(), closed) == ((2, False), [])


def test_what_nobody_keeps_any_more_leaves_nothing_open() -> None:
    closed: list[int] = []
    spares: Spares[int] = Spares(lambda: 1, closed.append)
    spares.give(1)
    del spares
    gc.collect()
    assert closed == [1]
