"""What a forked child must not inherit."""

from __future__ import annotations

import os
import sys

import pytest

from resilient.forking import keep_forkable

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


class Renewed:
    """Counts how often it was renewed, if it can be."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.count = 0
        keep_forkable(self)

    def renew_in_child(self) -> None:
        if self.fails:
            raise RuntimeError("can't start new thread")
        self.count += 1


def test_what_can_t_be_renewed_in_a_child_keeps_nothing_else_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda said: told.append(str(said.exc_value)))
    things = [Renewed(fails=number % 2 == 0) for number in range(10)]
    child = os.fork()
    if not child:
        is_told = told == ["can't start new thread"]
        os._exit(sum(thing.count for thing in things) + 10 * is_told)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 15
