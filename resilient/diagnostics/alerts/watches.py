"""From readings to news: how long a condition has to hold, and when it is told again."""

from __future__ import annotations

import math


class Watch:
    """One condition of one subject: quiet, then true for a while, then told, then over.

    What comes back within the cooldown is told when that is over, if it still is so. Not locked:
    its owner is.
    """

    __slots__ = (
        "_bad_since",
        "_better_since",
        "_told_at",
        "firing_since",
        "times",
        "unknown_since",
    )

    def __init__(self) -> None:
        self.firing_since: float | None = None
        """Monotonic seconds, since when it has been true; None before it has held long enough."""
        self.times = 0
        """How often it was told since then, or the last time it was true."""
        self.unknown_since: float | None = None
        self._bad_since: float | None = None
        self._better_since: float | None = None
        self._told_at = -math.inf

    def hear(self, is_bad: bool | None, now: float, hold: float, cooldown: float) -> str | None:
        """Take the newest reading; the kind of news, if there is any.

        is_bad: None if there was too little to go by. That ends what is not told yet, and after a
        cooldown of it what is.
        """
        if is_bad is None:
            self._bad_since = self._better_since = None
            if self.unknown_since is None:
                self.unknown_since = now
            return self._end() if now - self.unknown_since >= cooldown else None
        self.unknown_since = None
        if not is_bad:
            self._bad_since = None
            if self._better_since is None:
                self._better_since = now
            return self._end() if now - self._better_since >= hold else None
        self._better_since = None
        if self._bad_since is None:
            self._bad_since = now
        if self.firing_since is None:
            if now - self._bad_since < hold:
                return None
            self.firing_since = self._bad_since
            self.times = 0
        if now - self._told_at < cooldown:
            return None
        self._told_at = now
        self.times += 1
        return "alert" if self.times == 1 else "escalated"

    def is_idle(self, now: float, cooldown: float) -> bool:
        """Would a new one do the same?"""
        is_quiet = self.firing_since is None and self._bad_since is None
        return is_quiet and now - self._told_at >= cooldown

    def _end(self) -> str | None:
        was_told = self.firing_since is not None and self.times > 0
        self.firing_since = None
        return "all_clear" if was_told else None
