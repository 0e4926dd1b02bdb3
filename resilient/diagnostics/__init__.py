"""What listens to the policies and reads the figures: masked log lines, dumps, tables.

Nothing below imports this package; `install` makes it listen.
"""

from __future__ import annotations

from resilient.diagnostics.logs import KINDS, Kind, install, lines, uninstall
from resilient.diagnostics.masking import RULES, Rule, mask, masked
from resilient.diagnostics.reports import (
    Dumper,
    dump_at_exit,
    dump_every,
    dump_stats,
    stats_table,
)
from resilient.diagnostics.sinks import log_to

__all__ = [
    "KINDS",
    "RULES",
    "Dumper",
    "Kind",
    "Rule",
    "dump_at_exit",
    "dump_every",
    "dump_stats",
    "install",
    "lines",
    "log_to",
    "mask",
    "masked",
    "stats_table",
    "uninstall",
]
