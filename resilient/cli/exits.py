"""How the command ends."""

from __future__ import annotations

FINE = 0
FOUND = 1
"""The audit found something, the stack is odd, or the logs hold no figures."""
USAGE = 2
INTERRUPTED = 130
"""By Ctrl-C: 128 and the signal's number, as shells have it."""
NOBODY_READS = 141


class UsageError(Exception):
    """The command can't do what it was asked for; the message says why, and what to do."""
