"""Values as bytes, for stores that processes share: JSON, and the types that people return.

A value that is all JSON becomes JSON and nothing else, so that reading it costs what C takes.
Otherwise what is no JSON is written as `{"~": [tag, content]}`; a dict that has such a key itself
is tagged, too. The first byte tells which of the two it is.

Nothing loses its type: what would come back as something else, or not equal, can't be stored. What
two places of a value share, they have a copy of each.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from json.decoder import JSONDecoder
from typing import Any

from resilient.stores.kinds import described
from resilient.stores.tags import (
    Unreadable,
    Unstorable,
    readers,
    register,
    register_reader,
    registered,
)

__all__ = ["Unreadable", "Unstorable", "dumps", "loads", "register"]

_JSON, _TAGGED = b"j"[0], b"t"[0]
MARK = "~"

_SAFE_BITS = 2000
"""Python may be set to refuse decimals of 640 digits (sys.set_int_max_str_digits) and more."""

Plain = Any
"""What JSON can say, with `{"~": [tag, content]}` for the rest."""

_Scan = Callable[[str, int], tuple[Any, int]]


def dumps(value: Any) -> bytes:
    """Raises: Unstorable."""
    try:
        if _is_json(value):
            return b"j" + _json(value)
        return b"t" + _json(_plain_of(value))
    except RecursionError:
        why = "it is nested too deeply, or holds itself"
        raise Unstorable(type(value), why) from None


def loads(data: bytes | memoryview) -> Any:
    """Raises: Unreadable, and nothing else."""
    try:
        form = data[0]
        text = str(data[1:], "utf-8")
        if form == _JSON:
            value, end = _scan(text, 0)
        elif form == _TAGGED:
            value, end = _scan_tagged(text, 0)
        else:
            raise Unreadable("it was written by another version, or another serializer")
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(f"{type(error).__name__} while it was read") from error
    if end != len(text):
        raise Unreadable("something follows its end")
    return value


def tagged(tag: str, content: Plain) -> Plain:
    """What `loads` hands to the reader of `tag`."""
    return {MARK: [tag, content]}


def _json(value: Plain) -> bytes:
    # nan and inf are no JSON; Python writes and reads them all the same.
    text = json.dumps(value, ensure_ascii=False, check_circular=False, separators=(",", ":"))
    return text.encode()


def _is_json(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return _is_text(value)
    if kind is dict:
        return all(type(key) is str and _is_text(key) for key in value) and all(
            map(_is_json, value.values())
        )
    if kind is list:
        return all(map(_is_json, value))
    if kind is int:
        return bool(value.bit_length() <= _SAFE_BITS)
    return kind is float or kind is bool or value is None


def _is_text(text: str) -> bool:
    """Can UTF-8 say it? Halves of a surrogate pair would become one character."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain_of(value: Any) -> Plain:
    kind = type(value)
    if kind is dict:
        if all(type(key) is str and _is_text(key) for key in value) and MARK not in value:
            return {key: _plain_of(one) for key, one in value.items()}
        pairs = [[_plain_of(key), _plain_of(one)] for key, one in value.items()]
        return tagged("dict", pairs)
    if kind is list:
        return [_plain_of(one) for one in value]
    if kind is str or kind is int or kind is float or kind is bool or value is None:
        if _is_json(value):
            return value
        if kind is int:
            return tagged("int", f"{value:x}")
        return tagged("str", value.encode("utf-8", "surrogatepass").hex())
    known = registered.get(kind)
    if known is not None:
        tag, to_plain = known
        return tagged(tag, _plain_of(to_plain(value)))
    tag, content = described(value)
    return tagged(tag, _plain_of(content))


def _of_tagged(node: dict[str, Any]) -> Any:
    if MARK not in node:
        return node
    ((tag, content),) = node.values()
    reader = readers.get(tag)
    if reader is None:
        raise Unreadable("a type in it is not registered in this program")
    return reader(content)


# What json.loads calls in the end, in C; typeshed leaves it out.
_scan: _Scan = JSONDecoder().scan_once  # type: ignore[attr-defined]
_scan_tagged: _Scan = JSONDecoder(object_hook=_of_tagged).scan_once  # type: ignore[attr-defined]

register_reader("dict", dict)
register_reader("int", lambda digits: int(digits, 16))
register_reader("str", lambda digits: bytes.fromhex(digits).decode("utf-8", "surrogatepass"))
