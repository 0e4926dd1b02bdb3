"""Cache-Control of requests and answers (RFC 9111 5.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from resilient.http.caching.messages import Fields

Directives = Mapping[str, str]

# RFC 9111 5.2: both the token and the quoted form of a value are to be accepted. A string that
# stands alone is no directive, whatever it holds; one that never ends is seen by `open`.
_DIRECTIVE = re.compile(
    r"""(?P<name>[!#$%&'*+.^_`|~\w-]+)
        (?:=(?:"(?P<quoted>(?:[^"\\]|\\(?:.|\Z))*)(?P<open>"|\Z)|(?P<token>[^\s,;"]*)))?
      | "(?:[^"\\]|\\(?:.|\Z))*(?P<stray>"|\Z)""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
# A semicolon between two directives is a mistake whose meaning is plain.
_BETWEEN = re.compile(r"\s*[,;][\s,;]*")
_ENDS = re.compile(r"\s*(?:[,;]|\Z)")
_MALFORMED = "="
"""The value of a directive that is not alone between commas: neither a number nor a name."""
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_FIELD_NAMES = re.compile(r"[!#$%&'*+.^_`|~\w\s,-]+", re.ASCII)

_LONGEST = 2.0**31
"""RFC 9111 1.2.2: seconds, as long as any lifetime has to be."""

_QUALIFIED = frozenset({"no-cache", "private"})


_LONGEST_KEPT = 1024
"""Characters of a value that is worth remembering."""

_NONE: Directives = {}


def directives_of(cache_control: str | None) -> Directives:
    """The directives by lower-case name; "" for those without a value. Not to be changed.

    What forbids something does so in any company. But a value that shares its place in the list
    with something else, as in `max-age=60 5`, is none that can be read.

    Of several with one name the first counts (RFC 9111 4.2.1); of several no-cache or private, all
    of them do.
    """
    if not cache_control:
        return _NONE
    # An origin sends the same few again and again.
    return (_read_before if len(cache_control) <= _LONGEST_KEPT else _read)(cache_control)


def _read(text: str) -> Directives:
    found: dict[str, str] = {}
    end = 0
    for match in _DIRECTIVE.finditer(text):
        is_alone = _begins(text, end, match.start()) and _ENDS.match(text, match.end())
        end = match.end()
        name, quoted = match["name"], match["quoted"]
        if match["open"] == "" or match["stray"] == "":
            # The string never ends: what it holds may be directives, and those that forbid
            # something must not be missed.
            at = match.start()
            return _read(text[:at] + text[at:].replace('"', " "))
        if name is None:
            continue
        name = name.lower()
        value = _ESCAPE.sub(r"\1", quoted) if quoted is not None else match["token"] or ""
        if match["token"] == "" or not is_alone:
            value = _MALFORMED
        if name not in found:
            found[name] = value
        elif name in _QUALIFIED:
            # The stricter is the one that names no fields.
            found[name] = f"{found[name]}, {value}" if found[name] and value else ""
    return found


def _begins(text: str, end: int, start: int) -> bool:
    """Does a new member of the list begin at `start`? end: of what was read before; 0 for none."""
    if not end:
        return not text[:start].strip(" \t\r\n,;")
    return _BETWEEN.fullmatch(text, end, start) is not None


_read_before = lru_cache(maxsize=512)(_read)


def seconds_of(text: str | None) -> float | None:
    """delta-seconds (1.2.2) of any length, cut down to 2**31; None for anything else."""
    if text is None:
        return None
    text = text.strip(" \t")
    return min(float(text), _LONGEST) if text.isascii() and text.isdecimal() else None


def asked_of(request_fields: Fields) -> Directives:
    """What a request says, Pragma (5.4) included."""
    control = request_fields.get("cache-control")
    if control is None:
        pragma = request_fields.get("pragma")
        # 5.4: deprecated, but no-cache is what a caller who sends it means.
        return directives_of("no-cache" if pragma and "no-cache" in directives_of(pragma) else None)
    return directives_of(control)


def forbids_reuse(said: Directives) -> bool:
    """no-cache for the answer as a whole (5.2.2.4), and not for some of its fields only."""
    return "no-cache" in said and not fields_named(said["no-cache"])


def fields_named(value: str) -> frozenset[str]:
    """The field names in the value of a qualified no-cache or private; none if it is malformed."""
    if not _FIELD_NAMES.fullmatch(value):
        return frozenset()
    return frozenset(name for part in value.split(",") if (name := part.strip().lower()))
