"""What every shared store is underneath: bytes under bytes keys, in groups that can be dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

Epochs = tuple[int, ...]
"""One number a group, another one after each drop of it; 0 for a group that never was dropped."""

DAY = 86_400.0
"""Seconds for which a store knows that a group was dropped: longer than any call is on its way."""

LEEWAY = 300_000_000
"""Microseconds that the clocks of machines may differ by."""


class StoreFailed(Exception):
    """A store did not do what it was asked to.

    The text is for people, and has neither credentials nor what a server sent. only_writes: what
    was kept may still be read.
    """

    def __init__(self, text: str, *, only_writes: bool = False) -> None:
        super().__init__(text)
        self.only_writes = only_writes


class ByteStore(Protocol):
    """Safe under threads; what it can't do within its bound raises StoreFailed.

    label: names the store in messages, without credentials.
    set: keep bytes for `lives` seconds at most. False if a group's epoch is not the one in `epochs`
        (None: any), if the store holds something newer under this key, or if it is too large.
        written: Unix microseconds, as they stand in the sealed bytes.
    drop: forget what is kept in one of the groups, and give the groups other epochs.
    count: how many keys of a group are kept.
    renew_in_child: give up what a forked child must not share with its parent.
    """

    label: str

    def get(self, key: bytes) -> bytes | None: ...

    def set(
        self,
        key: bytes,
        sealed: bytes,
        *,
        written: int,
        lives: float,
        groups: Sequence[bytes] = (),
        epochs: Epochs | None = None,
    ) -> bool: ...

    def delete(self, keys: Sequence[bytes]) -> None: ...

    def epochs(self, groups: Sequence[bytes]) -> Epochs: ...

    def drop(self, groups: Sequence[bytes]) -> None: ...

    def count(self, group: bytes) -> int: ...

    def close(self) -> None: ...

    def renew_in_child(self) -> None: ...
