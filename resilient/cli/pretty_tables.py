"""The figures as rich's tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from resilient.diagnostics import tables as plain
from resilient.diagnostics.sheets import Sheet, sheets


def tables(snapshot: Mapping[str, Any], most: int | None = None) -> Group:
    """What stats_table says. most: rows of a table, beside the one of all."""
    functions = snapshot["functions"]
    parts: list[Any] = [Text(plain.title(snapshot), "bold")]
    for sheet in sheets(snapshot):
        parts += [Text(), _table(sheet, most)]
        if most is not None and len(sheet.rows) > most:
            parts.append(Text(f"… and {len(sheet.rows) - most:,} more", "dim"))
    return Group(*parts, Text(), Text(plain.savings_sentence(plain.total_of(functions))))


def _table(sheet: Sheet, most: int | None) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    # Names are folded where numbers need the room.
    table.add_column(sheet.heads[0], overflow="fold", min_width=12)
    for head in sheet.heads[1:]:
        table.add_column(head, justify="right", no_wrap=True)
    for row in sheet.rows[:most]:
        # As Text: a name may look like rich's markup.
        table.add_row(*map(Text, row.cells), style="" if row.data is None else _style(row.data))
    if sheet.total is not None:
        table.add_section()
        table.add_row(*map(Text, sheet.total), style="bold")
    return table


def _style(data: Mapping[str, Any]) -> str:
    failed = data["calls"] - data["outcomes"].get("ok", 0)
    share = failed / data["calls"] if data["calls"] else 0.0
    return "red" if share >= 0.1 else "yellow" if share >= 0.01 else ""
