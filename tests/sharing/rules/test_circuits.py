"""A circuit of all workers, as a store keeps it: when it opens, who probes, how it closes again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.sharing.rules import circuits
from resilient.sharing.shapes import NEVER, CircuitReport, CircuitTerms, CircuitView, Probe

TERMS = CircuitTerms(window=60, min_calls=10, fail_max=0, reset_timeout=30, success_threshold=2)
IN_A_ROW = TERMS._replace(failure_rate=None, fail_max=5)
EVER = [10.0, 1.7e9]


class Store:
    """Keeps one circuit, as JSON does."""

    def __init__(self, terms: CircuitTerms = TERMS, now: float = 1000.0) -> None:
        self.terms = terms
        self.now = now
        self.state: dict[str, Any] | None = None

    def keep(self, state: dict[str, Any] | None) -> None:
        self.state = json.loads(json.dumps(state))

    def report(self, worker: str = "a", **fields: Any) -> CircuitView:
        era = fields.pop("era", self.era)
        report = CircuitReport("github", self.terms, era, **fields)
        state, view = circuits.reported(self.state, worker, report, self.now)
        self.keep(state)
        return view

    def fails(self, worker: str, times: int = 1, **fields: Any) -> CircuitView:
        return self.report(worker, failed=times, streak=times, why="ConnectionError", **fields)

    def probe(self, lives: float = 30.0) -> Probe:
        state, probe = circuits.probe(self.state, "a", self.terms, lives, self.now, "github")
        self.keep(state)
        return probe

    def probed(self, probe: Probe, outcome: str, opens: float = 0.0) -> CircuitView:
        assert probe.number is not None
        state, view = circuits.probed(
            self.state, probe.number, self.terms, outcome, opens, "the probe failed: 503", self.now
        )
        self.keep(state)
        return view

    @property
    def era(self) -> int:
        return 0 if self.state is None else int(self.state["era"])


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def opened(store: Store) -> Store:
    store.report(opens=30.0, why="5 failures in a row")
    return store


@pytest.fixture
def half_open(opened: Store) -> Store:
    opened.now += 30
    return opened


# Counting


def test_a_look_at_what_nobody_knows_keeps_nothing(store: Store) -> None:
    assert store.report() == CircuitView("github")
    assert store.state is None


def test_a_look_changes_nothing(opened: Store) -> None:
    report = CircuitReport("github", TERMS)
    state, view = circuits.reported(opened.state, "b", report, opened.now)
    assert state is opened.state
    assert (view.state, view.open_for) == ("open", 30.0)


def test_calls_of_all_workers_are_summed(store: Store) -> None:
    store.report("a", ok=3)
    view = store.report("b", ok=2, failed=1, slow=2, streak=1)
    assert (view.calls, view.failed, view.slow, view.state) == (6, 1, 2, "closed")


def test_failures_of_all_workers_open_the_circuit_for_all(store: Store) -> None:
    for worker in "abcd":
        store.report(worker, ok=1)
        view = store.fails(worker, 2)
    assert view.state == "open"
    assert view.why == "8 of 12 calls of all workers failed, the last: ConnectionError"
    assert view.open_for == 30.0
    assert store.report("e").state == "open"


def test_a_single_worker_opens_its_circuit_with_its_own_calls(store: Store) -> None:
    assert store.fails("a", 10).state == "open"


def test_too_few_calls_open_nothing(store: Store) -> None:
    store.fails("a", 5)
    assert store.fails("b", 4).state == "closed"
    assert store.fails("b", 1).state == "open"


def test_one_bad_worker_does_not_open_the_circuit_of_the_others(store: Store) -> None:
    store.report("b", ok=5)
    store.report("c", ok=5)
    view = store.fails("a", 100)
    assert view.state == "closed"
    assert view.failed == 100


def test_a_bad_worker_is_not_helped_by_a_rare_failure_of_the_others(store: Store) -> None:
    store.report("b", ok=20)
    store.fails("a", 100)
    assert store.fails("b", 1).state == "closed"


def test_a_bad_host_with_many_workers_does_not_open_the_circuit_of_the_others(store: Store) -> None:
    store.report("good/1", ok=5)
    store.report("fine/1", ok=5)
    for worker in range(20):
        assert store.fails(f"bad/{worker}", 5).state == "closed"


def test_on_a_single_host_each_worker_is_told_apart(store: Store) -> None:
    store.report("host/1", ok=10)
    assert store.fails("host/2", 100).state == "closed"
    store.fails("host/3", 50)
    assert store.fails("host/1", 10).state == "open"


def test_failures_in_a_row_of_several_workers_open_the_circuit() -> None:
    store = Store(IN_A_ROW)
    store.fails("a", 3)
    view = store.fails("b", 2)
    assert view.state == "open"
    assert view.why == "5 failures in a row of all workers, the last: ConnectionError"


def test_failures_in_a_row_of_one_worker_are_its_own_affair() -> None:
    store = Store(IN_A_ROW)
    store.report("b", ok=1)
    store.fails("a", 50)
    assert store.fails("b", 1).state == "closed"
    assert store.fails("b", 1).state == "open"


def test_one_success_ends_the_failures_in_a_row_of_all() -> None:
    store = Store(IN_A_ROW)
    store.fails("a", 4)
    store.report("b", ok=1)
    store.fails("a", 3)
    assert store.report("b", ok=5, failed=1, streak=1).state == "closed"


def test_with_fail_max_1_only_a_worker_alone_opens_the_circuit() -> None:
    alone, several = Store(IN_A_ROW._replace(fail_max=1)), Store(IN_A_ROW._replace(fail_max=1))
    assert alone.fails("a").state == "open"
    several.report("b", ok=1)
    assert several.fails("a").state == "closed"


def test_slow_calls_of_all_workers_open_the_circuit() -> None:
    store = Store(TERMS._replace(slow_rate=0.5))
    store.report("a", ok=5, slow=4)
    view = store.report("b", ok=5, slow=4)
    assert view.why == "8 of 10 calls of all workers were slow"


@pytest.mark.parametrize("now", EVER)
def test_calls_leave_the_window(now: float) -> None:
    store = Store(now=now)
    store.report("a", ok=4)
    store.now += 30
    store.report("a", ok=3)
    store.now += 37  # the window, and a tenth more
    assert store.report().calls == 3
    store.now += 30
    assert store.report().calls == 0


def test_what_is_kept_is_bounded(store: Store) -> None:
    for moment in range(2000):
        store.now += 1
        store.report(f"host{moment % 7}/{moment % 100}", ok=20, failed=moment % 3, streak=0)
    assert len(json.dumps(store.state)) < 12_000


def test_calls_of_an_earlier_era_do_not_count(half_open: Store) -> None:
    old = half_open.era
    for _ in range(2):
        half_open.probed(half_open.probe(), "ok")
    assert half_open.report(era=old, failed=50, streak=50).calls == 0


def test_calls_do_not_count_while_the_circuit_is_open(opened: Store) -> None:
    assert opened.report(ok=5).calls == 0


def test_who_reports_for_the_first_time_counts(store: Store) -> None:
    store.report(ok=1)
    assert store.report("new", era=0, ok=2).calls == 3


# Opening, probes, closing


def test_a_worker_may_open_it_for_all(opened: Store) -> None:
    view = opened.report("b")
    assert (view.state, view.why) == ("open", "5 failures in a row")


def test_who_trips_too_late_changes_nothing(opened: Store) -> None:
    assert opened.report("b", era=opened.era - 1, opens=500.0).open_for == 30.0


def test_there_is_no_probe_before_the_time_is_over(opened: Store) -> None:
    opened.now += 29.9
    number, view = opened.probe()
    assert number is None
    assert view.open_for == pytest.approx(0.1)
    assert opened.report().state == "open"


def test_no_more_than_the_probes_agreed_are_under_way(half_open: Store) -> None:
    half_open.terms = TERMS._replace(probes=2)
    probes = [half_open.probe() for _ in range(5)]
    assert [probe.number is not None for probe in probes] == [True, True, False, False, False]
    assert probes[4].view.state == "half-open"


def test_probes_that_went_well_close_it(half_open: Store) -> None:
    assert half_open.probed(half_open.probe(), "ok").state == "half-open"
    view = half_open.probed(half_open.probe(), "ok")
    assert (view.state, view.why, view.open_for) == ("closed", "", 0.0)


def test_a_failed_probe_opens_it_for_longer_each_time(half_open: Store) -> None:
    open_times = []
    for _ in range(6):
        view = half_open.probed(half_open.probe(), "failed")
        open_times.append(view.open_for)
        half_open.now += view.open_for
    assert open_times == [60, 120, 240, 480, 600, 600]
    assert view.why == "the probe failed: 503"


def test_a_vendor_may_ask_for_a_longer_time(half_open: Store) -> None:
    assert half_open.probed(half_open.probe(), "failed", opens=900).open_for == 900


def test_a_lost_probe_gives_up_its_place(half_open: Store) -> None:
    lost = half_open.probe(lives=5)
    assert half_open.probe(lives=5).number is None
    half_open.now += 5
    assert half_open.probe(lives=5).number is not None
    assert half_open.probed(lost, "failed").state == "open"


def test_a_probe_that_says_nothing_gives_its_place_back(half_open: Store) -> None:
    assert half_open.probed(half_open.probe(), "nothing").state == "half-open"
    assert half_open.probe().number is not None


def test_a_probe_of_an_earlier_half_open_state_changes_nothing(half_open: Store) -> None:
    half_open.terms = TERMS._replace(probes=2)
    late, first = half_open.probe(), half_open.probe()
    half_open.probed(first, "failed")
    half_open.now += 60
    half_open.probe()
    before = half_open.state
    assert half_open.probed(late, "failed").state == "half-open"
    assert half_open.state == before


def test_who_probes_a_closed_circuit_gets_to_know(store: Store) -> None:
    assert store.probe() == Probe(None, CircuitView("github"))
    store.report(ok=1)
    assert store.probe().view.state == "closed"


# Operators


@pytest.mark.parametrize("how", ["isolated", "disabled"])
def test_what_an_operator_forces_holds_until_it_is_reset(store: Store, how: str) -> None:
    assert store.report(forces=how).forced == how
    assert store.fails("b", 50) == store.report("c")
    assert store.report("c", opens=30.0).state == "closed"
    state = store.state
    assert state is not None
    assert circuits.lasts(state, TERMS, store.now) == NEVER
    view = store.report(forces="reset")
    assert (view.forced, view.state) == ("", "closed")


def test_there_is_no_probe_while_an_operator_has_forced_it(half_open: Store) -> None:
    half_open.report(forces="isolated")
    assert half_open.probe().number is None


def test_a_reset_closes_it_and_is_seen_by_all(opened: Store) -> None:
    era = opened.era
    view = opened.report(forces="reset")
    assert (view.state, view.why) == ("closed", "")
    assert view.era > era


def test_a_reset_of_what_nobody_knows_is_seen_too(store: Store) -> None:
    assert store.report(forces="reset").era > 0


# What may go wrong


def test_a_state_that_was_lost_does_not_come_again_with_the_same_eras(opened: Store) -> None:
    era = opened.era
    opened.now += 0.01
    opened.state = None
    assert opened.report(ok=1).era > era


def test_late_calls_do_not_begin_anew_what_others_know_that_was_lost(store: Store) -> None:
    isolated = store.report(forces="isolated")
    store.keep(None)
    assert store.report("b", era=isolated.era, ok=3).era == 0
    assert store.report("a", era=0, forces="isolated").forced == "isolated"
    assert store.report("b", era=0, ok=3).forced == "isolated"


def test_what_another_version_has_kept_is_not_known(opened: Store) -> None:
    assert opened.state is not None
    opened.state["version"] = 99
    assert opened.report() == CircuitView("github")


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
    st.just("x" * 2000), st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
    st.just([[1000.0, [1, 2], {}]]), st.just([[1000.0, [1, 2, 3], {"a": 5}]]),
)  # fmt: skip


@given(
    st.sampled_from(
        ["state", "forced", "why", "until", "pause", "era", "next", "probes", "slices"]
    ),
    ODD,
)
def test_what_somebody_else_has_kept_never_fails_and_is_mended(field: str, odd: Any) -> None:
    store = Store()
    store.report("a", ok=1, failed=1, streak=1)
    assert store.state is not None
    store.state[field] = odd
    for _ in range(2):
        probe = store.probe()
        if probe.number is not None:
            store.probed(probe, "ok")
        view = store.report("b", era=0, ok=1, forces="reset")
        assert (view.state, view.forced, view.open_for) == ("closed", "", 0.0)


def test_a_clock_that_is_set_back_keeps_nothing_open_for_long(opened: Store) -> None:
    opened.now -= 3600
    assert opened.probe().number is not None


def test_a_clock_that_is_set_back_does_not_keep_old_calls(store: Store) -> None:
    store.report(ok=5)
    store.now -= 3600
    assert store.report(ok=1).calls == 1


def test_a_clock_that_is_set_back_does_not_keep_the_place_of_a_lost_probe(half_open: Store) -> None:
    half_open.probe()
    half_open.now -= 3600
    assert half_open.probe().number is not None


def test_a_closed_circuit_may_be_forgotten_after_an_hour(store: Store) -> None:
    store.report(ok=1)
    assert store.state is not None
    assert circuits.lasts(store.state, TERMS, store.now) == 3600


def test_an_open_circuit_is_remembered_for_longer_than_it_is_open(store: Store) -> None:
    store.report(opens=7200.0)
    assert store.state is not None
    assert circuits.lasts(store.state, TERMS, store.now) == 3600 + 7200


STEP = st.one_of(
    st.tuples(
        st.just("report"), st.sampled_from(["a", "b", "h/1", "h/2"]), st.integers(0, 9),
        st.integers(0, 9), st.sampled_from(["", "", "", "reset", "isolated", "disabled"]),
    ),
    st.tuples(st.just("probe")),
    st.tuples(st.just("probed"), st.integers(0, 5), st.sampled_from(["ok", "failed", "nothing"])),
    st.tuples(st.just("wait"), st.floats(0, 100)),
)  # fmt: skip


@given(st.lists(STEP, max_size=40), st.integers(1, 3))
def test_whatever_happens_no_more_probes_than_agreed_are_under_way(
    steps: list[Any], most: int
) -> None:
    store = Store(TERMS._replace(probes=most, fail_max=3))
    out: list[tuple[Probe, float]] = []
    era = 0
    for step in steps:
        if step[0] == "report":
            _, worker, ok, failed, forces = step
            store.report(worker, ok=ok, failed=failed, streak=failed, forces=forces)
        elif step[0] == "wait":
            store.now += step[1]
        elif step[0] == "probe":
            probe = store.probe(lives=20)
            if probe.number is not None:
                out = [one for one in out if one[1] > store.now and one[0].view.era == store.era]
                out.append((probe, store.now + 20))
                assert len(out) <= most
        elif out:
            probe, _ = out.pop(step[1] % len(out))
            store.probed(probe, step[2])
        assert store.era >= era
        era = store.era
