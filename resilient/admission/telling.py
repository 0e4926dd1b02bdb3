"""What people read of a throttle: who waits, for how long, why, and when it ends."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from resilient.admission.answer import Answer, News
from resilient.admission.permit import Permit
from resilient.admission.quota import Quota
from resilient.timing import clock

_DAY = 86400.0
_VERBS = {"paused": "pause", "slowed": "slow"}


class ThrottleView(NamedTuple):
    """What a function's throttle knows at one moment.

    limit, remaining: requests per window, and what is left of them, by the vendor's word if there
    is one, else by the rate; None where nobody told. resets_at: when that changes. waiting: calls
    in line, over all keys. paused_until: until when the vendor wants no request. slowed_to:
    requests a second after refusals without a word, None where nothing is slowed.
    """

    limit: float | None
    remaining: float | None
    resets_at: datetime | None
    waiting: int
    paused_until: datetime | None
    slowed_to: float | None

    def __str__(self) -> str:
        parts = []
        if self.remaining is not None:
            of = "" if self.limit is None else f" of {self.limit:g}"
            parts.append(f"{self.remaining:g}{of} calls left")
        for told, at in (("resets at", self.resets_at), ("paused until", self.paused_until)):
            if at is not None:
                parts.append(f"{told} {at.astimezone():%H:%M:%S}")
        if self.slowed_to is not None:
            parts.append(f"slowed down to {self.slowed_to:.3g}/s")
        parts.append(f"{self.waiting} wait" if self.waiting else "nobody waits")
        return ", ".join(parts)

    def plain(self) -> dict[str, Any]:
        """The same as plain data, times as Unix seconds."""
        moments = {"resets_at": self.resets_at, "paused_until": self.paused_until}
        return self._asdict() | {name: at and at.timestamp() for name, at in moments.items()}


def view_of(quotas: Sequence[Quota], who: str, waiting: int) -> ThrottleView:
    """The view of the quota with the least left."""
    plain = plain_view_of(quotas, who, waiting)
    moments = {name: _moment(plain[name]) for name in ("resets_at", "paused_until")}
    return ThrottleView(**(plain | moments))


def plain_view_of(quotas: Sequence[Quota], who: str, waiting: int) -> dict[str, Any]:
    """As of ThrottleView.plain, without the way there: a dump asks this of every function."""
    now = clock.monotonic()
    if len(quotas) == 1:
        return _view(quotas[0], who, waiting, now)
    views = [_view(quota, who, waiting, now) for quota in quotas]
    return min(views, key=lambda view: math.inf if view["remaining"] is None else view["remaining"])


def told_of(news: News, answer: Answer, *, observes: bool) -> tuple[str, str, Mapping[str, Any]]:
    """The kind, the text and the facts of a step that tells what an answer changed."""
    verb = _VERBS.get(news.kind, "")
    kind, does = (
        (f"would_{verb}", f"would {verb}") if observes and verb else (news.kind, f"{verb}s")
    )
    if news.kind == "paused":
        why = news.of or f"the vendor answered {answer.why} and asked for it"
        whom = "all who spend it" if news.is_scoped else "everybody"
        text = f"{does} {whom} for {news.seconds:.3g} s: {why}{_until(news.seconds)}"
        return kind, text, {"pause": news.seconds}
    if news.kind == "slowed":
        text = (
            f"{does} down to {news.rate:.3g} requests/s: the vendor answered {answer.why} without "
            "a word for how long"
        )
        return kind, text, {"rate": news.rate}
    if news.kind == "forecast" and news.forecast is not None:
        gone_in, resets_in = news.forecast
        text = (
            f"at this pace the quota is gone at {_clock_time(gone_in)}, "
            f"{_duration(resets_in - gone_in)} before its reset ({news.of})"
        )
        return "forecast", text, {"gone_in": gone_in, "resets_in": resets_in}
    text = (
        "the vendor asked for a longer wait than anybody should make; waits "
        f"{news.seconds / 3600:g} hours at most and asks again (told once)"
    )
    return "capped", text, {"pause": news.seconds}


def why_waiting(quota: Quota, permit: Permit, needed: float) -> str:
    """What a caller waits for, for how long and until when."""
    others = len(quota.line.waiting)
    behind = f", {others} in line" if others else ""
    return f"waits {needed:.3g} s for {quota}{_reason(quota, permit)}{_until(needed)}{behind}"


def refusal_text(quota: Quota, permit: Permit, needed: float) -> str:
    """Why there is no room. needed: seconds, 0 where nobody can tell."""
    how_long = f"{needed:.3g} s more" if needed > 0 else "now"
    return f"{quota} has no room for {how_long}{_reason(quota, permit)}"


def _reason(quota: Quota, permit: Permit) -> str:
    now = clock.monotonic()
    if quota.paused_until > now:
        return ": the vendor asked for a pause"
    bucket = quota.binding(permit.who, now)
    if bucket is not None and bucket.lacks_room(now):
        return f": {bucket}"
    if quota.cubic is not None:
        return f": slowed down to {quota.cubic.rate(now):.3g} requests/s after refusals"
    return ""


def _view(quota: Quota, who: str, waiting: int, now: float) -> dict[str, Any]:
    bucket = quota.binding(who, now)
    limit: float | None = None
    remaining: float | None = None
    resets_at: float | None = None
    if bucket is not None:
        limit, remaining, resets_at = bucket.limit, bucket.left, bucket.resets_at
    elif quota.logs:
        log, remaining = quota.logs[0], quota.logs[0].free
        for other in quota.logs[1:]:
            left = other.free
            if left / other.rate.calls < remaining / log.rate.calls:
                log, remaining = other, left
        limit = log.rate.calls
        resets_at = log.full_at if remaining < limit else None
    cubic = quota.cubic
    since_epoch = clock.time() - now
    return {
        "limit": limit,
        "remaining": remaining,
        "resets_at": None if resets_at is None else since_epoch + resets_at,
        "waiting": waiting,
        "paused_until": since_epoch + quota.paused_until if quota.paused_until > now else None,
        "slowed_to": None if cubic is None else cubic.rate(now),
    }


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, timezone.utc)


def _until(seconds: float) -> str:
    return f", until {_clock_time(seconds)}" if seconds >= 0.95 else ""


def _clock_time(seconds: float) -> str:
    """The local time of day in so many seconds, with the date if that is another day."""
    then = time.localtime(clock.time() + seconds)
    return time.strftime("%H:%M:%S" if seconds < _DAY / 2 else "%Y-%m-%d %H:%M", then)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
