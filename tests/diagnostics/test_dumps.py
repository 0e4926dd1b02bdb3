from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from resilient.diagnostics import dump_stats, log_to
from resilient.diagnostics.dumping import Dump, records_of
from resilient.diagnostics.dumps import MOST_FUNCTIONS, stats_in
from resilient.diagnostics.masking import Clean, mask
from resilient.registry import MOST_HOSTS, FunctionStats, Histogram, Registry
from tests.diagnostics.dumped import dump_of, dump_of_many, line_of


@pytest.mark.parametrize(
    "wrap",
    [
        lambda line: b"2026-11-25T14:05:10Z stdout F " + line,
        lambda line: json.dumps({"log": line.decode(), "stream": "stdout"}).encode(),
        lambda line: json.dumps({"message": line.decode()}).encode(),
        lambda line: json.dumps(json.loads(line)["record"]["extra"]).encode(),
        lambda line: json.dumps(json.loads(line)["record"]).encode(),
    ],
    ids=["kubernetes", "docker", "collector", "extra", "record"],
)
def test_what_collectors_wrap_around_a_line_is_passed_over(wrap: Callable[[bytes], bytes]) -> None:
    assert len(stats_in(wrap(line_of(dump_of(0.1))))) == 1


@pytest.mark.parametrize(
    "stats",
    [
        None,
        [],
        "x",
        {},
        dump_of(0.1, pid="1"),
        dump_of(0.1, pid=-1),
        dump_of(0.1, calls=-1),
        dump_of(0.1, calls=True),
        dump_of(0.1, calls=float("inf")),
        dump_of(0.1, calls=float("nan")),
        dump_of(0.1, calls=10**30),
        dump_of(0.1, taken=1e300),
        dump_of(0.1, service=None),
        dump_of(0.1, latency=None),
        dump_of(0.1, latency={"buckets": {"999999": 1}, "total": 1, "max": 1}),
        dump_of(0.1, latency={"buckets": {"x": 1}, "total": 1, "max": 1}),
        dump_of(0.1, latency={"buckets": {"1": -1}, "total": 1, "max": 1}),
        dump_of(0.1, errors={"a": "b"}),
    ],
)
def test_what_makes_no_sense_is_passed_over(stats: Any) -> None:
    assert stats_in(line_of(stats)) == []


@pytest.mark.parametrize(
    "line",
    [
        b"resilient_stats",
        b'{"resilient_stats": ',
        b'{"resilient_stats": ' + b"[" * 100_000,
        b'{"resilient_stats": ' + b"9" * 10_000 + b"}",
        b'{"log": "\\"resilient_stats\\""}',
        b'\xff\xfe{"resilient_stats": 1}',
    ],
)
def test_broken_lines_are_passed_over(line: bytes) -> None:
    assert stats_in(line) == []


def test_a_dump_of_an_older_version_lacks_figures_without_harm() -> None:
    stats = dump_of(0.1)
    del stats["misses"], stats["upstream"], stats["hits"]
    (read,) = stats_in(line_of(stats))
    assert (read["misses"], read["hits"]) == (0, 0)


PROCESS = {"pid": 1, "started": 4.0, "taken": 10.0, "seconds": 6.0, "host": "worker-1"}


def written(*functions: dict[str, Any]) -> list[Clean]:
    return list(records_of(PROCESS, functions))


def figures_of(
    name: str = "repos", hosts: int = 0, buckets: int = 2, **named: int
) -> dict[str, Any]:
    stats = FunctionStats("github", name)
    stats.durations += [0.1, 0.2] if buckets == 2 else [1e-5 * 1.05**n for n in range(buckets)]
    names = {f"{number}.example": 1 for number in range(hosts)}
    return {**stats.snapshot(), "exchanges": names, "errors": named}


def test_a_line_of_many_functions_is_read_back() -> None:
    (record,) = written(*(figures_of(f"f{number}") for number in range(5)))
    found = stats_in(line_of(record))
    assert [one["function"] for one in found] == [f"f{number}" for number in range(5)]
    assert all(one["calls"] == 2 and one["host"] == "worker-1" for one in found)


def test_a_line_stays_below_what_collectors_cut() -> None:
    for hosts, buckets in ((0, 1), (0, 60), (0, 300), (5, 60), (MOST_HOSTS, 1)):
        functions = [figures_of(f"f{number}", hosts, buckets) for number in range(60)]
        file = io.StringIO()
        sink = log_to(file, serialize=True)
        for record in written(*functions):
            logger.bind(resilient_stats=record).info("{}", record.text)
        logger.remove(sink)
        lines = file.getvalue().encode().splitlines()
        assert max(map(len, lines)) < 16_384
        assert sum(len(stats_in(line)) for line in lines) == 60


def test_zeros_are_not_written_and_read_back_as_zeros() -> None:
    data = figures_of()
    (record,) = written(dict(data))
    assert json.loads(record.json())["functions"] == [
        {
            "service": "github",
            "function": "repos",
            "calls": 2,
            "outcomes": {"ok": 2},
            "attempts": 2,
            "latency": {**data["latency"], "buckets": {"-57": 1, "-40": 1}},
        }
    ]
    (read,) = stats_in(line_of(json.loads(record.json())))
    assert {name: read[name] for name in ("hits", "saved", "steps")} == {
        "hits": 0,
        "saved": 0.0,
        "steps": {},
    }
    assert read["upstream"]["count"] == 0


names = st.text(max_size=20)
counts = st.dictionaries(names, st.integers(1, 10**9), max_size=4)


@given(
    names,
    st.lists(st.floats(0, 1e5), min_size=1, max_size=30),
    st.lists(st.floats(0, 1e5), max_size=9),
    counts,
    counts,
)
def test_what_is_written_as_json_is_what_the_record_holds(
    name: str,
    durations: list[float],
    answered: list[float],
    steps: dict[str, int],
    errors: dict[str, int],
) -> None:
    upstream = Histogram()
    upstream.add(answered)
    figures = FunctionStats("github", name)
    figures.durations += durations
    data = {
        **figures.snapshot(),
        "upstream": upstream.snapshot(),
        "steps": {**steps, "buckets": 1, '"buckets":null': 2},
        "errors": errors,
    }
    (record,) = written(data)
    shown = {name: value for name, value in record["functions"][0].items() if value}
    if not answered:
        del shown["upstream"]
    expected = json.dumps({**PROCESS, "functions": [shown]})
    assert json.loads(record.json()) == json.loads(expected)


def test_a_function_alone_is_told_of_without_a_heading() -> None:
    (record,) = written(figures_of())
    assert record.text.startswith("github.repos: 2 calls, 100 % ok")


def test_no_name_in_a_dump_gives_a_secret_away() -> None:
    secret = "ghp_" + "a1B2" * 9
    errors = {f"{secret[:-1]}{number}": 2 for number in range(3)}
    data = {**figures_of(f"of_{secret}"), "errors": errors, "service": f"x-{secret}"}
    (record,) = written(data)
    assert secret[:-1] not in json.dumps([record, record.text])
    # Names that are one when they are masked are counted together.
    assert record["functions"][0]["errors"] == {"***": 6}


def test_what_was_learned_is_masked_in_names_that_were_harmless_before() -> None:
    from resilient.http.learned import learned

    errors = {"tenant-4711-blue": 1, "other": 1}
    (before,) = written({**figures_of(), "errors": errors})
    assert before["functions"][0]["errors"] == errors
    assert learned.tell("tenant-4711-blue")
    try:
        (after,) = written({**figures_of(), "errors": errors})
    finally:
        learned.clear()
    assert after["functions"][0]["errors"] == {"***": 1, "other": 1}


def test_what_policies_know_is_dumped_told_and_read_back() -> None:
    throttle = {"limit": 5_000, "remaining": 12.4, "resets_at": 99.5, "waiting": 3,
                "paused_until": 50.0, "slowed_to": None}  # fmt: skip
    states = {"breaker": "open", "throttle": throttle,
              "bulkhead": {"limit": 5, "running": 2, "waiting": 0}}  # fmt: skip
    (record,) = written({**figures_of(), "policies": states})
    assert record.text.endswith("p95 100 ms, breaker open, 12 of 5,000 left, paused")
    (stats,) = stats_in(line_of(record))
    assert stats["policies"] == states


def test_a_state_that_a_storage_of_somebodys_own_tells_is_masked() -> None:
    (record,) = written({**figures_of(), "policies": {"breaker": "password=hunter2abc"}})
    assert "hunter2" not in json.dumps([record, record.text])


@pytest.mark.parametrize(
    "policies",
    [7, "x", [], {"breaker": 7}, {"throttle": 7}, {"throttle": {"limit": "x"}},
     {"throttle": {"remaining": -1}}, {"bulkhead": {}}, {"bulkhead": {"limit": None}}],
)  # fmt: skip
def test_policies_that_make_no_sense_break_nothing(policies: Any) -> None:
    found = stats_in(
        line_of(dump_of_many(figures_of(), {**figures_of("other"), "policies": policies}))
    )
    assert found[0]["function"] == "repos"
    assert all("policies" not in one for one in found)


@pytest.mark.parametrize("functions", [7, None, {}, "x", [7, None, [], "x"]])
def test_functions_that_make_no_sense_are_passed_over(functions: Any) -> None:
    assert stats_in(line_of({**dump_of_many(), "functions": functions})) == []


def test_a_line_can_not_hold_functions_without_end() -> None:
    one = figures_of()
    assert len(stats_in(line_of(dump_of_many(*[one] * 200)))) == MOST_FUNCTIONS


@pytest.mark.parametrize("extra", [{}, {"who": "me", "token": "s3cr3t-value"}], ids=["", "more"])
def test_a_dump_stands_among_what_else_a_line_carries(
    busy: Registry, extra: dict[str, str]
) -> None:
    file = io.StringIO()
    sink = log_to(file, serialize=True)
    with logger.contextualize(**extra):
        dump_stats(busy)
    logger.remove(sink)
    told = json.loads(file.getvalue())["record"]["extra"]
    assert [one["function"] for one in told.pop("resilient_stats")["functions"]] == ["repos", "pay"]
    assert told == ({"who": "me", "token": "***"} if extra else {})


def test_json_is_made_for_sinks_that_want_it_and_once(
    busy: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Dump] = []
    encoded = Dump.encoded

    def counted(dump: Dump) -> str:
        made.append(dump)
        return encoded(dump)

    monkeypatch.setattr(Dump, "encoded", counted)
    sinks = [log_to(io.StringIO()), log_to(lambda text: None)]
    dump_stats(busy)
    assert made == []
    sinks += [log_to(io.StringIO(), serialize=True) for _ in range(3)]
    dump_stats(busy)
    assert len(made) == 1
    for sink in sinks:
        logger.remove(sink)


def test_a_dump_goes_through_the_queue_of_a_sink(busy: Registry) -> None:
    file = io.StringIO()
    sink = log_to(file, serialize=True, enqueue=True)
    dump_stats(busy)
    logger.complete()
    logger.remove(sink)
    assert [one["calls"] for one in stats_in(file.getvalue().encode())] == [1_300, 4]


def test_what_stands_around_a_dump_is_masked_all_the_same(busy: Registry) -> None:
    file = io.StringIO()
    sink = log_to(file, format="password=hunter2abc {message} {extra[who]}")
    with logger.contextualize(who="token=s3cr3t-value"):
        dump_stats(busy)
    logger.remove(sink)
    text = file.getvalue()
    assert "github.repos: 1,300 calls" in text
    assert "hunter2" not in text
    assert "s3cr3t" not in text


def test_a_message_that_somebody_changed_is_masked_again(busy: Registry) -> None:
    def change(record: Any) -> None:
        record["message"] += " password=hunter2abc"

    file = io.StringIO()
    sink = log_to(file, serialize=True)
    (record,) = written(figures_of())
    logger.patch(change).bind(resilient_stats=record).info("{}", record.text)
    logger.remove(sink)
    assert "hunter2" not in file.getvalue()


def test_a_dump_says_what_masking_it_again_would_say(busy: Registry) -> None:
    for record in records_of(PROCESS, busy.each()):
        assert mask(record.text) == record.text
