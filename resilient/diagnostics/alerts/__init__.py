"""Alerts: conditions over sliding windows of the figures, told to people when they come true.

Nothing here runs during a call. A thread looks at the registry every few seconds, or `check_alerts`
does.

    rules       what is watched for, as data
    windows     figures of the last minutes             gauges     what breakers and quotas say now
    readings    both against a rule                     unusual    against a function's own past
    watches     hold, cooldown, all-clear
    engine      the rules in force, and one look        watcher    `alert`, and the thread
    telling     the log and callables                   webhook    a message to Slack, or as JSON
    loops       no receiver is told of itself
"""

from __future__ import annotations

from resilient.diagnostics.alerts.engine import AlertRule
from resilient.diagnostics.alerts.rules import Rule
from resilient.diagnostics.alerts.telling import Alert, Receiver, Sender
from resilient.diagnostics.alerts.watcher import (
    active_alerts,
    alert,
    check_alerts,
)
from resilient.diagnostics.alerts.webhook import Webhook, webhook

__all__ = [
    "Alert",
    "AlertRule",
    "Receiver",
    "Rule",
    "Sender",
    "Webhook",
    "active_alerts",
    "alert",
    "check_alerts",
    "webhook",
]
