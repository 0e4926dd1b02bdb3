"""Is a value secret because of its name? The pattern of such names, and what is excepted."""

from __future__ import annotations

import json
import re
import string
from urllib.parse import quote

from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.rule import lower
from resilient.http.secret_names import (
    HARMLESS,
    HEADERS,
    IN_TEXTS,
    IN_TEXTS_WHOLE,
    NAMES,
    OTHER_LANGUAGES,
    WORDS,
)

_LETTERS = lazy(r"[\W_]+")
# A color, a percent-encoded sign or an escape may stand before a word, and ends with a letter.
_BEFORE_WORD = lazy(r"(?:\dm|%[0-9A-Fa-f]{2}|\\[nrt]|(?<![\w-])-D)\Z")
_NAME_SIGNS = string.ascii_lowercase + string.digits + "_-"
_HARMLESS = (
    *HARMLESS,
    # A language model's, and a parser's: "unexpected token: }".
    *(f"{kind}token" for kind in ("pad", "eos", "bos", "unk", "sep", "cls", "mask", "stop")),
    *("unexpectedtoken", "specialtoken", "lasttoken", "firsttoken"),
    # Of filters, of renderers, of travelers.
    *(f"{kind}pass" for kind in ("low", "high", "band", "render", "multi", "first", "second")),
    *("boardingpass", "seasonpass"),
)
_SPOKEN_HARMLESS = ("unexpected ", "palabra ", "unexpected_")
"""What stands in front of a name, with a space between."""

# What may stand behind a name without changing what it means: PASSWORD_PROD, tokenValue, secret2.
_SUFFIX = (
    r"(?:[_-]?(?:v?\d{1,2}|value|string|confirmation|confirm|again|new|old|prod|production|staging"
    r"|dev|test|live|base|raw|plain|b64|base64|primary|secondary|encoded)(?![a-z0-9]))?"
)

excepted_names: frozenset[str] = frozenset()
"""Names, in lower case, that the application said are no secrets'. Replaced as a whole."""


def _spelled(name: str) -> tuple[str, ...]:
    """The name as it is, in JSON of ASCII alone, URL-encoded, and in a repr of bytes."""
    in_bytes = repr(name.encode())[2:-1]
    return tuple(
        dict.fromkeys((name, json.dumps(name)[1:-1], quote(name, safe=" ").lower(), in_bytes))
    )


def _any_of(names: tuple[str, ...]) -> str:
    """Every branch begins with a plain sign: only then does `re` skip ahead to the next one."""
    by_sign: dict[str, list[str]] = {}
    for name in sorted(set(names), key=lambda name: (-len(name), name)):
        # In JSON in JSON, a backslash is doubled.
        end = re.escape(name[1:]).replace(r"\\u", r"\\{1,15}u")
        end = end.replace(r"\\x", r"\\{1,15}x")
        by_sign.setdefault(name[0], []).append(end)
    return "|".join(
        f"{re.escape(sign)}(?:{'|'.join(ends)})" for sign, ends in sorted(by_sign.items())
    )


_FOREIGN = tuple(spelled for name in OTHER_LANGUAGES for spelled in _spelled(name))
_WHOLE = frozenset((*WORDS, *IN_TEXTS_WHOLE))
ANY_NAME = rf"(?P<name>{_any_of((*HEADERS, *NAMES, *WORDS, *IN_TEXTS, *_FOREIGN))}){_SUFFIX}"
_SENSITIVE = lazy(rf"{ANY_NAME}\Z")

# One search for all of them, with as few first letters as will do: a part of each name, or of what
# protocols say: NTLM, Negotiate, LOGIN, simple_bind, and 334 "Password:" in base64.
_HINTS = lazy(
    r"a(?:uth|ssertion|chtwo|slo|roon)|b(?:earer|asic )"
    r"|c(?:ookie|ode|red|v|ontras|lave|3dvcm|srf|onnect\.s)|jwt|ke(?:y|nnw)"
    r"|o(?:tp|tiate |gin[ (]|nic)"
    r"|p(?:ass|epper|hrase|w|in[^a-z0-9_]|arola)|t(?:oken|lm )|_(?:pat|bind)"
    r"|s(?:aml|rf|id[\"'=: \\]|alas|ecret|ess|ig|ocial|sn|enha|etuser|hopify|lo[^a-z])"
)
_ENCODED_HINTS = tuple(
    dict.fromkeys(name[:6] for name in _FOREIGN if not name[:6].isascii() or not name[:6].isalpha())
)


def first_hint(lowered: str) -> int:
    """Where there is, in a text in lower case, something that every such name has a part of.

    Or one of the words of a protocol, behind which a secret comes; -1 if there is neither. No name
    begins more than 32 signs before it.
    """
    found = _HINTS.search(lowered)
    if "mdp" in lowered:
        return 0
    if not lowered.isascii() or "\\" in lowered or "%" in lowered:
        for hint in _ENCODED_HINTS:
            if hint in lowered:
                return 0
    return -1 if found is None else found.start()


def is_sensitive(name: str) -> bool:
    """Does a value of this name have to be masked?"""
    found = _SENSITIVE.search(lower(name))
    return found is not None and not is_harmless(name, found)


def is_harmless(text: str, found: re.Match[str]) -> bool:
    """Is the name that was found in the text a part of a word, or the end of a longer name that is
    no secret's: `compass`, `next_page_token`?
    """
    start, end = found.span("name")
    before = text[max(0, start - 32) : start]
    if (
        before[-1:].isalnum()
        and found["name"] in _WHOLE
        and not (text[start].isupper() and before[-1:].islower())
        and not _BEFORE_WORD.search(before)
    ):
        return True
    lowered = lower(before)
    name = lowered[len(lowered.rstrip(_NAME_SIGNS)) :] + found.string[start:end]
    if name.strip("_-") in excepted_names or lowered.endswith(_SPOKEN_HARMLESS):
        return True
    return _LETTERS.sub("", name).endswith(_HARMLESS)
