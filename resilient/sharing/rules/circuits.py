"""A circuit and its probes as all workers see them: pure functions of what a store keeps.

A store applies them in one step that nothing comes between. `state` is small and fit for JSON;
None if nothing is known of the circuit. The same object comes back if nothing has changed, another
one if something has; neither is changed in place. `now` is the store's clock in seconds; if it is
set back, what would end far too late by it is over at once.

The calls of all workers open a circuit only if they would do so without those of any one of them:
what goes wrong on one host, be it its network or its certificates, is no reason to stop the others.
A worker's id may name its host, as "host/worker": then hosts count as a whole, as long as there are
several of them.
"""

from __future__ import annotations

from typing import Any

from resilient.sharing.rules.slices import is_current, is_live
from resilient.sharing.rules.soundness import is_circuit
from resilient.sharing.rules.sources import (
    FAILED,
    MOST_SOURCES,
    NONE,
    OK,
    SLOW,
    forget_some,
    holds_without,
    in_a_row,
    sources_of,
    summed,
    units,
)
from resilient.sharing.shapes import NEVER, CircuitReport, CircuitTerms, CircuitView, Probe

State = dict[str, Any]
"""version; state: "closed", "open" or "half-open"; era: grows with each change of it; until: when a
probe may go; pause: seconds from its opening until then; why; forced: "isolated", "disabled" or "";
reopened: probes that failed since it was closed; succeeded: probes that went well; probes: number →
when its place is free again; first, next: numbers of this half-open state's first probe, and of the
next one; slices: see _counted; streak: source → failures, none of which is followed by a success of
any worker.
"""

VERSION = 1

_ROUNDING = 1e-6
"""Seconds that count as nothing."""


def reported(
    state: State | None, worker: str, report: CircuitReport, now: float
) -> tuple[State | None, CircuitView]:
    """Take in a worker's report. See shapes.CircuitReport for its fields."""
    known = _readable(state)
    if report.forces == "reset":
        # Also if nothing is known: by the new era, workers close what they opened for themselves.
        known = _moved(known or _new(now), "closed", forced="")
    elif report.forces and (known is None or known["forced"] != report.forces):
        known = {**(known or _new(now)), "forced": report.forces}
    if report.opens is not None:
        known = _opened_by_one(known, report, now)
    if report.ok or report.failed or report.slow:
        known = _counted(known, worker, report, now)
    return known, _view(known, report.name, report.terms.window, now)


def probe(
    state: State | None,
    worker: str,
    terms: CircuitTerms,
    lives: float,
    now: float,
    name: str = "",
) -> tuple[State | None, Probe]:
    """May one more probe go? An open circuit whose time is over becomes half-open by that."""
    known = _readable(state)
    number = None
    if known is not None and not known["forced"]:
        if known["state"] == "open" and _left(known, now) <= 0:
            known = _moved(known, "half-open", first=known["next"])
        if known["state"] == "half-open":
            latest = now + 10 * lives  # another worker's may be longer
            out = {one: end for one, end in known["probes"].items() if now < end <= latest}
            if len(out) < terms.probes:
                number = known["next"]
                out[str(number)] = now + lives
                known = {**known, "probes": out, "next": number + 1}
    return known, Probe(number, _view(known, name, terms.window, now))


def probed(
    state: State | None,
    number: int,
    terms: CircuitTerms,
    outcome: str,
    opens: float,
    why: str,
    now: float,
    name: str = "",
) -> tuple[State | None, CircuitView]:
    """Take in how a probe went. One of an earlier half-open state says nothing any more."""
    known = _readable(state)
    if (
        known is not None
        and known["state"] == "half-open"
        and not known["forced"]
        and known["first"] <= number < known["next"]
    ):
        if outcome == "failed":
            reopened = known["reopened"] + 1
            pause = max(_open_time(terms, reopened), opens)
            known = _opened(known, pause, why, now, reopened=reopened)
        elif outcome == "ok" and known["succeeded"] + 1 >= terms.success_threshold:
            known = _moved(known, "closed")
        elif outcome == "ok" or str(number) in known["probes"]:
            # One whose place was given up may still tell how it went.
            out = {one: end for one, end in known["probes"].items() if one != str(number)}
            succeeded = known["succeeded"] + (outcome == "ok")
            known = {**known, "probes": out, "succeeded": succeeded}
    return known, _view(known, name, terms.window, now)


def lasts(state: State, terms: CircuitTerms, now: float) -> float:
    """Seconds after which a circuit that nobody has changed may be forgotten.

    What an operator has forced stays until it is reset.
    """
    if state["forced"]:
        return NEVER
    return max(3600.0, 2 * terms.window) + _left(state, now)


def _readable(state: State | None) -> State | None:
    """Nothing is known of a circuit that another version of this, or somebody else, has kept."""
    if state is None or state.get("version") != VERSION or not is_circuit(state):
        return None
    return state


def _new(now: float) -> State:
    # Eras go on from a moment, so that those of a state that was lost don't come again.
    era = max(1, int(now * 1000))
    return {
        "version": VERSION,
        "state": "closed",
        "era": era,
        "until": 0.0,
        "pause": 0.0,
        "why": "",
        "forced": "",
        "reopened": 0,
        "succeeded": 0,
        "probes": {},
        "first": era,
        "next": era,
        "slices": [],
        "streak": {},
    }


def _moved(state: State, to: str, **fields: Any) -> State:
    """The circuit in another state; its counts start anew."""
    if to == "closed":
        fields = {"until": 0.0, "pause": 0.0, "why": "", "reopened": 0, **fields}
    fresh = {"era": state["era"] + 1, "succeeded": 0, "probes": {}, "slices": [], "streak": {}}
    return {**state, "state": to, **fresh, **fields}


def _opened(state: State, pause: float, why: str, now: float, **fields: Any) -> State:
    return _moved(state, "open", until=now + pause, pause=pause, why=why, **fields)


def _left(state: State, now: float) -> float:
    """Seconds until a probe may go."""
    left = float(state["until"] - now)
    return left if _ROUNDING < left <= 2 * state["pause"] else 0.0


def _opened_by_one(state: State | None, report: CircuitReport, now: float) -> State | None:
    """What a worker's trip makes of it; no more than it was if its calls are of another era."""
    if state is None:
        state = _new(now)
    elif state["forced"] or state["state"] != "closed" or report.era not in (0, state["era"]):
        return state
    assert report.opens is not None
    return _opened(state, max(0.0, report.opens), report.why, now)


def _counted(state: State | None, worker: str, report: CircuitReport, now: float) -> State | None:
    """Count calls, and open the circuit if they are reason enough.

    A slice is [begun, [ok, failed, slow], {source: [ok, failed, slow]}], the newest one last.
    """
    if state is None:
        if report.era:
            # It is lost, and what operators have forced with it: who knows of that tells it first.
            return None
        state = _new(now)
    elif state["forced"] or state["state"] != "closed" or report.era not in (0, state["era"]):
        return state
    terms = report.terms
    window = terms.window
    slices = [one for one in state["slices"] if is_live(one[0], window, now)]
    newest: Any = [now, NONE, {}]
    if slices and is_current(slices[-1][0], window, now):
        newest = slices.pop()
    begun, total, by_source = newest[0], newest[1], dict(newest[2])
    counts = [report.ok, report.failed, report.slow]
    for source in sources_of(worker):
        by_source[source] = summed(by_source.get(source, NONE), counts)
    forget_some(by_source)
    slices.append([begun, summed(total, counts), by_source])
    streak = {} if report.ok else dict(state["streak"])
    if report.streak:
        for source in sources_of(worker):
            if source in streak or len(streak) < 2 * MOST_SOURCES:
                streak[source] = streak.get(source, 0) + report.streak
    state = {**state, "slices": slices, "streak": streak}
    why = _reason(state, report)
    if not why:
        return state
    return _opened(state, _open_time(terms, 0), why, now)


def _reason(state: State, report: CircuitReport) -> str:
    """Why the calls of all workers open the circuit, in words; "" if they don't."""
    terms = report.terms
    if not (report.failed or report.slow):
        return ""
    total, by_source = _totals(state["slices"])
    last = f", the last: {report.why}" if report.why else ""
    failures = in_a_row(state["streak"], by_source, terms.fail_max)
    if terms.fail_max and failures >= terms.fail_max:
        return f"{failures} failures in a row of all workers{last}"
    for rate, kind, said in (
        (terms.failure_rate, FAILED, "failed"),
        (terms.slow_rate, SLOW, "were slow"),
    ):
        calls = total[OK] + total[FAILED]
        if rate is None or calls < terms.min_calls or total[kind] < rate * calls:
            continue
        if all(holds_without(by_source[unit], total, rate, kind) for unit in units(by_source)):
            return f"{total[kind]} of {calls} calls of all workers {said}{last}"
    return ""


def _open_time(terms: CircuitTerms, reopened: int) -> float:
    # No jitter: the store sees to it that no more than `probes` come at once.
    pause = terms.reset_timeout
    if terms.growth <= 1 or not reopened:
        return pause
    return max(pause, min(pause * terms.growth ** min(reopened, 64), terms.max_reset_timeout))


def _totals(slices: list[Any]) -> tuple[list[int], dict[str, list[int]]]:
    total = NONE
    by_source: dict[str, list[int]] = {}
    for _, counts, sources in slices:
        total = summed(total, counts)
        for source, its_counts in sources.items():
            by_source[source] = summed(by_source.get(source, NONE), its_counts)
    return total, by_source


def _view(state: State | None, name: str, window: float, now: float) -> CircuitView:
    if state is None:
        return CircuitView(name)
    total = NONE
    for begun, counts, _ in state["slices"]:
        if is_live(begun, window, now):
            total = summed(total, counts)
    return CircuitView(
        name,
        state["state"],
        state["era"],
        _left(state, now) if state["state"] == "open" else 0.0,
        state["why"],
        state["forced"],
        total[OK] + total[FAILED],
        total[FAILED],
        total[SLOW],
    )
