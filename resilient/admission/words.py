"""What the vendor has told one worker, in words for the others."""

from __future__ import annotations

import functools
import json
import math
from typing import Any

from resilient.admission.answer import Answer
from resilient.admission.bucket import Told
from resilient.admission.buckets import Key
from resilient.sharing.naming import hashed
from resilient.sharing.shapes import Word

PAUSE = "pause"
REFUSED = "refused"

_MOST = 4000
"""Characters of a text that is worth reading."""


@functools.lru_cache(maxsize=1024)
def key_of(quota: Key) -> str:
    """What one of the vendor's quotas is called in the store: headers may name anything."""
    return hashed(quota)


class Words:
    """What is new for the others; the newest word of each key. Guarded by the lock of a quota."""

    __slots__ = ("_new",)

    def __init__(self) -> None:
        self._new: dict[str, tuple[float, Answer, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._new)

    def note(self, answer: Answer) -> None:
        """Tell the others what this answer says; a pause is told by itself."""
        for place, (name, told, _) in enumerate(answer.windows):
            quota = (answer.host, answer.scope, name, str(told.limit or ""))
            self._put(key_of(quota), answer, place)
        if answer.refused and not answer.windows and answer.wait is None:
            self._put(REFUSED, answer, -1)

    def said(self, worker: str, now: float) -> list[Word]:
        """All of them, as the store takes them at `now` (monotonic seconds)."""
        return [
            _word(key, answer, place, worker, now) for key, (_, answer, place) in self._new.items()
        ]

    def put_back(self, words: Words) -> None:
        """Tell what could not be told, unless there is something newer."""
        self._new = {**words._new, **self._new}

    def _put(self, key: str, answer: Answer, place: int) -> None:
        known = self._new.get(key)
        if known is None or known[0] <= answer.sent:
            self._new[key] = (answer.sent, answer, place)


def pause_word(seconds: float) -> Word:
    """Nobody may send anything for so long."""
    return Word(PAUSE, "", 0.0, resets_in=seconds, pause=seconds)


def answer_in(word: Word, worker: str, now: float) -> Answer | None:
    """What another worker was told; None for what is our own, or makes no sense.

    now: monotonic seconds, when the word arrived.
    """
    if not word.text or len(word.text) > _MOST:
        return None
    try:
        said = json.loads(word.text)
        if said["by"] == worker:
            return None
        sent = now - _seconds(word.age)
        at = sent + _seconds(said["took"])
        who, host, scope = str(said["who"]), str(said["host"]), str(said["scope"])
        if "name" not in said:
            return Answer(who, host, sent, at, True, None, str(said["why"]), scope=scope)
        resets, limit = said["resets"], said["limit"]
        told = Told(
            _seconds(said["left"]),
            None if limit is None else _seconds(limit),
            None if resets is None else sent + _seconds(resets),
            sent,
            at,
            bool(said["refused"]),
        )
        windows = ((str(said["name"]), told, bool(said["counts"])),)
        return Answer(who, host, sent, at, False, 0.0, str(said["why"]), windows, scope=scope)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _word(key: str, answer: Answer, place: int, worker: str, now: float) -> Word:
    sent = answer.sent
    said: dict[str, Any] = {
        "by": worker,
        "who": answer.who,
        "host": answer.host,
        "scope": answer.scope,
        "why": answer.why,
        "took": answer.at - sent,
    }
    if place < 0:
        return Word(key, json.dumps(said), now - sent, resets_in=1.0)
    name, told, counts = answer.windows[place]
    remaining, resets_at = told.remaining, told.resets_at
    if answer.scoped and answer.wait and not place:
        # The vendor wants nothing of this before then.
        remaining, resets_at = 0.0, answer.at + answer.wait
    said |= {"name": name, "limit": told.limit, "left": remaining, "counts": counts}
    said |= {
        "refused": told.refused,
        "resets": None if resets_at is None else max(0.0, resets_at - sent),
    }
    return Word(
        key,
        json.dumps(said),
        now - sent,
        # A slot is a request: what is counted in something else bounds none.
        left=remaining if counts else None,
        resets_in=None if resets_at is None else max(0.0, resets_at - now),
    )


def _seconds(value: object) -> float:
    """A number as we write them; ValueError for what a foreign store may hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("no number")
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError("no such time")
    return number
