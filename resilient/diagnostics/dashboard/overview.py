"""The first page: how everything stands, and where to look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple
from urllib.parse import urlencode

from resilient.diagnostics.dashboard import frame as parts
from resilient.diagnostics.dashboard.frame import Frame, text
from resilient.diagnostics.dashboard.history import MOST_WINDOWS
from resilient.diagnostics.dashboard.plots import (
    clock_text,
    latency_plot,
    rate_plot,
    rate_text,
    spark,
)
from resilient.diagnostics.dashboard.stories import Told
from resilient.diagnostics.dashboard.view import (
    ALL,
    RECENT,
    SORTS,
    Row,
    Source,
    rows_of,
    service_rows,
)
from resilient.diagnostics.durations import spoken
from resilient.diagnostics.masking import mask
from resilient.diagnostics.tables import duration, label, many

PAGE = 100
"""Functions of one page."""

MOST_SERVICES = 30
_RANKS = 5
_EVENTS = 12


class Wish(NamedTuple):
    """What the address of the page asks for. service: its key; page: from 1."""

    sort: str = "state"
    find: str = ""
    service: str = ""
    page: int = 1


def overview(frame: Frame, source: Source, wish: Wish) -> str:
    """The page."""
    rows = rows_of(source)
    if not rows:
        main = (
            "<h1>No calls yet</h1><p>Decorated functions appear here with their first calls, and "
            "those of other processes with the first figures that they write to a log: "
            "<code>dump_every(60)</code>, and <code>log_to(…, serialize=True)</code>.</p>"
        )
        return parts.shell(frame, "No calls yet", main, foot(source))
    windows = source.history.windows(ALL)
    ends_at, step = source.history.ends_at, source.history.step
    title = _title(rows)
    main = "".join(
        [
            # Read out when it changes, by who can't see it turn.
            f'<h1 aria-live="polite">{title}</h1>',
            parts.tiles(_tiles(source, rows)),
            _alerts(source.stories.alerts()),
            f'<div class="pair">{rate_plot(windows, ends_at, step)}'
            f"{latency_plot(windows, ends_at, step)}</div>",
            _services(frame, source, rows, wish),
            _functions(frame, source, rows, wish),
            _ranks(frame, rows),
            breaker_history(source.stories.breakers(), is_whole=False),
        ]
    )
    return parts.shell(frame, title, main, foot(source))


def _title(rows: Sequence[Row]) -> str:
    down = sum(row.state == "down" for row in rows)
    failing = sum(row.state == "failing" for row in rows)
    told = [f"{down:,} down"] if down else []
    told += [f"{failing:,} failing"] if failing else []
    return ", ".join(told) if told else "All is well"


def _tiles(source: Source, rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    recent = source.history.recent(ALL, RECENT)
    failed = recent.failed / recent.calls if recent.calls else None
    p95 = recent.quantile("p95")
    rate = recent.calls / max(RECENT, source.history.step)
    recovered, degraded, hits, saved = (
        sum(row.data[name] for row in rows) for name in ("recovered", "degraded", "hits", "saved")
    )
    is_open = sum(row.state == "down" for row in rows)
    last = f"last {_span(source)}"
    return [
        ("Calls", rate_text(rate), last),
        ("Failed", parts.share(failed), last),
        ("Latency, p95", parts.seconds(p95), last),
        ("Down", f'<span class="bad">{is_open:,}</span>' if is_open else "0", "of "
         + many(len(rows), "function")),
        ("Failures hidden", f"{recovered + degraded:,}", "by retries and fallbacks"),
        ("Upstream time saved", duration(saved), f"{hits:,} cached answers"),
    ]  # fmt: skip


def _span(source: Source) -> str:
    return spoken(max(RECENT, source.history.step))


def foot(source: Source) -> str:
    """What the figures mean."""
    step = spoken(source.history.step)
    whole = spoken(MOST_WINDOWS * source.history.step)
    return (
        f"Rates, failures and latencies are those of the last {_span(source)}; a point of a plot "
        f"stands for {step}, and a plot for {whole}. Failed are calls that ended neither well nor "
        "by a mistake of their caller's."
    )


def _alerts(alerts: Sequence[Told]) -> str:
    """What has been told of: what is not over first. What several processes told is one row."""
    if not alerts:
        return ""
    told: dict[tuple[str, ...], list[Told]] = {}
    for one in alerts:
        is_over = str(one.kind == "all_clear")
        subject = (one.service, one.function, one.condition or one.text, is_over)
        told.setdefault(subject, []).append(one)
    rows = "".join(_alert(same[0], len(same)) for same in list(told.values())[:_EVENTS])
    return f"<h2>Alerts</h2>{parts.region('Alerts', _events_table(('State', 'What'), rows))}"


def _alert(newest: Told, processes: int) -> str:
    where = f" (the newest of {processes:,} processes)" if processes > 1 else ""
    return (
        f'<tr><td class="left when">{clock_text(newest.at, "%m-%d %H:%M:%S")}</td>'
        f'<td class="left when">{_alert_state(newest.kind)}</td><td class="text">'
        f"{text(_named(newest), 400)}{where}</td></tr>"
    )


def _alert_state(kind: str) -> str:
    if kind == "all_clear":
        return '<span class="good">over</span>'
    return f'<span class="bad">{"alert" if kind == "alert" else "still"}</span>'


def _named(event: Told) -> str:
    return f"{label({'service': event.service, 'function': event.function})}: {event.text}"


def breaker_history(events: Iterable[Told], *, is_whole: bool) -> str:
    """What breakers did, the newest first."""
    shown = list(events)
    if not shown:
        return ""
    most = len(shown) if is_whole else _EVENTS
    rows = "".join(
        f'<tr><td class="left when">{clock_text(event.at, "%m-%d %H:%M:%S")}</td>'
        f'<td class="text">{text(_named(event), 400)}</td></tr>'
        for event in shown[:most]
    )
    table = _events_table(("What",), rows)
    return f"<h2>Breakers</h2>{parts.region('What breakers did', table)}"


def _events_table(heads: Iterable[str], rows: str) -> str:
    drawn = "".join(f'<th class="left" scope="col">{head}</th>' for head in ("When", *heads))
    return f"<table><thead><tr>{drawn}</tr></thead><tbody>{rows}</tbody></table>"


def _address(frame: Frame, wish: Wish, **changes: Any) -> str:
    changed = wish._replace(**changes)
    names = {"sort": "sort", "find": "q", "service": "service", "page": "page"}
    given = {
        names[name]: value
        for name, value in changed._asdict().items()
        if value != Wish._field_defaults[name]
    }
    return escape(f"?{urlencode(given)}" if given else "", quote=True) or f"{frame.base}/"


def _services(frame: Frame, source: Source, rows: Sequence[Row], wish: Wish) -> str:
    services = sorted(service_rows(source, rows), key=SORTS["state"])
    if len(services) < 2:
        return ""
    drawn = "".join(_service(frame, source, row, wish) for row in services[:MOST_SERVICES])
    rest = len(services) - MOST_SERVICES
    more = f'<p class="soft">… and {rest:,} more, which stand better.</p>' if rest > 0 else ""
    table = (
        '<table><thead><tr><th class="name" scope="col">Service</th>'
        '<th class="left" scope="col">State</th><th scope="col" class="less">Functions</th>'
        '<th class="rate" scope="col">Calls/s</th><th scope="col">Failed</th>'
        '<th scope="col">p95</th>'
        '<th class="less" scope="col">Breakers</th><th scope="col" class="less">p95 over time</th>'
        f"</tr></thead><tbody>{drawn}</tbody></table>"
    )
    return f"<h2>Services</h2>{parts.region('Services', table)}{more}"


def _service(frame: Frame, source: Source, row: Row, wish: Wish) -> str:
    address = _address(frame, wish, service=row.key, page=1)
    return (
        f'<tr id="s{row.key}"><th class="name" scope="row"><a href="{address}#functions">'
        f"{parts.name(row.service) or '(none)'}</a></th>"
        f'<td class="left">{parts.state(row.state)}</td>'
        f'<td class="less">{row.data["functions"]:,}</td>'
        f'<td class="rate">{rate_text(row.rate)}</td><td>{parts.share(row.failed)}</td>'
        f'<td>{parts.seconds(row.p95)}</td><td class="less">{parts.breakers(row.now)}</td>'
        f'<td class="less">{spark(source.history.windows(row.key))}</td></tr>'
    )


_HEADS = (
    ("Function", "name", "name"),
    ("State", "state", "left"),
    ("Calls", "calls", "less"),
    ("Calls/s", "rate", "rate"),
    ("Failed", "failed", ""),
    ("p50", "", "less"),
    ("p95", "p95", ""),
    ("Quota left", "quota", "less"),
    ("p95 over time", "", "less"),
)


def _functions(frame: Frame, source: Source, rows: Sequence[Row], wish: Wish) -> str:
    chosen = [row for row in rows if not wish.service or row.service_key == wish.service]
    if wish.find:
        # In what is shown, lest somebody find out secrets by asking for them.
        wanted = mask(wish.find).lower()
        chosen = [row for row in chosen if wanted in mask(label(row.data)).lower()]
    chosen.sort(key=SORTS[wish.sort])
    pages = max(1, -(-len(chosen) // PAGE))
    page = min(wish.page, pages)
    drawn = "".join(
        _function(frame, source, row) for row in chosen[(page - 1) * PAGE : page * PAGE]
    )
    heads = "".join(_head(frame, wish, *head) for head in _HEADS)
    if not chosen:
        drawn = f'<tr><td class="name" colspan="{len(_HEADS)}">No function is like that.</td></tr>'
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{drawn}</tbody></table>"
    return (
        f'<h2 id="functions">Functions</h2>{_tools(frame, wish, chosen)}'
        f"{parts.region('Functions', table)}{_pages(frame, wish, page, pages)}"
    )


def _tools(frame: Frame, wish: Wish, chosen: Sequence[Row]) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in (("sort", wish.sort), ("service", wish.service))
        if value and value != "state"
    )
    service = ""
    if wish.service:
        name = text(chosen[0].service) if chosen else "a service"
        service = f'<span>Of {name}. <a href="{_address(frame, wish, service="")}">All</a></span>'
    return (
        f'<div class="tools"><form method="get" action="{frame.base}/" role="search">{hidden}'
        f'<input type="search" name="q" value="{escape(wish.find)}" maxlength="100" '
        'aria-label="Find functions by name" placeholder="Find by name"><button>Find</button>'
        f"</form>{service}</div>"
    )


def _head(frame: Frame, wish: Wish, name: str, sort: str, kind: str) -> str:
    css = f' class="{kind}"' if kind else ""
    if not sort:
        return f'<th scope="col"{css}>{name}</th>'
    order = ""
    if sort == wish.sort:
        is_rising = sort in ("name", "state", "quota")
        order = f' aria-sort="{"ascending" if is_rising else "descending"}"'
    address = _address(frame, wish, sort=sort, page=1)
    return f'<th scope="col"{css}{order}><a href="{address}#functions">{name}</a></th>'


def _function(frame: Frame, source: Source, row: Row) -> str:
    return (
        f'<tr id="f{row.key}"><th class="name" scope="row">'
        f'<a href="{frame.base}/function/{row.key}">{parts.name(label(row.data))}</a></th>'
        f'<td class="left">{parts.state(row.state)}</td><td class="less">{row.data["calls"]:,}</td>'
        f'<td class="rate">{rate_text(row.rate)}</td><td>{parts.share(row.failed)}</td>'
        f'<td class="less">{parts.seconds(row.p50)}</td><td>{parts.seconds(row.p95)}</td>'
        f'<td class="less">{parts.quota(row.now)}</td>'
        f'<td class="less">{spark(source.history.windows(row.key))}</td></tr>'
    )


def _pages(frame: Frame, wish: Wish, page: int, pages: int) -> str:
    if pages == 1:
        return ""
    links = []
    for name, other in (("Previous", page - 1), ("Next", page + 1)):
        if 1 <= other <= pages:
            links.append(f'<a href="{_address(frame, wish, page=other)}#functions">{name}</a>')
    told = f"Page {page:,} of {pages:,} {' · '.join(links)}"
    return f'<nav class="pages" aria-label="Pages">{told}</nav>'


def _ranks(frame: Frame, rows: Sequence[Row]) -> str:
    slow = [row for row in rows if row.p95 is not None]
    bad = [row for row in rows if row.failed]
    cards = _card(frame, "Slowest", sorted(slow, key=SORTS["p95"]), lambda row: duration(row.p95))
    cards += _card(
        frame, "Most failing", sorted(bad, key=SORTS["failed"]), lambda row: parts.share(row.failed)
    )
    return f"<h2>Where to look</h2><div class='pair'>{cards}</div>" if cards else ""


def _card(frame: Frame, title: str, rows: Sequence[Row], figure: Callable[[Any], str]) -> str:
    if not rows:
        return ""
    drawn = "".join(
        f'<li><a href="{frame.base}/function/{row.key}">{parts.name(label(row.data))}</a>'
        f"<span>{figure(row)}</span></li>"
        for row in rows[:_RANKS]
    )
    return f'<section class="card"><h3>{title}</h3><ol class="ranks">{drawn}</ol></section>'


def wish_of(query: Mapping[str, Sequence[str]]) -> Wish:
    """What an address asks for; what it may not ask for is passed over."""
    sort = query.get("sort", ["state"])[-1]
    page = query.get("page", ["1"])[-1]
    service = query.get("service", [""])[-1]
    is_page = page.isascii() and page.isdecimal() and len(page) < 6
    is_key = len(service) == 16 and set(service) <= set("0123456789abcdef")
    return Wish(
        sort=sort if sort in SORTS else "state",
        find=query.get("q", [""])[-1][:100].strip(),
        service=service if is_key else "",
        page=max(1, int(page)) if is_page else 1,
    )
