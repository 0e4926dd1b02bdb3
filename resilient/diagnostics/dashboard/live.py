"""The figures of this very process, looked at every so often."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from resilient import options
from resilient.call import Call, Step, listeners
from resilient.diagnostics.dashboard.history import History, Tally
from resilient.diagnostics.dashboard.stories import ALERTS, BREAKERS, ENDS, Moment, Stories, Told
from resilient.diagnostics.dashboard.view import ALL, Now, key_of
from resilient.diagnostics.states import states_in, worst_first
from resilient.diagnostics.story import story_of
from resilient.registry import Registry, registry
from resilient.ticking import Ticker
from resilient.timing import clock


class Live:
    """The source that samples a registry. Only its own thread, or a test, calls `look`.

    every: seconds between two looks, which are also what a point of a plot stands for.
    """

    def __init__(self, registry: Registry = registry, every: options.Seconds = 10.0) -> None:
        step = options.seconds(every, "dashboard(every)")
        self.registry = registry
        self.history = History(step)
        self.stories = Stories()
        # Aligned: a look belongs to the window that it ends.
        self._ticker = Ticker(
            self.look, step, "resilient-dashboard", aligned=True, renew=self._renew
        )
        self._renew()

    def _renew(self) -> None:
        self.history.renew()
        self.stories.renew()
        self._tallies: dict[str, Tally] = {}
        self._looks = 0
        self._snapshot: Mapping[str, Any] | None = None
        self._now: Mapping[tuple[str, str], Now] = {}

    def start(self) -> None:
        """Watch from now on; nothing happens if it does already."""
        if not self._looks:
            self.look()  # what comes next is counted from here
        listeners.add(self.hear)
        self._ticker.start()

    def stop(self) -> None:
        """Watch no longer."""
        listeners.remove(self.hear)
        self._ticker.stop()

    def hear(self, call: Call | None, step: Step) -> None:
        """Keep a step for the stories: this is the listener."""
        if call is None:
            service, _, function = step.label.rpartition(".")
            condition = str(step.facts.get("condition", "")) if step.kind in ALERTS else ""
            names = (service or step.label, function, "")
            told = Told(clock.time(), *names, step.kind, step.text, condition=condition)
        elif step.kind in ENDS or step.kind in BREAKERS:
            names = (call.target.service, call.target.name, call.id)
            told = Told(clock.time(), *names, step.kind, step.text, story=_story(call, step))
        else:
            return
        self.stories.add(told)

    def look(self) -> None:
        """Take the figures, and tell what has come since the last look."""
        snapshot = self.registry.snapshot()
        at = snapshot["taken"]
        # What was counted long before the first look is not of its window.
        is_past = not self._looks and snapshot["seconds"] > 2 * self.history.step
        self.history.reach(at)
        for data in snapshot["functions"]:
            key = key_of(data["service"], data["function"])
            growth = self._tallies.setdefault(key, Tally()).grow(data)
            if growth is not None and not is_past:
                self.history.add(at, (ALL, key_of(data["service"]), key), growth)
        self.history.close()
        self._now = self._known()
        self._snapshot = snapshot
        self._looks += 1

    def _known(self) -> dict[tuple[str, str], Now]:
        known = {}
        for names, states in states_in(self.registry).items():
            breakers = [states["breaker"]] if "breaker" in states else []
            known[names] = Now(worst_first(breakers), states.get("throttle"))
        return known

    @property
    def version(self) -> str:
        """Another one after each look, and after each step that is to be seen."""
        return f"{os.getpid()}-{self.registry.started}-{self._looks}-{self.stories.version}"

    def snapshot(self) -> Mapping[str, Any]:
        """The registry's, as of the last look."""
        if self._snapshot is None:
            return self.registry.snapshot()
        return self._snapshot

    def now(self) -> Mapping[tuple[str, str], Now]:
        """As of the last look."""
        return self._now


def _story(call: Call, step: Step) -> list[Moment]:
    if step.kind not in ENDS:
        return []
    moments = [Moment(one["at"], one["kind"], one["text"]) for one in story_of(call)]
    if step.kind == "failed" and len(call.steps) > 1:
        return [*moments, Moment(step.at, step.kind, step.text.partition(":")[0])]
    return moments
