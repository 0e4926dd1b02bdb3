"""What one call holds of a quota."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from resilient.admission.leases import Leases
from resilient.admission.pacing import Ramp

if TYPE_CHECKING:
    from resilient.admission.quota import Quota


class Permit:
    """What one call holds of a quota. The throttle guards it while it changes hands.

    who: the function, by its label; what it has been seen to spend is what it needs.
    is_held: there are slots to give back. is_over: the call has ended; whoever of its threads still
    sends a request gives its slots back at once.
    until: when its call stops waiting (monotonic seconds). ramps: where its request counts as under
    way. leases: of whose slots it holds some, where workers share them. Both are guarded by the
    lock of the quota.
    """

    __slots__ = ("cost", "is_held", "is_over", "leases", "quota", "ramps", "until", "urgent", "who")

    def __init__(self, quota: Quota, cost: int = 1, who: str = "", *, urgent: bool = False) -> None:
        self.quota = quota
        self.cost = cost
        self.who = who
        self.urgent = urgent
        self.is_held = False
        self.is_over = False
        self.until = -math.inf
        self.ramps: tuple[Ramp, ...] = ()
        self.leases: tuple[Leases, ...] = ()
