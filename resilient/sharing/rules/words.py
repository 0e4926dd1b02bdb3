"""What the vendor has told any worker, for all of them: words, pauses, and what is left."""

from __future__ import annotations

import math
from collections.abc import Sequence

from resilient.sharing.shapes import NEVER, Ask, Word

MOST_WORDS = 64
"""Keys; of more, those go whose requests left first."""

DAY = 86_400.0


class Kept:
    """A word that was heard. Moments are those of the store's clock.

    number: grows with each word. used: slots that may have gone without being counted in `left`.
    """

    __slots__ = ("key", "left", "number", "paused_until", "resets_at", "sent", "text", "used")

    def __init__(
        self,
        key: str,
        text: str,
        sent: float,
        left: float | None,
        resets_at: float,
        paused_until: float,
        number: int,
        used: int,
    ) -> None:
        self.key = key
        self.text = text
        self.sent = sent
        self.left = left
        self.resets_at = resets_at
        self.paused_until = paused_until
        self.number = number
        self.used = used


class Words:
    """by_key: the newest of each. told: the number of the newest of all. paused_until: nobody sends
    anything before."""

    UNSURE = 60.0
    """Seconds after a reset for which one slot at a time goes, to hear what is left now; and for
    which a `left` is believed whose reset is unknown."""

    __slots__ = ("by_key", "paused_until", "told")

    def __init__(self) -> None:
        self.by_key: dict[str, Kept] = {}
        self.told = 0
        self.paused_until = 0.0

    def hear(self, words: Sequence[Word], held: int, now: float) -> None:
        """held: slots that workers have; the vendor may not have counted their requests yet."""
        gone = [key for key, kept in self.by_key.items() if kept.resets_at + self.UNSURE <= now]
        for key in gone:
            del self.by_key[key]
        for word in words:
            sent = now - max(0.0, word.age)
            paused_until = now + min(max(0.0, word.pause), DAY)
            self.paused_until = max(self.paused_until, paused_until)
            former = self.by_key.get(word.key)
            if former is not None and former.sent > sent:
                continue
            resets_at = sent + DAY
            if word.resets_in is not None:
                resets_at = min(resets_at, now + max(0.0, word.resets_in))
            elif word.left is not None:
                resets_at = max(now, sent + self.UNSURE)
            left = word.left if word.left is not None and math.isfinite(word.left) else None
            self.told += 1
            self.by_key[word.key] = Kept(
                word.key, word.text, sent, left, resets_at, paused_until, self.told, held
            )
        while len(self.by_key) > MOST_WORDS:
            del self.by_key[min(self.by_key.values(), key=lambda kept: kept.sent).key]

    def news(self, seen: int, told: int, now: float) -> tuple[Word, ...]:
        """The words after number `seen` up to `told`, their times as they are now."""
        if seen > self.told:  # of a ledger that was lost
            seen = 0
        if seen >= told:
            return ()
        return tuple(
            Word(
                kept.key,
                kept.text,
                now - kept.sent,
                kept.left,
                kept.resets_at - now,
                max(0.0, kept.paused_until - now),
            )
            for kept in self.by_key.values()
            if seen < kept.number <= told and now < kept.resets_at
        )

    def most(self, ask: Ask, held: int, now: float) -> tuple[int, float]:
        """How many slots may be given by what is left, and seconds until that may be more."""
        most, wait = ask.want, 0.0
        for key in ask.spends:
            kept = self.by_key.get(key)
            if kept is None or kept.left is None or kept.resets_at + self.UNSURE <= now:
                continue
            if now < kept.resets_at:
                may, until = int(kept.left) - kept.used, kept.resets_at - now
            elif held:
                may, until = 0, NEVER
            else:
                may, until = (ask.want if ask.whole else 1), NEVER
            if may < ask.want:
                most, wait = max(0, min(most, may)), max(wait, until)
        return most, wait

    def gave(self, count: int) -> None:
        """Slots were given (or, below 0, came back unused): `left` does not count them."""
        for kept in self.by_key.values():
            kept.used = max(0, kept.used + count)
