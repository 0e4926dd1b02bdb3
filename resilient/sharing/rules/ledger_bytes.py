"""A ledger as bytes, for a store that reads and writes it with each trade.

Numbers lie as in memory, so a log costs two copies, however long it is; what is rare is JSON.
"""

from __future__ import annotations

import json
import struct
from array import array

from resilient.sharing.rules.done_log import DoneLog
from resilient.sharing.rules.ledger import Holder, Ledger, Lost
from resilient.sharing.rules.words import Kept

_HEAD = struct.Struct("<BIIII")
"""The format; holders, logs; bytes of their names and of the JSON."""
_FORMAT = 1

_written = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def packed(ledger: Ledger) -> bytes:
    """See unpacked."""
    logs = ledger.logs.values()
    names = "\n".join([ledger.born, *ledger.holders]).encode(errors="surrogatepass")
    numbers: list[float] = []
    for holder in ledger.holders.values():
        numbers += holder.ends, holder.held
    for log in logs:
        numbers += log.period, log.asked_at, log.total, len(log.moments)
    rare = b""
    if ledger.words.told or ledger.words.paused_until or ledger.lost:
        rare = _packed_rare(ledger)
    parts = [
        _HEAD.pack(_FORMAT, len(ledger.holders), len(logs), len(names), len(rare)),
        array("d", numbers).tobytes(),
        names,
        rare,
    ]
    for log in logs:
        parts += log.moments.tobytes(), log.counts.tobytes()
    return b"".join(parts)


def unpacked(kept: bytes) -> Ledger | None:
    """None if it is none that this version has written."""
    try:
        return _unpacked(kept)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, struct.error):
        return None


def _unpacked(kept: bytes) -> Ledger | None:
    form, holders, logs, names_length, rare_length = _HEAD.unpack_from(kept)
    if form != _FORMAT:
        return None
    place = _HEAD.size + 16 * holders + 32 * logs
    numbers = array("d", kept[_HEAD.size : place])
    born, *names = kept[place : place + names_length].decode(errors="surrogatepass").split("\n")
    place += names_length
    if len(names) != holders:
        return None
    ledger = Ledger(born)
    for index, name in enumerate(names):
        ends, held = numbers[2 * index : 2 * index + 2]
        ledger.holders[name] = Holder(ends, int(held))
        ledger.held += int(held)
    if rare_length:
        _unpack_rare(kept[place : place + rare_length], ledger)
        place += rare_length
    for index in range(2 * holders, len(numbers), 4):
        period, asked_at, total, length = numbers[index : index + 4]
        log = ledger.logs[period] = DoneLog(period, asked_at)
        middle, end = place + 8 * int(length), place + 12 * int(length)
        log.moments.frombytes(kept[place:middle])
        log.counts.frombytes(kept[middle:end])
        log.total = int(total)
        place = end
    return ledger if place == len(kept) else None


def _packed_rare(ledger: Ledger) -> bytes:
    words = ledger.words
    lost = [[name, one.count, one.at] for name, one in ledger.lost.items()]
    kept = [[getattr(one, slot) for slot in _SLOTS] for one in words.by_key.values()]
    return _written([words.told, words.paused_until, kept, lost]).encode()


def _unpack_rare(rare: bytes, ledger: Ledger) -> None:
    told, paused_until, words, lost = json.loads(rare)
    ledger.words.told = int(told)
    ledger.words.paused_until = float(paused_until)
    for values in words:
        ledger.words.by_key[values[0]] = Kept(*values)
    for name, count, at in lost:
        ledger.lost[name] = Lost(int(count), float(at))


_SLOTS = ("key", "text", "sent", "left", "resets_at", "paused_until", "number", "used")
assert (array("d").itemsize, array("I").itemsize) == (8, 4)
