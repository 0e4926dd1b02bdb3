"""A quota for each key of a throttle, such as a credential or tenant, in bounded memory."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from resilient.admission.quota import Quota

FULL = 4
"""Times `most`, which quotas stay under even while they still count something."""

_LOOK = 8
"""Of the oldest quotas, how many one call looks at beyond those that are too many."""


class KeyedQuotas:
    """The quotas of one throttle, by key. `_lock` guards `by_key` and the quotas' `users`."""

    __slots__ = ("_lock", "_make", "_most", "by_key")

    def __init__(self, make: Callable[[Hashable], Quota], most: int) -> None:
        self.by_key: OrderedDict[Hashable, Quota] = OrderedDict()
        self._make = make
        self._most = most
        self._lock = threading.Lock()

    def hold(self, key: Hashable) -> Quota:
        """The quota of a key, which is kept until it is let go of."""
        with self._lock:
            quota = self.by_key.get(key)
            if quota is None:
                quota = self.by_key[key] = self._make(key)
            quota.users += 1
            self.by_key.move_to_end(key)
            self._forget_locked()
        return quota

    def let_go(self, quota: Quota) -> None:
        """One user less."""
        with self._lock:
            quota.users -= 1

    def items(self) -> list[tuple[Hashable, Quota]]:
        """Those that are kept now, with their keys."""
        with self._lock:
            return list(self.by_key.items())

    def all(self) -> list[Quota]:
        """Those that are kept now."""
        with self._lock:
            return list(self.by_key.values())

    def _forget_locked(self) -> None:
        """Keep at most `most`, the oldest idle ones going first.

        Those that still count something stay, up to FULL times as many: keys that a user chooses
        must not fill the memory. Those that calls hold on to stay in any case.
        """
        surplus = len(self.by_key) - self._most
        if surplus <= 0:
            return
        # The bound on the work of one call.
        for key in list(itertools.islice(self.by_key, min(surplus, _LOOK) + _LOOK)):
            quota = self.by_key[key]
            is_full = len(self.by_key) > self._most * FULL and not quota.users
            if surplus > 0 and (quota.is_idle or is_full):
                del self.by_key[key]
                surplus -= 1
