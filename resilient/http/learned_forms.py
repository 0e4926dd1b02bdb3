"""How a secret may stand in a text: in which codings, and what of it when it was cut."""

from __future__ import annotations

import base64
import html
import json
import re
import string
from collections.abc import Iterator
from operator import ne
from urllib.parse import quote, quote_plus

SHORTEST = 8
MOST_PIECES = 64
"""Pieces, about, by which a part of one form is known."""
RANDOM = re.compile(r"(?=\D*\d)(?=[^a-zA-Z]*[a-zA-Z])", re.DOTALL)
_SIGNS = re.compile(r"[^aA0]+")


def forms_of(value: str) -> set[str]:
    """The value in all codings; halves of it where it looks like nothing else; its lines.

    A log format may cut a value. One of its two parts holds a half of it, so that what is left is
    less than a half.
    """
    half = (len(value) + 1) // 2
    halves = (value[:half], value[-half:])
    if half >= 12 and all(map(RANDOM.match, halves)):
        parts: tuple[str, ...] = halves
    else:
        parts = (value,)
    if "\n" in value:
        parts += tuple(filter(_is_random_line, map(str.strip, value.splitlines())))
    forms = {form for part in parts for form in _escaped(part)}
    forms.update(_in_base64(value))
    return {form for form in forms if len(form) >= SHORTEST}


def _is_random_line(line: str) -> bool:
    return len(line) >= 12 and RANDOM.match(line) is not None


def pieces_of(value: str) -> set[str]:
    """What tells a value by a few signs of it, where it is random throughout; and it in hex.

    A log format may cut a value in three, or break the line anywhere: of each part, no more than a
    few signs show at its ends.
    """
    pieces = {piece for form in {*_escaped(value)} for piece in _pieces(form)}
    in_hex = value.encode("utf-8", "surrogatepass").hex()
    return {*pieces, in_hex, in_hex.upper()}


_KINDS = {
    sign: "0" if chr(sign).isdigit() else "A" if chr(sign).isupper() else "a"
    for sign in map(ord, string.ascii_letters + string.digits)
}


def _pieces(form: str) -> Iterator[str]:
    """Parts of a few signs that are no words, one beginning shortly behind the other."""
    last = len(form) - SHORTEST
    if last < SHORTEST // 2 or not form.isascii():
        return
    kinds = form.translate(_KINDS)
    covered = 0
    for at in (*range(0, last, max(3, len(form) // MOST_PIECES)), last):
        # A longer one, as a rule between signs of other kinds, where a short one tells too little.
        for end, turns in ((at + SHORTEST, 3), (at + SHORTEST + 4, 4)):
            if end > covered and end <= len(form) and _takes_turns(kinds[at:end], turns):
                yield form[at:end]
                covered = end
                break


def _takes_turns(kinds: str, turns: int) -> bool:
    """Do small letters, capitals and digits take turns so often, as they do by chance only?"""
    kinds = _SIGNS.sub("", kinds)
    return "0" in kinds and sum(map(ne, kinds, kinds[1:])) >= turns


def _escaped(part: str) -> Iterator[str]:
    """As it is, URL-encoded, and as it stands in strings of Python, JSON, HTML, SQL and shells."""
    yield part
    raw = part.encode("utf-8", "surrogatepass")
    for encoded in (quote(raw), quote(raw, safe=""), quote_plus(raw)):
        yield encoded
        yield re.sub("%..", lambda found: found[0].lower(), encoded)
        yield quote(encoded, safe="")
    yield repr(raw)[2:-1]
    in_html = html.escape(part)
    yield in_html
    yield in_html.replace("&#x27;", "&#39;").replace("&quot;", "&#34;")
    yield html.escape(part, quote=False)
    if "'" in part:
        yield part.replace("'", "''")
        yield part.replace("'", "'\"'\"'")
        yield part.replace("'", "'\\''")
    in_json = json.dumps(part)[1:-1]
    if in_json != part:
        yield quote(in_json, safe="")
        yield quote(in_json)
    for escaped in (
        *(repr(part)[1:-1], ascii(part)[1:-1], in_json, json.dumps(part, ensure_ascii=False)[1:-1]),
        *(part.replace("\\", "\\\\").replace("'", "\\'"), part.replace("/", "\\/")),
        in_json.replace("/", "\\/"),
    ):
        yield escaped
        again = json.dumps(escaped)[1:-1]
        yield again
        yield json.dumps(escaped, ensure_ascii=False)[1:-1]
        if again != escaped:
            yield json.dumps(again)[1:-1]
            yield repr(again)[1:-1]


def _in_base64(value: str) -> Iterator[str]:
    """RFC 4648, both alphabets, wherever in a group of three bytes the value begins.

    Only the signs that no neighbor has a part in.
    """
    raw = value.encode("utf-8", "surrogatepass")
    for before in range(3):
        first = -(-before * 8 // 6)
        last = (before + len(raw)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            core = encode(bytes(before) + raw).decode()[first:last]
            yield core
            yield quote(core, safe="")
