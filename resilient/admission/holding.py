"""What calls hold of a throttle while it changes hands: between requests, and between calls.

A call holds one permit at most, and gives each back once, whatever its own threads do meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from resilient.admission.permit import Permit
from resilient.admission.quota import Quota
from resilient.call import Call, Gate
from resilient.timing import clock

_moving = threading.Lock()
"""Guards `is_held` and `is_over` of permits, and the changes of `call.admissions`."""


class Holdings:
    """The permits of one throttle, by call.

    default: the quota of calls that took one slot of it without leaving a permit behind.
    """

    __slots__ = ("_default", "_gate", "nothing")

    def __init__(self, gate: Gate, default: Quota) -> None:
        self._gate = gate
        self._default = default
        # What such a call holds once it has given its slot back, for all of them.
        over = Permit(default)
        over.is_over = True
        self.nothing: Mapping[Gate, Any] = {gate: over}

    def begin(self, call: Call, permit: Permit) -> None:
        """File the permit that a call is about to ask for."""
        with _moving:
            call.admissions = {**(call.admissions or {}), self._gate: permit}
            call.admitted_from = len(call.exchanges)

    def known(self, call: Call) -> Permit | None:
        """The permit of a call, if it has left one."""
        found: Permit | None = call.admissions.get(self._gate) if call.admissions else None
        return found

    def of(self, call: Call) -> Permit:
        """The permit of a call."""
        with _moving:
            return self._of_locked(call)

    def take_back(self, call: Call, *, is_over: bool = False) -> Permit | None:
        """What the call holds, which it holds no longer; None if it is nothing."""
        with _moving:
            permit = self._of_locked(call)
            was_held, permit.is_held = permit.is_held, False
            permit.is_over = permit.is_over or is_over
        return permit if was_held else None

    def keep(self, permit: Permit) -> bool:
        """Hold what was taken, unless the call is over or holds something by now."""
        with _moving:
            keeps = not (permit.is_over or permit.is_held)
            permit.is_held = keeps or permit.is_held
        return keeps

    def inherit(self, call: Call, permit: Permit) -> bool:
        """Take over what the calls around this one hold and don't need while they wait for it.

        Otherwise a function that calls another one of the same vendor would wait for itself. The
        first request of the call around may be this call's; a request that it has sent is done.
        """
        inherited = False
        around = call.parent
        while around is not None:
            if self._gate in around.target.gates:
                with _moving:
                    other = self._of_locked(around)
                    is_ours = other.is_held and other.quota is permit.quota
                    is_unspent = is_ours and around.spend_admission()
                    takes_over = is_unspent and not inherited and other.cost == permit.cost
                    if is_ours:
                        other.is_held = False
                inherited = inherited or takes_over
                if takes_over:
                    other.quota.hand_over(other, permit)
                if is_ours and not takes_over:
                    other.quota.give(other)
            around = around.parent
        if inherited and permit.quota.paused_until > clock.monotonic():
            permit.quota.give(permit)
            return False
        return inherited

    def _of_locked(self, call: Call) -> Permit:
        known = call.admissions or {}
        permit: Permit | None = known.get(self._gate)
        if permit is None:
            permit = Permit(self._default, who=call.target.label)
            permit.is_held = True
            call.admissions = {**known, self._gate: permit}
        return permit
