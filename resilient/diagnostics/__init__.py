"""What listens to the policies and reads the figures: masked log lines, dumps, tables.

Nothing below imports this package; `install` makes it listen.
"""

from __future__ import annotations

from resilient.diagnostics import logs
from resilient.diagnostics.alerts import (
    Alert,
    AlertRule,
    Sender,
    Webhook,
    active_alerts,
    alert,
    check_alerts,
    webhook,
)
from resilient.diagnostics.logs import KINDS, Kind, lines, uninstall
from resilient.diagnostics.masking import mask, masked
from resilient.diagnostics.protect import protect
from resilient.diagnostics.publishing import publish_by_default, publish_stats
from resilient.diagnostics.reports import (
    dump_at_exit,
    dump_every,
    dump_stats,
)
from resilient.diagnostics.sheets import stats_table
from resilient.diagnostics.signals import dump_on_signal
from resilient.diagnostics.sinks import log_to
from resilient.diagnostics.standard import MaskingFilter, protect_logging
from resilient.diagnostics.story import story_of


def install() -> None:
    """Have a line written for every noteworthy step from now on, and figures published where they
    are shared: see `publish_stats`.
    """
    logs.install()
    publish_by_default()


__all__ = [
    "KINDS",
    "Alert",
    "AlertRule",
    "Kind",
    "MaskingFilter",
    "Sender",
    "Webhook",
    "active_alerts",
    "alert",
    "check_alerts",
    "dump_at_exit",
    "dump_every",
    "dump_on_signal",
    "dump_stats",
    "install",
    "lines",
    "log_to",
    "mask",
    "masked",
    "protect",
    "protect_logging",
    "publish_stats",
    "stats_table",
    "story_of",
    "uninstall",
    "webhook",
]
