"""The figures as rich's tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from resilient.diagnostics import tables as plain

_Row = Callable[[Mapping[str, Any]], list[str]]


def tables(snapshot: Mapping[str, Any], most: int | None = None) -> Group:
    """What stats_table says. most: rows of a table, beside the one of all."""
    functions = snapshot["functions"]
    total = plain.total_of(functions)
    shown = functions[:most]
    parts: list[Any] = [Text(plain.title(snapshot), "bold"), Text()]
    parts.append(_table(plain.heads(snapshot), shown, total, plain.calls_row))
    if len(shown) < len(functions):
        parts.append(Text(f"… and {len(functions) - len(shown):,} more", "dim"))
    if any(plain.saved_by(total)):
        parts += [Text(), _table(plain.SAVINGS, shown, total, plain.savings_row)]
    return Group(*parts, Text(), Text(plain.savings_sentence(total)))


def _table(
    heads: Sequence[str],
    functions: Sequence[Mapping[str, Any]],
    total: Mapping[str, Any],
    row: _Row,
) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    # Names are folded where numbers need the room.
    table.add_column(heads[0], overflow="fold", min_width=12)
    for head in heads[1:]:
        table.add_column(head, justify="right", no_wrap=True)
    for data in functions:
        # As Text: a name may look like rich's markup.
        table.add_row(*map(Text, row(data)), style=_style(data))
    table.add_section()
    table.add_row(*map(Text, row(total)), style="bold")
    return table


def _style(data: Mapping[str, Any]) -> str:
    failed = data["calls"] - data["outcomes"].get("ok", 0)
    share = failed / data["calls"] if data["calls"] else 0.0
    return "red" if share >= 0.1 else "yellow" if share >= 0.01 else ""
