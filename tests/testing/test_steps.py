"""Recording what the policies did."""

from __future__ import annotations

import threading

import pytest

from resilient.call import listeners
from resilient.testing import record_steps


def test_steps_are_recorded_in_order_while_the_block_runs() -> None:
    listeners.announce("opened", "github", "too early")
    with record_steps() as steps:
        listeners.announce("opened", "github", "opened by hand")
        listeners.announce("closed", "github", "closed by hand", by="ops")
        listeners.announce("opened", "github", "opened again")
    listeners.announce("opened", "github", "too late")
    assert steps.kinds() == ["opened", "closed", "opened"]
    assert [step.text for step in steps.of("opened")] == ["opened by hand", "opened again"]
    assert steps[1].facts == {"by": "ops"}


def test_two_recordings_do_not_disturb_each_other() -> None:
    with record_steps() as outer:
        with record_steps() as inner:
            listeners.announce("opened", "github", "for both")
        listeners.announce("closed", "github", "for one")
    assert outer.kinds() == ["opened", "closed"]
    assert inner.kinds() == ["opened"]


def test_recording_ends_with_an_exception() -> None:
    with pytest.raises(KeyError), record_steps() as steps:
        raise KeyError
    listeners.announce("opened", "github", "too late")
    assert steps == []


def test_steps_of_other_threads_are_recorded() -> None:
    with record_steps() as steps:
        thread = threading.Thread(target=listeners.announce, args=("opened", "github", "there"))
        thread.start()
        thread.join()
    assert steps.kinds() == ["opened"]
