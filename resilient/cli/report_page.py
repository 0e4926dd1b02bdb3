"""The report as one HTML page that stands alone: no script, no request, dark mode."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from resilient.diagnostics import tables as plain
from resilient.diagnostics.sheets import Sheet, sheets
from resilient.histogram import Histogram

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_STYLE = """\
:root { color-scheme: light dark; --ink: #1c2128; --soft: #59636e; --line: #d5dae0;
  --back: #ffffff; --bar: #2f6fbf; --bad: #b3261e; --odd: #8a5a00 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --soft: #9aa4af; --line: #343b44;
  --back: #14181d; --bar: #6ea8ec; --bad: #ff8a80; --odd: #f0b95a } }
body { margin: 2rem auto; padding: 0 1rem; max-width: 72rem; background: var(--back);
  color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.4rem } h2 { font-size: 1.15rem; margin-top: 2rem }
.wide { overflow-x: auto } p.soft, caption { color: var(--soft) }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
caption { text-align: left; padding-bottom: .3rem }
th, td { padding: .25rem .8rem .25rem 0; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line) }
th:first-child, td:first-child { text-align: left; white-space: normal; overflow-wrap: anywhere }
thead th { color: var(--soft); font-weight: 500 } tbody th { font-weight: 500 }
tfoot th, tfoot td { font-weight: 600; border-bottom: 0 }
tr.bad td.share { color: var(--bad) } tr.odd td.share { color: var(--odd) }
details { border-bottom: 1px solid var(--line); padding: .4rem 0 }
summary { cursor: pointer; overflow-wrap: anywhere } details > div { display: flex;
  flex-wrap: wrap; gap: 2rem; padding: .6rem 0 }
svg { display: block; max-width: 100% } svg rect { fill: var(--bar) }
svg text { fill: var(--soft); font-size: 11px }
"""

_BARS = 40
_WIDTH, _HEIGHT = 480, 90


def page(snapshot: Mapping[str, Any]) -> str:
    """The page, for `merging.Merger.snapshot`."""
    functions = snapshot["functions"]
    total = plain.total_of(functions)
    title = escape(plain.title(snapshot))
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main>",
        f"<h1>{title}</h1>",
        f'<p class="soft">From {_moment(snapshot["started"])} to {_moment(snapshot["taken"])}.</p>',
    ]
    parts += map(_table, sheets(snapshot))
    parts.append(f"<p>{escape(plain.savings_sentence(total))}</p>")
    parts.append("<h2>One by one</h2>")
    parts += map(_details, functions)
    return "\n".join([*parts, "</main></body></html>"])


def _moment(seconds: float) -> str:
    try:
        return escape(time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(seconds)))
    except (ValueError, OverflowError, OSError):
        return "an unknown time"


def _table(sheet: Sheet) -> str:
    names = "".join(f'<th scope="col">{escape(head)}</th>' for head in sheet.heads)
    rows = "\n".join(
        _row(row.cells, "fine" if row.data is None else _class_of(row.data)) for row in sheet.rows
    )
    foot = "" if sheet.total is None else f"<tfoot>{_row(sheet.total, '')}</tfoot>"
    return (
        f'<h2>{escape(sheet.caption)}</h2><div class="wide"><table>'
        f"<thead><tr>{names}</tr></thead><tbody>{rows}</tbody>{foot}</table></div>"
    )


def _row(cells: Sequence[str], kind: str) -> str:
    name, *numbers = map(escape, cells)
    drawn = "".join(
        f'<td class="share">{one}</td>' if place == 1 else f"<td>{one}</td>"
        for place, one in enumerate(numbers)
    )
    return f'<tr class="{kind}"><th scope="row">{name}</th>{drawn}</tr>'


def _class_of(data: Mapping[str, Any]) -> str:
    failed = data["calls"] - data["outcomes"].get("ok", 0)
    share = failed / data["calls"] if data["calls"] else 0.0
    return "bad" if share >= 0.1 else "odd" if share >= 0.01 else "fine"


def _details(data: Mapping[str, Any]) -> str:
    parts = [
        _pairs("Outcomes", data["outcomes"]),
        _pairs("Reasons of failures", data["errors"]),
        _pairs("Steps", data["steps"]),
        _pairs("Requests by host", data["exchanges"]),
        _plot("Latency of calls", data["latency"]),
        _plot("Latency of requests", data["upstream"]),
    ]
    summary = escape(f"{plain.label(data)}: {plain.sentence(data)}")
    return f"<details><summary>{summary}</summary><div>{''.join(parts)}</div></details>"


def _pairs(caption: str, counts: Mapping[str, float]) -> str:
    if not counts:
        return ""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{count:,}</td></tr>' for name, count in ordered
    )
    return f"<table><caption>{escape(caption)}</caption><tbody>{rows}</tbody></table>"


def _plot(caption: str, latency: Mapping[str, Any]) -> str:
    """How the durations are spread, on a logarithmic scale."""
    histogram = Histogram.of_snapshot(latency)
    if not histogram.count:
        return ""
    low, high = min(histogram.buckets), max(histogram.buckets)
    bars = min(_BARS, high - low + 1)
    heights = [0] * bars
    for index, count in histogram.buckets.items():
        heights[min(bars - 1, (index - low) * bars // (high - low + 1))] += count
    tallest, width = max(heights), _WIDTH / bars
    drawn = "".join(
        f'<rect x="{place * width:.1f}" y="{_HEIGHT - tall:.1f}" width="{max(1, width - 1):.1f}" '
        f'height="{tall:.1f}"/>'
        for place, tall in enumerate(_HEIGHT * count / tallest for count in heights)
        if tall
    )
    words = ", ".join(
        f"{name} {plain.duration(latency[name])}" for name in ("p50", "p95", "p99", "max")
    )
    label = escape(f"{caption}: {words}")
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {_HEIGHT + 20}" '
        f'width="{_WIDTH}" height="{_HEIGHT + 20}">{drawn}'
        f'<text x="0" y="{_HEIGHT + 15}">{label}</text></svg>'
    )
