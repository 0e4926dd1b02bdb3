"""What is asked of the scripts as Redis takes it, and their answers as they are to be taken.

No answer is believed before it was looked at: what stands behind an address may be anything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from struct import Struct, pack

from resilient.sharing.redis.trade import MICRO, NOTHING
from resilient.sharing.shapes import NEVER, Ask, Grant, Word
from resilient.stores.bytes_store import StoreFailed

LONGEST = 1e9
"""Seconds; more is the same as for ever."""

MOST_WANTED = 10_000_000

_BORN = 24
_HEAD = Struct("<4d")
_RUN = Struct("<2d")


def nonsense() -> StoreFailed:
    """What to raise for an answer that can't be one."""
    return StoreFailed("it answers with something else than what it was asked for")


def asked(ask: Ask, turn: bytes, moment: int) -> list[bytes]:
    """The arguments of trade.TRADE. moment: as `moment` gives it, -1 for the server's."""
    rates, kept, want, done, spent = ask.rates, ask.kept, ask.want, ask.done, ask.spent
    numbers: list[float] = [
        moment,
        _micro_up(ask.lives),
        want if 0 <= want <= MOST_WANTED else max(0, min(want, MOST_WANTED)),
        ask.whole,
        # Sums of floats may lack the last bit.
        _micro(ask.within) + 1,
        max(0, ask.unused),
        max(0, ask.seen),
        len(rates),
        len(done) + len(spent),
        len(ask.words),
        len(ask.spends),
    ]
    for place, (calls, period) in enumerate(rates):
        numbers += (calls, _micro_up(period) or 1, kept[place] if place < len(kept) else 0)
    for count, age in done:
        numbers += (max(0, count), _micro(age), 0)
    for count, age in spent:
        numbers += (max(0, count), _micro(age), 1)
    arguments = [text(ask.holder), turn, b""]
    for word in ask.words:
        left = word.left
        numbers += (
            _micro(word.age),
            NOTHING if left is None or not math.isfinite(left) else left,
            -1 if word.resets_in is None else _micro_up(word.resets_in),
            min(_micro_up(word.pause), 86_400 * MICRO),
        )
        arguments += (text(word.key), text(word.text))
    if ask.spends:
        arguments += map(text, ask.spends)
    arguments[2] = pack(f"<{len(numbers)}d", *numbers)
    return arguments


def granted(answer: object, want: int) -> Grant:
    """The grant that TRADE answers with. Raises: StoreFailed."""
    words: list[Word] = []
    if type(answer) is not bytes:
        parts = strings(answer)
        if len(parts) % 3 != 1:
            raise nonsense()
        answer = parts[0]
        words = [_word(parts[at : at + 3]) for at in range(1, len(parts), 3)]
    size = len(answer) - _BORN - _HEAD.size
    if size < 0 or size % _RUN.size:
        raise nonsense()
    seen, workers, wait, pause = _HEAD.unpack_from(answer, _BORN)
    # What is not a number fails each of these.
    if not (seen >= 0 and workers >= 0 and wait >= -1 and pause >= 0):
        raise nonsense()
    if max(seen, workers, wait, pause) == NEVER:
        raise nonsense()
    try:
        born = answer[:_BORN].decode("ascii")
    except ValueError:
        raise nonsense() from None
    starts: list[float] = []
    former = 0.0
    for start, count in _RUN.iter_unpack(answer[_BORN + _HEAD.size :]):
        if not (former <= start < NEVER and 1 <= count <= want - len(starts)):
            raise nonsense()
        former = start
        starts += [start / MICRO] * int(count)
    return Grant(
        starts,
        NEVER if wait < 0 else wait / MICRO,
        pause / MICRO,
        words,
        int(seen),
        int(workers) or 1,
        born,
    )


def strings(answer: object, count: int | None = None) -> list[bytes]:
    """An answer that is an array of strings, `count` of them. Raises: StoreFailed."""
    if (
        not isinstance(answer, list)
        or not all(type(one) is bytes for one in answer)
        or count not in (None, len(answer))
    ):
        raise nonsense()
    return answer


def seconds(moment: bytes) -> float:
    """A moment of the server in seconds. Raises: StoreFailed."""
    try:
        return int(moment) / MICRO
    except ValueError:
        raise nonsense() from None


def moment(at: float) -> int:
    """A moment as the scripts take it. Far from zero, so that none before it is negative."""
    return round(at * MICRO) + round(LONGEST * MICRO)


def millis(lives: float) -> bytes:
    """A duration for PX, a millisecond at the least."""
    return b"%d" % max(1, _micro_up(lives) // 1000)


def text(value: str) -> bytes:
    """Any text as bytes."""
    return value.encode("utf-8", "surrogatepass")


def read(data: bytes) -> str:
    """A text that `text` made. Raises: StoreFailed."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except ValueError:
        raise nonsense() from None


def _word(parts: Sequence[bytes]) -> Word:
    key, told, numbers = parts
    if len(numbers) != _HEAD.size:
        raise nonsense()
    age, left, resets_in, pause = _HEAD.unpack(numbers)
    if not (age >= 0 and left > -NEVER and resets_in >= 0 and pause >= 0):
        raise nonsense()
    if max(age, left, resets_in, pause) == NEVER:
        raise nonsense()
    return Word(
        read(key),
        read(told),
        age / MICRO,
        left if left > NOTHING else None,
        resets_in / MICRO,
        pause / MICRO,
    )


def _micro(duration: float) -> int:
    # Not a number is no duration.
    return int(min(duration, LONGEST) * MICRO) if duration > 0 else 0


def _micro_up(duration: float) -> int:
    return math.ceil(min(duration, LONGEST) * MICRO) if duration > 0 else 0
