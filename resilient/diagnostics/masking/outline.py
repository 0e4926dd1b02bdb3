"""Is there anything in a text that might be a token or a number with check digits?

Most lines hold none, and their outline tells that much faster than the patterns do: letters and
digits become a few signs, everything that no token has becomes a space.
"""

from __future__ import annotations

import re
import string

_TABLE = bytearray(b"\n" * 256)
for _sign in b" -":
    _TABLE[_sign] = _sign
for _sign in b"+/_":
    _TABLE[_sign] = ord("_")
for _sign in string.ascii_lowercase.encode():
    _TABLE[_sign] = ord("x" if _sign > ord("f") else "a")
for _sign in string.ascii_uppercase.encode():
    _TABLE[_sign] = ord("A")
for _sign in string.digits.encode():
    _TABLE[_sign] = ord("0")
_OUTLINE = bytes(_TABLE)

SHORTEST = 16
# A UUID, a hash in lower case, words joined by hyphens or slashes. Nothing is so long that it could
# be one of the keys that are made of hexadecimal digits alone.
_PLAIN = re.compile(rb"[a0-]{1,48}|[ax_-]+|(?:[a0]{64}){1,2}")

# Of a card number, at least: 4-4, 8 in a row, or 4-6.
_DIGITS = re.compile(rb"0000[ -]?0000")
_IBAN = b"AA00"

_LONG = b"x" * SHORTEST
_RUNS = bytes(ord("x") if sign in b"Aax0_-" else ord(" ") for sign in range(256))


def outline_of(text: str) -> bytes:
    """One byte a sign."""
    return text.encode("ascii", "replace").translate(_OUTLINE)


def may_have_token(outline: bytes, text: str) -> bool:
    """Is there a run of letters and digits that is long enough, and no plain one?"""
    if _LONG not in outline.translate(_RUNS):
        return False
    if any(len(run) >= SHORTEST and not _PLAIN.fullmatch(run) for run in outline.split()):
        return True
    # Prefixes that end with a sign of no token, so that what is behind them looks like a plain run.
    return "mlsn." in text or "amzn.mws." in text


def may_have_number(outline: bytes) -> bool:
    """Are there the digits of a card number, or the beginning of an IBAN?"""
    return _IBAN in outline or _DIGITS.search(outline) is not None
