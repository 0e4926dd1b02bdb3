"""Record what the policies did, for a test to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from resilient.call import Call, Step, listeners


class RecordedSteps(list[Step]):
    """The noteworthy steps of every call, in the order they happened.

    `failed`, which sums up the steps of a call that raised, is not among them.
    """

    def kinds(self) -> list[str]:
        """What happened, one word a step."""
        return [step.kind for step in self]

    def of(self, kind: str) -> list[Step]:
        """The steps of one kind."""
        return [step for step in self if step.kind == kind]


@contextmanager
def record_steps() -> Iterator[RecordedSteps]:
    """Collect the steps of all calls, in all threads, while the block runs."""
    steps = RecordedSteps()

    def hear(call: Call | None, step: Step) -> None:
        if step.kind != "failed":
            steps.append(step)

    listeners.add(hear)
    try:
        yield steps
    finally:
        listeners.remove(hear)
