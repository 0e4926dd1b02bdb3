"""What all pages have in common, and the small parts they are made of."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any, NamedTuple

from resilient.diagnostics.dashboard.assets import ASSETS
from resilient.diagnostics.dashboard.view import Now, quota_share
from resilient.diagnostics.masking import mask
from resilient.diagnostics.tables import duration

LONGEST = 160
"""Characters of a name that are shown."""

REFRESH = 15
"""Seconds after which a browser without scripts loads the page again."""


class Frame(NamedTuple):
    """Where and for whom a page is made.

    base: the path that the dashboard is mounted at, without a slash at its end, escaped for HTML.
    role: None before the login. source: what the figures are of. period: seconds between two
    looks of a browser. has_login: can one log out?
    """

    base: str
    role: str | None
    source: str
    period: float
    has_login: bool


def document(frame: Frame, title: str, body: str, *, is_live: bool = True) -> str:
    """A whole page. title: plain text; body: HTML."""
    style, script, icon = (
        frame.base + ASSETS[path].address for path in ("/style.css", "/script.js", "/icon.svg")
    )
    live = (
        f'<noscript><meta http-equiv="refresh" content="{REFRESH}"></noscript>'
        f'<script src="{script}" defer></script>'
        if is_live
        else ""
    )
    return (
        f'<!doctype html><html lang="en" data-period="{frame.period:g}"><head>'
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="robots" content="noindex"><title>{text(title)} · resilient</title>'
        f'<link rel="stylesheet" href="{style}"><link rel="icon" href="{icon}">{live}</head><body>'
        f"{body}</body></html>"
    )


def shell(frame: Frame, title: str, main: str, foot: str) -> str:
    """A page with its head and foot. title: plain text; main and foot: HTML."""
    out = ""
    if frame.has_login:
        out = (
            f'<form method="post" action="{frame.base}/login">'
            '<input type="hidden" name="leave" value="1">'
            f"<button>Log out ({escape(frame.role or '')})</button></form>"
        )
    body = (
        '<a class="skip" href="#main">Skip to the content</a>'
        f'<header><a class="name" href="{frame.base}/">resilient</a>'
        f'<span class="source">{frame.source}</span>'
        f'<span id="live" role="status" hidden>Live</span>{out}</header>'
        f'<main id="main" tabindex="-1">{main}</main><footer><p>{foot}</p></footer>'
    )
    return document(frame, title, body)


def login(frame: Frame, message: str) -> str:
    """The form that asks for a token."""
    body = (
        f'<main class="login"><h1>resilient</h1><p id="why" role="alert">{text(message)}</p>'
        f'<form method="post" action="{frame.base}/login"><label for="token">Token</label>'
        '<input id="token" name="token" type="password" autocomplete="current-password" '
        'required maxlength="500" aria-describedby="why" autofocus>'
        "<button>Log in</button></form></main>"
    )
    return document(frame, "Log in", body, is_live=False)


def notice(frame: Frame, title: str, message: str) -> str:
    """A page that only says something."""
    body = (
        f'<main class="login"><h1>{text(title)}</h1><p>{text(message)}</p>'
        f'<p><a href="{frame.base}/">To the overview</a></p></main>'
    )
    return document(frame, title, body, is_live=False)


def text(value: object, most: int = LONGEST) -> str:
    """Anything, masked and escaped; of what is long, the beginning and the end."""
    shown = mask(str(value))
    if len(shown) > most:
        half = (most - 1) // 2
        shown = f"{shown[:half]}…{shown[-half:]}"
    # What is not printable could turn a line around, or pretend to be something else.
    return escape("".join(sign if sign.isprintable() else "\ufffd" for sign in shown))


def name(value: str) -> str:
    """A dotted name, masked and escaped, that is broken at its dots if at all."""
    return text(value).replace(".", ".<wbr>")


def tiles(facts: Iterable[tuple[str, str, str]]) -> str:
    """Large figures: what it is, the figure as HTML, and a note as HTML."""
    drawn = "".join(
        f"<div><dt>{what}</dt><dd>{figure}"
        + (f'<span class="note">{note}</span>' if note else "")
        + "</dd></div>"
        for what, figure, note in facts
    )
    return f'<dl class="tiles">{drawn}</dl>'


_SIGNS = {
    "down": ("✕", "bad"),
    "failing": ("!", "bad"),
    "probing": ("?", "odd"),
    "paused": ("‖", "odd"),
    "fine": ("✓", "good"),
    "quiet": ("·", "soft"),
}


def state(name: str) -> str:
    """How a function stands: by word, sign and color."""
    sign, kind = _SIGNS[name]
    return f'<span class="state {kind}"><b aria-hidden="true">{sign}</b>{name}</span>'


def share(value: float | None) -> str:
    """A share of failures in percent."""
    if value is None:
        return '<span class="soft">–</span>'
    kind = "bad" if value >= 0.1 else "odd" if value >= 0.01 else ""
    shown = "0 %" if not value else "100 %" if value == 1 else f"{min(value * 100, 99.9):.1f} %"
    return f'<span class="{kind}">{shown}</span>' if kind else shown


def seconds(value: float | None) -> str:
    """A duration, or a dash."""
    return '<span class="soft">–</span>' if value is None else duration(value)


def quota(now: Now) -> str:
    """What is left of a quota."""
    left = quota_share(now)
    if left is None or now.throttle is None:
        return '<span class="soft">–</span>'
    kind = "bad" if left < 0.05 else "odd" if left < 0.2 else ""
    shown = f"{now.throttle['remaining']:,.0f} of {now.throttle['limit']:,.0f}"
    return f'<span class="{kind}">{shown}</span>' if kind else shown


def breakers(now: Now) -> str:
    """The states of a function's breakers, in one or many processes."""
    counts: dict[Any, int] = {}
    for one in now.breakers:
        counts[one] = counts.get(one, 0) + 1
    if not counts:
        return '<span class="soft">–</span>'
    if len(counts) == 1:
        return escape(next(iter(counts)))
    return escape(", ".join(f"{count} {name}" for name, count in counts.items()))


def region(label: str, inside: str) -> str:
    """What may be wider than the screen, so that it scrolls by keyboard too. label: plain text."""
    return (
        f'<div class="wide" role="region" tabindex="0" aria-label="{escape(label)}">{inside}</div>'
    )
