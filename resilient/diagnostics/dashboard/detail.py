"""The page of one function: its figures, and for operators the stories of its last failed calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from resilient.diagnostics.dashboard import frame as parts
from resilient.diagnostics.dashboard.access import OPERATOR
from resilient.diagnostics.dashboard.frame import Frame, text
from resilient.diagnostics.dashboard.overview import breaker_history, foot
from resilient.diagnostics.dashboard.plots import clock_text, latency_plot, rate_plot, rate_text
from resilient.diagnostics.dashboard.stories import ANSWERED, Told
from resilient.diagnostics.dashboard.view import Now, Row, Source, key_of, rows_of
from resilient.diagnostics.tables import duration, label, many, refused, sentence, waited

_MOST_PAIRS = 20


def detail(frame: Frame, source: Source, key: str) -> str | None:
    """The page; None if there is no such function."""
    row = next((row for row in rows_of(source) if row.key == key), None)
    if row is None:
        return None
    ends_at, step = source.history.ends_at, source.history.step
    windows = source.history.windows(key)
    names = (row.service, row.function)
    events = [one for one in source.stories.breakers() if (one.service, one.function) == names]
    name = label(row.data)
    main = "".join(
        [
            f'<p><a href="{frame.base}/">All functions</a></p>',
            f"<h1>{parts.name(name)}</h1><p>{parts.state(row.state)}</p>",
            parts.tiles(_tiles(row)),
            f'<div class="pair">{rate_plot(windows, ends_at, step)}'
            f"{latency_plot(windows, ends_at, step)}</div>",
            _stories(frame, source.stories.of(*names)),
            breaker_history(events, is_whole=True),
            _all_counts(row.data),
            f'<p class="soft">Since it is counted: {text(sentence(row.data), 400)}.</p>',
        ]
    )
    return parts.shell(frame, name, main, foot(source))


def _tiles(row: Row) -> list[tuple[str, str, str]]:
    data = row.data
    facts = [
        ("Calls", rate_text(row.rate), f"{data['calls']:,} in all"),
        ("Failed", parts.share(row.failed), f"{data['raised']:,} raised in all"),
        ("Latency, p95", parts.seconds(row.p95), f"p50 {parts.seconds(row.p50)}"),
        ("Retries", f"{data['retries']:,}", f"{many(data['recovered'], 'call')} recovered"),
        ("Cache hits", f"{data['hits']:,}", f"{duration(data['saved'])} saved"),
        ("Refused", f"{refused(data):,}", "before they were sent"),
        ("Waited", duration(waited(data)), "for anything"),
        ("Fallbacks", f"{data['degraded']:,}", "answered otherwise"),
    ]
    return [*facts, *_policy_tiles(row.now)]


def _policy_tiles(now: Now) -> list[tuple[str, str, str]]:
    facts = []
    if now.breakers:
        facts.append(("Breaker", parts.breakers(now), ""))
    throttle = now.throttle
    if throttle is not None:
        notes = []
        for told, name in (("resets", "resets_at"), ("paused until", "paused_until")):
            if throttle.get(name):
                notes.append(f"{told} {clock_text(throttle[name], '%H:%M:%S')}")
        if throttle.get("slowed_to"):
            notes.append(f"slowed down to {rate_text(throttle['slowed_to'])}")
        if throttle.get("waiting"):
            notes.append(f"{throttle['waiting']:,} wait")
        facts.append(("Quota left", parts.quota(now), ", ".join(notes)))
    return facts


def _stories(frame: Frame, stories: Sequence[Told]) -> str:
    head = "<h2>The last calls that went wrong</h2>"
    if frame.role != OPERATOR:
        return f'{head}<p class="soft">Operators see what happened to them, step by step.</p>'
    if not stories:
        return f'{head}<p class="soft">None that is known of.</p>'
    return head + "".join(map(_story, stories))


def _story(told: Told) -> str:
    began = told.at - told.story[-1].at
    steps = "".join(
        f"<li><time>{_offset(one.at)}</time> {text(one.text, 600)}</li>" for one in told.story
    )
    ended = "answered all the same" if told.kind in ANSWERED else "failed"
    kind = "odd" if told.kind in ANSWERED else "bad"
    # Not "failed: failed (Timeout) …".
    what = told.text.removeprefix(ended).lstrip()
    colon = ":" if what == told.text else ""
    process = f" in process {text(told.process)}" if told.process else ""
    return (
        f'<details class="story" id="c{key_of(told.process, told.call)}"><summary>'
        f'{clock_text(began, "%m-%d %H:%M:%S")} <span class="{kind}">{ended}</span>'
        f"{colon} {text(what, 200)}</summary>"
        f'<ol class="steps">{steps}</ol>'
        f'<p class="soft">Call {text(told.call)}{process}</p></details>'
    )


def _offset(seconds: float) -> str:
    return f"+{seconds:.3f} s" if seconds < 100 else f"+{seconds:,.0f} s"


def _all_counts(data: Mapping[str, Any]) -> str:
    cards = "".join(
        [
            _counts("Outcomes", data["outcomes"]),
            _counts("Reasons of failures", data["errors"]),
            _counts("Steps", data["steps"]),
            _counts("Requests by host", data["exchanges"]),
            _latencies("Latency of calls", data["latency"]),
            _latencies("Latency of requests", data["upstream"]),
        ]
    )
    return f'<h2>In all</h2><div class="pair">{cards}</div>'


def _counts(title: str, counts: Mapping[str, float]) -> str:
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    pairs = [(text(name), f"{count:,}") for name, count in ordered[:_MOST_PAIRS] if count]
    rest = len(ordered) - _MOST_PAIRS
    if rest > 0:
        pairs.append((f"… and {rest:,} more", ""))
    return _card(title, pairs)


def _latencies(title: str, latency: Mapping[str, Any]) -> str:
    if not latency["count"]:
        return ""
    names = ("p50", "p95", "p99", "max", "mean")
    return _card(title, [(name, duration(latency[name])) for name in names])


def _card(title: str, pairs: Sequence[tuple[str, str]]) -> str:
    if not pairs:
        return ""
    rows = "".join(
        f'<tr><th class="name" scope="row">{name}</th><td>{figure}</td></tr>'
        for name, figure in pairs
    )
    return f'<section class="card"><h3>{title}</h3><table><tbody>{rows}</tbody></table></section>'
