"""What one answer means for a quota, and what it changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from resilient.admission.bucket import Forecast, Told


class Answer(NamedTuple):
    """What one answer means for a quota.

    who, host: which function asked whom. sent, at: when, and when it was answered (monotonic
    seconds). refused: for rate. wait: seconds to stay away; None if it refused and did not say.
    why: its status or error, for people. windows: for each of the vendor's quotas its name, what is
    told, and whether it counts requests; the binding one first. scope: the resource that the answer
    names. scoped: the wait is for the first window's quota alone.
    """

    who: str
    host: str
    sent: float
    at: float
    refused: bool
    wait: float | None
    why: str = ""
    windows: Sequence[tuple[str, Told, bool]] = ()
    scope: str = ""
    scoped: bool = False


class News(NamedTuple):
    """What an answer changed, to be told without a lock.

    kind: "paused", "slowed", "capped" or "forecast". seconds: the pause. of: the vendor's quota it
    is about. is_scoped: it pauses those alone who spend that. rate: requests a second.
    """

    kind: str
    seconds: float = 0.0
    of: str = ""
    is_scoped: bool = False
    rate: float = 0.0
    forecast: Forecast | None = None
