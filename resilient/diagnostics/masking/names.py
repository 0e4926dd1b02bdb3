"""Is a value secret because of its name? The pattern of such names, and what is excepted."""

from __future__ import annotations

import re
import string

from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.rule import lower
from resilient.http.secret_names import HARMLESS, HEADERS, IN_TEXTS, IN_TEXTS_WHOLE, NAMES, WORDS

_LETTERS = lazy(r"[\W_]+")
_NAME_SIGNS = string.ascii_lowercase + string.digits + "_-"
_HARMLESS = (
    *HARMLESS,
    # A language model's, and a parser's: "unexpected token: }".
    *(f"{kind}token" for kind in ("pad", "eos", "bos", "unk", "sep", "cls", "mask", "stop")),
    *("unexpectedtoken", "specialtoken", "lasttoken", "firsttoken"),
)

# What may stand behind a name without changing what it means: PASSWORD_PROD, tokenValue, secret2.
_SUFFIX = (
    r"(?:[_-]?(?:v?\d{1,2}|value|string|confirmation|confirm|again|new|old|prod|production|staging"
    r"|dev|test|live|base|raw|plain|b64|base64|primary|secondary|encoded)(?![a-z0-9]))?"
)

excepted_names: frozenset[str] = frozenset()
"""Names, in lower case, that the application said are no secrets'. Replaced as a whole."""


def _branch(name: str) -> str:
    if name not in WORDS and name not in IN_TEXTS_WHOLE:
        return re.escape(name[1:])
    # A color or a percent-encoded sign may stand before a word, and ends with a letter or digit.
    return (
        rf"{name[1:]}(?:(?<![a-z0-9]{name})|(?<=\dm{name})|(?<=%[0-9a-f][0-9a-f]{name})"
        rf"|(?<=\\[nrt]{name}))"
    )


def _any_of(names: tuple[str, ...]) -> str:
    """Every branch begins with a plain letter: only then does `re` skip ahead to the next one."""
    by_letter: dict[str, list[str]] = {}
    for name in sorted(set(names), key=lambda name: (-len(name), name)):
        by_letter.setdefault(name[0], []).append(_branch(name))
    return "|".join(f"{letter}(?:{'|'.join(ends)})" for letter, ends in sorted(by_letter.items()))


ANY_NAME = rf"(?P<name>{_any_of((*HEADERS, *NAMES, *WORDS, *IN_TEXTS))}){_SUFFIX}"
_SENSITIVE = lazy(rf"{ANY_NAME}\Z")

HINTS = lazy(
    "a(?:uth|ssertion)|b(?:earer|asic )|c(?:ookie|ode|red|v)|jwt|key|otp|p(?:ass|w|in[=:\"'\\\\])"
    "|s(?:ecret|ess|ig|sn)|token|_pat"
)
"""Found in every text, in lower case, that has such a name."""


def is_sensitive(name: str) -> bool:
    """Does a value of this name have to be masked?"""
    found = _SENSITIVE.search(lower(name))
    return found is not None and not is_harmless(lower(name), found.start(), found.end())


def is_harmless(lowered: str, start: int, end: int) -> bool:
    """Is the name that ends here a longer one that is no secret's: `next_page_token`?"""
    before = lowered[max(0, start - 32) : start]
    name = before[len(before.rstrip(_NAME_SIGNS)) :] + lowered[start:end]
    if name.strip("_-") in excepted_names:
        return True
    return _LETTERS.sub("", name).endswith(_HARMLESS)
