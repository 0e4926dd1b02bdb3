from __future__ import annotations

import pytest

from resilient.diagnostics import stats_table, tables
from resilient.registry import Registry

TABLE = """\
resilient: 2 functions, 1,304 calls in 60.0 s (pid 42)

function      calls      ok  retries  waited  hits  refused  fallbacks     p50     p95
──────────────────────────────────────────────────────────────────────────────────────
github.repos  1,300  99.9 %        2  2.00 s   400        0          0  9.8 ms  9.8 ms
stripe.pay        4   0.0 %        0     0 s     0        3          1  496 ms  496 ms
──────────────────────────────────────────────────────────────────────────────────────
all           1,304  99.6 %        2  2.00 s   400        3          1  9.8 ms  9.8 ms

saved by the stack  requests spared  upstream time  hidden failures  by retries  by fallbacks
─────────────────────────────────────────────────────────────────────────────────────────────
github.repos                    400          100 s                1           1             0
stripe.pay                        3            0 s                1           0             1
─────────────────────────────────────────────────────────────────────────────────────────────
all                             403          100 s                2           1             1

Saved: 403 requests (400 cached, 3 refused), 100 s of upstream time, 2 failures hidden."""


def test_the_table_tells_what_happened_and_what_was_saved(busy: Registry) -> None:
    assert stats_table({**busy.snapshot(), "pid": 42}) == TABLE


def test_the_table_fits_in_100_columns_however_long_a_name_is(busy: Registry) -> None:
    busy.stats_of("service" * 10, "function" * 10).durations += [1234.5] * 1_234_567
    text = stats_table(busy.snapshot())
    assert max(map(len, text.splitlines())) == 100
    assert "servicese…" in text
    assert "1,234,567" in text


def test_a_table_without_savings_says_so(registry: Registry) -> None:
    registry.stats_of("", "main").durations += [0.5, 0.0005, 0.0, 0.005]
    text = stats_table(registry.snapshot())
    assert "saved by the stack" not in text
    assert "main" in text
    assert text.endswith("Nothing to save so far: no cache hit, no refusal, no failure hidden.")


def test_a_table_without_calls_says_so(registry: Registry) -> None:
    assert stats_table(registry.snapshot()) == "resilient: no calls yet"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *[(0.0, "0 s"), (0.0000005, "0 µs"), (0.000340, "340 µs"), (0.0099, "9.9 ms")],
        *[(0.0125, "12 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"), (9.94, "9.94 s")],
        *[(9.96, "10.0 s"), (99.94, "99.9 s"), (99.96, "100 s"), (12_345.6, "12,346 s")],
    ],
)
def test_durations_have_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert tables.duration(seconds) == text
