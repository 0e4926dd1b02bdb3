"""Windows as SVG. Colors are classes of the style sheet: the pages allow no inline style."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

from resilient.diagnostics.dashboard.history import Window
from resilient.diagnostics.tables import duration

_WIDTH, _HEIGHT = 600, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 8, 12, 26
_DAY = 86_400
_ROUND = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)


class Line(NamedTuple):
    """One curve. kind: its class in the style sheet; values: None where there is none."""

    name: str
    kind: str
    values: Sequence[float | None]


def latency_plot(windows: Sequence[Window], ends_at: float, step: float) -> str:
    """Percentiles over time."""
    names = (("p50", "p50"), ("p95", "p95"), ("p99", "p99"))
    lines = [Line(name, kind, [one.quantile(name) for one in windows]) for name, kind in names]
    return _figure("Latency", lines, ends_at, step, duration)


def rate_plot(windows: Sequence[Window], ends_at: float, step: float) -> str:
    """Calls a second over time, and how many of them failed."""
    lines = [
        Line("calls", "calls", [one.calls / step for one in windows]),
        Line("failed", "failed", [one.failed / step for one in windows]),
    ]
    return _figure("Calls per second", lines, ends_at, step, rate_text)


def spark(windows: Sequence[Window]) -> str:
    """The p95 of a table's row, small; what it shows stands beside it in words."""
    values = [one.quantile("p95") for one in windows]
    top = max((value for value in values if value is not None), default=0.0) or 1.0
    path = _path(values, top, 0, 1, 1, 100, 18)
    return (
        '<svg class="spark" viewBox="0 0 102 20" width="102" height="20" aria-hidden="true" '
        f'focusable="false"><path class="p95" d="{path}"/></svg>'
    )


def rate_text(rate: float) -> str:
    """Calls a second, in three digits or so."""
    if rate >= 100:
        return f"{rate:,.0f}/s"
    return f"{rate:.3g}/s"


def _figure(
    title: str,
    lines: Sequence[Line],
    ends_at: float,
    step: float,
    text_of: Callable[[float], str],
) -> str:
    count = len(lines[0].values)
    highest = max((one for line in lines for one in line.values if one is not None), default=0.0)
    top = _nice(highest)
    words = _in_words(lines, text_of)
    parts = [
        f'<figure class="plot"><figcaption>{escape(title)} {_legend(lines)}</figcaption>',
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(f"{title}: {words}")}">',
        _grid(top, text_of),
        _times(count, ends_at, step),
    ]
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    for line in reversed(lines):
        path = _path(line.values, top, _LEFT, _TOP, 0, width, height)
        if line.kind in ("calls", "failed"):
            parts.append(f'<path class="{line.kind} area" d="{_area(line.values, top)}"/>')
        parts.append(f'<path class="{line.kind}" d="{path}"/>')
    parts.append(_hints(lines, ends_at, step, text_of))
    return "".join([*parts, "</svg></figure>"])


def _legend(lines: Sequence[Line]) -> str:
    keys = "".join(f'<li class="{line.kind}">{escape(line.name)}</li>' for line in lines)
    return f'<ul class="legend">{keys}</ul>'


def _in_words(lines: Sequence[Line], text_of: Callable[[float], str]) -> str:
    """What somebody who can't see the plot should know."""
    told = []
    for line in lines:
        known: list[float] = [value for value in line.values if value is not None]
        if any(known):
            told.append(
                f"{line.name} last {text_of(known[-1])}, lowest {text_of(min(known))}, "
                f"highest {text_of(max(known))}"
            )
    return "; ".join(told) or "nothing in this time"


def _nice(highest: float) -> float:
    """The end of the scale: a round number."""
    if not 0 < highest < math.inf:
        return 1.0
    power = 10.0 ** math.floor(math.log10(highest))
    return next(power * one for one in _ROUND if power * one >= highest * 0.999)


def _grid(top: float, text_of: Callable[[float], str]) -> str:
    parts = []
    height = _HEIGHT - _TOP - _BOTTOM
    for share in (0.0, 0.5, 1.0):
        y = _TOP + height * (1 - share)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        text = escape(text_of(top * share))
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    return "".join(parts)


def _times(count: int, ends_at: float, step: float) -> str:
    if not ends_at:
        return ""
    shape = "%m-%d %H:%M" if count * step > _DAY else "%H:%M"
    marks = (
        (0, "start", _LEFT),
        (count // 2, "middle", (_LEFT + _WIDTH - _RIGHT) / 2),
        (count, "end", _WIDTH - _RIGHT),
    )
    return "".join(
        f'<text x="{x:.0f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">'
        f"{clock_text(ends_at - (count - place) * step, shape)}</text>"
        for place, anchor, x in marks
    )


def clock_text(at: float, shape: str = "%Y-%m-%d %H:%M:%S %Z") -> str:
    """A moment in the server's local time, escaped."""
    try:
        return escape(time.strftime(shape, time.localtime(at)))
    except (ValueError, OverflowError, OSError):
        return "an unknown time"


def _path(
    values: Sequence[float | None],
    top: float,
    left: float,
    above: float,
    inset: float,
    width: float,
    height: float,
) -> str:
    """A line with gaps where there are no values; a lone value is a dot."""
    step = (width - 2 * inset) / max(1, len(values) - 1)
    parts: list[str] = []
    is_drawing = False
    for place, value in enumerate(values):
        if value is None:
            is_drawing = False
            continue
        x = left + inset + place * step
        y = above + height * (1 - min(1.0, value / top))
        parts.append(f"{'L' if is_drawing else 'M'}{x:.1f} {y:.1f}")
        if not is_drawing:
            parts.append("h0")
        is_drawing = True
    return "".join(parts)


def _area(values: Sequence[float | None], top: float) -> str:
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    known = [0.0 if value is None else value for value in values]
    line = _path(known, top, _LEFT, _TOP, 0, width, height).replace("h0", "")
    return f"{line}V{_TOP + height}H{_LEFT}Z"


def _hints(
    lines: Sequence[Line], ends_at: float, step: float, text_of: Callable[[float], str]
) -> str:
    """What a window held, to be read by pointing at it."""
    count = len(lines[0].values)
    width = (_WIDTH - _LEFT - _RIGHT) / count
    parts = []
    for place in range(count):
        told = [(line.name, line.values[place]) for line in lines]
        if not any(value for _, value in told):
            continue
        words = ", ".join(f"{name} {text_of(value)}" for name, value in told if value is not None)
        at = clock_text(ends_at - (count - 1 - place) * step, "%H:%M:%S")
        parts.append(
            f'<rect class="hint" x="{_LEFT + place * width:.1f}" y="{_TOP}" width="{width:.1f}" '
            f'height="{_HEIGHT - _TOP - _BOTTOM}"><title>{at}: {escape(words)}</title></rect>'
        )
    return "".join(parts)
