"""What is looked for, and what a finding says."""

from __future__ import annotations

from typing import NamedTuple


class Rule(NamedTuple):
    """One thing that goes wrong in production, and what to do about it."""

    id: str
    name: str
    summary: str
    remedy: str
    level: str
    """As SARIF has it: "error" or "warning"."""


class Finding(NamedTuple):
    """One place. line and column count from 1, columns in characters.

    function: its qualified name, `<module>` for what runs on import.
    also_lines: other lines on which a comment may say that this is meant.
    """

    rule: str
    path: str
    line: int
    column: int
    function: str
    message: str
    remedy: str
    also_lines: tuple[int, ...] = ()


class Problem(NamedTuple):
    """A file that could not be looked at."""

    path: str
    line: int
    message: str


MODULE = "<module>"

UNDECORATED = Rule(
    "RES001",
    "undecorated-call",
    "A vendor is called outside of any function that resilient decorates.",
    'Put @service("name") on the function, and @retry, @breaker, @throttled as they fit.',
    "warning",
)
NO_TIMEOUT = Rule(
    "RES002",
    "no-timeout",
    "A request may wait for ever: it has no timeout, and neither has its client.",
    'Give it timeout= in seconds, or put @service("name", timeout=…) on the function.',
    "error",
)
RETRY_LOOP = Rule(
    "RES003",
    "bare-retry-loop",
    "A loop repeats a failed request by hand: without a budget, jitter, or regard for Retry-After.",
    "Take the loop out and put @retry(attempts=…) on the function.",
    "warning",
)
TLS_OFF = Rule(
    "RES004",
    "tls-verification-off",
    "The vendor's certificate is not verified: anybody on the way can read and answer.",
    "Verify it; for a private authority give its file: verify='ca.pem', or "
    "ssl.create_default_context(cafile=…).",
    "error",
)

RULES: dict[str, Rule] = {rule.id: rule for rule in (UNDECORATED, NO_TIMEOUT, RETRY_LOOP, TLS_OFF)}
